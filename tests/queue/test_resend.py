"""Tasks that are sent again: what is queued, what is counted, how long it is kept."""

from scripts import top
from task_calls import counts, end_all, only, put, put_task, ready, resend, state


def test_resend_queues_again_what_is_over(tasks):
    put(tasks, "a", ("d", "d", top(100), "", "s1"), ("b", "b", "0"))
    claims = {c.lane: c for c in tasks.claim()}
    tasks.sent(claims["d"])
    tasks.settle(claims["d"], "dead", status=410)
    assert resend(tasks, "a") == ["failed"]
    d = tasks.delivery("a:d")
    assert (d["state"], d["attempts"], d["delay_ms"], d["apart"]) == ("queued", "1", "100", "resent")
    assert tasks.queued("d") == ["a:d"] and tasks.queued("b") == [] and not tasks.r.exists(tasks.key("dead:d"))
    assert tasks.r.pttl(tasks.key("event:a")) == tasks.r.pttl(tasks.key("delivery:a:d")) == -1
    assert resend(tasks, "a") == ["done"] and len(tasks.queued("d")) == 1, "not doubled"
    tasks.settle(claims["b"], "done")
    assert counts(tasks) == only(fetched=1) and state(tasks, "a") == "done"
    assert tasks.r.pttl(tasks.key("event:a")) == -1, "needed until the resend is over"
    (claim,) = tasks.claim_until()
    assert (claim.id, claim.attempt, claim.delay_ms) == ("a:d", 2, 100)
    tasks.settle(claim, "done")
    assert tasks.r.pttl(tasks.key("event:a")) > 0 and not tasks.r.exists(tasks.key("pending:a"))
    tasks.check()


def test_resend_of_a_dead_postback_that_arrives_makes_it_fetched(tasks):
    put(tasks, "a", ("d", "d", "0"))
    end_all(tasks, {"d": "dead"}, status=410)
    assert resend(tasks, "a") == ["failed"]
    assert counts(tasks) == only(failed=1), "not undone"
    end_all(tasks, {"d": "done"})
    assert counts(tasks) == only(fetched=1) and ready(tasks) == []
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


def test_what_waits_for_a_retry_goes_now(tasks):
    """To the tail of its lane, and with its count of attempts."""
    put(tasks, "a", ("d", "d", "0"))
    (claim,) = tasks.claim()
    tasks.settle(claim, "retry", wait_ms=3600000, status=500)
    put(tasks, "b", ("d", "d", "0"))
    assert resend(tasks, "a", "a") == ["done", "done"]
    assert tasks.queued("d") == ["b:d", "a:d"] and tasks.r.zcard(tasks.key("retry")) == 0
    assert [(c.id, c.attempt) for c in tasks.claim()] == [("b:d", 1), ("a:d", 2)]
    tasks.check()


def test_a_retry_that_goes_now_of_a_fifo_lane_keeps_its_place(tasks):
    for id in "ab":
        put(tasks, id, ("d", "d", "0", "fifo"))
    (claim,) = tasks.claim()
    tasks.settle(claim, "retry", wait_ms=3600000, status=500)
    assert tasks.claim() == []
    resend(tasks, "a", "b")
    assert [c.id for c in tasks.claim()] == ["a:d"]


def test_attempts_go_on_counting(tasks):
    put(tasks, "a", ("d", "d", "0"))
    end_all(tasks, {"d": "done"})
    resend(tasks, "a")
    (claim,) = tasks.claim()
    assert claim.attempt == 2


def test_a_success_of_before_does_not_end_a_retry_that_goes_now(tasks):
    tasks.limits(d=(10, 1, 1, 8))
    put(tasks, "a", ("d", "d", "0"))
    (first,) = tasks.claim()
    (second,) = tasks.claim_until()
    tasks.settle(second, "retry", wait_ms=60000, status=500)
    resend(tasks, "a")
    assert tasks.settle(first, "done") == 0 and tasks.queued("d") == ["a:d"], "the caller was promised a request"
