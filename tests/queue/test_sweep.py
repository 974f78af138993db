"""job.lua and sweep_*.lua: jobs, which act on everything that fits a filter."""

import time

import pytest

from task_calls import end_all, put, put_args


def begin(queue, verb, id="j", state="", destination="", source="", lane="", since=0, till=1 << 52, of_lane=""):
    return queue.run("job", "begin", id, verb, state, destination, source, lane, of_lane, since, till, "root", "-")


def step(queue, verb, id="j", owner="me", lease_ms=3000):
    return queue.run("sweep_" + verb, id, owner, lease_ms, queue.dead_ms, queue.dedup_ms)


def work(queue, verb, id="j"):
    """All steps; how many there were."""
    for n in range(1, 1000):
        if not step(queue, verb, id):
            return n
    raise AssertionError("the job does not end")


def job(queue, id="j"):
    return queue.r.hgetall(queue.key("job:" + id))


def counts(queue, id="j"):
    j = job(queue, id)
    return j["over"], int(j["done"]), int(j["failed"])


def deads(queue, *ids, source="src", to="d"):
    for id in ids:
        put(queue, id, (to, to, "0"), source=source)
    for _ in range(100):
        if not end_all(queue, {to: "dead"}, status=410) and not queue.queued(to):
            break
    time.sleep(0.002)


def test_in_steps_and_only_what_fits(tasks):
    deads(tasks, *[f"e{n}" for n in range(100)])
    deads(tasks, *[f"b{n}" for n in range(20)], to="b")
    begin(tasks, "resend", state="dead", destination="d")
    assert work(tasks, "resend") > 2 and counts(tasks) == ("done", 100, 0)
    assert len(tasks.queued()) == 100 and tasks.queued("b") == []
    assert tasks.r.pttl(tasks.key("job:j")) > 86_000_000 and tasks.r.zcard(tasks.key("jobs:running")) == 0
    tasks.check()


def test_by_source(tasks):
    deads(tasks, *[f"e{n}" for n in range(60)])
    deads(tasks, *[f"o{n}" for n in range(5)], source="other")
    begin(tasks, "drop", source="other")
    work(tasks, "drop")
    assert counts(tasks) == ("done", 5, 0)
    assert sorted(i for i, w in tasks.check().items() if w == ["dropped"]) == [f"o{n}:d" for n in range(5)]


@pytest.mark.parametrize("verdict", ["dead", "done"])
def test_what_ended_since_is_left_alone(tasks, verdict):
    """Also what was accepted before: "b" was, "c" was not."""
    put(tasks, "a", ("d", "d", "0"))
    put(tasks, "b", ("d", "d", "0"))
    first, second = tasks.claim(want=2)
    tasks.settle(first, verdict)
    time.sleep(0.005)
    begin(tasks, "resend", state=verdict)
    time.sleep(0.005)
    tasks.settle(second, verdict)
    put(tasks, "c", ("d", "d", "0"))
    (third,) = tasks.claim()
    tasks.settle(third, verdict)
    work(tasks, "resend")
    assert counts(tasks) == ("done", 1, 0) and tasks.queued() == ["a:d"]


def test_each_delivery_once(tasks):
    """A resent one that waits for its retry again is not sent again by the same job."""
    tasks.put_simple("a", "b")
    for c in tasks.claim():
        tasks.settle(c, "retry", wait_ms=3_600_000)
    begin(tasks, "resend", state="retry", destination="d")
    tasks.r.hset(tasks.key("job:j"), "walks", "retry retry")  # as a step that is done again
    work(tasks, "resend")
    assert counts(tasks)[1] == 2
    tasks.r.persist(tasks.key("job:j"))
    for c in tasks.claim():
        tasks.settle(c, "retry", wait_ms=3_600_000)
    tasks.r.hset(tasks.key("job:j"), mapping={"over": "running", "walk": 1, "position": ""})
    work(tasks, "resend")
    assert counts(tasks)[1] == 2 and tasks.queued() == []


def test_a_lease_keeps_others_away(tasks):
    deads(tasks, *[f"e{n}" for n in range(100)])
    begin(tasks, "drop", state="dead")
    assert step(tasks, "drop", owner="me", lease_ms=60) == 1
    assert tasks.run("jobs", "next", "other") == [] and tasks.run("jobs", "next", "me") == ["j", "drop"]
    before = counts(tasks)
    assert step(tasks, "drop", owner="other") == 0 and counts(tasks) == before
    time.sleep(0.07)
    assert tasks.run("jobs", "next", "other") == ["j", "drop"] and step(tasks, "drop", owner="other") == 1


@pytest.mark.parametrize("delay", [0, 50])
def test_purge(tasks, delay):
    deads(tasks, "other", to="b")
    tasks.put_simple(*[f"e{n}" for n in range(150)], delay=delay)
    (claim,) = tasks.claim(want=1)
    tasks.settle(claim, "retry", wait_ms=3_600_000)
    begin(tasks, "drop", lane="d")
    time.sleep(0.005)
    tasks.now += 60_000
    tasks.put_simple("new", delay=delay)
    work(tasks, "drop")
    assert counts(tasks) == ("done", 150, 0) and tasks.queued() == ["new:d"]
    assert tasks.check()["other:b"] == ["dead"]


def test_every_lane_is_searched(tasks):
    for lane in ("x", "y", "z"):
        tasks.put_simple(*[f"{lane}{n}" for n in range(40)], lane=lane)
    put(tasks, "keep", ("d", "x", "0"), source="other")
    begin(tasks, "drop", state="queued", source="src")
    work(tasks, "drop")
    assert counts(tasks) == ("done", 120, 0) and tasks.queued("x") == ["keep:d"]
    assert not tasks.r.exists(tasks.key("job:lanes:j"))
    tasks.check()


def test_what_is_done_is_found_by_when_it_was_accepted(tasks):
    for n in range(3):
        tasks.put(*[put_args(tasks, f"e{n}{m}", [("d", "d", "0")]) for m in range(20)])
    end_all(tasks, {"d": "done"})
    while tasks.queued():
        end_all(tasks, {"d": "done"})
    time.sleep(0.002)
    begin(tasks, "resend", state="done", destination="d")
    work(tasks, "resend")
    assert counts(tasks) == ("done", 60, 0) and len(tasks.queued()) == 60


def test_what_cannot_begin_or_end(tasks):
    assert tasks.run("job", "cancel", "none") == -1
    for n in range(100):
        assert begin(tasks, "drop", id=f"j{n}", state="dead") == 1
    assert begin(tasks, "drop", id="more", state="dead") == 0
    assert tasks.run("job", "cancel", "j5") == 1 and tasks.run("job", "cancel", "j5") == 0
    assert begin(tasks, "drop", id="more", state="dead") == 1 and step(tasks, "drop", id="j5") == 0
