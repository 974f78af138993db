"""The metrics of the documentation: names, labels, and that they count what happened."""

import pytest

from harness import config
from harness.downstream import Answer
from harness.wait import wait_for

HISTOGRAM = ("_bucket", "_sum", "_count")


@pytest.fixture
def run(stack):
    """One delivered, one refused, one repeated, one dead, and some that wait behind a delay."""
    sink = stack.downstream()
    sink.on(lambda r: r.event == "gone", Answer(status=410))
    sink.on(lambda r: r.event == "bad", Answer(status=500))
    conf = config.simple(stack.redis.url, sink.url(), retry={"schedule_s": [600], "jitter": 0})
    conf["sources"]["signed"] = config.source("slow", "github", ["github-secret-1"])
    conf["sources"]["slow"] = config.source("slow")
    conf["destinations"]["slow"] = config.destination(sink.url(), delay_ms=1000, lane="slow-lane")
    receiver = stack.receiver(conf)
    dispatcher = stack.dispatcher(conf)
    receiver.send("fine")
    receiver.send("fine")
    receiver.send("gone")
    receiver.send("bad")
    assert receiver.post("/in/signed", b"{}").status == 401
    for n in range(8):
        receiver.send(f"s{n}", "/in/slow")
    sink.wait_events({"fine", "gone", "bad"})
    wait_for(lambda: stack.keys.dead("out") and stack.keys.retry() and not stack.keys.inflight(), 5,
             "the results to be recorded")
    return stack, receiver, dispatcher, sink


def histogram(samples, name, **labels):
    """(count, the cumulative buckets in order) of a histogram; checks that it is one."""
    want = set(labels.items())
    for suffix in HISTOGRAM:
        assert name + suffix in samples, f"{name}{suffix} is missing"
    buckets = sorted((float(dict(k)["le"].replace("+Inf", "inf")), v)
                     for k, v in samples[name + "_bucket"].items() if want <= set(k))
    count = sum(v for k, v in samples[name + "_count"].items() if want <= set(k))
    assert buckets[-1][0] == float("inf") and buckets[-1][1] == count
    assert [v for _, v in buckets] == sorted(v for _, v in buckets), "buckets are cumulative"
    return count, buckets


def test_receiver_counts_events(run):
    _, receiver, _, _ = run
    samples = receiver.metrics()
    by = {}
    for labels, value in samples["hookpace_events_total"].items():
        assert set(dict(labels)) == {"source", "result"}
        by[(dict(labels)["source"], dict(labels)["result"])] = value
    assert sum(v for (s, _), v in by.items() if s == "in") == 4
    assert sum(v for (s, _), v in by.items() if s == "slow") == 8
    assert by[("signed", "missing_signature")] == 1
    assert by[("in", "duplicate")] == 1
    count, _ = histogram(samples, "hookpace_ingest_seconds")
    assert count >= 12


def test_dispatcher_counts_attempts(run):
    _, _, dispatcher, _ = run
    samples = dispatcher.metrics()
    attempts = {}
    for labels, value in samples["hookpace_attempts_total"].items():
        assert set(dict(labels)) == {"destination", "result"}
        if dict(labels)["destination"] == "out":
            attempts[dict(labels)["result"]] = value
    assert sum(attempts.values()) == 3
    assert {k: v for k, v in attempts.items() if v} == {"done": 1, "retry": 1, "dead": 1}
    count, _ = histogram(samples, "hookpace_delivery_seconds", destination="out")
    assert count >= 1
    count, buckets = histogram(samples, "hookpace_send_gap_overshoot_seconds")
    assert min(edge for edge, _ in buckets) <= 0.005, "the figure of 5 ms can be read off"


def test_requeues_are_counted(run):
    stack, _, dispatcher, sink = run
    sink.wait_events({"s0", "s1", "s2"})
    wait_for(lambda: dispatcher.metric("hookpace_requeues_total", lane="slow-lane") >= 1, 5, "a requeue")
    total = dispatcher.metric("hookpace_requeues_total", lane="slow-lane")
    assert total <= sum(r.delivery.endswith(":slow") for r in sink.all()) + 1, "at most one requeue a send"


@pytest.mark.parametrize("part", ["receiver", "dispatcher"])
def test_gauges(run, part):
    stack, receiver, dispatcher, _ = run
    program = receiver if part == "receiver" else dispatcher

    def waiting():
        depth = program.metric("hookpace_queue_depth", lane="slow-lane")
        return 0 < depth <= 8 and abs(depth - stack.keys.queue_length("slow-lane")) <= 2
    wait_for(waiting, 8, "the depth of the lane")
    samples = program.metrics()
    assert all(set(dict(k)) == {"lane"} for k in samples["hookpace_queue_depth"])
    assert 0 < samples["hookpace_oldest_seconds"][(("lane", "slow-lane"),)] < 60
    assert samples["hookpace_dead_letters"][(("destination", "out"),)] == 1
    assert samples["hookpace_dead_letters"].get((("destination", "slow"),), 0) == 0


@pytest.mark.parametrize("part", ["receiver", "dispatcher"])
def test_exposition_format(run, part):
    _, receiver, dispatcher, _ = run
    program = receiver if part == "receiver" else dispatcher
    answer = program.get("/metrics")
    assert answer.header("Content-Type").startswith("text/plain")
    text = answer.body.decode()
    typed = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")]
    assert len(typed) == len(set(typed)), "each family is declared once"
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name = line.split("{")[0].split(" ")[0]
            family = next((name[:-len(s)] for s in HISTOGRAM if name.endswith(s) and name[:-len(s)] in typed), name)
            assert family in typed, f"{name} has no TYPE"


def test_no_secret_in_metrics_or_logs(run):
    _, receiver, dispatcher, _ = run
    for program in (receiver, dispatcher):
        assert "github-secret-1" not in program.get("/metrics").body.decode() + program.log()
