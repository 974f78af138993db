"""The delay in force: of everybody, of a destination, of an account."""

import pytest

from harness import config


@pytest.fixture
def service_with_delays(service):
    service.conf.update(delay_ms=100)
    service.conf["destinations"]["orders"] = config.destination(service.sink.url("/orders"), delay_ms=200)
    service.conf["destinations"]["audit"] = config.destination(service.sink.url("/audit"))
    service.conf["sources"]["in"] = config.source(["orders", "audit"])
    return service.start(dispatchers=0)


def captured(service, id):
    assert service.receiver.post("/in/in", {"id": id}).status == 200
    return {d["destination"]: d["delay_ms"] for d in service.root.all("deliveries", id=id)}


def test_it_holds_for_what_is_accepted_from_then_on(service_with_delays):
    s = service_with_delays
    assert captured(s, "a") == {"orders": 200, "audit": 100}
    assert s.root.post("delay", {"delay_ms": 50}) == {"delay_ms": 50}
    assert s.root.post("delay", {"delay_ms": 0, "destination": "orders"}) == {"delay_ms": 0, "destination": "orders"}
    assert captured(s, "b") == {"orders": 0, "audit": 50}
    assert {d["destination"]: d["delay_ms"] for d in s.root.all("deliveries", id="a")} == {"orders": 200, "audit": 100}
    assert s.root.post("delay", {"delay_ms": None, "destination": "orders"}) == {"delay_ms": 200, "destination": "orders"}
    assert s.root.post("delay", {"delay_ms": None}) == {"delay_ms": 100}
    assert captured(s, "c") == {"orders": 200, "audit": 100}
    s.receiver.wait_log("delay.set", of="top", delay_ms=100)
    acts = [(a["account"], a["of"], a.get("name"), a["delay_ms"]) for a in s.receiver.lines if a.get("msg") == "delay.set"]
    assert acts == [("root", "top", None, 50), ("root", "destination", "orders", 0), ("root", "destination", "orders", 200), ("root", "top", None, 100)]


def test_of_an_account(service_with_delays):
    s = service_with_delays
    assert s.root.post("delay", {"delay_ms": 300, "account": "acme"}) == {"delay_ms": 300, "account": "acme"}
    assert s.eye.get("delay", account="acme") == {"delay_ms": 300, "account": "acme"}
    assert s.eye.get("delay") == {"delay_ms": 100} and s.eye.get("delay", destination="orders")["delay_ms"] == 200
    assert s.root.post("delay", {"delay_ms": None, "account": "acme"})["delay_ms"] == 100


@pytest.mark.parametrize("body", [{}, {"delay_ms": 70}, {"delay_ms": 1100}, {"delay_ms": -100}, {"delay_ms": "100"}, {"delay_ms": 100.0},
                                  {"delay_ms": True}, {"delay_ms": 10**30}, {"delay": 100}, {"delay_ms": 100, "destination": 5},
                                  {"delay_ms": 100, "destination": "orders", "account": "acme"}])
def test_what_may_be_wrong(service_with_delays, body):
    s = service_with_delays
    error = s.root.post("delay", body, 400)
    assert error["code"] == "bad_request"
    if set(body) <= {"delay_ms"}:
        assert "0, 50, or a multiple of 100 up to 1000" in error["message"]
    assert s.root.get("delay") == {"delay_ms": 100}


def test_who_may_and_unknown_names(service_with_delays):
    s = service_with_delays
    for who in (s.eye, s.acme):
        assert who.post("delay", {"delay_ms": 0}, 403)["code"] == "forbidden"
    for name in ({"destination": "none"}, {"account": "none"}, {"destination": "postback@acme"}, {"account": ""}, {"destination": "x" * 100}):
        assert s.root.post("delay", {"delay_ms": 0, **name}, 404)["code"] == "not_found"
        assert s.root.get("delay", 404, **name)["code"] == "not_found"
