"""Masters that die or move under load, one after the other, and what each of them cost."""

import time
from collections import Counter

from harness.downstream import Downstream
from harness.figures import Figures
from harness.oracle import gaps_ms
from harness.programs import Dispatcher, Receiver
from harness.sentinels import MASTER, Load, make
from harness.wait import wait_for

ROOM_S = 30.0
QUICK_MS = 50
PACED_MS = 1000    # the longest delay
PACED = [f"paced{n}" for n in range(10)]
CONCURRENCY = 8
JITTER_MS = 10.0   # between the last look at the clock and the arrival, on a machine with much to do
KINDS = ("kill", "command")


class Failovers:
    """A master with two replicas, three sentinels and both programs. Close it."""

    def __init__(self, directory, wait_replicas):
        self.wait_replicas = wait_replicas
        self.sink = Downstream()
        self.group = make(directory / "group", replicas=2, extra=["--appendfsync", "everysec"])
        self.load = None
        lanes = ["in", *PACED]
        delay = {"in": QUICK_MS}
        conf = {"redis": {"url": self.group.url(), "timeout_ms": 1000, "wait_replicas": wait_replicas},
                "receiver": {"listen": "127.0.0.1:0"}, "admin": {"listen": "127.0.0.1:0"}, "dispatcher": {"listen": "127.0.0.1:0"},
                "sources": {lane: {"verify": {"scheme": "none"}, "to": [lane], "id": ["/id"]} for lane in lanes},
                "destinations": {lane: {"postback_url": self.sink.url(f"/{lane}?id=$id"), "delay_ms": delay.get(lane, PACED_MS),
                                        "concurrency": CONCURRENCY} for lane in lanes}}
        self.receiver = Receiver(conf, directory)
        self.dispatcher = Dispatcher(conf, directory)
        self.judged = set()    # deliveries of faults before

    def start(self):
        self.group.start()
        self.receiver.start()
        self.dispatcher.start()
        self.load = Load(self.receiver, sources=["in", "in", *PACED[:2], *PACED], pause=0.01)
        return self

    def run(self, kind) -> Figures:
        """One failover of KIND under load, until all is as it was before."""
        load, old = self.load, self.group.master
        before = set(load.acknowledged)
        sent = sum(load.statuses.values())
        wait_for(lambda: len(load.acknowledged) > len(before) + 60, ROOM_S, "some load")
        mark = len(self.receiver.lines)
        began = time.monotonic()
        if kind == "kill":
            old.kill9()
        else:
            self.group.sentinels[0].ask("FAILOVER", MASTER)
        self.receiver.wait_log("redis.master", ROOM_S, since=mark)
        moved = time.monotonic()
        wait_for(lambda: load.last_accepted > max(moved, load.last_refused) + 0.3, ROOM_S, "events on the new master")
        recovered = load.first_accepted_after(max(began, load.last_refused))
        if kind == "kill":
            old.start()
        wait_for(lambda: old.role == "slave", 3 * ROOM_S, "the old master is a replica")
        wait_for(self.group.is_complete, ROOM_S, "a group in which all know each other", every=0.05)
        acknowledged = set(load.acknowledged) - before
        keys = self.group.master.keys()
        lost = [ident for ident in acknowledged if not keys.has_event(ident)]
        return Figures(f"{kind}, wait_replicas {self.wait_replicas}", sent=sum(load.statuses.values()) - sent,
                       acknowledged=len(acknowledged), lost=len(lost), recovery_s=recovered - began,
                       duplicates=self._repeats(), shortest_gap_ms=self._shortest_gap())

    def _repeats(self):
        """Deliveries that arrived again since the last failover."""
        arrivals = Counter(r.delivery for r in self.sink.all())
        new = {delivery for delivery, times in arrivals.items() if times > 1} - self.judged
        self.judged |= new
        return len(new)

    def _shortest_gap(self):
        """Of all lanes, less each one's delay."""
        shortest = None
        requests = self.sink.all()
        for lane in ("in", *PACED):
            gaps = gaps_ms([r for r in requests if r.path.split("?")[0] == f"/{lane}"])
            if gaps:
                least = min(gaps) - (QUICK_MS if lane == "in" else PACED_MS)
                shortest = least if shortest is None else min(shortest, least)
        return shortest

    def close(self):
        if self.load:
            self.load.stop()
        for thing in (self.dispatcher, self.receiver):
            thing.close()
        self.sink.close()
        self.group.stop()
