"""The command that forwards events to a server of the user's."""

import gzip
import json
import os
import time

import pytest
from running import Running
from test_command import Hookpace

from harness import config
from harness.exchange import Answer
from harness.wait import wait_for


@pytest.fixture
def flow(service):
    """Source `in` to `orders`, which takes everything, and `audit`, which is dead at once. Source `kept` goes nowhere. `local` is
    the developer's server."""
    for name in ("orders", "audit"):
        service.conf["destinations"][name] = config.destination(service.sink.url("/" + name), retry={"schedule_s": []})
    service.conf["sources"]["in"] = config.source(["orders", "audit"])
    service.conf["sources"]["kept"] = config.source([])
    service.sink.on("/audit", Answer(status=500))
    service.start()
    service.hookpace = Hookpace(service)
    service.local = service.stack.downstream()
    return service


class Listen(Running):
    def __init__(self, flow, *args, to=None, **env):
        super().__init__(flow, "listen", "--forward", to or flow.local.url("/dev"), *args, **env)
        self.listening()


def send(flow, ident, source="in", headers=None, tag="t", **more):
    assert flow.receiver.post("/in/" + source, {"id": ident, "tag": tag, **more}, headers or {}).status == 200


def lines(listen):
    return [json.loads(line) for line in listen.out]


def test_a_copy_has_what_the_event_had(flow):
    listen = Listen(flow, "--source", "kept")
    body = b'{"id":"e1","tag":"t","text":"\\u00e9 \xc3\xa9"}'
    headers = {"Content-Type": "application/json; charset=utf-8", "X-Team": "seo", "X-Empty": "", "Cookie": "secret",
               "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
    assert flow.receiver.post("/in/kept", body, headers).status == 200
    request, = flow.local.wait_count(1)
    assert (request.method, request.target, request.body) == ("POST", "/dev", body)
    assert request.header("Content-Type") == headers["Content-Type"] and request.header("X-Team") == "seo" and request.header("X-Empty") == ""
    assert request.header("traceparent") == headers["traceparent"] and request.header("Cookie") is None
    assert request.header("Hookpace-Delivery") == "e1" and request.header("Hookpace-Attempt") == "1"
    assert request.header("User-Agent").startswith("Hookpace/") and request.count("User-Agent") == 1
    wait_for(lambda: listen.out, 5, "the line")
    words = listen.out[0].split()
    assert words[1:4] == ["e1", "POST", "200"] and words[5:] == ["ms", "t"] and int(words[4]) < 5000
    assert listen.interrupt() == 0
    wait_for(lambda: "hookpace: 1 answered, 0 failed" in listen.err, 5, "the sum")


def test_a_delivery_is_named_as_the_destination_gets_it(flow):
    listen = Listen(flow, "--json", "--destination", "audit")
    send(flow, "e1", headers={"X-Team": "seo"})
    send(flow, "none", "kept")
    send(flow, "e2")
    first, second = sorted(flow.local.wait_count(2), key=lambda r: r.delivery)
    sent = {r.delivery: r for r in flow.sink.wait_count(4)}["e1:audit"]
    assert (first.delivery, second.delivery) == ("e1:audit", "e2:audit")
    assert first.body == sent.body and first.header("X-Team") == "seo" == sent.header("X-Team")
    assert first.header("Content-Type") == sent.header("Content-Type") and first.header("User-Agent") == sent.header("User-Agent")
    wait_for(lambda: len(listen.out) == 2, 5, "the lines")
    line = min(lines(listen), key=lambda x: x["id"])
    assert {k: line[k] for k in ("type", "id", "event", "source", "destination", "tag", "method", "status", "error", "detail")} == {
        "type": "forwarded", "id": "e1:audit", "event": "e1", "source": "in", "destination": "audit", "tag": "t", "method": "POST",
        "status": 200, "error": None, "detail": None}
    assert line["bytes"] == len(first.body) and line["ms"] >= 0 and line["at"].endswith("Z")


def test_without_a_filter_every_event_is_forwarded(flow):
    listen = Listen(flow)
    send(flow, "e1")
    send(flow, "e2", "kept")
    assert [r.delivery for r in flow.local.wait_count(2)] == ["e1", "e2"]
    assert listen.interrupt() == 0


def test_a_repeat_is_not_forwarded_and_a_second_event_is(flow):
    Listen(flow, "--source", "in")
    send(flow, "e1")
    send(flow, "e1")
    send(flow, "e1", n=2)
    send(flow, "e2")
    assert [(r.delivery, r.body) for r in flow.local.wait_count(3)] == [
        ("e1", b'{"id": "e1", "tag": "t"}'), ("e1~2", b'{"id": "e1", "tag": "t", "n": 2}'), ("e2", b'{"id": "e2", "tag": "t"}')]


@pytest.mark.parametrize("payload", [
    b"", b"\x00\xff\r\n\x1f\x8b", bytes(range(256)) * 4096, os.urandom(1 << 20), gzip.compress(b"x" * 1000000)],
    ids=["none", "bytes", "1 MB", "random MB", "gzip"])
def test_bodies_of_any_bytes(service, payload):
    service.conf["destinations"]["orders"] = config.destination(service.sink.url("/orders"))
    service.conf["sources"]["any"] = config.source("orders", payload="any", id=["header:X-Id"])
    service.start()
    service.hookpace, service.local = Hookpace(service), service.stack.downstream()
    Listen(service, "--destination", "orders")
    assert service.receiver.post("/in/any", payload, {"X-Id": "b1", "Content-Type": "application/octet-stream"}).status == 200
    sent, = service.sink.wait_count(1)
    copy, = service.local.wait_count(1, 20)
    assert copy.body == sent.body == payload and copy.method == sent.method
    for name in ("Content-Type", "Content-Encoding", "Content-Length", "Hookpace-Delivery", "X-Id"):
        assert copy.header(name) == sent.header(name), name
    assert copy.header("Expect") is None


def test_events_without_a_body(service):
    """A source's copy is the GET that came. A destination gets what it takes: a notice, or a pingback."""
    service.conf["destinations"]["post"] = config.destination(service.sink.url("/post"))
    service.conf["destinations"]["ping"] = config.destination(service.sink.url("/ping"), pingback=True)
    service.conf["sources"]["in"] = config.source(["post", "ping"])
    service.start()
    service.hookpace = Hookpace(service)
    copies, post, ping, own = (service.stack.downstream() for _ in range(4))
    Listen(service, "--source", "in", to=copies.url("/dev?a=1"))
    Listen(service, "--destination", "post", to=post.url("/dev"))
    Listen(service, "--destination", "ping", to=ping.url("/dev"))
    Listen(service, "--destination", "ping", to=own.url("/dev/$source?of=$id"))
    assert service.receiver.get("/in/in?id=a%20b%26&tag=t%2B", listener="ingest").status == 200
    copy, = copies.wait_count(1)
    assert (copy.method, copy.query, copy.body) == ("GET", {"a": "1", "id": "a b&", "tag": "t+"}, b"")
    notice, = post.wait_count(1)
    sent = next(r for r in service.sink.wait_count(2) if r.path == "/post")
    assert (notice.method, json.loads(notice.body)) == ("POST", json.loads(sent.body))
    assert notice.header("Content-Type") == sent.header("Content-Type") and notice.delivery == sent.delivery
    assert [(r.method, r.query) for r in ping.wait_count(1)] == [("GET", {"id": "a b&", "tag": "t+"})]
    assert [(r.method, r.target) for r in own.wait_count(1)] == [("GET", "/dev/in?of=a%20b%26")]


def test_a_resend_is_forwarded_again_and_a_retry_is_not(service):
    service.conf["destinations"]["orders"] = config.destination(service.sink.url("/orders"), retry={"schedule_s": [1], "jitter": 0})
    service.conf["sources"]["in"] = config.source("orders")
    service.start()
    service.hookpace, service.local = Hookpace(service), service.stack.downstream()
    service.sink.on("/orders", 500, 500, 200)
    send(service, "old")
    wait_for(lambda: service.root.get("deliveries/old:orders")["state"] == "dead", 10, "the end")
    listen = Listen(service, "--destination", "orders")
    service.sink.on("/orders", 500, 200)
    send(service, "e1")
    wait_for(lambda: service.root.get("deliveries/e1:orders")["state"] == "done", 10, "the end")
    service.hookpace("resend", "e1:orders")
    service.hookpace("resend", "old:orders")
    wait_for(lambda: len(listen.out) == 3, 10, "the resends")
    assert sorted((r.delivery, r.attempt) for r in service.local.all()) == [("e1:orders", 1), ("e1:orders", 3), ("old:orders", 3)]


def test_looking_does_nothing_to_the_queue(flow):
    flow.dispatchers[0].term()
    assert flow.dispatchers[0].wait() == 0
    client = flow.stack.redis.client()
    Listen(flow, "--destination", "orders")
    send(flow, "e1")

    def kept():
        """What stays as it is while programs only run."""
        return {key: client.dump(key) for key in client.keys("*") if key.split(":")[2] not in ("tailing", "programs", "answers", "history")}

    before = kept()
    flow.local.wait_count(1)
    assert flow.root.get("deliveries/e1:orders")["state"] == "queued" and flow.root.get("deliveries/e1:orders")["attempt_count"] == 0
    assert kept() == before


def test_a_server_that_is_down_or_says_no(flow):
    gone = flow.stack.downstream()
    gone.close()
    listen, people = Listen(flow, "--json", "--source", "kept", to=gone.url("/")), Listen(flow, "--source", "kept")
    flow.local.on("/dev", 404, Answer(status=302, headers={"Location": "/elsewhere"}), 200)
    for ident in ("e1", "e2", "e3"):
        send(flow, ident, "kept")
    wait_for(lambda: len(listen.out) == 3 and len(people.out) == 3, 10, "the lines")
    assert [(x["status"], x["error"]) for x in lines(listen)] == [(None, "connect_refused")] * 3 and lines(listen)[0]["detail"]
    assert [line.split()[3] for line in people.out] == ["404", "302", "200"]
    assert len(flow.local.all()) == 3, "redirects are not followed"
    assert listen.interrupt() == 0 and people.interrupt() == 0
    wait_for(lambda: "hookpace: 0 answered, 3 failed" in listen.err, 5, "the sum")
    assert sum("onnect" in line for line in listen.err) == 1, "the reason is told once"


@pytest.mark.parametrize("answer, error", [
    (Answer(action="hang"), "timeout"), (Answer(action="close"), "closed"), (Answer(action="raw", body=b"nonsense\r\n"), "bad_response"),
    (Answer(action="trickle", body=b"." * 1000), "timeout"), (Answer(action="cut", body=b"." * 1000), "closed")])
def test_a_server_that_does_not_answer(flow, answer, error):
    listen = Listen(flow, "--json", "--timeout", "1", "--source", "kept")
    flow.local.on("/dev", answer, 200)
    send(flow, "e1", "kept")
    send(flow, "e2", "kept")
    wait_for(lambda: len(listen.out) == 2, 15, "the lines")
    assert [(x["event"], x["status"], x["error"]) for x in lines(listen)] == [("e1", None, error), ("e2", 200, None)]


def test_a_slow_server_gets_all_in_order_one_at_a_time(flow):
    """While the server sleeps, the command reads on: the receiver would cut a listener that reads nothing for 10 s."""
    listen = Listen(flow, "--json", "--source", "kept")
    flow.local.on("/dev", Answer(delay=0.2), Answer(delay=0.2), 200)
    for n in range(20):
        send(flow, f"e{n}", "kept")
    assert [r.event for r in flow.local.wait_count(20, 20)] == [f"e{n}" for n in range(20)]
    wait_for(lambda: len(listen.out) == 20, 5, "the lines")
    assert all(x["ms"] >= 200 for x in lines(listen)[:2])


def test_a_server_that_stands_bounds_what_waits(flow):
    """1,000 ids wait; of what is over that, the number is told."""
    listen = Listen(flow, "--json", "--source", "acme", "--timeout", "3600")
    flow.local.on("/dev", Answer(action="hang"))
    send(flow, "real", "kept")
    fact = json.dumps({"type": "accepted", "id": "real", "event": "real", "source": "acme", "tag": "x"})
    redis = flow.stack.redis.client()
    redis.publish("hookpace:{0}:tail", fact)
    flow.local.wait_count(1)
    for _ in range(15):
        redis.publish("hookpace:{0}:tail", "\n".join([fact] * 100))
    redis.publish("hookpace:{0}:tail", '{"type":"dropped","dropped":7}')
    wait_for(lambda: any(x.get("dropped") == 7 for x in lines(listen)), 10, "the end of the facts")
    with open(f"/proc/{listen.process.pid}/status") as status:
        resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    assert resident < 40000, f"{resident} KB"
    flow.local.close()
    told = lambda: sum(x.get("dropped", 0) for x in lines(listen)) + sum(x["type"] == "forwarded" for x in lines(listen))
    wait_for(lambda: told() == 1501 + 7, 30, lambda: f"all of it: {told()}")
    assert sum(x["type"] == "forwarded" for x in lines(listen)) <= 1001


def test_a_broken_connection(flow):
    listen = Listen(flow, "--json", "--source", "kept")
    send(flow, "e1", "kept")
    flow.local.wait_count(1)
    address, conf = flow.receiver.admin, json.loads(flow.receiver.config_path.read_text())
    flow.receiver.kill9()
    wait_for(lambda: any("trying again" in line for line in listen.err), 10, "the message")
    conf["admin"]["listen"] = address
    flow.receiver = flow.stack.receiver(conf)
    send(flow, "unseen", "kept")
    listen.listening(2)
    send(flow, "e2", "kept")
    assert [r.event for r in flow.local.wait_count(2)] == ["e1", "e2"]
    missed = next(x for x in lines(listen) if x["type"] == "missed")
    assert missed["since"] < flow.root.get("events/unseen")["accepted_at"] < missed["until"]
    assert any(f"list --since {missed['since']} --until {missed['until']}" in line for line in listen.err)
    assert listen.interrupt() == 0


def test_redis_may_go_away(flow):
    listen = Listen(flow, "--source", "kept")
    flow.stack.redis.client().client_kill_filter(_type="pubsub")
    listen.listening(2)
    assert any("may be missing" in line for line in listen.err)
    send(flow, "e1", "kept")
    flow.local.wait_count(1)


def test_an_event_that_is_gone_again(flow):
    listen = Listen(flow, "--json", "--source", "kept")
    fact = json.dumps({"type": "accepted", "id": "none", "event": "none", "source": "kept", "tag": ""})
    flow.stack.redis.client().publish("hookpace:{0}:tail", fact)
    wait_for(lambda: listen.out, 10, "the line")
    assert lines(listen)[0]["error"] == "event_lost" and flow.local.all() == []


def test_ids_of_any_text(flow):
    listen = Listen(flow, "--json", "--destination", "orders", to=flow.local.url("/dev/$id?t=$tag"))
    for ident in ("a b/c", "\u00e9\u4e2d", "..", "x?#"):
        send(flow, ident, tag="\u202e&")
    wait_for(lambda: len(listen.out) == 4, 10, "the lines")
    assert {x["event"]: x["error"] for x in lines(listen)} == {"a b/c": None, "\u00e9\u4e2d": None, "..": "bad_url", "x?#": None}
    assert sorted((r.target, r.delivery) for r in flow.local.all()) == [
        ("/dev/%C3%A9%E4%B8%AD?t=%E2%80%AE%26", "%C3%A9%E4%B8%AD:orders"), ("/dev/a%20b%2Fc?t=%E2%80%AE%26", "a%20b%2Fc:orders"),
        ("/dev/x%3F%23?t=%E2%80%AE%26", "x%3F%23:orders")]


def test_signature_headers_as_the_source_keeps_them(service):
    for name, keeps in (("kept", True), ("left", False)):
        service.conf["sources"][name] = config.source([], "github", ["s3cret-of-8"], keep_signature=keeps)
    service.start()
    service.hookpace, service.local = Hookpace(service), service.stack.downstream()
    Listen(service)
    for name in ("kept", "left"):
        service.root.post("send-test", {"source": name})
    kept, left = service.local.wait_count(2)
    assert kept.header("X-Hub-Signature-256").startswith("sha256=") and left.header("X-Hub-Signature-256") is None


def test_who_may(flow):
    Hookpace(flow, "acme")("listen", "--forward", "http://127.0.0.1:9", code=1)
    eye = Hookpace(flow, "eye")
    listen = Listen(flow, "--source", "kept", **{"HOOKPACE_LOGIN": eye.env["HOOKPACE_LOGIN"]})
    send(flow, "e1", "kept")
    flow.local.wait_count(1)
    assert listen.interrupt() == 0


@pytest.mark.parametrize("args", [
    [], ["--forward"], ["--forward", "localhost:3000"], ["--forward", "ftp://x/"], ["--forward", "http://u:p@x/"], ["--forward", "http://x/$nope"],
    ["--forward", "http://x/", "--timeout", "0"], ["--forward", "http://x/", "--timeout", "3601"], ["--forward", "http://x/", "more"],
    ["--forward", "http://x/", "--state", "dead"]])
def test_it_is_used_wrongly(flow, args):
    flow.hookpace("listen", *args, code=2)
    assert flow.hookpace.error.startswith("hookpace: ")


def test_no_receiver(flow):
    started = time.monotonic()
    flow.hookpace("listen", "--forward", "http://127.0.0.1:9", code=1, HOOKPACE_URL="http://127.0.0.1:1")
    assert time.monotonic() - started < 10 and "HOOKPACE_URL" in flow.hookpace.error


def test_a_proxy_of_the_environment_is_not_asked(flow):
    Listen(flow, "--source", "kept", http_proxy="http://127.0.0.1:1", no_proxy=flow.receiver.admin.split(":")[0])
    send(flow, "e1", "kept")
    flow.local.wait_count(1)


def test_completion_knows_it(flow):
    for shell in ("bash", "zsh", "fish"):
        script = flow.hookpace("completion", shell)
        assert "listen" in script and "forward" in script and "timeout" in script


@pytest.mark.parametrize("body", [b"<html>\n<h1>It works</h1>\n</html>\n", b"It works", b"", b"data: {}\n\n"])
@pytest.mark.parametrize("command", [("tail",), ("listen", "--forward", "http://127.0.0.1:9")])
def test_a_server_that_is_no_hookpace(flow, command, body):
    """A wrong HOOKPACE_URL is said at once: nothing is asked again that never was a receiver."""
    flow.local.on("/api/tail", Answer(body=body))
    assert flow.hookpace(*command, code=1, HOOKPACE_URL=flow.local.url("")) == ""
    assert "the server there is not a Hookpace receiver" in flow.hookpace.error and "HOOKPACE_URL" in flow.hookpace.error
    assert len(flow.local.all()) == 1


def test_another_server_for_a_while_is_no_end(flow):
    """A proxy may show a page while its receiver restarts. The command goes on when the receiver is back."""
    flow.local.on("/api/tail", Answer(body=b": hookpace\n\n: ready\n\n"), Answer(body=b"<h1>Back soon</h1>\n"),
                  Answer(body=b": hookpace\n\n: ready\n\n"), Answer(action="hang"))
    running = Running(flow, "tail", HOOKPACE_URL=flow.local.url(""))
    running.listening(2)
    assert running.interrupt() == 0


@pytest.mark.parametrize("command", [("tail",), ("listen", "--forward", "http://127.0.0.1:9")])
def test_names_that_nothing_has(flow, command):
    flow.hookpace(*command, "--source", "typo", code=1)
    assert "no source or account of the configuration has this name" in flow.hookpace.error
    flow.hookpace(*command, "--destination", "typo", code=1)
    assert "no destination of the configuration has this name" in flow.hookpace.error
