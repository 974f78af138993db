"""Many connections that mean harm, driven by one thread, from addresses of their own."""

import contextlib
import json
import re
import resource
import select
import socket
import subprocess
import threading
import time

from farm import SECRET

from harness import paths

AGAIN_AT_ONCE = 20  # opened anew every 20 ms: the tests share two cores with what they attack
NOISE_MS = {"p50_ms": 0.5, "p99_ms": 2.0}  # below these they say more about the machine than about the receiver


def raise_files(count=12000):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, count)), hard))


class Crowd:
    """COUNT connections to ADDRESS from SOURCE. Each is opened again when the receiver ends it, if AGAIN.

    OPEN(n) answers the bytes to send at once, MORE(n) those to send every EVERY seconds after that.
    READS: what the receiver says is read, else it is left in the socket.
    WINDOW: a receive buffer of so many bytes, and segments as over Ethernet. Loopback's larger ones would give the receiver
    socket buffers of megabytes.
    """

    def __init__(self, address, count, first, more=None, every=0.2, again=True, reads=True, source="127.0.0.66", window=None):
        self.address = (address.rsplit(":", 1)[0], int(address.rsplit(":", 1)[1]))
        self.count, self.first, self.more, self.every = count, first, more, every
        self.again, self.reads, self.source = again, reads, source
        self.window = window
        self.open = {}
        self.pending = {}
        self.opened = 0
        self.error = None  # the last one of connecting
        self.heard = {}  # status -> how often
        self.stopping = threading.Event()
        self.full = threading.Event()  # COUNT are there, and what they send at once is with the kernel
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        raise_files()
        self.poll = select.epoll()
        self.thread.start()
        assert self.full.wait(10), f"{len(self.open)} of {self.count} connections: {self.error}"
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join(20)
        for sock in self.open.values():
            sock.close()
        self.poll.close()

    def _connect(self):
        sock = socket.socket()
        sock.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        if self.window:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.window)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1448)
        sock.bind((self.source, 0))
        sock.settimeout(5)
        sock.connect(self.address)
        sock.setblocking(False)
        self.poll.register(sock, select.EPOLLIN if self.reads else 0)
        self.open[sock.fileno()] = sock
        self._send(sock.fileno(), self.first(self.opened))
        self.opened += 1

    def _send(self, fd, data):
        data = self.pending.pop(fd, b"") + data
        try:
            left = data[self.open[fd].send(data):] if data else b""
        except BlockingIOError:
            left = data
        if left:
            self.pending[fd] = left
        self.poll.modify(fd, (select.EPOLLIN if self.reads else 0) | (select.EPOLLOUT if left else 0))

    def _end(self, fd):
        self.poll.unregister(fd)
        self.pending.pop(fd, None)
        self.open.pop(fd).close()

    def _hear(self, fd):
        data = self.open[fd].recv(65536)
        for status in re.findall(rb"HTTP/1\.1 (\d\d\d) ", data):
            self.heard[int(status)] = self.heard.get(int(status), 0) + 1
        return data

    def _events(self, until):
        while (left := until - time.monotonic()) > 0:
            for fd, event in self.poll.poll(left):
                try:
                    self._event(fd, event)
                except OSError:
                    self._end(fd)

    def _event(self, fd, event):
        if event & select.EPOLLIN and not self._hear(fd):
            self._end(fd)
        elif event & select.EPOLLOUT:
            self._send(fd, b"")
        elif event & (select.EPOLLHUP | select.EPOLLERR):
            self._end(fd)

    def _run(self):
        due = filled = 0.0
        while not self.stopping.is_set():
            at_once = AGAIN_AT_ONCE if self.full.is_set() else 200
            for _ in range(min(self.count - len(self.open), at_once)):
                if self.opened >= self.count and not self.again:
                    break
                try:
                    self._connect()
                except OSError as e:
                    self.error = e
            if self.opened >= self.count * 0.9:
                filled = filled or time.monotonic()
                if not self.pending or time.monotonic() > filled + 1:
                    self.full.set()
            self._events(time.monotonic() + 0.02)
            if self.more and time.monotonic() >= due:
                due = time.monotonic() + self.every
                for n, fd in enumerate(list(self.open)):
                    with contextlib.suppress(OSError):
                        self._send(fd, self.more(n))


class Healthy:
    """A sender that does nothing wrong, at a steady rate: a program of its own, so that Python's work is not measured."""

    def __init__(self, address, seconds, rate=300, connections=4, prefix="h"):
        command = [paths.tool("loadgen"), "--connect", address, "--path", "/in/serphouse", "--secret", SECRET, "--rate", rate,
                   "--seconds", seconds, "--connections", connections, "--prefix", prefix]
        self.process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, text=True)

    def result(self):
        out, _ = self.process.communicate(timeout=60)
        return json.loads(out.replace("-nan", "0").replace("nan", "0"))  # nobody was answered
