"""Random calls of the whole API beside producers and dispatchers, against a model of what counts, lists and views must say."""

import os
import random
import re
import time

import pytest

from random_world import LEASE_MS, Dispatchers
from scripts import kept, top
from task_calls import counts, put_args, ready, resend_views, take, task

SEEDS = [int(os.environ["HOOKPACE_SEED"])] if "HOOKPACE_SEED" in os.environ else [1, 2, 3, 4]
# destination: lane, delay as configured (= inherited), order
EVERY = int(os.environ.get("HOOKPACE_CHECK_EVERY", "3"))  # steps
CONFIGURED = {"a": ("a", "0", ""), "b": ("b", "20", ""), "c": ("shared", top(0), ""), "ping": ("shared", top(0), ""), "f": ("f", "0", "fifo"),
              "ping2": ("ping2", top(0), "")}
ACCOUNTS = ("acme", "beta")
FETCH = "fetch@src"
PATHS = ["serp/google/organic", "serp/google/maps", "serp", "merchant/amazon/" + "x" * 40]
LASTING = ("limits", "fences", "settings", "lane:")  # keys that stay when every task has expired


def is_pingback(destination):
    return destination.startswith("ping")


class Delivery:
    def __init__(self, id, destination):
        self.id, self.destination = id, destination
        self.over = None       # done, fetched, dead, dropped
        self.since = 0         # claims up to this fence are of before a resend


class Task:
    """An event, or what announces one (its key ends ~f)."""

    def __init__(self, key, account, path, has_body, destinations):
        self.key, self.account, self.path, self.has_body = key, account, path, has_body
        self.is_leased = False
        self.begin(destinations)

    def begin(self, destinations):
        """The result is here, unless this is an announcement."""
        self.deliveries = {d: Delivery(f"{self.key}:{d}", d) for d in destinations}
        # announced, lost, passed (the result is here); of all others open (until the result is here), sending, ready, failed, fetched
        self.standing = "announced" if self.is_announcement() else "fetched"
        if not self.is_announcement() and any(self.brings(d) for d in self.deliveries.values()):
            self.standing = "sending"
        elif self.has_body and not self.is_announcement():
            self.standing = "ready"

    def is_announcement(self):
        return self.key.endswith("~f")

    def brings(self, d):
        """The result, or all that there is."""
        return not self.has_body or not is_pingback(d.destination)

    def any_dead(self):
        return any(d.over in ("dead", "dropped") for d in self.deliveries.values())

    def all_over(self):
        return all(d.over for d in self.deliveries.values())

    def scopes(self):
        return ["", self.account] if self.account else [""]

    def is_listed(self):
        return self.standing in ("ready", "failed")

    def end(self, d):
        """D is over."""
        if self.standing == "sending" and not self.brings(d):
            return
        if self.standing != "fetched" and d.over in ("dead", "dropped"):
            self.standing = "failed"
        elif self.standing != "fetched" and self.brings(d):
            self.standing = "fetched"
        elif self.standing == "failed" and self.all_over() and not self.any_dead():
            self.standing = "ready"


class World(Dispatchers):
    def __init__(self, queue, rng):
        super().__init__(queue, rng)
        self.tasks, self.deliveries = {}, {}
        self.settings = {}
        self.counter = self.fence = 0
        self.opened = []        # open tasks, in the order in which they were set

    # --- the model ---
    def add(self, t):
        assert t.key not in self.tasks
        self.tasks[t.key] = t
        self.deliveries.update({d.id: d for d in t.deliveries.values()})

    def find(self, id, account):
        t = self.tasks.get(id) or self.tasks.get(id + "~f")
        return t if t and (not account or t.account == account) else None

    def end(self, id, verdict):
        d = self.deliveries[id]
        assert d.over is None, "over twice"
        d.over = verdict
        t = self.tasks[id.rsplit(":", 1)[0]]
        if d.destination != FETCH:
            t.end(d)
        elif t.standing == "announced":
            t.standing = "lost" if verdict in ("dead", "dropped") else "passed"

    def expected(self, scope):
        mine = [t.standing for t in self.tasks.values() if scope in t.scopes()]
        return {"announced": mine.count("announced"), "fetched": mine.count("fetched"), "sending": mine.count("sending"),
                "ready": mine.count("ready"), "failed": mine.count("failed") + mine.count("lost"),
                "open": sum(not t.is_leased for t in self.opened if scope in t.scopes()),
                "processing": sum(t.is_leased for t in self.opened if scope in t.scopes())}

    def delay_in_force(self, destination, delay):
        delay, _, whose = delay.partition(" ")
        if whose == "kept":
            return delay
        account = destination.split("@")[1] if "back@" in destination else None
        own = self.settings.get(f"delay:account:{account}" if account else f"delay:destination:{destination}")
        return own or (whose == "top" and self.settings.get("delay")) or delay

    # --- steps ---
    def fresh_id(self):
        self.counter += self.rng.random() < 0.8
        return f"t{self.counter}"

    def some_destinations(self, most):
        names = self.rng.sample(sorted(CONFIGURED), self.rng.randint(0, most))
        return [(n, *CONFIGURED[n], "s1") for n in names]

    def submit(self, *what):
        """what: (key, to, kind, account, path, flag, args). Puts them in one call and checks what was made of them."""
        results = self.queue.put(*[w[-1] for w in what])
        for (key, to, kind, account, path, flag, _), (result, _, *requeued) in zip(what, results):
            if result != 0:
                assert result in ((1, 3) if kind in ("task", "pending", "fetched") else (1,)), (key, kind, result)
                self.see_requeued(key, sum(requeued))
                continue
            id = key
            if key in self.tasks:  # a second event of this id
                key += f"~{int(self.queue.r.get(self.queue.key('revisions:' + key))) + 1}"
            if kind == "fetched":
                self.tasks[id + "~f"].standing = "passed"  # even if it had been given up
            delays = {d[0]: self.delay_in_force(d[0], d[2]) for d in to}
            self.add(Task(key, account, path, flag != "n", [] if kind == "pending" else [d[0] for d in to]))
            if kind == "pending":
                t = self.tasks[key]
                t.standing, t.to, t.delays = "open", to, delays
                self.opened.append(t)
            else:
                self.check_delays(key, delays)
        return [result for result, *_ in results]

    def see_requeued(self, id, count):
        """A repeat of an event of this id queued COUNT dead deliveries again: all of the event that it repeats."""
        mine = [d for t in self.tasks.values() if re.fullmatch(re.escape(id.split("~f")[0]) + "(~.*)?", t.key) for d in t.deliveries.values()]
        again = [d for d in mine if d.over == "dead" and self.queue.delivery(d.id)["state"] == "queued"]
        assert len(again) == count, (id, count)
        assert len({d.id.rsplit(":", 1)[0] for d in again}) <= 1
        for d in again:
            d.over, d.since = None, self.fence
            t = self.tasks[d.id.rsplit(":", 1)[0]]
            if t.standing == "lost":
                t.standing = "announced"

    def check_delays(self, key, delays):
        for destination, expected in delays.items():
            delay = self.queue.delivery(f"{key}:{destination}")["delay_ms"]
            assert delay == expected, (key, destination, delay)

    def make_event(self):
        key, to, flag = self.fresh_id(), self.some_destinations(3), "n" if self.rng.random() < 0.15 else "-"
        return key, to, "webhook", None, "", flag, put_args(self.queue, key, to, flag=flag)

    def make_task(self):
        key, account = self.fresh_id(), self.rng.choice(ACCOUNTS)
        path = self.rng.choice(PATHS)
        which = self.rng.choice([[], ["postback"], ["pingback"], ["postback", "pingback"]])
        to = [(f"{w}@{account}", account, self.rng.choice([top(0), "10"]), "", "s1") for w in which]
        if self.rng.random() < 0.5:
            return key, to, "pending", account, path, "w", put_args(self.queue, key, to, "task", source=account, path=path, flag="w", stage="pending")
        return key, to, "task", account, path, "-", put_args(self.queue, key, to, "task", source=account, path=path)

    def take(self):
        """A lease lasts for the whole test, or ends at once."""
        account, most, lasts = self.rng.choice(["", *ACCOUNTS]), self.rng.randint(1, 4), self.rng.random() < 0.5
        expected = [t for t in self.opened if not t.is_leased and (not account or t.account == account)][:most]
        assert [t.key for t in expected] == take(self.queue, account, most, 600000 if lasts else 1)
        for t in expected:
            t.is_leased = lasts
        time.sleep(0 if lasts else 0.003)

    def complete(self):
        """Mostly of an open task; of any other, nothing follows."""
        tasks = [t for t in self.tasks.values() if t.account]
        if not tasks:
            return
        t = self.rng.choice(self.opened if self.opened and self.rng.random() < 0.8 else tasks)
        to = getattr(t, "to", [])
        # The configuration may have changed: its new values do not count.
        args = put_args(self.queue, t.key, [(d[0], d[1], "70", *d[3:]) for d in to], "task", source=t.account, path=t.path, stage="result")
        (result,) = self.queue.put(args)
        assert result[0] == (0 if t in self.opened else "not open"), (t.key, result)
        if t in self.opened:
            self.opened.remove(t)
            t.begin([d[0] for d in to])
            self.deliveries.update({d.id: d for d in t.deliveries.values()})
            self.check_delays(t.key, t.delays)

    def make_announcement(self):
        id, to = self.fresh_id(), [(FETCH, FETCH, "0", "", "")]
        return id + "~f", to, "announcement", None, "", "n", put_args(self.queue, id, to, "announcement", then=self.some_destinations(2), flag="n",
                                                                     named=id)

    def put(self):
        made, keys = [], set()
        for _ in range(self.rng.randint(1, 4)):
            what = self.rng.choice([self.make_event, self.make_task, self.make_announcement])()
            if what[0] not in keys:
                made.append(what)
                keys.add(what[0])
        # The counter tells revisions apart: one event of an id a call.
        self.submit(*made)

    def claim(self):
        asked = time.monotonic()
        claims = self.queue.claim(want=self.rng.randint(0, 8), most_bytes=self.rng.choice([100, 1 << 20]))
        self.see_lapsed()
        for c in claims:
            self.fence = max(self.fence, c.fence)
            assert self.deliveries[c.id].over is None, "claimed although it is over"
            assert c.record, "claimed without its event"
            self.claimed(c, asked)

    def see_lapsed(self):
        """Deliveries that a lease ended, their attempts being spent."""
        waiting = [d.id for d in self.deliveries.values() if d.over is None]
        for id, state in zip(waiting, self.queue.fields(waiting, "state")):
            if state == "dead":
                self.end(id, "dead")
                self.leases.pop(id, None)

    def bring(self, c):
        """What a dispatcher does with a fetched result. Returns the verdict for the fetch."""
        d = self.queue.delivery(c.id)
        id, then = d["task"], d["then"]
        to = []
        for line in filter(None, then.split("\n")):
            name, delay, secret = line.split(" ")
            lane, _, order = CONFIGURED[name]
            to.append((name, lane, kept(delay), order, secret))
        args = put_args(self.queue, id, to, fetched_by=FETCH)
        (result,) = self.submit((id, to, "fetched", None, "", "-", args))
        return "fetched" if result in (0, 1) else "done"

    def settle(self):
        c = self.pick()
        if c is None:
            return
        d = self.deliveries[c.id]
        verdict = self.rng.choice(["success", "success", "success", "retry", "dead", "release", "defer"])
        if verdict == "success":
            verdict = self.bring(c) if d.destination == FETCH else "done"
            if d.destination == FETCH and self.rng.random() < 0.3:
                return  # killed after the result was put
        answer = self.queue.settle(c, verdict, wait_ms=self.rng.choice([0, 1, 20, 80]), status=self.rng.choice([0, 200, 500]),
                                   left=self.rng.randint(0, 1), attempt=self.rng.choice(["", "{}"]),
                                   failure='{"pingback":false}' if verdict in ("retry", "dead") else "")
        if answer:
            self.leases.pop(c.id, None)
        assert answer == 0 or c.fence > d.since, "a result of before a resend counted"
        if answer and verdict in ("done", "fetched", "dead"):
            self.end(c.id, verdict)

    def some_ids(self):
        ids = sorted({k.split("~f")[0] for k in self.tasks}) or ["t0"]
        return [self.rng.choice(ids) for _ in range(self.rng.randint(1, 5))] + ["unknown"] * self.rng.randint(0, 1)

    def resend(self):
        ids, account = self.some_ids(), self.rng.choice(["", "", *ACCOUNTS])
        found = [self.find(id, account) for id in ids]
        waiting = {d.id for t in filter(None, found) for d in t.deliveries.values() if self.queue.delivery(d.id)["state"] == "retry"}
        views = resend_views(self.queue, account, *ids)
        assert [v[0] == "unknown" for v in views] == [t is None for t in found]
        for t in filter(None, found):
            for d in t.deliveries.values():
                if d.id in waiting:
                    d.since = self.fence
                if d.over:
                    self.send_again(t, d)

    def send_again(self, t, d):
        if d.destination == FETCH and d.over not in ("dead", "dropped"):
            return
        if t.standing == "lost":
            t.standing = "announced"
        d.over, d.since = None, self.fence

    def act(self):
        """An operator resends or drops one delivery."""
        if not self.deliveries:
            return
        d = self.rng.choice(list(self.deliveries.values()))
        state, t = self.queue.delivery(d.id)["state"], self.tasks[d.id.rsplit(":", 1)[0]]
        if self.rng.random() < 0.5:
            may = state in ("dead", "dropped", "retry") or state == "done" and d.destination != FETCH
            assert self.queue.redo(d.id) == (("done", "queued") if may else ("refused", state))
            if may and d.over:
                self.send_again(t, d)
            elif may:
                d.since = self.fence
            return
        may = state in ("queued", "retry", "dead")
        assert self.queue.drop(d.id, self.rng.choice([0, 1, 100])) == (("done", "dropped") if may else ("refused", state))
        if may and d.over:
            d.over = "dropped"
        elif may:
            self.end(d.id, "dropped")

    def get(self):
        ids, account = self.some_ids(), self.rng.choice(["", *ACCOUNTS])
        get = self.rng.randint(0, 1)
        for id, view in zip(ids, task(self.queue, *ids, account=account, get=get)):
            t = self.find(id, account)
            if t and get and t.has_body and t.standing != "open" and not t.is_announcement():
                t.standing = "fetched"
            self.check_view(t, view)

    def set_delay(self):
        field = self.rng.choice(["delay", "delay:account:acme", "delay:destination:a", "delay:destination:c"])
        value = self.rng.choice(["", "0", "10", "30"])
        self.queue.run("setting", "settings", field, value)
        self.settings[field] = value
        if not value:
            del self.settings[field]

    def step(self):
        self.rng.choice([self.put, self.put, self.claim, self.claim, self.claim, self.sent, self.settle, self.settle, self.settle, self.settle,
                         self.settle, self.resend, self.act, self.get, self.set_delay, self.take, self.complete])()

    # --- rules ---
    def check_view(self, t, view):
        if t is None:
            assert view["state"] == "unknown"
            return
        if t.is_announcement():
            assert view["state"] in (("lost",) if t.any_dead() else ("queued", "handed")), (t.key, view, t.__dict__)
        elif t.standing == "open":
            assert view["state"] == ("processing" if t.is_leased else "pending"), (t.key, view, t.__dict__)
        else:
            assert view["state"] == ("failed" if t.any_dead() else "done"), (t.key, view, t.__dict__)
        assert view["hooks"] == (1 if t.deliveries or t.standing == "open" and t.to else 0)
        assert view["fetched"] == (1 if t.standing == "fetched" else 0), (t.key, view, t.__dict__)

    def check(self):
        places = self.queue.check()
        assert set(places) == set(self.deliveries), "something was lost or invented"
        for id, where in places.items():
            over = self.deliveries[id].over
            if over:
                assert where == [over if over in ("dead", "dropped") else "done"], (id, where, over)
            else:
                assert where not in (["dead"], ["done"], ["dropped"]), (id, where)
        self.check_sets()
        self.check_counts()
        self.check_expiry()
        self.check_usage()

    def check_usage(self):
        """What the quotas of an account count is what there is."""
        q = self.queue
        for account in ACCOUNTS:
            mine = [q.key("event:" + t.key) for t in self.tasks.values() if t.account == account]
            bytes = sum(q.r.strlen(key) for key in mine)
            held = sum(q.r.pttl(key) == -1 for key in mine)
            ends = {}
            for key in mine:
                if (at := q.r.execute_command("PEXPIRETIME", key)) > 0:
                    ends[f"t:{at}"] = ends.get(f"t:{at}", 0) + 1
                    ends[f"b:{at}"] = ends.get(f"b:{at}", 0) + q.r.strlen(key)
            expected = {"tasks": len(mine), "bytes": bytes, "held": held, **ends} if mine else {}
            seen = {k: int(v) for k, v in q.r.hgetall(q.key("usage:" + account)).items()}
            assert seen == expected, (account, seen, expected)
            assert q.r.zcard(q.key("ends:" + account)) == len(ends) // 2
            assert not mine or (q.r.pttl(q.key("usage:" + account)) >= 0) == (held == 0)

    def check_counts(self):
        for scope in ("", *ACCOUNTS):
            seen = counts(self.queue, scope)
            fetching = seen.pop("fetching")
            expected = self.expected(scope)
            assert seen == expected, (scope, seen, expected)
            held = sum(scope in t.scopes() for t in self.tasks.values())
            passed = sum(t.standing == "passed" for t in self.tasks.values() if scope in t.scopes())
            assert sum(seen.values()) == held - passed, "not every task is counted once"
            assert fetching >= 0

    def check_sets(self):
        for scope in ("", *ACCOUNTS):
            for prefix in ("", "serp", "serp/google", "merchant"):
                expected = {t.key for t in self.tasks.values() if t.is_listed() and t.has_body and scope in t.scopes() and
                            (not prefix or not t.path or (t.path + "/").startswith(prefix + "/"))}
                seen = ready(self.queue, scope, prefix)
                assert sorted(seen) == sorted(expected), (scope, prefix)
            for kind in ("ready", "failed"):
                self.check_paths(kind, "@" + scope if scope else "")

    def check_paths(self, kind, scope):
        """The list by path has what the list has."""
        q = self.queue
        listed = q.r.zrange(q.key(kind + scope), 0, -1, withscores=True)
        assert q.r.zrange(q.key(f"{kind}:paths{scope}"), 0, -1) == sorted(f"{m[:6]}{int(at):011x}{m[6:]}" for m, at in listed)

    def check_expiry(self):
        """Only what is over expires, and all of it does."""
        q = self.queue
        for t in self.tasks.values():
            over = all(d.over for d in t.deliveries.values())
            assert (q.r.pttl(q.key("event:" + t.key)) >= 0) == over, t.key
            pending = q.r.hgetall(q.key("pending:" + t.key))
            waiting = sum(d.over is None for d in t.deliveries.values())
            if len(t.deliveries) < 2 or waiting == 0:
                assert not pending, (t.key, pending)
            else:
                assert int(pending["n"]) == waiting, (t.key, pending)
                assert (pending.get("is") == "sending") == (t.standing == "sending"), (t.key, pending)
            for d in t.deliveries.values():
                passed = q.r.hexists(q.key("delivery:" + d.id), "in_queue")
                assert (q.r.pttl(q.key("delivery:" + d.id)) >= 0) == (d.over is not None and not passed), d.id

    def finish(self):
        """Everything that was accepted ends, whatever was abandoned on the way."""
        self.held.clear()
        deadline = time.monotonic() + 60
        while any(d.over is None for d in self.deliveries.values()):
            assert time.monotonic() < deadline, [d.id for d in self.deliveries.values() if d.over is None]
            claims = self.queue.claim(want=50)
            self.see_lapsed()
            for c in claims:
                d = self.deliveries[c.id]
                verdict = self.bring(c) if d.destination == FETCH else "done"
                if self.queue.settle(c, verdict):
                    self.end(c.id, verdict)
            if not claims:
                time.sleep(min(max(self.queue.wait_us, 0), 20000) / 1e6)

    def expire(self):
        """As if all retention were over: nothing stays but what is no task's."""
        q = self.queue
        lasting = tuple(q.key(k) for k in LASTING)
        keys = [k for k in q.r.keys("*") if not k.startswith(lasting)]
        for key in keys:
            if not key.startswith((q.key("dead:"), q.key("deads"))):  # claim trims them
                assert q.r.pttl(key) >= 0, f"{key} stays for ever"
        for key in keys:
            if q.r.pttl(key) >= 0:
                q.r.pexpire(key, 1)
        q.r.zadd(q.key("deads"), {d: 1 for d in q.r.zrange(q.key("deads"), 0, -1)})
        deadline = time.monotonic() + 10
        while left := [k for k in q.r.keys("*") if not k.startswith(lasting)]:
            assert time.monotonic() < deadline, left
            q.claim(want=0)
        for scope in ("", *ACCOUNTS):
            assert set(counts(q, scope).values()) == {0} and ready(q, scope) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_the_api_says_what_happened(queue, seed):
    print(f"HOOKPACE_SEED={seed}")
    for d in [*CONFIGURED, FETCH, *[f"{w}@{a}" for a in ACCOUNTS for w in ("postback", "pingback")]]:
        queue.limits(**{d: (5, LEASE_MS, 30, 3)})
    world = World(queue, random.Random(seed))
    for i in range(250):
        world.step()
        world.see_lapsed()
        if i % EVERY == 0:
            world.check()
        if i % 60 == 0:
            queue.r.script_flush()
    world.finish()
    world.check()
    world.expire()
