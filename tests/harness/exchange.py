"""A request as it arrived at a sink, and what is to be done with it."""

from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit


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
    peer_name: str = None   # common name of the client's certificate

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
        """The event's id: the delivery id without its destination, and without the account of a task."""
        return self.delivery.rsplit(":", 1)[0].split("/")[-1]

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
