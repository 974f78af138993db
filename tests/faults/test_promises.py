"""The promises of the README with the few faults that break a wrong implementation at once.

    nothing is acknowledged before Redis has it     a stopped and killed Redis, a killed receiver
    nothing claimed is lost                         a killed dispatcher
    what was claimed again is out of reach          a dispatcher that is stopped past its lease
    no two sends of a lane closer than its delay    three dispatchers, connections that take long to make

Quick, and of any build: HOOKPACE_BUILD=<build tree> pytest tests/faults/test_promises.py
"""

import random

import pytest

from harness.certs import Authority
from harness.downstream import Answer
from harness.rig import LEASE_S, PACED, QUICK, Rig, seed
from harness.wait import stays, wait_for

pytestmark = pytest.mark.redis(fsync="always")


# -- nothing is acknowledged before Redis has it --------------------------------------------------------------

def test_redis_stopped_and_killed_in_mid_request(stack):
    """Redis stops, requests come, Redis dies: whoever got a 200 must find the event after the restart."""
    rig = Rig(stack, "Redis stopped, then killed").start()
    rig.send("before")
    stack.redis.pause()
    sender = rig.load(count=20, threads=10, retry=False)
    sender.join(20)
    assert 200 not in sender.statuses, f"acknowledged while Redis stood still: {sender.statuses}"
    stack.redis.kill9()
    stack.redis.start()
    rig.healed()
    rig.judge()


def test_redis_killed_under_load(stack):
    Rig(stack, "Redis killed (always)").start().kill_redis_under_load()


def test_receiver_killed_under_load(stack):
    """The answer must not be ahead of the queue, and a repeat of what was queued is not queued again."""
    rig = Rig(stack, "receiver killed").start()
    rig.load(threads=6, pause=0.001)
    for _ in range(4):
        rig.wait_acknowledged(40)
        rig.receiver.kill9().start()
        rig.note_baseline(rig.receiver)
    rig.healed()
    rig.judge(duplicates=0)


# -- nothing claimed is lost ----------------------------------------------------------------------------------

def test_dispatcher_killed_with_work_in_hand(stack):
    rig = Rig(stack, "dispatcher killed with 8 in flight", lanes={QUICK: 0}).start(dispatchers=1)
    rig.sink.on(None, Answer(action="hang"))
    for n in range(8):
        rig.send(f"e{n}")
    rig.sink.wait_count(8)
    rig.dispatchers[0].kill9()
    assert len(rig.snapshot().inflight) == 8, "what is under way must be on record"
    assert not rig.snapshot().problems()
    rig.sink.clear_rules()
    rig.add_dispatcher()
    rig.healed()
    rig.judge(duplicates=0)


def test_dispatchers_killed_under_load(stack):
    """One of three, three times; a new one takes its place. Duplicates: at most what was in flight on it."""
    rig = Rig(stack, "dispatcher killed").start(dispatchers=3)
    rig.sink.default = Answer(delay=0.03)  # so that there is always something in flight
    rig.load(threads=4, pause=0.02)
    for n in range(3):
        rig.wait_arrivals(60)
        rig.dispatchers[n].kill9()
        rig.add_dispatcher()
    rig.healed()
    rig.judge(duplicates=3 * 17)


# -- what was claimed again is out of reach -------------------------------------------------------------------

@pytest.mark.parametrize("late", [500, 200])
def test_dispatcher_stopped_past_its_lease(stack, late):
    """It wakes up with a failure, or a success, to report, while another has the delivery in flight."""
    rig = Rig(stack, f"dispatcher stopped past its lease, late {late}", lanes={QUICK: 0}).start()
    rig.sink.on(lambda r: r.attempt == 1, Answer(status=late, delay=0.3))
    rig.sink.on(lambda r: r.attempt == 2, Answer(delay=0.6))
    rig.send("a")
    rig.sink.wait_count(1)
    stopped = rig.dispatchers[0]
    stopped.pause()
    rig.add_dispatcher()
    rig.sink.wait_count(2, LEASE_S + 3)
    stopped.resume()
    seen = []

    def over():
        delivery = stack.keys.delivery("a:quick")
        seen.append((delivery["state"], delivery["attempts"], len(rig.sink.all())))
        return seen[-1][0] == "done"
    wait_for(over, 5, "the other's delivery")
    assert set(seen) == {("inflight", "2", 2), ("done", "2", 2)}, "the late report was not fenced"
    assert len(seen) > 20, "the late report came too early or the other's too late to tell"
    stays(lambda: len(rig.sink.all()) == 2, 0.5, "nothing further to be sent")
    rig.healed()
    rig.judge(duplicates=1)


def test_dispatcher_stopped_before_it_sends(stack, tmp_path):
    """Stopped while it connects, until its window is over and another has sent: it must not send any more. Here its time
    for connecting is over too; test_crash_points stops it where only the window says so."""
    cert, key = Authority(tmp_path / "ca").good()
    slow = [0.25]
    sink = stack.downstream(cert=cert, key=key, handshake_delay=lambda: slow[0])
    rig = Rig(stack, "dispatcher stopped before it sends", lanes={PACED: 50}, sink=sink, verify_tls=False,
              connect_timeout_ms=3000).start()
    rig.send("a", PACED)
    wait_for(lambda: sink.connections == 1, 5, "the first to connect")
    stopped = rig.dispatchers[0]
    stopped.pause()
    slow[0] = 0
    rig.add_dispatcher()
    for n in range(5):
        rig.send(f"b{n}", PACED)
    rig.sink.wait_events({"a", "b4"}, 15)
    stopped.resume()
    rig.healed()
    rig.judge(duplicates=0)


# -- no two sends of a lane closer than its delay -------------------------------------------------------------

def test_pace_over_three_dispatchers_with_slow_connections(stack, tmp_path):
    """Every send makes a connection, which takes 0 to 150 ms: a slot that is taken when the delivery is claimed
    and not where it leaves would come out too close."""
    number = seed()
    print(f"HOOKPACE_SEED={number}")
    rng = random.Random(number)
    cert, key = Authority(tmp_path / "ca").good()
    sink = stack.downstream(cert=cert, key=key, handshake_delay=lambda: rng.uniform(0, 0.15))
    sink.default = Answer(close=True)
    lanes = {f"p{n}": 50 for n in range(3)}
    rig = Rig(stack, "slow connections, 3 dispatchers", lanes=lanes, sink=sink, verify_tls=False).start(dispatchers=3)
    rig.load(count=90, threads=2, pause=0).join()
    rig.sink.wait_events({f"e{n}" for n in range(90)}, 40)
    found = rig.judge()
    assert found.shortest_gap_ms < 20, "the lanes were not under load"
