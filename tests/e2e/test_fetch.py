"""Results that are only announced: the pingback is accepted, the result fetched, and that is what is relayed."""

import base64
import gzip
import json

import pytest

from harness import http, sign
from harness.downstream import Answer
from harness.fetching import FETCH, announce, fetch, run, wait_state
from harness.provider import LOGIN, PATH, envelope, refusal
from harness.wait import stays, wait_for

SECRET = "a-secret-of-the-test-0123"


# -- relayed results -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_the_result_is_what_is_relayed(stack, packed):
    provider, sink, receiver, _ = run(stack)
    provider.compress = packed
    provider.done("t1", tag="theirs")
    said = announce(receiver, query="&tag=mine", **{"X-Team": "seo"})
    assert said["echo"] == "t1"
    request = sink.wait_count(1)[0]
    got = provider.wait_count(1)[0]
    assert (got.method, got.target) == ("GET", PATH + "/task_get/advanced/t1")
    assert got.header("Accept-Encoding") == "gzip"
    assert got.header("X-Team") is None, "companions are for the destination"
    body = provider.body_of("t1")
    assert request.target == "/out?id=t1&tag=mine"
    assert request.method == "POST"
    assert (gzip.decompress(request.body) if packed else request.body) == body
    assert request.header("Content-Encoding") == ("gzip" if packed else None)
    assert request.header("Content-Type") == "application/json"
    assert request.header("X-Team") == "seo"
    assert request.header("Hookpace-Delivery") == "t1:out"
    assert wait_state(stack, "done")["last_status"] == "200"
    stays(lambda: len(sink.all()) == 1 and len(provider.all()) == 1, 0.3)


def test_the_tag_of_the_result_if_the_announcement_has_none(stack):
    provider, sink, receiver, _ = run(stack)
    provider.done("t1", tag="theirs & ours")
    announce(receiver)
    assert sink.wait_count(1)[0].query == {"id": "t1", "tag": "theirs & ours"}


def test_a_large_result(stack):
    provider, sink, receiver, _ = run(stack)
    provider.done("t1", result=[{"pad": "x" * 3_000_000}])
    announce(receiver)
    assert sink.wait_count(1)[0].body == provider.body_of("t1")


@pytest.mark.parametrize("body", [b'{"id": "t1",  "n": 1.0}\r\n', b"[]", b'{"status_code": 404}'])
def test_what_is_no_envelope_is_a_result_as_it_is(stack, body):
    provider, sink, receiver, _ = run(stack)
    provider.on(None, Answer(body=body, headers={"Content-Type": "application/vnd.x+json; charset=utf-8"}))
    announce(receiver)
    request = sink.wait_count(1)[0]
    assert request.body == body
    assert request.header("Content-Type") == "application/vnd.x+json; charset=utf-8"


def test_to_several_destinations_with_delay_and_secret_of_the_announcement(stack):
    """In force is what was in force when the pingback came."""
    sign_old = {"scheme": "semscraper", "secrets": [SECRET]}
    provider, sink, receiver, (dispatcher,) = run(stack, {"delay_ms": 300, "sign": sign_old}, to=("a", "b"))
    provider.set("t1", 40602)
    announce(receiver)
    wait_state(stack, "retry")
    then = sorted(fetch(stack)["then"].split("\n"))
    assert [line.split(" ")[:2] for line in then] == [["a", "300"], ["b", "300"]]
    new = json.loads(json.dumps(dispatcher.config))
    for dest in new["destinations"].values():
        dest.update(delay_ms=0, sign={"scheme": "semscraper", "secrets": ["another-secret-4567", SECRET]})
    receiver.reload(new)
    dispatcher.reload(new)
    provider.done("t1")
    for request in sink.wait_count(2, timeout=12):
        assert request.header("X-Signature") == sign.hex_mac(SECRET, request.body)
    assert {r.path for r in sink.all()} == {"/a", "/b"}
    assert [stack.keys.delivery(f"t1:{n}")["delay_ms"] for n in "ab"] == ["300", "300"]


def test_without_destinations_the_result_is_kept(stack):
    provider, _, receiver, _ = run(stack, to=())
    provider.done("t1")
    announce(receiver)
    wait_state(stack, "done")
    head = stack.redis.client().getrange("hookpace:{0}:event:t1", 0, 60)
    assert " in " in head, head


# -- attempts ------------------------------------------------------------------------------------------------


def test_not_ready_is_retried_until_it_is(stack):
    provider, sink, receiver, _ = run(stack)
    provider.set("t1", 40601)
    announce(receiver)
    waiting = wait_state(stack, "retry")
    assert (waiting["last_status"], waiting["last_error"], waiting["attempts"]) == ("200", "not_ready", "1")
    assert sink.all() == []
    provider.done("t1")
    assert sink.wait_count(1, timeout=10)[0].body == provider.body_of("t1")
    first, second = provider.gets()
    assert 4.9 <= (second.at_ns - first.at_ns) / 1e9 <= 6.5, "the default schedule begins with 5 s, and 20 % of jitter"
    assert (first.attempt, second.attempt) == (1, 2)


def json_answer(content, status=200):
    return Answer(status=status, body=json.dumps(content).encode(), headers={"Content-Type": "application/json"})


FAILURES = {
    "task_40401": json_answer(envelope("task_get/advanced", 40401)),
    "task_40202": json_answer(refusal(40202)),
    "http_401": json_answer(refusal(40100), 401),
    "http_404": json_answer(refusal(40401), 404),
    "http_302": Answer(status=302, headers={"Location": "/elsewhere"}),
    "http_500": Answer(status=500),
    "not_ready": json_answer(envelope("task_get/advanced", 40602)),
    "bad_result": Answer(body=b"<html>maintenance</html>"),
    "bad_result of gzip": Answer(body=gzip.compress(b'{"a": 1}')[:-4]),
    "bad_result of brotli": Answer(body=b"{}", headers={"Content-Encoding": "br"}),
    "bad_result of nothing": Answer(status=204),
    "bad_response": Answer(body=b'{"a": 1, "pad": "' + b"x" * 4000 + b'"}', action="cut"),
    "closed": Answer(action="close"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_anything_else_is_a_failed_attempt(stack, name):
    provider, sink, receiver, (dispatcher,) = run(stack)
    provider.on(None, FAILURES[name])
    announce(receiver)
    waiting = wait_state(stack, "retry")
    assert waiting["last_error"] == name.split(" ")[0]
    assert sink.all() == []
    assert stack.keys.retry().keys() == {f"t1~f:{FETCH}"}
    wait_for(lambda: dispatcher.metric("hookpace_attempts_total", destination=FETCH, result="retry") == 1)


def test_not_json_is_a_result_for_a_source_that_takes_any(stack):
    provider, sink, receiver, _ = run(stack, source={"payload": "any"})
    provider.on(None, Answer(body=b"<html>", headers={"Content-Type": "text/html"}))
    announce(receiver)
    request = sink.wait_count(1)[0]
    assert (request.body, request.header("Content-Type")) == (b"<html>", "text/html")


@pytest.mark.parametrize("how", ["wire", "inflated", "endless"])
def test_too_large_is_dead_at_once(stack, how):
    limits = {"max_body_bytes": 100_000, "max_inflated_bytes": 200_000}
    provider, sink, receiver, (dispatcher,) = run(stack, top={"receiver": limits})
    plain = b'{"pad": "' + b"x" * {"wire": 100_000, "inflated": 200_000, "endless": 0}[how] + b'"}'
    provider.on(None, {"wire": Answer(body=plain), "inflated": Answer(body=gzip.compress(plain)),
                       "endless": Answer(action="huge", size=1 << 30)}[how])
    announce(receiver)
    dead = wait_state(stack, "dead")
    assert (dead["last_error"], dead["attempts"]) == ("too_large", "1")
    assert stack.keys.dead(FETCH) == [f"t1~f:{FETCH}"]
    assert sink.all() == []
    line = dispatcher.wait_log("delivery.dead")
    assert (line["destination"], line["error"]) == (FETCH, "too_large")
    assert dispatcher.rss_kb() < 60_000


def test_up_to_the_limit_is_fine(stack):
    plain = b'{"pad": "' + b"x" * 99_989 + b'"}'
    assert len(plain) == 100_000
    provider, sink, receiver, _ = run(stack, top={"receiver": {"max_body_bytes": 100_000, "max_inflated_bytes": 100_000}})
    provider.on(None, Answer(body=plain), Answer(body=gzip.compress(plain)))
    announce(receiver)
    announce(receiver, "t2")
    for request in sink.wait_count(2):
        body = gzip.decompress(request.body) if request.header("Content-Encoding") else request.body
        assert body == plain


def test_no_secret_is_logged(stack):
    provider, _, receiver, (dispatcher,) = run(stack, env={"HOOKPACE_LOG": "debug"})
    provider.on(None, Answer(status=410))
    announce(receiver)
    dispatcher.wait_log("delivery.dead")
    assert provider.all()[0].header("Authorization").startswith("Basic ")
    for secret in (LOGIN, LOGIN.split(":")[1], provider.all()[0].header("Authorization").split(" ")[1]):
        assert secret not in dispatcher.log()


def api(receiver, method, path, content=None):
    headers = {"Authorization": "Basic " + base64.b64encode(b"root:root-password").decode()}
    if method == "POST":
        answer = http.post(receiver.admin, path, json.dumps(content).encode(), headers)
    else:
        answer = http.get(receiver.admin, path, headers)
    assert answer.status == 200, answer
    return answer.json()["tasks"][0]


ROOT = {"accounts": {"root": {"password": "root-password", "role": "admin"}}}


def test_a_dead_fetch_can_be_resent(stack):
    provider, sink, receiver, _ = run(stack, top=ROOT)
    provider.on(None, Answer(status=410), Answer(body=b'{"n": 1}'))
    announce(receiver)
    wait_state(stack, "dead")
    assert api(receiver, "GET", "/v3/tasks/count")["result"][0]["failed"] == 1
    assert api(receiver, "POST", "/v3/appendix/webhook_resend", [{"id": "t1"}])["status_code"] == 20100
    assert sink.wait_count(1)[0].body == b'{"n": 1}'
    wait_state(stack, "done")
    assert stack.keys.dead(FETCH) == []


def test_the_api_knows_it_as_a_task(stack):
    provider, sink, receiver, _ = run(stack, top=ROOT)
    provider.set("t1", 40602)
    announce(receiver)
    wait_state(stack, "retry")
    assert api(receiver, "GET", "/v3/serp/task_get/t1")["status_code"] == 40602
    assert api(receiver, "GET", "/v3/tasks/count")["result"][0]["pending"] == 1
    provider.done("t1")
    sink.wait_count(1, timeout=10)
    wait_for(lambda: stack.keys.delivery("t1:out").get("state") == "done")
    got = api(receiver, "GET", "/v3/serp/task_get/t1")
    assert (got["id"], got["status_code"], got["result"]) == ("t1", 20000, [{"keyword": "t1", "items": [{"rank": 1}]}])
    counts = api(receiver, "GET", "/v3/tasks/count")["result"][0]
    assert (counts["pending"], counts["processing"], counts["failed"]) == (0, 0, 0), counts


# -- egress --------------------------------------------------------------------------------------------------


def test_egress_deny_holds_for_fetches(stack):
    provider, _, receiver, _ = run(stack, top={"dispatcher": {"egress": {"deny": ["127.0.0.0/8"]}}})
    provider.done("t1")
    announce(receiver)
    assert wait_state(stack, "dead")["last_error"] == "blocked_address"
    assert provider.all() == []
