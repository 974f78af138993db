"""presence.lua: the claims of a dispatcher that is gone come back at once, and nobody else's do."""

import time

import pytest

from harness.wait import wait_for

GONE_S, GAP_S = 1.4, 1.0


class Dispatcher:
    """A dispatcher's lifeline and its calls."""

    def __init__(self, server, queue, name):
        self.server, self.queue, self.name = server, queue, name
        self.slot, self.lifeline = 0, None
        self.connect()

    def connect(self):
        client = self.server.client()
        self.lifeline = client.pubsub()
        self.lifeline.subscribe(self.queue.key(f"present:{self.name}"))
        wait_for(lambda: self.lifeline.get_message(timeout=0.1))

    def look(self, run="run", alive=()):
        self.slot = self.queue.look(self.name, run, alive)
        return self.slot

    def claim(self, **how):
        return self.queue.claim(slot=self.slot, **how)

    def die(self):
        self.lifeline.close()
        channel = self.queue.key(f"present:{self.name}")
        wait_for(lambda: self.queue.r.pubsub_numsub(channel)[0][1] == 0)


@pytest.fixture
def world(redis_server, queue):
    made = []

    def make(name):
        made.append(Dispatcher(redis_server, queue, name))
        made[-1].look()
        return made[-1]
    yield make
    for d in made:
        d.lifeline.close()


def watch(watcher, seconds, every=0.2, **how):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        watcher.look(**how)
        time.sleep(every)


def states(queue, *names):
    return [queue.delivery(f"{n}:d")["state"] for n in names]


def test_the_claims_of_who_is_gone_come_back(queue, world):
    a, b = world("a"), world("b")
    assert (a.slot, b.slot) == (1, 2)
    queue.put_simple("x", "y", "z")
    assert len(a.claim(want=2)) == 2
    b.claim(want=1)
    a.die()
    start = time.monotonic()
    while states(queue, "x", "y") != ["queued", "queued"]:
        b.look()
        queue.check()
        assert time.monotonic() - start < GONE_S + 1
        time.sleep(0.1)
    assert time.monotonic() - start > GONE_S - 0.1
    assert states(queue, "z") == ["inflight"], "of a dispatcher that is there"
    assert queue.delivery("x:d")["attempts"] == "1" and queue.delivery("x:d")["last_error"] == "lease_expired"
    watch(b, 0.5)
    assert queue.r.hkeys(queue.key("present")) == ["last", "2"] or set(queue.r.hkeys(queue.key("present"))) == {"last", "2"}
    assert len(b.claim()) == 2


def test_who_is_there_keeps_its_claims_however_long_it_is_silent(queue, world):
    a, b = world("a"), world("b")
    queue.put_simple("x")
    a.claim()
    watch(b, GONE_S * 2)
    assert states(queue, "x") == ["inflight"] and b.queue.absent == []


def test_who_comes_back_in_time_keeps_its_claims(queue, world):
    a, b = world("a"), world("b")
    queue.put_simple("x")
    a.claim()
    a.die()
    watch(b, GONE_S * 0.6)
    assert b.queue.absent == ["a"]
    a.connect()
    watch(b, GONE_S)
    assert states(queue, "x") == ["inflight"] and b.queue.absent == []
    assert a.look() == 1


def test_time_in_which_nobody_looked_does_not_count(queue, world):
    """Redis stood still, or every dispatcher did: whoever is absent must have had the time to come back."""
    a, b = world("a"), world("b")
    queue.put_simple("x")
    a.claim()
    a.die()
    b.look()
    time.sleep(GONE_S + GAP_S)
    b.look()
    assert states(queue, "x") == ["inflight"]
    watch(b, GONE_S + 0.4)
    assert states(queue, "x") == ["queued"]


def test_a_row_of_another_run_of_redis_says_nothing(queue, world):
    a, b = world("a"), world("b")
    queue.put_simple("x")
    a.claim()
    a.die()
    watch(b, GONE_S * 2, run="another")
    assert states(queue, "x") == ["inflight"]
    a.connect()
    assert a.look(run="another") == 1
    a.die()
    watch(b, GONE_S + 0.4, run="another")
    assert states(queue, "x") == ["queued"]


def test_who_was_found_alive_keeps_its_claims(queue, world):
    a, b = world("a"), world("b")
    queue.put_simple("x")
    a.claim()
    a.die()
    watch(b, GONE_S * 2, alive=["a"])
    assert states(queue, "x") == ["inflight"] and b.queue.absent == ["a"]


def test_a_dispatcher_whose_lifeline_is_not_there_has_no_slot(queue):
    assert queue.look("nobody") == 0 and not queue.r.exists(queue.key("present"))
    queue.put_simple("x")
    assert len(queue.claim()) == 1


def test_its_own_look_says_that_it_lives(queue, world):
    a, b = world("a"), world("b")
    queue.put_simple("x")
    a.claim()
    a.die()
    end = time.monotonic() + GONE_S * 2
    while time.monotonic() < end:
        b.look()
        assert a.look() == 0
        time.sleep(0.2)
    assert states(queue, "x") == ["inflight"]


def test_pace_and_concurrency_hold(queue, world):
    a, b = world("a"), world("b")
    queue.limits(d=(1, 10000, 2000, 8))
    queue.put_simple("x", "y", delay=100)
    (x,) = a.claim()
    assert b.claim() == []
    a.die()
    while states(queue, "x") != ["queued"]:
        before = time.monotonic()
        b.look()
        time.sleep(0.02)
    assert queue.r.hgetall(queue.key("busy")) == {}
    (c,) = queue.claim_until()
    assert time.monotonic() - before > 0.09, "its request may have left this moment"
    assert queue.settle(x, "retry", wait_ms=1) == 0, "fenced"
    queue.check()


def test_many_claims_come_back_over_several_looks(queue, world):
    a, b = world("a"), world("b")
    queue.limits(d=(1000, 10000, 2000, 8))
    queue.put_simple(*[f"e{n}" for n in range(400)])
    held = []
    for n in range(20):
        held += (a, b)[n % 2].claim(want=20)
    a.die()
    watch(b, GONE_S)
    looks = 0
    while (at := queue.r.zcard(queue.key("inflight"))) > 200:
        b.look()
        looks += 1
        assert at - queue.r.zcard(queue.key("inflight")) <= 50
        assert looks < 60
        time.sleep(0.02)
    queue.check()
    watch(b, 0.5)
    assert queue.r.zcard(queue.key("inflight")) == 200 and not queue.r.hexists(queue.key("present"), "1")


def test_more_dispatchers_than_slots(queue, redis_server):
    many = [Dispatcher(redis_server, queue, f"d{n}") for n in range(130)]
    slots = [d.look() for d in many]
    assert slots == [*range(1, 128), 0, 0, 0]
    queue.put_simple("x")
    assert len(many[-1].claim()) == 1
    for d in many:
        d.lifeline.close()


def test_a_slot_is_not_used_again_soon(queue, world):
    a, b = world("a"), world("b")
    a.die()
    watch(b, GONE_S + 0.6)
    assert not queue.r.hexists(queue.key("present"), "1")
    assert world("c").slot == 3
