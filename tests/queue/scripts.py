"""The queue's scripts, called as the programs call them, on a private Redis. HOOKPACE_SCRIPTS names another directory
of them (scripts/mutations)."""

import itertools
import os
import re
import time
from collections import namedtuple
from pathlib import Path

from harness.redis_server import read_clock

LUA = Path(os.environ.get("HOOKPACE_SCRIPTS") or Path(__file__).resolve().parents[2] / "common/queue/lua")

Claim = namedtuple("Claim", "id attempt fence requeues lane origin delay_ms window_ms report wait_us probe resent record")
EARLY_US = 8000
VERDICT_RECORDED, VERDICT_FENCED, VERDICT_LATE = 1, 0, 2


def script_text(name):
    """The script as the build embeds it: `--@include` lines replaced, and scopes closed."""
    text = (LUA / f"{name}.lua").read_text()
    while True:
        found = re.search(r"--@include ([a-z_]+\.lua)", text)
        if not found:
            return text.replace("\n--@scope\n", "\nreturn (function()\n") + "\nend)()\n" * text.count("\n--@scope\n")
        text = text.replace(found.group(0), (LUA / found.group(1)).read_text())


# The kinds of these tests' destinations, but for those that are "postback".
KINDS = {"ping": "pingback", "ping2": "pingback", "pingback@acme": "pingback", "pingback@beta": "pingback", "fetch@src": "fetch",
         "fetch@other": "fetch"}


def top(delay_ms):
    """The delay of everybody, which a delivery has where its destination has none of its own."""
    return f"{delay_ms} top"


def kept(delay_ms):
    """A delay that was captured when the event was announced."""
    return f"{delay_ms} kept"


def delivery_line(destination, lane, delay, order="", secret=""):
    delay_ms, _, whose = str(delay).partition(" ")
    return f"{destination} {KINDS.get(destination, 'postback')} {lane} {delay_ms} {whose or 'own'} {order or 'requeue'} {secret or '*'}\n"


def plan(*deliveries, kind, owner, fetched_by="", is_home=True, is_named=False, message="", never_repeats=False, stage="whole",
         pending_ms=2592000000, max_tasks=0, max_bytes=0):
    """What put.lua calls a plan. OWNER: the source, or the account of a task."""
    flags = (is_home, is_named, False)
    repeats = "2" if never_repeats else "1" if message else "0"
    more = [stage, str(pending_ms), str(max_tasks), str(max_bytes)] if kind == "task" else []
    first = " ".join([kind, owner, fetched_by or "*", *["1" if f else "0" for f in flags], repeats, *more])
    return first + "\n" + "".join(delivery_line(*d) for d in deliveries)


def read_claim(words, record):
    """A large record's size, which follows the other numbers, is left out."""
    id, attempt, fence, requeues, lane, origin, *numbers = words.split(" ")[:12]
    return Claim(id, int(attempt), int(fence), int(requeues), lane, origin, *map(int, numbers), record)


def result_args(claim, verdict, wait_ms=0, status=200, error="", response="", attempt="", left=1, unreachable=0, failure="", kind=None, told=None):
    """Arguments of settle for one delivery; what settle.lua calls an outcome is the third."""
    destination = claim.id.rsplit(":", 1)[1]
    account = destination.partition("@")[2] if "back@" in destination else ""
    outcome = (int(bool(attempt)), int(bool(failure)), claim.report, destination, KINDS.get(destination, "postback") if kind is None else kind, account, claim.lane, claim.origin, claim.delay_ms, claim.attempt, verdict, wait_ms, status, error, left, unreachable, *(told or ()))
    return [claim.id, claim.fence, " ".join("*" if word == "" else str(word) for word in outcome), 7, response,
            *([attempt] if attempt else []), *([failure] if failure else [])]


class Queue:
    """One partition of a queue. Times of retention in ms. VERSION: appended to the scripts, whose SHA is another then."""

    def __init__(self, client, prefix="hookpace", tag=0, done_ms=86400000, dead_ms=604800000,
                 dedup_ms=86400000, pending_ms=2592000000, version=""):
        self.r = client
        self.base = f"{prefix}:{{{tag}}}:"
        self.done_ms, self.dead_ms, self.dedup_ms, self.pending_ms = done_ms, dead_ms, dedup_ms, pending_ms
        self.scripts = {n: client.register_script(script_text(n) + version) for n in ("put", "claim", "sent", "settle", "stats", "retrying", "task", "resend", "ready", "posted",
                                                                           "counts", "failures", "setting", "pause", "take", "limits", "requeue")}
        self.scripts |= {n: client.register_script(script_text(n) + version) for n in ("presence", "redo", "drop", "job", "jobs", "sweep_resend", "sweep_drop", "dead", "check", "counted", "lanes")}
        self.wait_us = None
        self.stages = itertools.count()
        self.now = int(time.time() * 1000)

    def key(self, name):
        return self.base + name

    def run(self, name, *args):
        return self.scripts[name](keys=[self.key("lanes")], args=[self.base, *args])

    def limits(self, **destinations):
        """name = (concurrency, lease_ms, window_ms, attempts[, letter of the record's URL line or "-"[, 1: the lane is shared]])"""
        for name, values in destinations.items():
            self.r.hset(self.key("limits"), name, " ".join(map(str, values)))

    def mend(self, *destinations, mode="missing", run="run-1"):
        """What a dispatcher runs every few seconds. DESTINATIONS: (name, lane[, order]). Returns how many rows it wrote; sets `notes`,
        and `known_us`: how long RUN, the run id of Redis, is known."""
        rows = [w for name, lane, *order in destinations for w in (name, "100 10000 2000 8 - 0", lane, *(order or ["requeue"]))]
        while True:
            written, more, self.known_us, *self.notes = self.run("limits", mode, run, *rows)
            if not more:
                return written

    def record(self, body="{}", source="src", digest=None, received=None, to=(), kind="webhook", url=""):
        digest = digest or f"{hash(body) & (2**64 - 1):016x}"
        names = (f"o {' '.join(to)}\n" if to else "") + (f"b {url}\n" if url else "")
        return f"hp1 {received or self.now} {digest} {kind} {source} {len(body)} -\n{names}\n{body}"

    def event(self, id, *deliveries, message="", never_repeats=False, kind="webhook", source="src", **record):
        """deliveries: (destination, lane, delay_ms[, order[, secret]]). MESSAGE: the name of its repeats. Arguments of put for one event."""
        written = plan(*deliveries, kind=kind, owner=source, message=message, never_repeats=never_repeats)
        return [id, record.get("received") or self.now, self.record(kind=kind, source=source, **record), written, *([message] if message else [])]

    def staged(self, event, is_there=True):
        """The same event as the programs put a large one: its record is under a key of its own. IS_THERE: unless Redis has refused it."""
        id, received, record, written, *more = event
        first, deliveries = written.split("\n", 1)
        words = first.split(" ")
        if words[4] == "0":  # the record names the id
            words[4] = "1"
            line, rest = record.split("\n", 1)
            record = f"{line}\ni {id}\n{rest}"
        words[5] = "1"
        name = f"7-{next(self.stages)}"
        if is_there:
            self.r.set(self.key("staged:" + name), record, px=60000)
        return [id, received, record[:record.index("\n\n") + 2], " ".join(words) + "\n" + deliveries, name, *more]

    def put(self, *events):
        """Of each event: [0, ""] if it is queued; [1, when it came] of a duplicate, and how many dead deliveries were queued again if
        there were any; [code, ""] if it is refused; ["not open", ""] of a result that no task waits for. `revisions` has the n of each
        that is queued as "<id>~<n>", and 0 for all others."""
        args = [a for e in events for a in e]
        reply = self.run("put", self.dedup_ms, self.done_ms, len(events), *args)
        reply = [self.requeue(*code) if isinstance(code, list) and len(code) == 4 else code for code in reply]
        self.revisions = [-code if isinstance(code, int) and code < 0 else 0 for code in reply]
        reply = [code if isinstance(code, list) or code > 0 else 0 for code in reply]
        return [[1, str(code[0]), code[1]] if isinstance(code, list) else ["not open" if code == 1 else code, ""] if code <= 9 else [1, str(code)]
                for code in reply]

    def requeue(self, came, n, event, passed):
        """Goes on where put stopped: queues the other dead deliveries of EVENT."""
        while passed:
            more, passed = self.run("requeue", self.done_ms, event, passed)
            n += more
        return [came, n]

    def put_simple(self, *ids, destination="d", lane="d", delay=0, order=""):
        results = self.put(*[self.event(i, (destination, lane, delay, order), body=i) for i in ids])
        assert all(x[0] == 0 for x in results), results

    def claim(self, want=10, most_bytes=1 << 22, unlisted=None, common=None, rooms=(), slot=0, **ahead):
        """AHEAD: destination = how many beyond its concurrency. UNLISTED, COMMON, ROOMS: what claim.lua says; else room for all."""
        reply = self.run("claim", want, most_bytes, self.dead_ms, self.dedup_ms, slot, want if unlisted is None else unlisted,
                         want if common is None else common, len(ahead), *[word for pair in ahead.items() for word in pair],
                         *[word for room in rooms for word in room])
        self.wait_us, self.crowded, self.requeued, self.notes, self.times = int(reply[0]), *reply[1:5]
        claims = [read_claim(*pair) for pair in zip(reply[5::2], reply[6::2])]
        early = max([c.wait_us for c in claims], default=0)
        assert early <= EARLY_US
        time.sleep(early / 1e6)  # as a dispatcher must: claims come a little early
        return claims

    def look(self, instance, run="run", alive=()):
        """A dispatcher's look at all dispatchers. Returns its slot."""
        slot, self.look_us, *self.absent = self.run("presence", self.dead_ms, self.dedup_ms, run, instance, *alive)
        return slot

    def outlive_lease(self, id):
        """Waits until the lease of the delivery ID is over."""
        time.sleep(max(0, self.r.zscore(self.key("inflight"), id) / 1000 - time.time()) + 0.01)

    def sent(self, *claims):
        """They left this very moment."""
        self.wait_us = self.run("sent", 0, *[a for c in claims for a in (c.id, c.lane, c.fence, 0)])

    def settle(self, claim, verdict, wait_ms=0, status=200, error="", response="ok", attempt="{}", left=1,
               unreachable=0, failure="", told=None):
        kind = self.r.hget(self.key("delivery:" + claim.id), "kind") or ""
        args = result_args(claim, verdict, wait_ms, status, error, response, attempt, left, unreachable, failure, kind, told)
        reply = self.run("settle", self.done_ms, self.dead_ms, self.dedup_ms, *args)
        self.wait_us, self.circuit = int(reply[0]), {4: "opened", 8: "closed"}.get(reply[1] & 12)
        self.counted = bool(reply[1] & 16)
        return reply[1] & 3

    def told_to_wait(self, claim, ms=0, counted="retry", wait_ms=100000, failure="{}"):
        """The origin answered 429, with `Retry-After: MS`."""
        assert self.settle(claim, "wait", wait_ms=wait_ms, status=429, error="http_429", told=(ms, counted), failure=failure) == 1

    def claim_until(self, timeout=5.0, want=10):
        """Claims when the last reply said it may, until something comes."""
        deadline = time.monotonic() + timeout
        while True:
            claims = self.claim(want)
            if claims:
                return claims
            assert time.monotonic() < deadline, "nothing to claim in time"
            if self.wait_us > 0:
                time.sleep(min(self.wait_us, 1000000) / 1e6)

    # --- what operators do ---
    def redo(self, id):
        return tuple(self.run("redo", id, self.dead_ms))

    def drop(self, id, most=1000):
        return tuple(self.run("drop", id, self.dead_ms, self.dedup_ms, most))

    # --- the clock of a lane ---
    def clock(self, lane="d"):
        return read_clock(self.r, self.key("lane:" + lane))

    def set_clock(self, lane="d", **fields):
        values = [str(v) for v in {**self.clock(lane), **fields}.values()]
        self.r.eval("for i = 1, #ARGV do ARGV[i] = tonumber(ARGV[i]) or ARGV[i] end "
                    "return redis.call('HSET', KEYS[1], 'clock', cmsgpack.pack(unpack(ARGV)))", 1, self.key("lane:" + lane), *values)

    # --- where things are ---
    def delivery(self, id):
        return self.r.hgetall(self.key("delivery:" + id))

    def queued(self, lane="d"):
        return self.r.lrange(self.key("queue:" + lane), 0, -1)

    def places(self):
        """delivery id -> list of the places it is in, over everything there is."""
        prefix = self.key("delivery:")
        ids = [key[len(prefix):] for key in self.r.keys(prefix + "*")]
        # A delivery that outlives its event only shows that it was there.
        ids = [id for id in ids if self.r.exists(self.key("event:" + id.rsplit(":", 1)[0]))]
        found = {id: [state] if state in ("done", "dropped") else [] for id, state in zip(ids, self.fields(ids, "state"))}
        passed = {id for id, left in zip(ids, self.fields(ids, "in_queue")) if left}  # dropped, deep in a queue
        def see(place, ids):
            for id in ids:
                if place != "queued" or id not in passed:
                    found.setdefault(id, []).append(place)
        for place in ("queue", "dead"):
            for key in self.r.keys(self.key(place + ":*")):
                see({"queue": "queued"}.get(place, place), self.r.lrange(key, 0, -1))
        see("inflight", self.r.zrange(self.key("inflight"), 0, -1))
        see("retry", self.r.zrange(self.key("retry"), 0, -1))
        return found

    def fields(self, ids, field):
        """That field of each delivery, in one round trip."""
        pipe = self.r.pipeline(transaction=False)
        for id in ids:
            pipe.hget(self.key("delivery:" + id), field)
        return pipe.execute()

    def check(self):
        """The invariants that hold after every single script."""
        places = self.places()
        for (id, where), state in zip(places.items(), self.fields(places, "state")):
            assert where == [state], (id, state, where)
        self.check_lanes()
        busy = {}
        for id in self.r.zrange(self.key("inflight"), 0, -1):
            destination = id.rsplit(":", 1)[1]
            busy[destination] = busy.get(destination, 0) + 1
        counted = {k: int(v) for k, v in self.r.hgetall(self.key("busy")).items()}
        self.check_shares()
        assert counted == busy, (counted, busy)
        events = {key[len(self.key("event:")):] for key in self.r.keys(self.key("event:*"))}
        for id, where in places.items():
            assert where in (["done"], ["dropped"]) or id.rsplit(":", 1)[0] in events, f"no event for {id}"
        return places

    def check_shares(self):
        """What is counted in flight to the origins of destinations that have several."""
        shares = {}
        inflight = self.r.zrange(self.key("inflight"), 0, -1)
        for id, origin in zip(inflight, self.fields(inflight, "origin")):
            if origin:
                of = shares.setdefault(id.rsplit(":", 1)[1], {})
                of[origin] = of.get(origin, 0) + 1
        prefix = self.key("shares:")
        counted = {key[len(prefix):]: {k: int(v) for k, v in self.r.hgetall(key).items()} for key in self.r.keys(prefix + "*")}
        assert counted == shares, (counted, shares)

    def check_lanes(self):
        lanes = set(self.r.zrange(self.key("lanes"), 0, -1))
        working = set()
        for key in self.r.keys(self.key("queue:*")):
            lane = key[len(self.key("queue:")):]
            working.add(lane)
            delays = {}
            for delay in self.fields(self.r.lrange(key, 0, -1), "delay_ms"):
                delays[delay] = delays.get(delay, 0) + 1
            counted = {k: int(v) for k, v in self.r.hgetall(self.key("delays:" + lane)).items()}
            assert counted == delays, (lane, counted, delays)
        assert lanes == working, "a lane has work but is in no one's sight, or is there without work"
