"""The receiver without Redis, and what bodies cost."""

import gzip
import json
import socket
import time
import zlib

from harness.ingest import accepted, make, refused
from harness.memory import Peak, is_sanitized, noise


# -- doubt about Redis ---------------------------------------------------------------------------------------


def unavailable(answer):
    refused(answer, 503, "queue_unavailable")
    assert int(answer.header("Retry-After")) >= 1


def wait_accepted(receiver, ident, timeout=8.0):
    deadline = time.monotonic() + timeout
    while (answer := receiver.post("/in/in", {"id": ident})).status != 200:
        assert time.monotonic() < deadline, answer
        time.sleep(0.05)


def test_redis_that_is_gone(stack):
    receiver = make(stack)
    receiver.send("a")
    stack.redis.stop()
    deadline = time.monotonic() + 3
    for n in range(5):
        started = time.monotonic()
        unavailable(receiver.post("/in/in", {"id": "b"}))
        assert time.monotonic() - started < 1.5
    assert time.monotonic() < deadline + 5
    receiver.wait_http("/readyz", 503)
    receiver.wait_http("/healthz", 200)
    stack.redis.start()
    wait_accepted(receiver, "c")
    receiver.wait_http("/readyz", 200)
    assert sorted(stack.keys.queue("out")) == ["a:out", "c:out"]


def test_redis_that_hangs(stack):
    receiver = make(stack)
    receiver.send("a")
    stack.redis.pause()
    started = time.monotonic()
    unavailable(receiver.post("/in/in", {"id": "b"}))
    assert time.monotonic() - started < 1.5  # timeout_ms is 1000 here
    assert receiver.get("/readyz").status == 503
    stack.redis.resume()
    wait_accepted(receiver, "b")  # whether the first try took effect or not, it is queued once
    assert sorted(stack.keys.queue("out")) == ["a:out", "b:out"]


def test_redis_in_no_state_to_take_work(stack):
    receiver = make(stack)
    client = stack.redis.client()
    client.config_set("maxmemory", "1")  # of Redis 8, 1 MB has room
    unavailable(receiver.post("/in/in", {"id": "a"}))
    client.config_set("maxmemory", "0")
    wait_accepted(receiver, "a")
    client.replicaof("127.0.0.1", 1)  # read-only
    unavailable(receiver.post("/in/in", {"id": "b"}))
    client.replicaof("no", "one")
    wait_accepted(receiver, "b")
    client.config_set("min-replicas-to-write", 1)
    unavailable(receiver.post("/in/in", {"id": "c"}))
    client.config_set("min-replicas-to-write", 0)
    wait_accepted(receiver, "c")
    assert sorted(stack.keys.queue("out")) == ["a:out", "b:out", "c:out"]

# -- load and memory -----------------------------------------------------------------------------------------


def test_a_large_body_survives_a_script_flush(stack):
    """NOSCRIPT: the command is sent again, with a body that is not in one piece with the rest of it."""
    receiver = make(stack, to=("out", "more"))
    receiver.send("a")
    stack.redis.client().script_flush()
    body = json.dumps({"id": "big", "p": "x" * 300_000}).encode()
    accepted(receiver.post("/in/in", body), "big")
    record = stack.redis.client(decode_responses=False).get("hookpace:{0}:event:big")
    assert record.endswith(body)
    assert stack.keys.queue("more") == ["a:more", "big:more"]


def test_ten_megabytes_of_gzip_cost_at_most_twice_that(stack):
    receiver = make(stack)
    block = noise(200_000)
    plain = b'{"id":"big","items":["' + b'","'.join(block[n:] + block[:n] for n in range(0, 50_000, 1000)) + b'"]}'
    wire = gzip.compress(plain, 1)
    assert len(wire) > 6_000_000
    receiver.send("warm")
    before = receiver.rss_kb()
    peak = Peak(receiver)
    answer = receiver.post("/in/in", wire, {"Content-Encoding": "gzip"})
    accepted(answer, "big")
    grown = (peak.stop() - before) * 1024
    assert is_sanitized(receiver) or grown <= 1.2 * len(wire), f"{grown} bytes for {len(wire)}"  # the documentation allows twice: it is held once
    record = stack.redis.client(decode_responses=False).get("hookpace:{0}:event:big")
    assert record.endswith(wire)


def test_a_bomb_costs_nothing(stack):
    """100 MB of one string in 100 KB of gzip: neither the inflated bytes nor the string are held."""
    receiver = make(stack)
    receiver.send("warm")
    pack = zlib.compressobj(9, wbits=31)
    wire = pack.compress(b'{"id":"bomb","p":"') + b"".join(pack.compress(b"x" * 1_000_000) for _ in range(100))
    wire += pack.compress(b'"}') + pack.flush()
    before = receiver.rss_kb()
    peak = Peak(receiver)
    accepted(receiver.post("/in/in", wire), "bomb")
    assert is_sanitized(receiver) or peak.stop() - before < 2000


def test_a_length_that_lies_reserves_nothing(stack):
    receiver = make(stack)
    receiver.send("warm")
    before = receiver.rss_kb()
    socks = []
    for _ in range(50):
        s = socket.create_connection(receiver.ingest.rsplit(":", 1))
        s.sendall(b"POST /in/in HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n{\"id\":")
        socks.append(s)
    receiver.send("after")
    assert is_sanitized(receiver) or receiver.rss_kb() - before < 4000
    for s in socks:
        s.close()


def test_bodies_in_flight_have_a_budget(stack):
    receiver = make(stack, receiver={"listen": "127.0.0.1:0", "max_inflight_bytes": 1_000_000, "max_body_bytes": 900_000})
    deadline = time.monotonic() + 5
    answer = None
    while answer is None or answer.status == 200:  # whichever of the two comes late is refused
        assert time.monotonic() < deadline
        first = socket.create_connection(receiver.ingest.rsplit(":", 1))
        first.sendall(b"POST /in/in HTTP/1.1\r\nHost: x\r\nContent-Length: 800000\r\n\r\n" + b"[" + b" " * 700_000)
        answer = receiver.post("/in/in", b'["' + b"x" * 500_000 + b'"]')
    refused(answer, 503, "overloaded")
    first.close()
    while receiver.post("/in/in", b'["' + b"x" * 500_000 + b'"]').status != 200:
        assert time.monotonic() < deadline
