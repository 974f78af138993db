"""A shard that takes calls and answers none: who reads hears soon what the others know, and what is missing."""

import json
import time

import pytest
from sender import ROOT

from harness import http
from harness.wait import wait_for

PATIENCE_MS = 30000  # of the programs with Redis
SOON_S = PATIENCE_MS / 3000
PLACES = 3
PAGES = ("/api/lanes", "/api/deliveries", "/api/dead", "/api/jobs")


class Readers:
    """Both programs, an event `e<partition>` that has arrived in each of the three partitions, and the shard of the PARTITION, which is silent."""

    def __init__(self, own, partition):
        self.own, self.partition = own, partition
        own.conf["redis"]["timeout_ms"] = PATIENCE_MS
        self.receiver, self.dispatcher = own.receiver(own.conf), own.dispatcher(own.conf)
        self.node = own.cluster.owner(own.base(partition))
        self.others = [p for p in range(PLACES) if p != partition]
        for number, name in enumerate(own.names):
            assert self.receiver.post(f"/in/{name}", {"id": f"e{number}"}).status == 200
        wait_for(lambda: len(self.dispatcher.logged("attempt.ended")) == PLACES, 10, "the events to arrive")
        wait_for(lambda: {d["state"] for d in self.read("/api/deliveries")["items"]} == {"done"}, 10, "their results")
        self.node.pause()

    def ask(self, path, program=None, body=None):
        """The answer to a reader, who does not wait for the silent shard."""
        program = program or self.receiver
        listener = "admin" if program is self.receiver else None
        begun = time.monotonic()
        if body is None:
            answer = program.get(path, listener, ROOT, timeout=2 * SOON_S)
        else:
            answer = http.post(program.admin, path, json.dumps(body).encode(), {"Content-Type": "application/json", **ROOT})
        took = time.monotonic() - begun
        assert took < SOON_S, f"{path} took {took:.1f} s"
        return answer

    def read(self, path, body=None):
        answer = self.ask(path, body=body)
        assert answer.status == 200, (path, answer.body)
        return answer.json()


@pytest.fixture(params=[0, 1])
def readers(own, request):
    made = Readers(own, request.param)
    yield made
    made.node.resume()


@pytest.mark.parametrize("program", ["receiver", "dispatcher"])
def test_metrics_have_the_gauges_of_the_others(readers, program):
    """This is the first question that the program has for the silent shard."""
    program = getattr(readers, program)
    answer = readers.ask("/metrics", program)
    assert answer.status == 200
    metrics = program.metrics()
    up = {(("shard", f"127.0.0.1:{node.port}"),): float(node is not readers.node) for node in readers.own.cluster.nodes}
    assert metrics["hookpace_redis_up"] == up
    lanes = [lane for lane in (*readers.own.names, "root") if readers.own.stored.partition(lane) != readers.partition]
    assert metrics["hookpace_queue_depth"] == {(("lane", lane),): 0 for lane in lanes}
    assert "hookpace_build_info" in metrics
    assert readers.ask("/healthz", program).status == 200
    ready = readers.ask("/readyz", program)
    assert (ready.status, ready.json()["warning"]) == (200, f"Redis is away: partition {readers.partition}")


def test_pages_of_operators_name_what_is_missing(readers):
    for page in PAGES:
        assert readers.read(page)["missing"] == [readers.partition], page
    assert sorted(d["id"].split(":")[0] for d in readers.read("/api/deliveries")["items"]) == [f"e{p}" for p in readers.others]
    status = readers.read("/api/status")
    assert (status["totals"]["missing"], status["redis"]["away"]) == ([readers.partition], [readers.partition])
    assert (status["programs"] is None) == (readers.partition == 0)
    assert readers.read("/api/check", {})["missing"] == [readers.partition]
    for place in readers.others:
        name = readers.own.names[place]
        assert readers.read(f"/api/deliveries/e{place}:{name}")["state"] == "done"
        assert readers.read(f"/api/lanes/{name}")["id"] == name


def test_what_only_the_silent_shard_knows_is_refused(readers):
    """Nobody can tell it. Lists of the API of tasks have no place for what is missing."""
    name = readers.own.names[readers.partition]
    for path in (f"/api/deliveries/e{readers.partition}:{name}", f"/api/lanes/{name}"):
        assert readers.ask(path).status == 503, path
    for path in ("/api/history", "/api/history/lanes"):
        assert readers.ask(path).status == (503 if readers.partition == 0 else 200), path
    for path in ("/api/sources", "/api/destinations"):
        assert (readers.read(path)["items"][0]["last_hour"] is None) == (readers.partition == 0), path
    for call, body in (("serp/tasks_ready", None), ("serp/id_list", [{}]), ("serp/errors", [{}]), ("tasks/count", None)):
        answer = readers.ask("/v3/" + call, body=body)
        assert (answer.status, answer.json()["status_code"]) == (500, 50000), call
        assert answer.json()["status_message"].endswith(f"Redis is away: partition {readers.partition}"), call


def test_the_shard_counts_again_when_it_answers(readers):
    assert readers.read("/api/lanes")["missing"] == [readers.partition]
    readers.node.resume()
    wait_for(lambda: "missing" not in readers.read("/api/lanes"), 10, "a page without missing partitions")
    wait_for(lambda: "warning" not in readers.ask("/readyz").json(), 10, "no warning")
    assert set(readers.own.names) <= {lane["id"] for lane in readers.read("/api/lanes")["items"]}


def test_no_other_answer_waits(readers):
    """Whatever it says."""
    name = readers.own.names[readers.partition]
    for path in (f"/api/events/e{readers.partition}", f"/api/events/e{readers.partition}/body", "/api/events/nobody", "/api/accounts", "/api/delay",
                 f"/api/delay?destination={name}", "/api/jobs/nobody", "/api/me", "/v3/serp/task_get/nobody", "/v3/serp/tasks_fixed",
                 "/v3/appendix/status"):
        readers.ask(path)
    readers.ask("/v3/appendix/errors", body=[{}])
