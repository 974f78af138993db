"""A small HTTP client over sockets: keep-alive exchanges, raw bytes, and a sender of many requests."""

import hashlib
import json
import socket
import ssl
import threading
import time


class Response:
    """What came back: status, headers as (name, value) pairs, body bytes."""

    def __init__(self, status, reason, headers, body):
        self.status = status
        self.reason = reason
        self.headers = headers
        self.body = body

    def header(self, name):
        """The first value of header NAME (any case), or None."""
        name = name.lower()
        return next((v for n, v in self.headers if n.lower() == name), None)

    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """The error code of Hookpace's error answers, or None."""
        try:
            return self.json().get("code")
        except (ValueError, AttributeError):
            return None

    def __repr__(self):
        return f"<{self.status} {self.body[:200]!r}>"


class Reader:
    """Reads responses off a connected socket."""

    def __init__(self, sock):
        self.sock = sock
        self.buffer = bytearray()

    def _more(self):
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionError("the peer closed the connection")
        self.buffer += data

    def _line(self):
        while (end := self.buffer.find(b"\r\n")) < 0:
            self._more()
        line = bytes(self.buffer[:end])
        del self.buffer[:end + 2]
        return line

    def ended(self) -> bool:
        """Waits until the peer says more (false) or closes the connection (true)."""
        try:
            return not self.buffer and not self.sock.recv(1)
        except ConnectionResetError:
            return True

    def _exactly(self, count):
        while len(self.buffer) < count:
            self._more()
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def response(self, head=False) -> Response:
        """The next response (interim ones are skipped). HEAD: it has no body whatever it says."""
        while True:
            version, status, *reason = self._line().decode("latin-1").split(" ", 2)
            assert version.startswith("HTTP/1."), f"not a status line: {version!r}"
            headers = []
            while line := self._line():
                name, _, value = line.decode("latin-1").partition(":")
                headers.append((name, value.strip()))
            if int(status) >= 200:
                break
        lower = {n.lower(): v for n, v in headers}
        if head or status in ("204", "304"):
            body = b""
        elif lower.get("transfer-encoding", "").lower() == "chunked":
            body = b""
            while size := int(self._line().split(b";")[0], 16):
                body += self._exactly(size)
                self._line()
            while self._line():
                pass
        elif "content-length" in lower:
            body = self._exactly(int(lower["content-length"]))
        else:
            body = bytes(self.buffer)
            while data := self.sock.recv(65536):
                body += data
        return Response(int(status), reason[0] if reason else "", headers, body)


def render(method, target, headers, body=b"", host="test") -> bytes:
    """The bytes of a request. HEADERS is a dict or a list of pairs."""
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers or ())
    names = {n.lower() for n, _ in pairs}
    if "host" not in names:
        pairs.insert(0, ("Host", host))
    if "content-length" not in names and "transfer-encoding" not in names and (body or method in ("POST", "PUT")):
        pairs.append(("Content-Length", str(len(body))))
    head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in pairs) + "\r\n"
    return head.encode("latin-1") + body


class Client:
    """Keep-alive exchanges with ADDRESS ("host:port"); connects again after a failure. Not thread-safe."""

    def __init__(self, address, timeout=10.0, tls: ssl.SSLContext = None):
        host, port = address.rsplit(":", 1)
        self.name = address
        self.address = (host.strip("[]"), int(port))
        self.timeout = timeout
        self.tls = tls
        self.sock = None
        self.reader = None

    def connect(self):
        self.close()
        self.sock = socket.create_connection(self.address, self.timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls:
            self.sock = self.tls.wrap_socket(self.sock, server_hostname=self.address[0])
        self.reader = Reader(self.sock)

    def close(self):
        if self.sock:
            self.sock.close()
        self.sock = self.reader = None

    def send(self, data: bytes):
        """Writes raw bytes, connecting first if need be."""
        if self.sock is None:
            self.connect()
        self.sock.sendall(data)

    def read(self, head=False) -> Response:
        return self.reader.response(head)

    def request(self, method, target, headers=None, body=b"") -> Response:
        """One exchange. A kept-alive connection that turns out dead before any answer is NOT tried again."""
        data = render(method, target, headers or {}, body, "%s:%d" % self.address)
        try:
            self.send(data)
            answer = self.read(method == "HEAD")
        except BaseException:
            self.close()
            raise
        if (answer.header("connection") or "").lower() == "close":
            self.close()
        return answer

    def get(self, target, headers=None) -> Response:
        return self.request("GET", target, headers)

    def post(self, target, body, headers=None) -> Response:
        """POST of bytes, text, or anything else as JSON."""
        pairs = dict(headers or {})
        if not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        if not any(n.lower() == "content-type" for n in pairs):
            pairs["Content-Type"] = "application/json"
        return self.request("POST", target, pairs, body)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def get(address, target, headers=None, timeout=10.0) -> Response:
    """One GET on a connection of its own."""
    with Client(address, timeout) as c:
        return c.get(target, headers)


def post(address, target, body, headers=None, timeout=10.0) -> Response:
    """One POST on a connection of its own."""
    with Client(address, timeout) as c:
        return c.post(target, body, headers)


def raw(address, data: bytes, timeout=5.0) -> bytes:
    """Sends DATA as it is, and returns all bytes until the peer closes or TIMEOUT passes without any."""
    host, port = address.rsplit(":", 1)
    received = b""
    with socket.create_connection((host, int(port)), timeout) as s:
        try:
            s.sendall(data)
            while piece := s.recv(65536):
                received += piece
        except (socket.timeout, ConnectionError):
            pass
    return received


class Sender:
    """Many requests over THREADS kept-alive connections; remembers what was acknowledged.

    MAKE(n) answers (id, target, headers, body) of request n = 0, 1, ... It runs until COUNT requests have
    been made or stop() is called. A failed connection or a 503 is tried again with the same id if RETRY,
    as providers do. ADDRESS may be a function, for a receiver that moves.
    """

    def __init__(self, address, make, threads=4, count=None, retry=False, pause=0.0, timeout=10.0):
        self.address = address
        self.make = make
        self.count = count
        self.retry = retry
        self.pause = pause
        self.timeout = timeout
        self.log = []           # (id, time.monotonic() of its end, status) of every exchange
        self.bodies = {}        # id -> SHA-256 of the body, of everything that was tried
        self.acknowledged = {}  # id -> time.monotonic() of the 200
        self.statuses = {}      # status (0: no answer) -> how often
        self.slowest = 0.0      # seconds of the slowest exchange
        self.next = 0
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]

    def start(self):
        for t in self.threads:
            t.start()
        return self

    def join(self, timeout=60.0):
        deadline = time.monotonic() + timeout
        for t in self.threads:
            t.join(max(0.0, deadline - time.monotonic()))
            assert not t.is_alive(), f"senders are not done after {timeout} s: {self.statuses}"
        return self

    def stop(self, timeout=30.0):
        self.stopping.set()
        return self.join(timeout)

    def ids(self):
        with self.lock:
            return set(self.acknowledged)

    def times(self) -> dict:
        """Id -> time.monotonic() of the 200, for what was acknowledged so far."""
        with self.lock:
            return dict(self.acknowledged)

    def _take(self):
        with self.lock:
            if self.stopping.is_set() or (self.count is not None and self.next >= self.count):
                return None
            self.next += 1
            return self.next - 1

    def _run(self):
        client = None
        while (n := self._take()) is not None:
            ident, target, headers, body = self.make(n)
            with self.lock:
                self.bodies[ident] = hashlib.sha256(body).digest()
            while True:
                address = self.address() if callable(self.address) else self.address
                if client is None or client.name != address:
                    client = Client(address, self.timeout)
                status = self._once(client, ident, target, headers, body)
                if status == 200 or not self.retry or self.stopping.is_set():
                    break
                time.sleep(0.05)
            if self.pause:
                time.sleep(self.pause)
        if client:
            client.close()

    def _once(self, client, ident, target, headers, body):
        started = time.monotonic()
        try:
            status = client.post(target, body, headers).status
        except (OSError, ConnectionError, ValueError):
            status = 0
        ended = time.monotonic()
        with self.lock:
            self.statuses[status] = self.statuses.get(status, 0) + 1
            self.slowest = max(self.slowest, ended - started)
            self.log.append((ident, ended, status))
            if status == 200:
                self.acknowledged[ident] = ended
        if status == 0:
            time.sleep(0.02)
        return status


def numbered(path="/in/in", prefix="e", size=0):
    """A MAKE for Sender: JSON bodies with the ids <prefix>0, <prefix>1, ..., padded by SIZE bytes."""
    def make(n):
        ident = f"{prefix}{n}"
        return ident, path, {}, json.dumps({"id": ident, "tag": "t", "pad": "x" * size}).encode()
    return make
