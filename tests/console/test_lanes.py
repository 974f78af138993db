"""Lanes: pause and resume."""

import time

import pytest

from harness import config
from harness.wait import stays, wait_for


@pytest.fixture
def lane(service):
    service.conf["destinations"]["orders"] = config.destination(service.sink.url("/orders"), delay_ms=50)
    service.conf["destinations"]["audit"] = config.destination(service.sink.url("/audit"))
    service.conf["sources"]["in"] = config.source(["orders", "audit"])
    return service.start()


def test_a_stopped_lane_keeps_what_comes_and_sends_it_later(lane):
    assert lane.root.post("lanes/orders/pause") == {"lane": "orders", "paused": True}
    for n in range(5):
        lane.receiver.post("/in/in", {"id": f"e{n}"})
    wait_for(lambda: sum(r.path.startswith("/audit") for r in lane.sink.requests) == 5, 5, "the other lane to go on")
    stays(lambda: not any(r.path.startswith("/orders") for r in lane.sink.requests), 1, "the pause")
    lane.receiver.term()
    assert lane.receiver.wait() == 0
    lane.dispatchers[0].term()
    assert lane.dispatchers[0].wait() == 0
    lane.start()
    stays(lambda: not any(r.path.startswith("/orders") for r in lane.sink.requests), 1, "the pause over a restart")
    begun = time.monotonic()
    assert lane.root.post("lanes/orders/resume") == {"lane": "orders", "paused": False}
    wait_for(lambda: sum(r.path.startswith("/orders") for r in lane.sink.requests) == 5, 5, "all of it")
    assert time.monotonic() - begun > 0.2, "at the lane's delay"
    lane.receiver.wait_log("lane.resumed")
    acts = [line for line in lane.receiver.lines if line.get("msg") == "lane.resumed"]
    assert [(a["account"], a["lane"]) for a in acts] == [("root", "orders")] and acts[0]["peer"].startswith("127.0.0.1")


def test_the_same_again_is_fine_and_is_logged_once(lane):
    for _ in range(3):
        assert lane.root.post("lanes/audit/pause")["paused"] is True
    for _ in range(2):
        assert lane.root.post("lanes/audit/resume")["paused"] is False
    lane.receiver.wait_log("lane.resumed")  # behind it nothing of the pauses is still on its way
    assert sum(line.get("msg") == "lane.paused" for line in lane.receiver.lines) == 1


def test_a_lane_that_is_not_configured_any_more(lane):
    """Its work waits: it can be stopped, go on and be purged. A lane without work is none."""
    lane.root.post("lanes/orders/pause")
    lane.receiver.post("/in/in", {"id": "left"})
    wait_for(lambda: any(r.path.startswith("/audit") for r in lane.sink.requests), 5, "the other destination")
    del lane.conf["destinations"]["orders"]
    lane.conf["sources"]["in"]["to"] = ["audit"]
    for program in (lane.receiver, *lane.dispatchers):
        program.reload(lane.conf)
    assert lane.root.post("lanes/orders/resume")["paused"] is False
    assert lane.root.post("lanes/orders/resume", status=404)["code"] == "not_found", "it goes on already"
    lane.root.post("lanes/orders/pause")
    job = lane.root.post("lanes/orders/purge", {"confirm": "orders"}, 202)["job"]
    wait_for(lambda: lane.root.get("jobs/" + job)["state"] == "done", 10, "the purge")
    assert lane.root.get("jobs/" + job)["done"] == 1
    assert lane.root.post("lanes/orders/resume")["paused"] is False
    wait_for(lambda: lane.root.raw("POST", "/api/lanes/orders/resume").status == 404, 15, "the lane to be forgotten")
    assert lane.root.post("lanes/orders/pause", status=404)["code"] == "not_found"


def test_who_may_and_what_may_be_wrong(lane):
    assert lane.eye.post("lanes/orders/pause", status=403)["code"] == "forbidden"
    assert lane.acme.post("lanes/orders/pause", status=403)["code"] == "forbidden"
    assert lane.root.post("lanes/none/pause", status=404)["code"] == "not_found"
    assert lane.root.post("lanes/orders/pause", {"for": 5}, 400)["code"] == "bad_request"
    assert lane.root.raw("GET", "/api/lanes/orders/pause").status == 405
    assert lane.root.raw("POST", "/api/lanes/orders/pause", b"[]").status == 400
    assert lane.root.raw("POST", "/api/lanes/orders/pause", b'{"a":').status == 400
    assert lane.root.raw("POST", "/api/lanes/orders/pause?x=1").status == 400
    assert lane.stack.redis.client().exists("hookpace:{0}:paused") == 0
