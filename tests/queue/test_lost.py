"""Keys that vanished, ids put in and taken out by hand, destinations that nobody knows: whatever was lost, all else goes on."""

import time

import pytest
from scripts import VERDICT_RECORDED
from task_calls import resend

HOUR_MS = 3600000


def now_ms(queue):
    seconds, micros = queue.r.time()
    return seconds * 1000 + micros // 1000


def drain(queue, *destinations, want=None, limit=10.0):
    """Claims and delivers, and mends as a dispatcher does, until WANT deliveries came (None: until none came for 0.3 s). Returns the ids in
    their order."""
    got, quiet, deadline = [], time.monotonic() + 0.3, time.monotonic() + limit
    queue.all_notes = []
    while time.monotonic() < deadline and (len(got) < want if want else time.monotonic() < quiet):
        queue.mend(*destinations)
        queue.all_notes += queue.notes
        claims = queue.claim()
        queue.all_notes += queue.notes
        for c in claims:
            got.append(c.id)
            queue.sent(c)
            assert queue.settle(c, "done") == VERDICT_RECORDED
            quiet = time.monotonic() + 0.3
        time.sleep(0.02)
    return got


@pytest.mark.parametrize("order", ["", "fifo"])
@pytest.mark.parametrize("delay", [0, 50])
def test_a_lost_event_makes_a_dead_letter_and_the_others_go(queue, order, delay):
    queue.put_simple("a", "b", "c", delay=delay, order=order)
    queue.r.delete(queue.key("event:a"))
    assert drain(queue, ("d", "d")) == ["b:d", "c:d"]
    assert queue.r.lrange(queue.key("dead:d"), 0, -1) == ["a:d"]
    dead = queue.delivery("a:d")
    assert (dead["state"], dead["last_error"], dead["attempts"]) == ("dead", "event_lost", "0")
    assert 0 < queue.r.pttl(queue.key("delivery:a:d")) and queue.r.zscore(queue.key("deads"), "d")
    assert "event_lost a:d" in queue.all_notes


@pytest.mark.parametrize("order", ["", "fifo"])
@pytest.mark.parametrize("delay", [0, 50])
def test_a_lost_delivery_is_taken_out_of_its_list(queue, order, delay):
    queue.put_simple("a", "b", "c", delay=delay, order=order)
    queue.r.delete(queue.key("delivery:a:d"))
    assert drain(queue, ("d", "d")) == ["b:d", "c:d"]
    assert "delivery_gone a:d" in queue.all_notes
    assert not queue.queued() and not queue.r.exists(queue.key("lanes"))


def test_five_thousand_lost_events_hold_nobody(queue):
    queue.put_simple(*[f"e{i}" for i in range(500)])
    queue.put_simple("last")
    for i in range(500):
        queue.r.delete(queue.key(f"event:e{i}"))
    assert drain(queue, ("d", "d"), want=1) == ["last:d"]
    assert queue.r.llen(queue.key("dead:d")) == 500


def unknown(queue, order="", delay=0):
    """A lane of two destinations; nobody knows that of the first delivery."""
    queue.put_simple("a", destination="old", lane="d", delay=delay, order=order)
    queue.put_simple("b", "c", delay=delay, order=order)


@pytest.mark.parametrize("delay", [0, 50])
def test_an_unknown_destination_waits_beside_its_lane(queue, delay):
    unknown(queue, delay=delay)
    assert drain(queue, ("d", "d")) == ["b:d", "c:d"]
    assert queue.delivery("a:old")["state"] == "retry"
    assert queue.r.zscore(queue.key("retry"), "a:old") - now_ms(queue) > HOUR_MS - 10000
    assert "unknown old" in queue.all_notes and queue.all_notes.count("unknown old") == 1
    assert queue.wait_us > 60000000 * 30, "nothing is polled"
    assert queue.mend(("d", "d"), ("old", "d")) == 1
    assert drain(queue, ("d", "d"), ("old", "d")) == ["a:old"]
    assert not queue.r.exists(queue.key("unknown"))


@pytest.mark.parametrize("order", ["", "fifo"])
def test_an_unknown_destination_ends_dead_and_can_be_resent(queue, order):
    unknown(queue, order=order)
    queue.claim()
    assert (queue.delivery("a:old")["state"], len(queue.queued())) == (("queued", 3) if order else ("retry", 0))
    since = now_ms(queue) - (10001 if order else HOUR_MS + 1)
    queue.r.hset(queue.key("unknown"), "old", f"{since} d")
    if order:
        assert 9000 < int(queue.clock()["parked"]) / 1000 - now_ms(queue) <= 10000, "it is looked at once, when its time is over"
        queue.set_clock(parked=0)
        queue.r.zadd(queue.key("lanes"), {"d": now_ms(queue)})
        assert drain(queue, ("d", "d")) == ["b:d", "c:d"]
    else:
        queue.r.zadd(queue.key("retry"), {"a:old": now_ms(queue)})
        queue.claim()
    assert queue.delivery("a:old")["last_error"] == "no_destination"
    assert queue.r.lrange(queue.key("dead:old"), 0, -1) == ["a:old"]
    queue.mend(("old", "d"))
    queue.r.set(queue.key("event:a"), queue.record(to=["old"]))
    resend(queue, "a")
    assert "a:old" in drain(queue, ("d", "d"), ("old", "d"))


def test_a_dispatcher_that_does_not_know_it_gives_it_to_those_that_do(queue):
    queue.put_simple("a")
    [c] = queue.claim()
    queue.settle(c, "unknown", response="", attempt="")
    assert queue.delivery("a:d")["attempts"] == "0" and not queue.r.hexists(queue.key("limits"), "d")
    assert queue.claim() == [] and "unknown d" in queue.notes
    assert queue.mend(("d", "d")) == 1
    assert [c.id for c in queue.claim()] == ["a:d"]


def test_many_of_an_unknown_destination_all_come_back(queue):
    queue.r.delete(queue.key("limits"))
    queue.put_simple(*[f"e{i}" for i in range(350)])
    for _ in range(10):
        assert queue.claim() == []
    assert queue.r.zcard(queue.key("retry")) == 350 and queue.wait_us > HOUR_MS * 900
    assert len(drain(queue, ("d", "d"))) == 350


def test_a_lane_that_is_not_looked_at_is_found_again(queue):
    """No lease of it ends meanwhile, which would bring it back too."""
    queue.limits(d=(100, 10000, 2000, 8))
    queue.put_simple("a")
    queue.r.delete(queue.key("lanes"))
    assert queue.claim() == []
    queue.mend(("d", "d"))
    assert [c.id for c in queue.claim()] == ["a:d"]


@pytest.mark.parametrize("key", ["limits", "lanes", "delays:d", "lane:d", "busy", "inflight", "fences", "origins:d", "waiting:d:d", "settings",
                                 "deads", "unknown", "counts", "pending:a"])
@pytest.mark.parametrize("order", ["", "fifo"])
@pytest.mark.parametrize("delay", [0, 50])
def test_any_key_may_vanish_while_work_waits(queue, key, order, delay):
    queue.limits(d=(100, 300, 40, 8))
    queue.put_simple("z", delay=delay, order=order)
    queue.claim_until()
    queue.put_simple("a", "b", "c", delay=delay, order=order)
    queue.r.delete(queue.key(key))
    got = drain(queue, ("d", "d", order or "requeue"), want=4 if order or key != "inflight" else 3)
    assert sorted(got) == sorted({"a:d", "b:d", "c:d"} | set(got))
    if order:
        assert got == ["z:d", "a:d", "b:d", "c:d"], "the order is kept"


@pytest.mark.parametrize("delay", [0, 50])
def test_a_fifo_lane_whose_retry_vanished_goes_on_in_its_order(queue, delay):
    queue.put_simple("a", "b", delay=delay, order="fifo")
    [c] = queue.claim_until()
    queue.settle(c, "retry", wait_ms=50)
    queue.r.delete(queue.key("retry"))
    assert drain(queue, ("d", "d", "fifo")) == ["a:d", "b:d"]
    assert "unlisted a:d" in queue.all_notes


def test_leases_that_vanished_with_their_dispatcher_give_their_places_back(queue):
    queue.limits(d=(2, 10000, 2000, 8))
    queue.put_simple("a", "b", "c")
    assert len(queue.claim()) == 2
    queue.r.delete(queue.key("inflight"))
    assert queue.claim() == []
    queue.mend(("d", "d"))
    assert queue.notes == ["busy d"]
    assert [c.id for c in queue.claim_until()] == ["c:d"]


def test_fences_go_on_above_those_that_were_given_out(queue):
    queue.put_simple("a", "b")
    [first] = queue.claim(want=1)
    queue.r.delete(queue.key("fences"))
    time.sleep(0.002)  # fences begin at the millisecond
    [second] = queue.claim(want=1)
    assert second.fence > first.fence


STRANGERS = ["nonsense", "no:such", "done:d", "dead:d", "wait:d", "a:d"]


@pytest.mark.parametrize("order", ["", "fifo"])
@pytest.mark.parametrize("delay", [0, 50])
@pytest.mark.parametrize("push", ["lpush", "rpush"])
def test_ids_put_into_a_list_by_hand_are_not_sent(queue, order, delay, push):
    for id, verdict in (("done", "done"), ("dead", "dead"), ("wait", "retry")):
        queue.put_simple(id, delay=delay, order="")
        [c] = queue.claim_until()
        queue.settle(c, verdict, wait_ms=3600000)
    queue.put_simple("a", "b", delay=delay, order=order)
    getattr(queue.r, push)(queue.key("queue:d"), *STRANGERS * 3)
    assert sorted(drain(queue, ("d", "d", order or "requeue"))) == ["a:d", "b:d"]
    assert not queue.queued() and not queue.r.exists(queue.key("delays:d"))
    assert {"delivery_gone nonsense", "not_queued done:d", "not_queued wait:d"} <= set(queue.all_notes)
    assert queue.delivery("wait:d")["state"] == "retry"


NONSENSE = [{"sent": 1e18}, {"until": 9e15, "open": 3, "window": 10**12}, {"open": -5}, {"holder": 77}, {"stale": 8e15}, {"held": 10**9},
            {"parked": 9e15}, {"pause": 9e15}, {"hold": "no:d", "hold_until": 9e15}, {"trouble": 5}, {"sent": "x"}, {"open": float("nan")}]


@pytest.mark.parametrize("fields", NONSENSE, ids=lambda f: next(iter(f)))
@pytest.mark.parametrize("order", ["", "fifo"])
def test_a_nonsense_clock_does_not_stop_the_lane(queue, fields, order):
    queue.put_simple("a", "b", delay=50, order=order)
    [c] = queue.claim_until()
    queue.sent(c)
    queue.settle(c, "done")
    queue.set_clock(**fields)
    queue.r.zadd(queue.key("lanes"), {"d": 9e15})
    assert drain(queue, ("d", "d", order or "requeue")) == ["b:d"]


@pytest.mark.parametrize("clock", ["", "x", b"\xc0"])
def test_a_clock_that_is_none_is_begun_anew(queue, clock):
    queue.put_simple("a")
    queue.r.hset(queue.key("lane:d"), "clock", clock)
    assert drain(queue, ("d", "d")) == ["a:d"]
    assert "clock d" in queue.all_notes


@pytest.mark.parametrize("order", ["", "fifo"])
@pytest.mark.parametrize("delay", [0, 50])
@pytest.mark.parametrize("taken", [["a:d", "b:d", "c:d"], ["a:d"], ["b:d", "c:d"]])
def test_what_was_taken_out_of_a_list_is_noticed(queue, taken, order, delay):
    queue.put_simple("a", "b", "c", delay=delay, order=order)
    queue.mend(("d", "d", order or "requeue"))
    assert queue.notes == [], "nothing is wrong yet"
    for id in taken:
        queue.r.lrem(queue.key("queue:d"), 1, id)
    queue.mend(("d", "d", order or "requeue"))
    assert queue.notes == ["counts d"]
    queue.mend(("d", "d", order or "requeue"))
    assert queue.notes == [], "once"
    assert drain(queue, ("d", "d", order or "requeue")) == [id for id in ("a:d", "b:d", "c:d") if id not in taken]
    assert queue.all_notes == [] and not queue.r.exists(queue.key("delays:d"), queue.key("lanes"))


@pytest.mark.parametrize("order", ["", "fifo"])
@pytest.mark.parametrize("delay", [0, 50])
def test_a_claim_notices_that_its_list_was_emptied(queue, order, delay):
    queue.limits(d=(100, 10000, 2000, 8))
    queue.put_simple("a", "b", delay=delay, order=order)
    queue.r.delete(queue.key("queue:d"))
    assert queue.claim() == []
    assert queue.notes == ["counts d"]
    assert not queue.r.exists(queue.key("delays:d"), queue.key("lanes"))


@pytest.mark.parametrize("delay", [0, 50])
def test_a_resend_queues_what_was_taken_out_of_its_list(queue, delay):
    [put] = [queue.put(queue.event("a", ("d", "d", delay), to=["d"]))]
    queue.r.lrem(queue.key("queue:d"), 1, "a:d")
    resend(queue, "a")
    assert queue.queued() == ["a:d"]
    resend(queue, "a")
    assert queue.queued() == ["a:d"], "once"
    assert drain(queue, ("d", "d")) == ["a:d"]
    assert queue.places() == {"a:d": ["done"]}


def test_a_resend_queues_what_was_purged(queue):
    queue.put(*[queue.event(f"e{i}", ("d", "d", 0), to=["d"]) for i in range(20)])
    queue.r.delete(queue.key("queue:d"))
    resend(queue, *[f"e{i}" for i in range(20)])
    assert len(drain(queue, ("d", "d"))) == 20


def test_a_resend_queues_what_was_in_flight_when_its_lease_vanished(queue):
    queue.put(queue.event("a", ("d", "d", 0), to=["d"]))
    [c] = queue.claim()
    queue.r.delete(queue.key("inflight"))
    resend(queue, "a")
    assert drain(queue, ("d", "d")) == ["a:d"]
    assert queue.settle(c, "done") == 0


@pytest.mark.parametrize("lost", ["hash", "list", "nothing"])
def test_a_repeat_completes_what_was_stored_in_part(queue, lost):
    event = queue.event("a", ("d", "d", 0), ("e", "d", 0), to=["d", "e"])
    queue.put(event)
    if lost == "hash":
        queue.r.delete(queue.key("delivery:a:d"))
    if lost != "nothing":
        queue.r.lrem(queue.key("queue:d"), 1, "a:d")
    assert queue.put(event)[0][0] == 1
    assert sorted(queue.queued()) == ["a:d", "a:e"]
    assert queue.delivery("a:d")["state"] == "queued"


def test_the_event_stays_until_the_last_delivery_though_pending_is_lost(queue):
    queue.limits(e=(100, 10000, 2000, 8))
    queue.put(queue.event("a", ("d", "d", 0), ("e", "d", 0), to=["d", "e"]))
    first, second = queue.claim()
    queue.r.delete(queue.key("pending:a"))
    queue.settle(first, "done")
    assert queue.r.pttl(queue.key("event:a")) == -1
    queue.settle(second, "done")
    assert queue.r.pttl(queue.key("event:a")) > 0


def test_a_repeat_to_other_destinations_adds_nothing(queue):
    queue.put(queue.event("a", ("d", "d", 0), to=["d"]))
    assert queue.put(queue.event("a", ("d", "d", 0), ("e", "d", 0), to=["d", "e"]))[0][0] == 1
    assert queue.queued() == ["a:d"]


def test_a_repeat_does_not_send_again_what_was_delivered_and_has_expired(queue):
    queue.limits(e=(100, 10000, 2000, 8))
    event = queue.event("a", ("d", "d", 0), ("e", "d", 0), to=["d", "e"])
    queue.put(event)
    done, waits = queue.claim()
    queue.settle(done, "done")
    queue.settle(waits, "retry", wait_ms=60000)
    queue.r.delete(queue.key("delivery:" + done.id))
    assert queue.put(event)[0][0] == 1
    assert queue.queued() == []
