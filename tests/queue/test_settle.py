"""settle.lua: what becomes of claimed deliveries, circuits, retention."""

import json
import time

import pytest


def one(queue, **put):
    queue.put_simple("a", **put)
    (claim,) = queue.claim()
    return claim


def test_done_expires_with_its_event_and_attempts(queue):
    a = one(queue)
    assert queue.settle(a, "done", status=204, attempt='{"attempt":1}') == 1
    d = queue.delivery("a:d")
    assert (d["state"], d["last_status"], d["attempts"]) == ("done", "204", "1")
    assert (d["duration_ms"], d["response"]) == ("7", "ok") and "last_error" not in d
    for key in ("event:a", "attempts:a:d"):
        assert 0 < queue.r.pttl(queue.key(key)) <= queue.done_ms, key
    assert queue.done_ms < queue.r.pttl(queue.key("delivery:a:d")) <= queue.done_ms + 3600000, "tells that it was there"
    queue.check()


def test_what_a_failure_left_is_cleared_by_the_success(queue):
    a = one(queue)
    queue.settle(a, "retry", wait_ms=1, status=500, error="http_500", response="oops")
    (a,) = queue.claim_until()
    queue.settle(a, "done", response="", attempt="")
    d = queue.delivery("a:d")
    assert (d["state"], d["last_status"], d["last_error"], d["response"]) == ("done", "200", "", "")
    assert queue.r.pttl(queue.key("attempts:a:d")) > 0


def test_the_event_stays_until_its_last_delivery_is_over(queue):
    queue.limits(b=(10, 10000, 2000, 8))
    queue.put(queue.event("e", ("d", "d", 0), ("b", "b", 0)))
    claims = {c.lane: c for c in queue.claim()}
    queue.settle(claims["d"], "dead", status=410)
    assert queue.r.pttl(queue.key("event:e")) == -1
    queue.settle(claims["b"], "done")
    assert queue.r.pttl(queue.key("event:e")) > queue.done_ms, "as long as the dead letter"
    assert not queue.r.exists(queue.key("pending:e"))
    queue.check()


def test_retry_waits_and_comes_back_at_the_tail(queue):
    a = one(queue)
    queue.put_simple("b")
    assert queue.settle(a, "retry", wait_ms=100, status=503, error="http_503", attempt='{"n":1}') == 1
    d = queue.delivery("a:d")
    assert (d["state"], d["last_status"], d["last_error"]) == ("retry", "503", "http_503")
    assert queue.check() == {"a:d": ["retry"], "b:d": ["queued"]}
    queue.settle(queue.claim()[0], "done")
    (again,) = queue.claim_until()
    assert (again.id, again.attempt) == ("a:d", 2)
    assert json.loads(queue.r.lindex(queue.key("attempts:a:d"), 0)) == {"n": 1}


def test_dead_letters_newest_left(queue):
    queue.put_simple("a", "b")
    for c in queue.claim():
        queue.settle(c, "dead", status=410, error="gone")
    assert queue.r.lrange(queue.key("dead:d"), 0, -1) == ["b:d", "a:d"]
    assert queue.delivery("a:d")["state"] == "dead"
    assert queue.done_ms < queue.r.pttl(queue.key("event:a")) <= queue.dead_ms
    queue.check()


def test_dead_letters_leave_their_list_when_retention_ends(queue):
    queue.dead_ms = 100
    queue.put_simple("a", "b")
    for c in queue.claim():
        queue.settle(c, "dead", status=410)
    deadline = time.monotonic() + 5
    while queue.r.exists(queue.key("dead:d")):
        assert time.monotonic() < deadline
        queue.claim(want=0)
        time.sleep(0.01)
    assert queue.check() == {} and queue.r.zcard(queue.key("deads")) == 0


def test_release_goes_back_to_the_head_with_its_attempt(queue):
    queue.put_simple("a", "b", "c")
    a, b = queue.claim(want=2)
    assert queue.settle(b, "release", status=0, left=0) == 1
    assert queue.settle(a, "release", status=0, left=0) == 1
    assert queue.queued() == ["a:d", "b:d", "c:d"]
    assert queue.delivery("a:d")["attempts"] == "0"
    assert [c.attempt for c in queue.claim()] == [1, 1, 1]
    queue.check()


def test_release_of_a_paced_claim_frees_the_lane_at_once(queue):
    a = one(queue, delay=1000)
    queue.settle(a, "release", status=0, left=0)
    assert [c.id for c in queue.claim()] == ["a:d"], "nothing was sent, so nothing is waited for"


def test_release_with_a_wait_pauses_the_lane(queue):
    a = one(queue)
    queue.settle(a, "release", wait_ms=200, status=0, left=0)
    assert queue.claim() == [] and 100_000 < queue.wait_us <= 200_000
    assert [c.id for c in queue.claim_until()] == ["a:d"]


def test_defer_waits_without_spending_the_attempt(queue):
    a = one(queue)
    queue.settle(a, "defer", wait_ms=60, status=0, left=0)
    assert queue.check() == {"a:d": ["retry"]}
    (again,) = queue.claim_until()
    assert again.attempt == 1


def test_settling_twice_changes_nothing(queue):
    a = one(queue)
    assert queue.settle(a, "retry", wait_ms=5000, status=500) == 1
    before = queue.delivery("a:d")
    assert queue.settle(a, "retry", wait_ms=9000, status=500) == 0
    assert queue.delivery("a:d") == before
    assert queue.r.llen(queue.key("attempts:a:d")) == 1


def test_result_for_nothing_is_refused(queue):
    a = one(queue)
    ghost = a._replace(id="ghost:d")
    assert queue.settle(ghost, "done") == 0
    assert not queue.r.exists(queue.key("delivery:ghost:d"))


def fail(queue, **how):
    (c,) = queue.claim_until(want=1)
    queue.settle(c, "retry", wait_ms=100000, status=0, left=0, **how)
    return c


def test_circuit_opens_after_five_and_probes_with_one(queue):
    queue.put_simple(*[f"e{i}" for i in range(20)])
    for _ in range(5):
        fail(queue, unreachable=1)
    assert queue.claim() == [] and 900_000 < queue.wait_us <= 1_000_000
    start = time.monotonic()
    claims = queue.claim_until(want=10)
    assert len(claims) == 1, "one probe" 
    assert time.monotonic() - start > 0.9
    assert queue.claim() == [], "nothing else while it is out"
    queue.settle(claims[0], "retry", wait_ms=100000, status=0, left=0, unreachable=1)
    assert 1_900_000 < queue.wait_us <= 2_000_000 or queue.claim() == [] and 1_800_000 < queue.wait_us <= 2_000_000
    assert all(queue.delivery(f"e{i}:d")["attempts"] == "0" for i in range(6, 20)), "what waits spends nothing"
    queue.check()


def test_one_probe_however_long_its_lease(queue):
    queue.limits(d=(100, 1203000, 601000, 8))
    queue.put_simple(*[f"e{i}" for i in range(8)])
    for _ in range(5):
        fail(queue, unreachable=1)
    (probe,) = queue.claim_until()
    queue.put_simple("another")
    assert queue.claim() == []
    fails, until, _, fence, _, _ = map(int, queue.r.hget(queue.key("origins:d"), "d").split())
    assert fails == 5 and fence == probe.fence and until / 1000 - time.time() > 1000


def test_any_answer_closes_the_circuit(queue):
    queue.put_simple(*[f"e{i}" for i in range(20)])
    for _ in range(5):
        fail(queue, unreachable=1)
    (probe,) = queue.claim_until(want=10)
    queue.settle(probe, "retry", wait_ms=100000, status=500, left=1)
    assert len(queue.claim(want=20)) == 14, "all that waited are back at once"


def test_failures_in_a_row_only(queue):
    queue.put_simple(*[f"e{i}" for i in range(20)])
    for _ in range(3):
        for _ in range(4):
            fail(queue, unreachable=1)
        (c,) = queue.claim(want=1)
        queue.settle(c, "done")
    assert len(queue.claim(want=20)) == 5


def test_a_probe_whose_dispatcher_died_is_followed_by_another(queue):
    queue.limits(d=(100, 300, 100, 8))
    queue.put_simple(*[f"e{i}" for i in range(8)])
    for _ in range(5):
        fail(queue, unreachable=1)
    (probe,) = queue.claim_until(want=10)
    (other,) = queue.claim_until(want=10)
    assert other.fence != probe.fence and other.probe == 1


@pytest.mark.parametrize("verdict", ["done", "dead"])
def test_nothing_is_left_behind(queue, verdict):
    """After retention no key of a delivery is left but lane clocks, and the deliveries and the index of searches for a while."""
    queue.done_ms = queue.dead_ms = queue.dedup_ms = 50
    for i in range(5):
        queue.put(queue.event("same", ("d", "d", 0), body=str(i)))
    for c in queue.claim():
        queue.settle(c, verdict)
    keep = {queue.key(k) for k in ("lane:d", "limits", "fences", "busy")}
    deadline = time.monotonic() + 5
    while True:
        queue.claim(want=0)
        left = set(queue.r.scan_iter("*")) - keep
        if all(key.startswith((queue.key("delivery:same"), queue.key("words:"))) and 0 < queue.r.pttl(key) <= 61000 for key in left):
            break
        assert time.monotonic() < deadline, left
        time.sleep(0.01)
