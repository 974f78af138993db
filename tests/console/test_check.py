"""What contradicts itself in the queue: made by hand in Redis, found, and mended, while nothing else is touched."""

import sys
import threading
from pathlib import Path

import pytest

from harness import config
from harness.exchange import Answer
from harness.partitions import bases
from harness.snapshot import Snapshot
from harness.wait import wait_for
from test_command import Hookpace

sys.path.append(str(Path(__file__).resolve().parents[1] / "queue"))
from scripts import script_text  # noqa: E402

BASE = "hookpace:{0}:"
FOUND = 3


def check(service, repair=False):
    """All that is found, as (problem, id), and whether all of it was repaired."""
    found, cursor, all_mended = [], None, True
    while True:
        page = service.root.post("check", {"repair": repair, "cursor": cursor})
        assert set(page) == {"items", "next", "looked_at", "unsure"} and page["unsure"] == 0
        found += [(i["problem"], i["id"]) for i in page["items"]]
        all_mended = all_mended and all(i["repaired"] for i in page["items"])
        cursor = page["next"]
        if cursor is None:
            return sorted(found), all_mended


def keys_of(redis):
    """All keys with their values, but for what the programs write by themselves: their counts, and that they run."""
    own = (BASE + "answers:", BASE + "history:", BASE + "programs")
    return {k: (redis.type(k), redis.dump(k)) for k in redis.keys("*") if not k.startswith(own)}


@pytest.fixture
def world(service):
    """Destinations `a` and `b` on lanes of their own, both paused, and `c` whose deliveries are dead at once. Two events."""
    for name in ("a", "b"):
        service.conf["destinations"][name] = config.destination(service.sink.url("/" + name))
    service.conf["destinations"]["c"] = config.destination(service.sink.url("/c"), retry={"schedule_s": []})
    service.conf["sources"]["in"] = config.source(["a", "b"])
    service.conf["sources"]["dead"] = config.source(["c"])
    service.sink.on("/c", Answer(status=500))
    service.start()
    service.redis = service.stack.redis.client()
    for lane in ("a", "b"):
        service.root.post(f"lanes/{lane}/pause")
    for ident in ("e1", "e2"):
        assert service.receiver.post("/in/in", {"id": ident}).status == 200
    assert service.receiver.post("/in/dead", {"id": "d1"}).status == 200
    wait_for(lambda: service.redis.hget(BASE + "delivery:d1:c", "state") == "dead", 5, "the death")
    service.hookpace = Hookpace(service)
    for d in service.dispatchers:  # they would mend some of it themselves
        assert d.term().wait() == 0
    assert check(service) == ([], True)
    return service


def no_place(r):
    r.lrem(BASE + "queue:a", 1, "e1:a")
    r.hincrby(BASE + "delays:a", "0", -1)


def out_of_a_longer_list(r):
    r.lrem(BASE + "queue:a", 1, "e1:a")


def no_list(r):
    r.delete(BASE + "queue:a")


def in_flight_without_lease(r):
    no_place(r)
    r.hset(BASE + "delivery:e1:a", "state", "inflight")


def two_places(r):
    r.zadd(BASE + "retry", {"e1:a": 1})


def twice_in_the_list(r):
    r.rpush(BASE + "queue:a", "e1:a", "e1:a")
    r.hincrby(BASE + "delays:a", "0", 2)


def wrong_place(r):
    no_place(r)
    r.zadd(BASE + "retry", {"e1:a": 9e15})


def foreign_list(r):
    r.rpush(BASE + "queue:b", "e1:a")
    r.hincrby(BASE + "delays:b", "0", 1)


def done_and_queued(r):
    r.rpush(BASE + "queue:a", "d1:c")
    r.hincrby(BASE + "delays:a", "0", 1)


def no_delivery(r):
    r.rpush(BASE + "queue:a", "none:a")
    r.hincrby(BASE + "delays:a", "0", 1)


def no_delivery_in_flight(r):
    r.zadd(BASE + "inflight", {"none:a": 9e15})


def expires(r):
    r.pexpire(BASE + "delivery:e1:a", 9999999)


def never_expires(r):
    r.persist(BASE + "delivery:d1:c")


def event_never_expires(r):
    r.persist(BASE + "event:d1")


def event_expires(r):
    r.pexpire(BASE + "event:e1", 9999999)


def busy(r):
    r.hset(BASE + "busy", "a", 7)


def delays(r):
    r.hset(BASE + "delays:a", "0", 5)


def other_delay(r):
    r.delete(BASE + "delays:a")
    r.hset(BASE + "delays:a", "70", 2)


def left_delays(r):
    r.hset(BASE + "delays:gone", "0", 5)


def pending(r):
    r.hset(BASE + "pending:e1", "n", 5)


def left_pending(r):
    r.hset(BASE + "pending:gone", "n", 1)


def unlisted_lane(r):
    r.zrem(BASE + "lanes", "a")


def lane_without_work(r):
    r.zadd(BASE + "lanes", {"gone": 1})


def dead_in_no_list(r):
    r.lrem(BASE + "dead:c", 1, "d1:c")


def not_in_deaths(r):
    r.zrem(BASE + "deaths", "d1:c")


def living_in_deaths(r):
    r.zadd(BASE + "deaths", {"e1:a": 1})


DAMAGE = [
    (no_place, [("no_place", "e1:a")]), (out_of_a_longer_list, [("no_place", "e1:a"), ("delay_counts", "a")]),
    (no_list, [("no_place", "e1:a"), ("no_place", "e2:a"), ("lane_without_work", "a")]), (in_flight_without_lease, [("no_place", "e1:a")]), (two_places, [("two_places", "e1:a")]),
    (twice_in_the_list, [("two_places", "e1:a")]), (wrong_place, [("wrong_place", "e1:a")]), (foreign_list, [("wrong_place", "e1:a")]),
    (done_and_queued, [("wrong_place", "d1:c")]), (no_delivery, [("no_delivery", "none:a")]),
    (no_delivery_in_flight, [("busy_count", "a"), ("no_delivery", "none:a")]), (expires, [("expires", "e1:a")]),
    (never_expires, [("no_expiry", "d1:c")]), (event_never_expires, [("event_no_expiry", "d1")]), (event_expires, [("event_expires", "e1")]),
    (busy, [("busy_count", "a")]), (delays, [("delay_counts", "a")]), (other_delay, [("delay_counts", "a")]),
    (left_delays, [("delay_counts", "gone")]), (pending, [("pending_count", "e1")]), (left_pending, [("pending_count", "gone")]),
    (unlisted_lane, [("lane_not_listed", "a")]), (lane_without_work, [("lane_without_work", "gone")]),
    (dead_in_no_list, [("no_place", "d1:c")]), (not_in_deaths, [("not_in_deaths", "d1:c")]),
    (living_in_deaths, [("wrong_in_deaths", "e1:a")]),
]


@pytest.mark.parametrize("damage, expected", DAMAGE, ids=[d.__name__ for d, _ in DAMAGE])
def test_found_and_repaired(world, damage, expected):
    before = {k for k in world.redis.keys(BASE + "delivery:*")}
    damage(world.redis)
    as_damaged = keys_of(world.redis)
    found, _ = check(world)
    assert set(expected) <= set(found) and {i for _, i in found} <= {i for _, i in expected} | {"a", "b"}, found
    assert keys_of(world.redis) == as_damaged, "looking changes nothing"
    mended, all_mended = check(world, repair=True)
    assert set(expected) & set(mended) and all_mended
    assert check(world) == ([], True)
    assert Snapshot(world.redis, BASE).problems() == []
    assert {k for k in world.redis.keys(BASE + "delivery:*")} == before, "no delivery is lost or invented"
    line = world.receiver.wait_log("queue.repaired")
    assert (line["account"], line["peer"]) == ("root", "127.0.0.1")
    # Deliveries that have not ended are delivered once the lanes may go.
    for lane in ("a", "b"):
        world.root.post(f"lanes/{lane}/resume")
    world.stack.dispatcher(world.conf)
    for ident in ("e1", "e2"):
        wait_for(lambda: {d["state"] for d in world.root.get("events/" + ident)["deliveries"]} == {"done"}, 10, ident)
    assert len([r for r in world.sink.requests if r.path == "/a"]) == 2


def test_a_delivery_without_its_event_is_told_and_left_to_the_dispatchers(world):
    world.redis.delete(BASE + "event:e1")
    found, all_mended = check(world, repair=True)
    assert ("no_event", "e1:a") in found and not all_mended
    assert world.redis.hget(BASE + "delivery:e1:a", "state") == "queued"


def test_the_command(world):
    assert "0 found" in world.hookpace("check")
    no_place(world.redis)
    assert "no_place" in world.hookpace("check", code=FOUND) and "--repair" in world.hookpace.error
    page = world.hookpace.json("check", code=FOUND)
    assert page["items"] == [{"id": "e1:a", "problem": "no_place", "partition": 0, "repaired": False}] and page["next"] is None
    assert "1 repaired" in world.hookpace("check", "--repair", code=FOUND)
    assert "0 found" in world.hookpace("check", "--repair")


def test_bad_calls(world):
    for body in ({"repair": 1}, {"repair": None}, {"cursor": 1}, {"cursor": "9 keys 0"}, {"cursor": "x"}, {"cursor": "\\"}, {"x": 1}):
        world.root.post("check", body, status=400)
    for cursor in ("0 keys 99999999999999999999", "0 lists 0 0 event:e1", "0 nothing 5", "0 lists 0 7 queue:a"):
        world.root.post("check", {"cursor": cursor})
    world.eye.post("check", {}, status=403)
    world.acme.post("check", {}, status=403)


@pytest.mark.parametrize("partitions", [1, 3])
def test_nothing_is_reported_under_load(service, partitions):
    """Deliveries of all kinds move all the time: with and without delay, failing, retried, several of one event."""
    service.conf["redis"]["partitions"] = partitions
    for i in range(6):
        service.conf["destinations"][f"d{i}"] = config.destination(service.sink.url(f"/d{i}"), delay_ms=(0, 0, 50)[i % 3],
                                                                   retry={"schedule_s": [0.1, 0.2]})
    service.conf["sources"]["in"] = config.source([f"d{i}" for i in range(6)])
    service.sink.on("/d1", Answer(status=500))
    service.start(dispatchers=2)
    stop = threading.Event()
    sent = []

    def feed():
        while not stop.is_set() and len(sent) < 300:
            sent.append(service.receiver.post("/in/in", {"id": f"x{len(sent)}"}).status)

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        while len(sent) < 100:
            for repair in (False, True):
                assert check(service, repair) == ([], True)
    finally:
        stop.set()
        feeder.join()
    assert set(sent) == {200} and len(sent) > 50
    wait_for(lambda: not Snapshot(service.stack.redis.client(), *bases(partitions)).unfinished(), 60, "the end")
    assert check(service) == ([], True)


def test_many_partitions_and_pages(service):
    """More than one call finds: the cursor leads through all partitions, and each thing is told once."""
    service.conf["redis"]["partitions"] = 3
    for i in range(6):
        service.conf["destinations"][f"d{i}"] = config.destination(service.sink.url(f"/d{i}"))
    service.conf["sources"]["in"] = config.source([f"d{i}" for i in range(6)])
    service.start(dispatchers=0)
    for n in range(100):
        assert service.receiver.post("/in/in", {"id": f"x{n}"}).status == 200
    r = service.stack.redis.client()
    for key in r.keys("*queue:*") + r.keys("*delays:*"):
        r.delete(key)
    r.delete(*r.keys("*:lanes"))
    found, _ = check(service)
    assert found == sorted(("no_place", f"x{n}:d{i}") for n in range(100) for i in range(6))
    assert check(service, repair=True)[0] == found
    assert check(service) == ([], True)


def test_what_was_dropped_is_right(world):
    """One is dropped in its queue, one deep in its queue, and one from the dead letters."""
    for id in ("e1:a", "d1:c"):
        assert world.root.post(f"deliveries/{id}/drop")["state"] == "dropped"
    script = world.redis.register_script(script_text("drop"))
    script(keys=[BASE + "lanes"], args=[BASE, "e2:b", 604800000, 86400000, 0])
    assert world.redis.lrange(BASE + "queue:b", 0, -1) == ["e1:b", "e2:b"]
    before = keys_of(world.redis)
    assert check(world) == check(world, repair=True) == ([], True) and keys_of(world.redis) == before
    world.redis.lrem(BASE + "queue:b", 1, "e2:b")
    world.redis.hincrby(BASE + "delays:b", "0", -1)
    assert check(world, repair=True) == ([("no_expiry", "e2:b")], True)
    assert check(world) == ([], True) and world.redis.pttl(BASE + "delivery:e2:b") > 0
