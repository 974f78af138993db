"""Redis is killed, stopped, flushed, full, or away at the start; nothing acknowledged is lost."""

import json
import threading
import time

import pytest

from harness import config, http, oracle
from harness.downstream import Answer
from harness.pair import both, settle
from harness.wait import every, stays, wait_for

TIMEOUT_S = 1.0  # redis.timeout_ms of harness.config


@pytest.mark.redis(fsync="always")
def test_redis_killed_under_load(stack):
    sink = stack.downstream()
    _, receiver, (dispatcher,) = both(stack, sink)
    sender = http.Sender(receiver.ingest, http.numbered(), threads=6, retry=True, pause=0.002).start()
    for round_ in range(3):
        before = len(sender.ids())
        wait_for(lambda: len(sender.ids()) > before + 150, 15, "load")
        stack.redis.kill9()
        wait_for(lambda: sender.statuses.get(503, 0) > 10 * (round_ + 1), 5, "503s")
        stack.redis.start()
    before = len(sender.ids())
    wait_for(lambda: len(sender.ids()) > before + 100, 10, "to recover without a restart")
    sender.stop()
    assert set(sender.statuses) <= {200, 503}, sender.statuses
    assert sender.slowest < TIMEOUT_S + 2
    settle(stack, sink, sender.ids())
    assert receiver.running and dispatcher.running
    for program in (receiver, dispatcher):
        lines = [line for line in program.lines if line.get("msg") not in ("event.accepted", "attempt.ended")]
        assert len(lines) < 150, f"{program.name} wrote {len(lines)} lines about three short outages"


def test_redis_gone_is_answered_503_in_time(stack):
    sink = stack.downstream()
    _, receiver, _ = both(stack, sink)
    receiver.send("before")
    stack.redis.kill9()
    began = time.monotonic()
    answer = receiver.post("/in/in", b'{"id":"during"}')
    assert (answer.status, answer.code) == (503, "queue_unavailable")
    assert int(answer.header("Retry-After")) >= 1
    assert time.monotonic() - began < TIMEOUT_S + 0.5
    receiver.wait_http("/readyz", 503, 5)
    assert receiver.get("/healthz").status == 200
    stack.redis.start()
    receiver.wait_http("/readyz", 200, 5)
    receiver.send("after")
    sink.wait_events({"before", "after"})
    assert "during" not in sink.events()


def test_redis_that_hangs_is_answered_503_in_time(stack):
    sink = stack.downstream()
    _, receiver, (dispatcher,) = both(stack, sink)
    receiver.send("before")
    sink.wait_count(1)
    stack.redis.pause()
    sender = http.Sender(receiver.ingest, http.numbered(prefix="h"), threads=8, pause=0.01).start()
    wait_for(lambda: sender.statuses.get(503, 0) >= 30, 15, "503s")
    receiver.wait_http("/readyz", 503, 5)
    dispatcher.wait_http("/readyz", 503, 5)
    sender.stop()
    assert set(sender.statuses) == {503}, sender.statuses
    assert sender.slowest < TIMEOUT_S + 1, f"{sender.slowest:.2f} s"
    stack.redis.resume()
    receiver.wait_http("/readyz", 200, 5)
    dispatcher.wait_http("/readyz", 200, 5)
    receiver.send("after")
    # a webhook answered 503 may have reached Redis: a repeat completes it and nothing is sent twice
    for n in range(10):
        assert receiver.post("/in/in", http.numbered(prefix="h")(n)[3]).status == 200
    sink.wait_events({"before", "after", *(f"h{n}" for n in range(10))})
    settle(stack, sink, {"before", "after", *(f"h{n}" for n in range(10))})
    assert not oracle.repeats(sink.all())


@pytest.mark.parametrize("fault", ["SCRIPT FLUSH", "CLIENT KILL TYPE normal"])
def test_redis_is_disturbed_all_the_time(stack, fault):
    sink = stack.downstream()
    _, receiver, _ = both(stack, sink, dispatchers=2)
    client = stack.redis.client()
    kill = fault.startswith("CLIENT")
    count = 250 if kill else 600
    end = every(0.2 if kill else 0.05, lambda: client.execute_command(*fault.split()))
    sender = http.Sender(receiver.ingest, http.numbered(), threads=4, count=count, retry=True, pause=0.01).start()
    sender.join(60)
    end()
    assert len(sender.ids()) == count
    if not kill:
        assert set(sender.statuses) == {200}, sender.statuses
    settle(stack, sink, sender.ids())
    if not kill:
        assert not oracle.repeats(sink.all()), "a flushed script costs a round trip and no repeat"


def test_full_redis_refuses_but_drains(stack):
    """maxmemory is reached: new events get 503, and what is queued still goes out."""
    sink = stack.downstream()
    conf = config.simple(stack.redis.url, sink.url(), delay_ms=50)
    receiver = stack.receiver(conf)
    ids = {f"e{n}" for n in range(30)}
    for ident in ids:
        receiver.send(ident, pad="x" * 5000)
    client = stack.redis.client()
    client.config_set("maxmemory", client.info("memory")["used_memory"] - 100_000)
    answer = receiver.post("/in/in", b'{"id":"refused"}')
    assert (answer.status, answer.code) == (503, "queue_unavailable")
    stack.dispatcher(conf)
    sink.wait_events(ids, 15)
    wait_for(lambda: not stack.keys.inflight(), 5, "the results, although Redis is full")
    assert stack.keys.queue_length("out") == 0
    assert receiver.post("/in/in", b'{"id":"refused"}').status == 503
    client.config_set("maxmemory", 0)
    receiver.send("refused")
    sink.wait_events({"refused"})
    settle(stack, sink, ids | {"refused"})


def test_redis_that_became_a_replica(stack):
    sink = stack.downstream()
    _, receiver, _ = both(stack, sink)
    receiver.send("before")
    sink.wait_count(1)
    client = stack.redis.client()
    client.execute_command("REPLICAOF", "127.0.0.1", "1")
    answer = receiver.post("/in/in", b'{"id":"readonly"}')
    assert (answer.status, answer.code) == (503, "queue_unavailable")
    receiver.wait_http("/readyz", 503, 5)
    client.execute_command("REPLICAOF", "NO", "ONE")
    receiver.wait_http("/readyz", 200, 5)
    wait_for(lambda: receiver.post("/in/in", b'{"id":"after"}').status == 200, 5, "to accept again")
    sink.wait_events({"before", "after"})


def test_redis_busy_with_a_script(stack):
    sink = stack.downstream()
    _, receiver, _ = both(stack, sink)
    client = stack.redis.client(socket_timeout=10)
    client.config_set("busy-reply-threshold", 200)

    def spin():
        try:
            stack.redis.client(socket_timeout=20).execute_command("EVAL", "while true do end", 0)
        except Exception:  # it is killed
            pass
    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    wait_for(lambda: receiver.post("/in/in", b'{"id":"busy"}').status == 503, 5, "503")
    time.sleep(0.3)  # past busy-reply-threshold, or there is nothing to kill
    client.execute_command("SCRIPT", "KILL")
    thread.join(5)
    wait_for(lambda: receiver.post("/in/in", b'{"id":"after"}').status == 200, 5, "to accept again")
    sink.wait_events({"after"})


@pytest.mark.redis(fsync="always")
def test_a_result_is_recorded_after_redis_came_back(stack):
    """Redis dies while a send is in flight: the send finishes, and its result is recorded once."""
    sink = stack.downstream()
    sink.on(None, Answer(delay=1.0))
    _, receiver, _ = both(stack, sink)
    receiver.send("mid-flight")
    sink.wait_count(1)
    stack.redis.kill9()
    time.sleep(1.5)  # the answer comes while Redis is gone
    stack.redis.start()
    wait_for(lambda: stack.keys.delivery("mid-flight:out").get("state") == "done", 8, "the result")
    assert len(sink.all()) == 1


@pytest.mark.parametrize("part", ["receiver", "dispatcher"])
def test_started_before_redis(stack, part):
    sink = stack.downstream()
    conf = config.simple(stack.redis.url, sink.url())
    stack.redis.stop()
    make = stack.receiver if part == "receiver" else stack.dispatcher
    program = make(conf, start=False).start(ready=False)
    assert program.get("/healthz").status == 200
    assert program.get("/readyz").status == 503
    if part == "receiver":
        assert program.post("/in/in", b'{"id":"early"}').status == 503
    stays(lambda: program.running, 1.0, "the program")
    assert not program.logged("ready")
    stack.redis.start()
    program.wait_ready(5)
    assert program.get("/readyz").status == 200
    receiver = program if part == "receiver" else stack.receiver(conf)
    receiver.send("a")
    if part == "receiver":
        stack.dispatcher(conf)
    sink.wait_events({"a"})


@pytest.mark.parametrize("setting,value", [("appendonly", "no"), ("maxmemory-policy", "allkeys-lru")])
def test_warns_of_a_redis_that_may_lose_events(stack, setting, value):
    stack.redis.client().config_set(setting, value)
    sink = stack.downstream()
    _, receiver, (dispatcher,) = both(stack, sink)
    for program in (receiver, dispatcher):
        program.wait_line(lambda line: line.get("level") in ("warn", "error") and (setting in json.dumps(line) or value in json.dumps(line)),
                          what=f"a warning of {setting} {value}")
