"""The measurements, one function each. Each answers {figure: number} and says in its docstring what is promised."""

import base64
import gzip
import json
import os
import time

from bench import rig
from harness import config, http
from harness.stored import Stored
from harness.wait import wait_for


def ingest(fsync, seconds=4, rounds=3):
    """1 KB signed JSON, 64 connections, 1 thread: at least 1.2x nginx + Lua doing HMAC + RPUSH, same Redis."""
    rates = {"hookpace": [], "nginx": []}
    with rig.stack(fsync=fsync) as s, rig.nginx(s.directory, s.redis.port) as competitor:
        with rig_sink() as sink:
            receiver = s.receiver(rig.signed(s.redis.url, sink.url()))
            for _ in range(rounds):  # taken in turns, so that both meet the same machine
                for name, address in (("nginx", competitor), ("hookpace", receiver.ingest)):
                    s.redis.client().flushall()
                    rates[name].append(rig.loadgen(address, seconds=seconds)["rate"])
    ours, theirs = max(rates["hookpace"]), max(rates["nginx"])
    return {f"ingest_{fsync}_rate": ours, f"ingest_{fsync}_nginx_rate": theirs, f"ingest_{fsync}_ratio": ours / theirs}


class rig_sink(rig.Sink):
    """A Sink for a with statement."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.close()


def server(seconds=4):
    """The HTTP server alone, GET /healthz: at least 0.9x nginx `return 200`."""
    with rig.stack() as s, rig.nginx(s.directory, s.redis.port) as competitor:
        receiver = s.receiver(rig.signed(s.redis.url))
        theirs = rig.wrk(f"http://{competitor}/healthz", seconds)
        ours = rig.wrk(f"http://{receiver.admin}/healthz", seconds)
    return {"healthz_rate": ours, "healthz_nginx_rate": theirs, "healthz_ratio": ours / theirs}


def dispatch(count=100_000):
    """A backlog without delay, 1 KB, one dispatcher: at least 0.6x of hey with 64 connections on the same sink."""
    with rig.stack() as s, rig_sink() as sink:
        conf = rig.signed(s.redis.url, sink.url(), concurrency=64)
        receiver = s.receiver(conf)
        rig.loadgen(receiver.ingest, count=count)
        receiver.close()
        dispatcher = s.dispatcher(conf)
        _, first, last = sink.wait_count(count)
        wait_for(lambda: not s.keys.inflight(), 10, "the results")
        cpu = dispatcher.cpu_s()
        assert sink.progress()[0] == count, "something was sent twice"
        ours = count / ((last - first) / 1e9)
        dispatcher.close()
        body = s.directory / "body.json"
        body.write_text(json.dumps({"id": "x", "pad": "y" * 1000}))
        theirs = max(rig.hey(sink.url(), body, 150_000) for _ in range(2))
    return {"dispatch_rate": ours, "dispatch_hey_rate": theirs, "dispatch_ratio": ours / theirs,
            "dispatch_cpu_us_each": cpu / count * 1e6}


def _end_to_end(rate, seconds):
    """Latencies in ms from a request's due moment to its arrival downstream, sorted, and the sender's summary."""
    with rig.stack() as s, rig_sink(s.directory / "sink.log") as sink:
        conf = rig.signed(s.redis.url, sink.url(), concurrency=64)
        receiver = s.receiver(conf)
        s.dispatcher(conf)
        sender_log = s.directory / "sender.log"
        rig.loadgen(receiver.ingest, rate=min(rate, 1000), seconds=1, prefix="w")  # warm: connections, scripts
        summary = rig.loadgen(receiver.ingest, rate=rate, seconds=seconds, log=sender_log, prefix="m")
        ended = time.time_ns()
        sink.wait_count(summary["sent"] + min(rate, 1000), 30)
        arrivals = sink.close()
        due = rig.moments_due(sender_log)
    took, late = [], 0
    for at, _, delivery, _ in arrivals:
        ident = delivery.rsplit(":", 1)[0]
        if ident in due:
            took.append((at - due[ident]) / 1e6)
            late += at > ended
    assert len(took) == summary["sent"], f"{len(took)} of {summary['sent']} were delivered"
    return sorted(took), late, summary


def latency(rate=1000, seconds=10):
    """At 1,000/s from the sender's write to the arrival downstream: p50 <= 0.6 ms, p99 <= 2 ms."""
    took, _, _ = _end_to_end(rate, seconds)
    return {"latency_p50_ms": rig.percentile(took, 0.5), "latency_p99_ms": rig.percentile(took, 0.99),
            "latency_max_ms": took[-1]}


def throughput(rate=10_000, seconds=8):
    """Accepted to delivered, all on this machine: 10,000 events/s sustained."""
    took, late, summary = _end_to_end(rate, seconds)
    return {"through_rate": (summary["sent"] - late) / summary["seconds"], "through_p50_ms": rig.percentile(took, 0.5),
            "through_p99_ms": rig.percentile(took, 0.99), "through_undelivered_at_end": late}


FAN = 50  # destinations of one source: 64 at most


def _lane_config(s, sink, lanes, delay):
    """LANES destinations `lane<n>`, FAN of them for each of the sources `in<n>`."""
    conf = config.base(s.redis.url)
    conf["redis"]["timeout_ms"] = 10000
    names = [f"lane{n}" for n in range(lanes)]
    for n in range(0, lanes, FAN):
        conf["sources"][f"in{n // FAN}"] = config.source(names[n:n + FAN])
    for name in names:
        conf["destinations"][name] = config.destination(sink.url("/" + name), delay_ms=delay)
    return conf


def _fill_lanes(conf, receiver, events):
    """EVENTS accepted for every lane."""
    with http.Client(receiver.ingest) as client:
        for n in range(events):
            for source in conf["sources"]:
                body = json.dumps({"id": f"{source}-{n}", "pad": "x" * 1000})
                assert client.post("/in/" + source, body).status == 200


def _lanes(s, sink, lanes, delay, events):
    """The configuration of a backlog of EVENTS on each lane; the receiver that took it in is gone."""
    conf = _lane_config(s, sink, lanes, delay)
    receiver = s.receiver(conf)
    _fill_lanes(conf, receiver, events)
    receiver.close()
    return conf


def pacing(dispatchers, lanes=1, sends=400, delay=50):
    """50 ms: no gap under it; p99 overshoot <= 2 ms; 19.6 sends/s. With 20 lanes of 500 sends: in 10,000 sends."""
    with rig.stack() as s, rig_sink(s.directory / "sink.log") as sink:
        conf = _lanes(s, sink, lanes, delay, sends)
        for _ in range(dispatchers):
            s.dispatcher(conf)
        sink.wait_count(lanes * sends, sends * delay / 1000 * 2 + 10)
        arrivals = sink.close()
    times = {}
    for at, _, _, path in arrivals:
        times.setdefault(path, []).append(at)
    gaps, rates = [], []
    for of_lane in times.values():
        of_lane.sort()
        gaps += [(b - a) / 1e6 for a, b in zip(of_lane, of_lane[1:])]
        rates.append((len(of_lane) - 1) / ((of_lane[-1] - of_lane[0]) / 1e9))
    gaps.sort()
    name = f"pacing_{dispatchers}x{lanes}"
    return {f"{name}_sends": len(arrivals), f"{name}_min_gap_ms": gaps[0], f"{name}_short_gaps": sum(g < delay for g in gaps),
            f"{name}_p99_overshoot_ms": rig.percentile(gaps, 0.99) - delay, f"{name}_min_rate": min(rates)}


def many_lanes(lanes=500, delay=100, seconds=6):
    """500 lanes at 100 ms on one dispatcher: 95 % of 5,000 sends/s."""
    with rig.stack() as s, rig_sink(s.directory / "sink.log") as sink:
        conf = _lanes(s, sink, lanes, delay, int(seconds * 1000 / delay) + 20)
        dispatcher = s.dispatcher(conf)
        wait_for(lambda: sink.progress()[0] > 0, 5, "the first send")
        time.sleep(seconds)
        cpu = dispatcher.cpu_s()
        dispatcher.kill9()
        arrivals = sink.close()
    first = arrivals[0][0]
    window = [at for at, *_ in arrivals if 1e9 <= at - first < (seconds - 0.5) * 1e9]
    times = {}
    for at, _, _, path in arrivals:
        times.setdefault(path, []).append(at)
    short = sum(b - a < delay * 1e6 for t in times.values() for a, b in zip(sorted(t), sorted(t)[1:]))
    rate = len(window) / (seconds - 1.5)
    return {"many_lanes_rate": rate, "many_lanes_share": rate / (lanes * 1000 / delay), "many_lanes_short_gaps": short,
            "many_lanes_cpu_s": cpu}


def memory(count=50_000):
    """Redis memory for a queued 1 KB event with one destination: <= 1,150 bytes of used_memory, everything."""
    with rig.stack() as s:
        receiver = s.receiver(rig.signed(s.redis.url, "http://127.0.0.1:9/hook"))
        rig.loadgen(receiver.ingest, count=100, prefix="w")
        before = s.redis.client().info("memory")["used_memory"]
        rig.loadgen(receiver.ingest, count=count)
        used = s.redis.client().info("memory")["used_memory"] - before
    return {"memory_bytes_each": used / count}


def idle(lanes=1000, seconds=5):
    """Idle with 1,000 lanes: < 1 % of a core and < 20 MB RSS each."""
    with rig.stack() as s, rig_sink() as sink:
        conf = _lane_config(s, sink, lanes, 100)
        programs = {"receiver": s.receiver(conf), "dispatcher": s.dispatcher(conf)}
        _fill_lanes(conf, programs["receiver"], 1)
        sink.wait_count(lanes)
        wait_for(lambda: not s.keys.inflight(), 10, "the results")
        before = {n: p.cpu_s() for n, p in programs.items()}
        time.sleep(seconds)
        figures = {}
        for name, program in programs.items():
            figures[f"idle_{name}_cpu_percent"] = (program.cpu_s() - before[name]) / seconds * 100
            figures[f"idle_{name}_rss_mb"] = program.rss_kb() / 1024
    return figures


def big_body():
    """A 10 MB gzip postback: the receiver's RSS grows by at most 2x the compressed size."""
    with rig.stack() as s:
        conf = config.base(s.redis.url)
        conf["redis"]["timeout_ms"] = 10000
        conf["receiver"]["max_inflated_bytes"] = 1 << 30
        conf["sources"]["in"] = config.source([])
        receiver = s.receiver(conf)
        receiver.send("warm")
        body = gzip.compress(json.dumps({"id": "big", "data": os.urandom(8_500_000).hex()}).encode(), 1)
        before = receiver.rss_kb()
        with open(f"/proc/{receiver.pid}/clear_refs", "w", encoding="ascii") as f:
            f.write("5")  # forget the peak so far
        answer = receiver.post("/in/in", body, timeout=30)
        assert answer.status == 200, answer
        with open(f"/proc/{receiver.pid}/status", encoding="ascii") as f:
            peak = next(int(line.split()[1]) for line in f if line.startswith("VmHWM:"))
    return {"big_body_mb": len(body) / 1e6, "big_body_growth_ratio": (peak - before) * 1024 / len(body)}


def _claim_rate(depth, sends):
    """The best rate of 1,000 consecutive deliveries among the first SENDS of DEPTH queued ones."""
    with rig.stack() as s, rig_sink(s.directory / "sink.log") as sink:
        conf = rig.signed(s.redis.url, sink.url(), concurrency=64)
        receiver = s.receiver(conf)
        rig.loadgen(receiver.ingest, count=depth, size=256)
        receiver.close()
        dispatcher = s.dispatcher(conf)
        sink.wait_count(sends, 30)
        dispatcher.kill9()
        times = sorted(at for at, *_ in sink.close())[:sends]
    return max(999 / ((times[n + 999] - times[n]) / 1e9) for n in range(0, sends - 999, 1000))


def depth(deep=1_000_000, sends=10_000):
    """Claim rate with 1,000,000 queued: within 10 % of that with 1,000.

    A list of 1,000 lasts for 40 ms, too short for a rate: the short list starts with 1,000 more than are sent.
    """
    shallow = max(_claim_rate(sends + 1000, sends) for _ in range(3))
    far = _claim_rate(deep, sends)
    return {"depth_1000_rate": shallow, f"depth_{deep}_rate": far, "depth_ratio": far / shallow}


RESENT = 100  # tasks of one resend
SLOW_US = 100  # the slow log times commands inside scripts too: at 0 it would slow them down


def _task_calls(store, times):
    """name -> [(method, path, body)] of every list and count of the API, its deepest pages too; one after the other if several."""
    def page(**parameters):
        return json.dumps([parameters]).encode()
    last, path, fanned = store.listed - 1, store.path(7), store.fanned_ids()
    resends = [json.dumps([{"id": i} for i in fanned[n * RESENT:(n + 1) * RESENT]]).encode() for n in range(times)]
    return {
        "ready_all": [("GET", "/v3/serp/tasks_ready", None)],
        "ready_path": [("GET", f"/v3/{path}/tasks_ready", None)],
        "ready_none": [("GET", "/v3/merchant/none/x/tasks_ready", None)],
        "count": [("GET", "/v3/tasks/count", None)],
        "id_list_first": [("POST", "/v3/serp/id_list", page(limit=100))],
        "id_list_last": [("POST", "/v3/serp/id_list", page(limit=100, sort="desc"))],
        "id_list_1000": [("POST", "/v3/serp/id_list", page(limit=1000))],
        "id_list_deep": [("POST", "/v3/serp/id_list", page(limit=100, offset=100_000))],
        "errors_first": [("POST", "/v3/serp/errors", page(limit=100))],
        "errors_1000": [("POST", "/v3/serp/errors", page(limit=1000))],
        "errors_deep": [("POST", "/v3/serp/errors", page(limit=100, offset=39_000))],
        "task_get_open": [("GET", f"/v3/{path}/task_get/advanced/none", None)],
        "task_get_fetched": [("GET", f"/v3/{path}/task_get/advanced/{store.id(last)}", None)],
        "resend": [("POST", "/v3/appendix/webhook_resend", body) for body in resends],
    }


def _one_call(api, client, login, call):
    """Milliseconds until the answer, scripts that it took, and milliseconds of the longest (0: none over SLOW_US)."""
    method, path, body = call
    auth = base64.b64encode(f"{login}:{login}-password".encode()).decode()
    client.slowlog_reset()
    client.config_resetstat()
    began = time.perf_counter()
    answer = api.request(method, path, {"Authorization": "Basic " + auth}, body or b"")
    took = (time.perf_counter() - began) * 1000
    assert answer.status == 200, (path, answer.status, answer.body[:300])
    scripts = client.info("commandstats")["cmdstat_evalsha"]["calls"]
    held = [entry["duration"] / 1000 for entry in client.slowlog_get(10_000) if entry["command"].startswith(b"EVALSHA")]
    return took, scripts, max(held, default=0)


def tasks(listed=1_000_000, ready=200_000, paths=200, times=20):
    """1,000,000 tasks, 200 paths, 200,000 not fetched: no script holds Redis for 5 ms; a page of 100 has p99 <= 50 ms.

    held_ms is the longest script of a call, in the quietest of the calls: so what else runs on the machine counts least.
    """
    figures = {}
    with rig.stack(fsync="no") as s:
        client = s.redis.client(decode_responses=False)
        store = Stored(client, paths=paths, ready=ready, listed=listed, failures=20_000, years=10, fanned=times * RESENT)
        store.fill()
        logins = ("admin", "acme")
        accounts = {name: {"password": name + "-password", "role": "admin" if name == "admin" else "user"} for name in logins}
        conf = config.base(s.redis.url, accounts=accounts)
        conf["redis"]["timeout_ms"] = 10000
        conf["retention"] = {"done_s": store.keep_ms // 1000, "dead_s": store.keep_ms // 1000}
        receiver = s.receiver(conf)
        client.config_set("slowlog-log-slower-than", SLOW_US)
        client.config_set("slowlog-max-len", 10_000)
        with http.Client(receiver.admin) as api:
            for name, calls in _task_calls(store, times).items():
                for login in logins[:1] if name == "resend" else logins:
                    took, scripts, held = zip(*[_one_call(api, client, login, calls[i % len(calls)]) for i in range(times)])
                    ordered = sorted(took)
                    figures.update({f"tasks_{name}_{login}_p50_ms": rig.percentile(ordered, 0.5),
                                    f"tasks_{name}_{login}_p99_ms": rig.percentile(ordered, 0.99),
                                    f"tasks_{name}_{login}_scripts": max(scripts), f"tasks_{name}_{login}_held_ms": min(held)})
    return {**figures, "tasks_longest_held_ms": max(value for name, value in figures.items() if name.endswith("held_ms"))}
