"""put.lua: what is accepted, what is a repeat, what it leaves in Redis."""

import time

import pytest

from harness.wait import wait_for


def test_an_event_is_stored_with_its_delivery(queue):
    assert queue.put(queue.event("e1", ("d", "d", 100, "", "0a1b2c3d"), body='{"a":1}')) == [[0, ""]]
    d = queue.delivery("e1:d")
    assert d["state"] == "queued" and d["destination"] == "d" and d["lane"] == "d"
    assert (d["delay_ms"], d["attempts"], d["requeues"], d["kind"]) == ("100", "0", "0", "postback")
    assert d["accepted_at"] == str(queue.now)
    assert queue.queued() == ["e1:d"]
    assert queue.r.get(queue.key("event:e1")).endswith('\n\n{"a":1}')
    assert queue.r.ttl(queue.key("event:e1")) == -1, "what is queued never expires"
    queue.check()


def test_order_of_arrival_is_kept_in_a_batch_and_between_batches(queue):
    queue.put_simple("a", "b")
    queue.put_simple("c")
    assert queue.queued() == ["a:d", "b:d", "c:d"]


def test_same_id_and_body_is_a_repeat(queue):
    first = queue.put(queue.event("e1", ("d", "d", 0), body="x"))
    queue.now += 5000
    again = queue.put(queue.event("e1", ("d", "d", 0), body="x"))
    assert first == [[0, ""]] and again == [[1, str(queue.now - 5000)]]
    assert queue.queued() == ["e1:d"]


def test_repeat_inside_one_batch(queue):
    e = queue.event("e1", ("d", "d", 0), body="x")
    assert queue.put(e, e) == [[0, ""], [1, str(queue.now)]]
    assert queue.queued() == ["e1:d"]


def test_a_repeat_among_new_events(queue):
    """Redis stores new events together. One repeat among them changes nothing for the others, nor for their order."""
    old = queue.event("old", ("d", "d", 0), body="x")
    queue.put(old)
    kept = queue.event("kept", ("ping", "d", 0), body="p")
    new = [queue.event(i, ("d", "d", 0), body=i) for i in ("a", "b", "c")]
    other = queue.event("a", ("d", "d", 0), body="another")
    assert queue.put(new[0], kept, old, new[1], other, new[2]) == [[0, ""], [0, ""], [1, str(queue.now)], [0, ""], [0, ""], [0, ""]]
    assert queue.revisions == [0, 0, 0, 0, 2, 0]
    assert queue.queued() == ["old:d", "a:d", "kept:ping", "b:d", "a~2:d", "c:d"]
    assert [i for _, entry in queue.r.xrange(queue.key("posted")) for i in entry["ids"].split()] == ["old", "a", "kept", "b", "a~2", "c"]
    assert queue.r.hget(queue.key("counts"), "sending") == "5"
    queue.check()


def test_same_id_with_another_body_is_another_event(queue):
    for body, revision in (("x", 0), ("y", 2), ("z", 3)):
        assert queue.put(queue.event("e1", ("d", "d", 0), body=body)) == [[0, ""]]
        assert queue.revisions == [revision]
    assert queue.queued() == ["e1:d", "e1~2:d", "e1~3:d"]
    assert "\ni e1\n" in queue.r.get(queue.key("event:e1~2"))
    for body in ("x", "y", "z"):
        assert queue.put(queue.event("e1", ("d", "d", 0), body=body))[0][0] == 1, f"repeat of {body}"
    assert len(queue.queued()) == 3
    queue.check()


def test_same_id_from_another_source_is_another_event(queue):
    queue.put(queue.event("e1", ("d", "d", 0), body="x", source="one"))
    assert queue.put(queue.event("e1", ("d", "d", 0), body="x", source="two")) == [[0, ""]]
    assert len(queue.queued()) == 2


def test_the_name_of_its_repeats_decides_where_there_is_one(queue):
    put = lambda id, message, body: queue.put(queue.event(id, ("d", "d", 0), message=message, body=body))[0][0]
    assert put("e1", "m1", "x") == 0
    assert put("e1", "m1", "changed") == 1
    assert put("other", "m1", "x") == 1
    assert put("e1", "m2", "x") == 0, "another message, though id and body are the same"
    assert len(queue.queued()) == 2


def test_what_nothing_repeats(queue):
    for retention in (queue.done_ms, 1000):  # also where its record is forgotten first
        queue.done_ms = retention
        for _ in range(2):
            assert queue.put(queue.event(f"e{retention}", ("d", "d", 0), never_repeats=True)) == [[0, ""]]
    assert len(queue.queued()) == 4
    assert queue.put(queue.event("e1000", ("d", "d", 0))) == [[1, str(queue.now)]], "by the record of the first"
    queue.check()


def kill(queue, *ids):
    """Claims everything; deliveries of IDS end dead, the others are done."""
    while queue.r.keys(queue.key("queue:*")):
        for claim in queue.claim_until():
            queue.sent(claim)
            queue.settle(claim, "dead" if claim.id in ids else "done", status=500)


@pytest.mark.parametrize("message", ["", "m1"])
def test_a_repeat_queues_dead_deliveries_again(queue, message):
    queue.limits(b=(100, 10000, 2000, 8))
    repeat = lambda: queue.put(queue.event("e1", ("d", "d", 900), ("b", "b", 0), message=message, body="x", to=("d", "b")))[0]
    event = queue.event("e1", ("d", "d", 100), ("b", "b", 0), message=message, body="x", to=("d", "b"))
    assert queue.put(event) == [[0, ""]]
    kill(queue, "e1:d")
    assert queue.r.lrange(queue.key("dead:d"), 0, -1) == ["e1:d"]
    assert repeat() == [1, str(queue.now), 1]
    assert queue.queued("d") == ["e1:d"] and queue.queued("b") == [], "what was delivered stays so"
    assert not queue.r.exists(queue.key("dead:d")) and queue.r.ttl(queue.key("event:e1")) == -1
    queue.check()
    assert repeat() == [1, str(queue.now)], "it waits already"
    (claim,) = queue.claim_until()
    assert (claim.id, claim.delay_ms, claim.attempt) == ("e1:d", 100, 2)
    queue.settle(claim, "done")
    assert repeat() == [1, str(queue.now)] and queue.queued("d") == []
    queue.check()


def test_a_repeat_of_a_revision_queues_the_revision_again(queue):
    first, second = (queue.event("e1", ("d", "d", 0), body=body, to=("d",)) for body in "xy")
    assert queue.put(first, second) == [[0, ""], [0, ""]]
    kill(queue, "e1:d", "e1~2:d")
    assert queue.put(second) == [[1, str(queue.now), 1]]
    assert queue.queued() == ["e1~2:d"]
    assert queue.put(first, first) == [[1, str(queue.now), 1], [1, str(queue.now)]]
    assert queue.queued() == ["e1~2:d", "e1:d"]
    queue.check()


def test_a_repeat_after_the_event_was_forgotten(queue):
    """The event is kept for less than its repeats are known, and the dead delivery is gone with it."""
    queue.done_ms = queue.dead_ms = 100
    event = queue.event("e1", ("d", "d", 0), to=("d",))
    queue.put(event)
    kill(queue, "e1:d")
    wait_for(lambda: not queue.r.exists(queue.key("event:e1")))
    assert queue.put(event) == [[1, str(queue.now)]] and queue.queued() == []


def test_after_dedup_time_the_same_is_new(queue):
    queue.dedup_ms = 1000
    queue.put(queue.event("e1", ("d", "d", 0), body="x"))
    queue.now += 1001
    assert queue.put(queue.event("e1", ("d", "d", 0), body="x")) == [[0, ""]]
    assert queue.queued() == ["e1:d", "e1~2:d"]


def test_a_repeat_is_known_after_the_event_expired(queue):
    """done_s shorter than dedup_s: the event goes, what tells a repeat stays."""
    queue.done_ms = 50
    queue.put(queue.event("e1", ("d", "d", 0), body="x"))
    (claim,) = queue.claim()
    queue.settle(claim, "done")
    deadline = time.monotonic() + 5
    while queue.r.exists(queue.key("event:e1")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert queue.put(queue.event("e1", ("d", "d", 0), body="x"))[0][0] == 1
    assert queue.queued() == []


def test_fan_out_in_one_go(queue):
    queue.limits(a=(10, 10000, 2000, 8))
    queue.put(queue.event("e1", ("d", "d", 0), ("a", "shared", 50)))
    assert queue.queued("d") == ["e1:d"] and queue.queued("shared") == ["e1:a"]
    queue.check()


def test_an_event_that_is_only_kept_expires_and_is_known_again(queue):
    assert queue.put(queue.event("e1")) == [[0, ""]]
    assert 0 < queue.r.pttl(queue.key("event:e1")) <= queue.done_ms
    assert queue.put(queue.event("e1"))[0][0] == 1
    assert queue.r.zcard(queue.key("lanes")) == 0


def test_wake_is_published_when_a_lane_gets_its_first_work(queue):
    sub = queue.r.pubsub(ignore_subscribe_messages=True)
    sub.subscribe(queue.key("wake"))
    sub.get_message(timeout=1)
    heard = lambda: (sub.get_message(timeout=0.3) or {}).get("data")
    queue.put_simple("a")
    assert heard() == "d"
    queue.put_simple("b")
    assert heard() is None, "the lane was not empty"
    sub.close()


def test_refused_when_memory_is_full_and_drains_all_the_same(queue):
    import redis
    queue.put_simple("a", "b")
    queue.r.config_set("maxmemory", 1)
    try:
        try:
            queue.put_simple("c")
            raise AssertionError("put must be refused")
        except redis.ResponseError as e:
            assert "OOM" in str(e) or "maxmemory" in str(e)
        claims = queue.claim()
        assert [c.id for c in claims] == ["a:d", "b:d"]
        assert queue.settle(claims[0], "done") == 1
        assert queue.settle(claims[1], "dead", status=410) == 1
    finally:
        queue.r.config_set("maxmemory", 0)
    places = queue.check()
    assert places == {"a:d": ["done"], "b:d": ["dead"]}


def test_what_is_left_of_an_expired_event_does_not_end_up_in_a_new_one(queue):
    """A delivery outlives its event. A new event of that id must not get its expiry, nor its fields."""
    queue.put_simple("a")
    queue.settle(queue.claim()[0], "done")
    queue.r.delete(queue.key("event:a"))
    assert queue.r.pttl(queue.key("delivery:a:d")) > 0
    queue.put_simple("b", "a")  # "a" is a copy of "b" but for its key
    queue.put_simple("c")
    queue.settle(queue.claim(want=3)[1], "done")
    queue.r.delete(queue.key("event:a"))
    queue.put_simple("a")  # and not a copy
    assert queue.r.pttl(queue.key("delivery:a:d")) == -1
    assert "ended_at" not in queue.delivery("a:d") and queue.delivery("a:d")["attempts"] == "0"


def test_equal_deliveries_are_copies(queue):
    """Of one call, destination and moment; all others have their own fields."""
    queue.limits(b=(10, 10000, 2000, 8))
    now = queue.now
    events = [queue.event(id, ("d", "d", 50), ("b", "b", 0), body=id, received=now + later) for id, later in (("a", 0), ("b", 0), ("c", 7))]
    assert queue.put(*events, [*queue.event("d", ("d", "d", 50), ("b", "b", 0), received=now + 7)[:3], ""]) == [[0, ""]] * 4
    for id, later in (("a", 0), ("b", 0), ("c", 7), ("d", 7)):
        d, b = queue.delivery(f"{id}:d"), queue.delivery(f"{id}:b")
        assert (d["destination"], d["delay_ms"], d["accepted_at"], d["fan"]) == ("d", "50", str(now + later), "2")
        assert (b["destination"], b["delay_ms"], b["accepted_at"], b["lane"]) == ("b", "0", str(now + later), "b")
    queue.check()


# -- large records: staged under a key of their own ------------------------------------------------------------


def put_staged(queue, *events):
    """Nothing is left under the keys at which the records were staged."""
    replies = queue.put(*[queue.staged(e) for e in events])
    assert not queue.r.keys(queue.key("staged:*"))
    return replies


def test_a_staged_record_is_stored_as_any_other(queue):
    e = queue.event("e1", ("d", "d", 0), body="x" * 100)
    assert put_staged(queue, e) == [[0, ""]]
    assert queue.r.get(queue.key("event:e1")) == e[2].replace(" -\n", " -\ni e1\n", 1)
    assert queue.r.pttl(queue.key("event:e1")) == -1, "what is queued never expires"
    assert put_staged(queue, queue.event("kept", body="y")) == [[0, ""]]
    assert 0 < queue.r.pttl(queue.key("event:kept")) <= queue.done_ms
    assert queue.queued() == ["e1:d"]
    queue.check()


def test_repeats_of_staged_records(queue):
    """Whichever of the two is staged; also within one call."""
    one, two = (queue.event(id, ("d", "d", 0), body=id) for id in ("one", "two"))
    assert put_staged(queue, one) == [[0, ""]] == queue.put(two)
    assert queue.put(one)[0][0] == 1 == put_staged(queue, two)[0][0]
    other = queue.event("one", ("d", "d", 0), body="another")
    assert put_staged(queue, other, other) == [[0, ""], [1, str(queue.now)]]
    assert "\ni one\n" in queue.r.get(queue.key("event:one~2"))
    assert queue.r.pttl(queue.key("event:one~2")) == -1
    assert queue.queued() == ["one:d", "two:d", "one~2:d"]
    queue.check()


def test_a_record_that_redis_has_not_staged_is_not_accepted(queue):
    """Redis may refuse it, and have room when the script runs. The other events of the call are accepted."""
    before, lost, behind = (queue.event(id, ("d", "d", 0), body=id) for id in ("before", "lost", "behind"))
    assert queue.put(before, queue.staged(lost, is_there=False), behind) == [[0, ""], [2, ""], [0, ""]]
    assert queue.queued() == ["before:d", "behind:d"]
    assert not queue.r.exists(queue.key("event:lost"), queue.key("delivery:lost:d"))
    assert put_staged(queue, lost) == [[0, ""]]
    queue.check()
