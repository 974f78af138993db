"""Corners of tasks that random calls (test_random_tasks.py) rarely reach, or found."""

import time

import pytest

from scripts import result_args
from task_calls import announce, bring, counts, end_all, only, posted, put, put_args, put_task, ready, resend, state, task


def settle_together(queue, *pairs):
    """(claim, verdict)..., in one call."""
    args = [arg for c, verdict in pairs for arg in result_args(c, verdict)]
    return queue.run("settle", queue.done_ms, queue.dead_ms, queue.dedup_ms, *args)[1:]


def claims_by_lane(queue):
    return {c.lane: c for c in queue.claim(want=100)}


# --- resends and first deliveries at once ---

def test_listed_and_fetched_by_one_call(tasks):
    """The last first delivery ends dead, and in the same call a resent postback arrives."""
    put(tasks, "a", ("d", "d", "0"), ("b", "b", "0"))
    claims = claims_by_lane(tasks)
    tasks.settle(claims["d"], "dead", status=410)
    resend(tasks, "a")
    again = claims_by_lane(tasks)["d"]
    assert settle_together(tasks, (claims["b"], "dead"), (again, "done")) == [1, 1]
    assert counts(tasks) == only(fetched=1) and ready(tasks) == []
    assert not tasks.r.exists(tasks.key("pending:a"))
    tasks.check()


@pytest.mark.parametrize("second", ["done", "dead"])
def test_a_resend_while_the_other_first_delivery_waits(tasks, second):
    put(tasks, "a", ("d", "d", "0"), ("ping", "ping", "0"))
    claims = claims_by_lane(tasks)
    tasks.settle(claims["d"], "dead", status=410)
    assert resend(tasks, "a", "a") == ["failed", "done"] and tasks.queued("d") == ["a:d"]
    tasks.settle(claims["ping"], second, status=200 if second == "done" else 410)
    assert counts(tasks) == only(failed=1), "nobody has the result yet"
    end_all(tasks, {"d": "dead"}, status=410)
    assert counts(tasks) == only(failed=1) and state(tasks, "a") == "failed"
    assert not tasks.r.exists(tasks.key("pending:a")) and tasks.r.pttl(tasks.key("event:a")) > tasks.done_ms
    resend(tasks, "a")
    assert tasks.r.hget(tasks.key("pending:a"), "n") == "2"
    end_all(tasks, {"d": "done", "ping": "done"})
    assert counts(tasks) == only(fetched=1)
    tasks.check()


def test_a_resent_pingback_that_arrives_is_not_failed_any_more(tasks):
    put_task(tasks, "a", "pingback")
    end_all(tasks, {"pingback@acme": "dead"}, status=410)
    assert counts(tasks, "acme") == counts(tasks) == only(failed=1)
    resend(tasks, "a", account="acme")
    end_all(tasks, {"pingback@acme": "done"})
    assert counts(tasks, "acme") == counts(tasks) == only(ready=1) and ready(tasks, "acme") == ["a"]
    resend(tasks, "a", account="acme")
    end_all(tasks, {"pingback@acme": "dead"}, status=410)
    assert counts(tasks, "acme") == counts(tasks) == only(failed=1) and ready(tasks, "acme") == ["a"]


def test_without_a_body_a_resend_that_arrives_leaves_nothing_to_fetch(tasks):
    put(tasks, "a", ("ping", "ping", "0"), flag="n")
    end_all(tasks, {"ping": "dead"}, status=410)
    assert counts(tasks) == only(failed=1) and ready(tasks) == []
    assert [t["fetched"] for t in task(tasks, "a", get=1)] == [0]
    resend(tasks, "a")
    end_all(tasks, {"ping": "done"})
    assert counts(tasks) == only(fetched=1) and [t["fetched"] for t in task(tasks, "a")] == [1]


def test_a_lease_of_a_resend_runs_out(tasks):
    tasks.limits(d=(10, 1, 1, 2))
    put(tasks, "a", ("d", "d", "0"))
    end_all(tasks, {"d": "done"})
    resend(tasks, "a")
    deadline = time.monotonic() + 5
    while tasks.delivery("a:d")["state"] != "dead":
        assert time.monotonic() < deadline
        tasks.claim()
    assert counts(tasks) == only(fetched=1), "it stays fetched"
    assert tasks.r.pttl(tasks.key("event:a")) > tasks.done_ms
    tasks.check()


def test_a_late_success_of_a_resend(tasks):
    tasks.limits(d=(10, 1, 1, 8))
    put(tasks, "a", ("d", "d", "0"))
    (c,) = tasks.claim()
    assert tasks.settle(c, "dead", status=410) == 1
    resend(tasks, "a")
    (old,) = tasks.claim()
    (new,) = tasks.claim_until()
    tasks.settle(new, "retry", wait_ms=60000, status=500)
    assert tasks.settle(old, "done", attempt="") == 2
    assert counts(tasks) == only(fetched=1) and ready(tasks) == []
    assert tasks.r.pttl(tasks.key("attempts:a:d")) > 0
    tasks.check()


def test_what_was_attempted_expires_with_its_delivery(tasks):
    """Where the success that ends it is told by the delivery alone."""
    put(tasks, "a", ("d", "d", "0"))
    end_all(tasks, {"d": "dead"}, status=410)
    resend(tasks, "a")
    end_all(tasks, {"d": "done"}, attempt="")
    assert tasks.r.pttl(tasks.key("attempts:a:d")) > 0
    tasks.limits(d=(10, 1, 1, 8))
    put(tasks, "b", ("d", "d", "0"))
    (first,) = tasks.claim()
    (second,) = tasks.claim_until()
    tasks.settle(second, "retry", wait_ms=60000, status=500)
    assert tasks.settle(first, "done", attempt="") == 2
    assert tasks.r.pttl(tasks.key("attempts:b:d")) > 0


# --- events and results that are gone ---

def test_an_event_that_is_gone_while_its_delivery_lives(tasks):
    """Evicted or removed by hand: it is neither listed nor resent, and those beside it are."""
    put(tasks, "a", ("ping", "ping", "0"))
    put(tasks, "b", ("ping", "ping", "0"))
    end_all(tasks, {"ping": "done"})
    tasks.r.delete(tasks.key("event:a"))
    assert ready(tasks) == ["b"]
    assert [t["state"] for t in task(tasks, "a", names=("ping",), get=1)] == ["expired"]
    assert resend(tasks, "a", "b") == ["unknown", "done"] and tasks.queued("ping") == ["b:ping"]
    assert posted(tasks) == ["a", "b"]


def test_the_dead_may_be_kept_for_less_than_the_done(tasks):
    tasks.dead_ms, tasks.done_ms = 30, 60000
    put(tasks, "a", ("d", "d", "0"), ("ping", "ping", "0"))
    end_all(tasks, {"d": "dead", "ping": "done"}, status=410)
    put(tasks, "b", ("d", "d", "0"))
    end_all(tasks, {"d": "dead"}, status=410)
    deadline = time.monotonic() + 5
    while tasks.r.exists(tasks.key("event:b")):
        assert time.monotonic() < deadline
    assert tasks.r.pttl(tasks.key("event:a")) > 0


# --- paths ---

def test_there_may_be_any_number_of_paths(tasks):
    for i in range(230):
        put_task(tasks, f"t{i}", path=f"serp/p{i}")
    for i in range(230):
        put_task(tasks, f"u{i}", path=f"api{i}/x")
    assert ready(tasks, path="serp/p3") == ["t3"] and ready(tasks, "acme", path="serp/p229") == ["t229"]
    assert ready(tasks, path="api229") == ready(tasks, path="api229/x") == ["u229"]
    assert ready(tasks, path="api2") == ["u2"] and ready(tasks, path="serp/p2299") == []
    assert len(ready(tasks, path="serp")) == 230 and len(ready(tasks)) == 460
    assert counts(tasks)["ready"] == counts(tasks, "acme")["ready"] == 460
    for id in ("t3", "t229", "u2", "u229"):
        assert [t["fetched"] for t in task(tasks, id)] == [0]
        assert [t["fetched"] for t in task(tasks, id, get=1)] == [1]
    assert counts(tasks)["ready"] == counts(tasks, "acme")["ready"] == 456 and ready(tasks, path="serp/p229") == []
    for key in ("ready", "ready@acme"):
        assert tasks.done_ms - 60000 < tasks.r.pttl(tasks.key(key)) <= tasks.done_ms * 65 / 64


def test_paths_whose_first_three_segments_are_equal(tasks):
    """Tags cannot tell them apart; the records do."""
    for id, path in (("a", "x/y/z/1"), ("b", "x/y/z/2"), ("c", "x/y/z"), ("d", "x/y/zz")):
        put_task(tasks, id, path=path)
    for path, expected in (("x/y/z/1", "a"), ("x/y/z", "abc"), ("x/y", "abcd"), ("x/y/z/1/1", "")):
        assert sorted(ready(tasks, path=path)) == list(expected), path


def test_expired_members_leave_as_fast_as_others_come(tasks):
    tasks.done_ms = 30
    def put_many(n):
        tasks.put(*[put_args(tasks, f"{n}-{i}", ()) for i in range(30)])
    put_many(0)
    tasks.r.persist(tasks.key("ready"))
    tasks.r.persist(tasks.key("ready:paths"))
    deadline = time.monotonic() + 5
    while tasks.r.exists(tasks.key("event:0-0")):
        assert time.monotonic() < deadline
    put_many(1)
    assert tasks.r.zcard(tasks.key("ready")) == tasks.r.zcard(tasks.key("ready:paths")) == 30


def test_a_list_by_path_that_has_vanished(tasks):
    """The lists are whole without it, and with what was added since."""
    for n in range(4):
        put_task(tasks, f"t{n}", path=f"serp/p{n % 2}")
    tasks.r.delete(tasks.key("ready:paths"), tasks.key("ready:paths@acme"))
    assert ready(tasks, path="serp/p1") == ready(tasks, "acme", path="serp/p1") == ["t1", "t3"]
    put_task(tasks, "t5", path="serp/p1")
    assert ready(tasks, path="serp/p1") == ready(tasks, "acme", path="serp/p1") == ["t1", "t3", "t5"]
    for n in range(4):
        task(tasks, f"t{n}", get=1)
    assert ready(tasks, path="serp/p1") == ["t5"] and ready(tasks, path="serp/p0") == []


@pytest.mark.parametrize("paths", [1, 2, 249, 251, 400])
def test_a_prefix_of_many_paths(tasks, paths):
    """Oldest first over all of them, in steps; of more than 250 all of the list is looked through."""
    ids = [f"t{n:03}" for n in range(400)]
    for n, id in enumerate(ids):
        put_task(tasks, id, path=f"serp/p{n * 7 % paths}/x")
    put_task(tasks, "other", path="merchant/p0/x")
    put(tasks, "without")
    if paths <= 250:
        assert ready(tasks, path="serp") == ready(tasks, "acme", path="serp") + ["without"] == ids + ["without"]
        assert ready(tasks, path="serp", most=7) == ids[:7]
    assert sorted(ready(tasks, path="serp")) == sorted(ready(tasks, "acme", path="serp") + ["without"]) == ids + ["without"]
    assert ready(tasks, path="merchant") == ["other", "without"]


def test_a_path_of_the_longest(tasks):
    path = "/".join(["x" * 63] * 16)
    put_task(tasks, "a" * 128, "pingback", path=path)
    end_all(tasks, {"pingback@acme": "done"})
    assert ready(tasks, path=path) == ready(tasks, "acme", path="x" * 63) == ["a" * 128] and ready(tasks, path="x") == []
    task(tasks, "a" * 128, get=1)
    assert ready(tasks) == [] and counts(tasks) == only(fetched=1)


# --- announced ---

def fail_fetch(queue, id="a"):
    announce(queue, id)
    end_all(queue, {"fetch@src": "dead"}, status=404)
    assert counts(queue) == only(failed=1)


def test_put_but_never_settled(tasks):
    """The dispatcher was killed after it put the result, at the last attempt."""
    tasks.limits(**{"fetch@src": (10, 1, 1, 1)})
    announce(tasks, "a")
    tasks.claim()
    assert bring(tasks, "a") == 0
    deadline = time.monotonic() + 5
    while tasks.delivery("a~f:fetch@src")["state"] != "dead":
        assert time.monotonic() < deadline
        tasks.claim(want=0)
    assert counts(tasks) == only(sending=1)
    assert resend(tasks, "a") == ["done"] and counts(tasks) == only(sending=1)
    end_all(tasks, {"d": "done"})
    assert counts(tasks) == only(fetched=1)


def test_put_after_it_was_given_up(tasks):
    fail_fetch(tasks)
    assert bring(tasks, "a") == 0
    assert counts(tasks) == only(sending=1)
    end_all(tasks, {"d": "done"})
    assert counts(tasks) == only(fetched=1) and posted(tasks) == ["a"]


def test_a_fetch_that_is_over_is_not_made_again(tasks):
    announce(tasks, "a")
    (claim,) = tasks.claim()
    bring(tasks, "a")
    tasks.settle(claim, "fetched")
    end_all(tasks, {"d": "done"})
    tasks.r.delete(tasks.key("event:a"))
    resend(tasks, "a")
    assert tasks.queued("fetch@src") == [] and counts(tasks) == only(fetched=1)


def test_an_announcement_worded_otherwise_is_a_repeat(tasks):
    """A pingback has the tag, the provider's list of what is ready has not."""
    assert announce(tasks, "a") == 0
    assert announce(tasks, "a", digest="11aa11aa11aa11aa") == 1
    assert announce(tasks, "a", digest="22aa11aa11aa11aa", message="m1") == 1
    assert counts(tasks) == only(announced=1) and posted(tasks) == ["a"] and tasks.queued("fetch@src") == ["a~f:fetch@src"]


def test_an_announcement_is_known_for_longer_than_it_is_kept(tasks):
    tasks.done_ms = 30
    announce(tasks, "a")
    (claim,) = tasks.claim()
    tasks.settle(claim, "done")
    deadline = time.monotonic() + 5
    while tasks.r.exists(tasks.key("event:a~f")):
        assert time.monotonic() < deadline
    assert announce(tasks, "a") == 1
    assert tasks.r.pttl(tasks.key("dedup:src:a~f:00ff00ff00ff00ff")) > 0


def test_two_sources_announce_one_id(tasks):
    """The second is a task of its own: it is listed, found, fetched and counted as such, and its record names the id once."""
    tasks.limits(**{"fetch@other": (10, 10000, 2000, 8)})
    assert announce(tasks, "a") == announce(tasks, "a", source="other", digest="11aa11aa11aa11aa") == 0
    assert announce(tasks, "a", source="other", digest="22aa11aa11aa11aa") == 1, "a repeat, however it is worded"
    assert announce(tasks, "a") == 1
    assert posted(tasks) == ["a", "a~2"] and counts(tasks) == only(announced=2)
    assert [t["state"] for t in task(tasks, "a", "a~2")] == ["queued", "queued"]
    assert tasks.r.get(tasks.key("event:a~2~f")).split("\n")[1:3] == ["i a", "o fetch@other"]
    claims = {c.lane: c for c in tasks.claim()}
    assert claims["fetch@other"].id == "a~2~f:fetch@other" and tasks.delivery("a~2~f:fetch@other")["task"] == "a~2"
    assert bring(tasks, "a~2", source="other", named="a") == 0
    assert bring(tasks, "a~2", source="other", named="a") == 1, "put once, also by another dispatcher"
    tasks.settle(claims["fetch@other"], "fetched")
    assert bring(tasks, "a") == 0
    tasks.settle(claims["fetch@src"], "fetched")
    assert counts(tasks) == only(sending=2) and sorted(tasks.queued()) == ["a:d", "a~2:d"]
    assert tasks.r.get(tasks.key("event:a~2")).count("\ni a\n") == 1
    end_all(tasks, {"d": "done"})
    assert counts(tasks) == only(fetched=2) and [t["state"] for t in task(tasks, "a", "a~2")] == ["done", "done"]
    tasks.check()


def test_an_event_of_another_source_beside_what_was_announced(tasks):
    """The id is taken by a webhook of another source when the result comes."""
    assert announce(tasks, "a") == 0 and put(tasks, "a", ("d", "d", 0), source="other") == 0
    (claim,) = [c for c in tasks.claim() if c.lane == "fetch@src"]
    assert bring(tasks, "a") == 0 and bring(tasks, "a") == 1
    tasks.settle(claim, "fetched")
    assert tasks.queued() == ["a~2:d"] and tasks.r.get(tasks.key("event:a~2")).count("\ni a\n") == 1
    assert counts(tasks) == only(sending=2)


def test_a_source_and_an_account_of_one_name(tasks):
    """Neither is taken for the other, nor do they share what makes a repeat."""
    tasks.done_ms = 1000  # so that repeats are known by a key of their own
    assert put_task(tasks, "a", account="acme") == 0
    assert put(tasks, "a", source="acme") == 0 and put_task(tasks, "b", account="acme") == 0
    assert put(tasks, "b", source="acme", message="m") == 0 and put(tasks, "c", source="acme", message="m") == 1
    assert posted(tasks, "acme") == ["a", "b"] and posted(tasks) == ["a", "a~2", "b", "b~2"]
    assert put(tasks, "x", ("d", "d", 0), source="acme") == 0 and put_task(tasks, "x", account="acme") == 3
    assert [t["state"] for t in task(tasks, "a", "a~2", account="acme")] == ["done", "unknown"]
