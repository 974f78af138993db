"""Ceilings of the HTTP server: many clients, no descriptors left, the budget of bytes, slow readers."""

import signal
import select
import socket
import time

import pytest
from probe import GET, MEMORY_SLACK, post, until


def test_large_answer_and_a_slow_reader(start):
    probe = start()
    with probe.client() as c:
        c.send(b"GET /big?20000000 HTTP/1.1\r\nHost: x\r\n\r\n" + GET)
        time.sleep(0.2)
        assert len(c.answer().body) == 20000000
        assert c.answer().body == b"ok\n"


def test_connections_above_the_limit_are_told(start):
    probe = start(connections_max=5)
    held = [probe.client() for _ in range(5)]
    assert all(c.ask(GET).status == 200 for c in held)
    with probe.client() as c:
        answer = c.answer()  # before it asked
        assert (answer.status, answer.code) == (503, "overloaded")
        assert int(answer.headers["retry-after"]) > 0
        assert c.closed()
    with probe.client() as c:
        c.send(post(b"x" * 10000))
        assert c.answer().status == 503
    held.pop().sock.close()
    until(probe.alive, what="room for another connection")
    for c in held:
        assert c.ask(GET).status == 200
        c.sock.close()


def test_refusals_are_bounded_too(start):
    probe = start(connections_max=1)
    with probe.client() as keep:
        assert keep.ask(GET).status == 200
        crowd = [probe.client() for _ in range(300)]
        until(lambda: probe.connections() <= 1 + 64 + 1, what="few refusals open at a time")
        assert keep.ask(GET).status == 200
        for c in crowd:
            c.sock.close()


def test_one_address_does_not_keep_others_out(start):
    """Idle connections of whoever holds by far the most make room, and then those whose request is not complete."""
    probe = start(connections_max=40, header_ms=20000)
    crowd = [probe.client() for _ in range(40)]
    for c in crowd[:20]:
        assert c.ask(GET).status == 200
    for c in crowd[20:30]:
        c.send(b"GET /")
    for c in crowd[30:]:
        c.send(post(b"x" * 100)[:-50])
    until(lambda: probe.connections() == 40)
    others = [probe.client(source="127.0.0.2") for _ in range(12)]
    for c in others:
        assert c.ask(GET).status == 200
    assert until(lambda: probe.said("connection.displaced"))[0]["peer"] == "127.0.0.1"
    with probe.client() as c:
        assert c.answer().status == 503  # nobody is displaced by who holds the most
    with probe.client(source="127.0.0.3") as c:
        assert c.ask(GET).status == 200
    # 13 of the 40 are gone: idle ones without a word, others told
    gone = [c for c in crowd[:20] if c.closed_now()]
    assert 10 <= len(gone) <= 13
    for c in crowd[30:]:
        if not c.closed_now():
            c.send(b"x" * 50)
            assert c.answer().status == 200
    for c in crowd + others:
        c.sock.close()
    until(lambda: probe.connections() <= 1)


def test_whose_requests_are_cut_for_others_are_told(start):
    probe = start(connections_max=10, header_ms=20000)
    crowd = [probe.client() for _ in range(10)]
    for c in crowd:
        c.send(post(b"x" * 100)[:-50])
    until(lambda: probe.connections() == 10)
    with probe.client(source="127.0.0.2") as c:
        assert c.ask(GET).status == 200
    assert [c.answer().status for c in crowd[:1]] == [503]
    for c in crowd[1:]:
        c.send(b"x" * 50)
        assert c.answer().status == 200
        c.sock.close()


def reset(*clients):
    for c in clients:
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        c.sock.close()


def test_connections_whose_answer_is_owed_make_room_last(start):
    probe = start(connections_max=4)
    owed = [probe.client() for _ in range(3)]
    for c in owed:
        c.send(post(b"x", "/hold"))
    idle = probe.client()
    assert idle.ask(GET).status == 200
    with probe.client(source="127.0.0.2") as c:
        assert c.ask(GET).status == 200
        assert idle.closed()
        assert not any(c.closed_now() for c in owed)
    with probe.client(source="127.0.0.2") as first, probe.client(source="127.0.0.3") as second:
        assert first.ask(GET).status == 200
        assert second.ask(GET).status == 200
        assert sum(c.closed_now() for c in owed) == 1
        assert [c.answer().status for c in owed if c.closed_now()] == [503]
    reset(*owed)  # these are never answered


def many_requests(port, source, count=500):
    """A client that asks for much and reads nothing, until the server is stuck in an answer of 3 MB."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.bind((source, 0))
    sock.connect(("127.0.0.1", port))
    sock.sendall(b"GET /big?4000000 HTTP/1.1\r\nHost: x\r\n\r\n" * count)
    return sock


def test_connections_whose_answer_is_not_read_make_room(start):
    probe = start(connections_max=8)
    crowd = [many_requests(probe.port, "127.0.0.66") for _ in range(8)]
    until(lambda: len(select.select(crowd, [], [], 0)[0]) == 8, what="each to be stuck in an answer that has begun")
    for _ in range(4):
        with probe.client(source="127.0.0.2") as c:
            assert c.ask(GET).status == 200
    assert until(lambda: probe.said("connection.displaced"))[0]["peer"] == "127.0.0.66"
    for sock in crowd:
        sock.close()


def test_what_is_pipelined_behind_an_answer_is_not_read(start):
    """Not more than one read of it, which counts against the budget."""
    probe = start(budget=60_000_000)
    before = probe.rss()
    crowd = [many_requests(probe.port, "127.0.0.66", 3000) for _ in range(8)]
    until(lambda: probe.connections() == 8)
    assert probe.rss() - before < (8 * 4_200_000 + (4 << 20)) * MEMORY_SLACK
    for sock in crowd:
        sock.close()


def test_what_waits_for_its_turn_is_not_read_on(start):
    """Of 400 connections of one address that pipeline, nearly all wait for their turn. None holds more than one read meanwhile."""
    probe = start()
    before = probe.rss()
    crowd = [probe.client(source="127.0.0.66") for _ in range(400)]
    until(lambda: probe.connections() == 400)
    probe.signal(signal.SIGSTOP)
    for c in crowd:
        c.send(GET * 1700)  # 60 KB: the kernel has it all before the probe goes on
    probe.signal(signal.SIGCONT)
    with probe.client(source="127.0.0.2") as other:
        for _ in range(60):  # a turn of the loop each, at least: far more than it takes to read everything
            assert other.ask(GET).status == 200
    assert probe.rss() - before < (10 << 20) * MEMORY_SLACK
    for c in crowd:
        c.sock.close()


def test_answers_count_against_the_budget_until_they_are_written(start):
    probe = start(budget=20_000_000, body_ms=20000)
    crowd = [many_requests(probe.port, f"127.0.0.{66 + i}", 1) for i in range(24)]
    with probe.client() as c:
        def refused():
            answer = c.ask(b"GET /big?4000000 HTTP/1.1\r\nHost: x\r\n\r\n")
            return answer if answer.status == 503 else None
        answer = until(refused, what="no room for an answer")
        assert (answer.code, answer.headers["retry-after"]) == ("overloaded", "1")
        assert c.ask(b"GET /big?1000 HTTP/1.1\r\nHost: x\r\n\r\n").status == 200, "short ones are sent"
    for sock in crowd:
        sock.close()
    with probe.client() as c:
        until(lambda: c.ask(b"GET /big?4000000 HTTP/1.1\r\nHost: x\r\n\r\n").status == 200, what="room again")


def test_a_short_answer_has_seconds(start):
    probe = start(body_ms=60000)
    sock = deaf(probe.port)
    sock.sendall(b"GET /big?10000 HTTP/1.1\r\nHost: x\r\n\r\n" * 3000)
    begun = time.monotonic()
    until(lambda: probe.connections() == 1)
    until(lambda: probe.connections() == 0, 12, "the end of the connection")
    assert time.monotonic() - begun > 4
    sock.close()


def test_a_body_that_stands_still_ends_early(start):
    probe = start(body_ms=60000)
    with probe.client() as still, probe.client() as slow, probe.client() as quick:
        begun = time.monotonic()
        still.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n" + b"x" * 400)
        slow.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n")
        for _ in range(36):
            slow.send(b"x" * 250)  # 1 KB a second
            if time.monotonic() - begun < 6:
                assert quick.ask(GET).status == 200
            time.sleep(0.25)
        assert slow.answer().status == 200
        assert still.answer().status == 408
        assert time.monotonic() - begun < 12


def test_one_address_leaves_room_for_the_bodies_of_others(start):
    """One address fills its part of 64 MiB with bodies that do not end, and then the others' large ones displace them."""
    probe = start(budget=64 << 20, body_ms=20000)
    held = [probe.client(source="127.0.0.66") for _ in range(90)]
    for c in held:
        c.send(post(b"x" * 1_000_001, "/charge")[:-1])
    with probe.client(source="127.0.0.2") as c:
        for size in (10, 1000, 100_000, 1_000_000, 1_000_000):
            assert c.ask(post(b"x" * size, "/charge")).status == 200
    others = [probe.client(source="127.0.0.3") for _ in range(12)]
    for c in others:
        c.send(post(b"x" * 1_000_000, "/charge")[:-1])
    for c in others:
        c.send(b"x")
        assert c.answer().status == 200
        c.sock.close()
    assert until(lambda: probe.said("bytes.displaced"))[0]["peer"] == "127.0.0.66"
    for c in held:
        c.sock.close()


@pytest.mark.alone
def test_5000_idle_connections(start):
    probe = start("prlimit", "--nofile=6000:6000", connections_max=5500)
    before = probe.rss()
    import resource
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 6000), hard))
    clients = []
    try:
        for _ in range(5000):
            clients.append(probe.client())
        for c in clients:
            assert c.ask(GET).status == 200
        each = (probe.rss() - before) / 5000
        print(f"{each:.0f} bytes a connection")
        assert each < 4096 * MEMORY_SLACK
        cpu = probe.cpu()
        time.sleep(1)
        assert probe.cpu() - cpu < 0.02
    finally:
        for c in clients:
            c.sock.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    until(lambda: probe.connections() <= 1)


@pytest.mark.alone
def test_no_descriptors_left(start):
    probe = start("prlimit", "--nofile=64:64")
    crowd = [probe.client() for _ in range(200)]
    until(lambda: probe.said("accept.failed"))
    cpu, lines = probe.cpu(), len(probe.lines)
    time.sleep(1.5)
    assert probe.cpu() - cpu < 0.3
    assert len(probe.lines) - lines < 15
    assert crowd[0].ask(GET).status == 200  # who is in is served
    for c in crowd:
        c.sock.close()
    assert until(probe.alive)


def test_budget(start):
    probe = start(budget=100000)
    with probe.client() as c:
        assert c.ask(post(b"x" * 90000, "/charge")).status == 200
        answer = c.ask(post(b"x" * 110000, "/charge"))
        assert (answer.status, answer.code) == (503, "overloaded")
    with probe.client() as holding, probe.client() as c:
        holding.send(b"POST /charge HTTP/1.1\r\nHost: x\r\nContent-Length: 90001\r\n\r\n" + b"x" * 90000)

        def refused():
            with probe.client() as other:
                return other.ask(post(b"x" * 20000, "/charge")).status == 503
        until(refused, what="the budget to be spent")
        holding.send(b"x")
        assert holding.answer().status == 200
        assert c.ask(post(b"x" * 20000, "/charge")).status == 200


@pytest.mark.parametrize("cut", [0, 9000])
def test_a_head_that_comes_in_pieces_counts_once(start, cut):
    """What waited for the rest of the head does not take the room of the body."""
    probe = start(budget=10500)
    request = post(b"x" * 2500, path="/charge", headers=f"X-Filler: {'y' * 10000}\r\n")
    with probe.client() as c:
        c.send(request[:cut])
        if cut:
            until(c.is_read, what="the piece to be read")
        assert c.ask(request[cut:]).status == 200


def test_large_bodies_leave_some_of_the_budget_to_small_ones(start):
    """Of 64 MiB an eighth: bodies that never end, a little below that, and then one too many."""
    probe = start(budget=64 << 20, body_ms=20000)
    size = 1_012_000
    held = [probe.client(source=f"127.0.1.{n}") for n in range(1, 59)]
    for c in held:
        c.send(post(b"x" * (size + 1), "/charge")[:-1])

    def is_idle():
        before = probe.cpu()
        time.sleep(0.3)
        return probe.cpu() - before < 0.02
    until(is_idle, what="all to be read")
    with probe.client() as c:
        assert c.ask(post(b"x" * size, "/charge")).status == 503
    with probe.client() as c:
        assert c.ask(post(b"x" * 100_000, "/charge")).status == 200
        assert c.ask(post(b"x" * 1000, "/charge")).status == 200
    with probe.client() as c:
        assert c.ask(post(b"x" * 300_000, "/charge")).status == 503
    for c in held:
        c.send(b"x")
        assert c.answer().status == 200
        c.sock.close()


def test_reading_stops_while_the_answer_is_owed(start):
    """Back-pressure: a client that pipelines without end fills socket buffers, not our memory."""
    probe = start()
    before = probe.rss()
    with probe.client() as c:
        c.send(post(b"x", "/hold"))
        c.sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            while True:
                c.sock.send(post(b"y" * 50000))
        assert probe.rss() - before < (2 << 20) * MEMORY_SLACK
    probe.signal(signal.SIGTERM)
    probe.signal(signal.SIGHUP)
    until(lambda: probe.said("tls.reloaded"))  # the first signal was taken
    probe.signal(signal.SIGTERM)
    assert probe.process.wait(5) == 0
    assert len(until(lambda: probe.said("request.gone"))) == 1


def absorbed():
    """How much a connection takes while its receiver, with the least buffer, reads nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server, deaf(server.getsockname()[1]):
        sender = server.accept()[0]
        sender.setblocking(False)
        total = 0
        with sender:
            for _ in range(20):
                try:
                    total += sender.send(b"x" * 20000000)
                except BlockingIOError:
                    time.sleep(0.01)
        return total


def deaf(port):
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", port))
    return sock


def test_clients_that_do_not_take_their_answer(start):
    probe = start(body_ms=300)  # the time for an answer too, and a second for each 64 KiB that waits
    size = absorbed()
    socks = [deaf(probe.port) for _ in range(6)]
    for i, sock in enumerate(socks):
        sock.sendall(b"GET /big?%d HTTP/1.1\r\nHost: x\r\n\r\n" % (size + 10000 * i))
    until(lambda: probe.connections() == 6)
    until(lambda: probe.connections() <= 3, what="the end of those connections")
    for sock in socks:
        sock.close()
    assert probe.alive()


def test_reading_stops_while_answers_are_not_taken(start):
    probe = start()
    before = probe.rss()
    with probe.client() as c:
        c.sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            while True:
                c.sock.send(b"GET /big?100000 HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
        assert probe.rss() - before < (2 << 20) * MEMORY_SLACK
