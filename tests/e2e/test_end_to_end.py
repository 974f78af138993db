"""A signed webhook goes in, and what goes out is the bytes that came in, to everyone who is to have them."""

import gzip
import json
import re
import uuid

import pytest

from harness import config, oracle, sign
from harness.downstream import Answer
from harness.wait import wait_for

SECRET = "serphouse-secret-1"
OUT_SECRET = "orders-secret-0002"
TOKEN = "dataforseo-token-3"
# what a JSON library would change if the body were written anew: spaces, order, repeats, escapes, 1.0, a last CRLF
ODD_JSON = b'{ "tag":"t-1",  "id" : "%s",\n\t"n":1.0, "n": 2e0, "u":"\\u00e9\xc3\xa9", "e":[ ], "s":"a\\/b" }\r\n'


def three_kinds(redis_url, orders, audit):
    """The example of the documentation: two providers, a postback destination and a pingback destination."""
    conf = config.base(redis_url)
    conf["sources"] = {
        "serphouse": config.source("orders", "serphouse", [SECRET, "serphouse-old-secret"]),
        "dataforseo": {"verify": {"scheme": "token", "secrets": [TOKEN]}, "id": ["/tasks/0/id"],
                       "tag": ["/tasks/0/data/tag"], "to": ["orders", "audit"]},
        "ping": config.source(["orders", "audit"]),
        "inbox": {"verify": {"scheme": "none"}, "to": []},
    }
    conf["destinations"] = {
        "orders": config.destination(orders.url("/hook?id=$id&tag=$tag&source=$source"), headers={"X-Team": "seo"},
                                     sign={"scheme": "serphouse", "secrets": [OUT_SECRET]}),
        "audit": config.destination(audit.url("/ping/$id?tag=$tag"), pingback=True),
    }
    return conf


@pytest.fixture
def demo(stack):
    """(stack, receiver, orders sink, audit sink) with both programs running."""
    orders, audit = stack.downstream(), stack.downstream()
    conf = three_kinds(stack.redis.url, orders, audit)
    receiver = stack.receiver(conf)
    stack.dispatcher(conf)
    return stack, receiver, orders, audit


def test_serphouse_postback(demo):
    stack, receiver, orders, audit = demo
    body = ODD_JSON % b"task-1"
    answer = receiver.post("/in/serphouse", body, {**sign.headers("serphouse", SECRET, body),
                                                   "Content-Type": "application/json; charset=utf-8",
                                                   "X-Campaign": "autumn"})
    assert answer.status == 200
    reply = answer.json()
    assert (reply["status"], reply["echo"]) == ("ok", "task-1")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", reply["received_at"])
    assert "duplicate" not in reply
    request, = orders.wait_count(1)
    assert request.body == body
    assert (request.method, request.path) == ("POST", "/hook")
    assert request.query == {"id": "task-1", "tag": "t-1", "source": "serphouse"}
    assert request.header("Content-Type") == "application/json; charset=utf-8"
    assert request.header("Content-Encoding") is None
    assert request.header("X-Team") == "seo"
    assert request.header("X-Campaign") == "autumn"
    assert request.header("x-serphouse-signature") == sign.hex_mac(OUT_SECRET, body)
    assert request.count("x-serphouse-signature") == 1, "the provider's signature must not travel on"
    assert re.fullmatch(r"Hookpace/\S+", request.header("User-Agent"))
    assert (request.delivery, request.attempt) == ("task-1:orders", 1)
    assert int(request.header("Content-Length")) == len(body)
    assert not audit.all()
    wait_for(lambda: stack.keys.delivery("task-1:orders").get("state") == "done", 5, "the delivery to be done")


def test_old_secret_still_verifies(demo):
    _, receiver, orders, _ = demo
    body = b'{"id":"rotated"}'
    assert receiver.post("/in/serphouse", body, sign.headers("serphouse", "serphouse-old-secret", body)).status == 200
    orders.wait_events({"rotated"})


def test_wrong_signature_queues_nothing(demo):
    stack, receiver, orders, _ = demo
    body = b'{"id":"forged"}'
    refused = receiver.post("/in/serphouse", body, sign.headers("serphouse", "not-the-secret", body))
    assert (refused.status, refused.code) == (401, "invalid_signature")
    missing = receiver.post("/in/serphouse", body)
    assert (missing.status, missing.code) == (401, "missing_signature")
    # one that is fine passes behind it, and nothing else came before
    body = b'{"id":"real"}'
    assert receiver.post("/in/serphouse", body, sign.headers("serphouse", SECRET, body)).status == 200
    orders.wait_events({"real"})
    assert orders.events() == {"real"}
    assert not stack.keys.has_event("forged")


@pytest.mark.parametrize("announced", [True, False], ids=["with Content-Encoding", "by its first bytes"])
def test_dataforseo_gzip_fans_out(demo, announced):
    stack, receiver, orders, audit = demo
    ident = str(uuid.uuid4())
    plain = json.dumps({"version": "0.1", "status_code": 20000, "tasks": [
        {"id": ident, "data": {"api": "serp", "tag": "über uns"}, "result": [{"items": list(range(2000))}]}]}).encode()
    packed = gzip.compress(plain)
    headers = {"Content-Encoding": "gzip"} if announced else {}
    answer = receiver.post(f"/in/dataforseo?token={TOKEN}", packed, headers)
    assert (answer.status, answer.json()["echo"]) == (200, ident)
    postback, = orders.wait_count(1)
    pingback, = audit.wait_count(1)
    assert postback.body == plain, "a destination that signs gets plain bytes"
    assert postback.header("Content-Encoding") is None
    assert postback.query == {"id": ident, "tag": "über uns", "source": "dataforseo"}
    assert postback.header("x-serphouse-signature") == sign.hex_mac(OUT_SECRET, plain)
    assert (pingback.method, pingback.body) == ("GET", b"")
    assert (pingback.path, pingback.query) == (f"/ping/{ident}", {"tag": "über uns"})
    assert "t%C3%BC" not in pingback.target and "%C3%BCber" in pingback.target
    assert pingback.delivery == f"{ident}:audit"
    wait_for(lambda: all(stack.keys.delivery(f"{ident}:{d}").get("state") == "done" for d in ("orders", "audit")),
             5, "both deliveries to be done")
    oracle.assert_each_in_one_place(stack.keys, [f"{ident}:orders", f"{ident}:audit"])


def test_wrong_token(demo):
    _, receiver, _, _ = demo
    assert receiver.post("/in/dataforseo?token=wrong-token-9", b'{"tasks":[{"id":"x"}]}').status == 401


def test_pingback_goes_out_as_postback_and_pingback(demo):
    _, receiver, orders, audit = demo
    answer = receiver.get("/in/ping?id=p-1&tag=a%26b%20c", "ingest")
    assert (answer.status, answer.json()["echo"]) == (200, "p-1")
    postback, = orders.wait_count(1)
    made = json.loads(postback.body)
    assert set(made) == {"id", "tag", "source", "received_at"}
    assert (made["id"], made["tag"], made["source"]) == ("p-1", "a&b c", "ping")
    assert made["received_at"] == answer.json()["received_at"]
    assert postback.header("Content-Type").startswith("application/json")
    assert postback.header("x-serphouse-signature") == sign.hex_mac(OUT_SECRET, postback.body)
    pingback, = audit.wait_count(1)
    assert pingback.query == {"tag": "a&b c"}
    assert "a%26b" in pingback.target


def test_repeat_is_acknowledged_but_sent_once(demo):
    _, receiver, orders, _ = demo
    body = b'{"id":"again"}'
    headers = sign.headers("serphouse", SECRET, body)
    first = receiver.post("/in/serphouse", body, headers).json()
    orders.wait_count(1)
    second = receiver.post("/in/serphouse", body, headers).json()
    assert second.pop("duplicate") is True
    assert second == first
    other = b'{"id":"again","v":2}'
    assert "duplicate" not in receiver.post("/in/serphouse", other, sign.headers("serphouse", SECRET, other)).json()
    orders.wait_count(2)
    last = b'{"id":"last"}'
    receiver.post("/in/serphouse", last, sign.headers("serphouse", SECRET, last))
    assert sorted(r.body for r in orders.wait_count(3)) == sorted([body, other, last])


def test_inbox_only_keeps(demo):
    stack, receiver, orders, audit = demo
    answer = receiver.post("/in/inbox", b'{"id":"kept"}')
    assert answer.status == 200
    # without "id": ["/id"] the id is a generated one
    assert stack.keys.has_event(answer.json()["echo"])
    assert oracle.places(stack.keys) == {}


def test_a_failing_destination_does_not_hold_up_the_other(demo):
    stack, receiver, orders, audit = demo
    orders.on(None, Answer(status=500))
    receiver.get("/in/ping?id=half", "ingest")
    audit.wait_events({"half"})
    orders.wait_events({"half"})
    wait_for(lambda: "half:orders" in stack.keys.retry(), 5, "the failed delivery to wait for its retry")
    oracle.assert_each_in_one_place(stack.keys, ["half:orders", "half:audit"])


def test_large_body_and_chunked(demo):
    _, receiver, orders, _ = demo
    body = json.dumps({"id": "large", "pad": "x" * 3_000_000}).encode()
    assert receiver.post("/in/serphouse", body, sign.headers("serphouse", SECRET, body)).status == 200
    request, = orders.wait_count(1)
    assert request.body == body
    body = b'{"id":"chunked"}'
    pieces = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (body[:5], body[5:])) + b"0\r\n\r\n"
    from harness import http
    with http.Client(receiver.ingest) as c:
        answer = c.request("POST", "/in/serphouse", {**sign.headers("serphouse", SECRET, body),
                                                     "Transfer-Encoding": "chunked"}, pieces)
    assert answer.status == 200, answer
    assert orders.wait_count(2)[1].body == body


def test_several_partitions(stack):
    """Four partitions, eight lanes: everything arrives, under keys of the right hash tag."""
    sink = stack.downstream()
    conf = config.base(stack.redis.url)
    conf["redis"].update(partitions=4, prefix="hp")
    names = [f"d{n}" for n in range(8)]
    conf["sources"]["in"] = config.source(names)
    for name in names:
        conf["destinations"][name] = config.destination(sink.url())
    receiver = stack.receiver(conf)
    receiver.send("early")
    keys = stack.redis.keys("hp", 4)
    assert {lane: len(ids) for lane, ids in keys.queues().items()} == dict.fromkeys(names, 1)
    assert {keys.partition(n) for n in names} == {0, 1, 2, 3}
    for name in names:
        assert keys.queue(name) == [f"early:{name}"]
    stack.dispatcher(conf)
    for n in range(20):
        receiver.send(f"e{n}")
    requests = sink.wait_count(21 * 8)
    assert len({r.delivery for r in requests}) == 21 * 8
    wait_for(lambda: not keys.inflight(), 5, "nothing to be in flight")
    oracle.assert_each_in_one_place(keys, [f"e{n}:{d}" for n in range(20) for d in names])
    assert not stack.redis.client().keys("hookpace*")
