"""How requests and connections of the HTTP server end: deadlines, clients that leave, stopping."""

import signal
import socket
import time

import pytest
from harness.wait import stop_process
from probe import GET, Client, checksum, post, until


def trickle(client, data, every):
    """Sends DATA byte by byte until the server has said something or closed."""
    client.sock.setblocking(False)
    try:
        for i in range(len(data)):
            time.sleep(every)
            try:
                client.buffer = client.sock.recv(65536)
                break
            except BlockingIOError:
                client.sock.send(data[i:i + 1])
    finally:
        client.sock.settimeout(10)


def test_slow_head_is_ended_by_an_absolute_deadline(start):
    probe = start(header_ms=400, idle_ms=5000)
    with probe.client() as c:
        begun = time.monotonic()
        trickle(c, b"GET /" + b"a" * 1000, 0.02)  # never silent for long
        answer = c.answer()
        assert 0.35 < time.monotonic() - begun < 1.5
        assert (answer.status, answer.code) == (408, "timeout")
        assert c.closed()


def test_slow_head_of_a_later_request(start):
    probe = start(header_ms=400, idle_ms=5000)
    with probe.client() as c:
        assert c.ask(GET).status == 200
        time.sleep(0.6)  # idle, which has its own deadline
        begun = time.monotonic()
        trickle(c, b"GET /" + b"a" * 1000, 0.02)
        assert c.answer().status == 408
        assert 0.35 < time.monotonic() - begun < 1.5


def test_silent_connection_is_closed_without_a_word(start):
    probe = start(header_ms=300)
    with probe.client() as c:
        begun = time.monotonic()
        assert c.closed()
        assert 0.25 < time.monotonic() - begun < 1.5


def test_slow_body_is_ended_by_an_absolute_deadline(start):
    probe = start(body_ms=400)
    with probe.client() as c:
        c.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        begun = time.monotonic()
        trickle(c, b"x" * 1000, 0.02)
        answer = c.answer()
        assert 0.35 < time.monotonic() - begun < 1.5
        assert (answer.status, answer.code) == (408, "timeout")
    until(lambda: probe.said("request.gone"), what="on_gone")


def test_idle_connection_is_closed_silently(start):
    probe = start(idle_ms=300, header_ms=5000)
    with probe.client() as c:
        assert c.ask(GET).status == 200
        begun = time.monotonic()
        assert c.closed()
        assert 0.25 < time.monotonic() - begun < 1.5


def test_connections_have_deadlines_of_their_own(start):
    probe = start(idle_ms=600, header_ms=3000)
    with probe.client() as early, probe.client() as late:
        assert early.ask(GET).status == 200
        time.sleep(0.3)
        assert late.ask(GET).status == 200
        begun = time.monotonic()
        assert early.closed()
        first = time.monotonic() - begun
        assert late.closed()
        assert first < 0.5 < time.monotonic() - begun < 1.5


def test_no_deadline_while_the_handler_works(start):
    probe = start(header_ms=100, body_ms=100, idle_ms=100)
    with probe.client() as c:
        assert c.ask("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").body == b"slow\n"


def test_client_leaves_while_the_handler_works(start):
    probe = start()
    for _ in range(20):
        with probe.client() as c:
            c.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    with probe.client() as c:  # with a reset
        c.send(post(b"x", "/hold"))
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    until(lambda: probe.connections() <= 3, what="the connections to be freed")
    assert until(lambda: probe.said("request.gone"))
    assert probe.alive()


def test_client_leaves_within_a_body(start):
    probe = start()
    with probe.client() as c:
        c.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhel")
        c.sock.shutdown(socket.SHUT_WR)
        assert c.closed()
    assert len(until(lambda: probe.said("request.gone"))) == 1


# --- stopping ---

def test_drain_answers_what_is_in_flight(start):
    probe = start()
    with probe.client() as working, probe.client() as idle, probe.client() as body:
        assert idle.ask(GET).status == 200
        body.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello")
        working.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n" + GET)
        time.sleep(0.1)
        probe.signal(signal.SIGTERM)
        assert idle.closed()
        with pytest.raises(ConnectionRefusedError):
            for _ in range(100):
                probe.client().sock.close()
                time.sleep(0.01)
        answer = working.answer()
        assert (answer.body, answer.headers["connection"]) == (b"slow\n", "close")
        body.send(b"world")
        answer = body.answer()
        assert (answer.body, answer.headers["connection"]) == (checksum(b"helloworld"), "close")
        assert working.closed() and body.closed()
    assert probe.process.wait(5) == 0


def test_drain_under_load_resets_nobody(start):
    """Whoever was accepted by the kernel and has sent a request is answered."""
    probe = start()
    clients = [probe.client() for _ in range(200)]
    for c in clients[:100]:
        assert c.ask(GET).status == 200
    stop_process(probe.process.pid)  # so that all of this is there before the drain begins
    clients += [probe.client() for _ in range(50)]
    for c in clients:
        c.send(GET)
    probe.signal(signal.SIGTERM)
    probe.signal(signal.SIGCONT)
    for c in clients:
        answer = c.answer()
        assert answer.status == 200
        assert c.closed()
        c.sock.close()
    assert probe.process.wait(5) == 0


def test_drain_does_not_wait_for_the_silent(start):
    probe = start()
    with probe.client(), Client(probe.port) as c:
        until(lambda: probe.connections() == 2)
        begun = time.monotonic()
        assert probe.stop() == 0
        assert time.monotonic() - begun < 3
        assert c.closed()
