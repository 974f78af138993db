"""Two consecutive sends on a lane are at least the later one's delay apart, over any number of dispatchers.

Gaps are judged at the sink by the kernel's arrival time of each request. The promise is measured where the request
leaves, so two milliseconds of arrival jitter are allowed (harness.oracle.ARRIVAL_JITTER_MS); the margin is for a
process that is put aside between its last check and write(2), not for the algorithm.
"""

import time

import pytest

from harness import config, oracle
from harness.downstream import Answer
from harness.proxy import Proxy
from harness.wait import stays, wait_for


def accept(receiver, ids, path="/in/in"):
    from harness import http
    import json
    with http.Client(receiver.ingest) as c:
        for ident in ids:
            assert c.post(path, json.dumps({"id": ident, "tag": "t"})).status == 200


def rate_of(requests):
    """Sends a second from the first to the last arrival."""
    times = sorted(r.at_ns for r in requests)
    return (len(times) - 1) / ((times[-1] - times[0]) / 1e9)


def shared_lane(redis_url, url, delays, **more):
    """A source and a destination for each NAME: DELAY of DELAYS, all on the lane `shared`."""
    conf = config.base(redis_url, delay_step_ms=1)
    for name, delay in delays.items():
        conf["sources"][name] = config.source(name)
        conf["destinations"][name] = config.destination(url, delay_ms=delay, lane="shared", **more)
    return conf


@pytest.mark.slow
@pytest.mark.parametrize("delay,count", [(50, 100), (100, 60)])
@pytest.mark.parametrize("dispatchers", [1, 2, 3, 4])
def test_no_gap_is_too_short(stack, dispatchers, delay, count):
    sink = stack.downstream()
    conf = config.simple(stack.redis.url, sink.url(), delay_ms=delay)
    receiver = stack.receiver(conf)
    ids = [f"e{n}" for n in range(count)]
    accept(receiver, ids)
    for _ in range(dispatchers):
        stack.dispatcher(conf)
    requests = sink.wait_events(ids, count * delay / 1000 * 2 + 10)
    assert len(requests) == count
    oracle.assert_paced(requests, delay)
    assert rate_of(requests) >= 0.95 * 1000 / delay, f"{rate_of(requests):.2f} sends/s"


@pytest.mark.parametrize("dispatchers", [1, 3])
def test_a_slow_answer_does_not_stretch_the_gap(stack, dispatchers):
    """The gap counts from send to send: answers may overlap."""
    sink = stack.downstream()
    sink.on(None, Answer(delay=0.4))
    conf = config.simple(stack.redis.url, sink.url(), delay_ms=50)
    receiver = stack.receiver(conf)
    accept(receiver, [f"e{n}" for n in range(40)])
    for _ in range(dispatchers):
        stack.dispatcher(conf)
    requests = sink.wait_count(40, 15)
    oracle.assert_paced(requests, 50)
    assert rate_of(requests) >= 18


@pytest.mark.parametrize("dispatchers", [1, 2])
def test_mixed_delays_on_a_shared_lane(stack, dispatchers):
    """Each gap is at least the delay of the later one; what has none waits for nobody."""
    sink = stack.downstream()
    delays = {"slow": 150, "quick": 50, "free": 0}
    conf = shared_lane(stack.redis.url, sink.url("/$source?id=$id"), delays)
    receiver = stack.receiver(conf)
    for n in range(12):
        for name in delays:
            accept(receiver, [f"{name}{n}"], f"/in/{name}")
    for _ in range(dispatchers):
        stack.dispatcher(conf)
    requests = sink.wait_count(36, 20)
    assert len({r.delivery for r in requests}) == 36
    oracle.assert_paced(requests, lambda r: delays[r.path[1:]])


def test_lanes_do_not_wait_for_each_other(stack):
    sink = stack.downstream()
    conf = config.base(stack.redis.url)
    lanes = [f"lane{n}" for n in range(40)]
    conf["sources"]["in"] = config.source(lanes)
    for name in lanes:
        conf["destinations"][name] = config.destination(sink.url(), delay_ms=100)
    receiver = stack.receiver(conf)
    accept(receiver, [f"e{n}" for n in range(15)])
    stack.dispatcher(conf)
    requests = sink.wait_count(15 * 40, 15)
    for name, of_lane in oracle.by_lane(requests).items():
        assert len(of_lane) == 15, name
        oracle.assert_paced(of_lane, 100)
        assert rate_of(of_lane) >= 9, f"{name}: {rate_of(of_lane):.2f} sends/s"


def test_what_must_wait_goes_to_the_tail(stack):
    """Once per send the one that comes up next is looked at and transferred to the end of its list."""
    sink = stack.downstream()
    conf = config.simple(stack.redis.url, sink.url(), delay_ms=1000)
    receiver = stack.receiver(conf)
    accept(receiver, "abcd")
    assert stack.keys.queue("out") == ["a:out", "b:out", "c:out", "d:out"]
    stack.dispatcher(conf)
    stack.dispatcher(conf)
    sink.wait_count(1)
    wait_for(lambda: stack.keys.queue("out") == ["c:out", "d:out", "b:out"], 0.8, "b to be at the tail")
    assert stack.keys.delivery("b:out")["requeues"] == "1"
    assert [stack.keys.delivery(f"{i}:out")["requeues"] for i in "acd"] == ["0", "0", "0"]
    # the lane sleeps: nothing else moves until the next send
    stays(lambda: len(sink.all()) > 1 or stack.keys.queue("out") == ["c:out", "d:out", "b:out"], 0.5, "the order")
    assert [r.event for r in sink.wait_count(4, 6)] == ["a", "c", "b", "d"]


@pytest.mark.parametrize("dispatchers", [1, 4])
def test_at_most_one_requeue_a_send(stack, dispatchers):
    sink = stack.downstream()
    conf = config.simple(stack.redis.url, sink.url(), delay_ms=50)
    receiver = stack.receiver(conf)
    ids = [f"e{n}" for n in range(60)]
    accept(receiver, ids)
    for _ in range(dispatchers):
        stack.dispatcher(conf)
    sink.wait_events(ids, 15)
    wait_for(lambda: not stack.keys.inflight(), 5, "the last result")
    requeues = [int(stack.keys.delivery(f"{i}:out")["requeues"]) for i in ids]
    assert 0 < sum(requeues) <= len(ids), sum(requeues)


@pytest.mark.alone
def test_nothing_spins_while_a_lane_waits(stack):
    """A lane whose delay is a second costs next to no commands and no processor time."""
    sink = stack.downstream()
    conf = config.simple(stack.redis.url, sink.url(), delay_ms=1000)
    receiver = stack.receiver(conf)
    accept(receiver, [f"e{n}" for n in range(20)])
    dispatchers = [stack.dispatcher(conf) for _ in range(2)]
    sink.wait_count(2)
    client = stack.redis.client()
    commands, cpu = client.info("stats")["total_commands_processed"], [d.cpu_s() for d in dispatchers]
    began = time.monotonic()
    sink.wait_count(5, 6)
    elapsed = time.monotonic() - began
    commands = client.info("stats")["total_commands_processed"] - commands
    used = sum(d.cpu_s() for d in dispatchers) - sum(cpu)
    assert commands / elapsed < 600, f"{commands} commands in {elapsed:.1f} s (script calls' inner ones count)"
    assert used / elapsed < 0.1, f"{used:.2f} s of processor in {elapsed:.1f} s"


@pytest.mark.parametrize("dispatchers", [1, 3])
def test_fifo_keeps_the_order(stack, dispatchers):
    sink = stack.downstream()
    conf = config.simple(stack.redis.url, sink.url(), delay_ms=50, order="fifo")
    receiver = stack.receiver(conf)
    ids = [f"e{n}" for n in range(30)]
    accept(receiver, ids)
    for _ in range(dispatchers):
        stack.dispatcher(conf)
    requests = sink.wait_count(30, 10)
    assert [r.event for r in requests] == ids
    oracle.assert_paced(requests, 50)
    assert all(stack.keys.delivery(f"{i}:out")["requeues"] == "0" for i in ids)


@pytest.mark.parametrize("delay", [0, 50])
def test_fifo_holds_its_lane_through_retries(stack, delay):
    sink = stack.downstream()
    sink.on(lambda r: r.event == "e2", 500, 503, 200)
    conf = config.simple(stack.redis.url, sink.url(), delay_ms=delay, order="fifo",
                         retry={"schedule_s": [1, 1, 1], "jitter": 0})
    receiver = stack.receiver(conf)
    accept(receiver, [f"e{n}" for n in range(6)])
    stack.dispatcher(conf)
    stack.dispatcher(conf)
    requests = sink.wait_count(8, 15)
    assert [(r.event, r.attempt) for r in requests] == \
        [("e0", 1), ("e1", 1), ("e2", 1), ("e2", 2), ("e2", 3), ("e3", 1), ("e4", 1), ("e5", 1)]


def test_fifo_dead_letter_frees_its_lane(stack):
    sink = stack.downstream()
    sink.on(lambda r: r.event == "e1", 410)
    conf = config.simple(stack.redis.url, sink.url(), order="fifo")
    receiver = stack.receiver(conf)
    accept(receiver, ["e0", "e1", "e2"])
    stack.dispatcher(conf)
    assert [r.event for r in sink.wait_count(3)] == ["e0", "e1", "e2"]
    wait_for(lambda: stack.keys.dead("out") == ["e1:out"], 5, "the dead letter")


def test_nobody_starves(stack):
    """Passed over 100 times, a delivery holds its lane until it may go, however many quick ones come."""
    sink = stack.downstream()
    conf = shared_lane(stack.redis.url, sink.url("/$source?id=$id"), {"slow": 1000, "quick": 10})
    receiver = stack.receiver(conf)
    accept(receiver, ["q0"], "/in/quick")
    accept(receiver, ["patient"], "/in/slow")
    accept(receiver, ["q1", "q2"], "/in/quick")
    stack.dispatcher(conf)
    sent, passes = 3, 0
    deadline = time.monotonic() + 30
    while "patient" not in sink.events():
        assert time.monotonic() < deadline, f"starved: {stack.keys.delivery('patient:slow')}"
        # always two quick ones in wait, so that there is always something that may go sooner
        if stack.keys.queue_length("shared") < 3:
            accept(receiver, [f"q{sent}"], "/in/quick")
            sent += 1
        passes = int(stack.keys.delivery("patient:slow").get("requeues", passes))
    requests = sink.all()
    at = next(n for n, r in enumerate(requests) if r.event == "patient")
    assert passes == 100
    assert at >= 90, "it was passed over by quick ones before"
    assert at <= 100 * 4, "and not for ever"
    gap = (requests[at].at_ns - requests[at - 1].at_ns) / 1e6
    assert 998 <= gap <= 1300, f"then the lane was its own for {gap:.0f} ms"


def test_delay_is_the_one_at_acceptance(stack):
    """Accepted under 300 ms, sent under 300 ms, although the file says 50 by then."""
    sink = stack.downstream()
    conf = config.simple(stack.redis.url, sink.url(), delay_ms=300)
    receiver = stack.receiver(conf)
    accept(receiver, [f"old{n}" for n in range(6)])
    conf["destinations"]["out"]["delay_ms"] = 50
    receiver.reload(conf)
    accept(receiver, [f"new{n}" for n in range(10)])
    assert stack.keys.delivery("old5:out")["delay_ms"] == "300"
    assert stack.keys.delivery("new0:out")["delay_ms"] == "50"
    stack.dispatcher(conf)
    requests = sink.wait_count(16, 15)
    oracle.assert_paced(requests, lambda r: 300 if r.event.startswith("old") else 50)
    ordered = sorted(requests, key=lambda r: r.at_ns)
    quick = [(b.at_ns - a.at_ns) / 1e6 for a, b in zip(ordered, ordered[1:]) if b.event.startswith("new")]
    assert min(quick) < 100, "the new ones are not held to the old delay"


def test_retry_keeps_its_delay(stack):
    """A delivery that failed once is paced on its second attempt by the delay that it was accepted with."""
    sink = stack.downstream()
    sink.on(lambda r: r.attempt == 1, 500)
    conf = config.simple(stack.redis.url, sink.url(), delay_ms=200, retry={"schedule_s": [1], "jitter": 0})
    receiver = stack.receiver(conf)
    accept(receiver, [f"e{n}" for n in range(5)])
    conf["destinations"]["out"]["delay_ms"] = 0
    stack.dispatcher(conf)
    requests = sink.wait_count(10, 15)
    assert sorted(r.attempt for r in requests) == [1] * 5 + [2] * 5
    oracle.assert_paced(requests, 200)


def test_a_shorter_delay_brings_the_wake_up_forward(stack):
    sink = stack.downstream()
    conf = shared_lane(stack.redis.url, sink.url("/$source?id=$id"), {"slow": 1000, "quick": 50})
    receiver = stack.receiver(conf)
    accept(receiver, ["s0", "s1"], "/in/slow")
    stack.dispatcher(conf)
    sink.wait_count(1)
    wait_for(lambda: not stack.keys.inflight(), 1, "the first to be done")
    accept(receiver, ["q0"], "/in/quick")
    first, second, third = sink.wait_count(3, 5)
    assert (first.event, second.event, third.event) == ("s0", "q0", "s1")
    assert (second.at_ns - first.at_ns) / 1e6 < 500, "it did not wait for the long one's moment"
    assert (third.at_ns - second.at_ns) / 1e6 >= 1000 - oracle.ARRIVAL_JITTER_MS


def test_an_arrival_on_an_idle_lane_goes_at_once(stack):
    sink = stack.downstream()
    conf = config.simple(stack.redis.url, sink.url(), delay_ms=100)
    receiver = stack.receiver(conf)
    stack.dispatcher(conf)
    receiver.send("warm")
    sink.wait_count(1)
    for n in range(5):
        time.sleep(0.15)  # longer than the delay: the lane has nothing to wait for
        sent = time.time_ns()
        receiver.send(f"e{n}")
        late = (sink.wait_count(n + 2)[-1].at_ns - sent) / 1e6
        assert late < 60, f"woken after {late:.1f} ms"


def test_pacing_survives_the_death_of_a_dispatcher(stack):
    """One of three is killed in the middle of a run: no short gap, and the others carry on."""
    sink = stack.downstream()
    conf = config.simple(stack.redis.url, sink.url(), delay_ms=50, timeout_ms=1000, connect_timeout_ms=300)
    receiver = stack.receiver(conf)
    ids = [f"e{n}" for n in range(120)]
    accept(receiver, ids)
    dispatchers = [stack.dispatcher(conf) for _ in range(3)]
    for n, victim in enumerate(dispatchers[:2]):
        sink.wait_count(30 * (n + 1), 20)
        victim.kill9()
    requests = sink.wait_events(ids, 30)
    oracle.assert_paced(requests, 50)
    assert len(requests) <= len(ids) + 2, "at most the one in flight of each is sent again"


def test_a_claim_whose_reply_comes_late_is_not_sent(stack):
    """When its send window is over another may send on the lane: it goes back, its attempt unspent."""
    sink = stack.downstream()
    conf = config.simple(stack.redis.url, sink.url(), delay_ms=50, connect_timeout_ms=100)
    receiver = stack.receiver(conf)
    proxy = Proxy(("127.0.0.1", stack.redis.port))
    try:
        conf["redis"] = {"url": f"redis://127.0.0.1:{proxy.port}/0", "timeout_ms": 20000}
        stack.dispatcher(conf)
        ident = hold_a_claim(stack, receiver, proxy, sink)
        fence = int(stack.keys.delivery(ident + ":out")["fence"])
        closes = int(stack.keys.lane("out")["until"])
        wait_for(lambda: redis_us(stack) > closes, 5, "its window to close")
        proxy.heal()
        sink.wait_events({ident})
        done = wait_for(lambda: (d := stack.keys.delivery(ident + ":out"))["state"] == "done" and d, 5, "the delivery")
    finally:
        proxy.close()
    assert [r.attempt for r in sink.all() if r.event == ident] == [1] and int(done["fence"]) > fence


def hold_a_claim(stack, receiver, proxy, sink) -> str:
    """The id of an event that was claimed, by a reply that PROXY holds."""
    for n in range(10):
        ident = f"e{n}"
        proxy.down.held = True
        receiver.send(ident)
        deadline = time.monotonic() + 2.5  # it looks once a second
        while time.monotonic() < deadline:
            if f"{ident}:out" in stack.keys.inflight():
                return ident
            time.sleep(0.01)
        proxy.heal()  # what was held was an earlier claim, of nothing: once more
        sink.wait_events({ident})
    raise AssertionError("it did not claim")


def redis_us(stack) -> int:
    """Redis' own clock."""
    seconds, us = stack.redis.client().time()
    return seconds * 1000000 + us
