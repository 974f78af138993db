"""claim.lua, sent.lua: pacing, requeueing, order, leases, limits."""

import json
import time

import pytest


def sends(queue, n, send_takes=0.0):
    """Claims, reports and settles N deliveries one after the other; returns (claims, send times)."""
    done, times = [], []
    while len(done) < n:
        for claim in queue.claim_until():
            if send_takes:
                time.sleep(send_takes)
            times.append(time.monotonic())
            queue.sent(claim)
            queue.settle(claim, "done")
            done.append(claim)
    return done, times


def test_without_delay_many_at_once_in_order(queue):
    queue.put_simple(*[f"e{i}" for i in range(50)])
    claims = queue.claim(want=30)
    assert [c.id for c in claims] == [f"e{i}:d" for i in range(30)]
    assert all(c.attempt == 1 and c.report == 0 and c.window_ms == 2000 for c in claims)
    assert len({c.fence for c in claims}) == 30
    assert queue.wait_us == 0, "there is more"
    assert claims[0].record.endswith("\n\ne0")
    queue.check()


def time_stands_still(client):
    """From Redis 7.2 on, TIME says the same all through a script."""
    return client.eval("local t = redis.call('TIME')[2] for _ = 1, 1000 do redis.call('TIME') end return redis.call('TIME')[2] == t", 0) == 1


def test_a_claim_that_comes_early_says_from_when_it_waits(queue):
    """Lanes of one claim may wait from its beginning; when the reply arrives that is a while ago."""
    queue.put_simple(*[f"e{n}" for n in range(50)], delay=50)
    claims = []
    while not any(c.wait_us for c in claims):   # it comes too late to be early if this machine is slow
        before = time.time_ns() // 1000
        claims = queue.claim_until()
        queue.sent(*claims)
    began, took = map(int, queue.times.split(" "))
    assert before <= began and began + took <= time.time_ns() // 1000
    assert took > 0 or time_stands_still(queue.r)


def test_a_claim_that_need_not_wait_says_no_times(queue):
    queue.put_simple("a", delay=50)
    queue.limits(e=(100, 10000, 2000, 8))
    queue.put_simple("b", destination="e", lane="e")
    assert len(queue.claim()) == 2 and queue.times == 0


def test_paced_lane_gives_one_and_waits_for_the_report(queue):
    queue.put_simple("a", "b", delay=100)
    (a,) = queue.claim()
    assert a.id == "a:d" and a.report == 1
    assert queue.claim() == [] and 1_000_000 < queue.wait_us <= 2_000_000, "until the window closes"
    queue.sent(a)
    assert 90_000 < queue.wait_us <= 100_000
    assert queue.claim() == []
    start = time.monotonic()
    (b,) = queue.claim_until()
    assert time.monotonic() - start > 0.08 and b.id == "b:d"
    queue.check()


@pytest.mark.parametrize("delay", [50, 100])
def test_gaps_between_sends(queue, delay):
    queue.put_simple(*[f"e{i}" for i in range(12)], delay=delay)
    _, times = sends(queue, 12)
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert min(gaps) >= delay / 1000, gaps


def test_the_later_ones_delay_counts(queue):
    queue.put(queue.event("a", ("d", "d", 100), body="a"))
    queue.put(queue.event("b", ("d", "d", 0), body="b"))
    queue.put(queue.event("c", ("d", "d", 50), body="c"))
    claims, times = sends(queue, 3)
    delays = [c.delay_ms for c in claims]
    for i in (1, 2):
        assert times[i] - times[i - 1] >= delays[i] / 1000


def test_a_paced_one_waits_for_unreported_sends_without_delay(queue):
    queue.put_simple("a", "b")
    a, b = queue.claim()
    queue.put_simple("c", delay=50)
    assert queue.claim() == [], "a and b may leave at any moment"
    queue.settle(a, "done")
    assert queue.claim() == []
    queue.settle(b, "done")
    at = time.monotonic()
    (c,) = queue.claim_until()
    assert c.id == "c:d" and time.monotonic() - at >= 0.045


def test_next_one_that_must_wait_goes_to_the_tail_once_per_send(queue):
    queue.put_simple("p", "a", "b", "c", delay=50)
    (p,) = queue.claim()
    assert p.id == "p:d"
    assert queue.queued() == ["b:d", "c:d", "a:d"]
    assert queue.requeued == ["d", 1]
    assert queue.delivery("a:d")["requeues"] == "1"
    for _ in range(20):
        assert queue.claim() == []
    assert queue.queued() == ["b:d", "c:d", "a:d"], "looking does not move anything"
    queue.sent(p)
    queue.settle(p, "done")
    claims, _ = sends(queue, 3)
    total = 1 + sum(c.requeues for c in claims) - claims[0].requeues
    assert sorted(c.id for c in claims) == ["a:d", "b:d", "c:d"]
    assert sum(int(queue.delivery(f"{x}:d")["requeues"]) for x in "pabc") <= 4, total


def test_a_later_arrival_with_a_shorter_delay_comes_forward(queue):
    queue.put_simple("p", "a", "b", "c", delay=1000)
    (p,) = queue.claim()
    queue.sent(p)
    queue.settle(p, "done")
    sub = queue.r.pubsub(ignore_subscribe_messages=True)
    sub.subscribe(queue.key("wake"))
    sub.get_message(timeout=1)
    queue.put_simple("quick", delay=50)
    assert sub.get_message(timeout=1)["data"] == "d", "who waits must hear of it"
    start = time.monotonic()
    (quick,) = queue.claim_until()
    assert quick.id == "quick:d" and time.monotonic() - start < 0.5
    sub.close()
    queue.check()


def test_passed_over_100_times_holds_the_lane(queue):
    queue.put_simple("old", delay=1000)
    queue.r.hset(queue.key("delivery:old:d"), "requeues", 99)
    queue.set_clock(sent=int(time.time() * 1e6))
    queue.put_simple(*[f"q{i}" for i in range(10)], delay=50)
    first, _ = sends(queue, 1)
    assert first[0].id == "q0:d" and queue.delivery("old:d")["requeues"] == "100"
    queue.r.lrem(queue.key("queue:d"), 1, "old:d")
    queue.r.lpush(queue.key("queue:d"), "old:d")
    start = time.monotonic()
    claims, _ = sends(queue, 1)
    assert claims[0].id == "old:d", "nothing passes it any more"
    assert time.monotonic() - start > 0.8


def test_no_starvation_under_a_stream_of_shorter_delays(queue):
    """Three that must wait among others that need not and keep coming: each gets its turn."""
    queue.put_simple("l0", "l1", "l2", delay=100)
    seen, i = [], 0
    while not {"l0:d", "l1:d", "l2:d"} <= set(seen):
        queue.put_simple(f"s{i}", delay=0)
        i += 1
        for c in queue.claim(want=1):
            queue.sent(c)
            queue.settle(c, "done")
            seen.append(c.id)
        assert len(seen) < 2000, "starved"
    assert max(int(queue.delivery(f"l{k}:d")["requeues"]) for k in range(3)) <= 101


def test_fifo_keeps_its_order_through_retries(queue):
    queue.put_simple("a", "b", "c", order="fifo")
    (a,) = queue.claim()
    assert a.id == "a:d" and queue.claim() == []
    queue.settle(a, "retry", wait_ms=150, status=500)
    assert queue.claim() == [], "a holds its lane"
    queue.check()
    (a,) = queue.claim_until()
    assert (a.id, a.attempt) == ("a:d", 2)
    queue.settle(a, "done")
    claims, _ = sends(queue, 2)
    assert [c.id for c in claims] == ["b:d", "c:d"]


def test_fifo_with_delay_never_moves_the_head(queue):
    queue.put_simple("a", delay=100, order="fifo")
    queue.put_simple("b", delay=100, order="fifo")
    queue.put_simple("c", delay=50, order="fifo")
    claims, times = sends(queue, 3)
    assert [c.id for c in claims] == ["a:d", "b:d", "c:d"]
    assert all(c.requeues == 0 for c in claims)
    assert times[1] - times[0] >= 0.1 and times[2] - times[1] >= 0.05


def test_fifo_dead_lets_the_next_go(queue):
    queue.put_simple("a", "b", order="fifo")
    (a,) = queue.claim()
    queue.settle(a, "dead", status=410)
    assert [c.id for c in queue.claim()] == ["b:d"]


def test_concurrency_of_a_destination_over_all_dispatchers(queue):
    queue.limits(d=(3, 10000, 2000, 8))
    queue.put_simple(*[f"e{i}" for i in range(5)])
    claims = queue.claim()
    assert len(claims) == 3 and queue.crowded and queue.claim() == [] and queue.crowded
    queue.settle(claims[0], "done")
    assert [c.id for c in queue.claim()] == ["e3:d"]
    queue.check()


def test_quick_destinations_are_claimed_ahead_where_nothing_has_a_delay(queue):
    """By those who say so with their claim: others keep to the concurrency."""
    queue.limits(d=(3, 10000, 2000, 8))
    queue.put_simple(*[f"e{i}" for i in range(9)])
    claims = queue.claim(d=2, other=7)
    assert len(claims) == 5 and queue.crowded
    queue.settle(claims[0], "done")
    assert queue.claim() == [] and queue.crowded
    queue.settle(claims[1], "done")
    assert len(queue.claim(d=2)) == 2
    queue.limits(p=(1, 10000, 2000, 8))
    queue.put_simple("p0", "p1", destination="p", lane="p", delay=50)
    (p0,) = queue.claim()
    queue.sent(p0)
    time.sleep(0.06)
    assert queue.claim(p=5) == [], "a lane with a delay keeps to the concurrency"
    queue.check()


def test_unknown_destination_is_left_alone(queue):
    queue.put_simple("a", destination="nobody", lane="nobody")
    assert queue.claim() == [] and queue.wait_us > 1_000_000
    queue.check()


def test_most_bytes_of_a_claim(queue):
    queue.put(*[queue.event(f"e{i}", ("d", "d", 0), body="x" * 1000 + str(i)) for i in range(10)])
    claims = queue.claim(want=10, most_bytes=2500)
    assert len(claims) == 3 and len(queue.queued()) == 7
    assert [c.id for c in queue.claim()] == [f"e{i}:d" for i in range(3, 10)]
    queue.check()


@pytest.mark.parametrize("size, whole", [(10_000, True), (16_383, True), (16_384, False), (10_000_000, False)])
def test_of_a_large_record_only_the_head_comes_with_the_claim(queue, size, whole):
    queue.put(queue.event("e", ("d", "d", 0), body=""))
    record = queue.record(body="").ljust(size, "x")
    queue.r.set(queue.key("event:e"), record)
    reply = queue.run("claim", 1, 1 << 22, queue.dead_ms, queue.dedup_ms, 0, 1, 1, 0)
    assert reply[6] == (record if whole else record[:record.index("\n\n") + 2])
    assert reply[5].split(" ")[12:] == ([] if whole else [str(size)])


@pytest.mark.parametrize("head", [16_383, 16_384, 16_385, 60_000])
def test_a_head_may_be_longer_than_what_a_claim_reads_first(queue, head):
    queue.put(queue.event("e", ("d", "d", 0), body=""))
    record = queue.record(body="").rstrip("\n").ljust(head - 2, "h") + "\n\n"
    queue.r.set(queue.key("event:e"), record.ljust(100_000, "x"))
    reply = queue.run("claim", 1, 1 << 22, queue.dead_ms, queue.dedup_ms, 0, 1, 1, 0)
    assert reply[6] == record and reply[5].split(" ")[12:] == ["100000"]


def test_lanes_share_a_claim(queue):
    for lane in ("d", "x", "y"):
        queue.limits(**{lane: (100, 10000, 2000, 8)})
        queue.put_simple(*[f"{lane}{i}" for i in range(100)], destination=lane, lane=lane)
    claims = queue.claim(want=30)
    assert {lane: sum(c.lane == lane for c in claims) for lane in "dxy"} == {"d": 10, "x": 10, "y": 10}


def test_shared_lane_paces_its_destinations_as_one(queue):
    queue.limits(a=(10, 10000, 2000, 8), b=(10, 10000, 2000, 8))
    queue.put(*[queue.event(f"e{i}", ("a" if i % 2 else "b", "both", 50), body=str(i)) for i in range(6)])
    _, times = sends(queue, 6)
    assert min(b - a for a, b in zip(times, times[1:])) >= 0.05


def test_an_expired_lease_puts_it_back(queue):
    queue.limits(d=(100, 100, 50, 3))
    queue.put_simple("a")
    (first,) = queue.claim()
    (second,) = queue.claim_until()
    assert second.id == "a:d" and second.attempt == 2 and second.fence > first.fence
    assert queue.delivery("a:d")["last_error"] == "lease_expired"
    assert queue.settle(first, "done") == 0, "fenced"
    assert queue.settle(second, "done") == 1
    assert queue.check() == {"a:d": ["done"]}


def test_what_kills_its_dispatcher_each_time_ends_dead(queue):
    queue.limits(d=(100, 30, 10, 3))
    queue.put_simple("poison")
    for attempt in (1, 2, 3):
        (c,) = queue.claim_until()
        assert c.attempt == attempt
    deadline = time.monotonic() + 5
    while queue.r.llen(queue.key("dead:d")) == 0:
        assert time.monotonic() < deadline and queue.claim() == []
        time.sleep(0.01)
    assert queue.check() == {"poison:d": ["dead"]}


def test_a_dead_dispatchers_window_holds_the_lane_and_no_longer(queue):
    """The holder may still send until its window closes; then the next waits its delay from there."""
    queue.limits(d=(100, 10000, 200, 8))
    queue.put_simple("a", "b", delay=50)
    start = time.monotonic()
    assert [c.id for c in queue.claim()] == ["a:d"]
    (b,) = queue.claim_until()
    assert b.id == "b:d" and 0.25 <= time.monotonic() - start < 0.6


def test_a_lane_whose_holder_died_goes_on_at_once(queue):
    """Nobody looked while the window closed, and the call that finds out claims on another lane first."""
    queue.limits(p=(10, 10000, 1000, 8), q=(10, 10000, 1000, 8))
    queue.put_simple("p1", "p2", "p3", destination="p", lane="p", delay=50)
    queue.claim()  # p1, by a dispatcher that dies with it
    queue.put_simple("q1", destination="q", lane="q")
    time.sleep(1.1)
    claims = {c.lane: c for c in queue.claim()}
    assert set(claims) == {"p", "q"} and list(claims)[0] == "q"
    queue.sent(claims["p"])
    at = time.monotonic()
    assert [c.lane for c in queue.claim_until()] == ["p"] and time.monotonic() - at < 0.8, "its report was not believed"


def test_a_report_that_comes_after_the_lease_opens_the_lane_for_nobody(queue):
    """The claim stopped counting when its lease ran out; another's request may leave at any moment. (Found by tests/model.)"""
    queue.limits(slow=(10, 60, 50, 8), d=(10, 10000, 2000, 8))
    queue.put(queue.event("a", ("slow", "shared", 50)))
    (a,) = queue.claim()
    queue.outlive_lease("a:slow")
    queue.put(queue.event("b", ("d", "shared", 0)))
    claims = queue.claim(want=1)
    assert [c.id for c in claims] == ["b:d"] and queue.delivery("a:slow")["state"] == "queued"
    queue.sent(a)
    time.sleep(0.08)
    assert queue.claim() == [], "b has not been reported to have left"
    queue.sent(*claims)
    at = time.monotonic()
    assert [c.id for c in queue.claim_until()] == ["a:slow"] and time.monotonic() - at >= 0.045
    queue.check()


def test_long_windows_are_kept_to(queue):
    """connect_timeout_ms may be up to ten minutes: the lane is held for all of them, whoever looks at it."""
    queue.limits(d=(100, 1203000, 601000, 8))
    queue.put_simple("a", delay=50)
    queue.claim()
    queue.put_simple("b", delay=50)
    assert queue.claim() == [] and queue.wait_us > 600_000_000


def test_a_clock_set_back_holds_a_lane_for_its_window(queue):
    """The holder may still send for that long; not for the hour that the clock was set back by."""
    queue.limits(d=(100, 10000, 300, 8))
    queue.put_simple("a", "b", delay=50)
    queue.claim()
    queue.set_clock(until=int(queue.clock()["until"]) + 3600_000_000)
    queue.r.zadd(queue.key("lanes"), {"d": 0})
    at = time.monotonic()
    assert queue.claim() == [], "a may be sent at any moment"
    assert [c.id for c in queue.claim_until()] == ["b:d"] and 0.3 <= time.monotonic() - at < 3


def test_late_success_ends_what_waits_for_its_retry(queue):
    queue.limits(d=(100, 50, 20, 8))
    queue.put_simple("a")
    (first,) = queue.claim()
    (second,) = queue.claim_until()
    queue.settle(second, "retry", wait_ms=60000, status=500)
    assert queue.settle(first, "retry", wait_ms=1) == 0, "a late failure changes nothing"
    assert queue.settle(first, "done", attempt="") == 2
    assert queue.check() == {"a:d": ["done"]}
    delivery, newest = queue.delivery("a:d"), json.loads(queue.r.lindex(queue.key("attempts:a:d"), 0))
    assert (delivery["last_status"], delivery["last_error"]) == ("200", "")
    assert (newest["attempt"], newest["status"], newest["error"], newest["response"]) == (1, 200, "", "ok")


def test_late_success_ends_what_is_queued_again(queue):
    queue.limits(d=(1, 50, 20, 8))
    queue.put_simple("a", "b")
    (a,) = queue.claim()
    deadline = time.monotonic() + 5
    while queue.delivery("a:d")["state"] != "queued":
        assert time.monotonic() < deadline
        queue.claim(want=0)
        time.sleep(0.01)
    assert queue.settle(a, "done") == 2
    assert queue.queued() == ["b:d"]
    queue.check()


def test_a_clock_set_back_does_not_hold_a_lane(queue):
    queue.put_simple("a", delay=100)
    future = int((time.time() + 3600) * 1e6)
    queue.set_clock(sent=future, pause=future, until=future, open=1, window=50)
    queue.r.zadd(queue.key("lanes"), {"d": 0})
    (a,) = queue.claim_until(timeout=2)
    assert a.id == "a:d"


@pytest.mark.parametrize("delay", [0, 50])
def test_a_delivery_that_somebody_deleted_leaves_nothing_behind(queue, delay):
    """In the queue and in flight: its lane does not look for work that is not there, its place is free again."""
    queue.limits(d=(1, 60, 20, 8))
    queue.put_simple("queued", delay=delay)
    queue.r.delete(queue.key("delivery:queued:d"))
    assert queue.claim() == [] and queue.wait_us == -1, "asked to look again at once"
    queue.put_simple("inflight", delay=delay)
    (lost,) = queue.claim_until()
    queue.r.delete(queue.key("delivery:inflight:d"))
    assert queue.settle(lost, "done") == 0
    queue.put_simple("next", delay=delay)
    assert [c.id for c in queue.claim_until()] == ["next:d"], "its place was never given back"
    assert set(queue.r.hgetall(queue.key("busy")).items()) == {("d", "1")}
    queue.check_lanes()
