"""Tasks whose results come later: taken, returned, completed, expired."""

import time

from harness.wait import wait_for
from scripts import Queue
from task_calls import complete, counts, end_all, only, posted, put_task, ready, resend, state, take, task


def pend(tasks, id, *which, **how):
    assert put_task(tasks, id, *which, flag="w", stage="pending", **how) == 0


def test_nothing_is_queued_until_the_result_is_here(tasks):
    pend(tasks, "t", "postback", "pingback")
    assert state(tasks, "t") == "pending" and tasks.places() == {} and counts(tasks, "acme") == only(open=1) == counts(tasks)
    assert posted(tasks, "acme") == ["t"] and resend(tasks, "t") == ["pending"] and ready(tasks) == []
    assert take(tasks, "acme") == ["t"] and state(tasks, "t") == "processing"
    assert complete(tasks, "t", "postback", "pingback") == 0
    assert set(tasks.places()) == {"t:postback@acme", "t:pingback@acme"} and posted(tasks) == ["t"]
    assert counts(tasks) == only(sending=1) and tasks.r.pttl(tasks.key("event:t")) == -1
    end_all(tasks, {"postback@acme": "done", "pingback@acme": "done"})
    assert counts(tasks, "acme") == only(fetched=1)
    assert not tasks.r.keys(tasks.key("plan:*")) + tasks.r.keys(tasks.key("open*")) + tasks.r.keys(tasks.key("taken*"))


def test_only_the_first_result_counts(tasks):
    pend(tasks, "t")
    assert complete(tasks, "t") == 0 and complete(tasks, "t") == "not open" and complete(tasks, "unknown") == "not open"
    assert counts(tasks) == only(ready=1)


def test_a_result_of_another_task_with_the_id(tasks):
    """The task expired and was set anew while somebody worked on it."""
    pend(tasks, "t")
    assert complete(tasks, "t", digest="11ff00ff00ff00ff") == "not open"
    tasks.now += 1
    assert complete(tasks, "t") == "not open" and state(tasks, "t") == "pending"


def test_a_lease_is_one_workers(tasks):
    for n in range(5):
        pend(tasks, f"t{n}", account="beta" if n % 2 else "acme")
    assert take(tasks, "acme", 2) == ["t0", "t2"] and take(tasks, "beta", 1) == ["t1"]
    assert take(tasks) == ["t3", "t4"] and take(tasks) == take(tasks, "acme") == []
    assert counts(tasks) == only(processing=5) and counts(tasks, "acme") == only(processing=3)


def test_a_lease_that_ended_is_pending_at_once(tasks):
    for n in range(3):
        pend(tasks, f"t{n}")
    assert take(tasks, "acme", 2, lease_ms=30) == ["t0", "t1"]
    assert counts(tasks) == only(processing=2, open=1)
    time.sleep(0.04)
    assert state(tasks, "t0") == "pending"
    assert counts(tasks, "acme") == only(open=3) == counts(tasks)
    assert take(tasks) == ["t0", "t1", "t2"]


def test_the_next_worker_gets_what_another_has_left(tasks):
    for n in range(3):
        pend(tasks, f"t{n}")
    assert take(tasks, "acme", 2, lease_ms=1) == ["t0", "t1"]
    wait_for(lambda: state(tasks, "t0") == state(tasks, "t1") == "pending", 5, "the leases to end")
    assert take(tasks) == ["t0", "t1", "t2"]


def test_a_result_after_the_lease_while_another_has_it(tasks):
    pend(tasks, "t", "postback")
    take(tasks, lease_ms=1)
    time.sleep(0.005)
    assert take(tasks) == ["t"]
    assert complete(tasks, "t", "postback") == 0 and complete(tasks, "t", "postback") == "not open"
    assert counts(tasks) == only(sending=1) and take(tasks) == []


def test_expired_tasks(tasks):
    tasks = Queue(tasks.r, pending_ms=150)
    for n in range(3):
        pend(tasks, f"t{n}", "postback")
    assert take(tasks, most=1, lease_ms=400) == ["t0"]
    time.sleep(0.2)
    assert [t["state"] for t in task(tasks, "t0", "t1", account="acme")] == ["processing", "expired"]
    assert counts(tasks) == only(processing=1) == counts(tasks, "acme") and take(tasks) == []
    time.sleep(0.25)
    assert state(tasks, "t0") == "expired" and counts(tasks) == only() and complete(tasks, "t0", "postback") == "not open"
    pend(tasks, "t1")
    assert take(tasks) == ["t1"] and counts(tasks, "acme") == only(processing=1)


def test_a_deleted_task_is_passed_over(tasks):
    for n in range(3):
        pend(tasks, f"t{n}")
    tasks.r.delete(tasks.key("event:t0"), tasks.key("plan:t0"))
    assert take(tasks, "acme", 2) == ["t1"] and take(tasks, "", 2) == ["t2"]


def test_the_moment_of_completion_is_the_deliverys(tasks):
    pend(tasks, "t", "postback")
    assert complete(tasks, "t", "postback") == 0
    seconds, us = tasks.r.time()
    assert abs(int(tasks.delivery("t:postback@acme")["accepted_at"]) - (seconds * 1000 + us // 1000)) < 1000
