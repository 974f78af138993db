"""pause.lua: a lane that an operator stops, and lets go on."""

import pytest


def pause(queue, lane="d", on=True):
    return queue.run("pause", lane, 1 if on else 0)


@pytest.mark.parametrize("delay", [0, 50])
@pytest.mark.parametrize("order", ["", "fifo"])
def test_nothing_is_claimed_until_it_goes_on(queue, delay, order):
    queue.put_simple("a", "b", delay=delay, order=order)
    assert pause(queue) == 1 and pause(queue) == 0, "the second time changes nothing"
    assert queue.claim() == [] and queue.wait_us > 3_000_000_000, "and nobody looks at it meanwhile"
    queue.put_simple("c", delay=delay, order=order)
    assert queue.claim() == []
    assert pause(queue, on=False) == 1 and pause(queue, on=False) == 0
    assert queue.claim()[0].id == "a:d"
    queue.check()


def test_what_is_in_flight_ends_and_retries_wait(queue):
    queue.put_simple("a", "b", "c")
    a, b = queue.claim(want=2)
    pause(queue)
    queue.settle(a, "done")
    queue.settle(b, "retry", wait_ms=0)
    assert queue.claim() == [] and queue.queued() == ["c:d", "b:d"]
    queue.check()
    pause(queue, on=False)
    assert [c.id for c in queue.claim()] == ["c:d", "b:d"]


def test_a_lane_can_be_stopped_before_it_has_work(queue):
    pause(queue)
    queue.put_simple("a")
    assert queue.claim() == []
    pause(queue, on=False)
    assert len(queue.claim()) == 1


def test_other_lanes_go_on(queue):
    queue.put_simple("a")
    queue.put_simple("b", lane="other")
    pause(queue)
    assert [c.id for c in queue.claim()] == ["b:d"]


def test_a_lost_clock_does_not_start_the_lane(queue):
    queue.put_simple("a")
    pause(queue)
    queue.r.delete(queue.key("lane:d"))
    queue.put_simple("b")
    assert queue.claim() == []


def test_the_circuit_is_another_thing(queue):
    """A result that opens or closes the circuit does not let the lane go on."""
    queue.put_simple("a", "b", order="fifo")
    (a,) = queue.claim(want=1)
    pause(queue)
    queue.settle(a, "done")
    assert queue.clock()["paused"] == "1" and queue.claim() == []


def test_going_on_wakes_dispatchers(queue):
    queue.put_simple("a")
    pause(queue)
    messages = queue.r.pubsub(ignore_subscribe_messages=True)
    messages.subscribe(queue.key("wake"))
    messages.get_message(timeout=1)
    pause(queue, on=False)
    assert messages.get_message(timeout=1)["data"] in ("d", b"d")
