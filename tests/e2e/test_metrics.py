"""The metrics of the documentation: names, labels, and that they count what happened."""

import shutil
import subprocess
import time

import pytest

from harness import config, http, paths
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


# -- gauges from Redis, and of the process ----------------------------------------------------------

FROM_REDIS = {"hookpace_queue_depth", "hookpace_oldest_seconds", "hookpace_dead_letters", "hookpace_retry_waiting",
              "hookpace_inflight", "hookpace_lane_paused", "hookpace_circuit_open"}


def lane_gauge(program, name, lane):
    return program.metrics().get(name, {}).get((("lane", lane),))


@pytest.mark.parametrize("part", ["receiver", "dispatcher"])
def test_gauges_are_absent_while_redis_is_away(run, part):
    stack, receiver, dispatcher, _ = run
    program = receiver if part == "receiver" else dispatcher
    samples = program.metrics()
    assert FROM_REDIS <= set(samples)
    (shard,), up = next(iter(samples["hookpace_redis_up"].items()))
    assert up == 1 and shard == ("shard", stack.redis.url.split("//")[1].split("/")[0])
    stack.redis.kill9()
    wait_for(lambda: program.metrics()["hookpace_redis_up"][(shard,)] == 0, 10, "a scrape without Redis")
    samples = program.metrics()
    assert not FROM_REDIS & set(samples)
    assert "hookpace_events_total" in samples or "hookpace_attempts_total" in samples
    stack.redis.start()
    wait_for(lambda: FROM_REDIS <= set(program.metrics()), 15, "the gauges to come back")
    assert program.metrics()["hookpace_redis_up"][(shard,)] == 1


def test_deliveries_that_wait_for_a_retry(run):
    stack, receiver, dispatcher, _ = run
    for program in (receiver, dispatcher):
        assert lane_gauge(program, "hookpace_retry_waiting", "out") == 1
        assert lane_gauge(program, "hookpace_retry_waiting", "slow-lane") == 0
    # more than one call looks at, some of destinations that nobody knows
    stack.redis.client().zadd("hookpace:{0}:retry", {f"x{n}:{'out' if n % 3 else 'nobody'}": 1e15 for n in range(3000)})
    assert lane_gauge(dispatcher, "hookpace_retry_waiting", "out") == 2001


def test_more_deliveries_wait_than_are_looked_at(run):
    stack, receiver, dispatcher, _ = run
    client = stack.redis.client()
    for first in range(0, 100000, 10000):
        client.zadd("hookpace:{0}:retry", {f"x{n}:{'out' if n % 2 else 'slow'}": 1e15 + n for n in range(first, first + 10000)})
    waiting = lane_gauge(dispatcher, "hookpace_retry_waiting", "out")
    assert abs(waiting - 50000) < 1000
    dispatcher.term().wait(10)  # its claims look at the first of `retry` too
    client.config_resetstat()
    receiver.metrics()
    assert client.info("commandstats")["cmdstat_zrange"]["calls"] <= 20


def test_deliveries_in_flight(stack):
    sink = stack.downstream()
    sink.on(lambda r: True, Answer(delay=3))
    conf = config.simple(stack.redis.url, sink.url(), timeout_ms=10000)
    receiver, dispatcher = stack.receiver(conf), stack.dispatcher(conf)
    for n in range(5):
        receiver.send(f"e{n}")
    wait_for(lambda: lane_gauge(dispatcher, "hookpace_inflight", "out") == 5, 5, "five in flight")
    assert lane_gauge(receiver, "hookpace_inflight", "out") == 5
    sink.wait_count(5)
    wait_for(lambda: lane_gauge(dispatcher, "hookpace_inflight", "out") == 0, 8, "none in flight")


def test_an_open_circuit_and_a_stopped_lane(stack):
    conf = config.base(stack.redis.url)
    conf["sources"]["in"] = config.source(["down", "up"])
    sink = stack.downstream()
    conf["destinations"] = {"down": config.destination("http://127.0.0.1:9/x", retry={"schedule_s": [0.05] * 20, "jitter": 0}),
                            "up": config.destination(sink.url())}
    receiver, dispatcher = stack.receiver(conf), stack.dispatcher(conf)
    for n in range(6):
        receiver.send(f"e{n}")
    open_ = lambda name: dispatcher.metrics()["hookpace_circuit_open"][(("destination", name),)]
    wait_for(lambda: open_("down") == 1, 10, "the circuit to open")
    assert open_("up") == 0
    # deliveries that wait for the circuit are counted where they wait
    waits = lambda: lane_gauge(dispatcher, "hookpace_retry_waiting", "down") + lane_gauge(dispatcher, "hookpace_queue_depth", "down") \
        + lane_gauge(dispatcher, "hookpace_inflight", "down")
    assert waits() == 6
    stack.redis.client().hset("hookpace:{0}:paused", "up", 1)
    assert lane_gauge(dispatcher, "hookpace_lane_paused", "up") == 1 and lane_gauge(dispatcher, "hookpace_lane_paused", "down") == 0


def test_the_oldest_is_found_at_both_ends(run):
    """A delivery that must wait for its delay goes to the tail, so the head need not be the oldest."""
    stack, receiver, dispatcher, _ = run
    client = stack.redis.client()
    old = str(int(client.time()[0] * 1000) - 50000)
    client.hset("hookpace:{0}:delivery:old:slow", mapping={"accepted_at": old, "state": "dead"})
    client.rpush("hookpace:{0}:queue:slow-lane", "old:slow")
    assert 49 < lane_gauge(receiver, "hookpace_oldest_seconds", "slow-lane") < 60


def test_how_long_attempts_take(run):
    _, _, dispatcher, _ = run
    count, buckets = histogram(dispatcher.metrics(), "hookpace_attempt_seconds", destination="out")
    assert count == 3


def test_a_resend_is_no_slow_delivery(stack):
    """What operators send again says nothing of how long deliveries take."""
    sink = stack.downstream()
    conf = config.simple(stack.redis.url, sink.url())
    conf["accounts"] = {"root": {"password": "password-1", "role": "admin"}}
    receiver, dispatcher = stack.receiver(conf), stack.dispatcher(conf)
    receiver.send("a")
    sink.wait_events({"a"})
    wait_for(lambda: stack.redis.client().hget("hookpace:{0}:delivery:a:out", "state") == "done", 5)
    basic = {"Authorization": "Basic cm9vdDpwYXNzd29yZC0x"}
    answer = http.post(receiver.admin, "/v3/appendix/webhook_resend", b'[{"id":"a"}]', basic)
    assert answer.json()["tasks"][0]["status_code"] == 20100
    sink.wait_count(2)
    wait_for(lambda: histogram(dispatcher.metrics(), "hookpace_attempt_seconds", destination="out")[0] == 2, 5)
    assert histogram(dispatcher.metrics(), "hookpace_delivery_seconds", destination="out")[0] == 1


def test_deliveries_without_a_destination_are_counted(stack):
    """Deferred ones too: dispatchers count what they cannot send."""
    conf = config.simple(stack.redis.url, "http://127.0.0.1:9/x")
    receiver = stack.receiver(conf)
    dispatcher = stack.dispatcher(conf)
    dispatcher.wait_ready()
    receiver.post("/in/in", {"id": "a"})
    wait_for(lambda: stack.keys.retry() or stack.keys.inflight(), 5)
    client = stack.redis.client()
    client.delete("hookpace:{0}:event:a")
    client.zadd("hookpace:{0}:retry", {"a:out": 1})

    def counted():
        return sum(v for k, v in dispatcher.metrics()["hookpace_attempts_total"].items()
                   if dict(k)["destination"] == "out" and dict(k)["result"] in ("defer", "dead"))
    wait_for(lambda: counted() >= 1, 10, "an unreadable delivery to be counted")


@pytest.mark.parametrize("part", ["receiver", "dispatcher"])
def test_what_runs(run, part):
    _, receiver, dispatcher, _ = run
    program = receiver if part == "receiver" else dispatcher
    samples = program.metrics()
    (labels, one), = samples["hookpace_build_info"].items()
    assert dict(labels) == {"version": "0.1.0", "program": "hookpace-" + part} and one == 1
    assert samples["process_resident_memory_bytes"][()] > 1e6
    assert samples["process_virtual_memory_bytes"][()] > samples["process_resident_memory_bytes"][()]
    assert samples["process_cpu_seconds_total"][()] > 0
    assert abs(samples["process_start_time_seconds"][()] - time.time()) < 120
    assert 5 < samples["process_open_fds"][()] < samples["process_max_fds"][()]
    assert program.get("/metrics").header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    assert "# TYPE process_cpu_seconds_total counter" in program.get("/metrics").body.decode()


@pytest.mark.parametrize("part", ["receiver", "dispatcher"])
def test_whether_the_last_reload_was_taken(run, part):
    _, receiver, dispatcher, _ = run
    program = receiver if part == "receiver" else dispatcher
    assert program.metric("hookpace_config_last_reload_successful") == 1
    program.reload(program.config | {"delay_ms": 75}, accepted=False)
    assert program.metric("hookpace_config_last_reload_successful") == 0
    program.reload(program.config | {"delay_ms": 0})
    assert program.metric("hookpace_config_last_reload_successful") == 1


def test_many_lanes(stack):
    """A scrape of 10,000 lanes asks in steps, and shows each of them."""
    conf = config.base(stack.redis.url)
    conf["redis"]["timeout_ms"] = 20000
    conf["destinations"] = {f"d{n}": {"postback_url": "http://127.0.0.1:9/x"} for n in range(10000)}
    conf["sources"]["in"] = config.source("d0")
    receiver = stack.receiver(conf)
    client = stack.redis.client()
    client.config_resetstat()
    begun = time.monotonic()
    samples = receiver.metrics()
    seconds = time.monotonic() - begun
    calls = {name: stats["calls"] for name, stats in client.info("commandstats").items()}
    scripts = calls.pop("cmdstat_evalsha")
    others = 1 + 1 + int(4 * seconds)  # for what waits for a retry; and what the receiver asks for in turns of a second
    assert 10000 / 50 + 1 <= scripts <= 10000 / 50 + others, "so many destinations a script"
    assert sum(calls.values()) < scripts * 600, "at most 12 commands a lane, of some 2 us"
    assert len(samples["hookpace_queue_depth"]) == len(samples["hookpace_retry_waiting"]) == 10000
    assert len(samples["hookpace_dead_letters"]) == 10000
    before = receiver.rss_kb()
    for _ in range(3):
        receiver.metrics()
    if not paths.is_sanitized():  # a sanitizer keeps what is freed
        assert receiver.rss_kb() - before < 20000


def test_lanes_with_many_origins(stack):
    """One call reads those of two lanes; the others, and the destinations, come with the calls behind it."""
    conf = config.base(stack.redis.url)
    conf["destinations"] = {f"d{n}": {"postback_url": "http://127.0.0.1:9/x"} for n in range(12)}
    conf["sources"]["in"] = config.source("d0")
    receiver = stack.receiver(conf)
    client = stack.redis.client()
    for n in range(12):
        client.hset(f"hookpace:{{0}}:origins:d{n}", mapping={f"d{n}/https://h{i}.example:443": "9 99999999999999 3 0 0 0" for i in range(1000 - n)})
        client.lpush(f"hookpace:{{0}}:dead:d{n}", *["x"] * (n + 1))
        client.hset("hookpace:{0}:busy", f"d{n}", n + 1)
    samples = receiver.metrics()
    assert samples["hookpace_circuit_open"] == {(("destination", f"d{n}"),): 1000 - n for n in range(12)}
    assert samples["hookpace_dead_letters"] == {(("destination", f"d{n}"),): n + 1 for n in range(12)}
    assert samples["hookpace_inflight"] == {(("lane", f"d{n}"),): n + 1 for n in range(12)}


@pytest.mark.parametrize("part", ["receiver", "dispatcher"])
def test_promtool_has_no_objection(run, part):
    if not shutil.which("promtool"):
        pytest.skip("promtool (Debian package prometheus) is not here")
    _, receiver, dispatcher, _ = run
    program = receiver if part == "receiver" else dispatcher
    done = subprocess.run(["promtool", "check", "metrics"], input=program.get("/metrics").body, capture_output=True, check=False)
    assert done.returncode == 0 and not done.stdout + done.stderr, done
