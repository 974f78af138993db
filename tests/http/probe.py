"""Starts http_probe and speaks to it in raw bytes."""

import json
import os
import select
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from harness.wait import wait_exit

REPO = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("HOOKPACE_BUILD", REPO / "build"))
PROBE = BUILD / "tests" / "http_probe"


SANITIZED = b"__asan_init" in PROBE.read_bytes() if PROBE.exists() else False
MEMORY_SLACK = 8 if SANITIZED else 1  # freed memory is kept in quarantine there


def until(condition, seconds=10, what="the condition"):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"{what} did not come true in {seconds} s")


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def code(self):
        return json.loads(self.body)["code"]

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:200]!r}>"


class Client:
    """One connection; reads answers framed by Content-Length."""

    def __init__(self, port, wrap=None, timeout=10, host="127.0.0.1", source=None):
        """SOURCE: the address to come from; all of 127.0.0.0/8 is ours."""
        self.sock = socket.create_connection((host, port), timeout=timeout, source_address=source and (source, 0))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if wrap:
            self.sock = wrap(self.sock)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def _more(self):
        data = self.sock.recv(65536)
        self.buffer += data
        return bool(data)

    def answer(self, head=False):
        """The next answer, or None at the end of the connection."""
        while b"\r\n\r\n" not in self.buffer:
            if not self._more():
                assert self.buffer == b"", self.buffer
                return None
        top, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        lines = top.decode("latin-1").split("\r\n")
        version, status, _ = lines[0].split(" ", 2)
        assert version == "HTTP/1.1"
        headers = {}
        for line in lines[1:]:
            name, value = line.split(": ", 1)
            assert name.lower() not in headers, f"{name} twice"
            headers[name.lower()] = value
        length = 0 if head or status == "100" else int(headers["content-length"])
        while len(self.buffer) < length:
            assert self._more(), "cut off within an answer"
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return Answer(int(status), headers, body)

    def closed(self):
        """True if the server closes without another byte; False if it resets or says more."""
        try:
            return self.buffer == b"" and self.sock.recv(1) == b""
        except ConnectionResetError:
            return False

    def closed_now(self):
        """True if the server has closed or said something, without waiting for it."""
        return bool(select.select([self.sock], [], [], 0)[0])

    def is_read(self):
        """True once the server has taken all that was sent out of its socket."""
        local, peer = (name[1] for name in (self.sock.getsockname(), self.sock.getpeername()))
        for row in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = row.split()
            ends = [int(fields[i].split(":")[1], 16) for i in (1, 2)]
            if ends == [peer, local]:
                return int(fields[4].split(":")[1], 16) == 0
        return False

    def ask(self, data):
        self.send(data)
        return self.answer()


class Probe:
    def __init__(self, *prefix, **options):
        args = [f"{name}={value}" for name, value in options.items()]
        env = dict(os.environ, HOOKPACE_LOG="debug")
        self.process = subprocess.Popen(
            [*prefix, PROBE, *args], stderr=subprocess.PIPE, env=env, bufsize=0)
        self.lines = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        first = until(lambda: self.said("listening"), what="listening")
        self.port = int(first[0]["address"].rsplit(":", 1)[1])

    def _read(self):
        for line in self.process.stderr:
            try:
                self.lines.append(json.loads(line))
            except ValueError:  # a sanitizer's report
                print(line.decode(errors="replace"), end="")

    def said(self, msg):
        return [line for line in list(self.lines) if line["msg"] == msg]

    def client(self, **kw):
        return Client(self.port, **kw)

    def rss(self):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")

    def cpu(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def connections(self):
        """Open descriptors that are sockets."""
        count = 0
        for fd in os.listdir(f"/proc/{self.process.pid}/fd"):
            try:
                count += os.readlink(f"/proc/{self.process.pid}/fd/{fd}").startswith("socket:")
            except OSError:
                pass
        return count - 1  # less the listener

    def signal(self, number):
        self.process.send_signal(number)

    def alive(self):
        """Still serves."""
        with self.client() as c:
            return c.ask(GET).status == 200

    def stop(self):
        """Drains; the exit code."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        code = wait_exit(self.process)
        self.reader.join(5)
        return code


GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


def checksum(body):
    total = 0
    for byte in body:
        total = (total * 31 + byte) & 0xFFFFFFFF
    return f"{len(body)} {total:08x}\n".encode()


def post(body, path="/echo", headers=""):
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    return head.encode("latin-1") + body


def chunked(*parts, path="/echo", headers=""):
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\n{headers}Transfer-Encoding: chunked\r\n\r\n"
    body = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts)
    return head.encode("latin-1") + body + b"0\r\n\r\n"
