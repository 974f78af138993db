"""A shard more, and one less, while events come in: redis-cli moves the slots, and the partitions that move are held, as docs/guides/scaling.md says."""

import subprocess

import pytest
from sender import ROOT, Sender

from harness import http, oracle
from harness.redis_cluster import RedisCluster
from harness.wait import wait_for

DELAY_MS = 100


class Growing(RedisCluster):
    """Three masters, and servers that come and go."""

    def add(self):
        """Starts a server without slots that all others know."""
        first, new = self.nodes[0], self._node(self.nodes[0].directory.parent / f"node{len(self.nodes)}", "everysec", None)
        self._start(new)
        self.nodes.append(new)
        self.ask(first, "CLUSTER", "MEET", "127.0.0.1", new.port, new.extra[5])
        wait_for(lambda: all(self._masters(node) == len(self.nodes) for node in self.nodes), 20, "all servers to know the new one")
        wait_for(lambda: self.facts(new)["cluster_state"] == "ok", 20, "the new one to be part of the cluster")

    def _masters(self, node) -> int:
        """The masters that NODE is connected with, itself among them."""
        lines = self._tool(node, "cluster", "nodes").splitlines()
        return sum("master" in words[2] and words[7] == "connected" for words in map(str.split, lines))

    @staticmethod
    def _tool(node, *words) -> str:
        done = subprocess.run(["redis-cli", "-p", str(node.port), *words], capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done
        return done.stdout

    def rebalance(self, *options) -> int:
        """Moves slots with redis-cli's own tool. Returns the number of moves, each from one server to one other."""
        return self._tool(self.nodes[0], "--cluster", "rebalance", f"127.0.0.1:{self.nodes[0].port}", *options).count("Moving")

    def forget(self, node):
        """Takes NODE, which has no slots, out of the cluster. It goes on running, alone."""
        self._tool(node, "--cluster", "del-node", f"127.0.0.1:{self.nodes[0].port}", self.name_of(node))


@pytest.fixture
def cluster(tmp_path):
    """Of the test alone: its servers come and go."""
    made = Growing(tmp_path / "nodes")
    try:
        yield made.start()
    finally:
        made.close()


class Load:
    """Both programs, and three senders over all partitions of SPREAD. Close it."""

    def __init__(self, spread):
        for destination in spread.conf["destinations"].values():
            destination |= {"delay_ms": DELAY_MS, "timeout_ms": 60000}   # leases outlast the move
        self.spread, self.receiver = spread, spread.receiver(spread.conf)
        for _ in range(2):
            spread.dispatcher(spread.conf)
        self.senders = [Sender(self.receiver.ingest, spread.names[n::3], f"s{n}-") for n in range(3)]
        spread.sink.wait_count(2 * len(spread.names))

    def status(self):
        return http.get(self.receiver.admin, "/api/status", ROOT).json()

    def by_shard(self):
        """The number of partitions of each shard."""
        return [len(s["partitions"]) for s in self.status()["redis"]["shards"]]

    def held(self, partitions, move):
        """Calls MOVE while PARTITIONS are held."""
        for verb in ("hold", "release"):
            for partition in partitions:
                assert http.post(self.receiver.admin, f"/api/partitions/{partition}/{verb}", b"", ROOT).status == 200
            if verb == "hold":
                move()

    def wait_spread(self, shards):
        """Waits until all partitions are spread over so many SHARDS, and then for events on all of them."""
        expected = [len(self.spread.names) // shards] * shards
        wait_for(lambda: self.by_shard() == expected, 20, lambda: f"the partitions to be {expected}, not {self.by_shard()}")
        marks = [len(sender.sent) for sender in self.senders]
        wait_for(lambda: all(len(s.sent) > mark + len(self.spread.names) for s, mark in zip(self.senders, marks)), 20, "events on all partitions")

    def judge(self):
        sent = self.close()
        self.spread.sink.wait_events(sent, 60)
        wait_for(lambda: not any(self.status()["totals"][k] for k in ("queued", "inflight", "retry")), 20, "nothing to wait any more")
        requests = self.spread.sink.all()
        assert sorted(r.event for r in requests) == sorted(sent), "each one once"
        for of_lane in oracle.by_lane(requests).values():
            oracle.assert_paced(of_lane, DELAY_MS)

    def close(self):
        return [ident for sender in self.senders for ident in sender.stop()]


@pytest.fixture
def load(spread):
    made = Load(spread)
    yield made
    made.close()


def test_a_shard_more_loses_nothing(load, cluster):
    cluster.add()
    load.held((2, 6, 10), lambda: cluster.rebalance("--cluster-use-empty-masters"))
    load.wait_spread(4)
    load.judge()


def test_a_shard_less_loses_nothing(cluster, spread_on):
    """It has partition 0, and the URL begins with it. It goes on running when the cluster has forgotten it."""
    spread = spread_on(cluster)
    leaving = cluster.owner(spread.base(0))
    stays = next(node for node in cluster.nodes if node is not leaving)
    spread.conf["redis"]["url"] = f"redis+cluster://127.0.0.1:{leaving.port},127.0.0.1:{stays.port}"
    load = Load(spread)
    try:
        load.held((0, 1, 10, 11), lambda: cluster.rebalance("--cluster-weight", f"{cluster.name_of(leaving)}=0"))
        load.wait_spread(2)
        cluster.forget(leaving)
        spread.dispatcher(spread.conf)  # it finds the cluster by the second address
        load.wait_spread(2)
        load.judge()
    finally:
        load.close()
