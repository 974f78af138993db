"""A shard that takes calls and answers none, or late: the work of the other shards does not wait for it."""

import threading
import time
from collections import Counter

import pytest

from harness.exchange import Answer
from harness.outage import Outage
from harness.wait import wait_for

PATIENCE_MS = 30000  # of the programs with Redis: nothing here may take so long
PLACES = 4
RETRY_S = 4
STANDS_S, RUNS_S = 0.4, 0.1  # of the slow shard, again and again


@pytest.fixture
def silence(own):
    made = Silence(own)
    yield made
    made.node.resume()


class Silence:
    """A dispatcher with few places, and the shard of the second of three partitions, which is silent after begin()."""

    def __init__(self, own):
        self.sink, self.conf = own.sink, own.conf
        self.conf["redis"]["timeout_ms"] = PATIENCE_MS
        self.conf["dispatcher"]["concurrency"] = PLACES
        for destination in self.conf["destinations"].values():
            destination |= {"timeout_ms": PATIENCE_MS, "retry": {"schedule_s": [RETRY_S], "jitter": 0}}
        self.first, self.mine, self.other = own.names
        self.receiver = own.receiver(self.conf)
        self.dispatcher = own.dispatcher(self.conf, env={"HOOKPACE_LOG": "debug"})
        self.node = own.cluster.owner(own.base(1))
        for name in own.names:
            self.send(name, "first")
        self.wait_ended(len(own.names))

    def send(self, name, mark):
        ident = f"{mark}-{name}"
        assert self.receiver.post(f"/in/{name}", {"id": ident}).status == 200
        return ident

    def wait_ended(self, attempts):
        wait_for(lambda: len(self.dispatcher.logged("attempt.ended")) == attempts, 10, f"{attempts} attempts to end")

    def _last(self):
        """What the dispatcher logged last: a call of claim to the shard, its answer, or the end of an attempt."""
        for line in reversed(list(self.dispatcher.lines)):
            if line["msg"] == "attempt.ended" or (line.get("partition") == 1 and (line["msg"] == "claim.done" or line.get("script") == "claim")):
                return line["msg"]
        return None

    def begin(self):
        """The dispatcher asks for work once a second. Returns when it has asked the silent shard for work for all its places."""
        wait_for(lambda: self._last() == "claim.done", 5, "nothing to be under way")
        self.node.pause()
        wait_for(lambda: self._last() == "redis.call", 5, "a claim that nobody answers")


def test_its_claims_take_no_room_from_others(silence):
    """The claim is for all places of the dispatcher."""
    silence.begin()
    for n in range(10):
        silence.sink.wait_events([silence.send(name, f"e{n}") for name in (silence.first, silence.other)], PATIENCE_MS / 3000)


def test_what_it_grants_late_does_not_exceed_the_places(silence):
    """Its retries are due when it answers the claim, and others have nearly all places. What is too much goes back, and is sent later."""
    silence.sink.on(f"/{silence.mine}", *[500] * PLACES, 200)
    waiting = [silence.send(silence.mine, f"w{n}") for n in range(PLACES)]
    silence.wait_ended(3 + len(waiting))
    due = time.monotonic() + RETRY_S
    silence.begin()
    silence.sink.on(lambda request: request.event.startswith("h"), Answer(delay=2 * RETRY_S))
    taken = [silence.send(name, f"h{n}") for n, name in enumerate((silence.first, silence.other, silence.first))]
    silence.sink.wait_events(taken, PATIENCE_MS / 3000)
    wait_for(lambda: time.monotonic() > due, RETRY_S + 1)
    silence.node.resume()
    back = silence.dispatcher.wait_log("attempt.put_back", error="no_room")
    assert back["destination"] == silence.mine
    silence.sink.wait_count(3 + 2 * PLACES + len(taken), 20)


class Slow(threading.Thread):
    """NODE stands for STANDS_S and runs for RUNS_S, in turns, until end()."""

    def __init__(self, node):
        super().__init__()
        self.node, self.over = node, threading.Event()

    def run(self):
        while not self.over.is_set():
            self.node.pause()
            self.over.wait(STANDS_S)
            self.node.resume()
            self.over.wait(RUNS_S)

    def end(self):
        self.over.set()
        self.join()


def test_a_slow_shard_loses_nothing_and_delays_no_other(spread):
    """Its calls take up to 0.4 s. None is refused, none is repeated."""
    outage = Outage(spread)
    slow = Slow(outage.victim)
    try:
        outage.strike(slow.start)
        outage.senders.wait_more(outage.mine, 10, 60)
        before = {name: len(outage.senders.acknowledged([name])) for name in spread.names}
        outage.senders.wait_more(outage.mine, 10, 60)
        came = {name: len(outage.senders.acknowledged([name])) - before[name] for name in spread.names}
        slow.end()
        outage.judge()
    finally:
        slow.over.set()
        outage.victim.resume()
        outage.close()
    assert outage.senders.statuses(spread.names).keys() == {200}
    assert min(came[name] for name in outage.others) > max(came[name] for name in outage.mine), f"others wait too: {came}"
    assert set(Counter(r.delivery for r in spread.sink.all()).values()) == {1}
