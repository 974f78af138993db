"""A recording HTTP(S) sink with scripted behaviour: what the dispatcher sends to.

A thread per connection. Arrival is the kernel's time of the packet that carried the request's first bytes
(SO_TIMESTAMPNS), so a busy test machine does not blur the gaps; over TLS too.
"""

import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

SO_TIMESTAMPNS = 35


@dataclass
class Request:
    """One request as it arrived."""

    at_ns: int          # CLOCK_REALTIME of its first bytes
    method: str
    target: str
    headers: list       # (name, value) as sent
    body: bytes
    connection: int     # number of the connection it came on, from 1
    answered: bool = True
    answer: object = None   # what was decided to do with it

    def header(self, name):
        name = name.lower()
        return next((v for n, v in self.headers if n.lower() == name), None)

    def count(self, name):
        """How many lines of header NAME there are."""
        return sum(n.lower() == name.lower() for n, _ in self.headers)

    @property
    def path(self):
        return urlsplit(self.target).path

    @property
    def query(self):
        """Query parameters, the first value of each."""
        return {k: v[0] for k, v in parse_qs(urlsplit(self.target).query, keep_blank_values=True).items()}

    @property
    def delivery(self):
        """The delivery id."""
        return self.header("Hookpace-Delivery") or ""

    @property
    def event(self):
        """The event id: the delivery id without its destination."""
        return self.delivery.rsplit(":", 1)[0]

    @property
    def attempt(self):
        return int(self.header("Hookpace-Attempt") or 0)


@dataclass
class Answer:
    """What to do with a request.

    action: reply   STATUS, HEADERS and BODY after DELAY seconds (the default)
            close   read the request, close without a byte
            rst     the same with a reset
            cut     send the head and half of the body, then close; `cut_at` bytes of the whole if given
            trickle reply one byte every `every` seconds
            huge    a 200 whose body of `size` bytes is sent as fast as it is taken
            hang    never answer; hold the connection until the sink closes
            raw     send BODY as it is, then close
    die_on_reuse: after this reply the next request on the connection is read and the connection closed
    close: announce and do a close after the reply
    counts: whether the sender should take it as delivered, where that is not clear from the rest
    """

    status: int = 200
    body: bytes = b"ok"
    headers: dict = field(default_factory=dict)
    delay: float = 0.0
    action: str = "reply"
    close: bool = False
    die_on_reuse: bool = False
    cut_at: int = None
    every: float = 0.1
    size: int = 1 << 20
    counts: bool = None

    @property
    def delivers(self) -> bool:
        """The whole head of a 2xx is sent in time."""
        if self.counts is not None:
            return self.counts
        return 200 <= self.status < 300 and self.action in ("reply", "huge", "trickle")

    def render(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status} Status"]
        lines += [f"{n}: {v}" for n, v in self.headers.items()]
        if not any(n.lower() in ("content-length", "transfer-encoding") for n in self.headers) and self.status != 204:
            lines.append(f"Content-Length: {len(self.body)}")
        if self.close:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (b"" if self.status == 204 else self.body)


class Downstream:
    """The sink. Listens on a free port of loopback from construction until close().

    CERT, KEY: files for TLS. By default every request is answered 200; see on() for anything else.
    """

    def __init__(self, cert=None, key=None, host="127.0.0.1", port=0, context=None, handshake_delay=None):
        self.host = host
        self.handshake_delay = handshake_delay  # function: seconds before the TLS handshake is answered
        self.context = context
        if cert:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(cert, key)
        self.changed = threading.Condition()
        self.requests = []
        self.connections = 0
        self.handshake_failures = 0
        self.rules = []         # (match, [answers])
        self.default = Answer()
        self.open = set()
        self.listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # inherited by what is accepted: set there, it would come too late for a connection's first request
        self.listener.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.listener.bind((host, port))
        self.listener.listen(1024)
        self.port = self.listener.getsockname()[1]
        self.closing = False
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def url(self, path="/hook?id=$id&tag=$tag", host=None) -> str:
        host = host or (f"[{self.host}]" if ":" in self.host else self.host)
        return f"{'https' if self.context else 'http'}://{host}:{self.port}{path}"

    # -- the script ------------------------------------------------------------------------------------

    def on(self, match, *answers):
        """Requests that MATCH get ANSWERS in turn, the last one for ever. The newest rule wins.

        MATCH: a function of the Request, a path, or None for every request. An answer may be a status.
        """
        answers = [Answer(status=a) if isinstance(a, int) else a for a in answers]
        with self.changed:
            self.rules.insert(0, (match, answers))
        return self

    def clear_rules(self):
        with self.changed:
            self.rules.clear()

    def _answer(self, request) -> Answer:
        with self.changed:
            for match, answers in self.rules:
                if match is None or (match(request) if callable(match) else match == request.path):
                    return answers.pop(0) if len(answers) > 1 else answers[0]
        return self._unscripted(request)

    def _unscripted(self, request) -> Answer:
        return self.default

    # -- what arrived ----------------------------------------------------------------------------------

    def wait_count(self, count, timeout=10.0):
        """Waits until COUNT requests have arrived; returns all of them."""
        with self.changed:
            done = self.changed.wait_for(lambda: len(self.requests) >= count, timeout)
            assert done, f"{len(self.requests)} of {count} requests arrived in {timeout} s"
            return list(self.requests)

    def wait_events(self, ids, timeout=10.0):
        """Waits until each of the event ids IDS has arrived at least once."""
        missing = set(ids)
        seen = 0
        deadline = time.monotonic() + timeout
        with self.changed:
            while True:
                missing -= {r.event for r in self.requests[seen:]}
                seen = len(self.requests)
                if not missing:
                    return list(self.requests)
                left = deadline - time.monotonic()
                assert left > 0 and self.changed.wait(left), \
                    f"{len(missing)} of {len(ids)} events did not arrive in {timeout} s: {sorted(missing)[:5]}"

    def all(self):
        with self.changed:
            return list(self.requests)

    def of(self, event_id):
        """The requests of one event."""
        return [r for r in self.all() if r.event == event_id]

    def events(self):
        return {r.event for r in self.all()}

    def reset(self):
        with self.changed:
            self.requests.clear()

    # -- the server ------------------------------------------------------------------------------------

    def close(self):
        """Stops listening and closes every connection."""
        self.closing = True
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        with self.changed:
            connections = list(self.open)
        for sock in connections:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.thread.join(5)

    def _accept(self):
        while not self.closing:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with self.changed:
                self.connections += 1
                number = self.connections
                self.open.add(sock)
            threading.Thread(target=self._serve, args=(sock, number), daemon=True).start()

    def _serve(self, sock, number):
        bare = sock
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.context:
                try:
                    if self.handshake_delay:
                        time.sleep(self.handshake_delay())
                    sock = TlsSocket(sock, self.context)
                except (ssl.SSLError, OSError):
                    self.handshake_failures += 1
                    return
            Connection(self, sock, number).run()
        except (OSError, ValueError):
            pass
        finally:
            with self.changed:
                self.open.discard(bare)
            sock.close()

    def _record(self, request):
        with self.changed:
            self.requests.append(request)
            self.changed.notify_all()


class TlsSocket:
    """The server's side of TLS over SOCK, without hiding the kernel's packet times as ssl.SSLSocket does."""

    def __init__(self, sock, context):
        self.sock = sock
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.ancillary = []
        self._until_done(self.tls.do_handshake)

    def _until_done(self, action, *args):
        while True:
            try:
                return action(*args)
            except ssl.SSLWantReadError:
                self._flush()
                data, self.ancillary, _, _ = self.sock.recvmsg(262144, 64)
                if not data:
                    self.incoming.write_eof()
                self.incoming.write(data)
            finally:
                self._flush()

    def _flush(self):
        if data := self.outgoing.read():
            self.sock.sendall(data)

    def recvmsg(self, size, _=0):
        try:
            return self._until_done(self.tls.read, size), self.ancillary, 0, None
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return b"", [], 0, None

    def recv(self, size):
        return self.recvmsg(size)[0]

    def sendall(self, data):
        self._until_done(self.tls.write, data)

    def setsockopt(self, *args):
        self.sock.setsockopt(*args)

    def close(self):
        self.sock.close()


class Connection:
    """One connection of the sink."""

    def __init__(self, sink, sock, number):
        self.sink = sink
        self.sock = sock
        self.number = number
        self.buffer = bytearray()
        self.at_ns = 0      # arrival of the newest bytes

    def run(self):
        dying = False
        while True:
            request = self.read()
            if request is None:
                return
            request.answered = not dying
            if dying:
                self.sink._record(request)
                return
            request.answer = answer = self.sink._answer(request)
            self.sink._record(request)
            if not self.act(answer):
                return
            dying = answer.die_on_reuse

    def _more(self, most=262144):
        data, ancillary, _, _ = self.sock.recvmsg(most, 64)
        self.at_ns = time.time_ns()
        for level, kind, value in ancillary:
            if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                seconds, nanoseconds = struct.unpack("qq", value[:16])
                self.at_ns = seconds * 1_000_000_000 + nanoseconds
        self.buffer += data
        return bool(data)

    def read(self):
        """The next request, or None at the end of the connection."""
        # a stamp is that of the last packet read: only the first one's is wanted
        if not self.buffer and not self._more(16):
            return None
        at_ns = self.at_ns
        while (end := self.buffer.find(b"\r\n\r\n")) < 0:
            if not self._more():
                return None
        lines = bytes(self.buffer[:end]).decode("latin-1").split("\r\n")
        del self.buffer[:end + 4]
        method, target, _ = lines[0].split(" ", 2)
        headers = [(n, v.strip()) for n, _, v in (line.partition(":") for line in lines[1:])]
        lower = {n.lower(): v for n, v in headers}
        if lower.get("expect", "").lower() == "100-continue":
            self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if lower.get("transfer-encoding", "").lower() == "chunked":
            body = self._chunks()
        else:
            body = self._exactly(int(lower.get("content-length", 0)))
        return Request(at_ns, method, target, headers, body, self.number)

    def _exactly(self, count):
        while len(self.buffer) < count:
            if not self._more():
                raise ConnectionError
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def _chunks(self):
        body = b""
        while True:
            while (end := self.buffer.find(b"\r\n")) < 0:
                if not self._more():
                    raise ConnectionError
            size = int(self.buffer[:end], 16)
            del self.buffer[:end + 2]
            body += self._exactly(size)
            self._exactly(2)
            if size == 0:
                return body

    def act(self, answer) -> bool:
        """Does what ANSWER says; False when the connection is over."""
        if answer.delay:
            time.sleep(answer.delay)
        action = answer.action
        data = answer.render()
        if action == "reply":
            self.sock.sendall(data)
            return not answer.close
        if action == "trickle":
            for n in range(len(data)):
                self.sock.sendall(data[n:n + 1])
                time.sleep(answer.every)
            return True
        if action == "cut":
            at = len(data) - (len(answer.body) + 1) // 2 if answer.cut_at is None else answer.cut_at
            self.sock.sendall(data[:at])
        elif action == "huge":
            self._huge(answer)
        elif action == "hang":
            while not self.sink.closing and self.sock.recv(65536):
                pass
        elif action == "raw":
            self.sock.sendall(answer.body)
        elif action == "rst":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            assert action == "close", action
        return False

    def _huge(self, answer):
        self.sock.sendall(f"HTTP/1.1 {answer.status} Huge\r\nContent-Length: {answer.size}\r\n\r\n".encode())
        block = b"x" * 65536
        left = answer.size
        while left > 0:
            self.sock.sendall(block[:left])
            left -= len(block)
