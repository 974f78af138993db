"""The receiver with several threads, built with ThreadSanitizer: nothing that threads share is touched without
order. Whatever the sanitizer has to say is in the log, and in the exit code at the end."""

import base64
import gzip
import itertools
import json
import socket
import ssl
import struct
import threading
import time

import pytest

from harness import certs, config, http, oracle, sign
from harness.wait import wait_for

SECRET = "secret-of-the-threads-0001"
PASSWORD = "password-of-the-threads"
LOGIN = {"Authorization": "Basic " + base64.b64encode(f"acme:{PASSWORD}".encode()).decode()}
ROOT = {"Authorization": "Basic " + base64.b64encode(f"root:{PASSWORD}".encode()).decode()}
STEPS = 40
WRAPPER = ("setarch", "-R")  # gcc 12's ThreadSanitizer does not start where addresses are randomised widely


def settings(stack, sink, step=0):
    """Everything that a reload may change differs from step to step."""
    conf = config.base(stack.redis.url, receiver={"threads": 4, "max_body_bytes": 1000000 + step})
    conf["redis"]["partitions"] = 3
    conf["dispatcher"]["egress"] = {"allow_accounts": ["127.0.0.1/32"]}
    conf["retention"] = {"dedup_s": 600 + step}
    for number in range(3):
        conf["destinations"][f"out{number}"] = config.destination(
            sink.url(), delay_ms=0, headers={"X-Step": str(step)}, concurrency=16 + step % 4)
    to = ["out0", "out1", "out2"][:1 + step % 3]
    conf["sources"]["open"] = config.source(to)
    conf["sources"]["signed"] = config.source("out1", "serphouse", [f"new-{step}-{SECRET}", SECRET])
    conf["accounts"] = {"root": {"password": PASSWORD, "role": "admin"},
                        "acme": {"password": PASSWORD, "delay_ms": 100 * (step % 3),
                                 "sign": {"scheme": "semscraper", "secrets": [f"{step}-{SECRET}"]}}}
    if step % 2:
        conf["sources"][f"extra{step}"] = config.source("out2")
    return conf


def mixed(prefix):
    """Bodies of every kind that is taken: plain, signed, packed, gzip, and ones that come twice."""
    def make(n):
        ident = f"{prefix}-{n - n % 10 if n % 10 == 9 else n}"
        body = json.dumps({"id": ident, "tag": "t", "pad": "x" * (n * 37 % 3000)}).encode()
        if n % 5 == 1:
            return ident, "/in/signed", sign.headers("serphouse", SECRET, body), body
        if n % 5 == 2:
            return ident, "/in/open", {"Content-Encoding": "gzip"}, gzip.compress(body)
        return ident, "/in/open", {"X-Note": "kept"}, body
    return make


def refused(n):
    """Damaged, unsigned, for nobody."""
    return "refused", ("/in/open", "/in/signed", "/in/nowhere")[n % 3], {}, b'{"id":"refused"'


def until(stop, action):
    """ACTION in a thread, again and again until STOP is set. What it raises is kept."""
    def run():
        while not stop.is_set():
            try:
                action()
            except OSError:
                time.sleep(0.02)
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def use_api(receiver, sink):
    """A round of the API's calls: tasks, lists, and delays that the receiver's threads take over."""
    rounds = itertools.count()

    def use():
        n = next(rounds)
        task = [{"id": f"task{n}", "postback_url": sink.url("/task"), "result": {"n": n}}]
        http.post(receiver.admin, "/v3/serp/task_post", json.dumps(task).encode(), LOGIN)
        for login, delay in ((LOGIN, {"webhook_delay": 100 * (n % 2)}),
                             (ROOT, {"webhook_delay": 0, "destination": f"out{n % 3}"})):
            http.post(receiver.admin, "/v3/appendix/webhook_delay", json.dumps([delay]).encode(), login)
        http.post(receiver.admin, "/v3/appendix/webhook_resend", b'[{"id":"a-0"}]', ROOT)
        for path in ("/v3/tasks/count", "/v3/serp/tasks_ready", f"/v3/serp/task_get/task{n}", "/v3/appendix/user_data"):
            http.get(receiver.admin, path, ROOT)
    return use


def assert_no_report(*programs):
    for program in programs:
        for title in ("WARNING: ThreadSanitizer", "FATAL: ThreadSanitizer"):
            at = program.log().find(title)
            assert at < 0, f"{program.name}:\n{program.log()[at:at + 6000]}"


def start(stack, sink):
    conf = settings(stack, sink)
    return stack.receiver(conf, wrapper=WRAPPER), stack.dispatcher(conf, wrapper=WRAPPER)


@pytest.mark.redis(fsync="always")  # everysec may lose what was acknowledged right before a kill
def test_load_while_everything_changes(stack):
    sink = stack.downstream()
    receiver, dispatcher = start(stack, sink)
    sender = http.Sender(receiver.ingest, mixed("a"), threads=6, retry=True, pause=0.001, timeout=40).start()
    intruder = http.Sender(receiver.ingest, refused, threads=2, pause=0.002, timeout=40).start()
    stop = threading.Event()
    watchers = [until(stop, lambda: (receiver.get("/metrics"), receiver.get("/readyz"))) for _ in range(2)]
    watchers.append(until(stop, lambda: dispatcher.get("/metrics")))
    watchers.append(until(stop, use_api(receiver, sink)))
    for step in range(1, STEPS):
        before = len(sender.ids())
        for program in (receiver, dispatcher):
            program.reload(settings(stack, sink, step))
        wait_for(lambda: len(sender.ids()) > before + 30, 20, "load after a reload")
        if step % 10 == 2:
            refusals = sender.statuses.get(503, 0)
            stack.redis.kill9()
            receiver.hup(settings(stack, sink, step + 1))
            wait_for(lambda: sender.statuses.get(503, 0) > refusals, 10, "503s")
            stack.redis.start()
    sender.stop(60)
    intruder.stop(60)
    stop.set()
    for thread in watchers:
        thread.join(60)
    assert set(sender.statuses) <= {200, 503}, sender.statuses
    assert {400, 401, 404} <= set(intruder.statuses) <= {400, 401, 404, 503}, intruder.statuses
    assert len(sender.ids()) > 300
    sink.wait_events(sender.ids(), 60)
    wait_for(lambda: any(ident.startswith("task") for ident in sink.events()), 30, "a task")
    assert receiver.term().wait() == 0 and dispatcher.term().wait() == 0
    assert_no_report(receiver, dispatcher)


@pytest.mark.redis(fsync="everysec")
def test_drain_under_load(stack):
    sink = stack.downstream()
    receiver, dispatcher = start(stack, sink)
    sender = http.Sender(receiver.ingest, mixed("b"), threads=8, timeout=40).start()
    wait_for(lambda: len(sender.ids()) > 100, 20, "load")
    receiver.hup(settings(stack, sink, 1))  # a reload and the end at once
    receiver.term()
    assert receiver.wait() == 0
    sender.stop()
    sink.wait_events(sender.ids(), 30)
    oracle.assert_none_lost(sender.ids(), sink.events())
    assert dispatcher.term().wait() == 0
    assert_no_report(receiver, dispatcher)


@pytest.mark.redis(fsync="everysec")
def test_stopped_at_once_under_load(stack):
    sink = stack.downstream()
    receiver, dispatcher = start(stack, sink)
    sender = http.Sender(receiver.ingest, mixed("c"), threads=8, timeout=40).start()
    wait_for(lambda: len(sender.ids()) > 50, 20, "load")
    stack.redis.pause()  # requests wait for an answer that does not come
    receiver.term()
    time.sleep(0.05)
    receiver.term()
    receiver.wait()
    sender.stop()
    stack.redis.resume()
    dispatcher.term().wait()
    assert_no_report(receiver, dispatcher)


@pytest.mark.redis(fsync="everysec")
def test_certificates_change_under_handshakes(stack, tmp_path):
    authority = certs.Authority(tmp_path / "ca")
    cert, key = authority.good()
    sink = stack.downstream()
    conf = settings(stack, sink)
    conf["receiver"]["tls"] = {"cert": str(cert), "key": str(key)}
    receiver = stack.receiver(conf, wrapper=WRAPPER)
    trust = ssl.create_default_context(cafile=str(authority.ca))
    stop, done = threading.Event(), []

    def handshake():
        with http.Client(receiver.ingest, 10, trust) as client:
            done.append(client.post("/in/open", b'{"id":"tls-%d"}' % len(done)).status)
    threads = [until(stop, handshake) for _ in range(4)]
    for _ in range(10):
        before = len(done)
        receiver.reload(conf)
        wait_for(lambda: len(done) > before + 10, 20, "handshakes")
    stop.set()
    for thread in threads:
        thread.join(10)
    assert set(done) == {200}, done
    assert receiver.term().wait() == 0
    assert_no_report(receiver)


def test_clients_that_leave_while_their_tasks_are_read(stack):
    """A body is read in a thread if it is large. The client leaves at one moment or another of that."""
    conf = settings(stack, stack.downstream())
    del conf["receiver"]["max_body_bytes"]
    receiver = stack.receiver(conf, wrapper=WRAPPER)
    host, port = receiver.admin.rsplit(":", 1)
    body = json.dumps([{"id": f"large{n}", "result": {"pad": "x" * 300_000}} for n in range(20)]).encode()
    headers = {**LOGIN, "Host": receiver.admin, "Content-Length": len(body), "traceparent": f"00-{'1' * 32}-{'2' * 16}-01"}
    head = "POST /v3/serp/task_post HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n"
    for n in range(30):
        with socket.create_connection((host, int(port)), timeout=20) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(head.encode() + body)
            time.sleep(0.002 * n)
    assert http.get(receiver.admin, "/v3/tasks/count", LOGIN).status == 200
    assert receiver.term().wait() == 0
    assert_no_report(receiver)
