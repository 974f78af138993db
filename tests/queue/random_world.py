"""Random producers and dispatchers of a queue."""

import time

from task_calls import resend_views

DESTINATIONS = {"a": ("a", 0, ""), "b": ("b", 50, ""), "c": ("shared", 100, ""), "d": ("shared", 0, ""),
                "e": ("e", 0, "fifo"), "f": ("f", 50, "fifo"), "g": ("acme", 0, ""), "h": ("acme", 50, "")}
URLS = ["http://one.example/", "https://two.example/x", "http://two.example/"]

LEASE_MS = 60


class Dispatchers:
    """What they have claimed: held, or given up and perhaps reported later all the same. No claim may break a lease."""

    def __init__(self, queue, rng):
        self.queue, self.rng = queue, rng
        self.held, self.abandoned = [], []
        self.leases = {}        # id -> (fence, when its lease may run out at the earliest)

    def claimed(self, c, asked):
        """C came by a call of the moment ASKED."""
        fence, until = self.leases.get(c.id, (0, 0))
        assert c.fence > fence and time.monotonic() >= until, "claimed while another holds it"
        self.leases[c.id] = (c.fence, asked + (LEASE_MS - 1) / 1000)  # they end at a whole millisecond
        (self.abandoned if self.rng.random() < 0.15 else self.held).append(c)

    def sent(self):
        if self.held:
            self.queue.sent(*self.rng.sample(self.held, self.rng.randint(1, min(4, len(self.held)))))

    def pick(self):
        """The claim to report next, or None."""
        late = self.abandoned and self.rng.random() < 0.2
        pool = self.abandoned if late else self.held
        return pool.pop(self.rng.randrange(len(pool))) if pool else None


class World(Dispatchers):
    """Random producers too; knows what must have become of every delivery."""

    def __init__(self, queue, rng):
        super().__init__(queue, rng)
        self.expected = set()   # every delivery that was ever accepted
        self.over = {}          # id -> done or dead, as a settle that was recorded said; or dropped
        self.resent = {}        # id -> last fence given out before it was queued again
        self.counter = 0
        self.failing = rng.choice([0.05, 0.7])  # share of results that say that the host could not be reached

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
                                                       DESTINATIONS[d][2]) for d in to], body=body, to=to, url=self.rng.choice(URLS))))
        before = self.ids()
        results = self.queue.put(*[self.queue.staged(e) if self.rng.random() < 0.2 else e for _, e in events])
        assert not self.queue.r.keys(self.queue.key("staged:*"))
        new = self.ids() - before
        assert len(new) == sum(len(to) for (to, _), r in zip(events, results) if r[0] == 0)
        self.expected |= new

    def claim(self):
        asked = time.monotonic()
        for c in self.queue.claim(want=self.rng.randint(0, 8), most_bytes=self.rng.choice([60, 1 << 20])):
            assert c.id not in self.over, "claimed although it is over"
            self.claimed(c, asked)

    def settle(self):
        c = self.pick()
        if c is None:
            return
        verdict = self.rng.choice(["done", "done", "done", "retry", "dead", "release", "defer", "wait"])
        told = (self.rng.choice([0, 1, 20, 80]), self.rng.choice(["retry", "dead"])) if verdict == "wait" else None
        answer = self.queue.settle(c, verdict, wait_ms=self.rng.choice([0, 1, 20, 80]), status=self.rng.choice([0, 200, 500]),
                                   left=self.rng.randint(0, 1), unreachable=int(not told and self.rng.random() < self.failing), told=told)
        if self.rng.random() < 0.3:
            self.abandoned.append(c)  # the answer was lost: it is told again, or something else is
        if answer:
            self.leases.pop(c.id, None)
            assert c.fence > self.resent.get(c.id, 0), "a result of before the resend"
        if answer and verdict in ("done", "dead"):
            assert c.id not in self.over, "over twice"
            self.over[c.id] = verdict

    def resend(self):
        """Of some tasks, what is over or waits for a retry, and nothing else."""
        names = sorted({id.rsplit(":", 1)[0] for id in self.expected})
        for name in self.rng.sample(names, min(len(names), self.rng.randint(0, 2))):
            before = self.queue.places()
            fence = int(self.queue.r.get(self.queue.key("fences")) or 0)
            resend_views(self.queue, "", name)
            for id, place in self.queue.places().items():
                again = id.rsplit(":", 1)[0] == name and before[id] in (["done"], ["dead"], ["dropped"], ["retry"])
                assert place == (["queued"] if again else before[id]), (id, before[id], place)
                if again:
                    self.over.pop(id, None)
                    self.resent[id] = fence

    def act(self):
        """An operator resends or drops one delivery, and nothing else moves."""
        if not self.expected:
            return
        id, before = self.rng.choice(sorted(self.expected)), self.queue.places()
        if self.rng.random() < 0.5:
            to, may = "queued", before[id] in (["done"], ["dead"], ["dropped"], ["retry"])
            answer = self.queue.redo(id)
        else:
            to, may = "dropped", before[id] in (["queued"], ["retry"], ["dead"])
            answer = self.queue.drop(id, self.rng.choice([0, 1, 100]))
        assert answer == (("done", to) if may else ("refused", before[id][0]))
        assert self.queue.places() == ({**before, id: [to]} if may else before)
        if may and to == "queued":
            self.over.pop(id, None)
            self.resent[id] = int(self.queue.r.get(self.queue.key("fences")) or 0)
        elif may:
            self.over[id] = "dropped"

    def step(self):
        self.rng.choice([self.put, self.claim, self.claim, self.sent, self.settle, self.settle, self.settle] * 4 +
                        [self.resend, self.act, self.act])()

    def check(self):
        places = self.queue.check()
        assert set(places) == self.expected, "something was lost or invented"
        for id, verdict in self.over.items():
            assert places[id] == [verdict], (id, places[id], verdict)


def limits(queue):
    for d in DESTINATIONS:
        queue.limits(**{d: (5, LEASE_MS, 30, 4, "b" if d in "gh" else "-", int(d in "cd"))})
