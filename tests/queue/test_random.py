"""The invariants of docs/queue.md under random calls, and pacing under concurrent dispatchers."""

import os
import random
import threading
import time

import pytest

from scripts import Queue

SEEDS = [int(os.environ["HOOKPACE_SEED"])] if "HOOKPACE_SEED" in os.environ else [1, 2, 3]
DESTINATIONS = {"a": ("a", 0, ""), "b": ("b", 50, ""), "c": ("shared", 100, ""), "d": ("shared", 0, ""),
                "e": ("e", 0, "fifo"), "f": ("f", 50, "fifo")}

LEASE_MS = 60


class World:
    """Random producers and dispatchers; knows what must have become of every delivery."""

    def __init__(self, queue, rng):
        self.queue, self.rng = queue, rng
        self.held, self.abandoned = [], []
        self.expected = set()   # every delivery that was ever accepted
        self.over = {}          # id -> done or dead, as a settle that was recorded said
        self.leases = {}        # id -> (fence, when its lease may run out at the earliest)
        self.resent = {}        # id -> last fence given out before it was queued again
        self.counter = 0

    def ids(self):
        prefix = self.queue.key("delivery:")
        return {key[len(prefix):] for key in self.queue.r.keys(prefix + "*")}

    def put(self):
        events = []
        for _ in range(self.rng.randint(1, 6)):
            id = f"e{self.counter}"
            self.counter += self.rng.random() < 0.9
            to = self.rng.sample(sorted(DESTINATIONS), self.rng.randint(1, 3))
            body = self.rng.choice(["x", "y"]) * self.rng.randint(1, 50)
            events.append((to, self.queue.event(id, *[(d, DESTINATIONS[d][0], self.rng.choice([0, 50, DESTINATIONS[d][1]]),
                                                       DESTINATIONS[d][2]) for d in to], body=body, to=to)))
        before = self.ids()
        results = self.queue.put(*[e for _, e in events])
        new = self.ids() - before
        assert len(new) == sum(len(to) for (to, _), r in zip(events, results) if r[0] == 0)
        self.expected |= new

    def claim(self):
        asked = time.monotonic()
        for c in self.queue.claim(want=self.rng.randint(0, 8), most_bytes=self.rng.choice([60, 1 << 20])):
            fence, until = self.leases.get(c.id, (0, 0))
            assert c.fence > fence and time.monotonic() >= until, "claimed while another holds it"
            self.leases[c.id] = (c.fence, asked + (LEASE_MS - 1) / 1000)  # they end at a whole millisecond
            assert c.id not in self.over, "claimed although it is over"
            (self.abandoned if self.rng.random() < 0.15 else self.held).append(c)

    def sent(self):
        if self.held:
            self.queue.sent(*self.rng.sample(self.held, self.rng.randint(1, min(4, len(self.held)))))

    def settle(self):
        late = self.abandoned and self.rng.random() < 0.2
        pool = self.abandoned if late else self.held
        if not pool:
            return
        c = pool.pop(self.rng.randrange(len(pool)))
        verdict = self.rng.choice(["done", "done", "done", "retry", "dead", "release", "defer"])
        answer = self.queue.settle(c, verdict, wait_ms=self.rng.choice([0, 1, 20, 80]), status=self.rng.choice([0, 200, 500]),
                                   left=self.rng.randint(0, 1), unreachable=int(self.rng.random() < 0.05))
        if self.rng.random() < 0.3:
            self.abandoned.append(c)  # the answer was lost: it is told again, or something else is
        if answer:
            self.leases.pop(c.id, None)
            assert c.fence > self.resent.get(c.id, 0), "a result of before the resend"
        if answer and verdict in ("done", "dead"):
            assert c.id not in self.over, "over twice"
            self.over[c.id] = verdict

    def resend(self):
        """Of some tasks, what is over at this moment and nothing else."""
        names = sorted({id.rsplit(":", 1)[0] for id in self.expected})
        for name in self.rng.sample(names, min(len(names), self.rng.randint(0, 2))):
            before = self.queue.places()
            fence = int(self.queue.r.get(self.queue.key("fences")) or 0)
            self.queue.run("resend", "", self.queue.dead_ms, name)
            for id, place in self.queue.places().items():
                again = id.rsplit(":", 1)[0] == name and before[id] in (["done"], ["dead"])
                assert place == (["queued"] if again else before[id]), (id, before[id], place)
                if again:
                    self.over.pop(id, None)
                    self.resent[id] = fence

    def step(self):
        self.rng.choice([self.put, self.claim, self.claim, self.sent, self.settle, self.settle, self.settle] * 4 +
                        [self.resend])()

    def check(self):
        places = self.queue.check()
        assert set(places) == self.expected, "something was lost or invented"
        for id, verdict in self.over.items():
            assert places[id] == [verdict], (id, places[id], verdict)


def limits(queue):
    for d in DESTINATIONS:
        queue.limits(**{d: (5, LEASE_MS, 30, 4)})


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
        if all(where in (["done"], ["dead"]) for where in places.values()):
            break
        assert time.monotonic() < deadline, "work that never ends: " + str(
            {i: w for i, w in places.items() if w not in (["done"], ["dead"])})
        if queue.wait_us:
            time.sleep(min(max(queue.wait_us, 0), 20000) / 1e6)
    assert set(places) == world.expected


@pytest.mark.parametrize("seed", SEEDS)
def test_partitions_keep_to_themselves(queue, seed):
    """Random calls on three partitions of one Redis and on another prefix: each script touches its own keys alone."""
    rng = random.Random(seed)
    queues = [queue] + [Queue(queue.r, partition=n) for n in (1, 2)] + [Queue(queue.r, prefix="hookpace2")]
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
