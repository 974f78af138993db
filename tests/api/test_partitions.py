"""Calls of the API that ask several partitions and merge what they say; deliveries are claimed and settled here by the scripts."""

import json
import sys
import time
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "queue"))

from harness import config, http  # noqa: E402
from harness.partitions import tags  # noqa: E402
from harness.redis_server import Keys  # noqa: E402
from harness.wait import wait_for  # noqa: E402
from scripts import Queue  # noqa: E402

NAMES = [f"d{i}" for i in range(12)]
LISTED = {"datetime_from": "2020-01-01 00:00:00 +00:00", "datetime_to": "2100-01-01 00:00:00 +00:00"}


class Parted:
    """A receiver without dispatchers on so many partitions; `a`, `b`, `c` are destinations of different ones, where there are."""

    def __init__(self, service, count):
        self.service, stack = service, service.stack
        self.service.conf["redis"]["partitions"] = count
        self.keys = Keys(stack.redis.client(), partitions=count)
        found = {}
        for name in NAMES:
            found.setdefault(self.keys.partition(name), name)
        self.names = [found[p] for p in sorted(found)] if count > 1 else NAMES[:3]
        for i, name in enumerate(self.names):
            self.service.conf["destinations"][name] = config.destination("http://127.0.0.1:9/", pingback=i > 0)
        self.service.conf["sources"]["in"] = config.source(self.names)
        self.service.conf["sources"]["pings"] = config.source(self.names[1:])
        self.service.conf["sources"]["inbox"] = config.source([])
        self.queues = [Queue(stack.redis.client(), tag=tag) for tag in tags(count)]
        for q in self.queues:
            q.limits(**{n: (100, 60000, 20000, 8) for n in [*self.names, *[f"{k}@{a}" for k in ("postback", "pingback") for a in ("acme", "beta")]]})
        self.service.start(dispatchers=0)
        self.admin, self.acme, self.beta = self.service.admin, self.service.acme, self.service.beta

    def post(self, source, ident):
        answer = http.post(self.service.receiver.ingest, f"/in/{source}", json.dumps({"id": ident}).encode())
        assert answer.status == 200, answer.body

    def settle(self, ident, destination, verdict):
        """Claims what is due everywhere and settles this one; the others are handed back."""
        settled = 0
        for q in self.queues:
            for c in q.claim(want=1000):
                if c.id == f"{ident}:{destination}":
                    settled += q.settle(c, verdict, status=200 if verdict != "dead" else 410)
                else:
                    q.settle(c, "release", status=0, left=0)
        assert settled == 1, (ident, destination)

    def counts(self, **expected):
        names = ("done_fetched", "done_not_fetched", "processing", "pending", "failed")
        seen = self.admin.counts()
        assert {n: seen[n] for n in names} == {**dict.fromkeys(names, 0), **expected}


@pytest.fixture(params=[1, 3])
def parted(service, request):
    return Parted(service, request.param)


def test_pages_go_through_all_partitions(parted):
    ids = []
    for i in range(24):
        ident = f"t{i:02}"
        if i % 4 == 0:
            parted.post("inbox", ident)
        elif i % 4 == 1:
            parted.post("pings", ident)
        else:
            (parted.acme if i % 4 == 2 else parted.beta).set_one(id=ident)
        ids.append(("", "", "@acme/", "@beta/")[i % 4] + ident)
        time.sleep(0.002)  # ids of one millisecond have no order between partitions
    if len(parted.queues) > 1:
        assert sum(bool(q.r.exists(q.key("posted"))) for q in parted.queues) == 3, "the tasks are not in all partitions"
    for sort, order in (("asc", ids), ("desc", ids[::-1])):
        for limit in (1000, 10, 7, 1):
            seen = []
            while page := [t["id"] for t in parted.admin.id_list(**LISTED, limit=limit, offset=len(seen), sort=sort)]:
                assert len(page) <= limit
                seen += page
            assert seen == order, (sort, limit)
    assert [f"@acme/{t['id']}" for t in parted.acme.id_list(**LISTED, sort="asc")] == ids[2::4]
    assert sorted(parted.admin.ready_ids()) == sorted(ids)
    parted.counts(done_not_fetched=24)
    assert parted.beta.counts()["total"] == 6


def test_complete_in_all_partitions_at_once(parted):
    first, second, third = parted.names
    parted.post("pings", "x")
    parted.settle("x", second, "done")
    assert parted.admin.ready_ids() == ["x"]
    assert parted.admin.task("x")["status_code"] == 20000 and parted.admin.ready_ids() == []
    parted.settle("x", third, "done")
    assert parted.admin.ready_ids() == []
    parted.counts(done_fetched=1)


def test_the_postback_decides(parted):
    """It is listed and counted with its first postback, wherever the others are, and resent everywhere."""
    first, second, third = parted.names
    parted.post("in", "x")
    parted.post("in", "x")
    parted.counts(done_not_fetched=1)
    assert [t["id"] for t in parted.admin.id_list(**LISTED)] == ["x"]
    parted.settle("x", second, "dead")
    parted.settle("x", third, "done")
    parted.counts(done_not_fetched=1)
    assert parted.admin.ready_ids() == [], "its postback is on its way"
    parted.settle("x", first, "done")
    parted.counts(done_fetched=1)
    assert parted.admin.ready_ids() == []
    (answer,) = parted.admin.resend("x")
    assert answer["status_code"] == 20100
    for _ in range(2):
        assert [parted.keys.queue(n) for n in parted.names] == [[f"x:{n}"] for n in parted.names], "each once"
        assert [t["status_code"] for t in parted.admin.resend("x", "x", "unknown")] == [20100, 20100, 40401]
    for name, verdict in zip(parted.names, ("dead", "done", "done")):
        parted.settle("x", name, verdict)
    parted.counts(done_fetched=1)
    for q in parted.queues:
        q.check()
        assert not q.r.exists(q.key("pending:x")) and q.r.pttl(q.key("event:x")) > 0


def test_a_delay_is_set_in_all(parted):
    first, second, third = parted.names
    assert parted.admin.set_delay(300, destination=second) == 300
    assert parted.admin.set_delay(200) == 200 and parted.acme.set_delay(0) == 0
    for q in parted.queues:
        assert q.r.hgetall(q.key("settings")) == {"delay": "200", f"delay:destination:{second}": "300", "delay:account:acme": "0"}
    parted.post("in", "x")
    assert [parted.keys.delivery(f"x:{n}")["delay_ms"] for n in parted.names] == ["200", "300", "200"]
    assert (parted.admin.delay(), parted.acme.delay(), parted.beta.delay()) == (200, 0, 200)


CALLS = [("GET", "/v3/serp/google/organic/tasks_ready", None), ("GET", "/v3/serp/google/organic/task_get/advanced/t", None),
         ("GET", "/v3/tasks/count", None), ("POST", "/v3/serp/id_list", [LISTED]), ("POST", "/v3/serp/errors", [{}]),
         ("POST", "/v3/appendix/webhook_resend", [{"id": "t"}]), ("POST", "/v3/appendix/webhook_delay", [{"webhook_delay": 100}]),
         ("GET", "/v3/appendix/webhook_delay", None), ("POST", "/v3/serp/google/organic/task_post", [{"id": "u", "result": 1}])]


@pytest.mark.parametrize("way", ["gone", "silent"])
def test_without_redis_every_call_is_answered_once(parted, stack, way):
    parted.acme.set_one(id="t")
    ids = [t["id"] for t in parted.acme.id_list(**LISTED)]
    stack.redis.kill9() if way == "gone" else stack.redis.pause()
    for method, path, body in CALLS:
        status, headers, text = parted.acme.raw(method, path, body and json.dumps(body).encode())
        if path.endswith("task_post"):
            assert status in (200, 500)  # a task_post tells it of each task
            continue
        assert status == 500 and "Retry-After" in headers and json.loads(text)["status_code"] == 50000, (path, status, text)
    if way == "gone":
        stack.redis.start()
    else:
        stack.redis.resume()

    def answers():
        return parted.acme.raw("GET", "/v3/tasks/count")[0] == 200
    wait_for(answers, 10)
    assert "t" in parted.acme.ready_ids() and [t["id"] for t in parted.acme.id_list(**LISTED)][-1:] == ids
