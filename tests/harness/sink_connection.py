"""One connection of a sink: reads requests and does what the script says.

Arrival is the kernel's time of the packet that carried the request's first bytes (SO_TIMESTAMPNS), so a busy test
machine does not blur the gaps; over TLS too.
"""

import socket
import ssl
import struct
import time

from harness.exchange import Request

SO_TIMESTAMPNS = 35


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
        return Request(at_ns, method, target, headers, body, self.number, peer_name=self._peer_name())

    def _peer_name(self):
        if not isinstance(self.sock, TlsSocket) or not (cert := self.sock.tls.getpeercert()):
            return None
        return dict(pair for part in cert["subject"] for pair in part).get("commonName")

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
        self.sink.gate.wait()
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
