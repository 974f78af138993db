"""The longest call of every script: its worst input with very much stored. Counted is the time for which Redis' thread had a CPU, so
that what else runs on the machine counts for little."""

import os
import sys
import time
from pathlib import Path

from bench import rig, worst_asked
from harness import paths
from harness.stored import Stored

sys.path.append(str(paths.REPOSITORY / "tests" / "queue"))

from scripts import Queue, result_args, script_text  # noqa: E402
from task_calls import put_args  # noqa: E402

DAY = 86_400_000
FAN = 64  # destinations of one event
LONG = "x" * 200  # ids are long

# Writes deliveries COUNT, from number FIRST on, as `put` and `claim` would have left them. ARGV: base, first, count, state, lanes,
# destinations, score of the first and of all others (0: each one more), account, fan, tag of the delivery's id.
FILL = """
local base, first, count, state, lanes, names = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local score, account, fan, mark, attempts = tonumber(ARGV[7]), ARGV[8], tonumber(ARGV[9]), ARGV[10], ARGV[11]
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local queued, sets, deaths, dead = {}, {}, {}, {}
for i = first, first + count - 1 do
  local name = names > 1 and 'd' .. i % names or 'd'
  local lane = lanes > 1 and 'lane' .. i % lanes or 'd'
  local event = mark .. i
  local id = event .. ':' .. name
  local to = name
  for n = 2, fan do to = to .. ' w' .. n end
  redis.call('SET', base .. 'event:' .. event, 'hp1 ' .. now .. ' 00ff00ff00ff00ff webhook src 2 -\\no ' .. to .. '\\n\\n{}')
  redis.call('HSET', base .. 'delivery:' .. id, 'state', state, 'kind', 'postback', 'destination', name, 'lane', lane, 'delay_ms', '0',
    'attempts', attempts, 'requeues', '0', 'accepted_at', now - 60000, 'fence', i + 1, 'ended_at', now - 30000)
  if fan > 1 then
    redis.call('HSET', base .. 'delivery:' .. id, 'fan', fan)
    redis.call('HSET', base .. 'pending:' .. event, 'n', fan, 'is', 'sending')
  end
  if state == 'queued' then
    queued[lane] = queued[lane] or {}
    table.insert(queued[lane], id)
  elseif state == 'dead' then
    redis.call('PEXPIRE', base .. 'delivery:' .. id, 600000000)
    dead[name] = dead[name] or {}
    table.insert(dead[name], id)
    table.insert(deaths, now - 30000)
    table.insert(deaths, id)
  else
    table.insert(sets, score + (i - first) % 1000)
    table.insert(sets, id)
  end
end
for lane, ids in pairs(queued) do
  for from = 1, #ids, 1000 do redis.call('RPUSH', base .. 'queue:' .. lane, unpack(ids, from, math.min(#ids, from + 999))) end
  redis.call('HINCRBY', base .. 'delays:' .. lane, '0', #ids)
  redis.call('ZADD', base .. 'lanes', now - 1000, lane)
end
for name, ids in pairs(dead) do
  for from = 1, #ids, 1000 do redis.call('LPUSH', base .. 'dead:' .. name, unpack(ids, from, math.min(#ids, from + 999))) end
  redis.call('ZADD', base .. 'deads', now + 100000000, name)
end
for from = 1, #sets, 1000 do redis.call('ZADD', base .. state, unpack(sets, from, math.min(#sets, from + 999))) end
for from = 1, #deaths, 1000 do redis.call('ZADD', base .. 'deaths', unpack(deaths, from, math.min(#deaths, from + 999))) end
"""


class World(Queue):
    """An empty queue on a Redis of its own. `took` has for each case the milliseconds of its calls."""

    def __init__(self, client, pid):
        super().__init__(client)
        names = [p.stem for p in Path(script_text.__globals__["LUA"]).glob("*.lua") if not p.stem.startswith("lib_")]
        self.scripts |= {n: client.register_script(script_text(n)) for n in names if n not in self.scripts}
        for script in self.scripts.values():
            client.script_load(script.script)
        self.took, self.pid = {}, pid
        self.idle = min(self._cpu_ms("PING")[0] for _ in range(50))

    def _thread_ms(self):
        with open(f"/proc/{self.pid}/task/{self.pid}/schedstat", encoding="ascii") as f:
            return int(f.read().split()[0]) / 1e6

    def _settled_ms(self):
        """When Redis' thread sleeps, the kernel has counted all that it did."""
        while True:
            with open(f"/proc/{self.pid}/task/{self.pid}/stat", encoding="ascii") as f:
                if f.read().rsplit(")", 1)[1].split()[0] == "S":
                    return self._thread_ms()

    def _cpu_ms(self, *command):
        before = self._settled_ms()
        reply = self.r.execute_command(*command)
        return self._settled_ms() - before, reply

    def timed(self, case, name, *args):
        """Calls the script NAME and notes what that cost Redis. One that writes nothing is called some times, and the least is noted."""
        script = self.scripts[name]
        times = 5 if "no-writes" in script.script.splitlines()[0] else 1
        costs = [self._cpu_ms("EVALSHA", script.sha, 1, self.key("lanes"), self.base, *args) for _ in range(times)]
        self.took.setdefault(case, []).append(min(ms for ms, _ in costs) - self.idle)
        return costs[0][1]

    def clear(self):
        self.r.flushall()
        self.limits(d=(100_000, 10000, 2000, 8))

    def fill(self, count, state, lanes=1, names=1, score=None, account="", fan=1, mark="e", attempts=0):
        fill = self.r.register_script(FILL)
        for first in range(0, count, 5000):
            fill(args=[self.base, first, min(5000, count - first), state, lanes, names, score or 0, account, fan, mark, attempts])

    def rows(self, names):
        for n in range(names):
            self.limits(**{f"d{n}": (100_000, 10000, 2000, 8)})


# --- what each script is asked at worst ---

MANY = 1_000_000
SOME = 300_000
CLAIMED, RESULTS, EVENTS = 64, 64, 32  # of one call: CLAIM_MOST, plain results on one lane, BATCH_EVENTS
SETTLED = {"done": 32, "retry": 32, "wait": 32, "dead": 26}  # of one call, each on a lane of its own: EFFORT_MOST
TAKEN = 36  # tasks of one call: PART_MAX
WIDE = 128 // FAN  # events with all destinations of one call: BATCH_DELIVERIES


def destinations(n):
    return [(f"w{i}", f"w{i}", "0") for i in range(n)]


def put_events(w, case, ids, to, times=1, **how):
    """One call that puts these events, all with the destinations TO."""
    events = [w.event(i, *to, to=[d[0] for d in to], **how) for i in ids]
    for e in events[1:]:
        e[3] = ""
    for _ in range(times):
        w.timed(case, "put", w.dedup_ms, w.done_ms, len(events), *[a for e in events for a in e])


def put(w):
    w.fill(MANY, "queued")
    for n in range(5):
        put_events(w, "put_small", [f"s{n}.{i}" for i in range(EVENTS)], destinations(1))
        put_events(w, "put_fan", [f"{LONG}{n}.{i}" for i in range(WIDE)], destinations(FAN))
    put_events(w, "put_repeats", [f"{LONG}0.{i}" for i in range(WIDE)], destinations(FAN), 5)
    w.clear()
    put_events(w, "put_fan", ids := [f"{LONG}.{i}" for i in range(WIDE)], destinations(FAN))
    for i in range(FAN):
        w.r.delete(w.key(f"queue:w{i}"), w.key(f"delays:w{i}"))
    w.r.delete(w.key("lanes"))
    with w.r.pipeline(transaction=False) as pipe:
        for i in ids:
            for n in range(FAN):
                pipe.hset(w.key(f"delivery:{i}:w{n}"), "state", "dead")
                pipe.lpush(w.key(f"dead:w{n}"), f"{i}:w{n}")
                pipe.zadd(w.key("deaths"), {f"{i}:w{n}": 1})
        pipe.execute()
    for n in range(FAN):
        w.r.lpush(w.key(f"dead:w{n}"), *[f"y{j}" for j in range(10_000)])
        w.r.rpush(w.key(f"dead:w{n}"), *[f"y{j}" for j in range(10_000)])
    put_events(w, "put_repeats_dead", ids, destinations(FAN), 4)
    passed = 1
    while passed:
        passed = w.timed("requeue_fan", "requeue", w.done_ms, ids[-1], passed)[1]


def put_tasks(w):
    how = {"kind": "task", "source": "acme"}
    at = int(time.time() * 1000)
    with w.r.pipeline(transaction=False) as pipe:
        for i in range(400):  # moments of expiry, which have passed
            pipe.zadd(w.key("ends:acme"), {at - 1000 - i: at - 1000 - i})
            pipe.hset(w.key("usage:acme"), mapping={f"t:{at - 1000 - i}": 1, f"b:{at - 1000 - i}": 10})
        pipe.execute()
    w.r.hset(w.key("usage:acme"), mapping={"tasks": MANY, "bytes": MANY, "held": 1})
    to = [("postback@acme", "acme", "0"), ("pingback@acme", "acme", "0")]
    ids = [[f"t{n}.{i}" for i in range(EVENTS)] for n in range(12)]
    for stage in ("pending", "result", "whole"):
        for n, names in enumerate(ids):
            events = [put_args(w, i + ("w" if stage == "whole" else ""), to, path=f"serp/e{n}/k{k}", stage=stage, flag="w" if stage == "pending" else "-", **how)
                      for k, i in enumerate(names)]
            w.timed("put_tasks_" + stage, "put", w.dedup_ms, w.done_ms, len(events), *[a for e in events for a in e])


def claim_args(w, want=CLAIMED):
    return [want, 1 << 22, w.dead_ms, w.dedup_ms, 0, want, want, 0]


def claims_of(w, case, times, want=CLAIMED):
    for _ in range(times):
        w.timed(case, "claim", *claim_args(w, want))


def leases(w):
    now = int(time.time() * 1000)
    for case, how in {"ended": {}, "ended_lanes": {"lanes": 10_000, "names": 10_000}, "ended_dead": {"lanes": 1000, "names": 1000, "attempts": 8, "fan": FAN}}.items():
        w.clear()
        w.rows(how.get("names", 1))
        w.fill(SOME, "inflight", score=now - 5000, **how)
        claims_of(w, f"claim_{case}", 40)


def everything(w):
    """Ended leases, due retries and dead letters whose time is over, each on lanes of their own."""
    now = int(time.time() * 1000)
    w.rows(3000)
    w.fill(SOME, "inflight", 3000, 3000, score=now - 5000, mark="i")
    w.fill(SOME, "retry", 3000, 3000, score=now - 5000, mark="r", attempts=1)
    w.fill(SOME, "queued", 3000, 3000, mark="q")
    w.r.lpush(w.key("dead:d"), *[f"gone{n}:d" for n in range(50_000)])
    w.r.zadd(w.key("deads"), {"d": 1})
    claims_of(w, "claim_everything", 60)


def claim_lanes(w):
    w.rows(64)
    w.fill(MANY, "queued", 64, 64)
    claims_of(w, "claim_plain", 20)


def records(w):
    """Records as large as claim reads them in whole, and larger ones."""
    for size in (16_000, 60_000, 10_000_000):
        w.clear()
        w.fill(1000 if size < 1_000_000 else 64, "queued")
        with w.r.pipeline(transaction=False) as pipe:
            for key in w.r.scan_iter(w.key("event:*"), count=5000):
                pipe.append(key, "x" * size)
            pipe.execute()
        claims_of(w, f"claim_records_{size}", 8 if size < 1_000_000 else 1)


def hold(w, lane, delay=1000, short=1):
    """The lane has sent just now, and has deliveries of a longer and SHORT of a shorter delay."""
    w.r.delete(w.key(f"delays:{lane}"))
    w.r.hset(w.key(f"delays:{lane}"), mapping={delay: 100_000, 50: short})


def picks(w):
    """64 lanes wake for a shorter delay that is behind a thousand others."""
    w.rows(64)
    w.fill(SOME, "queued", 64, 64)
    with w.r.pipeline(transaction=False) as pipe:
        for key in w.r.scan_iter(w.key("delivery:*"), count=5000):
            pipe.hset(key, "delay_ms", 1000)
        pipe.execute()
    for n in range(64):
        w.set_clock(f"lane{n}", sent=int(time.time() * 1e6) - 60_000)
        hold(w, f"lane{n}")
    claims_of(w, "claim_picks", 8)


def strangers(w):
    """Ids in the queues that belong to no queued delivery."""
    w.rows(64)
    w.fill(SOME, "queued", 64, 64)
    for n in range(64):
        w.r.lpush(w.key(f"queue:lane{n}"), *[f"stranger{i}:d{n}" for i in range(10_000)])
    claims_of(w, "claim_strangers", 20)


def lost_events(w):
    """The events of what is next are gone."""
    w.rows(64)
    w.fill(100_000, "queued", 64, 64, fan=FAN)
    with w.r.pipeline(transaction=False) as pipe:
        for key in w.r.scan_iter(w.key("event:*"), count=5000):
            pipe.delete(key)
        pipe.execute()
    claims_of(w, "claim_lost_events", 20)


def asides(w):
    """Origins of an account that can take nothing: what is next waits beside the lane."""
    w.rows(0)
    w.limits(**{"postback@acme": (1000, 10000, 2000, 8, "b", 0)})
    now = int(time.time() * 1000)
    ids = [f"a{i}" for i in range(20_000)]
    with w.r.pipeline(transaction=False) as pipe:
        for n, i in enumerate(ids):
            url = f"https://h{n % 900}.example:443/"
            pipe.set(w.key("event:" + i), f"hp1 {now} 00ff00ff00ff00ff task acme 2 -\np serp\no postback@acme\nb {url}\n\n{{}}")
            pipe.hset(w.key(f"delivery:{i}:postback@acme"), mapping={"state": "queued", "kind": "postback", "destination": "postback@acme", "lane": "acme", "delay_ms": 0, "attempts": 0, "requeues": 0, "accepted_at": now, "account": "acme"})
            pipe.rpush(w.key("queue:acme"), f"{i}:postback@acme")
        for n in range(900):
            pipe.hset(w.key("origins:acme"), f"postback@acme/https://h{n}.example:443", f"9 {now + 600000} 3 0 0 0")
        pipe.execute()
    w.r.hset(w.key("delays:acme"), "0", len(ids))
    w.r.zadd(w.key("lanes"), {"acme": 1})
    w.set_clock("acme", trouble=1)
    claims_of(w, "claim_asides", 20)


def fill_accounts(w, count, delay, order=""):
    """RESULTS accounts with long names and COUNT webhooks each, which were sent again. Each goes to an origin of its own, and the lane knows of trouble."""
    w.clear()
    now = int(time.time() * 1000)
    names = [f"{LONG[:60]}{n}" for n in range(RESULTS)]
    w.limits(**{f"{kind}@{name}": (1000, 10000, 2000, 8, "b", 0) for name in names for kind in ("postback", "pingback")})
    with w.r.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.hset(w.key("lane:" + name), "order", order)
            for i in range(count):
                event, origin = f"@{name}/{LONG[:100]}{i}", f"https://{LONG[:60]}{i}.example:443"
                id, to = f"{event}:postback@{name}", f"postback@{name}"
                pipe.set(w.key("event:" + event), f"hp1 {now} 00ff00ff00ff00ff task {name} 2 -\np serp\no {to} pingback@{name}\nb {origin}/\n\n{{}}")
                pipe.hset(w.key("delivery:" + id), mapping={"state": "queued", "kind": "postback", "destination": to, "lane": name, "delay_ms": delay,
                          "attempts": 1, "requeues": 0, "accepted_at": now, "account": name, "fan": 2, "since": 1, "apart": "resent"})
                pipe.hset(w.key("pending:" + event), mapping={"n": 2, "is": "listed", "dead": 0})
                pipe.rpush(w.key("queue:" + name), id)
                pipe.hset(w.key("origins:" + name), f"{to}/{origin}", f"9 {now - 1000} 3 0 0 0")
            pipe.hset(w.key("delays:" + name), delay, count)
            pipe.zadd(w.key("lanes"), {name: 1})
        pipe.execute()
    for name in names:
        w.set_clock(name, trouble=1)


def accounts(w):
    """Lanes of accounts whose origins fail, each with a delay."""
    for case, how in {"delay": (1, ""), "fifo": (1, "fifo"), "plain": (0, "")}.items():
        fill_accounts(w, 8, *how)
        for _ in range(8):
            claims_of(w, "claim_accounts_" + case, 1)
            time.sleep(0.02)
    for verdict, status in {"retry": 0, "dead": 410, "wait": 429, "done": 200}.items():
        for _ in range(3):
            fill_accounts(w, 1, 0)
            claims = []
            while len(claims) < RESULTS:
                claims += w.claim(want=RESULTS)
            more = {} if verdict == "done" else {"error": "http_500", "failure": "{}" * 500, "unreachable": int(status == 0)}
            told = (1000, "retry") if verdict == "wait" else None
            args = [result_args(c, verdict, wait_ms=100_000, status=status, attempt="{}" * 500, told=told, **more) for c in claims]
            settle_parts(w, "settle_accounts_" + verdict, verdict, args)


def settle_parts(w, case, verdict, args):
    for n in range(0, len(args), SETTLED[verdict]):
        w.timed(case, "settle", w.done_ms, w.dead_ms, w.dedup_ms, *[word for a in args[n:n + SETTLED[verdict]] for word in a])


def settle(w):
    w.rows(RESULTS)
    w.fill(20_000, "queued", RESULTS, RESULTS, fan=FAN)
    for verdict, more in {"done": {}, "retry": {"error": "http_500", "status": 500, "attempt": "{}" * 500, "failure": "{}" * 500},
                          "dead": {"error": "http_410", "status": 410, "attempt": "{}" * 500, "failure": "{}" * 500}}.items():
        for _ in range(8):
            claims = w.claim(want=RESULTS)
            settle_parts(w, "settle_" + verdict, verdict, [result_args(c, verdict, wait_ms=100_000, **more) for c in claims])
    w.clear()
    w.fill(9000, "queued")
    claims = w.claim(want=RESULTS)
    for c in claims:  # their leases ended: they wait again, in the middle of the queue
        w.r.hset(w.key("delivery:" + c.id), "state", "queued")
        w.r.lpush(w.key("queue:d"), c.id)
    w.r.lpush(w.key("queue:d"), *[f"z{i}:d" for i in range(900)])
    w.timed("settle_late", "settle", w.done_ms, w.dead_ms, w.dedup_ms, *[word for c in claims for word in result_args(c, "done")])


def sent(w):
    w.rows(RESULTS)
    w.fill(20_000, "queued", RESULTS, RESULTS)
    for _ in range(8):
        claims = w.claim(want=RESULTS)
        w.timed("sent_each_lane", "sent", 10**9, *[word for c in claims for word in (c.id, c.lane, c.fence, 10**9 - 1000)])


def presence(w):
    """All of 127 dispatchers are gone, and each had claims."""
    now = int(time.time() * 1000)
    w.rows(1000)
    w.fill(100_000, "inflight", 1000, 1000, score=now + 100_000)
    with w.r.pipeline(transaction=False) as pipe:
        for n, id in enumerate(w.r.zrange(w.key("inflight"), 0, -1)):
            at = now + 100_000
            pipe.zadd(w.key("inflight"), {id: at - at % 128 + 1 + n % 126})
        for slot in range(1, 127):
            seen = int(time.time() * 1000)  # of rows that nobody has looked at for long presence knows nothing
            pipe.hset(w.key("present"), slot, f"host:{slot} run {seen - 5000} {seen} 0")
        pipe.execute()
    for _ in range(20):
        w.timed("presence_all_gone", "presence", w.dead_ms, w.dedup_ms, "run", "me:1")


def limits(w):
    """Counts of what is in flight were lost; deliveries wait for a destination that was not known."""
    now = int(time.time() * 1000)
    rows = [word for n in range(48) for word in (f"d{n}", "100 10000 2000 8 - 0", f"lane{n}", "fifo")]  # ROWS_MAX
    w.fill(1999, "inflight", 48, 48, score=now + 100_000)
    w.fill(SOME, "queued", 48, 48, mark="q")
    w.r.delete(w.key("lanes"))
    with w.r.pipeline(transaction=False) as pipe:
        for id in w.r.zrange(w.key("inflight"), 0, -1):
            pipe.hset(w.key("delivery:" + id), "origin", "https://h.example:443")
        pipe.execute()
    for _ in range(5):
        w.timed("limits_all_lost", "limits", "all", "", *rows)
    w.r.delete(w.key("busy"), w.key("limits"))
    w.timed("limits_all_lost", "limits", "missing", "", *rows)


def check(w):
    """Long queues and lists, and things that contradict them."""
    for name, depth in (("100000", 100_000), ("20000", 20_000), ("1000000", MANY)):
        w.clear()
        w.fill(depth, "queued")
        w.fill(depth // 2, "dead", mark="x")
        w.fill(20_000, "retry", mark="r", score=1)
        walk_check(w, "check_" + name, 400)
    for repair in (0, 1):
        w.clear()
        w.rows(1000)
        w.fill(100_000, "queued", 200, 200)
        w.fill(2900, "inflight", 200, 200, mark="i", score=int(time.time() * 1000) + 100_000)
        w.fill(5000, "queued", mark="lost")
        w.r.ltrim(w.key("queue:d"), 1, 0)
        w.fill(95_000, "queued", mark="deep")
        w.fill(90_000, "dead", mark="x")
        with w.r.pipeline(transaction=False) as pipe:
            for n in range(5000):  # deliveries in the middle of a long queue that say that they are elsewhere
                pipe.hset(w.key(f"delivery:deep{45_000 + n}:d"), "state", "retry")
            for n in range(2900):
                pipe.hset(w.key(f"delivery:i{n}:d{n % 200}"), "origin", "https://h.example:443")
            for n in range(200):
                pipe.hset(w.key(f"delays:lane{n}"), "0", 7)
                pipe.hset(w.key("busy"), f"d{n}", 7)
                pipe.rpush(w.key(f"queue:lane{n}"), *[f"i{k}:d{k % 200}" for k in range(n, 2900, 200)])
            pipe.execute()
        walk_check(w, "check_repairs" if repair else "check_contradictions", 3000, repair)


def walk_check(w, case, steps, repair=0):
    """Some steps of each stage."""
    cursor, stage, taken = "", "", 0
    for _ in range(steps):
        cursor = w.timed(f"{case}_{stage or 'lists'}", "check", repair, cursor, w.done_ms, w.dead_ms)[0]
        if not cursor:
            return
        now = cursor.split(" ")[0]
        stage, taken = now, taken + 1 if now == stage else 0
        if taken > steps / 4 and stage in ("keys", "deaths", "retry", "lists"):
            stages = ["lists", "keys", "inflight", "retry", "deaths", "lanes", "busy"]
            stage, taken = stages[stages.index(stage) + 1], 0
            cursor = stage + " 0"


def tasks(w):
    store = Stored(w.r, paths=200, ready=200_000, listed=MANY, failures=20_000, years=10, fanned=200, opened=SOME, ended=200_000)
    store.fill()
    w.done_ms = w.dead_ms = store.keep_ms
    paths_asked = {"all": "", "one": store.path(7), "prefix": "serp/engine3", "none": "merchant/x"}
    for scope in ("", "acme"):
        for name, path in paths_asked.items():
            cursor = ""
            for _ in range(20):
                cursor = w.timed("ready_" + name, "ready", scope, "ready", cursor, path, w.done_ms, 0, 1000)[0]
                if not cursor:
                    break
        cursor = ""
        for _ in range(20):
            cursor = w.timed("posted_deep", "posted", scope, cursor, 0, 1 << 50, 100_000, 1000, 1)[0]
        cursor = ""
        for _ in range(20):
            cursor = w.timed("failures_deep", "failures", scope, "postback", cursor, 0, 1 << 50, 20_000, 1000)[0]
            if not cursor:
                break
        cursor = ""
        for _ in range(20):
            cursor = w.timed("counts_ten_years", "counts", scope, w.done_ms, w.dead_ms, w.pending_ms, cursor, *[f"fetch@s{i}" for i in range(1000)])[0]
            if not cursor:
                break
    for scope in ("", "acme") * 10:
        w.timed("take_ended_leases", "take", scope, TAKEN, 600_000, w.pending_ms)
        w.timed("take_looks", "take", scope, 100, 0, w.pending_ms)
    w.r.zadd(w.key("open"), {f"gone{i}": time.time() * 1e6 - 9e9 for i in range(100_000)})
    w.r.zadd(w.key("open@acme"), {f"gone{i}": time.time() * 1e6 - 9e9 for i in range(100_000)})
    for scope in ("", "acme") * 10:
        w.timed("take_gone", "take", scope, TAKEN, 600_000, w.pending_ms)
    ready = store.ready_ids()
    for n in range(5):
        w.timed("task_get_1000", "task", "", "", 1, w.done_ms, 0, *ready[n * 1000:n * 1000 + 1000])
        w.timed("task_unknown_1000", "task", "", "@root/", 0, w.done_ms, 500, *[f"d{i}" for i in range(500)], *[f"none{i}" for i in range(1000)])
        w.timed("task_fan_100", "task", "", "", 1, w.done_ms, 0, *store.fanned_ids()[:100])
    passed, ids = 0, store.fanned_ids()[:100]
    for _ in range(20):
        reply = w.timed("resend_fan", "resend", "", "", w.dead_ms, passed, *ids)
        passed = int((reply[-1][7:] or [0])[0])
        ids = ids[len(reply) - (passed > 0):]
        if not ids:
            break


def looks(w):
    """What operators and metrics read: 1,000 lanes and destinations, a million queued, very many retries, dead letters and origins."""
    w.rows(1000)
    w.fill(SOME, "queued", 1000, 1000)
    w.fill(100_000, "retry", 1000, 1000, mark="r", score=10**14)
    w.fill(100_000, "dead", 1000, 1000, mark="x")
    names = [f"lane{n}" for n in range(1000)]
    with w.r.pipeline(transaction=False) as pipe:
        for lane in names:
            for n in range(1000 if lane in names[:20] else 20):
                pipe.hset(w.key("origins:" + lane), f"{lane}/https://{LONG[:40]}{n}:443", "9 99999999999999 3 0 0 0")
            pipe.hset(w.key("paused"), lane, 1)
        pipe.execute()
    for n in range(0, 1000, 50):
        w.timed("stats_50", "stats", 50, *names[n:n + 50], *[f"d{i}" for i in range(n, n + 50)])
    for n in range(0, 1000, 100):
        w.timed("lanes_100", "lanes", 100, *names[n:n + 100], *[a for i in range(n, n + 100) for a in (1, f"d{i}", f"delay:destination:d{i}")])
    w.timed("lanes_shared", "lanes", 1, "lane500", 1000, *[a for i in range(1000) for a in (f"d{i}", f"delay:destination:d{i}")])
    for n in range(0, 100_000, 10_000):
        w.timed("retrying_1000", "retrying", n, 1000)
        w.timed("survey_retry", "survey", "retry", n, 500)
        w.timed("survey_lanes", "survey", "lanes", n // 100, 500)
        w.timed("survey_deads", "survey", "deads", n // 100, 200)
        w.timed("survey_paused", "survey", "paused", 0, 500)
        w.timed("survey_origins", "survey", "origins", 0, *names[n // 200:n // 200 + 500])
    cursor = ""
    for _ in range(20):
        cursor = w.timed("dead_400", "dead", cursor)[0]
    ids = [f"{m}{i}:d{i % 1000}" for i in range(500) for m in "qrx" if m != "q"]
    with w.r.pipeline(transaction=False) as pipe:
        for i in ids:
            pipe.lpush(w.key("attempts:" + i), *["{" + "y" * 1500 + "}"] * 60)
        pipe.execute()
    for _ in range(5):
        w.timed("look_1000", "look", 0, *ids)
        w.timed("look_attempts", "look", 100, *ids)
    for n in range(10):
        w.timed("pause_lane", "pause", f"lane{n}", n % 2)
        w.timed("setting_one", "setting", "settings", "delay", "50")
        w.timed("rights_all", "rights", "hookpace")


def counted(w):
    now = int(time.time() * 1000)
    for n in range(0, 3000, 100):
        words = [w_ for i in range(n, n + 100) for r in ("done", "retry", "dead") for w_ in ("results", f"d{i} {r}", 5)]
        w.timed("tally_300", "tally", "receiver host:1", f"{now} {{}}", *words)
    with w.r.pipeline(transaction=False) as pipe:
        for ago in range(12):
            for what in ("results", "answers"):
                pipe.hset(w.key(f"{what}:{now // 300000 - ago}"), mapping={f"d{i} {r}": 5 for i in range(3000) for r in ("done", "retry", "dead")})
        for ago in range(60):
            pipe.hset(w.key(f"history:{now // 60000 - ago}"), mapping={f"attempt:{i}": 5 for i in range(60)} | {f"delivery:{i}": 5 for i in range(60)})
        for ago in range(30):
            pipe.hset(w.key(f"trends:{now // 120000 - ago}"), mapping={f"lane{i} done": 5 for i in range(128)})
        for n in range(200):
            pipe.hset(w.key("programs"), f"receiver host:{n}", f"{now} " + "z" * 300)
        pipe.execute()
    for _ in range(5):
        w.timed("counted_results_300", "counted", "results", *[f"d{i} {r}" for i in range(100) for r in ("done", "retry", "dead")])
        w.timed("counted_answers", "counted", "answers", "")
        w.timed("counted_history", "counted", "history")
        w.timed("counted_trends", "counted", "trends")
        w.timed("counted_programs", "counted", "programs")


def acts(w):
    w.fill(MANY, "queued")
    w.fill(SOME, "dead", mark="x")
    w.fill(SOME, "retry", mark="r", score=10**14)
    for n in range(10):
        w.timed("drop_deep", "drop", f"e{500_000 + n}:d", w.dead_ms, w.dedup_ms, 50_000)
        w.timed("drop_dead_deep", "drop", f"x{150_000 + n}:d", w.dead_ms, w.dedup_ms, 50_000)
        w.timed("redo_dead_deep", "redo", f"x{150_100 + n}:d", w.dead_ms)
        w.timed("redo_queued_deep", "redo", f"e{500_100 + n}:d", w.dead_ms)
    for n in range(20_000):
        w.r.zadd(w.key("lanes"), {f"other{n}": 1})
    w.timed("job_begin", "job", "begin", "j0", "drop", "queued", "", "", "", "", 0, 1 << 52, "root", "-")
    w.timed("jobs_list", "jobs", "list", "", 1000)
    w.timed("jobs_next", "jobs", "next", "me")
    for verb, state, walk in (("drop", "queued", "d"), ("drop", "retry", ""), ("drop", "dead", ""), ("resend", "dead", ""), ("resend", "retry", ""), ("drop", "dead", "source")):
        job = f"j{verb}{state}{walk}"
        at = str(int(time.time() * 1000) + 1000)
        w.run("job", "begin", job, verb, state, "", "none" if walk == "source" else "", walk if walk == "d" else "", walk if walk == "d" else "", 0, 1 << 52, "root", "-")
        for _ in range(20):
            more = [w.dead_ms, w.dedup_ms]
            w.timed(f"sweep_{verb}_{state}{'_none' if walk == 'source' else ''}", "sweep_" + verb, job, "me", 3000, *more)
    assert at


WORLDS = [put, put_tasks, leases, everything, claim_lanes, records, picks, strangers, lost_events, asides, accounts, settle, sent, presence, limits, check, tasks, looks,
          counted, acts, *worst_asked.WORLDS]


def worst():
    """The longest call of each case, in milliseconds. HOOKPACE_BENCH_WORLDS names some of WORLDS."""
    chosen = os.environ.get("HOOKPACE_BENCH_WORLDS", "").split()
    figures = {}
    with rig.stack(fsync="no") as s:
        w = World(s.redis.client(), s.redis.process.pid)
        w.r.config_set("hz", 1)
        w.r.config_set("appendonly", "no")
        for world in WORLDS:
            if chosen and world.__name__ not in chosen:
                continue
            w.clear()
            w.took = {}
            world(w)
            figures.update({f"scripts_{case}_ms": max(took) for case, took in w.took.items()})
    return {**figures, "scripts_longest_ms": max(figures.values())}

