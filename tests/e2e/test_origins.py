"""A host that is dead or silent holds up no other host's deliveries, in an account's lane and in a lane that destinations share."""

import base64
import json
from datetime import datetime

import pytest

from harness import config, http
from harness.downstream import Answer
from harness.redis_server import free_port
from harness.wait import wait_for

PASSWORD = "acme-password-0123"
RETRY = {"schedule_s": [1] * 20, "jitter": 0}
DELAY_MS = 100


class Way:
    """Deliveries of a running pair to a bad host and to a good one, on one lane."""

    def __init__(self, stack, bad_url, order="requeue", **settings):
        self.stack, self.good = stack, stack.downstream()
        self.bad_url = bad_url
        self.conf = config.base(stack.redis.url, dispatcher={"egress": {"allow_accounts": ["127.0.0.1/32"]}})
        self.configure({"retry": RETRY, "delay_ms": DELAY_MS, "order": order, **settings})
        self.receiver = stack.receiver(self.conf)
        self.dispatcher = stack.dispatcher(self.conf)

    def send(self, kind, count):
        for n in range(count):
            self.send_one(kind, f"{kind}{n}")

    def state(self, ident):
        return self.stack.keys.delivery(f"{self.before_id}{ident}:{self.destination(ident.rstrip('0123456789'))}")


class AccountWay(Way):
    before_id = "@acme/"

    def configure(self, settings):
        self.conf["accounts"] = {"acme": {"password": PASSWORD, **settings}}

    def destination(self, kind):
        return "postback@acme"

    def send_one(self, kind, ident):
        url = self.bad_url if kind == "bad" else self.good.url()
        task = json.dumps([{"id": ident, "postback_url": url, "result": 1}]).encode()
        login = base64.b64encode(f"acme:{PASSWORD}".encode()).decode()
        answer = http.post(self.receiver.admin, "/v3/serp/google/organic/task_post", task, {"Authorization": f"Basic {login}"})
        assert answer.status == 200 and answer.json()["tasks_error"] == 0, answer


class SharedWay(Way):
    before_id = ""

    def configure(self, settings):
        for kind, url in (("bad", self.bad_url), ("good", self.good.url())):
            self.conf["sources"][kind] = config.source(kind)
            self.conf["destinations"][kind] = config.destination(url, lane="both", **settings)

    def destination(self, kind):
        return kind

    def send_one(self, kind, ident):
        self.receiver.send(ident, path=f"/in/{kind}")


WAYS = [AccountWay, SharedWay]


def check_good_ones(way, count=5, timeout=5):
    """They arrive in time, with the lane's delay."""
    way.send("good", count)
    times = sorted(r.at_ns for r in way.good.wait_events([f"good{n}" for n in range(count)], timeout=timeout))
    assert all(b - a >= (DELAY_MS - 1) * 1e6 for a, b in zip(times, times[1:])), times


def moment(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def wait_opened(way):
    wait_for(lambda: "circuit.opened" in way.dispatcher.log(), 10, "the circuit to open")


@pytest.mark.parametrize("kind", WAYS)
def test_a_dead_host_holds_up_no_other(stack, kind):
    port = free_port()
    way = kind(stack, f"http://127.0.0.1:{port}/hook?id=$id")
    way.send("bad", 50)
    wait_opened(way)
    check_good_ones(way)
    spent = [int(way.state(f"bad{n}")["attempts"]) for n in range(50)]
    assert sum(spent) < 30, spent
    back = stack.downstream(port=port)
    back.wait_events([f"bad{n}" for n in range(50)], timeout=30)
    for word in ("circuit.opened", "circuit.probing", "circuit.closed"):
        line = way.dispatcher.wait_log(word)
        assert line["origin"] == f"http://127.0.0.1:{port}", word
        assert ("until" in line) == (word == "circuit.opened")
    line = way.dispatcher.wait_log("circuit.opened")
    assert 0.5 < (moment(line["until"]) - moment(line["ts"])).total_seconds() <= 1.5, "the first pause is 1 s"


def test_the_origin_of_a_configured_destination_is_named(stack):
    port = free_port()
    conf = config.simple(stack.redis.url, f"http://127.0.0.1:{port}/hook", retry={"schedule_s": [0.1] * 8, "jitter": 0})
    receiver, dispatcher = stack.receiver(conf), stack.dispatcher(conf)
    for n in range(5):
        assert receiver.post("/in/in", {"id": f"e{n}"}).status == 200
    line = dispatcher.wait_log("circuit.opened")
    assert (line["destination"], line["origin"]) == ("out", f"http://127.0.0.1:{port}") and moment(line["until"]) > moment(line["ts"])
    stack.downstream(port=port).wait_count(5, 20)
    assert dispatcher.wait_log("circuit.closed")["origin"] == f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("kind", WAYS)
def test_a_silent_host_holds_up_no_other(stack, kind):
    silent = stack.downstream()
    silent.default = Answer(action="hang")
    way = kind(stack, silent.url(), timeout_ms=8000)
    way.send("bad", 100)
    silent.wait_count(8)
    check_good_ones(way)


@pytest.mark.parametrize("kind", WAYS)
def test_an_open_circuit_outlives_its_dispatcher(stack, kind):
    port = free_port()
    way = kind(stack, f"http://127.0.0.1:{port}/hook?id=$id")
    way.send("bad", 30)
    wait_opened(way)
    way.dispatcher.kill9()
    spent = sum(int(way.state(f"bad{n}")["attempts"]) for n in range(30))
    way.dispatcher = stack.dispatcher(way.conf)
    check_good_ones(way)
    assert sum(int(way.state(f"bad{n}")["attempts"]) for n in range(30)) <= spent + 12
    back = stack.downstream(port=port)
    back.wait_events([f"bad{n}" for n in range(30)], timeout=40)


@pytest.mark.parametrize("kind", WAYS)
def test_a_fifo_lane_waits(stack, kind):
    port = free_port()
    way = kind(stack, f"http://127.0.0.1:{port}/hook?id=$id", order="fifo", retry={"schedule_s": [0.05] * 30, "jitter": 0})
    way.send("bad", 1)
    wait_opened(way)
    way.send("good", 3)
    wait_for(lambda: "circuit.probing" in way.dispatcher.log(), 5, "the probe")
    assert not way.good.all()
    back = stack.downstream(port=port)
    way.good.wait_events([f"good{n}" for n in range(3)], timeout=20)
    (first,) = back.all()
    assert first.at_ns < min(r.at_ns for r in way.good.all())
