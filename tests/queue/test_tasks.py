"""What the API lists and counts: task, ready, posted, counts, setting, and what put and settle write for them."""

import time

import pytest

from scripts import kept, top
from task_calls import announce, counts, end_all, only, posted, put, put_args, put_task, ready, resend, state, task

DAY = 86400000


# --- done, fetched, failed ---

def test_a_delivered_postback_is_fetched_and_never_listed(tasks):
    put(tasks, "a", ("d", "d", "0"))
    assert state(tasks, "a") == "done" and counts(tasks) == only(sending=1) and ready(tasks) == []
    (claim,) = tasks.claim()
    assert state(tasks, "a") == "done" and counts(tasks) == only(sending=1) and ready(tasks) == []
    tasks.settle(claim, "done")
    (t,) = task(tasks, "a")
    assert (t["state"], t["fetched"], t["hooks"]) == ("done", 1, 1) and int(t["done_at"]) > 0
    assert ready(tasks) == [] and counts(tasks) == only(fetched=1)


def test_a_delivered_pingback_leaves_the_result_to_be_fetched(tasks):
    put(tasks, "a", ("ping", "ping", "0"))
    assert end_all(tasks, {"ping": "done"}) == 1
    assert ready(tasks) == ["a"] and counts(tasks)["ready"] == 1
    assert [t["fetched"] for t in task(tasks, "a")] == [0]
    (t,) = task(tasks, "a", get=1)
    assert t["record"].endswith("\n\n") and t["record"].startswith("hp1 "), "its head; GETRANGE reads the body"
    assert ready(tasks) == [] and counts(tasks) == only(fetched=1)
    task(tasks, "a", get=1)
    assert counts(tasks)["fetched"] == 1, "once"


def test_a_dead_postback_is_failed_but_listed(tasks):
    put(tasks, "a", ("d", "d", "0"))
    end_all(tasks, {"d": "dead"}, status=410)
    assert state(tasks, "a") == "failed" and ready(tasks) == ["a"]
    assert counts(tasks) == only(failed=1)
    task(tasks, "a", get=1)
    assert counts(tasks) == only(fetched=1)


def test_a_task_of_several_is_fetched_by_one_postback(tasks):
    put(tasks, "a", ("d", "d", "0"), ("ping", "ping", "0"))
    claims = {c.lane: c for c in tasks.claim()}
    tasks.settle(claims["d"], "done")
    assert state(tasks, "a") == "done" and counts(tasks) == only(fetched=1)
    tasks.settle(claims["ping"], "dead", status=410)
    assert state(tasks, "a") == "failed" and ready(tasks) == []
    assert counts(tasks) == only(fetched=1)


def test_it_is_complete_while_a_pingback_waits(tasks):
    put_task(tasks, "a", "pingback")
    assert state(tasks, "a") == "done" and ready(tasks, "acme") == ready(tasks) == ["a"] and counts(tasks) == only(ready=1)
    (claim,) = tasks.claim()
    tasks.settle(claim, "retry", wait_ms=60000, status=500)
    assert ready(tasks, "acme") == ["a"] and counts(tasks, "acme") == only(ready=1)
    (t,) = task(tasks, "a", account="acme", get=1)
    assert (t["state"], t["fetched"]) == ("done", 1) and ready(tasks) == [] and counts(tasks) == only(fetched=1)
    resend(tasks, "a")
    end_all(tasks, {"pingback@acme": "dead"}, status=410)
    assert state(tasks, "a") == "failed" and counts(tasks) == only(fetched=1), "it was fetched before"
    tasks.check()


@pytest.mark.parametrize("which", [("postback",), ("postback", "pingback")])
def test_it_can_be_got_while_its_postback_is_on_its_way(tasks, which):
    put_task(tasks, "a", *which)
    assert ready(tasks) == [] and counts(tasks, "acme") == only(sending=1)
    assert [(t["state"], t["fetched"]) for t in task(tasks, "a", "a", account="acme", get=1)] == [("done", 1)] * 2
    assert counts(tasks) == counts(tasks, "acme") == only(fetched=1)
    end_all(tasks, {"postback@acme": "dead", "pingback@acme": "done"}, status=410)
    assert counts(tasks) == counts(tasks, "acme") == only(fetched=1) and ready(tasks) == []
    tasks.check()


def test_a_dead_pingback_does_not_list_what_a_postback_is_bringing(tasks):
    put_task(tasks, "a", "postback", "pingback")
    claims = {c.id.rsplit(":", 1)[1]: c for c in tasks.claim()}
    tasks.settle(claims["pingback@acme"], "dead", status=410)
    assert ready(tasks) == [] and counts(tasks) == only(sending=1)
    tasks.settle(claims["postback@acme"], "dead", status=410)
    assert ready(tasks) == ["a"] and counts(tasks) == only(failed=1)


def test_a_pingback_that_dies_when_the_list_no_longer_reaches_back(tasks):
    tasks.done_ms = 30
    put_task(tasks, "a", "pingback")
    (claim,) = tasks.claim()
    deadline = time.monotonic() + 5
    while ready(tasks):
        assert time.monotonic() < deadline
    tasks.settle(claim, "dead", status=410)
    assert ready(tasks) == ready(tasks, "acme") == ["a"] and counts(tasks) == counts(tasks, "acme") == only(failed=1)


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
    tasks.settle(first, "done")
    tasks.settle(second, "dead", status=410)
    assert ready(tasks) == []
    assert counts(tasks) == only(fetched=2, failed=1)


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
    assert [t["state"] for t in task(tasks, "a", "b", "c", account="acme")] == ["done", "unknown", "unknown"]
    assert [t["state"] for t in task(tasks, "a", "b", "c")] == ["done", "done", "done"]
    assert ready(tasks, "beta") == ["b"] and ready(tasks, "acme") == [] and set(ready(tasks)) == {"b", "c"}
    assert posted(tasks, "acme") == ["a"] and posted(tasks) == ["a", "b", "c"]
    assert counts(tasks, "beta")["ready"] == 1 and counts(tasks, "acme")["sending"] == 1 and counts(tasks)["sending"] == 1
    assert [t["state"] for t in task(tasks, "b", account="acme", get=1)] == ["unknown"]
    assert counts(tasks)["ready"] == 2, "asking for another's does not fetch it"


def test_an_account_fetches_for_everybody(tasks):
    put_task(tasks, "a", "pingback")
    end_all(tasks, {"pingback@acme": "done"})
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
    assert len(tasks.queued("acme")) == 1 and counts(tasks) == only(sending=1) and posted(tasks) == ["a"]
    assert state(tasks, "a", account="beta") == "unknown"


# --- expiry ---

def test_what_has_expired_is_told_from_what_never_was(tasks):
    tasks.done_ms = 30
    put(tasks, "a", ("d", "d", "0"))
    put(tasks, "b")
    end_all(tasks, {"d": "done"})
    deadline = time.monotonic() + 5
    while tasks.r.keys(tasks.key("event:*")) + tasks.r.keys(tasks.key("hours:*")):  # the latter a millisecond later
        assert time.monotonic() < deadline
    assert [t["state"] for t in task(tasks, "a", "b", "c", names=("x", "d"))] == ["expired", "expired", "unknown"]
    assert ready(tasks) == [] and counts(tasks) == only()


# --- posted ---

def test_posted_pages_both_ways(tasks):
    for n in range(10):
        tasks.put(*[put_args(tasks, f"e{n}-{i}", ()) for i in range(7)])
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
        put(tasks, f"inherits{n}", ("b", "b", top(200)))
        put_task(tasks, f"task{n}", "postback", delay=top(200))
        return [delay_of(tasks, f"own{n}:d"), delay_of(tasks, f"inherits{n}:b"), delay_of(tasks, f"task{n}:postback@acme")]

    assert put_all(0) == ["100", "200", "200"]
    tasks.run("setting", "settings", "delay", 500)
    assert put_all(1) == ["100", "500", "500"], "the top-level one, for what inherits it"
    tasks.run("setting", "settings", "delay:destination:d", 50)
    tasks.run("setting", "settings", "delay:account:acme", 0)
    assert put_all(2) == ["50", "500", "0"]
    tasks.run("setting", "settings", "delay", "")
    tasks.run("setting", "settings", "delay:destination:d", "")
    assert put_all(3) == ["100", "200", "0"]
    assert delay_of(tasks, "own1:d") == "100" and delay_of(tasks, "task1:postback@acme") == "500", "captured"


def test_a_scheme_has_a_secret(tasks):
    def change(*pairs):
        return tasks.run("setting", *(word for field, value in pairs for word in ("settings:acme", field, value)))

    assert change(("tls", "0"), ("sign", "github")) == 0 and tasks.r.hgetall(tasks.key("settings:acme")) == {}, "all of it or nothing"
    assert change(("sign", "github"), ("id", "1"), ("sealed", "s"), ("made", "5")) == 1
    assert change(("sign", "stripe")) == 1 and tasks.r.hgetall(tasks.key("settings:acme"))["sign"] == "stripe"
    assert tasks.run("setting", "settings:beta", "sign", "github") == 0, "another account's secret"
    assert change(("sign", ""), ("id", ""), ("sealed", ""), ("made", "")) == 1
    assert change(("sign", "stripe")) == 0 and tasks.r.hgetall(tasks.key("settings:acme")) == {}
    assert change(("sign", "stripe"), ("sealed", "")) == 0
    assert change(("gzip", "never")) == 1


# --- announced and fetched ---

def test_an_announced_task_is_complete_when_its_result_is_put(tasks):
    tasks.run("setting", "settings", "delay", 300)
    assert announce(tasks, "a") == 0
    assert tasks.delivery("a~f:fetch@src")["then"] == "d 300 s1\nb 50 "
    assert state(tasks, "a") == "queued" and posted(tasks) == ["a"] and counts(tasks) == only(announced=1)
    assert announce(tasks, "a") == 1, "a repeat"
    (claim,) = tasks.claim()
    assert state(tasks, "a") == "handed" and counts(tasks) == only(announced=1, fetching=1)
    assert put(tasks, "a", ("d", "d", kept(300), "", "s1"), ("b", "b", kept(50)), fetched_by="fetch@src") == 0
    assert put(tasks, "a", ("d", "d", kept(300), "", "s1"), ("b", "b", kept(50)), fetched_by="fetch@src") == 1
    tasks.settle(claim, "fetched")
    assert counts(tasks) == only(sending=1) and posted(tasks) == ["a"] and delay_of(tasks, "a:d") == "300"
    assert announce(tasks, "a") == 1, "the event is here"
    claims = tasks.claim()
    assert sorted((c.id, c.delay_ms) for c in claims) == [("a:b", 50), ("a:d", 300)]
    for c in claims:
        tasks.sent(c)
        tasks.settle(c, "done")
    assert counts(tasks) == only(fetched=1)
    tasks.check()


def test_a_fetched_result_without_destinations_is_ready(tasks):
    announce(tasks, "a")
    (claim,) = tasks.claim()
    assert put(tasks, "a", fetched_by="fetch@src") == 0
    tasks.settle(claim, "fetched")
    assert counts(tasks) == only(ready=1) and ready(tasks) == ["a"]


def test_a_postback_came_while_it_was_fetched(tasks):
    announce(tasks, "a")
    (claim,) = tasks.claim()
    put(tasks, "a", ("d", "d", "0"))
    assert put(tasks, "a", ("d", "d", kept(0)), fetched_by="fetch@src") == 3
    tasks.settle(claim, "done")
    assert counts(tasks) == only(sending=1)
    end_all(tasks, {"d": "done"})
    assert counts(tasks) == only(fetched=1)


def test_a_result_that_cannot_be_had(tasks):
    announce(tasks, "a")
    end_all(tasks, {"fetch@src": "dead"}, status=404)
    assert counts(tasks) == only(failed=1) and ready(tasks) == []
    assert [(t["state"], t["fetched"]) for t in task(tasks, "a", get=1)] == [("lost", 0)]
    assert resend(tasks, "a") == ["lost"]
    assert counts(tasks) == only(announced=1)
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
        return [entry[1].get("attempt") for entry in tasks.r.xrange(tasks.key(key))]
    assert len(failures("errors:postback")) == len(failures("errors@acme:postback")) == 1
    (own,), (everybodys,) = tasks.r.xrange(tasks.key("errors@acme:postback")), tasks.r.xrange(tasks.key("errors:postback"))
    assert everybodys[1] == {"of": f"acme {own[0]}"} and own[1]["attempt"], "it is kept once"
    assert len(failures("errors:pingback")) == 2 and len(failures("errors@acme:pingback")) == 1
    assert 0 < tasks.r.pttl(tasks.key("errors:postback")) <= 7 * DAY


def test_a_fenced_result_lists_nothing(tasks):
    tasks.limits(d=(10, 1, 1, 8))
    put(tasks, "a", ("d", "d", "0"))
    (old,) = tasks.claim()
    tasks.claim_until()
    assert tasks.settle(old, "retry", wait_ms=0, status=500, failure="{}") == 0
    assert not tasks.r.exists(tasks.key("errors:postback"))
