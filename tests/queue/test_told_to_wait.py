"""An origin that asks to wait (429, or 503 with Retry-After): no attempt is spent, and it is not asked by everybody again."""

import time

import pytest

from test_origins import DEAD, LIVE, OF_ACCOUNT, claim_all, ids, put_task

LEASE_MS = 10000
DAY_MS = 86400000
SINGLE, SHARED = (16, LEASE_MS, 2000, 8, "-", 0), (16, LEASE_MS, 2000, 8, "-", 1)


def origin(queue, name="d", lane="d"):
    """(failures, until, pauses, probe, told, answers since)"""
    stored = queue.r.hget(queue.key(f"origins:{lane}"), name)
    return stored and tuple(map(int, stored.split()))


@pytest.mark.parametrize("limits", [SINGLE, SHARED, (16, LEASE_MS, 2000, 8, "b")])
@pytest.mark.parametrize("delay", [0, 50])
def test_the_origin_waits_as_told_and_no_attempt_is_spent(queue, limits, delay):
    queue.limits(d=limits)
    put_task(queue, *ids("e", 30), url=LIVE, delay=delay)
    taken = queue.claim(want=5)
    queue.sent(*taken)
    start = time.monotonic()
    for c in taken:
        queue.told_to_wait(c, 700)
        queue.check()
    assert claim_all(queue) == []
    assert {queue.delivery(c.id)["attempts"] for c in taken} == {"0"}
    assert queue.delivery(taken[0].id)["state"] == "retry" and queue.delivery(taken[0].id)["last_status"] == "429"
    assert queue.r.llen(queue.key(f"attempts:{taken[0].id}")) == 1
    (probe,) = queue.claim_until()
    assert 0.65 < time.monotonic() - start < 1.0
    assert probe.probe == 2 and probe.attempt == 1 and claim_all(queue) == []
    queue.settle(probe, "done")
    queue.check()


def test_without_a_time_the_wait_doubles_and_answers_together_count_once(queue):
    queue.limits(d=SINGLE)
    queue.put_simple(*ids("e", 30))
    for c in queue.claim(want=8):
        queue.told_to_wait(c)
    for wait in (1.0, 2.0):
        start = time.monotonic()
        (probe,) = queue.claim_until()
        assert wait - 0.1 < time.monotonic() - start < wait + 0.3
        queue.told_to_wait(probe)
    pauses = []
    for _ in range(6):
        queue.r.hset(queue.key("origins:d"), "d", "0 1 {2} 0 1 0".format(*origin(queue)))
        queue.set_clock(pause=0)
        (probe,) = queue.claim_until()
        queue.told_to_wait(probe)
        pauses.append(round(origin(queue)[1] / 1000 - time.time()))
    assert pauses == [8, 16, 32, 60, 60, 60]


@pytest.mark.parametrize("limits", [SINGLE, SHARED, (32, LEASE_MS, 2000, 8, "b")])
def test_it_comes_back_slowly(queue, limits):
    """One probe; then one more in flight each time that so many were answered."""
    queue.limits(d=limits)
    put_task(queue, *ids("e", 200), url=LIVE)
    for c in claim_all(queue):
        queue.told_to_wait(c, 300)
    (probe,) = queue.claim_until()
    queue.settle(probe, "done")
    done, widths = 1, []
    while found := claim_all(queue):
        widths.append(len(found))
        queue.check()
        for c in found:
            done += queue.settle(c, "done")
    assert widths[:6] == [2, 3, 4, 5, 6, 7] and max(widths) == 16, widths
    assert done == 200
    assert queue.r.keys(queue.key("origins:*")) == [], "nothing is remembered of it"


def test_a_server_with_a_limit_gets_little_more_than_its_limit(queue):
    queue.limits(d=SINGLE)
    queue.put_simple(*ids("e", 60))
    window, taken, refused, done = 0, 0, [], 0
    while done < 60:
        for c in queue.claim_until(want=50):
            if time.monotonic() > window:
                window, taken = time.monotonic() + 0.5, 0
                refused.append(0)
            taken += 1
            if taken <= 10:
                done += queue.settle(c, "done")
            else:
                refused[-1] += 1
                queue.told_to_wait(c, max(1, int((window - time.monotonic()) * 1000) + 2))
        queue.check()
    assert len(refused) <= 8 and max(refused[1:]) <= 5, refused


def test_the_lanes_other_origins_go_on(queue):
    queue.limits(d=OF_ACCOUNT)
    put_task(queue, *ids("busy", 20), url=DEAD, delay=50)
    (c,) = queue.claim()
    queue.sent(c)
    queue.told_to_wait(c, 60000)
    put_task(queue, *ids("live", 5), url=LIVE, delay=50)
    start, last = time.monotonic(), 0
    for _ in range(5):
        (c,) = queue.claim_until()
        assert c.origin == "http://live.example:80" and time.monotonic() - last > 0.049
        last = time.monotonic()
        queue.sent(c)
        queue.settle(c, "done")
    assert time.monotonic() - start < 1
    queue.check()


def test_fifo_waits(queue):
    queue.limits(d=SHARED, e=SHARED)
    queue.put_simple("a", "b", order="fifo")
    queue.put_simple("c", destination="e", lane="d", order="fifo")
    (a,) = queue.claim()
    queue.told_to_wait(a, 400)
    start = time.monotonic()
    for id in ("a:d", "b:d", "c:e"):
        (c,) = queue.claim_until()
        assert c.id == id and time.monotonic() - start > 0.35
        queue.settle(c, "done")
    queue.check()


@pytest.mark.parametrize("limits", [SINGLE, SHARED])
def test_who_waits_for_a_day_costs_nothing(queue, limits):
    queue.limits(d=limits)
    queue.put_simple(*ids("e", 300))
    (c,) = queue.claim(want=1)
    queue.told_to_wait(c, DAY_MS)
    claim_all(queue)
    for _ in range(5):
        queue.claim()
        assert queue.wait_us > 55_000_000 or queue.wait_us == -1
    queue.check()


def test_answers_to_requests_from_before_the_wait_say_nothing(queue):
    queue.limits(d=SINGLE)
    queue.put_simple(*ids("e", 30))
    first, second, third = queue.claim(want=3)
    queue.told_to_wait(first, 5000)
    queue.settle(second, "done")
    assert claim_all(queue) == []
    queue.told_to_wait(third, 300)
    assert 4.8 < origin(queue)[1] / 1000 - time.time() < 5.1, "the longer of the two"
    queue.check()


def test_after_a_day_it_is_a_failed_attempt(queue):
    queue.limits(d=SINGLE)
    for id, counted, state in (("a:d", "retry", "retry"), ("b:d", "dead", "dead")):
        queue.put_simple(id[0])
        (c,) = queue.claim_until()
        queue.told_to_wait(c, 1, counted=counted)
        assert not queue.counted and not queue.r.exists(queue.key("errors:postback"))
        queue.r.hset(queue.key("delivery:" + id), "told", int(time.time() * 1000) - DAY_MS)
        (c,) = queue.claim_until()
        queue.told_to_wait(c, 1, counted=counted)
        delivery = queue.delivery(id)
        assert queue.counted and (delivery["state"], delivery["attempts"]) == (state, "1") and "told" not in delivery
        assert queue.r.xlen(queue.key("errors:postback")) == 1
        queue.r.delete(queue.key("errors:postback"))
        queue.r.delete(queue.key("origins:d"))
        queue.set_clock(pause=0)
    queue.check()


def test_an_hour_before_the_day_ends_it_is_not(queue):
    queue.limits(d=SINGLE)
    queue.put_simple("a")
    (c,) = queue.claim()
    queue.told_to_wait(c, 1)
    queue.r.hset(queue.key("delivery:a:d"), "told", int(time.time() * 1000) - DAY_MS + 3600000)
    (c,) = queue.claim_until()
    queue.told_to_wait(c, 1)
    assert not queue.counted and queue.delivery("a:d")["attempts"] == "0"


def test_a_failure_in_between_begins_another_day(queue):
    queue.limits(d=SINGLE)
    queue.put_simple("a")
    (c,) = queue.claim()
    queue.told_to_wait(c, 1)
    assert "told" in queue.delivery("a:d")
    (c,) = queue.claim_until()
    queue.settle(c, "retry", wait_ms=1, status=500)
    assert "told" not in queue.delivery("a:d") and queue.delivery("a:d")["attempts"] == "1"


def test_attempts_are_kept_up_to_sixty_and_expire_with_the_delivery(queue):
    queue.limits(d=SINGLE)
    queue.put_simple("a")
    for _ in range(70):
        (c,) = queue.claim_until()
        queue.told_to_wait(c, 1)
    assert queue.r.llen(queue.key("attempts:a:d")) == 60
    (c,) = queue.claim_until()
    queue.settle(c, "done", attempt="")
    assert queue.r.ttl(queue.key("attempts:a:d")) > 0 and queue.r.ttl(queue.key("delivery:a:d")) > 0


def test_a_resend_still_waits_for_the_origin(queue):
    queue.limits(d=SINGLE)
    queue.put(queue.event("a", ("d", "d", 0), to=["d"]))
    (a,) = queue.claim()
    queue.told_to_wait(a, 600)
    start = time.monotonic()
    queue.run("resend", "", "", queue.dead_ms, 0, "a")
    assert queue.delivery("a:d")["state"] == "queued" and "told" not in queue.delivery("a:d")
    assert claim_all(queue) == []
    (probe,) = queue.claim_until()
    assert time.monotonic() - start > 0.5
    queue.check()


def test_an_answer_that_asks_to_wait_closes_a_circuit(queue):
    queue.limits(d=SINGLE)
    queue.put_simple(*ids("e", 10))
    for _ in range(5):
        (c,) = queue.claim(want=1)
        queue.settle(c, "retry", wait_ms=100000, status=0, left=0, unreachable=1)
    assert queue.circuit == "opened"
    (probe,) = queue.claim_until()
    queue.told_to_wait(probe, 300)
    assert queue.circuit == "closed" and claim_all(queue) == []
    start = time.monotonic()
    (probe,) = queue.claim_until()
    assert probe.probe == 2 and 0.2 < time.monotonic() - start < 0.6


def test_a_probe_that_is_lost_is_followed_by_another(queue):
    queue.limits(d=(16, 300, 100, 8, "-", 0))
    queue.put_simple(*ids("e", 10))
    (c,) = queue.claim(want=1)
    queue.told_to_wait(c, 200)
    (probe,) = queue.claim_until()
    (again,) = queue.claim_until()
    assert again.probe == 2 and again.fence > probe.fence
    queue.check()
