"""Lanes as operators see them: GET /api/lanes and GET /api/lanes/<lane>."""

import pytest

from harness import config
from harness.redis_server import Keys
from harness.wait import wait_for

FIELDS = {"id", "configured", "depth", "inflight", "retry", "dead", "delay_ms", "order", "oldest_s", "paused", "paused_since", "sent_1m", "last_hour", "circuits"}
BASE = "hookpace:{0}:"


@pytest.fixture
def lanes(service):
    conf, url = service.conf, service.sink.url
    conf["destinations"]["orders"] = config.destination(url("/orders"), delay_ms=100, order="fifo")
    conf["destinations"]["audit"] = config.destination(url("/audit"), lane="shared", delay_ms=50)
    conf["destinations"]["mail"] = config.destination(url("/mail"), lane="shared", delay_ms=200)
    conf["sources"]["in"] = config.source(["orders", "audit"])
    return service


def ids(page):
    return [lane["id"] for lane in page["items"]]


def test_every_configured_lane_is_listed_by_name(lanes):
    root = lanes.start(dispatchers=0).root
    page = root.get("lanes")
    assert page["next"] is None and ids(page) == sorted(ids(page))
    assert {"orders", "shared", "root", "eye", "acme"} <= set(ids(page)) and "audit" not in ids(page)
    assert all(set(lane) == FIELDS for lane in page["items"])
    orders = root.get("lanes/orders")
    assert orders == {"id": "orders", "configured": True, "depth": 0, "inflight": 0, "retry": 0, "dead": 0, "delay_ms": 100, "order": "fifo",
                      "oldest_s": 0, "paused": False, "paused_since": None, "sent_1m": 0, "last_hour": {"done": 0, "retry": 0, "dead": 0}, "circuits": []}
    assert (root.get("lanes/shared")["delay_ms"], root.get("lanes/shared")["order"]) == (200, "requeue")


def test_what_a_lane_holds(lanes):
    lanes.start(dispatchers=0)
    r = lanes.stack.redis.client()
    for n in range(3):
        lanes.receiver.post("/in/in", {"id": f"e{n}"})
    r.hset(BASE + "busy", "mail", 2)
    r.hset(BASE + "busy", "audit", 1)
    r.rpush(BASE + "dead:mail", "e:mail", "f:mail")
    r.hset(BASE + "delivery:x:orders", "lane", "orders")
    r.zadd(BASE + "retry", {"x:orders": 1, "y:orders": 2})
    lanes.root.post("lanes/shared/pause")
    orders, shared = lanes.root.get("lanes/orders"), lanes.root.get("lanes/shared")
    assert (orders["depth"], orders["retry"], orders["inflight"]) == (3, 0, 0), "y is a delivery that nobody knows"
    assert (shared["depth"], shared["inflight"], shared["dead"], shared["paused"]) == (3, 3, 2, True)
    assert shared["paused_since"].endswith("Z")
    r.hset(BASE + "delivery:y:orders", "lane", "orders")
    wait_for(lambda: lanes.root.get("lanes/orders")["retry"] == 2, 5, "the next survey")


def test_a_lane_that_is_not_configured_any_more_is_listed_while_it_has_work(lanes):
    lanes.start(dispatchers=0)
    r = lanes.stack.redis.client()
    for lane, place in (("old", "queue"), ("older", "retry"), ("oldest", "inflight"), ("gone", "dead")):
        r.hset(BASE + f"delivery:e:{lane}", mapping={"lane": lane, "accepted_at": "1"})
        if place == "queue":
            r.rpush(BASE + "queue:old", "e:old")
            r.zadd(BASE + "lanes", {"old": 1})
        elif place == "dead":
            r.rpush(BASE + "dead:gone", "e:gone")
            r.zadd(BASE + "deads", {"gone": 1})
        else:
            r.zadd(BASE + place, {f"e:{lane}": 1})
    found = {lane["id"]: lane for lane in lanes.root.all("lanes", limit=3)}
    for lane, field in (("old", "depth"), ("older", "retry"), ("oldest", "inflight"), ("gone", "dead")):
        assert found[lane]["configured"] is False and found[lane]["delay_ms"] is None
        assert {f: found[lane][f] for f in ("depth", "retry", "inflight", "dead")} == {**dict.fromkeys(("depth", "retry", "inflight", "dead"), 0), field: 1}
    assert found["old"]["oldest_s"] > 1e9


def test_circuits_that_are_open_or_told_to_wait(lanes):
    lanes.start(dispatchers=0)
    r = lanes.stack.redis.client()
    later = 4102444800000
    r.hset(BASE + "origins:orders", "orders", f"7 {later} 3 0 0 0")
    r.hset(BASE + "origins:shared", mapping={"audit": f"5 {later} 1 44 0 0", "mail": f"0 {later} 1 0 1 0", "fine": "3 0 0 0 0 0"})
    r.hset(BASE + "origins:acme", "postback@acme/https://app.example:8443", f"9 {later} 1 0 0 0")
    origin = lanes.sink.url("").rstrip("/")
    assert lanes.root.get("lanes/orders")["circuits"] == [{"origin": origin, "state": "open", "until": "2100-01-01T00:00:00.000Z"}]
    shared = lanes.root.get("lanes/shared")["circuits"]
    assert sorted(c["state"] for c in shared) == ["probing", "waiting"]
    assert lanes.root.get("lanes/acme")["circuits"][0]["origin"] == "https://app.example:8443"


def test_the_delay_in_force_is_shown(lanes):
    lanes.start(dispatchers=0)
    r = lanes.stack.redis.client()
    r.hset(BASE + "settings", mapping={"delay": "300", "delay:destination:orders": "700", "delay:account:acme": "900"})
    assert [lanes.root.get(f"lanes/{n}")["delay_ms"] for n in ("orders", "shared", "acme", "root")] == [700, 200, 900, 300]


def test_pages(lanes):
    for n in range(250):
        lanes.conf["destinations"][f"d{n:03}"] = config.destination(lanes.sink.url(f"/d{n}"))
    root = lanes.start(dispatchers=0).root
    first = root.get("lanes", limit=100)
    assert len(first["items"]) == 100 and first["next"] == first["items"][-1]["id"]
    names = [lane["id"] for lane in root.all("lanes", limit=100)]
    assert names == sorted(names) and len(set(names)) == len(names) and {f"d{n:03}" for n in range(250)} <= set(names)


def test_lanes_by_state_and_by_a_part_of_the_name(lanes):
    lanes.conf["redis"]["partitions"] = 3
    lanes.start(dispatchers=0)
    r = lanes.stack.redis.client()
    keys = Keys(r, partitions=3)

    def key(lane, name):
        return keys.base(keys.partition(lane)) + name
    lanes.receiver.post("/in/in", {"id": "e"})
    lanes.root.post("lanes/acme/pause")
    r.hset(key("root", "origins:root"), "postback@root/https://app.example", "0 4102444800000 1 0 1 0")
    r.hset(key("eye", "origins:eye"), "postback@eye/https://app.example", "3 0 0 0 0 0")
    r.hset(key("eye", "delivery:x:postback@eye"), "lane", "eye")
    r.zadd(key("eye", "retry"), {"x:postback@eye": 1})
    r.hset(key("orders", "delivery:y:orders"), "lane", "orders")
    r.rpush(key("orders", "dead:orders"), "y:orders")
    r.zadd(key("orders", "deads"), {"orders": 1})
    r.hset(key("left", "paused"), "left", "1")
    expected = {"queued": ["orders", "shared"], "retry": ["eye"], "dead": ["orders"], "paused": ["acme", "left"], "circuit": ["root"]}
    lanes.root.post("lanes/acme/pause")  # the next survey is a new one
    assert {state: ids(lanes.root.get("lanes", state=state)) for state in expected} == expected
    assert ids(lanes.root.get("lanes", name="a")) == ["acme", "shared"] and ids(lanes.root.get("lanes", name="%")) == []
    assert [lane["id"] for lane in lanes.root.all("lanes", state="queued", limit=1)] == ["orders", "shared"]
    assert ids(lanes.root.get("lanes", state="queued", name="har")) == ["shared"]
    assert lanes.root.get("lanes", 400, state="sent")["code"] == "bad_request"
    lanes.root.post("lanes/left/resume")
    assert ids(lanes.root.get("lanes", state="paused")) == ["acme"]


def test_more_paused_lanes_than_one_step_reads(lanes):
    lanes.start(dispatchers=0)
    r = lanes.stack.redis.client()
    names = {f"p{n:04}" for n in range(1700)}
    r.hset(BASE + "paused", mapping=dict.fromkeys(names, 1))
    found = {lane["id"] for lane in lanes.root.all("lanes", state="paused", limit=1000)}
    assert found == names
    assert lanes.root.get("status")["totals"]["lanes_paused"] == 1700


def test_partitions(lanes):
    lanes.conf["redis"]["partitions"] = 7
    lanes.start(dispatchers=0)
    for n in range(3):
        lanes.receiver.post("/in/in", {"id": f"e{n}"})
    assert lanes.root.get("lanes/orders")["depth"] == 3 and lanes.root.get("lanes/shared")["depth"] == 3


def test_who_may_and_what_may_be_wrong(lanes):
    lanes.start(dispatchers=0)
    assert lanes.eye.get("lanes")["items"]
    assert lanes.acme.get("lanes", 403)["code"] == "forbidden"
    assert lanes.root.get("lanes/none", 404)["code"] == "not_found"
    for query in ({"limit": 0}, {"limit": 1001}, {"limit": "x"}, {"what": 1}):
        assert lanes.root.get("lanes", 400, **query)["code"] == "bad_request"
    for cursor in ("a b", "x/y", "\u00e4", "a" * 300):
        assert lanes.root.get("lanes", 400, cursor=cursor)["code"] == "bad_cursor"
    assert lanes.root.get("lanes/orders", 400, x=1)["code"] == "bad_request"
    lanes.stack.redis.stop()
    assert lanes.root.get("lanes", 503)["code"] == "queue_unavailable"
    assert lanes.root.get("lanes/orders", 503)["code"] == "queue_unavailable"
