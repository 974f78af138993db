"""Destinations, accounts and origins that hold their slots for long leave a healthy destination its pace."""

import base64
import gzip
import json
import statistics
import time

import pytest

from harness import config, http
from harness.downstream import Answer
from harness.memory import Peak, is_sanitized
from harness.wait import wait_for

pytestmark = pytest.mark.alone

PASSWORD = "acme-password-0123"
TIMES, FLOOR_MS = 3, 3.0  # a p50 of less than FLOOR_MS says more about the machine than about the dispatcher
NO_RETRY = {"schedule_s": [600], "jitter": 0}


class Rig:
    """A healthy destination `good` beside others that hang."""

    def __init__(self, stack, slots=256, dispatchers=1, **dispatcher):
        self.stack, self.good, self.slow, self.sent = stack, stack.downstream(), stack.downstream(), 0
        self.slow.default = Answer(action="hang")
        self.conf = config.base(stack.redis.url)
        self.conf["redis"]["timeout_ms"] = 5000
        self.conf["dispatcher"].update({"concurrency": slots, "egress": {"allow_accounts": ["127.0.0.1/32"]}, **dispatcher})
        self.conf["accounts"] = {}
        self.conf["sources"]["good"] = config.source("good")
        self.conf["destinations"]["good"] = config.destination(self.good.url())
        self.count = dispatchers

    def hangs(self, names, timeout_ms=3000, **more):
        for name in names:
            self.conf["destinations"][name] = config.destination(self.slow.url(f"/{name}"), timeout_ms=timeout_ms, retry=NO_RETRY, **more)
        self.conf["sources"]["bad"] = config.source(names)

    def accounts(self, names, timeout_ms=3000):
        for name in names:
            self.conf["accounts"][name] = {"password": PASSWORD, "timeout_ms": timeout_ms, "connect_timeout_ms": 1000, "retry": NO_RETRY}

    def start(self):
        self.receiver = self.stack.receiver(self.conf)
        self.dispatchers = [self.stack.dispatcher(self.conf) for _ in range(self.count)]
        self.peak = Peak(self.dispatchers[0])
        return self

    def peak_mb(self):
        """The dispatcher's most resident memory. A sanitizer's own memory does not count."""
        return 0 if is_sanitized(self.dispatchers[0]) else self.peak.stop() / 1024

    def set_tasks(self, account, urls):
        login = base64.b64encode(f"{account}:{PASSWORD}".encode()).decode()
        for first in range(0, len(urls), 50):
            tasks = [{"id": f"{account}{first + n}", "postback_url": url, "result": 1} for n, url in enumerate(urls[first:first + 50])]
            answer = http.post(self.receiver.admin, "/v3/serp/google/organic/task_post", json.dumps(tasks).encode(), {"Authorization": f"Basic {login}"})
            assert answer.status == 200 and answer.json()["status_code"] == 20000 and answer.json()["tasks_error"] == 0, answer

    def p50_ms(self, count=20, every=0.1):
        """The median time from the receiver's being asked to the arrival, of events one after the other."""
        times = []
        for _ in range(count):
            ident, at = f"good{self.sent}", time.time_ns()
            self.sent += 1
            self.receiver.send(ident, path="/in/good")
            (request,) = [r for r in self.good.wait_events([ident], timeout=30) if r.event == ident]
            times.append((request.at_ns - at) / 1e6)
            time.sleep(every)
        return statistics.median(times)

    def check(self, fill, busy, count=30, cpu_most=0.25):
        """The p50 of `good` alone, then while what FILL began holds at least BUSY slots."""
        alone = self.p50_ms()
        fill()
        wait_for(lambda: len(self.slow.open) >= busy, 20, f"{busy} requests that hang")
        cpu = sum(d.cpu_s() for d in self.dispatchers)
        start = time.monotonic()
        beside = self.p50_ms(count)
        cpu = (sum(d.cpu_s() for d in self.dispatchers) - cpu) / (time.monotonic() - start)
        assert beside < TIMES * max(alone, FLOOR_MS), f"p50 alone {alone:.1f} ms, beside those that hang {beside:.1f} ms"
        assert cpu < cpu_most or is_sanitized(self.dispatchers[0]), f"the dispatchers use {cpu:.2f} of a processor while they wait"


def send_many(rig, count):
    for n in range(count):
        rig.receiver.send(f"bad{n}", path="/in/bad")


@pytest.mark.parametrize("dispatchers", [1, 2])
def test_forty_destinations_that_hang(stack, dispatchers):
    rig = Rig(stack, dispatchers=dispatchers)
    rig.hangs([f"bad{n}" for n in range(40)])
    rig.start().check(lambda: send_many(rig, 60), 150)


def test_few_slots(stack):
    """Eight slots, and more destinations that hang than slots."""
    rig = Rig(stack, slots=8)
    rig.hangs([f"bad{n}" for n in range(20)], timeout_ms=1500)
    rig.start().check(lambda: send_many(rig, 20), 6)


def test_a_lane_that_all_of_them_share(stack):
    rig = Rig(stack)
    rig.hangs([f"bad{n}" for n in range(40)], lane="bad")
    rig.start().check(lambda: send_many(rig, 20), 150)


def test_nine_slow_accounts(stack):
    rig = Rig(stack)
    names = [f"slow{n}" for n in range(9)]
    rig.accounts(names)

    def fill():
        for name in names:
            rig.set_tasks(name, [rig.slow.url(host=host) for host in ("127.0.0.1", "localhost")] * 30)

    rig.start().check(fill, 100)


def test_one_account_with_many_origins(stack):
    rig = Rig(stack, slots=32)
    rig.accounts(["acme"])
    sinks = [stack.downstream() for _ in range(20)]
    for sink in sinks:
        sink.default = Answer(action="hang")

    def fill():
        rig.set_tasks("acme", [sink.url() for sink in sinks for _ in range(10)])
        wait_for(lambda: sum(len(sink.open) for sink in sinks) >= 10, 10, "the account's requests")

    rig.start().check(fill, 0)


def test_one_destination_uses_nearly_all_slots_of_an_idle_dispatcher(stack):
    rig = Rig(stack, slots=64)
    rig.hangs(["bad"], concurrency=64)
    rig.start()
    send_many(rig, 80)
    wait_for(lambda: len(rig.slow.open) >= 50, 2.5, "50 of 64 slots")


MB = 1 << 20


@pytest.mark.parametrize("kind", ["tasks", "webhooks"])
def test_large_bodies(stack, kind):
    """Results of 8 MB that are compressed for each attempt, and webhooks of 20 MB, to a URL that answers 500 late."""
    rig = Rig(stack, max_inflight_bytes=128 * MB)
    rig.conf["receiver"].update({"max_body_bytes": 64 * MB, "max_inflight_bytes": 1024 * MB})
    rig.accounts(["acme"], timeout_ms=10000)
    rig.hangs(["bad"], timeout_ms=10000)
    for hook in (rig.conf["destinations"]["bad"], rig.conf["accounts"]["acme"]):
        hook["retry"] = {"schedule_s": [1] * 3, "jitter": 0}
    rig.slow.on(None, Answer(status=500, delay=2))
    rig.start()

    def fill():
        for n in range(6):
            if kind == "webhooks":
                body = json.dumps({"id": f"big{n}", "x": "0123456789abcdef" * (20 * MB // 16)}).encode()
                assert http.post(rig.receiver.ingest, "/in/bad", body).status == 200
                continue
            login = base64.b64encode(f"acme:{PASSWORD}".encode()).decode()
            body = gzip.compress(json.dumps([{"id": f"big{n}", "postback_url": rig.slow.url(), "result": ["0123456789abcdef" * (8 * MB // 16)]}]).encode(), 1)
            answer = http.post(rig.receiver.admin, "/v3/serp/google/organic/task_post", body,
                               {"Authorization": f"Basic {login}", "Content-Encoding": "gzip"}, timeout=30)
            assert answer.status == 200 and answer.json()["status_code"] == 20000 and answer.json()["tasks_error"] == 0, answer

    rig.check(fill, 1, cpu_most=1.5)
    assert rig.peak_mb() < 128 + 128
    rig.slow.on(None, Answer())
    rig.slow.wait_events([f"big{n}" for n in range(6)], timeout=60)


def test_bodies_that_inflate_to_far_more(stack):
    """Thirty-two webhooks of 97 KB that inflate to 95 MB each."""
    rig = Rig(stack, max_inflight_bytes=256 * MB)
    rig.hangs(["bad"], gzip="never")
    rig.start()
    tail = gzip.compress(b"0" * (95 * MB) + b'"}', 9)  # a member of its own

    def fill():
        for n in range(32):
            wire = gzip.compress(f'{{"id": "bomb{n}", "x": "'.encode()) + tail
            assert http.post(rig.receiver.ingest, "/in/bad", wire, {"Content-Encoding": "gzip"}, timeout=30).status == 200

    rig.check(fill, 1, cpu_most=1.5)
    assert rig.peak_mb() < 256 + 256
