"""Sentinels that are broken or lie: the others are asked, nothing grows, and nobody else's master counts."""

import contextlib
import itertools
import socketserver
import threading
import time

import pytest

from harness import config
from harness.programs import Receiver
from harness.redis_server import RedisServer
from harness.wait import wait_for

MASTER = "mymaster"
ROOM = 30.0
FLOOD = 128 * 1024 * 1024  # bytes of an answer


def bulk(value):
    value = value if isinstance(value, bytes) else str(value).encode()
    return b"$%d\r\n%s\r\n" % (len(value), value)


def array(*values):
    return b"*%d\r\n" % len(values) + b"".join(array(*v) if isinstance(v, (list, tuple)) else bulk(v) for v in values)


class Conn(socketserver.BaseRequestHandler):
    """One client of a FakeSentinel."""

    def setup(self):
        self.server.sentinel.connections += 1

    def words(self):
        """The commands of the client, as lists of bytes."""
        lines = self.request.makefile("rb")
        while head := lines.readline():
            yield [lines.read(int(lines.readline()[1:]) + 2)[:-2] for _ in range(int(head[1:]))]

    def handle(self):
        with contextlib.suppress(OSError, ValueError):
            for words in self.words():
                self.server.sentinel.answer(self.request, [words[0].upper(), *words[1:]])

    def finish(self):
        self.server.sentinel.listeners.discard(self.request)


class FakeSentinel:
    """Says that the master is at (HOST, PORT). OTHERS are the other sentinels that it names. `asked` counts the questions for the master."""

    def __init__(self, host, port, others=(), epoch=1):
        self.host, self.port, self.others, self.epoch = host, port, others, epoch
        self.listeners, self.connections, self.asked, self.sent = set(), 0, 0, 0
        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Conn)
        self.server.daemon_threads = True
        self.server.sentinel = self
        self.address = "127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def answer(self, sock, words):
        if words[0] == b"SUBSCRIBE":
            sock.sendall(b"".join(b"*3\r\n" + bulk("subscribe") + bulk(name) + b":%d\r\n" % (n + 1) for n, name in enumerate(words[1:])))
            self.listeners.add(sock)
        elif words[0] == b"SENTINEL":
            self.asked += words[1].upper() == b"GET-MASTER-ADDR-BY-NAME"
            self.tell(sock, words[1].upper())
        elif words[0] == b"PING":
            sock.sendall(array("pong", "") if sock in self.listeners else b"+PONG\r\n")
        else:
            sock.sendall(b"+OK\r\n")

    def tell(self, sock, what):
        """Answers SENTINEL WHAT."""
        if what == b"MASTER":
            sock.sendall(array("name", MASTER, "ip", self.host, "port", self.port, "flags", "master", "config-epoch", self.epoch))
        elif what == b"SENTINELS":
            sock.sendall(array(*[("ip", host, "port", port) for host, port in self.others]))
        else:
            sock.sendall(array(self.host, self.port))

    def publish(self, channel, message):
        for sock in list(self.listeners):
            with contextlib.suppress(OSError):
                sock.sendall(array("message", channel, message))

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Mute(FakeSentinel):
    def tell(self, sock, what):
        pass


class MuteFromTheStart(FakeSentinel):
    def answer(self, sock, words):
        pass


class Garbage(FakeSentinel):
    def tell(self, sock, what):
        sock.sendall(b"\xff\x00 HTTP/1.1 400\r\n\r\n" * 100)


class HugeLine(FakeSentinel):
    """A line that does not end."""
    begins = b"+"

    def tell(self, sock, what):
        sock.sendall(self.begins)
        piece = b"A" * 65536
        for sent in range(0, FLOOD, len(piece)):
            self.sent = max(self.sent, sent)
            sock.sendall(piece)


class HugeText(HugeLine):
    begins = b"$400000000\r\n"


class Deep(FakeSentinel):
    def tell(self, sock, what):
        sock.sendall(b"*1\r\n" * 10000)


class OddHosts(FakeSentinel):
    """The master and the other sentinels have names that nobody can resolve or print."""

    def tell(self, sock, what):
        odd = (b"a\x00b\r\n\"\xff\x1b[31m", b"x" * 5000, b"", b"[::", b"%s%n", "ä" * 200)
        if what == b"SENTINELS":
            sock.sendall(array(*[("ip", host, "port", port) for host in odd for port in (1, 99999, -1, "x")]))
        elif what == b"MASTER":
            sock.sendall(array("ip", odd[0], "port", 99999, "flags", b"\x00,,,", "config-epoch", "many"))
        else:
            sock.sendall(array(odd[self.asked % len(odd)], 1 + self.asked))


class WrongPassword(FakeSentinel):
    def answer(self, sock, words):
        sock.sendall(b"-WRONGPASS invalid username-password pair or user is disabled.\r\n")


@pytest.fixture
def place(tmp_path):
    made = []

    class Place:
        def __init__(self):
            self.redis = RedisServer(tmp_path / "redis")
            self.redis.start()
            made.append(self.redis.stop)

        def sentinel(self, kind=FakeSentinel, **options):
            one = kind("127.0.0.1", self.redis.port, **options)
            made.append(one.close)
            return one

        def receiver(self, *sentinels):
            url = "redis+sentinel://" + ",".join(s.address for s in sentinels) + f"/{MASTER}/0"
            self.program = Receiver(config.simple(url, "http://127.0.0.1:9/"), tmp_path)
            made.append(self.program.close if hasattr(self.program, "close") else self.program.stop)
            self.program.start()
            return self.program

        def is_accepted(self, ident):
            return self.program.post("/in/in", {"id": ident}).status == 200

    yield Place()
    for end in reversed(made):
        end()


@pytest.mark.parametrize("kind", [Mute, MuteFromTheStart, Garbage, HugeLine, HugeText, Deep, OddHosts, WrongPassword])
def test_one_of_three_is_broken(place, kind):
    """It is asked first, and again whenever it has its turn."""
    broken = place.sentinel(kind)
    receiver = place.receiver(broken, place.sentinel(), place.sentinel())
    wait_for(lambda: place.is_accepted("a"), ROOM, "an event to be accepted")
    for n in range(3):
        place.redis.client().execute_command("CLIENT", "KILL", "TYPE", "normal")
        wait_for(lambda n=n: place.is_accepted(f"b{n}"), ROOM, "an event to be accepted again")
    assert broken.sent < FLOOD / 4, "the receiver hangs up"


def test_the_news_of_another_master_and_a_flood_of_news(place):
    """One sentinel watches other masters too. Later it publishes the same again and again."""
    loud, quiet = place.sentinel(), place.sentinel()
    receiver = place.receiver(quiet, loud)
    wait_for(lambda: loud.listeners and quiet.listeners, ROOM, "both to be heard")
    wait_for(lambda: place.is_accepted("a"), ROOM, "an event to be accepted")
    for name in ("other", MASTER + "2", "", " " + MASTER, MASTER.upper()):
        loud.publish("+failover-state-select-slave", f"master {name} 127.0.0.1 {place.redis.port}")
        loud.publish("+switch-master", f"{name} 127.0.0.1 {place.redis.port} 127.0.0.1 1")
    for n in range(20):
        assert place.is_accepted(f"b{n}")
    assert not receiver.logged("redis.failover")
    connections, asked = loud.connections, loud.asked
    until = time.monotonic() + 3
    for n in itertools.count():
        loud.publish("+switch-master", f"{MASTER} 127.0.0.1 {n % 65536} 127.0.0.1 {place.redis.port}")
        if n % 100 == 0:
            assert place.is_accepted(f"c{n}")
        if time.monotonic() > until:
            break
    wait_for(lambda: loud.asked > asked, ROOM, "the sentinel to be asked")
    assert loud.connections - connections < 50, "it is asked over the connection that is there"
    wait_for(lambda: place.is_accepted("d"), ROOM, "an event to be accepted")
