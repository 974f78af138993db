"""Programs of two versions on the same keys: what a later one may add, and scripts of both side by side."""

import random

import pytest

from random_world import World, limits
from scripts import Queue


@pytest.fixture
def later(redis_server, queue):
    """The same queue by a program whose scripts have another SHA."""
    other = Queue(queue.r, version="\n-- of a later version\n")
    assert other.scripts["claim"].sha != queue.scripts["claim"].sha
    return other


def test_what_one_claims_the_other_may_report_and_settle(queue, later):
    queue.put_simple("a", "b", delay=50)
    (a,) = later.claim()
    assert queue.claim() == [], "the lane is held for both"
    queue.sent(a)
    assert later.settle(a, "retry", wait_ms=1, status=500) == 1
    (b,) = queue.claim_until()
    later.sent(b)
    assert later.settle(b, "done") == 1
    (a,) = later.claim_until()
    assert a.attempt == 2 and queue.settle(a, "done") == 1
    assert later.check() == {"a:d": ["done"], "b:d": ["done"]}


def test_the_fence_holds_between_versions(queue, later):
    """A dispatcher of the old version settles after one of the new version has claimed the delivery, and the reverse."""
    for old, new in ((queue, later), (later, queue)):
        queue.limits(d=(100, 60, 20, 8))
        old.put_simple(f"e{old is queue}")
        (first,) = old.claim()
        (second,) = new.claim_until()
        assert second.id == first.id and second.fence > first.fence
        for verdict in ("done", "retry", "dead", "release", "defer"):
            assert old.settle(first, verdict, wait_ms=1) == 0, verdict
        assert new.delivery(first.id)["state"] == "inflight"
        assert new.settle(second, "done") == 1
        queue.check()


def test_fields_of_a_later_version_are_kept(queue):
    """In a delivery, a lane, and behind what dispatchers write about a destination."""
    queue.r.hset(queue.key("limits"), "d", "100 10000 2000 8 0 77 later")
    queue.r.hset(queue.key("lane:d"), "later", "1")
    queue.put_simple("a", delay=50)
    queue.r.hset(queue.key("delivery:a:d"), mapping={"later": "kept", "later2": "x" * 300})
    (a,) = queue.claim()
    queue.sent(a)
    queue.settle(a, "retry", wait_ms=1, status=500)
    (a,) = queue.claim_until()
    queue.settle(a, "release", status=0, left=0)
    (a,) = queue.claim_until()
    queue.settle(a, "dead", status=410)
    d = queue.delivery("a:d")
    assert (d["state"], d["later"], d["later2"]) == ("dead", "kept", "x" * 300)
    assert queue.r.hget(queue.key("lane:d"), "later") == "1"
    assert queue.r.hget(queue.key("limits"), "d") == "100 10000 2000 8 0 77 later"
    queue.check()


def test_a_record_of_a_later_version_goes_through_every_script(queue):
    """The scripts read no more of a record than its first words, which every version begins with."""
    record = queue.record().replace("hp1 ", "hp2 ", 1).replace(" -\n", " - more words\nx new\n", 1)
    queue.put_simple("a")
    queue.r.set(queue.key("event:a"), record)
    (a,) = queue.claim()
    assert a.record == record
    queue.settle(a, "defer", wait_ms=1, status=0, left=0)
    (a,) = queue.claim_until()
    assert a.attempt == 1
    queue.dedup_ms = 2 * queue.done_ms  # so that the end of it has to note what it was
    queue.settle(a, "done")
    assert 0 < queue.r.pttl(queue.key("event:a")) <= queue.done_ms
    assert queue.put(queue.event("a", ("d", "d", 0)))[0][0] == 1, "a repeat of it is known"
    queue.check()


@pytest.mark.parametrize("seed", [11, 12])
def test_invariants_under_random_calls_of_two_versions(queue, later, seed):
    limits(queue)
    rng = random.Random(seed)
    world = World(queue, rng)
    for i in range(200):
        world.queue = rng.choice([queue, later])
        world.step()
        if i % 5 == 0:
            world.check()
