"""What the API lists and counts: task, resend, ready, posted, counts, setting, and what put and settle write for them."""

import time

import pytest

DAY = 86400000


def task(queue, *ids, account="", get=0, names=()):
    replies = queue.run("task", account, get, queue.done_ms, len(names), *names, *ids)
    return [dict(zip(("state", "fetched", "hooks", "received", "done_at", "record"), r)) for r in replies]


def state(queue, id, **how):
    (t,) = task(queue, id, **how)
    return t["state"]


def counts(queue, account=""):
    return dict(zip(("open", "busy", "fetched", "ready", "failed"),
                    queue.run("counts", account, queue.done_ms, queue.dead_ms)))


def ready(queue, account="", path="", most=1000):
    return [r[0] for r in queue.run("ready", account, path, most, queue.done_ms, queue.dead_ms)]


def posted(queue, account="", start=0, end=1 << 50, skip=0, most=1000, newest=0):
    reply = queue.run("posted", account, start, end, skip, most, newest)
    return list(reply[0::2])


def record(queue, body="{}", source="src", path="", to=(), flag="-", digest="00ff00ff00ff00ff"):
    lines = f"hp1 {queue.now} {digest} {source} {len(body) if flag != 'n' else 0} {flag}\n"
    lines += f"p {path}\n" if path else ""
    lines += f"o {' '.join(to)}\n" if to else ""
    return lines + "\n" + (body if flag != "n" else "")


def put(queue, id, *deliveries, kind="event", dedup="", then=(), **rec):
    """deliveries: (destination, lane, delay). A record as the programs write it."""
    args = [id, dedup, queue.now, record(queue, to=[d[0] for d in deliveries], **rec), "", kind, len(deliveries)]
    for d in deliveries:
        args += (list(d) + ["", ""])[:5]
    if kind == "announced":
        args.append(len(then))
        for d in then:
            args += (list(d) + ["", ""])[:5]
    (reply,) = queue.put(args)
    return reply[0]


def put_task(queue, id, *which, account="acme", path="serp/google/organic", delay="=0", **rec):
    to = [(f"{w}@{account}", account, delay) for w in which]
    return put(queue, id, *to, kind=f"task {account}", source=f"@{account}", path=path, **rec)


@pytest.fixture
def tasks(queue):
    queue.limits(**{n: (100, 10000, 2000, 8) for n in ("d", "b", "ping", "postback@acme", "pingback@acme", "postback@beta", "fetch@src")})
    return queue


def end_all(queue, verdicts, **how):
    """Claims what there is and settles it: verdicts by destination."""
    claims = queue.claim(want=100)
    for c in claims:
        queue.settle(c, verdicts[c.id.rsplit(":", 1)[1]], **how)
    return len(claims)


# --- done, fetched, failed ---

def test_a_delivered_postback_is_fetched_and_never_listed(tasks):
    put(tasks, "a", ("d", "d", "0"))
    assert state(tasks, "a") == "queued" and counts(tasks)["open"] == 1
    (claim,) = tasks.claim()
    assert state(tasks, "a") == "handed" and counts(tasks)["busy"] == 1
    tasks.settle(claim, "done")
    (t,) = task(tasks, "a")
    assert (t["state"], t["fetched"], t["hooks"]) == ("done", 1, 1) and int(t["done_at"]) > 0
    assert ready(tasks) == [] and counts(tasks) == {"open": 0, "busy": 0, "fetched": 1, "ready": 0, "failed": 0}


def test_a_delivered_pingback_leaves_the_result_to_be_fetched(tasks):
    put(tasks, "a", ("ping", "ping", "0"))
    assert end_all(tasks, {"ping": "told"}) == 1
    assert ready(tasks) == ["a"] and counts(tasks)["ready"] == 1
    assert [t["fetched"] for t in task(tasks, "a")] == [0]
    (t,) = task(tasks, "a", get=1)
    assert t["record"].endswith("\n\n{}")
    assert ready(tasks) == [] and counts(tasks) == {"open": 0, "busy": 0, "fetched": 1, "ready": 0, "failed": 0}
    task(tasks, "a", get=1)
    assert counts(tasks)["fetched"] == 1, "once"


def test_a_dead_postback_is_failed_but_listed(tasks):
    put(tasks, "a", ("d", "d", "0"))
    end_all(tasks, {"d": "dead"}, status=410)
    assert state(tasks, "a") == "failed" and ready(tasks) == ["a"]
    assert counts(tasks) == {"open": 0, "busy": 0, "fetched": 0, "ready": 0, "failed": 1}
    task(tasks, "a", get=1)
    assert counts(tasks) == {"open": 0, "busy": 0, "fetched": 1, "ready": 0, "failed": 0}


def test_a_task_of_several_is_done_with_the_last_and_fetched_by_one_postback(tasks):
    put(tasks, "a", ("d", "d", "0"), ("ping", "ping", "0"))
    claims = {c.lane: c for c in tasks.claim()}
    tasks.settle(claims["d"], "done")
    assert state(tasks, "a") == "handed" and counts(tasks)["open"] == 1
    tasks.settle(claims["ping"], "dead", status=410)
    assert state(tasks, "a") == "failed" and ready(tasks) == []
    assert counts(tasks) == {"open": 0, "busy": 0, "fetched": 1, "ready": 0, "failed": 0}


def test_without_webhooks_it_is_done_at_once(tasks):
    put(tasks, "a")
    (t,) = task(tasks, "a")
    assert (t["state"], t["hooks"]) == ("done", 0) and ready(tasks) == ["a"] and counts(tasks)["ready"] == 1
    assert 0 < tasks.r.pttl(tasks.key("event:a")) <= tasks.done_ms


def test_without_a_body_there_is_nothing_to_fetch(tasks):
    put(tasks, "a", flag="n")
    put(tasks, "b", ("ping", "ping", "0"), flag="n")
    put(tasks, "c", ("ping", "ping", "0"), flag="n")
    first, second = tasks.claim()
    tasks.settle(first, "told")
    tasks.settle(second, "dead", status=410)
    assert ready(tasks) == []
    assert counts(tasks) == {"open": 0, "busy": 0, "fetched": 2, "ready": 0, "failed": 1}


def test_a_lease_that_ran_out_for_the_last_time_fails_the_task(tasks):
    tasks.limits(d=(10, 1, 1, 1))
    put(tasks, "a", ("d", "d", "0"))
    tasks.claim()
    deadline = time.monotonic() + 5
    while state(tasks, "a") != "failed":
        assert time.monotonic() < deadline
        tasks.claim(want=0)
    assert ready(tasks) == ["a"] and counts(tasks)["failed"] == 1


# --- accounts and paths ---

def test_an_account_sees_its_own(tasks):
    put_task(tasks, "a", "postback")
    put_task(tasks, "b", account="beta")
    put(tasks, "c")
    assert [t["state"] for t in task(tasks, "a", "b", "c", account="acme")] == ["queued", "unknown", "unknown"]
    assert [t["state"] for t in task(tasks, "a", "b", "c")] == ["queued", "done", "done"]
    assert ready(tasks, "beta") == ["b"] and ready(tasks, "acme") == [] and set(ready(tasks)) == {"b", "c"}
    assert posted(tasks, "acme") == ["a"] and posted(tasks) == ["a", "b", "c"]
    assert counts(tasks, "beta")["ready"] == 1 and counts(tasks, "acme")["open"] == 1 and counts(tasks)["open"] == 1
    assert [t["state"] for t in task(tasks, "b", account="acme", get=1)] == ["unknown"]
    assert counts(tasks)["ready"] == 2, "asking for another's does not fetch it"


def test_an_account_fetches_for_everybody(tasks):
    put_task(tasks, "a", "pingback")
    end_all(tasks, {"pingback@acme": "told"})
    assert ready(tasks, "acme") == ready(tasks) == ["a"]
    task(tasks, "a", account="acme", get=1)
    assert ready(tasks, "acme") == ready(tasks) == []
    assert counts(tasks, "acme")["fetched"] == counts(tasks)["fetched"] == 1


def test_ready_by_whole_segments_of_the_path(tasks):
    put_task(tasks, "a", path="serp/google/organic")
    put_task(tasks, "b", path="serp/bing/organic")
    put_task(tasks, "c", path="serp")
    put(tasks, "d")
    for path, expected in (("", "abcd"), ("serp", "abcd"), ("serp/google", "ad"), ("serp/google/organic", "ad"),
                           ("serp/goo", "d"), ("merchant", "d")):
        assert sorted(ready(tasks, path=path)) == list(expected), path
    assert sorted(ready(tasks, "acme", path="serp/bing")) == ["b"]


def test_ready_is_oldest_first_and_bounded(tasks):
    for i in range(5):
        put(tasks, f"t{i}")
        time.sleep(0.002)
    assert ready(tasks, most=3) == ["t0", "t1", "t2"]


def test_an_id_is_taken_once(tasks):
    assert put_task(tasks, "a", "postback") == 0
    assert put_task(tasks, "a", "postback") == 1, "the same again"
    assert put_task(tasks, "a", "postback", digest="11aa11aa11aa11aa") == 3
    assert put_task(tasks, "a", account="beta") == 3, "another account's"
    assert len(tasks.queued("acme")) == 1 and counts(tasks)["open"] == 1 and posted(tasks) == ["a"]
    assert state(tasks, "a", account="beta") == "unknown"


# --- resend ---

def resend(queue, *ids, account=""):
    return [r[0] for r in queue.run("resend", account, queue.dead_ms, *ids)]


def test_resend_queues_again_what_is_over(tasks):
    put(tasks, "a", ("d", "d", "=100", "", "s1"), ("b", "b", "0"))
    claims = {c.lane: c for c in tasks.claim()}
    tasks.sent(claims["d"])
    tasks.settle(claims["d"], "dead", status=410)
    assert resend(tasks, "a") == ["handed"]
    d = tasks.delivery("a:d")
    assert (d["state"], d["attempts"], d["delay_ms"], d["secret"], d["apart"]) == ("queued", "0", "100", "s1", "resent")
    assert tasks.queued("d") == ["a:d"] and tasks.queued("b") == [] and not tasks.r.exists(tasks.key("dead:d"))
    assert tasks.r.pttl(tasks.key("event:a")) == tasks.r.pttl(tasks.key("delivery:a:d")) == -1
    assert resend(tasks, "a") == ["handed"] and len(tasks.queued("d")) == 1, "not doubled"
    tasks.settle(claims["b"], "done")
    assert counts(tasks)["open"] == 0 and state(tasks, "a") == "done", "a resend does not undo it"
    assert tasks.r.pttl(tasks.key("event:a")) == -1, "needed until the resend is over"
    (claim,) = tasks.claim_until()
    assert (claim.id, claim.attempt, claim.delay_ms, claim.secret) == ("a:d", 1, 100, "s1")
    tasks.settle(claim, "done")
    assert tasks.r.pttl(tasks.key("event:a")) > 0 and not tasks.r.exists(tasks.key("pending:a"))
    tasks.check()


def test_resend_of_a_dead_postback_that_arrives_makes_it_fetched(tasks):
    put(tasks, "a", ("d", "d", "0"))
    end_all(tasks, {"d": "dead"}, status=410)
    assert resend(tasks, "a") == ["failed"]
    assert counts(tasks) == {"open": 0, "busy": 0, "fetched": 0, "ready": 0, "failed": 1}, "not undone"
    end_all(tasks, {"d": "done"})
    assert counts(tasks) == {"open": 0, "busy": 0, "fetched": 1, "ready": 0, "failed": 0} and ready(tasks) == []
    assert resend(tasks, "a") == ["done"]
    end_all(tasks, {"d": "done"})
    assert counts(tasks)["fetched"] == 1, "counted once"
    tasks.check()


def test_resend_goes_to_the_tail(tasks):
    put(tasks, "a", ("d", "d", "0"))
    end_all(tasks, {"d": "done"})
    put(tasks, "b", ("d", "d", "0"))
    resend(tasks, "a")
    assert tasks.queued("d") == ["b:d", "a:d"]


def test_resend_of_the_unknown_the_hookless_and_anothers(tasks):
    put_task(tasks, "a", "postback")
    put_task(tasks, "b", account="beta")
    end_all(tasks, {"postback@acme": "done"})
    assert resend(tasks, "x", "a", "b", account="acme") == ["unknown", "done", "unknown"]
    assert tasks.queued("acme") == ["a:postback@acme"]
    assert resend(tasks, "b", account="beta") == ["done"]
    assert not [k for k in tasks.r.keys("*queue:beta*")]


def test_resend_keeps_what_is_kept_longer(tasks):
    put(tasks, "a", ("d", "d", "0"), ("b", "b", "0"))
    end_all(tasks, {"d": "dead", "b": "done"}, status=410)
    before = tasks.r.pttl(tasks.key("event:a"))
    assert before > tasks.done_ms
    resend(tasks, "a")
    end_all(tasks, {"d": "done", "b": "done"})
    assert tasks.r.pttl(tasks.key("event:a")) >= before - 5000


def test_a_result_told_again_does_not_end_a_resend(tasks):
    """The answer to a result was lost, the task resent, the result told again: that success is of before."""
    put(tasks, "a", ("d", "d", "0"))
    (first,) = tasks.claim()
    assert tasks.settle(first, "done") == 1
    resend(tasks, "a")
    assert tasks.settle(first, "done") == 0
    assert tasks.queued() == ["a:d"]
    (again,) = tasks.claim()
    tasks.settle(again, "retry", wait_ms=60000, status=500)
    assert tasks.settle(first, "done") == 0 and tasks.settle(again, "done") == 2, "a late one of its own does end it"
    assert tasks.check() == {"a:d": ["done"]}


# --- expiry ---

def test_what_has_expired_is_told_from_what_never_was(tasks):
    tasks.done_ms = 30
    put(tasks, "a", ("d", "d", "0"))
    put(tasks, "b")
    end_all(tasks, {"d": "done"})
    deadline = time.monotonic() + 5
    while tasks.r.exists(tasks.key("event:a")) or tasks.r.exists(tasks.key("event:b")):
        assert time.monotonic() < deadline
    assert [t["state"] for t in task(tasks, "a", "b", "c", names=("x", "d"))] == ["expired", "expired", "unknown"]
    assert ready(tasks) == [] and counts(tasks) == {"open": 0, "busy": 0, "fetched": 0, "ready": 0, "failed": 0}


# --- posted ---

def test_posted_pages_both_ways(tasks):
    for n in range(10):
        tasks.put(*[[f"e{n}-{i}", "", tasks.now, record(tasks), "", "event", 0] for i in range(7)])
        time.sleep(0.002)
    everything = [f"e{n}-{i}" for n in range(10) for i in range(7)]
    assert posted(tasks) == everything
    assert posted(tasks, newest=1) == everything[::-1]
    for skip, most in ((0, 5), (5, 5), (6, 9), (65, 10), (70, 5), (3, 0)):
        assert posted(tasks, skip=skip, most=most) == everything[skip:skip + most]
        assert posted(tasks, skip=skip, most=most, newest=1) == everything[::-1][skip:skip + most]


def test_posted_by_time(tasks):
    put(tasks, "a")
    time.sleep(0.01)
    middle = int(time.time() * 1000)
    time.sleep(0.01)
    put(tasks, "b")
    assert posted(tasks, end=middle) == ["a"] and posted(tasks, start=middle) == ["b"]


# --- delays that were set ---

def delay_of(queue, id):
    return queue.delivery(id)["delay_ms"]


def test_a_delay_that_was_set_wins_by_its_rule(tasks):
    def put_all(n):
        put(tasks, f"own{n}", ("d", "d", "100"))
        put(tasks, f"inherits{n}", ("b", "b", "=200"))
        put_task(tasks, f"task{n}", "postback", delay="=200")
        return [delay_of(tasks, f"own{n}:d"), delay_of(tasks, f"inherits{n}:b"), delay_of(tasks, f"task{n}:postback@acme")]

    assert put_all(0) == ["100", "200", "200"]
    tasks.run("setting", "delay", 500)
    assert put_all(1) == ["100", "500", "500"], "the top-level one, for what inherits it"
    tasks.run("setting", "delay:destination:d", 50)
    tasks.run("setting", "delay:account:acme", 0)
    assert put_all(2) == ["50", "500", "0"]
    tasks.run("setting", "delay", "")
    tasks.run("setting", "delay:destination:d", "")
    assert put_all(3) == ["100", "200", "0"]
    assert delay_of(tasks, "own1:d") == "100" and delay_of(tasks, "task1:postback@acme") == "500", "captured"


# --- announced and fetched ---

def announce(queue, id, **how):
    return put(queue, f"{id}~f", ("fetch@src", "fetch@src", "0"), kind="announced", flag="n",
               then=[("d", "d", "=100", "", "s1"), ("b", "b", "50")], **how)


def test_an_announced_task_is_open_until_its_result_is_relayed(tasks):
    tasks.run("setting", "delay", 300)
    assert announce(tasks, "a") == 0
    assert tasks.delivery("a~f:fetch@src")["then"] == "d 300 s1\nb 50 "
    assert state(tasks, "a") == "queued" and posted(tasks) == ["a"] and counts(tasks)["open"] == 1
    assert announce(tasks, "a") == 1, "a repeat"
    (claim,) = tasks.claim()
    assert state(tasks, "a") == "handed"
    assert put(tasks, "a", ("d", "d", "!300", "", "s1"), ("b", "b", "!50"), kind="fetched", dedup="fetched:a") == 0
    assert put(tasks, "a", ("d", "d", "!300", "", "s1"), ("b", "b", "!50"), kind="fetched", dedup="fetched:a") == 1
    tasks.settle(claim, "fetched")
    assert counts(tasks)["open"] == 1 and posted(tasks) == ["a"] and delay_of(tasks, "a:d") == "300"
    assert announce(tasks, "a") == 1, "the event is here"
    claims = tasks.claim()
    assert sorted((c.id, c.secret) for c in claims) == [("a:b", ""), ("a:d", "s1")]
    for c in claims:
        tasks.sent(c)
        tasks.settle(c, "done")
    assert counts(tasks) == {"open": 0, "busy": 0, "fetched": 1, "ready": 0, "failed": 0}
    tasks.check()


def test_a_fetched_result_without_destinations_is_ready(tasks):
    announce(tasks, "a")
    (claim,) = tasks.claim()
    assert put(tasks, "a", kind="fetched", dedup="fetched:a") == 0
    tasks.settle(claim, "fetched")
    assert counts(tasks) == {"open": 0, "busy": 0, "fetched": 0, "ready": 1, "failed": 0} and ready(tasks) == ["a"]


def test_a_postback_came_while_it_was_fetched(tasks):
    announce(tasks, "a")
    (claim,) = tasks.claim()
    put(tasks, "a", ("d", "d", "0"))
    assert put(tasks, "a", ("d", "d", "!0"), kind="fetched", dedup="fetched:a") == 3
    tasks.settle(claim, "told")
    assert counts(tasks)["open"] == 1
    end_all(tasks, {"d": "done"})
    assert counts(tasks) == {"open": 0, "busy": 0, "fetched": 1, "ready": 0, "failed": 0}


def test_a_result_that_cannot_be_had(tasks):
    announce(tasks, "a")
    end_all(tasks, {"fetch@src": "dead"}, status=404)
    assert counts(tasks) == {"open": 0, "busy": 0, "fetched": 0, "ready": 0, "failed": 1} and ready(tasks) == []
    assert [(t["state"], t["fetched"]) for t in task(tasks, "a", get=1)] == [("failed", 0)]
    assert resend(tasks, "a") == ["failed"]
    assert counts(tasks)["open"] == 1 and counts(tasks)["failed"] == 0
    end_all(tasks, {"fetch@src": "dead"}, status=404)
    assert counts(tasks)["failed"] == 1
    tasks.check()


# --- failed attempts ---

def test_failed_attempts_are_listed_for_everybody_and_their_account(tasks):
    put_task(tasks, "a", "postback", "pingback")
    put(tasks, "b", ("ping", "ping", "0"))
    for c in tasks.claim():
        kind = "true" if "ping" in c.id else "false"
        tasks.settle(c, "retry", wait_ms=1000, status=500, failure='{"pingback":%s,"id":"%s"}' % (kind, c.id))

    def failures(key):
        return [entry[1]["attempt"] for entry in tasks.r.xrange(tasks.key(key))]
    assert len(failures("errors:postback")) == len(failures("errors@acme:postback")) == 1
    assert len(failures("errors:pingback")) == 2 and len(failures("errors@acme:pingback")) == 1
    assert 0 < tasks.r.pttl(tasks.key("errors:postback")) <= 7 * DAY


def test_a_fenced_result_lists_nothing(tasks):
    tasks.limits(d=(10, 1, 1, 8))
    put(tasks, "a", ("d", "d", "0"))
    (old,) = tasks.claim()
    tasks.claim_until()
    assert tasks.settle(old, "retry", wait_ms=0, status=500, failure="{}") == 0
    assert not tasks.r.exists(tasks.key("errors:postback"))
