"""Writes very many tasks of one account straight into Redis, as the scripts would have left them (docs/internals/queue.md)."""

import hashlib
import json
import time

HOUR_MS = 3600000
SPAN = 24            # hours of one key
YEAR_HOURS = 8760
PUT = 8              # ids of one put
FAN = 64             # webhooks of the tasks that have many
CHUNK = 1000


def tag(path) -> str:
    """What a member of `ready` and `failed` begins with."""
    parts = [hashlib.sha1(segment.encode()).hexdigest()[:2] for segment in path.split("/") if segment][:3]
    return "".join(parts).ljust(6, "-")


class Stored:
    """LISTED tasks of the account `acme` over PATHS paths, the first READY of them done and not fetched, the others delivered by a
    postback; FAILURES failed attempts of each kind; counts of every hour of YEARS; FANNED tasks with 64 dead webhooks each; OPENED more tasks without their results, of which the
    leases of the first ENDED have ended."""

    def __init__(self, client, paths, ready, listed, failures, years, fanned=20, opened=0, ended=0, base="hookpace:{0}:"):
        self.client, self.base = client, base
        self.opened, self.ended = opened, ended
        self.paths, self.ready, self.listed, self.failures, self.fanned = paths, ready, listed, failures, fanned
        self.hours = years * YEAR_HOURS - 48
        self.keep_ms = years * YEAR_HOURS * HOUR_MS
        self.now = int(time.time() * 1000)
        self.fetched = self.hours

    def path(self, n) -> str:
        return f"serp/engine{n % 10}/kind{n}"

    def id(self, i) -> str:
        return f"{i:08x}-6c3e-7b1f-8d2a-5f0e9c7d1a42"

    def at(self, i) -> int:
        """When the task was accepted, and when it was done: ten in a millisecond."""
        return self.now - 1800000 + i // 10

    def ready_ids(self, path=None, merged=False) -> list:
        """In the order in which they are listed: of PATH, or all. MERGED: of a beginning that all paths share. Tasks of one
        millisecond are then in the order of their ids, else in that of their paths' tags."""
        mine = range(self.ready) if path is None else range(path, self.ready, self.paths)
        return [self.id(i) for i in sorted(mine, key=lambda i: (self.at(i), "" if merged else tag(self.path(i % self.paths)), self.id(i)))]

    def posted_ids(self) -> list:
        return [self.id(i) for i in range(self.listed)]

    def fanned_ids(self) -> list:
        return [f"fan{i}" for i in range(self.fanned)]

    # --- writing ---
    def fill(self):
        for first in range(0, self.listed, CHUNK):
            self._tasks(range(first, min(first + CHUNK, self.listed)))
        self._hours()
        self._failures()
        for ident in self.fanned_ids():
            self._fanned(ident)
        for first in range(0, self.opened, CHUNK):
            self._open(range(first, min(first + CHUNK, self.opened)))

    def key(self, name) -> str:
        return self.base + name

    def _record(self, at, path, destinations) -> str:
        body = json.dumps({"id": "x", "result": "y" * 100})
        to = f"o {' '.join(destinations)}\n" if destinations else ""
        return f"hp1 {at} 00ff00ff00ff00ff task acme {len(body)} -\np {path}\n{to}\n{body}"

    def _tasks(self, numbers):
        with self.client.pipeline(transaction=False) as pipe:
            for i in numbers:
                self._task(pipe, i)
            for first in range(numbers[0], numbers[-1] + 1, PUT):
                ids = [self.id(i) for i in range(first, min(first + PUT, numbers[-1] + 1))]
                for scope in ("", "@acme"):
                    pipe.execute_command("XADD", self.key("posted" + scope), f"{self.at(first)}-{first}", "ids", " ".join(ids))
            ready = {tag(self.path(i % self.paths)) + self.id(i): self.at(i) for i in numbers if i < self.ready}
            for scope in ("", "@acme") if ready else ():
                pipe.zadd(self.key("ready" + scope), ready)
                pipe.zadd(self.key("ready:paths" + scope), {f"{m[:6]}{at:011x}{m[6:]}": 0 for m, at in ready.items()})
            pipe.execute()

    def _task(self, pipe, i):
        """Every second ready one has no webhook; the other has a pingback that arrived."""
        to = ["postback@acme"] if i >= self.ready else ["pingback@acme"] if i % 2 else []
        pipe.set(self.key("event:" + self.id(i)), self._record(self.at(i), self.path(i % self.paths), to))
        for destination in to:
            pipe.execute_command("HSET", self.key(f"delivery:{self.id(i)}:{destination}"), "state", "done", "kind", destination.split("@")[0], "account", "acme", "destination", destination, "lane", "acme",
                                 "delay_ms", "0", "attempts", "1", "requeues", "0", "accepted_at", self.at(i), "ended_at", self.at(i))

    def open_ids(self) -> list:
        return [f"open{i:07d}" for i in range(self.opened)]

    def _open(self, numbers):
        at = (self.now - 60000) * 1000 - self.opened
        with self.client.pipeline(transaction=False) as pipe:
            for i in numbers:
                ident = f"open{i:07d}"
                data = json.dumps({"api": "serp", "function": "task_post", "keyword": "k" * 300})
                pipe.set(self.key("event:" + ident), f"hp1 {self.now} 00ff00ff00ff00ff task acme 0 w\np {self.path(i % self.paths)}\nd {data}\n\n")
                pipe.set(self.key("plan:" + ident), f"{at + i} acme\n")
            for name, members in (("taken", {f"open{i:07d}": i for i in numbers if i < self.ended}),
                                  ("open", {f"open{i:07d}": at + i for i in numbers if i >= self.ended})):
                for scope in ("", "@acme") if members else ():
                    pipe.zadd(self.key(name + scope), members)
            pipe.execute()

    def _hours(self):
        spans = {}
        now_hour = self.now // HOUR_MS
        for hour in range(now_hour - self.hours + 1, now_hour + 1):
            spans.setdefault(hour // SPAN, {})[f"fetched:{hour % SPAN}"] = 1
        with self.client.pipeline(transaction=False) as pipe:
            for span, fields in spans.items():
                for scope in ("", "@acme"):
                    pipe.hset(self.key(f"hours{scope}:{span}"), mapping=fields)
            pipe.execute()

    def _failures(self):
        with self.client.pipeline(transaction=False) as pipe:
            for i in range(self.failures):
                for kind in ("postback", "pingback"):
                    attempt = json.dumps({"id": self.id(i), "at": self.at(i), "destination": kind + "@acme", "kind": kind,
                                          "url": "http://127.0.0.1/x", "error": "http_500", "status": 500, "duration_ms": 7,
                                          "response": "<" * (1024 if i % 10 else 8000)})
                    for scope in ("", "@acme"):
                        pipe.execute_command("XADD", self.key(f"errors{scope}:{kind}"), f"{self.at(i)}-{i}", "attempt", attempt)
                if i % 100 == 99:
                    pipe.execute()
            pipe.execute()

    def _fanned(self, ident):
        names = [f"w{n}" for n in range(FAN)]
        with self.client.pipeline(transaction=False) as pipe:
            pipe.set(self.key("event:" + ident), self._record(self.now, "serp", names))
            for name in names:
                pipe.hset(self.key(f"delivery:{ident}:{name}"), mapping={
                    "state": "dead", "kind": "postback", "destination": name, "lane": name, "delay_ms": "0", "attempts": "8", "requeues": "0",
                    "accepted_at": self.now, "ended_at": self.now, "fan": FAN})
                pipe.lpush(self.key("dead:" + name), f"{ident}:{name}")
            pipe.execute()
