"""What an event is: ids and tags, repeats, fan-out, the headers that travel with it."""

import json
import re
import time

from harness import config, http, sign
from harness.ingest import SECRET, accepted, make, queued, refused, scheme_source, secrets_for


# -- ids and tags --------------------------------------------------------------------------------------------


def test_where_ids_come_from(stack):
    receiver = make(stack, {"in": config.source("out") | {"id": ["/task/id", "/id"], "tag": ["/meta/0/tag", "/tag"]},
                            "hooks": scheme_source("standard-webhooks"), "hub": scheme_source("github")})
    accepted(receiver.post("/in/in?id=q", {"task": {"id": "first"}, "id": "second"}), "first")
    accepted(receiver.post("/in/in?id=q", {"task": {"id": None}, "id": 12345678901234567890}), "12345678901234567890")
    accepted(receiver.post("/in/in?x=1&id=a%3Ab", {"n": 1}), "a:b")
    made = accepted(receiver.post("/in/in", {"n": 2}))["echo"]
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", made)
    body = b'{"n": 1}'
    hooks = sign.headers("standard-webhooks", secrets_for("standard-webhooks")[0], body, message_id="msg_77")
    accepted(receiver.post("/in/hooks", body, hooks), "msg_77")
    hub = sign.headers("github", SECRET, body, message_id="72d3162e-cc78-11e3-81ab-4c9367dc0958")
    accepted(receiver.post("/in/hub", body, hub), "72d3162e-cc78-11e3-81ab-4c9367dc0958")


def test_bad_ids(stack):
    receiver = make(stack)
    for value in ("", ".", "..", "a b", "a/b", "a%b", "{a}", "x" * 129, "é", "a\u0000b", {}, [], {"id": 1}):
        refused(receiver.post("/in/in?id=fallback", json.dumps({"id": value}).encode()), 422, "invalid_id")
    refused(receiver.post("/in/in", b'{"id":"a","id":"b"}'), 422, "invalid_id")
    refused(receiver.post("/in/in?id=a%2Fb", {}), 422, "invalid_id")
    refused(receiver.post("/in/in?id=a&id=b", {}), 422, "invalid_id")
    assert queued(stack) == 0
    accepted(receiver.post("/in/in", {"id": "x" * 128}), "x" * 128)
    accepted(receiver.post("/in/in", {"id": "A.z_0:-"}), "A.z_0:-")


def test_tags(stack):
    receiver = make(stack)
    for value in ("a\nb", "x" * 256, {}, [1]):
        answer = receiver.post("/in/in", {"id": "a", "tag": value})
        refused(answer, 422, "invalid_id")
        assert "tag" in answer.json()["message"]
    refused(receiver.post("/in/in", b'{"id":"a","tag":"b","tag":"c"}'), 422, "invalid_id")
    refused(receiver.post("/in/in?tag=%ff", {"id": "a"}), 422, "invalid_id")
    assert queued(stack) == 0
    accepted(receiver.post("/in/in?tag=q+1%26", {"id": "a"}), "a")
    accepted(receiver.post("/in/in", {"id": "b", "tag": "x" * 255}), "b")
    record = stack.redis.client().get("hookpace:{0}:event:a")
    assert "\nt q 1&\n" in record


def test_pingbacks(stack):
    receiver = make(stack, {"in": config.source("out"), "signed": scheme_source("serphouse")})
    accepted(http.get(receiver.ingest, "/in/in?id=a&tag=t"), "a")
    accepted(http.get(receiver.ingest, "/in/in?id=a&tag=t"), "a", duplicate=True)
    assert stack.redis.client().get("hookpace:{0}:event:a").split("\n")[0].endswith(" in 0 n")  # it has no body
    refused(http.get(receiver.ingest, "/in/in"), 422, "invalid_id")
    refused(http.get(receiver.ingest, "/in/in?tag=t"), 422, "invalid_id")
    refused(http.get(receiver.ingest, "/in/signed?id=a"), 401, "missing_signature")
    accepted(http.get(receiver.ingest, "/in/signed?id=s", sign.headers("serphouse", SECRET, b"")), "s")
    with http.Client(receiver.ingest) as client:
        refused(client.request("GET", "/in/in?id=b", {}, b"{}"), 400, "bad_request")
    assert queued(stack) == 2

# -- repeats and fan-out -------------------------------------------------------------------------------------


def test_a_repeat_is_answered_and_not_queued(stack):
    receiver = make(stack)
    first = accepted(receiver.post("/in/in", {"id": "a", "n": 1}), "a")
    again = accepted(receiver.post("/in/in", {"id": "a", "n": 1}), "a", duplicate=True)
    assert again["received_at"] == first["received_at"]
    accepted(receiver.post("/in/in", {"id": "a", "n": 2}), "a")  # the same id with another body is news
    assert queued(stack) == 2


def test_a_signed_message_id_decides(stack):
    receiver = make(stack, {"in": scheme_source("standard-webhooks")})
    secret = secrets_for("standard-webhooks")[0]

    def send(ident, message_id, at=None):
        body = json.dumps({"id": ident}).encode()
        return receiver.post("/in/in", body, sign.headers("standard-webhooks", secret, body, message_id, at))

    accepted(send("a", "msg_1"), "a")
    accepted(send("a", "msg_1", time.time() - 5), "a", duplicate=True)  # signed afresh by the sender's retry
    accepted(send("a", "msg_2"), "a")
    assert queued(stack) == 2


def test_an_unsigned_message_id_does_not(stack):
    """Whoever replays a GitHub body under a new delivery id changed nothing that is signed, and under the old
    id with another body it must not be swallowed."""
    receiver = make(stack, {"in": scheme_source("github", id=["/id"])})

    def send(n, delivery):
        body = json.dumps({"id": "a", "n": n}).encode()
        return receiver.post("/in/in", body, sign.headers("github", SECRET, body, delivery))

    accepted(send(1, "d1"), "a")
    accepted(send(1, "d2"), "a", duplicate=True)
    accepted(send(2, "d1"), "a")
    assert queued(stack) == 2


def test_the_same_id_from_two_sources(stack):
    receiver = make(stack, {"one": config.source("out"), "two": config.source("out")})
    accepted(receiver.post("/in/one", {"id": "a"}), "a")
    accepted(receiver.post("/in/two", {"id": "a"}), "a")
    assert queued(stack) == 2


def test_fan_out_and_keeping(stack):
    receiver = make(stack, {"both": config.source(["out", "more"]), "kept": config.source([])})
    accepted(receiver.post("/in/both", {"id": "a"}), "a")
    assert stack.keys.queue("out") == ["a:out"]
    assert stack.keys.queue("more") == ["a:more"]
    accepted(receiver.post("/in/kept", {"id": "b"}), "b")
    accepted(receiver.post("/in/kept", {"id": "b"}), "b", duplicate=True)
    assert stack.keys.has_event("b")
    assert queued(stack) == 2


def test_partitions(stack):
    conf = make(stack, start=False)
    conf["redis"]["partitions"] = 4
    conf["sources"]["in"]["to"] = ["out", "more"]
    receiver = stack.receiver(conf)
    keys = stack.redis.keys(partitions=4)
    assert keys.partition("out") != keys.partition("more")
    accepted(receiver.post("/in/in", {"id": "a"}), "a")
    accepted(receiver.post("/in/in", {"id": "a"}), "a", duplicate=True)
    assert keys.queue("out") == ["a:out"] and keys.queue("more") == ["a:more"]
    body = json.dumps({"id": "big", "p": "x" * 300_000}).encode()
    accepted(receiver.post("/in/in", body), "big")
    client = stack.redis.client(decode_responses=False)
    for lane in ("out", "more"):
        assert client.get(keys.base(keys.partition(lane)) + "event:big").endswith(body)

# -- companion headers ---------------------------------------------------------------------------------------


def kept_headers(stack, ident):
    record = stack.redis.client().get("hookpace:{0}:event:" + ident)
    head = record.split("\n\n", 1)[0]
    return [line[2:] for line in head.split("\n") if line.startswith("h ")]


def test_companion_headers(stack):
    receiver = make(stack, {"in": scheme_source("github"), "none": config.source("out", keep_headers=[]),
                            "some": config.source("out", keep_headers=["Link", "x-a*"])})
    sent = {"X-A": "1", "ce-type": "caf\xe9", "X-Forwarded-For": "1.2.3.4", "X-Real-IP": "1.2.3.4", "Link": "<x>",
            "Accept": "*/*", "Cookie": "c", "Authorization": "Bearer x", "User-Agent": "u"}
    body = b'{"id":"gh"}'
    receiver.post("/in/in", body, {**sent, **sign.headers("github", SECRET, body, "d-1")})
    assert kept_headers(stack, "gh") == ["X-A: 1", "ce-type: caf\udce9", "X-GitHub-Event: push", "X-GitHub-Delivery: d-1"]
    receiver.post("/in/none", b'{"id":"no"}', sent)
    assert kept_headers(stack, "no") == []
    receiver.post("/in/some", b'{"id":"so"}', sent)
    assert kept_headers(stack, "so") == ["X-A: 1", "Link: <x>"]


def test_companion_headers_have_a_limit(stack):
    receiver = make(stack)
    receiver.post("/in/in", {"id": "a"}, {f"X-N{n}": "v" * 1000 for n in range(6)})
    lines = kept_headers(stack, "a")
    assert len(lines) == 4
    assert sum(len(line) + 2 for line in lines) <= 4096
