"""Resend and drop of one delivery."""

import json

import pytest

from harness import config
from harness.exchange import Answer
from harness.wait import stays, wait_for


@pytest.fixture
def acting(service):
    """Two destinations that refuse everything until `heal`."""
    for name in ("orders", "audit"):
        service.conf["destinations"][name] = config.destination(service.sink.url("/" + name))
    service.conf["sources"]["in"] = config.source(["orders", "audit"])
    service.conf["dispatcher"]["egress"] = {"allow_accounts": ["127.0.0.1/32"]}
    service.sink.on(lambda r: True, Answer(410))
    return service.start()


def heal(service):
    service.sink.clear_rules()
    service.sink.reset()


def die(service, *idents):
    for ident in idents:
        assert service.receiver.post("/in/in", {"id": ident}).status == 200
    wait_for(lambda: len(service.root.all("deliveries", state="dead")) == 2 * len(idents), 10, "all to be dead")


def state(service, id):
    return service.root.get("deliveries/" + id)["state"]


def paths(service):
    return sorted(r.path for r in service.sink.requests)


def acts(service):
    return [(line["msg"], line["account"], line["delivery"]) for line in service.receiver.lines if line.get("msg") in ("delivery.resent", "delivery.dropped")]


def test_resend_of_one(acting):
    die(acting, "a", "b")
    heal(acting)
    assert acting.root.post("deliveries/a:orders/resend") == {"id": "a:orders", "state": "queued"}
    wait_for(lambda: state(acting, "a:orders") == "done", 5, "it to arrive")
    assert [state(acting, id) for id in ("a:audit", "b:orders", "b:audit")] == ["dead"] * 3
    assert paths(acting) == ["/orders"] and acting.receiver.wait_log("delivery.resent")
    assert acts(acting) == [("delivery.resent", "root", "a:orders")]
    assert acting.root.post("deliveries/a:orders/resend")["state"] == "queued", "what is done too"
    wait_for(lambda: len(acting.sink.requests) == 2, 5, "it to arrive again")


def test_drop_of_one(acting):
    die(acting, "a")
    heal(acting)
    assert acting.root.post("deliveries/a:audit/drop") == {"id": "a:audit", "state": "dropped"}
    assert [d["id"] for d in acting.root.all("deliveries", state="dead")] == ["a:orders"]
    assert [d["id"] for d in acting.root.all("deliveries", state="dropped")] == ["a:audit"]
    assert acting.root.post("deliveries/a:audit/drop", status=409)["code"] == "conflict"
    acting.receiver.wait_log("delivery.dropped")
    assert acts(acting) == [("delivery.dropped", "root", "a:audit")]
    stays(lambda: not acting.sink.requests, 0.5, "nothing to be sent")
    assert acting.root.post("deliveries/a:audit/resend")["state"] == "queued"
    wait_for(lambda: paths(acting) == ["/audit"], 5, "it to arrive after all")


def test_a_queued_delivery_that_is_dropped_is_never_sent(acting):
    heal(acting)
    acting.root.post("lanes/orders/pause")
    acting.receiver.post("/in/in", {"id": "a"})
    assert acting.root.post("deliveries/a:orders/resend", status=409)["message"] == "the delivery is queued, so it is on its way already"
    assert acting.root.post("deliveries/a:orders/drop")["state"] == "dropped"
    acting.root.post("lanes/orders/resume")
    wait_for(lambda: state(acting, "a:audit") == "done", 5, "its sibling")
    stays(lambda: paths(acting) == ["/audit"], 0.5, "the dropped one not to be sent")


def test_the_task_of_a_dropped_webhook_can_be_fetched(acting):
    heal(acting)
    acting.sink.on(lambda r: True, Answer(500))
    with_login = {**acting.acme.headers, "Content-Type": "application/json"}
    task = [{"id": "t1", "postback_url": acting.sink.url("/mine"), "result": [{"a": 1}]}]
    made = acting.acme.raw("POST", "/v3/serp/google/organic/task_post", json.dumps(task).encode(), with_login).json()
    assert made["tasks"][0]["status_code"] == 20100, made
    wait_for(lambda: [d["state"] for d in acting.root.all("deliveries", state="retry")] == ["retry"], 5, "a failed attempt")
    (d,) = acting.root.all("deliveries", state="retry")
    assert acting.root.post(f"deliveries/{d['id'].replace('/', '%2F')}/drop")["state"] == "dropped"
    ready = acting.acme.raw("GET", "/v3/serp/google/organic/tasks_ready", headers=with_login).json()
    assert [r["id"] for r in ready["tasks"][0]["result"]] == ["t1"], ready


@pytest.mark.parametrize("verb", ["resend", "drop"])
def test_who_may_and_what_may_be_wrong(acting, verb):
    die(acting, "a")
    for who in (acting.eye, acting.acme):
        assert who.post(f"deliveries/a:orders/{verb}", status=403)["code"] == "forbidden"
    for unknown in ("a:nowhere", "b:orders", "a", "x:y:z", "a" * 400 + ":orders"):
        assert acting.root.post(f"deliveries/{unknown}/{verb}", status=404)["code"] == "not_found"
    assert acting.root.post(f"deliveries/a:orders/{verb}", {"force": True}, 400)["code"] == "bad_request"
    assert acting.root.raw("POST", f"/api/deliveries/a:orders/{verb}?x=1").status == 400
    assert acting.root.raw("GET", f"/api/deliveries/a:orders/{verb}").status == 405
    assert state(acting, "a:orders") == "dead" and not acts(acting)


def test_without_its_event_it_cannot_be_sent(acting):
    die(acting, "a")
    acting.stack.redis.client().delete("hookpace:{0}:event:a")
    assert acting.root.post("deliveries/a:orders/resend", status=409)["code"] == "no_event"
    assert state(acting, "a:orders") == "dead"
    assert acting.root.post("deliveries/a:orders/drop")["state"] == "dropped"


def test_redis_is_away(acting):
    acting.stack.redis.kill9()
    for verb in ("resend", "drop"):
        assert acting.root.post(f"deliveries/a:orders/{verb}", status=503)["code"] == "queue_unavailable"
