"""deploy/compose-cluster.yml: three masters, three replicas, two receivers and four dispatchers; a master is killed."""

import contextlib
import itertools
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent))

from engine import BASE_IMAGE, REDIS_IMAGE, run  # noqa: E402
from harness import http, oracle  # noqa: E402
from harness.downstream import Downstream  # noqa: E402
from harness.partitions import crc16, tags  # noqa: E402
from harness.redis_cluster import slot_of  # noqa: E402
from harness.redis_server import free_port  # noqa: E402
from harness.wait import wait_for  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PARTITIONS = 12
DELAY_MS = 100
CONCURRENCY = 2
LANES = 6
EVENTS = 60
SERVERS = [f"redis-{n}" for n in range(1, 7)]
OVERRIDE = "services:\n" + "".join(f"  {s}:\n    extra_hosts: [\"downstream:host-gateway\"]\n" for s in ("receiver-1", "receiver-2", "dispatcher"))
JSON = {"content-type": "application/json"}


def free_network() -> str:
    """Three bytes of an IPv4 network that this machine has no route to."""
    routes = run("ip", "-4", "route")
    return next(n for n in (f"172.31.{k}" for k in range(os.getpid() % 200, 256)) if f"{n}." not in routes)


class Cluster:
    def __init__(self, engine, directory, sink):
        self.engine, self.directory = engine, directory
        self.ports = [free_port() for _ in range(4)]
        self.ingest = [f"127.0.0.1:{port}" for port in self.ports[:2]]
        self.admin = [f"127.0.0.1:{port}" for port in self.ports[2:]]
        directory.chmod(0o755)
        (directory / "override.yml").write_text(OVERRIDE)
        (directory / "own.env").touch()
        self.lanes = [f"lane{n}" for n in range(LANES)]
        (directory / "own.json").write_text(json.dumps({
            "sources": {lane: {"verify": {"scheme": "none"}, "id": ["/id"], "to": [lane]} for lane in self.lanes},
            "destinations": {lane: {"postback_url": f"http://downstream:{sink.port}/{lane}?id=$id", "delay_ms": DELAY_MS,
                                    "timeout_ms": 3000, "connect_timeout_ms": 1000, "concurrency": CONCURRENCY} for lane in self.lanes}}))
        self.env = {**engine.env, "HOOKPACE_REDIS_IMAGE": REDIS_IMAGE, "HOOKPACE_BASE_IMAGE": BASE_IMAGE,
                    "HOOKPACE_QUEUE_NET": free_network(), "HOOKPACE_CONFIG_DIR": str(directory), "HOOKPACE_CONFIG_FILE": "own.json",
                    "HOOKPACE_ENV_FILE": str(directory / "own.env"),
                    **dict(zip(("HOOKPACE_PORT", "HOOKPACE_PORT_2", "HOOKPACE_ADMIN_PORT", "HOOKPACE_ADMIN_PORT_2"), map(str, self.ports)))}
        self.next_receiver = itertools.cycle(self.ingest)

    def __call__(self, *args):
        return run("docker-compose", "-p", f"cluster{os.getpid()}", "--project-directory", ROOT, "-f", ROOT / "deploy/compose-cluster.yml",
                   "-f", self.directory / "override.yml", *args, cwd=ROOT, env=self.env)

    def healthy(self, services) -> bool:
        ids = self("ps", "-q", *services).split()
        return set(self.engine.docker("inspect", "-f", "{{.State.Health.Status}}", *ids).split()) == {"healthy"}

    def send(self, lane, ident) -> http.Response:
        """The answer of one of the receivers, in turn."""
        return http.post(next(self.next_receiver), f"/in/{lane}", json.dumps({"id": ident}).encode(), JSON)

    def send_until_accepted(self, lane, ident) -> http.Response:
        """A sender repeats what is refused while a shard has no master, or no replica that confirms. Returns the last answer."""
        answers = []
        wait_for(lambda: answers.append(self.send(lane, ident)) or answers[-1].status == 200, 60, f"{ident} to be accepted")
        return answers[-1]

    def master_of(self, lane) -> str:
        """The service that is the master of LANE's partition."""
        slot = slot_of(f"{{{tags(PARTITIONS)[crc16(lane.encode()) % PARTITIONS]}}}")
        nodes = self("exec", "-T", SERVERS[5], "redis-cli", "cluster", "nodes").splitlines()
        ranges = {words[1].split(":")[0]: words[8:] for words in map(str.split, nodes) if "master" in words[2]}
        address = next(a for a, held in ranges.items() for r in held if int(r.split("-")[0]) <= slot <= int(r.split("-")[-1]))
        return f"redis-{int(address.split('.')[3]) - 10}"


@pytest.fixture(scope="module")
def sink():
    with contextlib.closing(Downstream(host="0.0.0.0")) as made:
        yield made


@pytest.fixture(scope="module")
def cluster(engine, tmp_path_factory, sink):
    made = Cluster(engine, tmp_path_factory.mktemp("cluster"), sink)
    try:
        made("build")
        yield made
    finally:
        made("down", "-v", "--remove-orphans")
        left = engine.docker("ps", "-aq").split() + engine.docker("volume", "ls", "-q").split()
        assert not left, f"left behind: {left}"


def test_a_killed_master_costs_nothing_that_was_acknowledged(cluster, sink):
    cluster("up", "-d")
    wait_for(lambda: cluster.healthy([*SERVERS, "receiver-1", "receiver-2", "dispatcher"]), 90, "all healthy", every=0.5)
    assert len(cluster("ps", "-q", "dispatcher").split()) == 4
    ids = [(cluster.lanes[n % LANES], f"c{n}") for n in range(EVENTS)]
    for lane, ident in ids[:EVENTS // 2]:
        cluster.send_until_accepted(lane, ident)
    killed = cluster.master_of(cluster.lanes[0])
    container = cluster("ps", "-q", killed).split()
    cluster.engine.docker("kill", "-s", "KILL", *container)
    wait_for(lambda: cluster.master_of(cluster.lanes[0]) != killed, 60, "its replica to take over", every=0.5)
    cluster.engine.docker("start", *container)  # no event is confirmed before the new master has a replica
    for lane, ident in ids[EVENTS // 2:]:
        cluster.send_until_accepted(lane, ident)
    sink.wait_events([ident for _, ident in ids], 60)
    arrived = Counter(r.event for r in sink.all())
    assert set(arrived) == {ident for _, ident in ids}
    assert sum(arrived.values()) <= EVENTS + LANES * CONCURRENCY, "twice only what was in flight when the master died"
    for lane in cluster.lanes:
        oracle.assert_paced([r for r in sink.all() if r.path.split("?")[0] == f"/{lane}"], DELAY_MS)
    wait_for(lambda: all(http.get(address, "/readyz").status == 200 for address in cluster.admin), 30, "both receivers to be ready")


def test_the_cluster_is_made_once(cluster):
    """A second `up` leaves the cluster with its work as it is."""
    cluster("up", "-d")
    wait_for(lambda: cluster.healthy([*SERVERS, "receiver-1", "receiver-2", "dispatcher"]), 60, "all healthy again", every=0.5)
    wait_for(lambda: "the cluster exists" in cluster("logs", "--no-color", "init"), 30, "init to find the cluster")
    assert cluster.send_until_accepted(cluster.lanes[0], "c0").json()["duplicate"] is True, "what was stored is still there"
