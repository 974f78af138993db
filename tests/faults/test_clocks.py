"""Clocks that are set while everything runs: Redis', which paces the lanes, and the dispatcher's own."""

import json
import struct
import time

import pytest

from harness import config, oracle, paths, sign
from harness.rig import CONNECT_MS, PACED, Rig
from harness.stack import Stack
from harness.wait import wait_for

HOUR = 3600.0
SECRET = "secret-of-the-clocks"
WINDOW_S = CONNECT_MS / 1000 + 1    # the send window: connect_timeout + 1 s


class Clock:
    """A wall clock of one process: ENV goes into its environment, set(seconds) shifts it."""

    def __init__(self, path):
        self.path = path
        self.set(0)
        self.env = {"LD_PRELOAD": str(paths.tool("shift_clock.so")), "SHIFT_CLOCK": str(path),
                    "ASAN_OPTIONS": "verify_asan_link_order=0"}

    def set(self, seconds):
        data = struct.pack("=q", int(seconds * 1e6))
        if not self.path.exists():
            self.path.write_bytes(data)
        else:
            with open(self.path, "r+b") as file:
                file.write(data)


@pytest.fixture
def clock(tmp_path):
    return Clock(tmp_path / "clock")


@pytest.fixture
def shifted(tmp_path, clock):
    """A stack whose Redis goes by CLOCK."""
    stack = Stack(tmp_path, fsync="always", env=clock.env)
    stack.redis.start()
    assert abs(stack.redis.client().time()[0] - time.time()) < 5
    yield stack
    stack.close()


def short_gaps(rig):
    of_lane = [r for r in rig.sink.all() if r.path == f"/{PACED}"]
    return [g for g in oracle.gaps_ms(of_lane) if g < rig.lanes[PACED] - oracle.ARRIVAL_JITTER_MS], \
        max(oracle.gaps_ms(of_lane)) / 1000


@pytest.mark.parametrize("by", [-HOUR, -5.0, -0.02])
def test_the_clock_of_redis_is_set_back(shifted, clock, by):
    """A lane waits one send window and two delays more at most; no gap is too short."""
    rig = Rig(shifted, f"Redis' clock set back by {-by:g} s").start(dispatchers=2)
    rig.load(threads=4, pause=0.02)
    rig.wait_arrivals(60)
    clock.set(by)
    rig.wait_arrivals(60)
    rig.healed(WINDOW_S + 1)
    wait_for(lambda: sum(r.path == f"/{PACED}" for r in rig.sink.all()) > 25, 10, "the lane to go on")
    rig.judge()
    short, longest = short_gaps(rig)
    assert not short and longest < WINDOW_S + 0.3, (short, longest)


@pytest.mark.parametrize("by", [HOUR, 5.0])
@pytest.mark.parametrize("dispatchers", [1, 2])
def test_the_clock_of_redis_is_set_forward(shifted, clock, by, dispatchers):
    """All leases are over at once: what is in flight is sent again. One gap a lane may be short, with a single
    dispatcher none: it knows better when it last sent."""
    rig = Rig(shifted, f"Redis' clock set forward by {by:g} s, {dispatchers} dispatchers").start(dispatchers)
    rig.load(threads=4, pause=0.02)
    rig.wait_arrivals(60)
    clock.set(by)
    rig.wait_arrivals(60)
    rig.healed()
    rig.judge(duplicates=17 * dispatchers, gaps=dispatchers == 1)
    short, _ = short_gaps(rig)
    assert len(short) <= (0 if dispatchers == 1 else 1), short


def test_the_clock_of_a_dispatcher_is_set(stack, clock):
    """It measures by another clock: nothing happens."""
    rig = Rig(stack, "the dispatcher's clock set by an hour, back and forth")
    rig.start_receiver()
    rig.add_dispatcher(env=clock.env)
    rig.load(threads=4, pause=0.02)
    for by in (HOUR, -HOUR, 0):
        rig.wait_arrivals(40)
        clock.set(by)
    rig.healed(1)
    rig.judge()
    assert {r.attempt for r in rig.sink.all()} == {1}


def test_the_clock_of_a_receiver_is_set(stack, clock):
    """Signatures with a time are too old, or of the future, and are taken again when it is right; nothing else notices."""
    rig = Rig(stack, "the receiver's clock set by an hour, back and forth")
    rig.conf["sources"]["signed"] = config.source([], "stripe", [SECRET])
    rig.start_receiver(env=clock.env)
    rig.add_dispatcher()
    rig.load(threads=4, pause=0.02)

    def signed():
        body = json.dumps({"id": f"signed{time.monotonic_ns()}"}).encode()
        answer = rig.receiver.post("/in/signed", body, sign.headers("stripe", SECRET, body))
        return answer.status, answer.code
    for by, said in ((HOUR, (401, "stale_timestamp")), (-HOUR, (401, "stale_timestamp")), (0, (200, None))):
        rig.wait_acknowledged(40)
        clock.set(by)
        assert signed() == said, by
    rig.healed(1)
    rig.judge(counts=False)  # of what is signed the senders know nothing
    assert {r.attempt for r in rig.sink.all()} == {1}
    assert set(rig.senders[0].statuses) == {200}
