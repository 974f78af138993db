"""redo.lua and drop.lua: what operators do to one delivery."""

import pytest

from scripts import Queue
from task_calls import announce, bring, counts, end_all, only, put, put_task, ready, resend, state


def dead(tasks, id="a", *deliveries):
    put(tasks, id, *(deliveries or [("d", "d", "0")]))
    end_all(tasks, {d[0]: "dead" for d in deliveries or [("d",)]}, status=410)


@pytest.mark.parametrize("ended", ["done", "dead"])
def test_resend_of_one_leaves_its_siblings_alone(tasks, ended):
    put(tasks, "a", ("d", "d", "50", "", "s1"), ("b", "b", "0"))
    end_all(tasks, {"d": ended, "b": ended}, status=410)
    assert tasks.redo("a:d") == ("done", "queued")
    assert tasks.check() == {"a:d": ["queued"], "a:b": [ended]}
    assert tasks.delivery("a:d")["delay_ms"] == "50"
    assert tasks.redo("a:d") == ("refused", "queued") and tasks.queued() == ["a:d"], "not doubled"
    (claim,) = tasks.claim_until()
    assert claim.attempt == 2 and tasks.redo("a:d") == ("refused", "inflight")
    tasks.settle(claim, "done")
    assert tasks.check() == {"a:d": ["done"], "a:b": [ended]}


def test_what_waits_for_a_retry_goes_now(tasks):
    tasks.put_simple("a")
    tasks.settle(tasks.claim()[0], "retry", wait_ms=3_600_000)
    assert tasks.redo("a:d") == ("done", "queued")
    assert [c.id for c in tasks.claim()] == ["a:d"]


def test_a_task_with_another_dead_webhook_stays_failed(tasks):
    put_task(tasks, "a", "postback", "pingback")
    end_all(tasks, {"postback@acme": "dead", "pingback@acme": "dead"}, status=410)
    assert counts(tasks) == only(failed=1)
    tasks.redo("a:pingback@acme")
    end_all(tasks, {"pingback@acme": "done"})
    assert counts(tasks) == only(failed=1) and state(tasks, "a") == "failed"
    tasks.redo("a:postback@acme")
    end_all(tasks, {"postback@acme": "done"})
    assert counts(tasks) == only(fetched=1) and state(tasks, "a") == "done"


def test_what_cannot_be_sent_again(tasks):
    dead(tasks)
    assert tasks.redo("a:b") == tasks.redo("nothing") == ("unknown", "")
    tasks.r.delete(tasks.key("event:a"))
    assert tasks.redo("a:d") == ("no_event", "dead")
    assert tasks.queued() == [] and tasks.r.lrange(tasks.key("dead:d"), 0, -1) == ["a:d"]


@pytest.mark.parametrize("place", ["queued", "retry", "dead"])
def test_drop_ends_one_delivery(tasks, place):
    put(tasks, "a", ("d", "d", "50"), ("b", "b", "50"))
    if place != "queued":
        end_all(tasks, {"d": place, "b": place}, status=410)
    assert tasks.drop("a:d") == ("done", "dropped")
    assert tasks.drop("a:d") == ("refused", "dropped")
    assert tasks.check() == {"a:d": ["dropped"], "a:b": [place]}
    assert tasks.queued() == [] and not tasks.r.zscore(tasks.key("retry"), "a:d") and not tasks.r.zscore(tasks.key("deaths"), "a:d")
    assert 0 < tasks.r.pttl(tasks.key("delivery:a:d")) <= tasks.dead_ms * 1.2
    assert (tasks.r.pttl(tasks.key("attempts:a:d")) > 0) == (place != "queued"), "its attempts are kept as long"
    assert (tasks.r.pttl(tasks.key("event:a")) == -1) == (place != "dead"), "its sibling is not over"
    if place != "dead":
        assert tasks.drop("a:b") == ("done", "dropped")
        assert tasks.r.pttl(tasks.key("event:a")) > 0 and not tasks.r.exists(tasks.key("pending:a"))


@pytest.mark.parametrize("ended", ["inflight", "done"])
def test_what_is_in_flight_or_done_cannot_be_dropped(tasks, ended):
    tasks.put_simple("a")
    (claim,) = tasks.claim()
    if ended == "done":
        tasks.settle(claim, "done")
    assert tasks.drop("a:d") == ("refused", ended) and tasks.drop("x:d") == ("unknown", "")
    assert tasks.settle(claim, "done") == (ended == "inflight")


def test_a_task_whose_postback_was_dropped_can_be_fetched(tasks):
    put_task(tasks, "a", "postback")
    assert ready(tasks) == []
    tasks.drop("a:postback@acme")
    assert counts(tasks) == only(failed=1) and ready(tasks) == ["a"] and state(tasks, "a") == "failed"
    assert resend(tasks, "a") == ["failed"], "a resend of the task sends it again"
    end_all(tasks, {"postback@acme": "done"})
    assert counts(tasks) == only(fetched=1) and ready(tasks) == []


def test_a_repeat_does_not_send_what_was_dropped(tasks):
    dead(tasks, "a", ("d", "d", "0"), ("b", "b", "0"))
    tasks.drop("a:d")
    event = tasks.event("a", ("d", "d", 0), ("b", "b", 0), to=("d", "b"), body="a")
    put(tasks, "a", ("d", "d", "0"), ("b", "b", "0"))
    assert tasks.check() == {"a:d": ["dropped"], "a:b": ["queued"]}
    end_all(tasks, {"b": "done"})
    assert state(tasks, "a") == "failed" and event


def test_a_late_success_changes_nothing(tasks):
    tasks.put_simple("a")
    (claim,) = tasks.claim()
    tasks.settle(claim, "retry", wait_ms=60000)
    tasks.drop("a:d")
    assert tasks.settle(claim, "done") == 0 and tasks.check() == {"a:d": ["dropped"]}


@pytest.mark.parametrize("delay", [0, 1])
@pytest.mark.parametrize("count", [3, 250])
def test_a_lane_passes_over_what_was_dropped_deep_in_it(tasks, delay, count):
    tasks.put_simple(*[f"e{n}" for n in range(count)], "last", delay=delay)
    for n in range(count):
        assert tasks.drop(f"e{n}:d", most=0) == ("done", "dropped")
    tasks.check()
    assert len(tasks.queued()) == count + 1 and tasks.r.pttl(tasks.key("delivery:e0:d")) == -1, "until the lane comes to it"
    for _ in range(20):
        claims = tasks.claim(want=300)
        tasks.check()
        if claims:
            break
    assert [c.id for c in claims] == ["last:d"] and tasks.queued() == []
    tasks.settle(claims[0], "done")
    assert set(map(tuple, tasks.check().values())) == {("dropped",), ("done",)}
    assert all(tasks.r.pttl(tasks.key(f"delivery:e{n}:d")) > 0 for n in range(count))


def test_what_was_dropped_deep_and_is_resent_has_its_place_again(tasks):
    tasks.put_simple("a", "b", "c")
    tasks.drop("b:d", most=0)
    assert tasks.redo("b:d") == ("done", "queued") and tasks.queued() == ["a:d", "b:d", "c:d"]
    tasks.check()
    assert [c.id for c in tasks.claim()] == ["a:d", "b:d", "c:d"]


def test_a_fifo_lane_goes_on_behind_what_was_dropped(tasks):
    tasks.put_simple("a", "b", order="fifo")
    tasks.settle(tasks.claim(want=1)[0], "retry", wait_ms=3_600_000)
    assert tasks.claim() == []
    tasks.drop("a:d")
    assert [c.id for c in tasks.claim()] == ["b:d"]


def test_a_dropped_fetch_counts_as_failed_and_can_be_made_again(tasks):
    from task_calls import put_args
    tasks.put(put_args(tasks, "t", [("fetch@src", "fetch@src", "0", "", "")], "announcement", then=[("d", "d", "0", "", "s1")], flag="n", named="t"))
    assert counts(tasks) == only(announced=1)
    tasks.drop("t~f:fetch@src")
    assert counts(tasks) == only(failed=1)
    tasks.redo("t~f:fetch@src")
    assert counts(tasks) == only(announced=1)


def test_a_fetch_whose_result_came_by_itself_is_made_again_and_counts_no_more(tasks):
    announce(tasks, "t")
    tasks.drop("t~f:fetch@src")
    bring(tasks, "t")
    before = counts(tasks)
    assert before == only(sending=1)
    tasks.redo("t~f:fetch@src")
    assert counts(tasks) == before
    tasks.drop("t~f:fetch@src")
    assert counts(tasks) == before


def test_drop_works_on_a_full_redis(tasks):
    tasks.put_simple("a")
    tasks.r.config_set("maxmemory", "1mb")
    try:
        assert tasks.drop("a:d") == ("done", "dropped")
    finally:
        tasks.r.config_set("maxmemory", "0")


def test_other_partitions_are_not_touched(redis_server, tasks):
    other = Queue(tasks.r, tag=1)
    tasks.put_simple("a")
    assert other.drop("a:d") == other.redo("a:d") == ("unknown", "")
    assert tasks.queued() == ["a:d"]
