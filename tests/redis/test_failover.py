"""With redis.wait_replicas nothing acknowledged is lost when masters go under load. tests/redis/failovers does it 50 times."""

import pytest

from harness.failover import CONCURRENCY, JITTER_MS, PACED, SENDER_MS, Failovers


@pytest.mark.parametrize("kind, times, wait_replicas", [("kill", 2, 1), ("command", 1, 1), ("stall", 1, 1), ("command", 1, 2),
                                                       ("cluster-kill", 1, 1)])
def test_nothing_acknowledged_is_lost(kind, times, wait_replicas, tmp_path):
    """By command, and of a master that stood still: the old master lives, and a replica still confirms what it takes."""
    run = Failovers(tmp_path, wait_replicas, kind, down_after_ms=2000)
    try:
        run.start()
        for _ in range(times):
            figures = run.run()
            assert (figures.lost, figures.acknowledged > 100) == (0, True), figures
            assert figures.duplicates <= CONCURRENCY * (1 + len(PACED)), figures
            assert figures.sender_gap_ms > -SENDER_MS, figures
            assert figures.shortest_gap_ms > -JITTER_MS, figures
    finally:
        run.close()
