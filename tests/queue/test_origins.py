"""lib_origin.lua: circuits of origins, shares of the concurrency, and what waits beside its lane meanwhile."""

import time

import pytest

LEASE_MS = 10000
OF_ACCOUNT = (100, LEASE_MS, 2000, 8, "b")
SHARED = (100, LEASE_MS, 2000, 8, "-", 1)
DEAD, LIVE = "http://dead.example", "http://live.example/hook?id=$id"


def put_task(queue, *ids, url=DEAD, delay=0, order="", destination="d"):
    """Deliveries to a destination whose URLs come with the events, on the lane `d`."""
    results = queue.put(*[queue.event(i, (destination, "d", delay, order), body=i, url=url) for i in ids])
    assert all(r[0] == 0 for r in results), results


def ids(prefix, count):
    return [f"{prefix}{n}" for n in range(count)]


def fail(queue, claim, wait_ms=100000):
    assert queue.settle(claim, "retry", wait_ms=wait_ms, status=0, error="connect_refused", left=0, unreachable=1) == 1


def open_circuit(queue, times=5):
    for _ in range(times):
        (c,) = queue.claim_until(want=1)
        fail(queue, c)
    assert queue.circuit == "opened"


def claim_all(queue, most=200):
    """Whatever may be claimed now, over as many calls as that takes."""
    found = []
    for _ in range(most):
        found += queue.claim(want=50)
        if queue.wait_us != 0:
            return found
    raise AssertionError("it never ends: something spins")


def attempts(queue, *names):
    return [queue.delivery(f"{n}:d")["attempts"] for n in names]


@pytest.mark.parametrize("delay", [0, 50])
def test_live_origins_of_an_account_go_on(queue, delay):
    queue.limits(d=OF_ACCOUNT)
    put_task(queue, *ids("dead", 50), delay=delay)
    for _ in range(5):
        (c,) = queue.claim_until(want=1)
        queue.sent(c)
        fail(queue, c)
    assert queue.circuit == "opened"
    put_task(queue, *ids("live", 5), url=LIVE, delay=delay)
    start, live, last = time.monotonic(), [], 0
    while len(live) < 5:
        for c in queue.claim_until(want=10):
            assert time.monotonic() - last > delay / 1000 - 0.001
            last = time.monotonic()
            queue.sent(c)
            if c.origin == "http://live.example:80":
                queue.settle(c, "done")
                live.append(c)
            else:
                assert c.probe == 1
                fail(queue, c)
        queue.check()
        assert time.monotonic() - start < 3
    assert sorted(set(attempts(queue, *ids("dead", 50)))) == ["0", "1"]
    assert attempts(queue, *ids("dead", 50)).count("1") <= 7


@pytest.mark.parametrize("delay", [0, 50])
def test_another_destination_on_the_lane_goes_on(queue, delay):
    queue.limits(d=SHARED, e=SHARED)
    queue.put_simple(*ids("dead", 50), delay=delay)
    for _ in range(5):
        (c,) = queue.claim_until(want=1)
        queue.sent(c)
        fail(queue, c)
    queue.put_simple(*ids("live", 5), destination="e", lane="d", delay=delay)
    start, live = time.monotonic(), 0
    while live < 5:
        for c in queue.claim_until():
            queue.sent(c)
            if c.id.endswith(":e"):
                queue.settle(c, "done")
                live += 1
            else:
                fail(queue, c)
        assert time.monotonic() - start < 3
    queue.check()


def test_a_destination_at_its_concurrency_does_not_hold_a_shared_lane(queue):
    queue.limits(d=(4, LEASE_MS, 2000, 8, "-", 1), e=SHARED)
    queue.put_simple(*ids("silent", 100))
    taken = claim_all(queue)
    assert len(taken) == 4
    queue.put_simple(*ids("live", 5), destination="e", lane="d")
    assert sorted(c.id for c in claim_all(queue)) == [f"live{n}:e" for n in range(5)]
    queue.check()
    queue.settle(taken[0], "done")
    assert len(claim_all(queue)) == 1, "a place is free: one that waited comes back at once"
    queue.check()


def test_an_origin_takes_at_most_half_of_an_accounts_concurrency(queue):
    queue.limits(d=(8, LEASE_MS, 2000, 8, "b"))
    put_task(queue, *ids("silent", 100))
    taken = claim_all(queue)
    assert len(taken) == 4
    put_task(queue, *ids("live", 5), url=LIVE)
    assert sorted(c.id for c in claim_all(queue)) == [f"live{n}:d" for n in range(4)]
    queue.check()
    queue.settle(taken[0], "retry", wait_ms=100000, status=0, error="timeout", left=1)
    (again,) = claim_all(queue)
    assert again.id.startswith("silent")
    queue.check()


def test_the_share_of_dead_dispatchers_comes_back(queue):
    queue.limits(d=(8, 100, 50, 8, "b"))
    put_task(queue, *ids("e", 10))
    assert len(claim_all(queue)) == 4
    deadline = time.monotonic() + 5
    while not (found := claim_all(queue)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    queue.check()
    assert 0 < len(found) <= 4


def test_an_odd_concurrency_and_one_of_one(queue):
    queue.limits(d=(5, LEASE_MS, 2000, 8, "b"))
    put_task(queue, *ids("e", 10))
    assert len(claim_all(queue)) == 3
    queue.limits(f=(1, LEASE_MS, 2000, 8, "b"))
    put_task(queue, *ids("f", 3), destination="f")
    assert len(claim_all(queue)) == 1


@pytest.mark.parametrize("url, origin", [
    ("http://a.example", "http://a.example:80"), ("HTTPS://A.Example/x?y=http://b/", "https://a.example:443"),
    ("http://user:pass@a.example:8080/x@y", "http://a.example:8080"), ("https://[2001:db8::1]/x", "https://[2001:db8::1]:443"),
    ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"), ("http://a.example?x", "http://a.example:80")])
def test_what_an_origin_is(queue, url, origin):
    queue.limits(d=OF_ACCOUNT)
    put_task(queue, "e", url=url)
    assert queue.claim()[0].origin == origin


def test_the_probes_failure_doubles_the_pause_and_an_answer_brings_all_back(queue):
    queue.limits(d=OF_ACCOUNT)
    put_task(queue, *ids("e", 60))
    open_circuit(queue)
    assert claim_all(queue) == []
    for pause in (1.0, 2.0):
        start = time.monotonic()
        (probe,) = queue.claim_until(want=10)
        assert probe.probe == 1 and pause - 0.05 < time.monotonic() - start < pause + 0.3
        assert claim_all(queue) == [], "one probe"
        fail(queue, probe)
    assert sum(n != "0" for n in attempts(queue, *ids("e", 60))) == 7, "what waits spends nothing"
    (probe,) = queue.claim_until(want=10)
    queue.settle(probe, "retry", wait_ms=100000, status=500, left=1)
    assert queue.circuit == "closed"
    assert len(claim_all(queue)) == 50, "half of the account's concurrency, and no sooner than it is free"
    queue.check()


def test_a_closed_circuit_brings_back_a_bounded_number_a_call_and_all_in_the_end(queue):
    queue.limits(d=(1000, LEASE_MS, 2000, 8, "-", 1))
    queue.put_simple(*ids("e", 400))
    open_circuit(queue)
    claim_all(queue)
    (probe,) = queue.claim_until(want=1)
    before = queue.r.zcard(queue.key("retry"))
    queue.settle(probe, "done")
    assert 0 < before - queue.r.zcard(queue.key("retry")) <= 100
    done = 0
    while found := claim_all(queue):
        for c in found:
            done += queue.settle(c, "done")
        queue.check()
    assert done == 400 - 6


def test_fifo_waits(queue):
    queue.limits(d=SHARED, e=SHARED)
    queue.put_simple(*ids("dead", 8), order="fifo")
    queue.put_simple("live", destination="e", lane="d", order="fifo")
    for _ in range(5):
        (c,) = queue.claim_until(want=10)
        assert c.id == "dead0:d"
        fail(queue, c, wait_ms=1)
    assert queue.circuit == "opened"
    start = time.monotonic()
    (probe,) = queue.claim_until(want=10)
    assert probe.id == "dead0:d" and probe.probe == 1 and 0.9 < time.monotonic() - start < 1.2
    queue.settle(probe, "done")
    assert [c.id for c in queue.claim()] == ["dead1:d"]
    queue.check()


def test_a_probe_that_was_handed_back_is_followed_at_once(queue):
    queue.limits(d=OF_ACCOUNT)
    put_task(queue, *ids("e", 20))
    open_circuit(queue)
    (probe,) = queue.claim_until(want=10)
    queue.settle(probe, "release", status=0, left=0)
    (again,) = queue.claim_until(timeout=0.5)
    assert again.probe == 1 and again.id == probe.id and again.attempt == probe.attempt


@pytest.mark.parametrize("pattern", ["origins:*", "waiting:*", "shares:*", "lane:*", "busy"])
def test_nothing_is_stuck_if_keys_vanish(queue, pattern):
    queue.limits(d=(8, 300, 100, 20, "b"))
    put_task(queue, *ids("dead", 10))
    put_task(queue, *ids("live", 10), url=LIVE)
    failures = 0
    while failures < 6:
        for c in queue.claim_until(want=1):
            if c.origin == "http://dead.example:80":
                fail(queue, c, wait_ms=1)
                failures += 1
            else:
                queue.settle(c, "done")
    queue.claim(want=3)
    for key in queue.r.keys(queue.key(pattern)):
        queue.r.delete(key)
    left = {f"{n}:d" for n in [*ids("dead", 10), *ids("live", 10)]}
    deadline = time.monotonic() + 15
    while any(queue.delivery(i)["state"] != "done" for i in left):
        for c in queue.claim_until(timeout=8):
            queue.settle(c, "done")
        assert time.monotonic() < deadline


def test_a_million_origins_are_not_remembered(queue):
    queue.limits(d=OF_ACCOUNT)
    for n in range(1100):
        put_task(queue, f"e{n}", url=f"http://h{n}.example/")
    while found := queue.claim(want=100):
        for c in found:
            fail(queue, c)
    assert queue.r.hlen(queue.key("origins:d")) == 1000
    assert queue.r.ttl(queue.key("origins:d")) > 0


def test_a_lane_without_trouble_reads_nothing_of_origins(queue):
    queue.limits(d=(100, LEASE_MS, 2000, 8, "-", 0))
    queue.put_simple(*ids("e", 10))
    queue.r.config_resetstat()
    for c in queue.claim():
        queue.settle(c, "done")
    calls = queue.r.info("commandstats")
    assert not {"cmdstat_exists", "cmdstat_zpopmin"} & set(calls), calls
    assert calls["cmdstat_getrange"]["calls"] == 10, "the records, each once"
    assert not queue.r.keys(queue.key("origins:*")) + queue.r.keys(queue.key("shares:*"))
