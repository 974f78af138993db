"""Life and death: Redis and the programs are killed, stopped, flushed and restarted; nothing acknowledged is lost."""

import json
import socket
import threading
import time

import pytest

from harness import config, http, oracle
from harness.downstream import Answer
from harness.wait import stays, wait_for

TIMEOUT_S = 1.0  # redis.timeout_ms of harness.config


def both(stack, sink, dispatchers=1, **dest):
    """A running receiver and dispatchers for the simple configuration."""
    conf = config.simple(stack.redis.url, sink.url(), **dest)
    return conf, stack.receiver(conf), [stack.dispatcher(conf) for _ in range(dispatchers)]


def settle(stack, sink, acknowledged, timeout=30):
    """Waits until every acknowledged event has arrived and nothing is in flight, then applies the oracle."""
    sink.wait_events(acknowledged, timeout)
    wait_for(lambda: not stack.keys.inflight() and not stack.keys.retry() and not stack.keys.queue_length("out"), 20,
             lambda: f"the queue to drain: {oracle.places(stack.keys)}")
    oracle.assert_none_lost(acknowledged, sink.events())
    oracle.assert_each_in_one_place(stack.keys, [f"{i}:out" for i in acknowledged])


def every(seconds, action):
    """Calls ACTION every SECONDS in a thread until the returned function is called."""
    stop = threading.Event()

    def run():
        while not stop.wait(seconds):
            action()
    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def end():
        stop.set()
        thread.join(5)
    return end


# -- Redis ---------------------------------------------------------------------------------------------------

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
        assert len(program.lines) < 150, f"{program.name} wrote {len(program.lines)} lines about three short outages"


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
    # what was answered 503 may have reached Redis: a repeat completes it and nothing is sent twice
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
        assert any(line.get("level") in ("warn", "error") and (setting in json.dumps(line) or value in json.dumps(line))
                   for line in program.lines), f"{program.name} does not warn of {setting} {value}"


# -- the dispatcher -------------------------------------------------------------------------------------------

def test_leases_of_a_killed_dispatcher_are_recovered(stack):
    sink = stack.downstream()
    sink.on(None, Answer(action="hang"))
    conf, receiver, (first,) = both(stack, sink, timeout_ms=1000, connect_timeout_ms=500)
    ids = {f"e{n}" for n in range(10)}
    for ident in ids:
        receiver.send(ident)
    sink.wait_events(ids)
    second = stack.dispatcher(conf)
    first.kill9()
    killed = time.monotonic()
    assert set(stack.keys.inflight()) == {f"{i}:out" for i in ids}
    oracle.assert_each_in_one_place(stack.keys, [f"{i}:out" for i in ids])
    sink.clear_rules()
    wait_for(lambda: all(len(sink.of(i)) >= 2 for i in ids), 15, "the others to be delivered")
    assert time.monotonic() - killed < config.lease_s(conf["destinations"]["out"]) + 3
    assert all(len(sink.of(i)) == 2 for i in ids)
    settle(stack, sink, ids)
    assert second.running


@pytest.mark.redis(fsync="always")
def test_dispatchers_killed_under_load(stack):
    sink = stack.downstream()
    conf = config.simple(stack.redis.url, sink.url(), timeout_ms=800, connect_timeout_ms=200)
    receiver = stack.receiver(conf)
    running = [stack.dispatcher(conf) for _ in range(2)]
    sender = http.Sender(receiver.ingest, http.numbered(), threads=4, retry=True, pause=0.003).start()
    for n in range(4):
        arrived = len(sink.all())
        wait_for(lambda: len(sink.all()) > arrived + 150, 15, "load")
        running.pop(0).kill9()
        running.append(stack.dispatcher(conf))
    sender.stop()
    settle(stack, sink, sender.ids())
    extra = len(sink.all()) - len(sink.events())
    assert extra <= 4 * 16, f"{extra} repeats: more than were in flight on the killed ones"


def test_paused_dispatcher_is_fenced(stack):
    """Stopped past its lease, it reports a failure while another has the delivery in flight: that changes nothing."""
    sink = stack.downstream()
    sink.on(lambda r: r.attempt == 1, Answer(status=500, delay=0.2))
    sink.on(lambda r: r.attempt == 2, Answer(delay=0.8))
    conf, receiver, (first,) = both(stack, sink, timeout_ms=1000, connect_timeout_ms=500)
    receiver.send("a")
    sink.wait_count(1)
    first.pause()
    stack.dispatcher(conf)
    sink.wait_count(2, 12)
    first.resume()
    seen = []

    def done():
        seen.append(stack.keys.delivery("a:out")["state"])
        return seen[-1] == "done"
    wait_for(done, 5, "the other to deliver it")
    assert set(seen) == {"inflight", "done"}, "the late report was not fenced"
    stays(lambda: stack.keys.delivery("a:out").get("state") == "done", 1.5, "the result")
    assert stack.keys.delivery("a:out")["attempts"] == "2"
    assert len(sink.all()) == 2
    oracle.assert_each_in_one_place(stack.keys, ["a:out"])


def test_sigterm_finishes_what_is_in_flight(stack):
    sink = stack.downstream()
    sink.on(None, Answer(delay=0.7))
    conf, receiver, (dispatcher,) = both(stack, sink, concurrency=4)
    for n in range(12):
        receiver.send(f"e{n}")
    sink.wait_count(4)
    assert dispatcher.term().wait(10) == 0
    assert not stack.keys.inflight()
    sent = sink.events()
    assert all(stack.keys.delivery(f"{i}:out")["state"] == "done" for i in sent)
    oracle.assert_each_in_one_place(stack.keys, [f"e{n}:out" for n in range(12)])
    sink.clear_rules()
    stack.dispatcher(conf)
    settle(stack, sink, {f"e{n}" for n in range(12)})
    assert len(sink.all()) == 12, "nothing was sent twice"


def test_sigterm_hands_the_rest_back_to_the_head(stack):
    sink = stack.downstream()
    sink.on(None, Answer(action="hang"))
    conf = config.simple(stack.redis.url, sink.url(), concurrency=3, timeout_ms=20000)
    conf["dispatcher"]["drain_ms"] = 500
    receiver = stack.receiver(conf)
    for n in range(8):
        receiver.send(f"e{n}")
    dispatcher = stack.dispatcher(conf)
    sink.wait_count(3)
    began = time.monotonic()
    assert dispatcher.term().wait(10) == 0
    assert 0.4 < time.monotonic() - began < 3
    assert not stack.keys.inflight()
    queue = stack.keys.queue("out")
    assert sorted(queue[:3]) == ["e0:out", "e1:out", "e2:out"]
    assert queue[3:] == [f"e{n}:out" for n in range(3, 8)]
    sink.clear_rules()
    stack.dispatcher(conf)
    settle(stack, sink, {f"e{n}" for n in range(8)})


def test_second_sigterm_ends_at_once(stack):
    sink = stack.downstream()
    sink.on(None, Answer(action="hang"))
    _, receiver, (dispatcher,) = both(stack, sink, timeout_ms=20000)
    receiver.send("a")
    sink.wait_count(1)
    dispatcher.term()
    stays(lambda: dispatcher.running, 0.5, "the drain")
    began = time.monotonic()
    dispatcher.term().wait(5)
    assert time.monotonic() - began < 1
    oracle.assert_each_in_one_place(stack.keys, ["a:out"])


@pytest.mark.parametrize("redis_is", ["up", "gone"])
def test_idle_programs_stop_at_once(stack, redis_is):
    sink = stack.downstream()
    _, receiver, (dispatcher,) = both(stack, sink)
    if redis_is == "gone":
        stack.redis.kill9()
    for program in (receiver, dispatcher):
        began = time.monotonic()
        assert program.term().wait(5) == 0
        assert time.monotonic() - began < 2


# -- the receiver ---------------------------------------------------------------------------------------------

@pytest.mark.redis(fsync="always")
def test_receiver_killed_under_load(stack):
    sink = stack.downstream()
    conf, receiver, _ = both(stack, sink)
    acknowledged = set()
    for n in range(3):
        sender = http.Sender(receiver.ingest, http.numbered(prefix=f"r{n}-"), threads=4).start()
        wait_for(lambda: len(sender.ids()) > 150, 10, "load")
        receiver.kill9()
        sender.stop()
        acknowledged |= sender.ids()
        receiver.start()
    settle(stack, sink, acknowledged)
    assert not oracle.repeats(sink.all())


def test_sigterm_of_the_receiver_under_load(stack):
    """Every request that got in is answered, no connection is reset in the middle, the exit is clean."""
    sink = stack.downstream()
    _, receiver, _ = both(stack, sink)
    sender = http.Sender(receiver.ingest, http.numbered(), threads=6, timeout=5).start()
    wait_for(lambda: len(sender.ids()) > 200, 10, "load")
    assert receiver.term().wait(10) == 0
    sender.stop()
    settle(stack, sink, sender.ids())


@pytest.mark.redis(fsync="always")
def test_sigterm_answers_what_waits_for_redis(stack):
    sink = stack.downstream()
    conf = config.simple(stack.redis.url, sink.url())
    conf["redis"]["timeout_ms"] = 5000
    receiver = stack.receiver(conf)
    with http.Client(receiver.ingest) as c:
        c.connect()
        stack.redis.pause()
        c.send(http.render("POST", "/in/in", {}, b'{"id":"waiting"}'))
        # the request must be in before the signal: the connection's bytes are read by the program
        wait_for(lambda: _unread(receiver.ingest, c.sock) == 0, 3, "the request to be read")
        receiver.term()
        wait_for(lambda: _refused(receiver.ingest), 3, "the listener to be closed")
        assert receiver.running
        stack.redis.resume()
        answer = c.read()
    assert answer.status == 200
    assert (answer.header("Connection") or "").lower() == "close"
    assert receiver.wait(5) == 0
    assert stack.keys.queue("out") == ["waiting:out"]


def _refused(address):
    try:
        http.Client(address, timeout=1).connect()
        return False
    except OSError:
        return True


def _unread(address, sock):
    """Bytes that the peer of SOCK has not read yet, from /proc/net/tcp."""
    local, remote = sock.getsockname()[1], int(address.rsplit(":", 1)[1])
    for line in open("/proc/net/tcp", encoding="ascii").readlines()[1:]:
        fields = line.split()
        if int(fields[1].split(":")[1], 16) == remote and int(fields[2].split(":")[1], 16) == local:
            return int(fields[4].split(":")[1], 16)
    raise AssertionError("no such connection")


def test_idle_keep_alive_does_not_hold_up_the_stop(stack):
    sink = stack.downstream()
    _, receiver, _ = both(stack, sink)
    with http.Client(receiver.ingest) as c:
        assert c.post("/in/in", b'{"id":"a"}').status == 200
        assert receiver.term().wait(5) == 0
        with pytest.raises((ConnectionError, socket.timeout)):
            c.read()


# -- configuration ----------------------------------------------------------------------------------------

def test_sighup_adds_and_removes(stack):
    sink, other = stack.downstream(), stack.downstream()
    conf, receiver, (dispatcher,) = both(stack, sink)
    assert receiver.post("/in/new", b'{"id":"x"}').status == 404
    conf["sources"]["new"] = config.source("second")
    conf["destinations"]["second"] = config.destination(other.url())
    receiver.reload(conf)
    dispatcher.reload(conf)
    receiver.send("x", "/in/new")
    other.wait_events({"x"})
    del conf["sources"]["in"]
    receiver.reload(conf)
    assert receiver.post("/in/in", b'{"id":"y"}').status == 404
    conf["destinations"]["second"]["postback_url"] = sink.url()
    dispatcher.reload(conf)
    receiver.send("z", "/in/new")
    sink.wait_events({"z"})


@pytest.mark.parametrize("broken", ["not json", "unknown key", "bad delay", "file gone"])
def test_sighup_with_a_bad_file_changes_nothing(stack, broken):
    sink = stack.downstream()
    conf, receiver, (dispatcher,) = both(stack, sink)
    for program in (receiver, dispatcher):
        if broken == "not json":
            program.config_path.write_text("{")
        elif broken == "unknown key":
            program.write_config({**conf, "sauces": {}})
        elif broken == "bad delay":
            program.write_config({**conf, "delay_ms": 75})
        else:
            program.config_path.unlink()
        program.reload(None, accepted=False)
        assert any(line.get("level") == "error" for line in program.lines)
        assert program.running
    receiver.send("still")
    sink.wait_events({"still"})


@pytest.mark.slow
def test_many_reloads_under_load(stack):
    sink = stack.downstream()
    conf, receiver, (dispatcher,) = both(stack, sink)
    sender = http.Sender(receiver.ingest, http.numbered(), threads=3, pause=0.005).start()
    wait_for(lambda: len(sender.ids()) > 50, 10, "load")
    for program in (receiver, dispatcher):
        program.reload(conf)
    rss = [receiver.rss_kb(), dispatcher.rss_kb()]
    for n in range(200):
        for program in (receiver, dispatcher):
            program.hup({"conf": n} if n % 5 == 4 else conf)
        time.sleep(0.01)  # signals of one kind that pend together are one
    for program in (receiver, dispatcher):
        program.reload(conf)
    sender.stop()
    assert set(sender.statuses) == {200}, sender.statuses
    settle(stack, sink, sender.ids())
    grown = [receiver.rss_kb() - rss[0], dispatcher.rss_kb() - rss[1]]
    assert max(grown) < 8000, f"KiB grown in 200 reloads: {grown}"


def test_health(stack):
    sink = stack.downstream()
    _, receiver, (dispatcher,) = both(stack, sink)
    for program in (receiver, dispatcher):
        assert program.get("/healthz").status == 200
        assert program.get("/readyz").status == 200
        assert program.get("/nothing-here").status == 404



@pytest.mark.parametrize("change", [{"partitions": 8}, {"prefix": "other"}])
def test_a_reload_cannot_change_the_keys_of_the_queue(stack, change):
    """Other keys at run time would be keys that nothing claims from: refused, and all goes on as it was."""
    sink = stack.downstream()
    conf, receiver, (dispatcher,) = both(stack, sink)
    other = {**conf, "redis": {**conf["redis"], **change}}
    for program in (receiver, dispatcher):
        program.hup(other)
        program.wait_log("config.rejected")
    http.Sender(receiver.ingest, http.numbered(), threads=1, count=20).start().join()
    sink.wait_count(20)
