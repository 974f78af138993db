"""Metrics, reload, TLS, threads and the end of the receiver."""

import json
import ssl
import time

from harness import certs, config, http, sign
from harness.ingest import SECRET, accepted, make, refused, scheme_source
from harness.wait import wait_for


def test_answers_are_counted(stack):
    receiver = make(stack, {"in": scheme_source("serphouse")})
    body = b'{"id":"a"}'
    good = sign.headers("serphouse", SECRET, body)
    for _ in range(3):
        receiver.post("/in/in", body, good)
    receiver.post("/in/in", body)
    receiver.post("/in/nowhere", body)
    http.raw(receiver.ingest, b"POST /in/in HTTP/1.1\r\nbad header\r\n\r\n", 1)
    count = {k: receiver.metric("hookpace_events_total", source=k[0], result=k[1]) for k in
             (("in", "ok"), ("in", "duplicate"), ("in", "missing_signature"), ("unknown", "unknown_source"),
              ("unknown", "bad_request"))}
    assert list(count.values()) == [1, 2, 1, 1, 1], count
    assert receiver.metric("hookpace_ingest_seconds_count") == 5
    assert receiver.metric("hookpace_queue_depth", lane="out") == 1
    assert SECRET not in receiver.log()
    assert receiver.get("/nothing").status == 404
    with http.Client(receiver.admin) as client:
        assert client.post("/metrics", b"").status == 405


def test_reload(stack):
    conf = make(stack, start=False)
    conf["receiver"]["threads"] = 2
    receiver = stack.receiver(conf)
    conf["sources"]["new"] = config.source("out", "serphouse", [SECRET])
    del conf["sources"]["in"]
    receiver.reload(conf)
    body = b'{"id":"a"}'

    def everywhere(path, status, headers):
        for _ in range(20):  # both threads
            answer = receiver.post(path, body, headers)
            if answer.status != status:
                return False
        return True

    deadline = time.monotonic() + 5
    while not everywhere("/in/new", 200, sign.headers("serphouse", SECRET, body)) or not everywhere("/in/in", 404, {}):
        assert time.monotonic() < deadline
    broken = json.loads(json.dumps(conf))
    broken["sources"]["new"]["verify"]["scheme"] = "nonsense"
    receiver.reload(broken, accepted=False)
    assert everywhere("/in/new", 200, sign.headers("serphouse", SECRET, body))
    conf["receiver"]["threads"] = 3
    receiver.reload(conf)
    receiver.wait_log("config.needs_restart", key="receiver.threads")


def test_tls(stack, tmp_path):
    authority = certs.Authority(tmp_path / "ca")
    cert, key = authority.good()
    conf = make(stack, start=False)
    conf["receiver"]["tls"] = {"cert": str(cert), "key": str(key)}
    receiver = stack.receiver(conf)
    trust = ssl.create_default_context(cafile=str(authority.ca))

    def serial():
        with http.Client(receiver.ingest, tls=trust) as client:
            accepted(client.post("/in/in", {"id": "t%d" % time.monotonic_ns(), "p": "x" * 100_000}))
            return client.sock.getpeercert()["serialNumber"]

    first = serial()
    assert b"200" not in http.raw(receiver.ingest, http.render("POST", "/in/in", {}, b"{}"), 1)
    authority.good()  # a new certificate in the same files
    receiver.reload(conf)
    assert serial() != first


def test_a_body_that_never_ends_is_timed_out(stack):
    receiver = make(stack, receiver={"listen": "127.0.0.1:0", "body_timeout_ms": 300})
    with http.Client(receiver.ingest) as client:
        client.send(b"POST /in/in HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
        refused(client.read(), 408, "timeout")
    assert receiver.metric("hookpace_events_total", source="unknown", result="timeout") == 1


def test_threads_share_the_port(stack):
    receiver = make(stack, receiver={"listen": "127.0.0.1:0", "threads": 3})
    sender = http.Sender(receiver.ingest, http.numbered(), threads=12, count=600).start().join()
    assert sender.statuses == {200: 600}
    assert len(set(stack.keys.queue("out"))) == 600
    receiver.term()
    assert receiver.wait() == 0


def accepts(receiver):
    try:
        with http.Client(receiver.ingest, timeout=1) as client:
            client.connect()
        return True
    except OSError:
        return False


def test_sigterm_answers_what_it_has(stack):
    receiver = make(stack)
    body = b'{"id":"late"}'
    with http.Client(receiver.ingest) as busy, http.Client(receiver.ingest) as idle:
        idle.post("/in/in", {"id": "before"})
        busy.send(b"POST /in/in HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:5])
        receiver.get("/healthz")
        time.sleep(0.1)  # the head must be there before the signal: nothing tells from outside
        receiver.term()
        receiver.wait_log("stop.begun")
        wait_for(lambda: not accepts(receiver), 5, "the listener to be closed")
        busy.send(body[5:])
        answer = busy.read()
        accepted(answer, "late")
        assert answer.header("Connection") == "close"
    assert receiver.wait() == 0
    assert sorted(stack.keys.queue("out")) == ["before:out", "late:out"]


def test_a_second_sigterm_ends_it(stack):
    receiver = make(stack)
    with http.Client(receiver.ingest) as busy:
        busy.send(b"POST /in/in HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
        time.sleep(0.1)
        receiver.term()
        receiver.wait_log("stop.begun")
        receiver.term()
        assert receiver.wait(5) == 0
