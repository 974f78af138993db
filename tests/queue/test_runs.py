"""Another run of Redis has the queue: after a restart, or on a replica that became the master. It may lack the last writes."""

import pytest


@pytest.fixture
def known(queue):
    """The queue, which a dispatcher has found on one run of Redis, with a claim."""
    queue.limits(d=(100, 10000, 2000, 8))
    queue.put(queue.event("a", ("d", "d", 0)))
    queue.mend(("d", "d"), mode="all", run="run-1")
    return queue


def test_the_first_run_took_over_from_nobody(known):
    assert known.known_us == -1
    known.mend(("d", "d"), run="run-1")
    assert known.known_us == -1


def test_all_dispatchers_learn_when_the_change_was(known):
    known.mend(("d", "d"), mode="all", run="run-2")
    assert known.known_us == 0
    key = known.key("present")
    run, since = known.r.hget(key, "run").split()
    known.r.hset(key, "run", f"{run} {int(since) - 700}")
    known.mend(("d", "d"), mode="missing", run="run-2")
    assert 700_000 <= known.known_us < 30_000_000


def test_the_clock_is_set_back_after_the_change(known):
    known.mend(("d", "d"), run="run-2")
    run, since = known.r.hget(known.key("present"), "run").split()
    known.r.hset(known.key("present"), "run", f"{run} {int(since) + 3_600_000}")
    known.mend(("d", "d"), run="run-2")
    assert known.known_us == 0


def test_a_redis_that_does_not_name_its_run_changes_nothing(known):
    before = known.r.hgetall(known.key("present"))
    known.mend(("d", "d"), mode="all", run="")
    assert (known.known_us, known.r.hgetall(known.key("present"))) == (-1, before)


def test_a_fence_of_a_lost_master_is_never_given_out_again(known):
    """A dispatcher that claimed there still reports its result, and another one has the delivery by then."""
    before = known.r.get(known.key("fences")) or known.now
    lost = known.claim()[0]
    known.settle(lost, "release")
    known.r.set(known.key("fences"), before)    # the replica lacks the claim
    known.mend(("d", "d"), mode="all", run="run-2")
    given = int(known.r.get(known.key("fences")))
    known.mend(("d", "d"), mode="all", run="run-2")
    assert int(known.r.get(known.key("fences"))) == given, "once for each run"
    claim = known.claim()[0]
    assert (claim.id, int(claim.fence) > int(lost.fence) + 1_000_000) == ("a:d", True)
    assert known.settle(lost, "retry") == 0
    assert known.settle(claim, "done") == 1
