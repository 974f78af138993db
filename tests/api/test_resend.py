"""webhook_resend."""

import pytest

import shapes
from harness.downstream import Answer
from harness.wait import stays, wait_for

URL = "/v3/appendix/webhook_resend"


def wait_state(service, ident, state, kind="postback"):
    wait_for(lambda: service.delivery(ident, kind).get("state") == state, message=lambda: service.delivery(ident, kind))


def test_the_documented_example(api):
    """docs.dataforseo.com/v3/appendix/webhook_resend: three tasks, of which one has no webhook."""
    common = {"language_name": "English", "location_name": "London,England,United Kingdom", "keyword": "marcus rashford",
              "priority": 2, "device": "desktop", "os": "windows", "result": {}}
    ids = ["08161139-0001-0066-1000-06491d097ed5", "08161340-0001-0066-1000-8b091c84af4f", "08161703-0001-0066-1000-597aa65619fc"]
    api.acme.set({"id": ids[0], **common, "pingback_url": api.hook("/pingscript")},
                 {"id": ids[1], **common, "postback_url": api.hook("/postbackscript.php"), "postback_data": "advanced"},
                 {"id": ids[2], **common})
    api.sink.wait_count(2)
    wait_state(api, ids[0], "done", "pingback")
    wait_state(api, ids[1], "done")
    answer = api.acme.post(URL, [{"id": i} for i in ids])
    assert (answer["status_code"], answer["tasks_count"], answer["tasks_error"], answer["cost"]) == (20000, 3, 0, 0)
    tasks = answer["tasks"]
    assert [t["id"] for t in tasks] == ids
    assert [(t["status_code"], t["status_message"]) for t in tasks] == [
        (20100, "Task Created."), (20100, "Task Created."),
        (40503, "'pingback' or 'postback' not supported in this function.")]
    for t in tasks:
        assert (t["path"], t["result_count"], t["result"], t["cost"]) == (["v3", "appendix", "webhook_resend"], 0, None, 0)
        assert {"api": "serp", "function": "task_post", "se": "google", "se_type": "organic"}.items() <= t["data"].items()
        assert {k: v for k, v in common.items() if k != "result"}.items() <= t["data"].items() and "result" not in t["data"]
    assert tasks[0]["data"]["pingback_url"] == api.hook("/pingscript")
    assert (tasks[1]["data"]["postback_url"], tasks[1]["data"]["postback_data"]) == (api.hook("/postbackscript.php"), "advanced")
    requests = api.sink.wait_count(4)
    assert sorted(r.path for r in requests[2:]) == ["/pingscript", "/postbackscript.php"]
    assert sorted(r.body for r in requests[2:])[0] == b"" and [r.attempt for r in requests] == [1, 1, 2, 2]


def test_known_unknown_and_malformed_in_one_call(api):
    ident = api.acme.set_one(pingback_url=api.hook())
    wait_state(api, ident, "done", "pingback")
    answer = api.acme.post(URL, [{"id": "nothing"}, {"id": ident}, {"x": 1}, 7, {"id": 7}, {"id": None}, {"id": ident}, {"id": "a b"}])
    codes = [t["status_code"] for t in answer["tasks"]]
    assert codes == [40401, 20100, 40503, 40503, 40503, 40503, 20100, 40401] and answer["tasks_error"] == 6
    assert answer["tasks"][0]["status_message"] == "Task Not Found."
    ours = {"api": "appendix", "function": "webhook_resend"}
    echoed = [{"id": "nothing"}, None, {"x": 1}, {}, {"id": 7}, {"id": None}, None, {"id": "a b"}]
    assert all(t["data"] == {**ours, **e} for t, e in zip(answer["tasks"], echoed) if e is not None), "what was posted"
    api.sink.wait_count(2)
    stays(lambda: len(api.sink.requests) == 2, 0.3)


@pytest.mark.parametrize("body,code", [(b"", 40502), (b"[]", 40502), (b'{"id":"a"}', 40503), (b'"a"', 40503), (b"[", 40503),
                                       (b"undefined", 40503), (b"[" + b'{"id":"a"},' * 100 + b'{"id":"a"}]', 40006)])
def test_a_body_that_is_refused(empty, body, code):
    empty.acme.refused(URL, body, code)


def test_a_hundred(api):
    ids = [t["id"] for t in api.acme.set(*[{"result": i, "pingback_url": api.hook()} for i in range(100)])]
    api.sink.wait_count(100)
    wait_for(lambda: api.acme.counts()["done_not_fetched"] == 100)
    assert {t["status_code"] for t in api.acme.resend(*ids)} == {20100}
    requests = api.sink.wait_count(200)
    assert sorted(r.event for r in requests[100:]) == sorted(ids)


def test_what_is_on_its_way_is_not_doubled(api):
    api.sink.on(None, Answer(delay=0.5))
    flying = api.acme.set_one(postback_url=api.hook())
    wait_state(api, flying, "inflight")
    assert [t["status_code"] for t in api.acme.resend(flying, flying)] == [20100, 20100]
    wait_state(api, flying, "done")
    assert len(api.sink.requests) == 1


def test_what_waits_for_a_retry_goes_now(api):
    api.sink.on(None, 500, 200)
    waiting = api.acme.set_one(postback_url=api.hook())
    wait_state(api, waiting, "retry")
    assert [t["status_code"] for t in api.acme.resend(waiting, waiting)] == [20100, 20100]
    requests = api.sink.wait_count(2, timeout=2)
    assert [r.attempt for r in requests] == [1, 2]
    wait_state(api, waiting, "done")


def test_the_dead_have_the_whole_schedule_again(service):
    service.conf["accounts"]["acme"]["retry"] = {"schedule_s": [1], "jitter": 0}
    service.sink.on(None, 500, 500, 500, 200)
    service.start()
    ident = service.acme.set_one(postback_url=service.hook())
    wait_state(service, ident, "dead")
    assert [t["status_code"] for t in service.acme.resend(ident)] == [20100]
    assert [r.attempt for r in service.sink.wait_count(4)] == [1, 2, 3, 4]
    wait_state(service, ident, "done")


def test_what_is_queued_is_not_doubled(empty):
    ident = empty.acme.set_one(postback_url=empty.hook(), pingback_url=empty.hook())
    empty.acme.resend(ident, ident)
    assert sorted(empty.stack.keys.queue("acme")) == [f"@acme/{ident}:pingback@acme", f"@acme/{ident}:postback@acme"]


def test_it_goes_with_the_delay_and_secret_of_then(service):
    import hashlib
    import hmac
    old, new = "the-old-secret-01", "the-new-secret-02"
    service.conf["accounts"]["acme"].update(delay_ms=100, sign={"scheme": "semscraper", "secrets": [old]})
    service.start()
    ident = service.acme.set_one(postback_url=service.hook())
    wait_state(service, ident, "done")
    service.conf["accounts"]["acme"].update(delay_ms=500, sign={"scheme": "semscraper", "secrets": [new, old]})
    service.receiver.reload(service.conf)
    service.dispatchers[0].reload(service.conf)
    service.acme.resend(ident)
    first, second = service.sink.wait_count(2)
    for request in (first, second):
        assert request.header("X-Signature") == hmac.new(old.encode(), request.body, hashlib.sha256).hexdigest()
    assert service.delivery(ident)["delay_ms"] == "100"


def test_a_dead_one_is_sent_again_and_then_fetched(api):
    api.sink.on(None, Answer(status=410), 200)
    ident = api.acme.set_one(postback_url=api.hook())
    wait_state(api, ident, "dead")
    assert api.stack.keys.dead("postback@acme") == [f"@acme/{ident}:postback@acme"]
    api.acme.resend(ident)
    wait_state(api, ident, "done")
    assert api.stack.keys.dead("postback@acme") == [] and api.acme.ready() == []
    assert api.acme.counts() == {"done_fetched": 1, "done_not_fetched": 0, "processing": 0, "pending": 0, "failed": 0, "total": 1}


def test_a_resend_does_not_undo_done(quiet, stack):
    ident = quiet.acme.set_one(pingback_url=quiet.hook())
    dispatcher = stack.dispatcher(quiet.conf)
    wait_state(quiet, ident, "done", "pingback")
    dispatcher.term()
    dispatcher.wait()
    quiet.acme.resend(ident)
    assert quiet.delivery(ident, "pingback")["state"] == "queued"
    assert quiet.acme.ready_ids() == [ident] and quiet.acme.task(ident)["status_code"] == 20000


def test_webhooks_of_sources_are_sent_again_by_admins(service):
    from harness import config
    service.conf["sources"]["in"] = config.source(["out", "audit"])
    service.conf["destinations"] = {"out": config.destination(service.sink.url("/out")),
                                    "audit": config.destination(service.sink.url("/audit"), pingback=True)}
    service.start()
    service.receiver.post("/in/in", b'{"id":"a","tag":"t"}')
    service.sink.wait_count(2)
    wait_for(lambda: service.admin.counts()["done_fetched"] == 1)
    (task,) = service.admin.resend("a")
    assert task["status_code"] == 20100 and task["data"] == {"api": "in", "function": "in", "id": "a", "tag": "t"}
    requests = service.sink.wait_count(4)
    assert sorted(r.path for r in requests) == ["/audit", "/audit", "/out", "/out"]
    assert [t["status_code"] for t in service.acme.resend("a")] == [40401]


def test_redis_full_changes_nothing(api, stack):
    ident = api.acme.set_one(pingback_url=api.hook())
    wait_state(api, ident, "done", "pingback")
    stack.redis.client().config_set("maxmemory", 1)
    status, headers, text = api.acme.raw("POST", URL, b'[{"id":"%s"}]' % ident.encode())
    assert status == 500 and headers["Retry-After"]
    import json
    shapes.check_failure(json.loads(text), 50000)
    assert api.delivery(ident, "pingback")["state"] == "done"
    stack.redis.client().config_set("maxmemory", 0)
    assert [t["status_code"] for t in api.acme.resend(ident)] == [20100]
