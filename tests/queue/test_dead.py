"""The script dead: one step counts a bounded number of dead letters, and the steps together count all of them."""

import pytest

STEP = 400


@pytest.mark.parametrize("at_once", [1, 7, 2000])
def test_steps_count_each_once(queue, at_once):
    """AT_ONCE of them die in the same ms."""
    for n in range(1234):
        queue.r.hset(queue.key(f"delivery:e{n}:d"), mapping={"state": "dead", "last_error": f"error-{n % 3}"})
        queue.r.zadd(queue.key("deaths"), {f"e{n}:d": 1_700_000_000_000 + n // at_once})
    counts, cursor, steps = {}, "", 0
    while (cursor or not steps) and steps < 6:
        queue.r.config_resetstat()
        cursor, seen, *groups = queue.run("dead", cursor)
        assert queue.r.info("commandstats")["cmdstat_hmget"]["calls"] <= STEP
        assert seen == sum(map(int, groups[2::5])) <= STEP
        for reason, n in zip(groups[1::5], groups[2::5]):
            counts[reason] = counts.get(reason, 0) + int(n)
        steps += 1
    assert steps == 4 and counts == {"error-0": 412, "error-1": 411, "error-2": 411}


def test_a_step_of_none(queue):
    assert queue.run("dead", "") == ["", 0]


def test_what_is_not_dead_any_more_is_left_out(queue):
    for name, state in (("a", "dead"), ("b", "queued")):
        queue.r.hset(queue.key(f"delivery:{name}:d"), "state", state)
    queue.r.zadd(queue.key("deaths"), {"a:d": 5, "b:d": 6, "c:d": 7})
    assert queue.run("dead", "") == ["", 1, "d", "", 1, "a:d", "5"]
