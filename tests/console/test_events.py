"""One delivery, one event and its body, as operators see them."""

import gzip
import json
from urllib.parse import quote

import pytest

from harness import config, http
from harness.exchange import Answer
from harness.wait import wait_for

NOT_FOUND = {"code": "not_found"}


def feed(service, to=("orders", "audit"), **destination):
    """A source `in` to the destinations TO, all of them at the sink."""
    for name in to:
        service.conf["destinations"][name] = config.destination(service.sink.url(f"/{name}"), **destination)
    service.conf["sources"]["in"] = config.source(list(to))
    return service


def path(ident):
    return quote(ident, safe="")


@pytest.fixture
def flow(service):
    return feed(service, retry={"schedule_s": []}).start()


def test_an_event_and_its_deliveries(flow):
    flow.sink.on("/audit", Answer(status=500, body=b'{"err":"database is locked"}'))
    flow.receiver.post("/in/in", {"id": "e1", "tag": "first", "n": 1}, {"X-Team": "seo"})
    wait_for(lambda: {d["state"] for d in flow.root.get("events/e1")["deliveries"]} == {"done", "dead"}, 5, "both ends")
    event = flow.root.get("events/e1")
    assert (event["id"], event["kind"], event["source"], event["tag"]) == ("e1", "webhook", "in", "first")
    assert event["account"] is None and event["has_body"] is True and event["content_type"] == "application/json"
    assert ["X-Team", "seo"] in event["headers"]
    done, dead = sorted(event["deliveries"], key=lambda d: d["state"], reverse=True)
    assert (done["id"], done["destination"], done["event"], done["lane"]) == ("e1:orders", "orders", "e1", "orders")
    assert (done["kind"], done["source"], done["tag"]) == ("postback", "in", "first")
    assert done["accepted_at"] == event["accepted_at"] and done["last_status"] == 200 and done["last_error"] is None
    assert (dead["id"], dead["last_status"], dead["last_error"]) == ("e1:audit", 500, "http_500")
    page = flow.eye.get("deliveries/" + path("e1:audit"))
    assert {key: page[key] for key in dead} == dead
    assert page["has_event"] is True and ["X-Team", "seo"] in page["headers"]
    assert [(a["attempt"], a["status"], a["error"]) for a in page["attempts"]] == [(1, 500, "http_500")]
    assert "database is locked" in page["attempts"][0]["response"]
    assert page["accepted_at"] <= page["attempts"][0]["at"] <= page["ended_at"], "moments are RFC 3339"
    page = flow.root.get("deliveries/" + path("e1:orders"))
    assert [(a["attempt"], a["status"], a["error"]) for a in page["attempts"]] == [(1, 200, "")]


def test_every_attempt_is_shown_newest_first(service):
    feed(service, to=["orders"], retry={"schedule_s": [1, 1], "jitter": 0}).start()
    service.sink.on("/orders", 500, 503, 200)
    service.receiver.post("/in/in", {"id": "e1"})
    wait_for(lambda: service.root.get("deliveries/" + path("e1:orders"))["state"] == "retry", 5, "the first failure")
    page = service.root.get("deliveries/" + path("e1:orders"))
    assert page["next_attempt_at"] > page["accepted_at"] and page["ended_at"] is None
    wait_for(lambda: service.root.get("deliveries/" + path("e1:orders"))["state"] == "done", 10, "the end")
    page = service.root.get("deliveries/" + path("e1:orders"))
    assert [(a["attempt"], a["status"]) for a in page["attempts"]] == [(3, 200), (2, 503), (1, 500)]
    assert page["attempt_count"] == 3 and page["next_attempt_at"] is None and page["ended_at"]


def test_a_body_is_answered_plain_and_harmless(flow):
    body = json.dumps({"id": "zip", "text": "<script>alert(1)</script>" * 50}).encode()
    flow.receiver.post("/in/in", gzip.compress(body), {"Content-Encoding": "gzip", "Content-Type": "text/html"})
    answer = flow.root.raw("GET", "/api/events/zip/body")
    assert (answer.status, answer.body, answer.header("content-type")) == (200, body, "text/html")
    assert answer.header("content-security-policy").startswith("sandbox")
    assert answer.header("x-content-type-options") == "nosniff" and answer.header("content-disposition") == "attachment"
    assert flow.root.get("events/zip")["content_encoding"] == "gzip"


@pytest.mark.parametrize("said", [{"Content-Encoding": "gzip"}, {}], ids=["said", "not said"])
def test_a_body_as_it_came(flow, said):
    wire = gzip.compress(b'{"id":"zip"}')
    flow.receiver.post("/in/in", wire, said)
    flow.receiver.post("/in/in", {"id": "plain"})
    answer = flow.eye.raw("GET", "/api/events/zip/body?encoded=true")
    assert (answer.status, answer.body, answer.header("content-encoding")) == (200, wire, "gzip")
    assert answer.header("content-security-policy").startswith("sandbox") and answer.header("content-disposition") == "attachment"
    answer = flow.root.raw("GET", "/api/events/plain/body?encoded=true")
    assert (answer.body, answer.header("content-encoding")) == (b'{"id": "plain"}', None)
    answer = flow.root.raw("GET", "/api/events/zip/body?encoded=false")
    assert (answer.body, answer.header("content-encoding")) == (b'{"id":"zip"}', None)
    for query in ("encoded=1", "encoded=", "encoded=true&encoded=true", "x=1"):
        assert flow.root.raw("GET", "/api/events/zip/body?" + query).status == 400
    assert flow.acme.raw("GET", "/api/events/zip/body?encoded=true").status == 403


def test_looking_changes_nothing(flow):
    flow.receiver.post("/in/in", {"id": "e1"})
    wait_for(lambda: flow.root.get("deliveries/" + path("e1:orders"))["state"] == "done", 5, "the end")
    wait_for(lambda: flow.root.get("deliveries/" + path("e1:audit"))["state"] == "done", 5, "the end")
    client = flow.stack.redis.client()
    for dispatcher in flow.dispatchers:
        dispatcher.term()
        assert dispatcher.wait() == 0

    def kept():
        """All but what the receiver counts from time to time."""
        return {key: (client.dump(key), client.pttl(key) < 0) for key in client.keys("*") if key.split(":")[2] not in ("answers", "history", "programs")}

    before = kept()
    for target in ("events/e1", "deliveries/e1%3Aorders"):
        flow.root.get(target)
    flow.root.raw("GET", "/api/events/e1/body")
    flow.root.raw("GET", "/api/events/e1/body?encoded=true")
    assert kept() == before


ODD_IDS = ["a b", "gid://shopify/Order/1", "urn:uuid:1", "é中😀", "a%2Fb", "a/b", '"', "<b>", ".."]


@pytest.mark.parametrize("ident", ODD_IDS)
def test_ids_of_any_text(empty, ident):
    empty.conf["sources"]["in"] = config.source("orders")
    empty.conf["destinations"]["orders"] = config.destination("http://127.0.0.1:9/")
    empty.receiver.reload(empty.conf)
    assert empty.receiver.post("/in/in", {"id": ident}).json()["echo"] == ident
    event = empty.root.get("events/" + path(ident))
    assert event["id"] == ident
    assert [d["id"] for d in event["deliveries"]] == [ident + ":orders"]
    assert empty.root.get("deliveries/" + path(ident + ":orders"))["event"] == ident


def names(service):
    return {d["event"]: d["tag"] for d in service.root.get("deliveries")["items"]}


@pytest.mark.parametrize("ident", ["a~2", "a~1", "a~02", "a~2~2", "a~70000", "a~f", "~2"])
def test_an_id_of_a_sender_that_looks_like_a_second_event(empty, ident):
    """Each event has a name of its own, by which it is found."""
    empty.conf["sources"]["in"] = config.source("orders")
    empty.conf["destinations"]["orders"] = config.destination("http://127.0.0.1:9/")
    empty.receiver.reload(empty.conf)
    sent = [(ident, "theirs"), ("a", "first"), ("a", "second"), ("a", "third"), (ident, "theirs too")]
    for one, tag in sent:
        assert empty.receiver.post("/in/in", {"id": one, "tag": tag}).json()["echo"] == one
    tags = names(empty)
    assert sorted(tags.values()) == sorted(tag for _, tag in sent), "no two have one name"
    assert (tags["a"], tags["a~2"], tags["a~3"]) == ("first", "second", "third")
    for name, tag in tags.items():
        event = empty.root.get("events/" + path(name))
        assert (event["id"], event["tag"]) == (name, tag) and event["task_id"] == dict((t, i) for i, t in sent)[tag]
        assert empty.root.get("deliveries/" + path(name + ":orders"))["tag"] == tag
        assert json.loads(empty.root.raw("GET", f"/api/events/{path(name)}/body").body)["tag"] == tag
        assert empty.root.post(f"deliveries/{path(name + ':orders')}/drop")["id"] == name + ":orders"
        assert empty.root.get("deliveries/" + path(name + ":orders"))["state"] == "dropped"


@pytest.mark.parametrize("ident", ["t1", "t1~f", "t1~2"])
def test_the_fetch_of_a_result_is_found_by_its_name(empty, ident):
    empty.conf["destinations"]["orders"] = config.destination("http://127.0.0.1:9/")
    empty.conf["sources"]["dfs"] = {**config.source("orders"), "fetch": {"url": "http://127.0.0.1:9/task_get/$id"}}
    empty.receiver.reload(empty.conf)
    assert empty.receiver.get("/in/dfs?id=" + path(ident), listener="ingest").status == 200
    listed, = empty.root.get("deliveries", state="queued", destination="fetch@dfs")["items"]
    page = empty.root.get("deliveries/" + path(listed["id"]))
    assert page["id"] == listed["id"] and page["kind"] == "fetch" and page["destination"] == "fetch@dfs"


def test_many_events_of_one_id(empty):
    """The number of an event has no limit that it reaches in practice."""
    empty.conf["sources"]["in"] = config.source("orders")
    empty.conf["destinations"]["orders"] = config.destination("http://127.0.0.1:9/")
    empty.receiver.reload(empty.conf)
    empty.receiver.post("/in/in", {"id": "a"})
    empty.stack.redis.client().set("hookpace:{0}:revisions:a", 70000)
    empty.receiver.post("/in/in", {"id": "a", "tag": "late"})
    assert empty.root.get("events/a~70002")["tag"] == "late"
    assert empty.root.get("deliveries/a~70002:orders")["tag"] == "late"


def test_tasks_of_accounts_go_by_account_and_id(flow):
    flow.sink.on("/hook", 500)
    flow.conf["dispatcher"]["egress"] = {"allow_accounts": ["127.0.0.1/32"]}
    flow.dispatchers[0].reload(flow.conf)
    task = [{"id": "t 1", "tag": "x", "postback_url": flow.sink.url("/hook"), "result": {"n": 1}}]
    answer = flow.acme.raw("POST", "/v3/serp/google/organic/task_post", json.dumps(task).encode())
    assert answer.json()["tasks"][0]["status_code"] == 20100
    event = flow.root.get("events/" + path("@acme/t 1"))
    assert (event["id"], event["task_id"], event["account"], event["source"]) == ("@acme/t 1", "t 1", "acme", None)
    for two_segments in ("@acme/t%201", "%40acme/t%201"):
        assert flow.root.get("events/" + two_segments)["id"] == event["id"]
    assert event["path"] == "serp/google/organic"
    delivery, = event["deliveries"]
    assert (delivery["id"], delivery["account"]) == ("@acme/t 1:postback@acme", "acme")
    wait_for(lambda: flow.root.get("deliveries/" + path(delivery["id"]))["last_status"] == 500, 5, "the attempt")


def test_an_event_is_not_taken_for_the_task_of_its_name(flow):
    """A sender may give an id that looks like the key of a task. Acts on the one never reach the other."""
    flow.receiver.post("/in/in", {"id": "@acme/t", "tag": "webhook"})
    found, = {d["event"] for d in flow.root.get("deliveries")["items"]}
    assert found == "~@acme/t"
    task = [{"id": "t", "tag": "task", "pingback_url": "http://127.0.0.1:1/", "result": {"n": 1}}]
    assert flow.acme.raw("POST", "/v3/serp/task_post", json.dumps(task).encode()).json()["tasks"][0]["status_code"] == 20100
    event, other = (flow.root.get("events/" + path(name)) for name in ("~@acme/t", "@acme/t"))
    assert (event["task_id"], event["tag"], event["account"]) == ("@acme/t", "webhook", None)
    assert (other["task_id"], other["tag"], other["account"]) == ("t", "task", "acme")
    assert {d["event"] for d in flow.root.get("deliveries", id="~@acme/t")["items"]} == {"~@acme/t"}
    for delivery in event["deliveries"]:
        assert flow.root.get("deliveries/" + path(delivery["id"]))["event"] == "~@acme/t"


@pytest.mark.parametrize("target", [
    "events/none", "events/none/body", "deliveries/none", "deliveries/none:orders", "deliveries/:", "deliveries/e:", "deliveries/:orders",
    "deliveries/" + "x" * 300 + ":y", "events/%00", "events/%zz", "events/", "deliveries/a/b",
])
def test_what_is_not_there(empty, target):
    answer = empty.root.raw("GET", "/api/" + target)
    assert answer.status in (400, 404)


def test_an_event_that_is_lost_leaves_its_delivery_to_be_seen(empty):
    feed(empty, to=["orders"])
    empty.receiver.reload(empty.conf)
    empty.receiver.post("/in/in", {"id": "gone"})
    empty.stack.redis.client().delete("hookpace:{0}:event:gone")
    page = empty.root.get("deliveries/" + path("gone:orders"))
    assert page["has_event"] is False and page["state"] == "queued" and page["tag"] is None
    assert empty.root.get("events/gone", 404)["code"] == "not_found"


def test_several_partitions(service):
    service.conf["redis"]["partitions"] = 4
    names = [f"d{n}" for n in range(8)]
    feed(service, to=names).start()
    service.receiver.post("/in/in", {"id": "e1"})
    wait_for(lambda: [d["state"] for d in service.root.get("events/e1")["deliveries"]] == ["done"] * 8, 5, "all of them")
    assert [d["destination"] for d in service.root.get("events/e1")["deliveries"]] == names


def test_a_destination_that_is_gone_is_found_all_the_same(empty):
    feed(empty, to=["orders"])
    empty.receiver.reload(empty.conf)
    empty.receiver.post("/in/in", {"id": "e1"})
    empty.conf["destinations"].clear()
    empty.conf["sources"].clear()
    empty.receiver.reload(empty.conf)
    assert empty.root.get("deliveries/" + path("e1:orders"))["state"] == "queued"


def test_redis_away_is_told(service):
    feed(service).start(dispatchers=0)
    service.stack.redis.stop()
    wait_for(lambda: service.root.raw("GET", "/api/events/e1").status == 503, 5, "the loss to be noticed")
    assert service.root.get("deliveries/e1%3Aorders", 503)["code"] == "queue_unavailable"
    assert service.root.get("status")["redis"]["ready"] is False
