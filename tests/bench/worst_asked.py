"""The worst inputs of scripts that the API, operators and timers call: ids as long as they may be, and things that have as many parts as
they may have. Used by worst.py."""

import struct
import time

from harness.stored import tag

FAN = 64            # destinations of one event
PUT = 32            # events of one call of put
ID = "%41" * 250    # an id may have 255 bytes, each of which takes three in a key
NAME = "n" * 58     # a name may have 64
LATER = 10**13
ANY_TIME = (0, 1 << 52)


def now_ms():
    return int(time.time() * 1000)


def all_steps(w, case, name, *args, most=10):
    """Calls the script NAME with its cursor, which comes behind the first of ARGS and with which its reply begins."""
    cursor = ""
    for _ in range(most):
        cursor = w.timed(case, name, args[0], cursor, *args[1:])[0]
        if not cursor:
            return


def run_job(w, case, job, verb, state, destination="", source="", lane="", most=10):
    w.run("job", "begin", job, verb, state, destination, source, lane, lane, *ANY_TIME, "root", "-")
    for _ in range(most):
        w.timed(case, "sweep_" + verb, job, "me", 3000, w.dead_ms, w.dedup_ms)


def long_ids(w):
    w.rows(1000)
    for state, mark in (("retry", "r"), ("inflight", "i"), ("dead", "x"), ("queued", "q")):
        w.fill(20_000, state, 1000, 1000, mark=ID + mark, score=LATER)
    lanes, to = [f"lane{n}" for n in range(1000)], [f"d{n}" for n in range(1000)]
    for n in range(0, 500, 100):
        w.timed("long_retrying", "retrying", n, 1000)
        for part, step in (("retry", 500), ("inflight", 500), ("deads", 200), ("lanes", 500)):
            w.timed("long_survey_" + part, "survey", part, n, step)
        w.timed("long_stats", "stats", 50, *lanes[n:n + 50], *to[n:n + 50])
        w.timed("long_look", "look", 100, *[f"{ID}x{i}:d{i % 1000}" for i in range(n, n + 1000)])
    cursor = ""
    for _ in range(10):
        cursor = w.timed("long_dead", "dead", cursor)[0]
    run_job(w, "long_sweep_passes_retry", "j0", "drop", "retry", destination="nobody")
    run_job(w, "long_sweep_passes_dead", "j1", "resend", "dead", destination="nobody")
    run_job(w, "long_sweep_reads_sources", "j2", "drop", "dead", source="none")
    run_job(w, "long_sweep_resends", "j3", "resend", "dead")
    run_job(w, "long_sweep_drops", "j4", "drop", "retry")


def long_queue(w):
    w.fill(150_000, "queued", mark=ID)
    for n in range(10):
        w.timed("long_drop_deep", "drop", f"{ID}{75_000 + n}:d", w.dead_ms, w.dedup_ms, 50_000)
        w.timed("long_redo_deep", "redo", f"{ID}{75_100 + n}:d", w.dead_ms)
    run_job(w, "long_sweep_queue", "j0", "drop", "queued", lane="d")
    cursor = ""
    for _ in range(50):
        cursor = w.timed("long_check_lists", "check", 0, cursor, w.done_ms, w.dead_ms)[0]
    cursor = "keys 0"
    for _ in range(50):
        cursor = w.timed("long_check_keys", "check", 0, cursor, w.done_ms, w.dead_ms)[0]


def wide_events(w):
    """Events with 64 deliveries, long ids and heads of 62 KB, by all ways to find them."""
    now, names = now_ms(), [f"w{i}" for i in range(FAN)]
    ids = [f"{ID}e{n}" for n in range(10 * PUT)]
    with w.r.pipeline(transaction=False) as pipe:
        for n, event in enumerate(ids):
            pipe.set(w.key("event:" + event), f"hp1 {now - 9000} 00ff00ff00ff00ff webhook src 2 -\np {'k/' * 500}\no {' '.join(names)}\nt {'t' * 1000}\n"
                     f"h {'k' * 60_000 if n % 4 == 0 else 0}\n\n{{}}", px=10**8)
            pipe.hset(w.key("pending:" + event), mapping={"n": 0, "is": "listed"})
            for name in names:
                pipe.hset(w.key(f"delivery:{event}:{name}"), mapping={"state": "done", "kind": "postback", "destination": name, "lane": name, "delay_ms": 0, "attempts": 1,
                          "requeues": 0, "accepted_at": now - 9000, "ended_at": now - 8000, "fan": FAN, "response": "r" * 2000})
                pipe.pexpire(w.key(f"delivery:{event}:{name}"), 10**8)
            if n % PUT == PUT - 1:
                pipe.xadd(w.key("posted"), {"ids": " ".join(ids[n + 1 - PUT:n + 1])}, id=f"{now - 9000}-{n}")
                pipe.execute()
    for n in range(5):
        w.timed("wide_look", "look", 100, *[f"{event}:w{n}" for event in ids])
        for get in (0, 1):
            w.timed("wide_task", "task", "", "@root/", get, w.done_ms, 500, *[f"d{i}" for i in range(500)], *ids[n:])
    for case, fields in {"all": ("", "", "", "", ""), "tag": ("", "", "", "", "none"), "to": ("", "w63", "", "", ""), "state": ("dead", "", "", "", ""), "source": ("", "", "none", "", "")}.items():
        all_steps(w, "wide_search_" + case, "search", "posted", 1000, *ANY_TIME, *fields, "")
    run_job(w, "wide_sweep_resends", "j0", "resend", "done", most=30)
    w.timed("wide_resend", "resend", "", "", w.dead_ms, 0, *ids)


def words(w):
    """Searches of a day's index: for a tag that nothing has, and for one that all have."""
    now = now_ms()
    minute = now // 60_000
    w.r.xadd(w.key("posted"), {"ids": "e1"}, id=f"{now - 86_400_000}-1")
    same = [struct.pack(">IHH", 7 + i % 90, i * 60_000 // 100_000, i % 60_000) for i in range(100_000)]
    with w.r.pipeline(transaction=False) as pipe:
        for ago in range(1440):
            pipe.set(w.key(f"tags:{minute - ago}"), b"".join(same if ago < 6 else same[:20_000:100]))
        pipe.execute()
    all_steps(w, "words_none", "search", "words:tnone", 1000, *ANY_TIME, "", "", "", "", "none", "", most=30)


def long_posted(w):
    now = now_ms()
    for case, each, skip in (("skip", PUT, 100_000), ("many", PUT, 0), ("one", 1, 0)):
        w.r.delete(w.key("posted"))
        with w.r.pipeline(transaction=False) as pipe:
            for n in range(5000):
                pipe.xadd(w.key("posted"), {"ids": " ".join(f"{ID}{n}.{i}" for i in range(each))}, id=f"{now - 90_000}-{n}")
            pipe.execute()
        all_steps(w, "long_posted_" + case, "posted", "", 0, 1 << 50, skip, 1000, 1)


def long_ready(w):
    now = now_ms()
    with w.r.pipeline(transaction=False) as pipe:
        for n in range(30_000):
            path, event, at = f"a/{n % 240}/c", f"{ID}{n}", now - 10**6 + n
            pipe.zadd(w.key("ready"), {tag(path) + event: at})
            pipe.zadd(w.key("ready:paths"), {f"{tag(path)}{at:011x}{event}": 0})
            pipe.set(w.key("event:" + event), f"hp1 {now} 00ff00ff00ff00ff task acme 10 -\np {path}{'x' * 700}\n\n{{}}")
        pipe.execute()
    for index in ("paths", "whole"):
        for name, path in {"all": "", "prefix": "a", "none": "merchant/x"}.items():
            cursor = ""
            for _ in range(10):
                cursor = w.timed(f"long_ready_{index}_{name}", "ready", "", "ready", cursor, path, w.done_ms, 0, 1000)[0]
                if not cursor:
                    break
        w.r.delete(w.key("ready:paths"))


def flying(w):
    """All that is in flight is counted: deliveries of an account to as many origins, and long ids."""
    now, to = now_ms(), "postback@acme"
    for case, mark, count in (("origins", "", 500), ("many", "", 2500), ("long", ID, 2500)):
        w.clear()
        with w.r.pipeline(transaction=False) as pipe:
            for n in range(count):
                pipe.hset(w.key(f"delivery:{mark}{n}:{to}"), mapping={"state": "inflight", "destination": to, "account": "acme", "lane": "acme", "origin": f"https://h{n}.example:443"})
                pipe.zadd(w.key("inflight"), {f"{mark}{n}:{to}": now + 10**6})
            pipe.hset(w.key("shares:" + to), mapping={f"https://h{n}.example:443": 9 for n in range(1000)})
            pipe.execute()
        for repair in (0, 0, 1):
            w.r.hset(w.key("busy"), to, count)
            w.timed("check_busy_" + case, "check", repair, "busy 0", w.done_ms, w.dead_ms)
    w.clear()
    w.rows(1000)
    w.fill(5000, "inflight", 1000, 1000, score=now + 100_000, attempts=8, fan=FAN, mark=ID)
    with w.r.pipeline(transaction=False) as pipe:
        for n, id in enumerate(w.r.zrange(w.key("inflight"), 0, -1)):
            at = now + 100_000
            pipe.zadd(w.key("inflight"), {id: at - at % 128 + 1 + n % 126})
        for slot in range(1, 127):
            pipe.hset(w.key("present"), slot, f"host:{slot} run {now_ms() - 5000} {now_ms()} 0")
        pipe.execute()
    for _ in range(20):
        w.timed("presence_attempts_spent", "presence", w.dead_ms, w.dedup_ms, "run", "me:1")


def many_jobs(w):
    """And very many lanes, which the first of them has to find."""
    with w.r.pipeline(transaction=False) as pipe:
        for n in range(20_000):
            pipe.zadd(w.key("lanes"), {f"{NAME}{n}": 1})
        pipe.execute()
    for n in range(100):
        w.timed("job_begin_lanes", "job", "begin", f"j{n}", "drop", "", "", "", "", "", *ANY_TIME, "root", "-")
    for _ in range(20):
        w.timed("sweep_finds_lanes", "sweep_drop", "j0", "me", 3000, w.dead_ms, w.dedup_ms)
    for n in range(100):
        w.r.hset(w.key(f"job:j{n}"), mapping={"owner": "other", "lease": 10**14})
    for _ in range(3):
        w.timed("jobs_list_100", "jobs", "list", "", 100)
        w.timed("jobs_next_100", "jobs", "next", "me")


def many_origins(w):
    lanes, to = [f"{NAME}{n:05}" for n in range(1000)], [f"{NAME}{n:05}" for n in range(1000)]
    with w.r.pipeline(transaction=False) as pipe:
        for k, lane in enumerate(lanes):
            pipe.hset(w.key("origins:" + lane), mapping={f"{to[n]}/https://{'h' * 200}{n}:443": "9 99999999999999 3 0 1 0" for n in range(1000 if k < 20 else 5)})
            for n in range(6 if k < 200 else 0):
                pipe.rpush(w.key("queue:" + lane), f"{k}.{n}:d")
                pipe.hset(w.key(f"delivery:{k}.{n}:d"), mapping={"accepted_at": 1700000000000, "state": "queued"})
        pipe.execute()

    def ask(case, names, each):
        of_one = [each, *[word for name in to[:each] for word in (name, "delay:destination:" + name)]]
        w.timed(case, "lanes", len(names), *names, *of_one * len(names))

    for first in (0, 19, 50, 100):
        w.timed("origins_survey", "survey", "origins", 0, *lanes[first:first + 500])
        w.timed("origins_stats", "stats", 50, *lanes[first:first + 50], *to[:50])
        ask("origins_lanes", lanes[first:first + 100], 1)
        ask("origins_lanes", lanes[first:first + 100], 5)
    ask("origins_lane", lanes[:1], 1000)


def many_counts(w):
    """Long names of sources, destinations and lanes; and programs that are gone."""
    now = now_ms()
    with w.r.pipeline(transaction=False) as pipe:
        for ago in range(12):
            for what in ("results", "answers"):
                pipe.hset(w.key(f"{what}:{now // 300_000 - ago}"), mapping={f"{NAME}{i} {r}": 5 for i in range(3000) for r in ("done", "retry", "dead")})
        for ago in range(30):
            pipe.hset(w.key(f"trends:{now // 120_000 - ago}"), mapping={f"{NAME}{ago}.{i} done": 5 for i in range(128)})
        pipe.hset(w.key("programs"), mapping={f"receiver host:{n}": f"{now - 100_000} " + "z" * 300 for n in range(1000)})
        pipe.execute()
    w.timed("tally_gone_programs", "tally", "receiver host:1", f"{now} {{}}")
    for n in range(5):
        w.timed("tally_full_trends", "tally", "receiver host:1", f"{now} {{}}", *[word for i in range(128) for word in ("trends", f"{NAME}{n}.{i} done", 5)],
                *[word for i in range(172) for word in ("answers", f"{NAME}{NAME}{i}", 5)])
        w.timed("long_counted_results", "counted", "results", *[f"{NAME}{i} {r}" for i in range(n * 100, n * 100 + 100) for r in ("done", "retry", "dead")])
        w.timed("long_counted_trends", "counted", "trends")
    cursor = ""
    for _ in range(20):
        cursor = w.timed("long_counted_answers", "counted", "answers", cursor)[0]


def many_delays(w):
    w.rows(64)
    w.fill(100_000, "queued", 64, 64)
    with w.r.pipeline(transaction=False) as pipe:
        for n in range(64):
            pipe.hset(w.key(f"delays:lane{n}"), mapping={d: 100 for d in range(1001)})
        pipe.execute()
    for n in range(5):
        w.timed("delays_pause", "pause", f"lane{n}", n % 2)
        w.timed("delays_drop", "drop", f"e{n}:d{n}", w.dead_ms, w.dedup_ms, 50_000)


WORLDS = [long_ids, long_queue, wide_events, words, long_posted, long_ready, flying, many_jobs, many_origins, many_counts, many_delays]
