"""A dispatcher that is gone is told from one that is only silent: how soon its work goes on, and how often it is sent twice.

Each test holds requests at the downstream while something happens to their dispatcher; another is there to take over. LEASE is long,
so that whatever comes back within it came back by presence."""

import time

import pytest

from harness import config
from harness.downstream import Answer
from harness.proxy import Proxy
from harness.wait import stays, wait_for

COUNT = 8
TIMEOUT_MS, LEASE_S = 30000, 34
SOON_S = 3.0


class Pair:
    """Two dispatchers, of which the first has COUNT requests in flight that are not answered yet."""

    def __init__(self, stack, through=None, delay_ms=0):
        self.stack, self.sink = stack, stack.downstream()
        self.conf = config.simple(stack.redis.url, self.sink.url(), timeout_ms=TIMEOUT_MS, connect_timeout_ms=1000, delay_ms=delay_ms)
        first = {**self.conf, "redis": {**self.conf["redis"], "url": f"redis://127.0.0.1:{through.port}/0"}} if through else self.conf
        self.held = True
        self.sink.on(lambda r: self.held and r.attempt == 1, Answer(action="hang"))
        self.receiver = stack.receiver(self.conf)
        self.first = stack.dispatcher(first)
        for n in range(COUNT):
            self.receiver.send(f"e{n}")
        self.sink.wait_count(COUNT)
        self.second = stack.dispatcher(self.conf)
        wait_for(lambda: len(stack.redis.client().hkeys("hookpace:{0}:present")) == 4, 5, "both to be present")

    def seconds_until_sent_again(self, timeout=LEASE_S + 6):
        start = time.monotonic()
        wait_for(lambda: len(self.sink.all()) >= 2 * COUNT, timeout, "the work to go on")
        return time.monotonic() - start

    def duplicates(self):
        return len(self.sink.all()) - COUNT


def note(fault, recovery, duplicates):
    print(f"presence: {fault}: recovery {recovery}, {duplicates} duplicates")


def test_killed(stack):
    pair = Pair(stack)
    pair.first.kill9()
    seconds = pair.seconds_until_sent_again()
    note("killed", f"{seconds:.1f} s", pair.duplicates())
    assert seconds < SOON_S
    wait_for(lambda: all(stack.keys.delivery(f"e{n}:out").get("state") == "done" for n in range(COUNT)))
    assert {stack.keys.delivery(f"e{n}:out")["attempts"] for n in range(COUNT)} == {"2"}


def test_killed_and_replaced(stack):
    """There was only one. The new one takes its claims back."""
    pair = Pair(stack)
    pair.second.term().wait(10)
    pair.first.kill9()
    stack.dispatcher(pair.conf)
    seconds = pair.seconds_until_sent_again()
    note("killed and replaced", f"{seconds:.1f} s", pair.duplicates())
    assert seconds < SOON_S + 0.5


@pytest.mark.parametrize("seconds", [5])
def test_stopped(stack, seconds):
    pair = Pair(stack)
    pair.first.pause()
    stays(lambda: pair.duplicates() == 0, seconds)
    pair.first.resume()
    stays(lambda: pair.duplicates() == 0, 2)
    note(f"stopped for {seconds} s", "-", pair.duplicates())


def test_cut_off(stack):
    """No packet passes for 5 s; it goes on sending."""
    proxy = Proxy(("127.0.0.1", stack.redis.port))
    try:
        pair = Pair(stack, proxy)
        proxy.partition()
        stays(lambda: pair.duplicates() == 0, 5)
        proxy.heal()
        stays(lambda: pair.duplicates() == 0, 4)
        note("cut off for 5 s", "-", pair.duplicates())
    finally:
        proxy.close()


def test_closed_and_refused(stack):
    """Its connections to Redis are reset, and new ones refused, for 5 s. To Redis that looks like a death."""
    proxy = Proxy(("127.0.0.1", stack.redis.port))
    try:
        pair = Pair(stack, proxy)
        proxy.refuse = True
        proxy.reset_all()
        pair.second.wait_log("dispatcher.absent", alive_here="yes")
        stays(lambda: pair.duplicates() == 0, 5)
        proxy.heal()
        stays(lambda: pair.duplicates() == 0, 4)
        note("reset and refused for 5 s", "-", pair.duplicates())
    finally:
        proxy.close()


@pytest.mark.parametrize("how", ["stopped", "restarted"])
def test_redis_was_away(stack, how):
    pair = Pair(stack)
    if how == "stopped":
        stack.redis.pause()
        time.sleep(10)
        stack.redis.resume()
    else:
        stack.redis.kill9()
        stack.redis.start()
    stays(lambda: pair.duplicates() == 0, 4)
    note(f"Redis {how}", "-", pair.duplicates())
    pair.first.kill9()
    seconds = pair.seconds_until_sent_again()
    assert seconds < SOON_S, "both have registered again"


def test_connections_killed_by_an_operator(stack):
    pair = Pair(stack)
    for kind in ("normal", "pubsub"):
        stack.redis.client().execute_command("CLIENT", "KILL", "TYPE", kind)
    stays(lambda: pair.duplicates() == 0, 4)
    note("CLIENT KILL", "-", pair.duplicates())
