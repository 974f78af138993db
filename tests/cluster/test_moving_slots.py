"""The slot of a partition moves to another server under load, with a hold around it and without one."""

import base64
import os
import subprocess
from collections import Counter

import pytest

from harness import http, oracle, paths
from harness.exchange import Answer
from harness.outage import JITTER_MS
from harness.redis_cluster import RedisCluster, slot_of
from harness.redis_server import RedisServer, free_port
from harness.senders import Senders
from harness.wait import wait_for

DELAY_MS = 50
LOGIN = {"Authorization": "Basic " + base64.b64encode(b"root:root-password").decode()}
LEASES_MS = 60000  # longer than any move here: a lease that ends meanwhile may send again


@pytest.fixture
def cluster(tmp_path):
    """Of the test alone: its slots move."""
    made = RedisCluster(tmp_path / "cluster")
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture
def moving(spread):
    made = Moving(spread)
    yield made
    made.close()


@pytest.fixture
def confirmed(tmp_path, spread_on):
    """The same on masters with replicas. Events are acknowledged when a replica has them."""
    cluster = RedisCluster(tmp_path / "confirmed", replicas=1)
    try:
        spread = spread_on(cluster.start())
        spread.conf["redis"]["wait_replicas"] = 1
        made = Moving(spread)
        yield made
        made.close()
    finally:
        cluster.close()


class Moving:
    """A partition with work, whose slot moves from `source` to `target`; both programs, and senders for each partition."""

    def __init__(self, spread):
        self.spread, self.cluster = spread, spread.cluster
        spread.sink.default = Answer(delay=0.02)
        spread.conf["redis"]["timeout_ms"] = 3000
        for destination in spread.conf["destinations"].values():
            destination |= {"delay_ms": DELAY_MS, "concurrency": 4, "timeout_ms": LEASES_MS}
        self.receiver, self.dispatcher = spread.receiver(spread.conf), spread.dispatcher(spread.conf)
        self.partition = 4
        self.name = spread.names[self.partition]
        self.others = [n for n in spread.names if n != self.name]
        self.slot = slot_of(spread.base(self.partition))
        self.source = self.cluster.owner(spread.base(self.partition))
        self.target = next(node for node in self.cluster.nodes if node is not self.source)
        self.senders = Senders(self.receiver, spread.names)
        self.senders.wait_more(spread.names, 10)

    def _keys(self, node):
        return self.cluster.ask(node, "CLUSTER", "GETKEYSINSLOT", self.slot, 10000)

    def move_by_commands(self, meanwhile):
        """What redis-cli --cluster reshard does. MEANWHILE is called with half of the keys moved. No script may run then."""
        self.cluster.begin_move(self.slot, self.source, self.target)
        keys = self._keys(self.source)
        needed = [key for key in keys if key.endswith((":lanes", ":confirm"))]  # by scripts, and before each WAIT
        others = [key for key in keys if key not in needed]
        moved, left = needed + others[::2], others[1::2]
        self.cluster.move_keys(self.source, self.target, *moved)
        meanwhile()
        assert set(self._keys(self.source)) <= set(left) and set(self._keys(self.target)) <= set(moved), "a script has made keys"
        self.cluster.move_keys(self.source, self.target, *self._keys(self.source))
        self.cluster.end_move(self.slot, self.source, self.target)

    def move_by_tool(self):
        """All slots of the server from its first one to that of the partition, with redis-cli's own tool."""
        first = self.cluster.nodes.index(self.source) * 16384 // self.cluster.masters
        done = subprocess.run(["redis-cli", "--cluster", "reshard", f"127.0.0.1:{self.source.port}", "--cluster-yes",
                               "--cluster-from", self.cluster.name_of(self.source), "--cluster-to", self.cluster.name_of(self.target),
                               "--cluster-slots", str(self.slot - first + 1)], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr

    def command(self, *words):
        done = subprocess.run([paths.command(), *words], capture_output=True, text=True, timeout=30,
                              env={**os.environ, "HOOKPACE_URL": f"http://{self.receiver.admin}", "HOOKPACE_LOGIN": "root:root-password"})
        assert done.returncode == 0, done.stdout + done.stderr

    def judge(self):
        """Nothing is lost, nothing comes twice, no gap is short, and no other partition noticed."""
        self.senders.wait_more(self.spread.names, 10)
        self.senders.stop()
        lost = self.receiver.logged("redis.lost") + self.dispatcher.logged("redis.lost")
        assert not self.receiver.logged("redis.shards_uneven"), "the slots were on their way"
        assert not lost, f"a slot that moves costs no connection: {lost[:3]}"
        status = self.receiver.get("/api/status", headers=LOGIN).json()["redis"]
        assert self.partition in next(s["partitions"] for s in status["shards"] if s["address"] == f"127.0.0.1:{self.target.port}")
        refused = [a for name in self.others for a in self.senders.answers[name] if a.status != 200]
        assert not refused, f"other partitions were refused: {refused[:5]}"
        assert set(self.senders.statuses([self.name])) <= {200, 503}
        self.spread.sink.wait_events(self.senders.acknowledged(), 30)
        stored = self.cluster.keys(self.spread.prefix, len(self.spread.names))
        wait_for(lambda: not stored.inflight(), 30, "nothing to be in flight")
        requests = self.spread.sink.all()
        assert not {d: n for d, n in Counter(r.delivery for r in requests).items() if n > 1}
        for of_lane in oracle.by_lane(requests).values():
            oracle.assert_paced(of_lane, DELAY_MS, JITTER_MS)
        oracle.assert_each_in_one_place(stored, {r.delivery for r in requests})

    def close(self):
        self.senders.over.set()
        for thread in self.senders.threads:
            thread.join()


def test_with_a_hold(moving):
    """As docs/guides/failover.md says."""
    moving.command("partition", "hold", str(moving.partition))
    moving.senders.wait_refused([moving.name])
    moving.move_by_commands(meanwhile=lambda: moving.senders.wait_more(moving.others, 5))
    moving.command("partition", "release", str(moving.partition))
    moving.judge()


def test_without_a_hold(moving):
    """Calls wait while the slot is half moved, up to half of redis.timeout_ms; then they are refused."""
    def half_moved():
        moving.senders.wait_more(moving.others, 5)
        moving.senders.wait_refused([moving.name])
    moving.move_by_commands(half_moved)
    moving.judge()


def test_other_partitions_are_confirmed_meanwhile(confirmed):
    """The key that WAIT needs is one of a partition whose slot stays."""
    def half_moved():
        confirmed.senders.wait_refused([confirmed.name])
        confirmed.senders.wait_more(confirmed.others, 50)
    confirmed.move_by_commands(half_moved)
    confirmed.judge()


def test_with_the_tool_of_redis(moving):
    moving.move_by_tool()
    moving.judge()


def test_a_command_finds_what_has_moved(spread):
    """Which partitions are held stands in one key of partition 0. An operator changes that while the slot is half moved."""
    cluster, receiver = spread.cluster, spread.receiver(spread.conf)
    base = spread.base(0)
    slot, source = slot_of(base), cluster.owner(base)
    target = next(node for node in cluster.nodes if node is not source)

    def hold(partition, verb="hold"):
        answer = http.post(receiver.admin, f"/api/partitions/{partition}/{verb}", b"{}", LOGIN | {"Content-Type": "application/json"})
        assert answer.status == 200, answer

    def held():
        return receiver.get("/api/status", headers=LOGIN).json()["redis"]["held"]
    hold(5)
    wait_for(lambda: held() == [5], 10, "the first hold to be known")
    cluster.begin_move(slot, source, target)
    cluster.move_keys(source, target, base + "held")
    hold(6)
    wait_for(lambda: held() == [5, 6], 10, "both holds to be known")
    hold(5, "release")
    wait_for(lambda: held() == [6], 10, "the release to be known")
    cluster.move_keys(source, target, *cluster.ask(source, "CLUSTER", "GETKEYSINSLOT", slot, 1000))
    cluster.end_move(slot, source, target)
    hold(6, "release")
    wait_for(lambda: held() == [], 10, "no hold to be left")


def test_a_server_that_missed_the_move_is_not_believed(spread, tmp_path):
    """A copy of a server, which nobody of the cluster talks with: it says of the slots what was true when it was made."""
    cluster = spread.cluster
    old = stale_copy(cluster, cluster.nodes[2], tmp_path / "stale")
    try:
        slot = slot_of(spread.base(4))
        source = cluster.owner(spread.base(4))
        target = next(node for node in cluster.nodes if node is not source)
        cluster.begin_move(slot, source, target)
        cluster.end_move(slot, source, target)
        spread.conf["redis"]["url"] = f"redis+cluster://127.0.0.1:{target.port},127.0.0.1:{old.port}"
        receiver = spread.receiver(spread.conf)

        def doubts():
            """Lost connections: after each one another server is asked."""
            for node in cluster.nodes:
                cluster.ask(node, "CLIENT", "KILL", "TYPE", "normal")
            return any(f"{old.port} is stale" in line["reason"] for line in receiver.logged("redis.guide_unfit"))
        wait_for(doubts, 20, "the copy to be asked", every=0.2)
        wait_for(lambda: receiver.get("/readyz").json() == {"status": "ok"}, 10, "the connections to be back")
        for name in spread.names:
            wait_for(lambda: receiver.post(f"/in/{name}", {"id": f"s-{name}"}).status == 200, 10, "the last loss to be noticed and mended")
        shards = receiver.get("/api/status", headers=LOGIN).json()["redis"]["shards"]
        assert {s["address"] for s in shards} == {f"127.0.0.1:{n.port}" for n in cluster.nodes}
        assert old.client().dbsize() == 0
    finally:
        old.kill9()


def stale_copy(cluster, node, directory):
    """Starts a server that takes itself for NODE, and reaches no other."""
    copy = RedisServer(directory, extra=["--cluster-enabled", "yes", "--cluster-node-timeout", "1500", "--cluster-port", str(free_port()),
                                         "--cluster-require-full-coverage", "no"])
    facts = (node.directory / "nodes.conf").read_text()
    for other in cluster.nodes:
        facts = facts.replace(f"@{other.extra[5]}", f"@{free_port()}")
    (directory / "nodes.conf").write_text(facts)
    return copy.start()
