"""Scripts of programs that work: one call does a bounded part of what there is, and the calls after it do the rest. Counted in commands."""

import time

import pytest

from scripts import result_args
from task_calls import put

COMMANDS_MAX = 1300  # to Redis, by one call
FAN = 64
LONG_ID = "%41" * 250  # an id may have 255 bytes, each of which takes three in a key


def commands(queue, call):
    """What CALL returns, and how many commands its script gave to Redis."""
    queue.r.config_resetstat()
    reply = call()
    stats = queue.r.info("commandstats")
    ours = ("cmdstat_evalsha", "cmdstat_eval", "cmdstat_config|resetstat", "cmdstat_info", "cmdstat_script|load")
    return reply, sum(s["calls"] for name, s in stats.items() if name not in ours)


def many_lanes(queue, each, lanes=64, delay=0, **how):
    """EACH deliveries on each of so many lanes, each with a destination of its own."""
    queue.limits(**{f"d{n}": (1000, 10000, 2000, 8) for n in range(lanes)})
    for n in range(lanes):
        queue.put_simple(*[f"e{n}.{i}" for i in range(each)], destination=f"d{n}", lane=f"d{n}", delay=delay, **how)


def claim_all(queue):
    claims = []
    while more := queue.claim(want=64):
        claims += more
    return claims


def test_a_call_claims_from_some_of_many_lanes(queue):
    """The others are due at once, and the next call begins with them."""
    many_lanes(queue, 2)
    lanes = []
    for _ in range(2):
        claims, given = commands(queue, lambda: queue.claim(want=64))
        assert given <= COMMANDS_MAX and len(claims) == 40 and queue.wait_us == 0
        lanes += [c.lane for c in claims]
    assert set(lanes) == {f"d{n}" for n in range(64)}


def test_what_claim_must_know_of_many_destinations_is_found_at_once(queue):
    """Redis searches a packed hash from its beginning, and would do so for each lane of a claim."""
    many_lanes(queue, 1)
    rows = [word for n in range(64) for word in (f"d{n}", "1000 10000 2000 8 - 0", f"d{n}", "requeue")]
    queue.run("limits", "all", "", *rows)
    assert len(claim_all(queue)) == 64
    for key, fields in (("limits", 65), ("busy", 64)):
        assert queue.r.object("encoding", queue.key(key)) == "hashtable"
        assert queue.r.hlen(queue.key(key)) == fields, "no field has stayed behind"
    queue.check()


def test_a_call_claims_fewer_from_lanes_that_lead_to_several_origins(queue):
    queue.limits(**{f"postback@a{n}": (100, 10000, 2000, 8, "b", 0) for n in range(64)})
    for n in range(64):
        url = f"https://h{n}.example/"
        queue.put(queue.event(f"e{n}", (f"postback@a{n}", f"a{n}", 0), kind="task", source=f"a{n}", to=[f"postback@a{n}"], url=url))
    seen = set()
    for most in (32, 32):
        claims, given = commands(queue, lambda: queue.claim(want=64))
        assert given <= COMMANDS_MAX and len(claims) == most
        seen |= {c.id for c in claims}
    assert len(seen) == 64 and queue.wait_us > 0
    queue.check()


def test_ended_leases_come_back_in_steps(queue):
    many_lanes(queue, 4)
    claimed = {c.id for c in claim_all(queue)}
    assert len(claimed) == 256
    queue.r.zadd(queue.key("inflight"), {id: 1 for id in claimed})
    seen, calls = set(), 0
    while len(seen) < 256:
        claims, given = commands(queue, lambda: queue.claim(want=64))
        assert given <= COMMANDS_MAX and claims, "each call claims too"
        seen |= {c.id for c in claims}
        calls += 1
        assert calls < 40
    assert seen == claimed
    queue.check()


def test_retries_and_leases_that_are_due_at_once(queue):
    """And dead letters whose time is over."""
    many_lanes(queue, 8)
    flying = [c for _ in range(4) for c in queue.claim(want=64)]
    for c in flying[:128]:
        queue.settle(c, "retry")
    queue.r.zadd(queue.key("retry"), {c.id: 1 for c in flying[:128]})
    queue.r.zadd(queue.key("inflight"), {c.id: 1 for c in flying[128:]})
    queue.r.rpush(queue.key("dead:gone"), *[f"x{n}:gone" for n in range(1000)])
    queue.r.zadd(queue.key("deads"), {"gone": 1})
    most = 0
    for _ in range(60):
        _, given = commands(queue, lambda: queue.claim(want=64))
        most = max(most, given)
    assert most <= COMMANDS_MAX, most
    assert queue.r.zcount(queue.key("inflight"), 0, 1000) == queue.r.zcount(queue.key("retry"), 0, 1000) == 0
    assert not queue.r.exists(queue.key("dead:gone"))
    assert all(not queue.queued(f"d{n}") for n in range(64)), "all were claimed"


def test_looking_for_shorter_delays_on_many_lanes(queue):
    """64 lanes wake for a delay that is out of sight. One call looks on a few of them, the next on others."""
    many_lanes(queue, 210, delay=1000)
    now = int(time.time() * 1e6)
    for n in range(64):
        queue.set_clock(f"d{n}", sent=now - 100_000)
        queue.r.hset(queue.key(f"delays:d{n}"), mapping={"1000": 209, "50": 1})
        queue.r.zadd(queue.key("lanes"), {f"d{n}": 1})
    most, parked = 0, set()
    for _ in range(40):
        _, given = commands(queue, queue.claim)
        most = max(most, given)
        parked |= {n for n in range(64) if int(queue.clock(f"d{n}")["parked"]) > 0}
        if len(parked) == 64:
            break
    assert most <= COMMANDS_MAX, most
    assert len(parked) == 64, "every lane had its turn"


def test_strangers_on_many_lanes_hold_nobody_up(queue):
    many_lanes(queue, 1)
    for n in range(63):
        queue.r.lpush(queue.key(f"queue:d{n}"), *[f"stranger{i}:d{n}" for i in range(200)])
        queue.r.zadd(queue.key("lanes"), {f"d{n}": 1})
    most, seen, calls = 0, set(), 0
    while len(seen) < 64:
        claims, given = commands(queue, lambda: queue.claim(want=64))
        most, calls = max(most, given), calls + 1
        seen |= {c.id for c in claims}
        assert calls < 63 * 200 / 20
        if calls == 3:
            assert "e63.0:d63" in seen
    assert most <= COMMANDS_MAX, most


def test_lost_events_of_many_lanes_die_in_steps(queue):
    """Their deliveries become dead letters, a few in each call, and what is left of the lanes is claimed."""
    many_lanes(queue, 4)
    for n in range(64):
        queue.r.delete(*[queue.key(f"event:e{n}.{i}") for i in range(3)])
    seen, calls = set(), 0
    while len(seen) < 64:
        dead = queue.r.zcard(queue.key("deaths"))
        claims, given = commands(queue, lambda: queue.claim(want=64))
        seen |= {c.id for c in claims}
        assert given <= COMMANDS_MAX and queue.r.zcard(queue.key("deaths")) - dead <= 16
        assert (calls := calls + 1) < 40
    assert seen == {f"e{n}.3:d{n}" for n in range(64)} and queue.r.zcard(queue.key("deaths")) == 3 * 64


def test_a_lane_whose_events_are_lost_dies_in_steps(queue):
    queue.put_simple(*[f"e{n:02}" for n in range(64)])
    queue.r.delete(*[queue.key(f"event:e{n:02}") for n in range(63)])
    assert queue.claim(want=64) == [] and len(queue.queued()) == 49 and queue.wait_us == 0
    while not (claims := queue.claim(want=64)):
        assert queue.queued()
    assert [c.id for c in claims] == ["e63:d"] and queue.r.llen(queue.key("dead:d")) == 63


def test_lanes_that_were_lost_are_mended_in_steps(queue):
    many_lanes(queue, 1)
    queue.r.delete(queue.key("lanes"))
    rows = [word for n in range(64) for word in (f"d{n}", "1000 10000 2000 8 - 0", f"d{n}", "requeue")]
    replies = [queue.run("limits", "missing", "", *rows)[1] for _ in range(4)]
    assert replies == [1, 1, 0, 0] and queue.r.zcard(queue.key("lanes")) == 64


def test_late_successes_in_long_queues(queue):
    """Each looks through its queue. The first ones are found, the others are sent once more."""
    queue.put_simple(*[f"e{n}" for n in range(64)])
    claims = queue.claim(want=64)
    queue.r.delete(queue.key("inflight"))
    for c in claims:
        queue.r.hset(queue.key("delivery:" + c.id), "state", "queued")
    queue.r.rpush(queue.key("queue:d"), *[c.id for c in claims], *[f"x{n}:d" for n in range(7000)])
    _, *results = queue.run("settle", queue.done_ms, queue.dead_ms, queue.dedup_ms,
                            *[word for c in claims for word in result_args(c, "done")])
    assert sorted(results) == [0] * 62 + [2] * 2, "as many as 20,000 entries allow"


def test_claims_of_many_dispatchers_that_are_gone(queue):
    many_lanes(queue, 8)
    claims = [c for _ in range(8) for c in queue.claim(want=64)]
    now = int(time.time() * 1000)
    at = now + 100_000
    for n, c in enumerate(claims):
        queue.r.zadd(queue.key("inflight"), {c.id: at - at % 128 + 1 + n % 126})
    for slot in range(1, 127):
        queue.r.hset(queue.key("present"), slot, f"host:{slot} run {now - 5000} {now} 0")
    calls, most = 0, 0
    while queue.r.zcard(queue.key("inflight")):
        before = queue.r.zcard(queue.key("inflight"))
        _, given = commands(queue, lambda: queue.look("me:1"))
        assert before - queue.r.zcard(queue.key("inflight")) <= 16
        most, calls = max(most, given), calls + 1
        assert calls < 400
    assert most <= COMMANDS_MAX, most
    queue.check()


def test_counts_of_what_is_in_flight_are_mended_in_steps(queue):
    many_lanes(queue, 31)
    assert len(claim_all(queue)) == queue.r.zcard(queue.key("inflight")) == 1984
    for id in queue.r.zrange(queue.key("inflight"), 0, -1):
        queue.r.hset(queue.key("delivery:" + id), "origin", "https://h.example:443")
    queue.r.delete(queue.key("busy"))
    rows = [word for n in range(64) for word in (f"d{n}", "1000 10000 2000 8 - 0", f"d{n}", "requeue")]
    calls = 0
    while True:
        (_, more, *_), given = commands(queue, lambda: queue.run("limits", "missing", "", *rows))
        calls += 1
        assert given <= COMMANDS_MAX
        if not more:
            break
    assert 16 <= calls <= 20
    assert queue.r.hgetall(queue.key("busy")) == {f"d{n}": "31" for n in range(64)}
    assert queue.r.hgetall(queue.key("shares:d7")) == {"https://h.example:443": "31"}


def test_repeats_of_events_with_many_dead_deliveries(queue):
    """A call of put queues some of them, and requeue the others: with those that an operator has dropped the task stays failed."""
    to = [(f"w{n}", f"w{n}", 0) for n in range(FAN)]
    queue.limits(**{name: (1000, 10000, 2000, 8) for name, *_ in to})
    names = [name for name, *_ in to]
    events = [queue.event(f"e{i}", *to, to=names) for i in range(3)]
    assert [r[0] for r in queue.put(*events)] == [0, 0, 0]
    for c in claim_all(queue):
        queue.settle(c, "dead", status=410)
    queue.drop("e0:w0")
    args = [word for e in events for word in e]
    (first, *others), given = commands(queue, lambda: queue.run("put", queue.dedup_ms, queue.done_ms, 3, *args))
    assert given <= COMMANDS_MAX
    assert first[1:] == [18, "e0", 19] and [o[1:] for o in others] == [[0, "e1", 0], [0, "e2", 0]]
    (n, passed), given = commands(queue, lambda: queue.run("requeue", queue.done_ms, "e0", 19))
    assert (n, passed) == (18, 37) and given <= COMMANDS_MAX
    assert queue.run("requeue", queue.done_ms, "e0", 37) == [18, 55]
    assert queue.run("requeue", queue.done_ms, "e0", 55) == [9, 0]
    assert queue.r.hgetall(queue.key("pending:e0"))["dead"] == "1"
    assert [queue.run("requeue", queue.done_ms, "e1", passed)[0] for passed in (0, 18, 36, 54)] == [18, 18, 18, 10]
    assert [r[2] for r in queue.put(events[2])] == [64]
    assert all(queue.queued(name) == [f"e{i}:{name}" for i in range(3) if (i, name) != (0, "w0")] for name in names)
    queue.check()


ANSWERS_MAX = 2000


def answers_of(queue):
    """Their sums, as the receiver adds them up, and how many fields each call has read."""
    cursor, seen, reads = "", {}, []
    while cursor or not reads:
        cursor, *spans = queue.run("counted", "answers", cursor)
        reads.append(sum(len(fields) // 2 for fields in spans[1::2]))
        for span, fields in zip(spans[::2], spans[1::2]):
            seen.update({(span, name): int(n) for name, n in zip(fields[::2], fields[1::2])})
    sums = {}
    for (_, name), n in seen.items():
        sums[name] = sums.get(name, 0) + n
    return sums, reads


@pytest.mark.parametrize("names, calls", [(40, 1), (160, 1), (1200, 8), (7000, 42)])
def test_the_answers_of_an_hour_in_steps(queue, names, calls):
    """A call reads a part of a span where it is large. The sums are those of the hour."""
    span = int(queue.r.time()[0]) // 300
    for ago in range(-1, 13):  # the present span may end meanwhile
        queue.r.hset(queue.key(f"answers:{span - ago}"), mapping={f"s{n} ok": 1 for n in range(names)})
    sums, reads = answers_of(queue)
    wrong = [n for n in range(names) if sums.pop(f"s{n} ok", None) != 12]
    assert not wrong[:5] and not sums, "pytest would need minutes to show all that differs"
    assert max(reads) <= ANSWERS_MAX * 1.1 + 128, "HSCAN returns whole buckets, and small hashes whole"
    assert calls <= len(reads) <= calls + 2


def test_answers_that_come_while_they_are_read(queue):
    """The present span grows tenfold between two calls. What was there before is counted, and once."""
    span = int(queue.r.time()[0]) // 300
    for ago in range(-1, 2):
        queue.r.hset(queue.key(f"answers:{span - ago}"), mapping={f"s{n} ok": 1 for n in range(3000)})
    cursor, *first = queue.run("counted", "answers", "")
    for ago in range(-1, 1):
        queue.r.hset(queue.key(f"answers:{span - ago}"), mapping={f"new{n} ok": 1 for n in range(30_000)})
    names = set(first[1][::2])
    while cursor:
        cursor, *spans = queue.run("counted", "answers", cursor)
        if spans[:1] == first[:1]:
            names |= set(spans[1][::2])
    assert {f"s{n} ok" for n in range(3000)} <= names


@pytest.mark.parametrize("script, args", [("retrying", (0, 1000)), ("limits", ("missing", "", "d", "100 10000 2000 8 - 0", "d", "requeue")), ("dead", ("",))])
def test_long_ids_cost_as_much_as_their_length(queue, script, args):
    """A pattern that may begin at any byte takes the square of it: a second for a thousand ids."""
    for name in ("retry", "inflight", "deaths"):
        queue.r.zadd(queue.key(name), {f"{LONG_ID}{n}:d": 10**13 for n in range(1000)})
    with queue.r.pipeline() as pipe:
        for n in range(1000):
            pipe.hset(queue.key(f"delivery:{LONG_ID}{n}:d"), "state", "dead")
        pipe.execute()
    queue.r.config_resetstat()
    queue.run(script, *args)
    assert queue.r.info("commandstats")["cmdstat_evalsha"]["usec"] < 250_000


def test_revisions_of_an_id_of_digits(queue):
    id = "1" * 255
    assert put(queue, id, ("d", "d", "0"), body="first") == 0
    queue.put(*[queue.event(id, ("d", "d", 0), body=f"b{n}") for n in range(30)])
    assert queue.revisions == list(range(2, 32))


def calls_of(queue, command):
    return queue.r.info("commandstats").get("cmdstat_" + command, {"calls": 0})["calls"]


def posted_steps(queue, ids_each, skip, entries=100, id=LONG_ID):
    """What each step through `posted` skipped, and how many ids it replied."""
    with queue.r.pipeline() as pipe:
        for n in range(entries):
            pipe.xadd(queue.key("posted"), {"ids": " ".join(f"{id}{n}.{i}" for i in range(ids_each))}, id=f"{n + 1}-0")
        pipe.execute()
    steps, cursor, left = [], "", skip
    while cursor or not steps:
        cursor, skipped, *found = queue.run("posted", "", cursor, "-", "+", left, 10_000, 0)
        steps.append((skipped, found[::2]))
        left -= skipped
    return steps


@pytest.mark.parametrize("skip", [0, 1000, 3200])
def test_ids_of_large_calls_of_put(queue, skip):
    """A step reads 1 MiB of them, skips as much at most, and replies 600 and the ids of one entry more."""
    steps = posted_steps(queue, 32, skip)
    assert all(len(found) <= 632 and skipped * len(LONG_ID) <= (1 << 20) + 32 * len(LONG_ID) for skipped, found in steps)
    assert sum(skipped for skipped, _ in steps) == skip
    assert [i for _, found in steps for i in found] == [f"{LONG_ID}{n}.{i}" for n in range(100) for i in range(32)][skip:]


def test_ids_of_usual_length_take_few_steps(queue):
    assert [skipped for skipped, _ in posted_steps(queue, 8, 4800, entries=600, id="x" * 30)][0] == 4800


@pytest.mark.parametrize("size, looked", [(40, 3000), (750, 1 << 20)])
def test_a_step_through_all_tasks_that_are_ready(queue, size, looked):
    """None of them is under the path that is asked for. LOOKED: members of usual ids, bytes of long ones."""
    id = "i" * (size - 6)
    queue.r.zadd(queue.key("ready"), {f"00ff00{id}{n:05}": queue.now + n for n in range(6000)})
    queue.r.zadd(queue.key("ready"), {f"000000{id}{n:05}": queue.now + n for n in range(6000)})
    cursor, calls = "", 0
    while cursor or not calls:
        queue.r.config_resetstat()
        cursor, _, *found = queue.run("ready", "", "ready", cursor, "a/b", 10**9, 0, 1000)
        calls += 1
        assert not found and calls_of(queue, "zrange") * 300 * (1 if size == 40 else size) <= looked + 300 * size
    assert (12_000 // 3000 <= calls <= 12_000 // 3000 + 1) if size == 40 else 8 <= calls <= 10


def test_a_job_stops_within_an_event(queue):
    """An event with 64 webhooks that are over is resent in steps, and each webhook once."""
    names = [f"w{n}" for n in range(FAN)]
    queue.limits(**{name: (1000, 10000, 2000, 8) for name in names})
    assert queue.put(*[queue.event(f"e{i}", *[(name, name, 0) for name in names], to=names) for i in range(2)])
    while queue.r.zcard(queue.key("lanes")):
        for c in queue.claim(want=64):
            queue.settle(c, "done")
    queue.run("job", "begin", "j", "resend", "done", "", "", "", "", 0, 1 << 52, "root", "-")
    most, steps, goes_on = 0, 0, 1
    while goes_on:
        goes_on, given = commands(queue, lambda: queue.run("sweep_resend", "j", "me", 3000, queue.dead_ms, queue.dedup_ms))
        most, steps = max(most, given), steps + 1
        assert steps < 50
    assert most <= 500, most
    assert all(sorted(queue.queued(name)) == [f"e{i}:{name}" for i in range(2)] for name in names)
    assert queue.r.hget(queue.key("job:j"), "done") == "128"


@pytest.mark.parametrize("id, finds", [("x" * 40, True), (LONG_ID, False)], ids=["usual", "long"])
def test_a_drop_looks_at_fewer_long_ids(queue, id, finds):
    """Deep in its queue a delivery keeps its place, and is dropped there."""
    queue.put_simple("e0")
    for side in (queue.r.lpush, queue.r.rpush):
        for first in range(0, 10_000, 1000):
            side(queue.key("queue:d"), *[f"{id}{n:05}:d" for n in range(first, first + 1000)])
    assert queue.run("drop", "e0:d", queue.dead_ms, queue.dedup_ms, 50_000) == ["done", "dropped"]
    assert (queue.r.llen(queue.key("queue:d")) == 20_000) == finds
    assert queue.r.hexists(queue.key("delivery:e0:d"), "in_queue") == (not finds)


def test_check_counts_leases_of_accounts(queue):
    """The shares of 500 deliveries are counted in one call. Of more, the count of the destination alone."""
    to = "postback@acme"
    for n, unsure in ((500, 0), (501, 1)):
        with queue.r.pipeline() as pipe:
            for i in range(n):
                pipe.hset(queue.key(f"delivery:e{i}:{to}"), "origin", f"https://h{i}.example:443")
                pipe.zadd(queue.key("inflight"), {f"e{i}:{to}": 10**13})
            pipe.execute()
        queue.r.hset(queue.key("busy"), to, 7)
        (_, looked, told, *found), given = commands(queue, lambda: queue.run("check", 1, "busy 0", 1000, 1000))
        assert told == unsure and found == ["busy_count", to, "1"] and given < 1000
        assert queue.r.hget(queue.key("busy"), to) == str(n) and queue.r.hlen(queue.key("shares:" + to)) == 500


def test_check_reads_a_bounded_part_of_long_leases(queue):
    """More than 400 KB of ids are too many to be counted in one piece."""
    queue.r.zadd(queue.key("inflight"), {f"{LONG_ID}{n}:d": 10**13 for n in range(2000)})
    queue.r.hset(queue.key("busy"), "d", 7)
    assert queue.run("check", 1, "busy 0", 1000, 1000)[:3] == ["", 0, 1]
    assert queue.r.hget(queue.key("busy"), "d") == "7"


def add_origins(queue, lane, count, destination):
    queue.r.hset(queue.key("origins:" + lane), mapping={f"{destination}/https://h{n}.example:443": "9 99999999999999 3 0 0 0" for n in range(count)})


def test_stats_of_lanes_with_many_origins(queue):
    """A call reads those of as many lanes as it may, and the next one goes on. Of usual lanes one call reads 50 and their destinations."""
    names, to = [f"l{n}" for n in range(50)], [f"d{n}" for n in range(50)]
    queue.put_simple("e0", destination="d0", lane="l0")
    assert len(queue.run("stats", 50, *names, *to)) == 100
    for n in range(10):
        add_origins(queue, names[n], 1000, to[n])
    told, calls = [], 0
    while len(told) < 100:
        left = names[len(told):]
        reply = queue.run("stats", len(left), *left, *to)
        assert 0 < len(reply) <= len(left) or len(reply) == len(left) + 50
        assert sum(one[3][1] for one in reply if len(one) == 4 and one[3]) <= 2000
        told, calls = told + reply, calls + 1
    assert calls <= 8 and told[0][0] == 1
    assert [one[3] for one in told[:50]] == [[to[n], 1000] if n < 10 else [] for n in range(50)]


def test_lanes_with_many_origins_and_destinations(queue):
    """The last lane of a call is not one that is work for a whole call."""
    names = [f"l{n}" for n in range(40)]
    add_origins(queue, "l39", 1000, "d0")
    many = [word for n in range(1000) for word in (f"d{n}", f"delay:destination:d{n}")]
    args = [word for _ in names[:39] for word in (1, "d0", "delay:destination:d0")] + [1000, *many]
    (_, *told), given = commands(queue, lambda: queue.run("lanes", 40, *names, *args))
    assert 30 <= len(told) < 40 and given <= COMMANDS_MAX
    _, one = queue.run("lanes", 1, "l39", 1000, *many)
    assert len(one[5]) == 3000 and len(one[6]) == 300


def test_a_job_finds_the_lanes_in_steps(queue):
    """Neither its begin nor a step of it reads all lanes."""
    lanes = 3000
    with queue.r.pipeline() as pipe:
        for n in range(lanes):
            pipe.zadd(queue.key("lanes"), {f"l{n}": 1})
        pipe.execute()
    for n in range(0, lanes, 100):
        queue.put_simple(f"e{n}", lane=f"l{n}")
    assert commands(queue, lambda: queue.run("job", "begin", "j", "drop", "queued", "", "", "", "", 0, 1 << 52, "root", "-"))[1] <= 20
    most, steps, goes_on = 0, 0, 1
    while goes_on:
        goes_on, given = commands(queue, lambda: queue.run("sweep_drop", "j", "me", 3000, queue.dead_ms, queue.dedup_ms))
        assert queue.r.llen(queue.key("job:lanes:j")) <= 250
        most, steps = max(most, given), steps + 1
        assert steps < 300
    assert most <= 500 and queue.r.hget(queue.key("job:j"), "done") == "30"


def test_a_drop_that_begins_again_finds_lanes_again(queue):
    """A delivery that waited for a retry went to a lane that the job had already gone through."""
    queue.put_simple("e0", "e1")
    (claim,) = queue.claim(want=1)
    queue.settle(claim, "retry")
    queue.run("job", "begin", "j", "drop", "", "", "", "", "", 0, 1 << 52, "root", "-")
    queue.r.hset(queue.key("job:j"), mapping={"walk": 2, "scan": "", "acted": 1})  # the queues are behind it
    queue.r.zadd(queue.key("retry"), {claim.id: 1})
    queue.claim(want=0)
    assert set(queue.queued()) == {"e0:d", "e1:d"}
    while queue.run("sweep_drop", "j", "me", 3000, queue.dead_ms, queue.dedup_ms):
        pass
    assert queue.queued() == [] and queue.r.hget(queue.key("job:j"), "done") == "2"


@pytest.mark.parametrize("id, least, most", [("x" * 40, 2300, 2600), (LONG_ID, 500, 800)], ids=["usual", "long"])
def test_presence_reads_a_bounded_part_of_the_leases(queue, id, least, most):
    """It looks for those of a dispatcher that is gone. Its row says how many it has passed."""
    queue.r.zadd(queue.key("inflight"), {f"{id}{n}:d": 2 + 128 * 10**11 for n in range(3000)})
    passed = 0
    while not passed:  # a row at which nobody has looked for a second says nothing
        seconds, us = queue.r.time()
        now = seconds * 1000 + us // 1000
        queue.r.hset(queue.key("present"), 1, f"host:1 run {now - 5000} {now} 0")
        queue.run("presence", queue.dead_ms, queue.dedup_ms, "run", "me:1")
        passed = int(queue.r.hget(queue.key("present"), 1).split()[-1])
    assert least <= passed <= most
