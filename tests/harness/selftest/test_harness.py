"""The harness itself: a wrong instrument would pass everything."""

import socket
import ssl
import time

import pytest
import redis

from harness import certs, http, oracle, programs, sign
from harness.downstream import Downstream
from harness.exchange import Answer, Request
from harness.partitions import crc16
from harness.redis_server import RedisServer
from harness.wait import wait_for


@pytest.fixture
def sink():
    made = Downstream()
    yield made
    made.close()


def test_redis_survives_kill(tmp_path):
    server = RedisServer(tmp_path, fsync="always").start()
    server.client().set("a", "1")
    server.kill9()
    with pytest.raises(redis.ConnectionError):
        server.client().ping()
    server.start()
    assert server.client().get("a") == "1"
    server.pause()
    with pytest.raises(redis.TimeoutError):
        server.client(socket_timeout=0.2).ping()
    server.resume()
    server.stop()


def test_crc16_is_the_one_of_redis_cluster():
    assert crc16(b"123456789") == 0x31C3


def test_sink_records_and_answers(sink):
    address = f"127.0.0.1:{sink.port}"
    with http.Client(address) as c:
        before = time.time_ns()
        assert c.post("/a?id=1", b"body", {"Hookpace-Delivery": "e:1:out", "Hookpace-Attempt": "2"}).status == 200
        after = time.time_ns()
        sink.on("/b", 500, Answer(status=204))
        assert [c.get("/b").status, c.get("/b").status, c.get("/b").status] == [500, 204, 204]
    first = sink.wait_count(4)[0]
    assert (first.body, first.path, first.query, first.event, first.attempt) == (b"body", "/a", {"id": "1"}, "e:1", 2)
    assert before - 1_000_000 <= first.at_ns <= after
    assert sink.connections == 1


def test_sink_reads_chunks(sink):
    data = http.render("POST", "/", {"Transfer-Encoding": "chunked", "Connection": "close"}) + \
        b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    with http.Client(f"127.0.0.1:{sink.port}") as c:
        c.send(data)
        assert c.read().status == 200
    assert sink.all()[0].body == b"abcde"


@pytest.mark.parametrize("action", ["close", "rst", "cut"])
def test_sink_breaks_off(sink, action):
    sink.on(None, Answer(action=action))
    with pytest.raises(OSError):
        http.get(f"127.0.0.1:{sink.port}", "/")
    assert len(sink.all()) == 1


def test_sink_dies_on_reuse(sink):
    sink.on(None, Answer(die_on_reuse=True))
    with http.Client(f"127.0.0.1:{sink.port}") as c:
        assert c.get("/1").status == 200
        with pytest.raises(OSError):
            c.get("/2")
    assert [r.answered for r in sink.all()] == [True, False]


def test_sink_is_fast(sink):
    started = time.monotonic()
    http.Sender(f"127.0.0.1:{sink.port}", http.numbered("/"), threads=8, count=3000).start().join()
    rate = 3000 / (time.monotonic() - started)
    assert len(sink.all()) == 3000
    assert rate > 500, rate


def test_certificates(tmp_path):
    authority = certs.Authority(tmp_path)
    context = ssl.create_default_context(cafile=str(authority.ca))
    verdicts = {}
    for kind in ("good", "expired", "not_yet", "wrong_host", "self_signed"):
        cert, key = getattr(authority, kind)()
        sink = Downstream(cert=cert, key=key)
        try:
            with http.Client(f"127.0.0.1:{sink.port}", tls=context) as c:
                verdicts[kind] = c.get("/").status
        except ssl.SSLCertVerificationError as e:
            verdicts[kind] = e.verify_message
        finally:
            sink.close()
    assert verdicts["good"] == 200
    assert "expired" in verdicts["expired"]
    assert "not yet valid" in verdicts["not_yet"]
    assert "mismatch" in verdicts["wrong_host"]
    assert "self-signed" in verdicts["self_signed"] or "self signed" in verdicts["self_signed"]


def test_signatures_against_published_vectors():
    # github.com/octokit documentation; standardwebhooks' README
    assert sign.headers("github", "It's a Secret to Everybody", b"Hello, World!")["X-Hub-Signature-256"] == \
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    made = sign.headers("standard-webhooks", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}',
                        "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330)
    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_metrics_are_read():
    read = programs.parse_metrics('# TYPE a counter\na{x="1",y="a\\"b\\\\n"} 3\nb 1.5\nc_bucket{le="+Inf"} 2\n')
    assert read == {"a": {(("x", "1"), ("y", 'a"b\\n')): 3.0}, "b": {(): 1.5}, "c_bucket": {(("le", "+Inf"),): 2.0}}


def _at(ms, delivery="a:out", attempt=1):
    return Request(int(ms * 1e6), "POST", "/", [("Hookpace-Delivery", delivery), ("Hookpace-Attempt", str(attempt))], b"", 1)


def test_oracle_sees_what_is_wrong(tmp_path):
    oracle.assert_paced([_at(0), _at(50), _at(101)], 50)
    with pytest.raises(AssertionError):
        oracle.assert_paced([_at(0), _at(47), _at(101)], 50)
    assert oracle.repeats([_at(0), _at(1), _at(2, attempt=2)]) == {("a:out", 1): 2}
    with pytest.raises(AssertionError):
        oracle.assert_none_lost({"a", "b"}, {"a"})
    server = RedisServer(tmp_path).start()
    keys, c = server.keys(), server.client()
    c.rpush("hookpace:{0}:queue:out", "a:out", "b:out")
    c.zadd("hookpace:{0}:inflight", {"b:out": 1})
    c.hset("hookpace:{0}:delivery:c:out", "state", "done")
    assert oracle.where(keys, ["a:out", "b:out", "c:out", "d:out"]) == \
        {"a:out": ["queue"], "b:out": ["queue", "inflight"], "c:out": ["done"], "d:out": []}
    oracle.assert_none_lost({"a"}, set(), keys)
    for wrong in ("b:out", "d:out"):
        with pytest.raises(AssertionError):
            oracle.assert_each_in_one_place(keys, [wrong])
    server.stop()


def test_wait_for_gives_up():
    with pytest.raises(AssertionError, match="in vain for rain"):
        wait_for(lambda: False, 0.05, "rain")


def test_raw_exchange(sink):
    assert http.raw(f"127.0.0.1:{sink.port}", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0.3).startswith(b"HTTP/1.1 200")
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", 1), 1)
