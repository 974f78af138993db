"""Downstreams that ask to wait: 429, and 503 with Retry-After."""

import itertools
import time

import pytest

from harness import config
from harness.downstream import Answer
from harness.wait import stays, wait_for

ONE_RETRY = {"schedule_s": [1], "jitter": 0}


def run(stack, **destination):
    sink = stack.downstream()
    conf = config.simple(stack.redis.url, sink.url("/hook?id=$id&tag=$tag"), **destination)
    return sink, stack.receiver(conf), stack.dispatcher(conf), conf


class Limit:
    """Takes so many requests in so many seconds and answers the rest 429."""

    def __init__(self, count, seconds, headers):
        self.count, self.seconds, self.headers = count, seconds, headers
        self.ends, self.windows = 0, []

    def is_over(self, request):
        now = time.monotonic()
        if now >= self.ends:
            self.ends = now + self.seconds
            self.windows.append(0)
        self.windows[-1] += 1
        return self.windows[-1] > self.count


@pytest.mark.parametrize("retry", [{}, ONE_RETRY])
def test_a_limited_downstream_gets_everything_and_little_more_than_its_limit(stack, retry):
    sink, receiver, dispatcher, _ = run(stack, retry=retry)
    limit = Limit(10, 1, {"Retry-After": "1"})
    sink.on(limit.is_over, Answer(status=429, headers=limit.headers))
    for n in range(80):
        receiver.send(f"e{n}")
    wait_for(lambda: all(stack.keys.delivery(f"e{n}:out").get("state") == "done" for n in range(80)), 30, "all to arrive")
    assert stack.keys.dead("out") == []
    assert {stack.keys.delivery(f"e{n}:out")["attempts"] for n in range(80)} == {"1"}
    assert max(limit.windows) <= 10 + 16 and sorted(limit.windows)[len(limit.windows) // 2] <= 16, limit.windows
    refused = sum(max(0, n - 10) for n in limit.windows)
    assert dispatcher.metric("hookpace_attempts_total", destination="out", result="wait") == refused > 0
    assert dispatcher.wait_log("attempt.told_to_wait")["status"] == 429
    assert dispatcher.metric("hookpace_attempts_total", destination="out", result="retry") == 0


@pytest.mark.parametrize("status, headers, least", [(429, {}, 1.0), (429, {"Retry-After": "2"}, 2.0), (503, {"Retry-After": "2"}, 2.0),
                                                    (429, {"Retry-After": "0"}, 1.0)])
def test_no_attempt_is_spent(stack, status, headers, least):
    sink, receiver, _, _ = run(stack, retry={"schedule_s": []})
    sink.on(None, Answer(status=status, headers=headers), 200)
    receiver.send("a")
    first, second = sink.wait_count(2, timeout=8)
    assert (first.attempt, second.attempt) == (1, 1)
    assert least - 0.01 < (second.at_ns - first.at_ns) / 1e9 < least + 0.5
    wait_for(lambda: stack.keys.delivery("a:out")["state"] == "done")
    records = stack.keys.attempts("a:out")
    assert [(r["attempt"], r["status"], r["error"]) for r in records] == [(1, 200, ""), (1, status, f"http_{status}")]
    assert stack.keys.delivery("a:out")["last_error"] == ""


def test_what_was_claimed_ahead_goes_back(stack):
    """The downstream is quick, so twice its concurrency is claimed. When it asks to wait, only what is under way still arrives."""
    sink = stack.downstream()
    conf = config.simple(stack.redis.url, sink.url("/hook?id=$id&tag=$tag"), concurrency=4)
    receiver = stack.receiver(conf)
    for n in range(300):
        receiver.send(f"e{n}")
    arrivals, asked, asks = itertools.count(), [], [1]
    sink.on(lambda r: next(arrivals) >= 150 and asks and not asked.append(r), Answer(status=429, headers={"Retry-After": "3"}, delay=0.2))
    dispatcher = stack.dispatcher(conf)
    dispatcher.wait_log("attempt.told_to_wait")
    stays(lambda: len(asked) <= 4, 2)
    asks.clear()
    sink.wait_events({f"e{n}" for n in range(300)}, 15)


def test_the_lanes_other_destinations_go_on(stack):
    busy, free = stack.downstream(), stack.downstream()
    conf = config.base(stack.redis.url)
    for name, sink in (("busy", busy), ("free", free)):
        conf["sources"][name] = config.source(name)
        conf["destinations"][name] = config.destination(sink.url("/?id=$id"), lane="both", delay_ms=50)
    receiver, _ = stack.receiver(conf), stack.dispatcher(conf)
    busy.on(None, Answer(status=429, headers={"Retry-After": "60"}))
    for n in range(10):
        receiver.send(f"b{n}", "/in/busy")
    busy.wait_count(1)
    for n in range(10):
        receiver.send(f"f{n}", "/in/free")
    arrived = free.wait_count(10, timeout=5)
    gaps = [(b.at_ns - a.at_ns) / 1e6 for a, b in zip(arrived, arrived[1:])]
    assert min(gaps) >= 49, gaps
    assert len(busy.all()) == 1


def test_give_up_on_takes_effect_with_a_reload(stack):
    sink, receiver, dispatcher, conf = run(stack, retry={**ONE_RETRY, "give_up_on": [404, 429]})
    state = lambda ident: stack.keys.delivery(f"{ident}:out").get("state")  # noqa: E731
    sink.on(None, 404, 429)
    receiver.send("a")
    wait_for(lambda: state("a") == "dead")
    receiver.send("b")
    wait_for(lambda: state("b") == "dead")
    conf["destinations"]["out"]["retry"] = {**ONE_RETRY, "give_up_on": []}
    dispatcher.reload(conf)
    sink.on(None, 410, 200)
    receiver.send("c")
    wait_for(lambda: state("c") == "done")
    assert stack.keys.delivery("c:out")["attempts"] == "2"
    assert [r.event for r in sink.all()] == ["a", "b", "c", "c"]
