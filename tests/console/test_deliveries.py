"""The list of deliveries: filters, order, pages, with what happens between two of them."""

import itertools
import time
from datetime import datetime

import pytest

from harness import config
from harness.exchange import Answer
from harness.wait import wait_for


def configure(service, sources, **destination):
    """SOURCES: name -> destinations. Every destination is at the sink, under its name."""
    for name in {name for to in sources.values() for name in to}:
        service.conf["destinations"][name] = config.destination(service.sink.url("/" + name), **destination)
    for source, to in sources.items():
        service.conf["sources"][source] = config.source(list(to))
    return service


@pytest.fixture
def waiting(empty):
    """Nothing is sent: what is accepted stays queued."""
    empty.conf["sources"], empty.conf["destinations"] = {}, {}
    configure(empty, {"shop": ["orders", "audit"], "seo": ["orders"]})
    empty.receiver.reload(empty.conf)
    return empty


def post(service, source, *idents, tag=None):
    for ident in idents:
        answer = service.receiver.post("/in/" + source, {"id": ident, **({"tag": tag} if tag else {})})
        assert answer.status == 200, answer


def ids(items):
    return [item["id"] for item in items]


def test_newest_first(waiting):
    post(waiting, "seo", "a", "b")
    post(waiting, "shop", "c")
    page = waiting.root.get("deliveries")
    assert page["next"] is None
    assert ids(page["items"]) in (["c:orders", "c:audit", "b:orders", "a:orders"], ["c:audit", "c:orders", "b:orders", "a:orders"])
    assert all(set(item) >= {"id", "event", "source", "destination", "lane", "kind", "state", "tag", "accepted_at"} for item in page["items"])
    assert [item["accepted_at"] for item in page["items"]] == sorted((item["accepted_at"] for item in page["items"]), reverse=True)


def test_an_empty_queue(empty):
    assert empty.root.get("deliveries") == {"items": [], "next": None}
    for state in ("queued", "inflight", "retry", "dead", "done"):
        assert empty.root.get("deliveries", state=state) == {"items": [], "next": None}


def test_every_filter(waiting):
    post(waiting, "seo", "a", tag="red")
    post(waiting, "shop", "b", tag="blue é")
    post(waiting, "shop", "c")
    get = lambda **query: sorted(ids(waiting.root.all("deliveries", **query)))  # noqa: E731
    assert get(source="seo") == ["a:orders"]
    assert get(source="shop", destination="audit") == ["b:audit", "c:audit"]
    assert get(lane="audit") == ["b:audit", "c:audit"]
    assert get(tag="blue é") == ["b:audit", "b:orders"]
    assert get(tag="blue") == []
    assert get(state="queued") == ["a:orders", "b:audit", "b:orders", "c:audit", "c:orders"]
    assert get(state="queued", lane="audit") == ["b:audit", "c:audit"]
    assert get(state="queued", destination="orders", tag="red") == ["a:orders"]
    assert get(state="dead") == get(source="none") == get(destination="none") == get(state="queued", lane="none") == []
    assert get(id="b") == ["b:audit", "b:orders"] and get(id="b:audit") == ["b:audit"]
    assert get(id="b", destination="orders") == ["b:orders"] and get(id="b", source="seo") == [] and get(id="none") == []


def test_since_and_until(waiting):
    moments = []
    for ident in "abcd":
        post(waiting, "seo", ident)
        moments.append(waiting.root.get("deliveries/" + ident + "%3Aorders")["accepted_at"])
        wait_for(lambda: time.time() * 1000 > ms(moments[-1]) + 1, 1, "the next millisecond")
    get = lambda **query: ids(waiting.root.all("deliveries", **query))  # noqa: E731
    assert get(since=moments[1], until=moments[2]) == ["c:orders", "b:orders"]
    assert get(since=ms(moments[2])) == ["d:orders", "c:orders"]
    assert get(until=moments[0].replace("Z", "+00:00")) == ["a:orders"]
    assert get(since=ms(moments[3]) + 1) == []
    assert get(state="queued", lane="orders", since=moments[1], until=moments[2]) == ["c:orders", "b:orders"]


def ms(iso):
    return round(datetime.fromisoformat(iso.replace("Z", "+00:00")).timestamp() * 1000)


@pytest.mark.parametrize("query", [
    "state=gone", "state=", "limit=0", "limit=1001", "limit=x", "since=yesterday", "until=2026-13-01T00:00:00Z", "source=a+b", "lane=",
    "destination=../x", "cursor=x", "cursor=1,2", "cursor=99999999999999999999-0/1/1", "tag=a&tag=b", "colour=red", "tag=%zz", "tag=%00",
    "source=%e9", "cursor=-", "cursor=/", "cursor=../..",
])
def test_bad_filters(empty, query):
    answer = empty.root.raw("GET", "/api/deliveries?" + query)
    assert answer.status == 400 and answer.json()["error"]["message"], answer


@pytest.mark.parametrize("limit", [1, 2, 7, 50, 1000])
def test_pages_have_everything_once(waiting, limit):
    post(waiting, "shop", *(f"e{n}" for n in range(40)))
    expected = ids(waiting.root.all("deliveries", limit=1000))
    assert len(expected) == 80
    assert ids(waiting.root.all("deliveries", limit=limit)) == expected
    assert ids(waiting.root.all("deliveries", limit=limit, state="queued", lane="audit")) == [f"e{n}:audit" for n in reversed(range(40))]


def test_pages_of_events_that_came_at_once(service):
    """Many events of one moment share an entry: a page may end in the middle of one."""
    configure(service, {"in": [f"d{n}" for n in range(5)]}).start(dispatchers=0)
    post(service, "in", *(f"e{n}" for n in range(12)))
    everything = {f"e{n}:d{m}" for n, m in itertools.product(range(12), range(5))}
    for limit in (1, 3, 4, 11):
        found = ids(service.root.all("deliveries", limit=limit))
        assert len(found) == 60 and set(found) == everything


def test_what_is_accepted_meanwhile_does_not_move_the_pages(waiting):
    post(waiting, "seo", *"abcdef")
    first = waiting.root.get("deliveries", limit=3)
    post(waiting, "seo", "new")
    second = waiting.root.get("deliveries", limit=3, cursor=first["next"])
    assert ids(first["items"] + second["items"]) == [f"{i}:orders" for i in "fedcba"]


def test_states_over_a_life(service):
    configure(service, {"in": ["good", "bad", "later", "slow"]}, retry={"schedule_s": []})
    service.conf["destinations"]["later"]["retry"] = {"schedule_s": [600]}
    service.start()
    service.sink.on("/bad", 500).on("/later", 503)
    service.sink.on("/slow", Answer(action="hang"))
    post(service, "in", "a", "b")
    get = lambda **query: sorted(ids(service.root.all("deliveries", **query)))  # noqa: E731
    wait_for(lambda: get(state="dead") == ["a:bad", "b:bad"], 5, "the dead ones")
    wait_for(lambda: get(state="retry") == ["a:later", "b:later"], 5, "the retries")
    wait_for(lambda: set(get(state="done")) >= {"a:good", "b:good"}, 5, "those that arrived")
    wait_for(lambda: get(state="inflight") == ["a:slow", "b:slow"], 5, "those on their way")
    assert get(state="dead", destination="good") == [] and get(state="dead", destination="bad", source="in") == ["a:bad", "b:bad"]
    assert get(state="retry", tag="x") == []
    dead = service.root.get("deliveries", state="dead", limit=1)
    rest = service.root.get("deliveries", state="dead", limit=1, cursor=dead["next"])
    assert {*ids(dead["items"]), *ids(rest["items"])} == {"a:bad", "b:bad"}


def attempts(delivery):
    return [(a["attempt"], a["status"], a["error"], a["response"]) for a in delivery["attempts"]]


def test_a_success_after_a_request_to_wait_is_listed(service):
    """A request to wait spends no attempt, so the success has the number 1 too."""
    answer = Answer(status=200, body=b'said "yes" \\o/')
    service.sink.on("/slow", Answer(status=429, headers={"Retry-After": "1"}, body=b"wait"), answer)
    configure(service, {"in": ["slow"]}).start()
    post(service, "in", "a")
    wait_for(lambda: service.root.get("deliveries/a:slow")["state"] == "done", 10, "its end")
    delivery = service.root.get("deliveries/a:slow")
    assert attempts(delivery) == [(1, 200, "", 'said "yes" \\o/'), (1, 429, "http_429", "wait")]
    assert (delivery["attempt_count"], delivery["last_status"], delivery["last_error"]) == (1, 200, None)
    records = service.stack.keys.attempts("a:slow")
    assert set(records[0]) == set(records[1]) and records[0]["at"] > records[1]["at"]


def test_a_resend_keeps_the_attempts_before(service):
    service.sink.on("/orders", Answer(status=200, body=b'first "\\'), Answer(status=204, body=b""))
    configure(service, {"in": ["orders", "audit"]}).start()
    post(service, "in", "a")
    for number in (2, 3):
        wait_for(lambda: service.root.get("deliveries/a:orders")["state"] == "done", 10, "its end")
        before = service.root.get("deliveries/a:orders")
        service.root.post("deliveries/a:orders/resend")
        wait_for(lambda: service.root.get("deliveries/a:orders")["attempt_count"] == number, 10, "the next attempt")
        wait_for(lambda: service.root.get("deliveries/a:orders")["state"] == "done", 10, "its end")
        after = service.root.get("deliveries/a:orders")
        assert after["attempts"][1:] == before["attempts"] and attempts(after)[0] == (number, 204, "", "")
    assert attempts(after)[-1] == (1, 200, "", 'first "\\')
    assert 0 < service.stack.redis.client().pttl("hookpace:{0}:attempts:a:orders") <= 86400000


def test_a_resend_takes_it_off_the_dead(service):
    configure(service, {"in": ["out"]}, retry={"schedule_s": []}).start()
    service.sink.on("/out", 500, 200)
    post(service, "in", "a")
    wait_for(lambda: ids(service.root.all("deliveries", state="dead")) == ["a:out"], 5, "its death")
    answer = service.root.raw("POST", "/v3/appendix/webhook_resend", b'[{"id":"a"}]')
    assert answer.json()["tasks"][0]["status_code"] == 20100
    wait_for(lambda: ids(service.root.all("deliveries", state="done")) == ["a:out"], 5, "its arrival")
    assert service.root.get("deliveries", state="dead")["items"] == []
    assert service.stack.redis.client().zcard("hookpace:{0}:deaths") == 0


@pytest.mark.parametrize("limit", [1, 5, 100])
def test_several_partitions_are_merged(service, limit):
    service.conf["redis"]["partitions"] = 5
    configure(service, {"in": [f"d{n}" for n in range(6)], "one": ["d0"]}).start(dispatchers=0)
    post(service, "in", "a", "b")
    post(service, "one", "c", "d")
    post(service, "in", "e")
    found = service.root.all("deliveries", limit=limit)
    assert {*ids(found)} == {f"{e}:d{n}" for e in "abe" for n in range(6)} | {"c:d0", "d:d0"} and len(found) == 20
    assert [item["event"] for item in found] == sorted((item["event"] for item in found), reverse=True)
    assert {*ids(service.root.all("deliveries", limit=limit, destination="d3"))} == {"a:d3", "b:d3", "e:d3"}
    assert {*ids(service.root.all("deliveries", limit=limit, state="queued", lane="d0"))} == {f"{e}:d0" for e in "abcde"}


def test_nonsense_in_the_lists_is_passed_over(waiting):
    post(waiting, "seo", "a", "b")
    client = waiting.stack.redis.client()
    client.rpush("hookpace:{0}:queue:orders", "nonsense", "no:such", "", "a:other")
    client.zadd("hookpace:{0}:deaths", {"nonsense": 5, "a:orders": 6})
    client.zadd("hookpace:{0}:retry", {"x": 1.5, "y:orders": 1e300})
    assert ids(waiting.root.all("deliveries", state="queued", lane="orders")) == ["b:orders", "a:orders"]
    assert waiting.root.all("deliveries", state="dead") == [] and waiting.root.all("deliveries", state="retry") == []


def test_a_fetched_result_is_found_by_its_destinations(service):
    """A search by destination uses an index, which the announcement's entry is in before the result is here."""
    provider = service.stack.provider()
    for name in ("orders", "audit", "other"):
        service.conf["destinations"][name] = config.destination(service.sink.url("/" + name))
    service.conf["sources"]["in"] = provider.source(["orders", "audit"])
    service.start()
    provider.done("t1")
    assert service.receiver.get("/in/in?id=t1", listener="ingest").status == 200
    service.sink.wait_count(2)

    def found(**query):
        return [d["id"] for d in service.root.get("deliveries", **query)["items"]]
    for name in ("orders", "audit"):
        wait_for(lambda name=name: found(state="done", destination=name) == [f"t1:{name}"], 5, lambda name=name: found(destination=name))
        assert found(destination=name) == [f"t1:{name}"]
    assert found(destination="other") == []
