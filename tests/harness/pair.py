"""A receiver and dispatchers of the simple configuration, and the end of what they do."""

from harness import config, oracle
from harness.wait import wait_for


def both(stack, sink, dispatchers=1, **dest):
    """A running receiver and dispatchers for the simple configuration."""
    conf = config.simple(stack.redis.url, sink.url(), **dest)
    return conf, stack.receiver(conf), [stack.dispatcher(conf) for _ in range(dispatchers)]


def settle(stack, sink, acknowledged, timeout=30):
    """Waits until every acknowledged event has arrived and nothing is in flight, then applies the oracle."""
    sink.wait_events(acknowledged, timeout)
    wait_for(lambda: not stack.keys.inflight() and not stack.keys.retry() and not stack.keys.queue_length("out"), 20,
             lambda: f"the queue to drain: {oracle.places(stack.keys)}")
    oracle.assert_none_lost(acknowledged, sink.events())
    oracle.assert_each_in_one_place(stack.keys, [f"{i}:out" for i in acknowledged])
