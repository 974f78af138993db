"""A million deliveries of one day, as the script put stores them: the same script, with a clock that the caller sets."""

import sys
import time

from harness import paths

sys.path.append(str(paths.REPOSITORY / "tests" / "queue"))

from scripts import script_text  # noqa: E402

DAY_MS = 86_400_000
BASE = "hookpace:{0}:"
SOURCES, DESTINATIONS, CUSTOMERS = 20, 50, 1000
FEW = 150  # deliveries with a rare word: more than a page


def dated_put() -> str:
    """put.lua with the time of KEYS[2] (`<seconds>.<microseconds>`) instead of Redis' own."""
    text = script_text("put")
    for own, given in (("call('TIME')", "{string.match(KEYS[2], '^(%d+)%.(%d+)$')}"), ("'*', 'ids'", "now_text .. '-*', 'ids'")):
        assert text.count(own) == 1, f"put.lua has changed: {own}"
        text = text.replace(own, given)
    return text


class Spread:
    """EVENTS events with one delivery each, one a put call, over SPAN_MS until now; their bodies are small.

    Half of the events have a customer as their tag, the others a tag of their own. In the middle FEW events have a rare source, the next
    FEW a rare destination, and the next FEW a rare tag. The first of all these has the tag `once`.
    """

    def __init__(self, client, events, span_ms=DAY_MS):
        self.client, self.events, self.span_ms = client, events, span_ms
        self.now = int(time.time() * 1000)
        self.middle = events // 2

    def moment(self, n) -> int:
        return self.now - self.span_ms + 1000 + n * (self.span_ms - 1000) // self.events

    def words(self, n):
        """Source, destination and tag of event N."""
        place = n - self.middle
        rare = place // FEW if 0 <= place < 3 * FEW else -1
        source = "rare" if rare == 0 else f"src{n % SOURCES}"
        to = "rare" if rare == 1 else f"dest{n % DESTINATIONS}"
        tag = "rare" if rare == 2 else f"order-{n}" if n % 2 else f"customer-{n % CUSTOMERS}"
        return source, to, "once" if n == self.middle else tag

    def event(self, n):
        """Arguments of put.lua for event N."""
        source, to, tag = self.words(n)
        plan = f"webhook {source} * 1 0 0 2\n{to} postback {to} 0 own requeue *\n"
        return [f"e{n}", self.moment(n), f"hp1 {self.moment(n)} {n:016x} webhook {source} 2 -\nt {tag}\no {to}\n\n{{}}", plan]

    def fill(self, chunk=2000):
        put = self.client.script_load(dated_put())
        for first in range(0, self.events, chunk):
            pipe = self.client.pipeline(transaction=False)
            for n in range(first, min(first + chunk, self.events)):
                at = self.moment(n)
                clock = f"{at // 1000}.{at % 1000 * 1000}"
                pipe.execute_command("EVALSHA", put, 2, BASE + "lanes", clock, BASE, DAY_MS, DAY_MS, 1, *self.event(n))
            pipe.execute()

    def index_bytes(self) -> int:
        """What the keys of the index take in Redis."""
        names = [key for kind in ("tags", "words") for key in self.client.scan_iter(f"{BASE}{kind}:*", count=10_000)]
        pipe = self.client.pipeline(transaction=False)
        for name in names:
            pipe.memory_usage(name)
        return sum(pipe.execute())

    def deliver(self, left):
        """Of all deliveries but the LEFT numbers: state `done`, and out of the queues."""
        end = self.client.register_script("""
            for n = tonumber(ARGV[2]), tonumber(ARGV[3]) do
              local to = redis.call('GETRANGE', ARGV[1] .. 'event:e' .. n, 0, 255):match('\\no (%S+)')
              redis.call('HSET', ARGV[1] .. 'delivery:e' .. n .. ':' .. to, 'state', 'done', 'ended_at', ARGV[4])
            end""")
        for first in range(0, self.events, 10_000):
            end(args=[BASE, first, min(first + 10_000, self.events) - 1, self.now])
        self.client.delete(*self.client.keys(BASE + "queue:*"), *self.client.keys(BASE + "delays:*"), BASE + "lanes")
        for state, numbers in left.items():
            for n in numbers:
                self._leave(state, n)

    def _leave(self, state, n):
        to = self.words(n)[1]
        ident = f"e{n}:{to}"
        self.client.hset(f"{BASE}delivery:{ident}", mapping={"state": state})
        if state == "queued":
            self.client.rpush(f"{BASE}queue:{to}", ident)
            self.client.hincrby(f"{BASE}delays:{to}", "0", 1)
            self.client.zadd(BASE + "lanes", {to: self.now})
        elif state == "dead":
            self.client.lpush(f"{BASE}dead:{to}", ident)
            self.client.zadd(BASE + "deaths", {ident: self.moment(n)})
        elif state in ("retry", "inflight"):
            self.client.zadd(BASE + state, {ident: self.now + 3_600_000 + n})


