"""Start, reload, drain and end of a dispatcher."""

import signal
import time

from harness import config
from harness.certs import Authority
from harness.downstream import Answer
from harness.wait import stays, wait_for


def started(stack, sink, drain_ms=5000, **dest):
    conf = config.simple(stack.redis.url, sink.url(), **dest)
    conf["dispatcher"]["drain_ms"] = drain_ms
    return conf, stack.receiver(conf), stack.dispatcher(conf)


def queue_state(stack, ident):
    return stack.keys.delivery(f"{ident}:out").get("state")


def test_health(stack):
    sink = stack.downstream()
    _, _, dispatcher = started(stack, sink)
    assert dispatcher.get("/healthz").status == 200
    assert dispatcher.get("/readyz").status == 200
    assert dispatcher.get("/nothing").status == 404
    stack.redis.stop()
    dispatcher.wait_http("/readyz", 503)
    assert dispatcher.get("/healthz").status == 200
    assert dispatcher.get("/metrics").status == 200
    stack.redis.start()
    dispatcher.wait_http("/readyz", 200)


def test_results_of_an_outage_are_recorded_afterwards(stack):
    sink = stack.downstream()
    sink.default = Answer(delay=0.5)
    _, receiver, _ = started(stack, sink)
    receiver.send("a")
    sink.wait_count(1)
    stack.redis.kill9()
    time.sleep(0.7)  # the answer comes while Redis is away
    stack.redis.start()
    wait_for(lambda: queue_state(stack, "a") == "done", 10, "the result to be recorded")
    stays(lambda: len(sink.all()) == 1, 0.3)


def test_sigterm_finishes_what_is_on_its_way(stack):
    sink = stack.downstream()
    sink.default = Answer(delay=0.5)
    _, receiver, dispatcher = started(stack, sink, concurrency=4)
    for n in range(10):
        receiver.send(f"e{n}")
    sink.wait_count(4)
    dispatcher.term()
    assert dispatcher.wait(5) == 0
    assert len(sink.all()) == 4
    states = [queue_state(stack, f"e{n}") for n in range(10)]
    assert states.count("done") == 4
    assert states.count("queued") == 6
    assert stack.keys.inflight() == {}
    assert stack.keys.delivery("e9:out")["attempts"] == "0"


def test_sigterm_hands_back_what_does_not_finish(stack):
    sink = stack.downstream()
    sink.default = Answer(action="hang")
    conf, receiver, dispatcher = started(stack, sink, drain_ms=300, concurrency=2)
    for n in range(4):
        receiver.send(f"e{n}")
    sink.wait_count(2)
    begun = time.monotonic()
    dispatcher.term()
    assert dispatcher.wait(5) == 0
    assert 0.25 <= time.monotonic() - begun <= 1.5
    assert stack.keys.inflight() == {}
    assert sorted(stack.keys.queue("out")[:2]) == ["e0:out", "e1:out"], "the head of the list"
    assert stack.keys.delivery("e0:out")["attempts"] == "0"
    sink.default = Answer()
    stack.dispatcher(conf)
    for n in range(4):
        wait_for(lambda n=n: queue_state(stack, f"e{n}") == "done", 5, "a fresh dispatcher")


def test_a_second_sigterm_ends_it_at_once(stack):
    sink = stack.downstream()
    sink.default = Answer(action="hang")
    _, receiver, dispatcher = started(stack, sink, drain_ms=60_000)
    receiver.send("a")
    sink.wait_count(1)
    dispatcher.term()
    dispatcher.wait_log("stop.begun")
    stays(lambda: dispatcher.running, 0.3)
    dispatcher.signal(signal.SIGINT)
    dispatcher.wait(1)


def test_an_idle_dispatcher_ends_quickly(stack):
    _, _, dispatcher = started(stack, stack.downstream())
    begun = time.monotonic()
    dispatcher.term()
    assert dispatcher.wait(2) == 0
    assert time.monotonic() - begun < 0.5


def test_sigterm_without_redis(stack):
    _, _, dispatcher = started(stack, stack.downstream())
    stack.redis.stop()
    dispatcher.wait_http("/readyz", 503)
    dispatcher.term()
    assert dispatcher.wait(3) == 0


def test_a_reload_changes_destinations(stack):
    sink, other = stack.downstream(), stack.downstream()
    conf, receiver, dispatcher = started(stack, sink)
    receiver.send("a")
    sink.wait_count(1)
    conf["destinations"]["out"]["postback_url"] = other.url()
    dispatcher.reload(conf)
    receiver.send("b")
    other.wait_count(1)
    assert len(sink.all()) == 1


def test_a_broken_reload_changes_nothing(stack):
    sink = stack.downstream()
    conf, receiver, dispatcher = started(stack, sink)
    broken = {**conf, "dispatcher": {"concurency": 1}}
    dispatcher.hup(broken)
    wait_for(lambda: any(line["level"] == "error" for line in dispatcher.lines), 5, "an error in the log")
    receiver.send("a")
    sink.wait_count(1)
    assert dispatcher.running


def test_a_reload_ends_what_old_rules_allowed(stack):
    """Egress rules hold for connections that were made before them."""
    sink = stack.downstream()
    conf, receiver, dispatcher = started(stack, sink, retry={"schedule_s": [], "jitter": 0})
    receiver.send("a")
    sink.wait_count(1)
    conf["dispatcher"]["egress"] = {"deny": ["127.0.0.0/8"]}
    dispatcher.reload(conf)
    receiver.send("b")
    wait_for(lambda: queue_state(stack, "b") == "dead", 5, "the refusal")
    assert stack.keys.delivery("b:out")["last_error"] == "blocked_address"
    assert len(sink.all()) == 1


def test_a_reload_reads_a_changed_ca_file(stack, tmp_path):
    old, new = Authority(tmp_path / "old"), Authority(tmp_path / "new")
    cert, key = new.good()
    sink = stack.downstream(cert=cert, key=key)
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(old.ca.read_bytes())
    conf = config.simple(stack.redis.url, sink.url(host="localhost"), ca_file=str(trusted),
                         retry={"schedule_s": [], "jitter": 0})
    receiver, dispatcher = stack.receiver(conf), stack.dispatcher(conf)
    receiver.send("a")
    wait_for(lambda: queue_state(stack, "a") == "dead", 5, "the refusal")
    trusted.write_bytes(new.ca.read_bytes())
    dispatcher.reload(conf)
    receiver.send("b")
    wait_for(lambda: queue_state(stack, "b") == "done", 5, "the delivery")


def test_attempts_under_way_survive_a_reload(stack):
    sink = stack.downstream()
    sink.default = Answer(delay=0.5)
    conf, receiver, dispatcher = started(stack, sink)
    receiver.send("a")
    sink.wait_count(1)
    for _ in range(5):
        dispatcher.reload(conf)
    wait_for(lambda: queue_state(stack, "a") == "done", 5, "the old attempt")
    assert len(sink.all()) == 1


def test_many_reloads_under_load_lose_nothing_and_leak_nothing(stack):
    sink = stack.downstream()
    conf = config.simple(stack.redis.url, sink.url())
    receiver = stack.receiver(conf)
    dispatcher = stack.dispatcher(conf, env={"ASAN_OPTIONS": "quarantine_size_mb=0"})  # for a sanitizer build
    for n in range(20):
        receiver.send(f"w{n}")
        dispatcher.reload(conf)
    sink.wait_count(20)
    before = dispatcher.rss_kb()
    for n in range(100):
        dispatcher.reload(conf)
        receiver.send(f"e{n}")
    sink.wait_events([f"e{n}" for n in range(100)])
    assert len(sink.all()) == 120
    assert dispatcher.rss_kb() - before < 4096
