"""Masters that die or move under load, one after the other, and what each of them cost."""

import itertools
import time
from collections import Counter

import redis

from harness.downstream import Downstream
from harness.figures import Figures, least
from harness.oracle import gaps_ms
from harness.partitions import crc16
from harness.programs import Dispatcher, Receiver
from harness.redis_cluster import RedisCluster
from harness.sentinels import MASTER, Load, make
from harness.wait import wait_for

ROOM_S = 30.0
QUICK_MS = 50
PACED_MS = 1000    # the longest delay
PARTITIONS = 12    # of a cluster
# One for each of the first ten partitions, so that each shard of three has some.
PACED = [next(name for name in (f"paced{n}" for n in itertools.count()) if crc16(name.encode()) % PARTITIONS == partition)
         for partition in range(10)]
LANES = ["in", *PACED]
CONCURRENCY = 8
JITTER_MS = 10.0   # between the last look at the clock and the arrival, on a machine with much to do
SENDER_MS = 0.1    # between the clocks of two dispatchers: both read the machine's
KINDS = ("kill", "command", "stall", "cluster-kill", "cluster-command", "cluster-force", "cluster-takeover")


class Sentinels:
    """A master with two replicas, and three sentinels. SETTLED_S: for so long without a refusal the load is taken again."""

    partitions, settled_s = 1, 0.3

    def __init__(self, directory, down_after_ms):
        self.group = make(directory, replicas=2, extra=["--appendfsync", "everysec"],
                          options=[f"sentinel down-after-milliseconds {MASTER} {down_after_ms}"])
        self.old = None

    def start(self):
        self.group.start()

    def url(self):
        return self.group.url()

    def fail(self, kind):
        self.old = self.group.master
        if kind == "kill":
            self.old.kill9()
        elif kind == "command":
            self.group.sentinels[-1].ask("FAILOVER", MASTER)
        else:
            self._stall()

    def _stall(self):
        """The master stands still until a replica has been promoted, and goes on at once: the other replica still follows it."""
        self.old.pause()
        heirs = [m for m in self.group.members if m is not self.old]
        wait_for(lambda: any(m.role == "master" for m in heirs), ROOM_S, "a replica that was promoted", every=0.002)
        self.old.resume()

    def wait_moved(self, receiver, mark):
        receiver.wait_log("redis.master", ROOM_S, since=mark)

    def mend(self):
        """All is as it was before."""
        if not self.old.process:
            self.old.start()
        wait_for(lambda: self.old.role == "slave", 3 * ROOM_S, "the old master is a replica")
        wait_for(self.group.is_complete, ROOM_S, "a group in which all know each other", every=0.05)

    def moves(self):
        """How often the sentinels have moved the master: more often than masters died, if one was silent for too long."""
        log = self.group.sentinels[0].directory / "sentinel.log"
        return log.read_text(errors="replace").count("+switch-master")

    def lost(self, idents):
        keys = self.group.master.keys()
        return [ident for ident in idents if not keys.has_event(ident)]

    def close(self):
        self.group.stop()


class Cluster:
    """Three masters with two replicas each. Their masters die or move in turn. As Sentinels."""

    partitions, settled_s = PARTITIONS, 2.0    # a call that waits for a slot is refused after half of redis.timeout_ms

    def __init__(self, directory, _down_after_ms):
        self.cluster = RedisCluster(directory, replicas=2)
        self.turn = 0
        self.old, self.heirs = None, []

    def start(self):
        self.cluster.start()

    def url(self):
        return self.cluster.url

    def _role(self, node):
        try:
            return self.cluster.ask(node, "ROLE")[0]
        except redis.RedisError:
            return None

    def fail(self, kind):
        shard = self.cluster.nodes[self.turn % self.cluster.masters::self.cluster.masters]
        self.turn += 1
        self.old = next(n for n in shard if self._role(n) == "master")
        self.heirs = [n for n in shard if n is not self.old]
        if kind == "cluster-kill":
            self.old.kill9()
        else:
            how = kind.split("-")[1].upper()
            self.cluster.ask(self.heirs[0], "CLUSTER", "FAILOVER", *([how] if how != "COMMAND" else []))

    def wait_moved(self, _receiver, _mark):
        wait_for(lambda: any(self._role(n) == "master" for n in self.heirs), ROOM_S, "a replica to take over")

    def _is_whole(self):
        heir = next((n for n in self.heirs if self._role(n) == "master"), None)
        return heir and int(heir.client().info("replication")["connected_slaves"]) == len(self.heirs) and \
            all(n.client().info("replication").get("master_link_status", "up") == "up" for n in (self.old, *self.heirs))

    def mend(self):
        if not self.old.process:
            self.old.start()
        wait_for(lambda: self._role(self.old) == "slave", ROOM_S, "the old master is a replica")
        wait_for(self._is_whole, ROOM_S, "the new master to have two replicas", every=0.05)

    def moves(self):
        return self.turn

    def lost(self, idents):
        masters = [n for n in self.cluster.nodes if self._role(n) == "master"]
        stored = {key.split(":event:", 1)[1] for n in masters for key in n.client().scan_iter(match="*:event:*", count=5000)}
        return [ident for ident in idents if ident not in stored]

    def close(self):
        self.cluster.close()


class Failovers:
    """Redis with replicas, a receiver and two dispatchers. KIND is one of KINDS. Close it.

    DOWN_AFTER_MS: a master that is silent for so long is dead for the sentinels, even if it only got no processor.
    """

    def __init__(self, directory, wait_replicas, kind, pause=0.01, down_after_ms=700):
        self.kind, self.wait_replicas, self.pause = kind, wait_replicas, pause
        self.sink = Downstream()
        self.stage = (Cluster if kind.startswith("cluster-") else Sentinels)(directory / "redis", down_after_ms)
        self.directory = directory
        self.load = None
        self.programs = []
        self.judged = set()    # deliveries of faults before
        self.left = {}         # lane -> when its last request left, us

    def _conf(self):
        delay = {"in": QUICK_MS}
        return {"redis": {"url": self.stage.url(), "timeout_ms": 1000, "wait_replicas": self.wait_replicas,
                          "partitions": self.stage.partitions},
                "receiver": {"listen": "127.0.0.1:0"}, "admin": {"listen": "127.0.0.1:0"}, "dispatcher": {"listen": "127.0.0.1:0"},
                "sources": {lane: {"verify": {"scheme": "none"}, "to": [lane], "id": ["/id"]} for lane in LANES},
                "destinations": {lane: {"postback_url": self.sink.url(f"/{lane}?id=$id"), "delay_ms": delay.get(lane, PACED_MS),
                                        "concurrency": CONCURRENCY} for lane in LANES}}

    def start(self):
        self.stage.start()
        conf = self._conf()
        self.receiver = Receiver(conf, self.directory)
        self.dispatchers = [Dispatcher(conf, self.directory, name=f"dispatcher{n}", env={"HOOKPACE_LOG": "debug"}) for n in range(2)]
        self.programs = [*self.dispatchers, self.receiver]
        for program in reversed(self.programs):
            program.start()
        self.load = Load(self.receiver, sources=["in", "in", *PACED[:2], *PACED], pause=self.pause)
        return self

    def run(self) -> Figures:
        """One failover under load, until all is as it was before."""
        load, stage = self.load, self.stage
        before = set(load.acknowledged)
        sent = sum(load.statuses.values())
        wait_for(lambda: len(load.acknowledged) > len(before) + 60, ROOM_S, "some load")
        mark = len(self.receiver.lines)
        began = time.monotonic()
        stage.fail(self.kind)
        stage.wait_moved(self.receiver, mark)
        moved = time.monotonic()
        wait_for(lambda: load.last_accepted > max(moved, load.last_refused) + stage.settled_s, ROOM_S, "events on the new master")
        recovered = load.first_accepted_after(max(began, load.last_refused))
        stage.mend()
        acknowledged = set(load.acknowledged) - before
        return Figures(f"{self.kind}, wait_replicas {self.wait_replicas}", sent=sum(load.statuses.values()) - sent,
                       acknowledged=len(acknowledged), lost=len(stage.lost(acknowledged)), recovery_s=recovered - began,
                       duplicates=self._repeats(), note=f"moves so far: {stage.moves()}", shortest_gap_ms=self._shortest_gap(), sender_gap_ms=self._sender_gap())

    def _repeats(self):
        """Deliveries that arrived again since the last failover."""
        arrivals = Counter(r.delivery for r in self.sink.all())
        new = {delivery for delivery, times in arrivals.items() if times > 1} - self.judged
        self.judged |= new
        return len(new)

    def _shortest_gap(self):
        """Of all lanes, less each one's delay, where requests arrive."""
        requests = self.sink.all()
        gaps = {lane: gaps_ms([r for r in requests if r.path.split("?")[0] == f"/{lane}"]) for lane in LANES}
        return least(*(min(of) - (QUICK_MS if lane == "in" else PACED_MS) for lane, of in gaps.items() if of))

    def _sender_gap(self):
        """The same where requests leave, since the last failover: as the dispatchers log it."""
        shortest = None
        lines = []
        for dispatcher in self.dispatchers:
            lines += dispatcher.logged("request.left")
            with dispatcher.changed:
                dispatcher.lines.clear()
                dispatcher.text.clear()
        for line in sorted(lines, key=lambda line: line["us"]):
            if line["lane"] in self.left:
                shortest = least(shortest, (line["us"] - self.left[line["lane"]]) / 1000 - line["delay_ms"])
            self.left[line["lane"]] = line["us"]
        return shortest

    def close(self):
        if self.load:
            self.load.stop()
        for thing in self.programs:
            thing.close()
        self.sink.close()
        self.stage.close()
