"""Downstreams that are slow, broken, hostile or not there."""

import json
import os
import socket
import time

import pytest

from harness import config, paths
from harness.certs import Authority
from harness.downstream import Answer
from harness.redis_server import free_port
from harness.wait import stays, wait_for

ONCE = {"schedule_s": [], "jitter": 0}
FAST = {"schedule_s": [0.1, 0.1], "jitter": 0}


def run(stack, url, dest=None, top=None, **program):
    conf = config.base(stack.redis.url, **(top or {}))
    conf["sources"]["in"] = config.source("out")
    conf["destinations"]["out"] = config.destination(url, **{"retry": ONCE, **(dest or {})})
    return stack.receiver(conf), stack.dispatcher(conf, **program)


def wait_end(stack, ident="a", destination="out", timeout=10.0):
    """Waits until the delivery is done or dead; answers its hash."""
    def look():
        found = stack.keys.delivery(f"{ident}:{destination}")
        return found if found.get("state") in ("done", "dead") else None
    return wait_for(look, timeout, lambda: f"the end of {ident}: {stack.keys.delivery(f'{ident}:{destination}')}")


def outcome(stack, **more):
    end = wait_end(stack, **more)
    return end["state"], end["last_status"], end.get("last_error", "")


# -- connections -----------------------------------------------------------------------------------------------


def test_connections_are_kept(stack):
    sink = stack.downstream()
    receiver, _ = run(stack, sink.url())
    for n in range(20):
        receiver.send(f"e{n}")
        wait_end(stack, f"e{n}")
    assert sink.connections == 1


def test_a_kept_connection_that_dies_is_not_resent_on(stack):
    """The server reads a second request and closes: libcurl would send it again by itself."""
    sink = stack.downstream()
    sink.default = Answer(die_on_reuse=True)
    receiver, _ = run(stack, sink.url(), {"retry": FAST})
    for n in range(6):
        receiver.send(f"e{n}")
        assert wait_end(stack, f"e{n}")["state"] == "done"
    seen = [(r.delivery, r.attempt) for r in sink.all()]
    assert len(seen) == len(set(seen)), seen
    assert any(attempt == 2 for _, attempt in seen), "the race did not happen"


@pytest.mark.parametrize("action", ["close", "rst"])
def test_no_answer(stack, action):
    sink = stack.downstream()
    sink.on(None, Answer(action=action))
    receiver, _ = run(stack, sink.url())
    receiver.send("a")
    assert outcome(stack) == ("dead", "0", "closed")
    assert len(sink.all()) == 1


def test_nobody_listens(stack):
    receiver, _ = run(stack, f"http://127.0.0.1:{free_port()}/x")
    receiver.send("a")
    assert outcome(stack) == ("dead", "0", "connect_refused")


def test_a_full_backlog_ends_at_the_connect_timeout(stack):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        fillers = []
        for _ in range(4):  # until the kernel answers no further SYN
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(deaf.getsockname())
            fillers.append(s)
        receiver, _ = run(stack, f"http://127.0.0.1:{deaf.getsockname()[1]}/x", {"connect_timeout_ms": 700})
        started = time.monotonic()
        receiver.send("a")
        assert outcome(stack) == ("dead", "0", "connect_timeout")
        assert 0.6 <= time.monotonic() - started <= 1.5
        for s in fillers:
            s.close()


def test_the_timeout_holds(stack):
    sink = stack.downstream()
    sink.on("/hang", Answer(action="hang"))
    sink.on("/slow", Answer(delay=0.6))
    sink.on("/trickle", Answer(action="trickle", every=0.2, body=b"x" * 1000))
    for ident, wanted in (("slow", ("done", "200", "")), ("hang", ("dead", "0", "timeout")),
                          ("trickle", None)):
        receiver, dispatcher = run(stack, sink.url("/$id"), {"timeout_ms": 1000})
        started = time.monotonic()
        receiver.send(ident)
        got = outcome(stack, ident=ident)
        took = time.monotonic() - started
        assert wanted is None or got == wanted
        assert took <= 1.4, (ident, took)
        if ident != "slow":
            assert took >= 0.95
        receiver.close()
        dispatcher.close()


# -- answers ---------------------------------------------------------------------------------------------------


def chunked(body):
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body


def raw(body):
    return Answer(action="raw", body=body)


INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
DONE, BAD = ("done", "200", ""), ("dead", "0", "bad_response")
ODD = {
    "body cut": (Answer(action="cut", body=b"x" * 1000), DONE),
    "200 MB": (Answer(action="huge", size=200 << 20), DONE),
    "no chunk size": (raw(chunked(b"zz\r\n")), DONE),
    "chunk cut": (raw(chunked(b"5\r\nab")), DONE),
    "headers cut": (raw(b"HTTP/1.1 200 OK\r\nX: "), BAD),
    "status line cut": (raw(b"HTTP/1.1 2"), ("dead", "0", None)),
    "not HTTP": (raw(b"not HTTP\r\n\r\n"), BAD),
    "one 100 first": (raw(INTERIM + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), DONE),
    "endless 100": (raw(INTERIM * 100_000), BAD),
    "endless headers": (raw(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 100_000), BAD),
    "a header of 1 MB": (raw(b"HTTP/1.1 200 OK\r\nX: " + b"b" * 1_000_000), BAD),
    "101": (raw(b"HTTP/1.1 101 Switching\r\nUpgrade: h\r\n\r\n"), ("dead", "0", None)),
    "204": (Answer(status=204), ("done", "204", "")),
    "asks for a password": (Answer(status=401, headers={"WWW-Authenticate": 'Digest realm="r", nonce="n"'}),
                            ("dead", "401", "http_401")),
    "417": (Answer(status=417), ("dead", "417", "http_417")),
    "says gzip and is not": (Answer(headers={"Content-Encoding": "gzip"}), DONE),
    "upgrade, cookie": (Answer(headers={"Set-Cookie": "a=b", "Connection": "Upgrade"}), DONE),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_answers(stack, name):
    answer, wanted = ODD[name]
    sink = stack.downstream()
    sink.on(None, answer)
    receiver, dispatcher = run(stack, sink.url())
    before = dispatcher.rss_kb()
    receiver.send("a")
    state, status, error = outcome(stack)
    assert (state, status) == wanted[:2]
    assert wanted[2] in (None, error)
    assert len(sink.all()) == 1
    assert dispatcher.rss_kb() - before < 4096
    assert dispatcher.running


@pytest.mark.parametrize("status", [200, 500])
def test_an_endless_answer_is_not_read_to_its_end(stack, status):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        receiver, _ = run(stack, f"http://127.0.0.1:{server.getsockname()[1]}/x")
        receiver.send("a")
        client, _ = server.accept()
        client.settimeout(5)
        client.recv(4096)
        client.sendall(f"HTTP/1.1 {status} S\r\n\r\n".encode())
        sent = 0
        with pytest.raises(ConnectionError):
            while sent < 100 << 20:
                sent += client.send(b"x" * 65536)
        client.close()
        assert sent < 16 << 20
        assert outcome(stack)[:2] == ("done" if status == 200 else "dead", str(status))


def test_an_early_refusal_of_a_large_body(stack):
    """The server answers and closes before it has read the body."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        receiver, _ = run(stack, f"http://127.0.0.1:{server.getsockname()[1]}/x")
        receiver.post("/in/in", json.dumps({"id": "a", "pad": "x" * 5_000_000}).encode())
        server.settimeout(5)
        client, _ = server.accept()
        client.recv(1000)
        client.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        assert outcome(stack)[:2] == ("dead", "413")
        client.close()


# -- TLS -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind, verify, trusted, wanted", [
    ("good", True, True, ("done", "200", "")),
    ("good", True, False, ("dead", "0", "tls_untrusted")),
    ("wrong_host", True, True, ("dead", "0", "tls_host")),
    ("wrong_host", False, False, ("done", "200", "")),
    ("expired", True, True, ("dead", "0", "tls_expired")),
    ("not_yet", True, True, ("dead", "0", "tls_not_yet_valid")),
    ("self_signed", True, True, ("dead", "0", "tls_untrusted")),
    ("self_signed", False, False, ("done", "200", "")),
])
def test_tls(stack, tmp_path, kind, verify, trusted, wanted):
    authority = Authority(tmp_path / "ca")
    cert, key = getattr(authority, kind)()
    sink = stack.downstream(cert=cert, key=key)
    receiver, _ = run(stack, sink.url(host="localhost"),
                      {"verify_tls": verify, "ca_file": str(authority.ca) if trusted else None})
    receiver.send("a")
    assert outcome(stack) == wanted
    assert len(sink.all()) == (wanted[0] == "done"), "nothing may leave before the server is known"


def test_a_tls_handshake_that_stalls_ends_at_the_connect_timeout(stack):
    with socket.create_server(("127.0.0.1", 0)) as server:
        receiver, _ = run(stack, f"https://127.0.0.1:{server.getsockname()[1]}/x", {"connect_timeout_ms": 600})
        started = time.monotonic()
        receiver.send("a")
        assert outcome(stack) == ("dead", "0", "connect_timeout")
        assert time.monotonic() - started <= 1.5


# -- egress ----------------------------------------------------------------------------------------------------


def egress(**lists):
    return {"dispatcher": {"listen": "127.0.0.1:0", "egress": lists}}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_denied_addresses_are_not_connected_to(stack, host):
    sink = stack.downstream()
    receiver, _ = run(stack, sink.url(host=host), {"retry": FAST}, egress(deny=["127.0.0.0/8", "::1/128"]))
    receiver.send("a")
    assert outcome(stack) == ("dead", "0", "blocked_address")
    assert sink.connections == 0


def test_allow_opens_a_part_of_what_is_denied(stack):
    sink = stack.downstream()
    receiver, _ = run(stack, sink.url(), None, egress(deny=["127.0.0.0/8"], allow=["127.0.0.1/32"]))
    receiver.send("a")
    assert outcome(stack) == ("done", "200", "")


def test_proxy_variables_are_ignored(stack):
    sink = stack.downstream()
    proxy = stack.downstream()
    receiver, _ = run(stack, sink.url(), env={"http_proxy": proxy.url("/"), "ALL_PROXY": proxy.url("/")})
    receiver.send("a")
    assert outcome(stack) == ("done", "200", "")
    assert proxy.connections == 0


def test_the_configured_proxy_is_used(stack):
    proxy = stack.downstream()
    receiver, _ = run(stack, "http://app.example/x", None, egress(proxy=proxy.url("")))
    receiver.send("a")
    assert outcome(stack) == ("done", "200", "")
    assert proxy.all()[0].target == "http://app.example/x"


# -- names -----------------------------------------------------------------------------------------------------


def test_a_name_that_does_not_exist(stack):
    receiver, _ = run(stack, "http://nowhere.invalid/x")
    receiver.send("a")
    assert outcome(stack) == ("dead", "0", "dns_not_found")


@pytest.mark.alone
def test_a_dead_name_server_blocks_nobody_else(stack):
    """Ten destinations whose names hang; the eleventh must not notice, and each ends at its connect timeout."""
    sink = stack.downstream()
    conf = config.base(stack.redis.url)
    conf["sources"]["good"] = config.source("good")
    conf["destinations"]["good"] = config.destination(sink.url())
    for n in range(10):
        conf["sources"][f"bad{n}"] = config.source(f"bad{n}")
        conf["destinations"][f"bad{n}"] = config.destination(f"http://hang{n}.example/x", retry=ONCE)
    receiver = stack.receiver(conf)
    dispatcher = stack.dispatcher(conf, env={"LD_PRELOAD": str(paths.tool("hang_names.so")),
                                             "ASAN_OPTIONS": "verify_asan_link_order=0"})  # sanitizer builds
    started = time.monotonic()
    for n in range(10):
        for m in range(5):
            receiver.send(f"b{n}-{m}", path=f"/in/bad{n}")
    worst = 0.0
    for n in range(50):
        receiver.send(f"g{n}", path="/in/good")
        sent = time.monotonic()
        sink.wait_count(n + 1)
        worst = max(worst, time.monotonic() - sent)
    assert worst < 0.1, worst
    assert len(os.listdir(f"/proc/{dispatcher.pid}/task")) < 20, "one lookup a destination, not one a delivery"
    for n in range(10):
        assert outcome(stack, ident=f"b{n}-0", destination=f"bad{n}") == ("dead", "0", "dns_failed")
    assert time.monotonic() - started < 2.5


def test_a_lane_whose_host_is_away_pauses_and_spends_no_attempts(stack):
    """After five failures in a row the circuit opens; then one delivery at a time looks whether it is back."""
    port = free_port()
    receiver, _ = run(stack, f"http://127.0.0.1:{port}/hook?id=$id", {"retry": {"schedule_s": [0.05] * 20, "jitter": 0},
                                                                      "concurrency": 1})
    for n in range(30):
        receiver.send(f"e{n}")

    def spent():
        return sum(int(stack.keys.delivery(f"e{n}:out")["attempts"]) for n in range(30))
    wait_for(lambda: spent() >= 5, 5, "the first failures")
    stays(lambda: spent() <= 7, 1.5, "the lane to pause")
    sink = stack.downstream(port=port)
    sink.wait_events([f"e{n}" for n in range(30)], timeout=15)


# -- lanes -----------------------------------------------------------------------------------------------------


def test_a_dead_destination_does_not_slow_another(stack):
    sink = stack.downstream()
    sink.on("/dead", Answer(action="hang"))
    conf = config.base(stack.redis.url)
    for name in ("dead", "good"):
        conf["sources"][name] = config.source(name)
        conf["destinations"][name] = config.destination(sink.url(f"/{name}"))
    receiver = stack.receiver(conf)
    stack.dispatcher(conf)
    for n in range(50):
        receiver.send(f"d{n}", path="/in/dead")
    for n in range(50):
        receiver.send(f"g{n}", path="/in/good")
    sink.wait_events([f"g{n}" for n in range(50)], timeout=2)


def test_concurrency_of_a_destination(stack):
    sink = stack.downstream()
    sink.default = Answer(delay=0.2)
    receiver, _ = run(stack, sink.url(), {"concurrency": 3})
    for n in range(12):
        receiver.send(f"e{n}")
    requests = sorted(sink.wait_count(12), key=lambda r: r.at_ns)
    for first, fourth in zip(requests, requests[3:]):
        assert (fourth.at_ns - first.at_ns) / 1e9 >= 0.19
    assert sink.connections <= 3


def test_the_dispatchers_own_concurrency(stack):
    sink = stack.downstream()
    sink.default = Answer(delay=0.2)
    receiver, _ = run(stack, sink.url(), {"concurrency": 50},
                      {"dispatcher": {"listen": "127.0.0.1:0", "concurrency": 4}})
    for n in range(12):
        receiver.send(f"e{n}")
    requests = sorted(sink.wait_count(12), key=lambda r: r.at_ns)
    for first, fifth in zip(requests, requests[4:]):
        assert (fifth.at_ns - first.at_ns) / 1e9 >= 0.19


def test_running_out_of_descriptors_spends_no_attempts(stack):
    sink = stack.downstream()
    sink.default = Answer(delay=0.3)
    receiver, dispatcher = run(stack, sink.url(), {"concurrency": 100}, wrapper=["prlimit", "--nofile=24:24"])
    for n in range(60):
        receiver.send(f"e{n}")
    sink.wait_events([f"e{n}" for n in range(60)], timeout=20)
    assert {r.attempt for r in sink.all()} == {1}
    assert len(sink.all()) == 60
    assert dispatcher.logged("attempt.local_error")
    assert len(dispatcher.logged("attempt.local_error")) < 40


def test_a_destination_that_is_no_longer_configured_waits(stack):
    sink = stack.downstream()
    conf = config.simple(stack.redis.url, sink.url())
    receiver = stack.receiver(conf)
    receiver.send("a")
    without = config.base(stack.redis.url)
    dispatcher = stack.dispatcher(without)
    stays(lambda: stack.keys.delivery("a:out")["state"] not in ("dead", "done"), 0.5)
    dispatcher.reload(conf)
    assert outcome(stack) == ("done", "200", "")
