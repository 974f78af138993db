"""The invariants of docs/internals/queue.md under random calls, and pacing under concurrent dispatchers."""

import os
import random
import threading
import time

import pytest

from random_world import World, limits
from scripts import Queue

SEEDS = [int(os.environ["HOOKPACE_SEED"])] if "HOOKPACE_SEED" in os.environ else [1, 2, 3]


@pytest.mark.parametrize("seed", SEEDS)
def test_invariants_under_random_calls(queue, seed):
    print(f"HOOKPACE_SEED={seed}")
    limits(queue)
    world = World(queue, random.Random(seed))
    for i in range(300):
        world.step()
        if i % 40 == 0:
            queue.r.script_flush()
        if i % 5 == 0:
            world.check()
    # Everything that was accepted ends, whatever was abandoned on the way.
    world.held.clear()
    deadline = time.monotonic() + 60
    while True:
        for c in queue.claim(want=50):
            if queue.settle(c, "done"):
                world.over[c.id] = "done"
        places = queue.places()
        if all(where in (["done"], ["dead"], ["dropped"]) for where in places.values()):
            break
        assert time.monotonic() < deadline, "work that never ends: " + str(
            {i: w for i, w in places.items() if w not in (["done"], ["dead"], ["dropped"])})
        if queue.wait_us:
            time.sleep(min(max(queue.wait_us, 0), 20000) / 1e6)
    assert set(places) == world.expected


@pytest.mark.parametrize("seed", SEEDS)
def test_partitions_keep_to_themselves(queue, seed):
    """Random calls on three partitions of one Redis and on another prefix: each script touches its own keys alone."""
    rng = random.Random(seed)
    queues = [queue] + [Queue(queue.r, tag=n) for n in (1, 2)] + [Queue(queue.r, prefix="hookpace2")]
    worlds = [World(q, rng) for q in queues]
    for q in queues:
        limits(q)
    for i in range(160):
        world = rng.choice(worlds)
        if i % 8:
            world.step()
            continue
        before = {key: queue.r.dump(key) for key in queue.r.keys("*") if not key.startswith(world.queue.base)}
        world.step()
        assert before == {key: queue.r.dump(key) for key in queue.r.keys("*") if not key.startswith(world.queue.base)}
        for w in worlds:
            w.check()


def dispatcher(redis_server, log, stop, rng):
    """Claims, stumbles, sends, reports, settles. Dies now and then with what it holds."""
    client = redis_server.client()
    queue = Queue(client)
    while not stop.is_set():
        before = time.monotonic()
        claims = queue.claim(want=4)
        for c in claims:
            time.sleep(rng.choice([0, 0, 0.005, 0.03]))            # connecting
            if rng.random() < 0.05:
                continue                                            # killed before the request left
            if time.monotonic() - before > c.window_ms / 1000:
                queue.settle(c, "release", status=0, left=0)        # too late: the window is over
                continue
            log.append((time.monotonic(), c.lane, c.delay_ms))
            if rng.random() < 0.05:
                continue                                            # killed after it left
            if rng.random() < 0.06:
                time.sleep(rng.choice([0.16, 0.3, 0.45]))           # stopped past its window, or its lease: reports late
            queue.sent(c)
            queue.settle(c, "done")
        if not claims:
            time.sleep(min(max(queue.wait_us, 0), 20000) / 1e6)
    client.close()


@pytest.mark.parametrize("count", [1, 3])
def test_no_gap_is_too_short(queue, redis_server, count):
    """Concurrent dispatchers that stumble and die; every gap on every lane is kept."""
    for lane in ("x", "y"):
        queue.limits(**{lane: (50, 400, 150, 50)})
    for i in range(60):
        queue.put_simple(f"x{i}", destination="x", lane="x", delay=50)
        queue.put_simple(f"y{i}", destination="y", lane="y", delay=random.Random(i).choice([0, 50, 100]))
    log, stop = [], threading.Event()
    threads = [threading.Thread(target=dispatcher, args=(redis_server, log, stop, random.Random(i)))
               for i in range(count)]
    for t in threads:
        t.start()
    deadline = time.monotonic() + 40
    try:
        while queue.r.zcard(queue.key("lanes")) + queue.r.zcard(queue.key("inflight")) > 0:
            assert time.monotonic() < deadline, "the backlog does not drain"
            time.sleep(0.05)
    finally:
        stop.set()
        for t in threads:
            t.join()
    assert set(map(tuple, queue.places().values())) == {("done",)}
    for lane in ("x", "y"):
        events = sorted(e for e in log if e[1] == lane)
        short = [(b[0] - a[0], b[2]) for a, b in zip(events, events[1:]) if b[0] - a[0] < b[2] / 1000]
        assert not short, f"{len(short)} of {len(events)} gaps too short: {short[:5]}"
