"""Receivers and dispatchers are killed, paused and ended; nothing acknowledged is lost."""

import socket
import time

import pytest

from harness import config, http, oracle
from harness.downstream import Answer
from harness.pair import both, settle
from harness.wait import stays, wait_for


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


def test_health(stack):
    sink = stack.downstream()
    _, receiver, (dispatcher,) = both(stack, sink)
    for program in (receiver, dispatcher):
        assert program.get("/healthz").status == 200
        assert program.get("/readyz").status == 200
        assert program.get("/nothing-here").status == 404
