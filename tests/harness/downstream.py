"""A recording HTTP(S) sink with scripted behaviour: what the dispatcher sends to. A thread per connection."""

import socket
import ssl
import threading
import time

from harness.exchange import Answer
from harness.sink_connection import SO_TIMESTAMPNS, Connection, TlsSocket


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
        self.gate = threading.Event()   # while it is clear, no answer leaves
        self.gate.set()
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
        self.gate.set()
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
