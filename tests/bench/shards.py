"""What the lanes on the other shards of a cluster notice while one shard is away."""

import base64
import json
import subprocess
import tempfile
import time
from pathlib import Path

from bench import rig
from harness import config, http
from harness.programs import Dispatcher, Receiver
from harness.redis_cluster import RedisCluster
from harness.wait import wait_for

PARTITIONS = 12
RATE = 100      # events a second on each shard
SECONDS = 20    # of each phase
ROOT = {"Authorization": "Basic " + base64.b64encode(b"root:bench-password").decode()}


class _Bench:
    """A cluster of three masters with a replica each, both programs, a source and a destination for each shard."""

    def __init__(self, directory):
        self.directory = directory
        self.cluster = RedisCluster(directory / "nodes", replicas=1).start()
        self.sink = rig.Sink(directory / "sink.log")
        self.lanes = self._lanes()
        conf = config.base(self.cluster.url, redis={"partitions": PARTITIONS, "timeout_ms": 2000},
                           accounts={"root": {"password": "bench-password", "role": "admin"}})
        for lane in self.lanes:
            conf["sources"][lane] = config.source(lane, "serphouse", [rig.SECRET])
            conf["destinations"][lane] = config.destination(self.sink.url(f"/{lane}"), timeout_ms=10000)
        self.programs = [Receiver(conf, directory).start(), Dispatcher(conf, directory).start()]
        self.victims = self.cluster.nodes[0::self.cluster.masters]
        self.phases = {}

    def _lanes(self):
        """A lane on each shard."""
        keys, names = self.cluster.keys(partitions=PARTITIONS), [f"lane{n}" for n in range(100)]
        owners = {name: self.cluster.owner(keys.base(keys.partition(name))) for name in names}
        return [next(name for name in names if owners[name] is master) for master in self.cluster.nodes[:self.cluster.masters]]

    def _waiting(self):
        """Deliveries that have not ended."""
        totals = http.get(self.programs[0].admin, "/api/status", ROOT).json()["totals"]
        return sum(totals[state] for state in ("queued", "inflight", "retry"))

    def phase(self, name, blow=lambda: None):
        """Sends to all shards. Calls BLOW a second later, and counts the events of the others that were due from then on."""
        senders, logs = [], []
        for lane in self.lanes:
            logs.append(self.directory / f"{name}-{lane}.log")
            command = rig.loadgen_command(self.programs[0].ingest, path=f"/in/{lane}", rate=RATE, seconds=SECONDS + 1, connections=16,
                                          prefix=f"{name}-{lane}-", log=logs[-1])
            senders.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        time.sleep(1)
        since = time.time_ns()
        blow()
        summaries = [json.loads(sender.communicate(timeout=SECONDS + 60)[0]) for sender in senders]
        others = zip(summaries[1:], logs[1:])
        self.phases[name] = {"refused": 0, "due": {}}
        for summary, log in others:
            self.phases[name]["refused"] += summary["sent"] - summary["ok"]
            self.phases[name]["due"] |= {ident: at for ident, at in rig.moments_due(log).items() if at >= since}

    def each_victim(self, act):
        """Calls ACT with the master and the replica of the first shard."""
        for node in self.victims:
            act(node)

    def heal(self, act):
        self.each_victim(act)
        wait_for(lambda: all("warning" not in p.get("/readyz").json() for p in self.programs), 60, "the shard to be back")

    def figures(self):
        wait_for(lambda: not self._waiting(), 60, "the queue to be empty")
        arrived = {delivery.rsplit(":", 1)[0]: at for at, _, delivery, _ in self.sink.close()}
        found = {}
        for name, phase in self.phases.items():
            took = sorted((arrived[ident] - due) / 1e6 for ident, due in phase["due"].items() if ident in arrived)
            found |= {f"shards_{name}_p50_ms": rig.percentile(took, 0.5), f"shards_{name}_p99_ms": rig.percentile(took, 0.99),
                      f"shards_{name}_max_ms": took[-1], f"shards_{name}_refused": phase["refused"],
                      f"shards_{name}_missing": len(phase["due"]) - len(took)}
        for name in ("silent", "killed", "after"):
            found[f"shards_{name}_p99_ratio"] = found[f"shards_{name}_p99_ms"] / found["shards_before_p99_ms"]
        return found

    def close(self):
        for program in self.programs:
            program.close()
        if self.sink.process.poll() is None:
            self.sink.close()
        self.cluster.close()


def shards():
    """One shard of three is silent, then dead: the others refuse nothing, and their p99 is within 20 % of what it was."""
    with tempfile.TemporaryDirectory(prefix="hookpace-bench-") as directory:
        bench = _Bench(Path(directory))
        try:
            bench.phase("warm")
            del bench.phases["warm"]
            bench.phase("before")
            bench.phase("silent", lambda: bench.each_victim(lambda node: node.pause()))
            bench.heal(lambda node: node.resume())
            bench.phase("killed", lambda: bench.each_victim(lambda node: node.kill9()))
            bench.heal(lambda node: node.start())
            bench.phase("after")
            return bench.figures()
        finally:
            bench.close()
