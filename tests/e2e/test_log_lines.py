"""The log of a healthy day: what was accepted, how each attempt ended, what was refused, and nothing that is secret."""

import json
import os
import re
import subprocess
import threading

import pytest

from harness import config, http, paths, sign
from harness.downstream import Answer
from harness.ingest import SECRET, accepted, make, refused, scheme_source
from harness.wait import wait_for

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}


def both(stack, sink, **top):
    conf = config.base(stack.redis.url, **top)
    conf["sources"] = {"in": config.source(["out", "ping"])}
    conf["destinations"] = {"out": config.destination(sink.url(), retry={"schedule_s": [0.1], "jitter": 0}),
                            "ping": config.destination(sink.url("/ping/$id"), pingback=True)}
    return stack.receiver(conf), stack.dispatcher(conf)


def test_an_event_and_its_attempts(stack):
    sink = stack.downstream()
    receiver, dispatcher = both(stack, sink)
    accepted(receiver.post("/in/in", {"id": "e/1", "tag": "té"}, PARENT), "e/1")
    line = receiver.wait_log("event.accepted")
    assert line["level"] == "info"
    assert {k: line[k] for k in ("source", "id", "tag", "destinations", "bytes", "trace_id", "peer")} == {
        "source": "in", "id": "e/1", "tag": "té", "destinations": 2, "trace_id": TRACE, "peer": "127.0.0.1",
        "bytes": len(json.dumps({"id": "e/1", "tag": "té"}))}
    assert "duplicate" not in line and "requeued" not in line
    accepted(receiver.post("/in/in", {"id": "e/1", "tag": "té"}, PARENT), "e/1", duplicate=True)
    assert receiver.wait_log("event.accepted", duplicate=True)["id"] == "e/1"
    for destination, kind in (("out", "postback"), ("ping", "pingback")):
        line = dispatcher.wait_log("attempt.ended", destination=destination)
        assert line["level"] == "info"
        assert {k: line[k] for k in line if k not in ("ts", "level", "program", "pid", "msg", "ms")} == {
            "source": "in", "id": "e/1", "tag": "té", "delivery": "e%2F1:" + destination, "destination": destination,
            "origin": f"http://127.0.0.1:{sink.port}", "kind": kind, "attempt": 1, "status": 200, "state": "done",
            "trace_id": TRACE}
        assert isinstance(line["ms"], int)
    assert len(dispatcher.logged("attempt.ended")) == 2


def test_attempts_that_fail(stack):
    sink = stack.downstream()
    sink.on(lambda request: request.path.startswith("/hook"), Answer(503))
    receiver, dispatcher = both(stack, sink)
    accepted(receiver.post("/in/in", {"id": "a"}), "a")
    first = dispatcher.wait_log("attempt.ended", destination="out", attempt=1)
    assert (first["status"], first["error"], first["state"]) == (503, "http_503", "retry")
    assert re.fullmatch(TIME, first["next_attempt"]) and "trace_id" not in first
    assert first["next_attempt"] > first["ts"]
    last = dispatcher.wait_log("attempt.ended", destination="out", attempt=2)
    assert (last["status"], last["error"], last["state"]) == (503, "http_503", "dead")
    assert "next_attempt" not in last
    dispatcher.wait_log("delivery.dead")


@pytest.mark.parametrize("events", ["all", "failures", "none"])
def test_which_lines_are_wanted(stack, events):
    sink = stack.downstream()
    sink.on(lambda request: request.path.startswith("/hook"), Answer(500))
    receiver, dispatcher = both(stack, sink, log={"events": events})
    accepted(receiver.post("/in/in", {"id": "a"}), "a")
    refused(receiver.post("/in/in", b"{"), 400, "invalid_json")
    receiver.wait_log("event.refused")
    dispatcher.wait_log("delivery.dead")
    wait_for(lambda: not stack.keys.inflight() and not stack.keys.retry(), 10)
    wanted = {"all": ["dead", "done", "retry"], "failures": ["dead", "retry"], "none": []}[events]
    wait_for(lambda: sorted(line["state"] for line in dispatcher.logged("attempt.ended")) == wanted, 5, "the lines of all attempts")
    assert len(receiver.logged("event.accepted")) == (1 if events == "all" else 0)


def test_a_reload_changes_which_lines_are_wanted(stack):
    receiver = make(stack)
    accepted(receiver.post("/in/in", {"id": "a"}), "a")
    conf = receiver.config | {"log": {"events": "none"}}
    receiver.reload(conf)
    wait_for(lambda: receiver.post("/in/in", {"id": "b"}).status == 200, 5)
    accepted(receiver.post("/in/in", {"id": "c"}), "c")
    receiver.reload(conf | {"log": {"events": "all"}})
    accepted(receiver.post("/in/in", {"id": "d"}), "d")
    receiver.wait_log("event.accepted", id="d")
    assert "c" not in [line["id"] for line in receiver.logged("event.accepted")]


def test_what_is_refused(stack):
    receiver = make(stack, {"hub": scheme_source("github"), "stripe": scheme_source("stripe"), "token": scheme_source("token")})
    agent = {"User-Agent": "Mozilla\t\"x\" é" + "y" * 300}
    refused(receiver.post("/in/hub?token=very-secret", b"{}", agent), 401, "missing_signature")
    line = receiver.wait_log("event.refused", source="hub")
    assert (line["code"], line["peer"], line["header"], line["path"]) == (
        "missing_signature", "127.0.0.1", "X-Hub-Signature-256", "/in/hub")
    assert line["user_agent"].startswith("Mozilla\t\"x\"") and len(line["user_agent"]) <= 128
    refused(receiver.post("/in/stripe", b"{}", sign.headers("stripe", SECRET, b"{}", at=1)), 401, "stale_timestamp")
    assert receiver.wait_log("event.refused", source="stripe")["header"] == "Stripe-Signature"
    refused(receiver.post("/in/token", b"{}"), 401, "missing_signature")
    assert receiver.wait_log("event.refused", source="token")["header"] == "Authorization"
    refused(receiver.post("/in/nobody", b"{}"), 404, "unknown_source")
    line = receiver.wait_log("event.refused", source="unknown")
    assert (line["code"], line["path"]) == ("unknown_source", "/in/nobody") and "header" not in line
    assert "very-secret" not in receiver.log()


def test_how_many_lines_were_left_out(stack):
    """Also if nothing else of the kind happens afterwards."""
    receiver = make(stack)
    with http.Client(receiver.ingest) as client:
        for _ in range(50):
            client.request("POST", "/in/in", {}, b"{")
    line = receiver.wait_log("log.left_out", of="event.refused")
    told = len(receiver.logged("event.refused")) + sum(
        entry.get("dropped", 0) for entry in receiver.logged("event.refused") + receiver.logged("log.left_out"))
    assert told == 50 and line["level"] == "info"


def test_lines_of_many_threads_are_whole_and_none_is_missing(stack):
    """Twelve senders, three threads: a line for each event, none torn, and the last ones before a stop too."""
    receiver = make(stack, receiver={"threads": 3})
    each, failed = 200, []

    def send(number):
        with http.Client(receiver.ingest) as client:
            for i in range(each):
                if client.request("POST", "/in/in", {}, b'{"id":"%d-%d"}' % (number, i)).status != 200:
                    failed.append((number, i))

    senders = [threading.Thread(target=send, args=(n,)) for n in range(12)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert not failed
    assert receiver.term().wait() == 0
    ids = [line["id"] for line in receiver.logged("event.accepted")]
    assert sorted(ids) == sorted(f"{n}-{i}" for n in range(12) for i in range(each))
    for n in range(12):
        assert [i for i in ids if i.startswith(f"{n}-")] == [f"{n}-{i}" for i in range(each)]
    assert receiver.logged("stopped") and not receiver.logged("log.lost")


def test_debug_says_more(stack):
    sink = stack.downstream()
    conf = config.simple(stack.redis.url, sink.url())
    receiver = stack.receiver(conf, env={"HOOKPACE_LOG": "debug"})
    dispatcher = stack.dispatcher(conf, env={"HOOKPACE_LOG": "debug"})
    for ident in ("a", "b"):
        accepted(receiver.post("/in/in", {"id": ident}), ident)
        sink.wait_events([ident])
    receiver.wait_log("put.done")
    receiver.wait_log("connection.opened")
    for msg in ("redis.call", "claim.done", "settle.done", "attempt.connection", "request.left"):
        assert dispatcher.wait_log(msg)["level"] == "debug"
    dispatcher.wait_log("attempt.connection", reused=True)


@pytest.mark.parametrize("level", ["warn", "error"])
def test_a_higher_level_has_no_lines_of_events(stack, level):
    receiver = make(stack, start=False)
    receiver = stack.receiver(receiver, env={"HOOKPACE_LOG": level}, start=False)
    receiver.start(wait=False)
    wait_for(lambda: receiver.running, 5)
    receiver.term()
    assert not receiver.logged("event.accepted") and not receiver.logged("ready")


@pytest.mark.parametrize("part", ["receiver", "dispatcher"])
def test_the_checker_refuses_a_wrong_level(tmp_path, part):
    path = tmp_path / "hookpace.json"
    path.write_text(json.dumps({"sources": {}, "destinations": {}}))
    for name, value in (("HOOKPACE_LOG", "verbose"), ("HOOKPACE_LOG_FORMAT", "xml")):
        env = {k: v for k, v in os.environ.items() if not k.startswith("HOOKPACE_")} | {name: value}
        done = subprocess.run([paths.program(part), "--config", path, "--check-config"], env=env, capture_output=True, text=True,
                              timeout=10, check=False)
        assert done.returncode == 2 and "HOOKPACE_LOG" in done.stderr and not done.stdout, done
