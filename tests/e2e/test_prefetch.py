"""Claims ahead of a quick destination's concurrency: they end with the dispatcher or the configuration that found it quick."""

import pytest

from harness import config
from harness.downstream import Answer
from harness.wait import wait_for

CONCURRENCY, SLOW_S, SETTLED_S = 4, 1.0, 4.0
QUICK, SLOW = 600, 32


def crowds(requests):
    """(s since the first of them, how many were under way) at each arrival of requests that took SLOW_S."""
    at = sorted(r.at_ns / 1e9 for r in requests)
    return [(t - at[0], sum(t - SLOW_S * 0.95 < other <= t for other in at)) for t in at]


@pytest.mark.parametrize("then", ["reload", "kill", "nothing"])
def test_a_destination_that_was_quick_turns_slow(stack, then):
    """At most twice its concurrency is under way, for at most 4 s; then its concurrency again, over all dispatchers."""
    sink = stack.downstream()
    conf = config.simple(stack.redis.url, sink.url(), concurrency=CONCURRENCY)
    receiver = stack.receiver(conf)
    dispatchers = [stack.dispatcher(conf) for _ in range(2)]
    for n in range(QUICK):
        receiver.send(f"quick-{n}")
    sink.wait_count(QUICK, timeout=30)
    wait_for(lambda: not stack.keys.inflight(), 10)
    if then == "reload":
        conf["destinations"]["out"]["timeout_ms"] = 2900
        for d in dispatchers:
            d.reload(conf)
    if then == "kill":
        dispatchers[0].kill9()
    sink.on(None, Answer(delay=SLOW_S))
    for n in range(SLOW):
        receiver.send(f"slow-{n}")
    sink.wait_count(QUICK + SLOW, timeout=30)
    seen = crowds([r for r in sink.all() if r.event.startswith("slow")])
    assert max(n for _, n in seen) <= (CONCURRENCY if then == "reload" else 2 * CONCURRENCY), seen
    late = [n for at, n in seen if at > SETTLED_S]
    assert late and max(late) <= CONCURRENCY, seen
