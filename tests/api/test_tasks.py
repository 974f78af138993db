"""tasks_ready, task_get and tasks/count: what is done, fetched, failed."""

import gzip
import json
from urllib.parse import quote, unquote

import pytest

from api_client import ORGANIC
from harness import config
from harness.downstream import Answer
from harness.wait import wait_for


def done(service, ident, kind="postback"):
    wait_for(lambda: service.delivery(ident, kind).get("state") == "done", message=lambda: service.delivery(ident, kind))


def test_a_task_without_webhooks_is_ready_at_once(empty):
    ident = empty.acme.set_one(tag="t")
    (entry,) = empty.acme.ready()
    assert entry["id"] == ident and (entry["se"], entry["se_type"], entry["tag"]) == ("google", "organic", "t")
    for kind in ("regular", "advanced", "html"):
        assert entry[f"endpoint_{kind}"] == f"{ORGANIC}/task_get/{kind}/{ident}"
        assert empty.acme.get(entry[f"endpoint_{kind}"])["tasks"][0]["result"] == [{"n": 1}]
    assert empty.acme.ready() == []


def test_what_task_get_answers(empty):
    ident = empty.acme.set_one(keyword="k", tag="t", result={"keyword": "k", "items": []})
    for kind in ("regular", "advanced", "html", "json", None):
        task = empty.acme.task(ident, kind)
        assert (task["id"], task["status_code"], task["status_message"]) == (ident, 20000, "Ok.")
        assert task["path"] == ["v3", "serp", "google", "organic", "task_get"] + ([kind] if kind else []) + [ident]
        assert task["data"] == {"api": "serp", "function": "task_post", "se": "google", "se_type": "organic", "keyword": "k", "tag": "t"}
        assert task["result"] == [{"keyword": "k", "items": []}]


@pytest.mark.parametrize("value,result", [(7, [7]), ("x", ["x"]), ([1, 2], [[1, 2]]), ({}, [{}]), (False, [False]), (None, None),
                                          ({"tasks": None}, [{"tasks": None}])])
def test_any_json_is_a_result(empty, value, result):
    assert empty.acme.task(empty.acme.set_one(result=value))["result"] == result


@pytest.mark.parametrize("ident", ["nothing", "undefined", "a%20b", "a%2Fb", "%24id", "%C3%A9", "x" * 200, "a~f", "..%2f..", "a%0Ab",
                                   "%FF", "%2525", "x" * 4000])
def test_an_unknown_id(empty, ident):
    answer = empty.acme.get(f"{ORGANIC}/task_get/advanced/{ident}")
    (task,) = answer["tasks"]
    assert (task["id"], task["status_code"], task["result"]) == (unquote(ident), 40401, None) and answer["tasks_error"] == 1


@pytest.mark.parametrize("between", ["", "regular/", "live/", "a/b/c/", "task_get/"])
def test_any_path_may_stand_before_the_id(empty, between):
    ident = empty.acme.set_one(result=7)
    task = empty.acme.task(between + ident, None)
    assert (task["id"], task["status_code"], task["result"]) == (ident, 20000, [7])


def test_an_id_is_percent_decoded(empty):
    empty.acme.set_one(id="a:b.c")
    assert empty.acme.task("a%3Ab%2Ec")["status_code"] == 20000


@pytest.mark.parametrize("answer,state", [(Answer(action="hang"), "inflight"), (500, "retry")])
def test_a_result_can_be_got_while_its_pingback_is_on_its_way(api, answer, state):
    api.sink.on(None, answer)
    ident = api.acme.set_one(pingback_url=api.hook())
    wait_for(lambda: api.delivery(ident, "pingback").get("state") == state)
    assert api.acme.ready_ids() == [ident] and api.acme.counts()["done_not_fetched"] == 1
    task = api.acme.task(ident)
    assert (task["status_code"], task["result"]) == (20000, [{"n": 1}])
    assert api.acme.ready() == [] and api.acme.counts()["done_fetched"] == api.acme.counts()["total"] == 1
    assert api.acme.task(ident)["status_code"] == 20000


@pytest.mark.parametrize("answer,state", [(Answer(action="hang"), "inflight"), (500, "retry")])
def test_a_result_can_be_got_while_its_postback_is_on_its_way(api, answer, state):
    """It is not listed, because the postback is to bring it."""
    api.sink.on(None, answer)
    ident = api.acme.set_one(postback_url=api.hook())
    wait_for(lambda: api.delivery(ident).get("state") == state)
    assert api.acme.ready() == [] and api.acme.counts()["done_not_fetched"] == 1
    assert api.acme.task(ident)["result"] == [{"n": 1}]
    assert api.acme.ready() == [] and api.acme.counts()["done_fetched"] == api.acme.counts()["total"] == 1


def test_a_dead_pingback_is_failed_and_listed(api):
    api.sink.on(None, 410)
    ident = api.acme.set_one(pingback_url=api.hook())
    wait_for(lambda: api.delivery(ident, "pingback").get("state") == "dead")
    assert api.acme.ready_ids() == [ident] and api.acme.counts()["failed"] == api.acme.counts()["total"] == 1


def test_a_delivered_postback_is_fetched(api):
    ident = api.acme.set_one(postback_url=api.hook())
    done(api, ident)
    assert api.acme.ready() == []
    assert api.acme.counts() == {"done_fetched": 1, "done_not_fetched": 0, "processing": 0, "pending": 0, "failed": 0, "total": 1}
    assert api.acme.task(ident)["result"] == [{"n": 1}], "and can be got all the same"


def test_after_a_pingback_it_is_ready_until_it_is_got(api):
    ident = api.acme.set_one(pingback_url=api.hook())
    done(api, ident, "pingback")
    assert api.acme.ready_ids() == [ident] and api.acme.counts()["done_not_fetched"] == 1
    assert api.acme.task(ident)["status_code"] == 20000
    assert api.acme.ready() == [] and api.acme.counts()["done_fetched"] == 1


def test_a_dead_postback_fails_it_but_it_is_ready(api):
    api.sink.on(None, Answer(status=410), 200)
    ident = api.acme.set_one(postback_url=api.hook())
    wait_for(lambda: api.delivery(ident).get("state") == "dead")
    assert api.acme.ready_ids() == [ident]
    assert api.acme.counts() == {"done_fetched": 0, "done_not_fetched": 0, "processing": 0, "pending": 0, "failed": 1, "total": 1}
    assert api.acme.task(ident)["result"] == [{"n": 1}]
    assert api.acme.counts()["done_fetched"] == 1 and api.acme.ready() == []


def test_ready_by_path(empty):
    google = empty.acme.set_one(path=ORGANIC)
    bing = empty.acme.set_one(path="/v3/serp/bing/organic")
    merchant = empty.acme.set_one(path="/v3/merchant/amazon/products")
    assert empty.acme.ready_ids() == [google]
    assert sorted(empty.acme.ready_ids("/v3/serp")) == sorted([google, bing])
    assert empty.acme.ready_ids("/v3/merchant") == [merchant] and empty.acme.ready_ids("/v3/app_data") == []
    (entry,) = empty.acme.ready("/v3/merchant")
    assert (entry["se"], entry["endpoint_regular"]) == ("amazon", f"/v3/merchant/amazon/products/task_get/regular/{merchant}")


def test_at_most_a_thousand_are_ready_oldest_first(empty):
    ids = [f"t{i:04}" for i in range(1100)]
    for i in range(0, 1100, 100):
        empty.acme.set(*[{"id": t, "result": 1} for t in ids[i:i + 100]])
    assert empty.acme.ready_ids() == ids[:1000]
    for t in ids[:150]:
        assert empty.acme.task(t)["status_code"] == 20000
    assert empty.acme.ready_ids() == ids[150:]
    assert empty.acme.counts()["done_fetched"] == 150 and empty.acme.counts()["done_not_fetched"] == 950


# --- events of sources ---

def with_sources(service):
    service.conf["sources"] = {"inbox": config.source([]), "in": config.source("out"), "raw": config.source([], payload="any"),
                               "pinged": config.source("told")}
    service.conf["destinations"] = {"out": config.destination(service.sink.url("/out")),
                                    "told": config.destination(service.sink.url("/told"), pingback=True)}
    return service.start()


def send(service, source, body, ident=None, **headers):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    query = f"?id={ident}" if ident else ""
    answer = service.receiver.post(f"/in/{source}{query}", body, headers)
    assert answer.status == 200, answer
    return answer.json()["echo"]


def test_what_is_only_kept_is_fetched_by_admins(service):
    with_sources(service)
    send(service, "inbox", {"id": "a", "tag": "t", "x": 1.50})
    (entry,) = service.admin.ready()
    assert (entry["id"], entry["tag"], entry["se"], entry["se_type"]) == ("a", "t", None, None)
    assert entry["endpoint_advanced"] == ORGANIC + "/task_get/advanced/a"
    assert service.acme.ready() == [] and service.acme.task("a")["status_code"] == 40401
    task = service.admin.task("a")
    assert task["result"] == [{"id": "a", "tag": "t", "x": 1.5}]
    assert task["data"] == {"api": "in", "function": "inbox", "id": "a", "tag": "t"}
    assert service.admin.ready() == [] and service.admin.counts()["done_fetched"] == 1


def test_an_envelope_comes_out_as_it_went_in(service):
    with_sources(service)
    body = b'{"version":"0.1", "tasks":[{"id":"e1","result":null}]}'
    for ident, sent in (("e1", body), ("e2", gzip.compress(body))):
        send(service, "inbox", sent, ident)
        assert service.admin.raw("GET", ORGANIC + f"/task_get/advanced/{ident}")[2] == body


def envelope(ident, **data):
    return json.dumps({"version": "0.1", "status_code": 20000, "tasks": [{"id": ident, "data": data, "result": [{"n": 1}]}]}).encode()


def test_results_of_sources_show_the_engine_of_their_envelope(service):
    service.conf["sources"]["dfs"] = {"verify": {"scheme": "none"}, "id": ["/tasks/0/id"], "to": []}
    service.start(dispatchers=0)
    wanted = {"plain": ("google", "organic"), "gzip": ("bing", "local-finder_2"), "se": ("google", None), "none": (None, None),
              "odd": (None, None), "long": ("google", None)}
    send(service, "dfs", envelope("plain", api="serp", se="google", se_type="organic"))
    send(service, "dfs", gzip.compress(envelope("gzip", se_type="local-finder_2", se="bing")), **{"Content-Encoding": "gzip"})
    send(service, "dfs", envelope("se", se="google"))
    send(service, "dfs", envelope("none", se_type="organic"))
    send(service, "dfs", envelope("odd", se="a b\nx y", se_type=5))
    send(service, "dfs", envelope("long", se="google", se_type="x" * 65))
    assert {e["id"]: (e["se"], e["se_type"]) for e in service.admin.ready()} == wanted
    metadata = {e["id"]: e["metadata"] for e in service.admin.id_list(include_metadata=True)}
    assert metadata["plain"] == {"api": "in", "function": "dfs", "se": "google", "se_type": "organic", "id": "plain", "tag": None}
    assert metadata["none"] == {"api": "in", "function": "dfs", "id": "none", "tag": None}


def test_a_body_that_is_no_json_is_a_string(service):
    with_sources(service)
    send(service, "raw", 'a "text"\n'.encode(), "r1")
    assert service.admin.task("r1")["result"] == ['a "text"\n']


def test_counts_of_sources(service):
    with_sources(service)
    send(service, "in", {"id": "a"})
    send(service, "pinged", {"id": "b"})
    send(service, "inbox", {"id": "c"})
    service.receiver.get("/in/in?id=d", listener="ingest")
    service.sink.wait_count(3)
    expected = {"done_fetched": 2, "done_not_fetched": 2, "processing": 0, "pending": 0, "failed": 0, "total": 4}
    wait_for(lambda: service.admin.counts() == expected)
    assert sorted(service.admin.ready_ids()) == ["b", "c"]
    task = service.admin.task("d")
    assert (task["status_code"], task["result"]) == (20000, None), "it came without a body"


# --- retention ---

def test_what_has_expired_is_told_apart(service):
    service.conf["retention"] = {"done_s": 1, "dead_s": 1, "dedup_s": 1}
    service.start()
    kept = service.acme.set_one()
    sent = service.acme.set_one(postback_url=service.hook())
    service.sink.wait_count(1)
    for ident in (kept, sent):
        wait_for(lambda: service.acme.task(ident)["status_code"] == 40403, message=lambda: service.acme.task(ident))
        task = service.acme.task(ident)
        assert (task["status_message"], task["result"]) == ("Results Expired.", None)
        assert service.beta.task(ident)["status_code"] == 40401
    assert service.acme.ready() == []
    wait_for(lambda: service.acme.counts()["total"] == 0, message=lambda: service.acme.counts())


CALLS_WITH_GET = ("/v3/appendix/user_data", "/v3/appendix/errors", "/v3/appendix/status", "/v3/appendix/webhook_delay", "/v3/tasks/count",
                  "/v3/serp/google/organic/tasks_ready", "/v3/serp/google/organic/tasks_fixed",
                  "/v3/serp/google/organic/task_get/advanced/t1", "/v3/serp/google/organic/task_get/nothing")


@pytest.mark.parametrize("path", CALLS_WITH_GET)
def test_head_is_get_without_the_body(empty, path):
    empty.acme.set_one(id="t1", tag="x")
    status, headers, body = empty.acme.raw("HEAD", path)
    assert (status, body) == (200, b"")
    get_status, get_headers, get_body = empty.acme.raw("GET", path)
    assert get_status == 200
    assert abs(int(headers["Content-Length"]) - len(get_body)) <= 2, "but for the digits of `time` it is the length of GET's"
    assert headers["Content-Type"] == get_headers["Content-Type"]


def test_head_fetches_nothing(empty):
    empty.acme.set_one(id="t1")
    assert empty.acme.raw("HEAD", "/v3/serp/google/organic/task_get/advanced/t1")[0] == 200
    assert empty.acme.ready_ids() == ["t1"]
    assert empty.acme.counts()["done_not_fetched"] == 1
    empty.acme.task("t1")
    assert empty.acme.ready_ids() == []


def test_head_of_a_call_that_takes_a_post_is_none(empty):
    for path in ("/v3/serp/google/organic/task_post", "/v3/appendix/webhook_resend", "/v3/serp/errors"):
        assert empty.acme.raw("HEAD", path)[0] == 404


@pytest.mark.parametrize("ident", ["a/b=", "é中😀", "a%2Fb", "a b"])
def test_ids_of_any_text(service, ident):
    """What a source brought is found and resent by its id, in the URL percent-encoded once."""
    with_sources(service)
    for x in (1, 2):
        assert send(service, "in", {"id": ident, "x": x}) == ident
    service.sink.wait_count(2)
    for name, x in ((ident, 1), (ident + "~2", 2)):
        path = "/v3/in/task_get/advanced/" + quote(name, safe="")
        task = wait_for(lambda: (t := service.admin.call("GET", path)["tasks"][0])["status_code"] == 20000 and t)
        assert json.dumps({"x": x})[1:-1] in json.dumps(task["result"], ensure_ascii=False)
        (resent,) = service.admin.post("/v3/appendix/webhook_resend", [{"id": name}])["tasks"]
        assert (resent["status_code"], resent["data"]["id"]) == (20100, ident)
    service.sink.wait_count(4)
