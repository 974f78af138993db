"""The new master lacks the last claims and sends of the old one. The delay between two sends holds all the same.

The replica gets nothing more from a known moment on. A proxy stands between the programs and Redis, so that they are at the new
master at once: well within the delay, which no election is.
"""

import threading
from types import SimpleNamespace

import pytest

from harness import config
from harness.certs import Authority
from harness.oracle import gaps_ms
from harness.proxy import Proxy
from harness.sentinels import Member
from harness.stack import Stack
from harness.wait import wait_for

DELAY_MS = 1000    # the longest
JITTER_MS = 20.0   # of an arrival, on a machine with much to do


class Lagging(Stack):
    """A master, and a replica that can be kept from its writes."""

    def __init__(self, directory):
        super().__init__(directory)
        self.redis = self.master = Member(directory / "master")
        self.master.start()
        self.way = Proxy(("127.0.0.1", self.master.port))    # of the replica
        self.replica = Member(directory / "replica")
        self.replica.start(master=SimpleNamespace(host="127.0.0.1", port=self.way.port))
        wait_for(lambda: self._link() == "up", 20, "the replica")
        self.door = Proxy(("127.0.0.1", self.master.port))   # of the programs

    def _link(self):
        return self.replica.client().info("replication")["master_link_status"]

    def conf(self, sink, **more):
        conf = config.simple(f"redis://127.0.0.1:{self.door.port}", sink.url(), delay_ms=DELAY_MS, **more)
        conf["redis"]["wait_replicas"] = 0
        return conf

    def post(self, receiver, *ids):
        """Sends events, which the replica has when this returns."""
        for ident in ids:
            assert receiver.send(ident).status == 200

    def confirm(self):
        """The replica has all writes up to now."""
        with self.master.client() as client:
            client.set("mark", 1)
            assert client.wait(1, 10000) == 1

    def move(self):
        """The master dies, and the replica takes its place without what it lacks."""
        self.door.refuse = True
        self.master.kill9()
        self.way.refuse = True
        self.way.reset_all()    # what it holds back is gone
        with self.replica.client() as client:
            client.execute_command("REPLICAOF", "NO", "ONE")
        self.door.target, self.door.refuse = ("127.0.0.1", self.replica.port), False

    def logs(self):
        return [*super().logs(), ("log of the replica", "\n".join(self.replica.log().splitlines()[-30:]))]

    def close(self):
        super().close()
        self.replica.stop()
        self.door.close()
        self.way.close()


@pytest.fixture
def lagging(tmp_path, request):
    made = Lagging(tmp_path)
    request.node.stack = made
    yield made
    made.close()


def test_another_dispatcher_does_not_send_at_once(lagging):
    """The first one sends on the old master and dies with it. The other one stands still until then, so that it is quick."""
    sink = lagging.downstream()
    conf = lagging.conf(sink)
    receiver, first, other = lagging.receiver(conf), lagging.dispatcher(conf), lagging.dispatcher(conf)
    first.wait_ready()
    other.wait_ready()
    other.pause()
    lagging.post(receiver, "a", "b", "c")
    sink.wait_count(1)
    wait_for(lambda: lagging.master.keys().delivery("a:out").get("state") == "done", 10, "the first result: the lane is free again")
    lagging.confirm()
    lagging.way.partition()
    sink.wait_count(2)
    first.kill9()
    lagging.move()
    other.resume()
    sink.wait_events(["a", "b", "c"])
    other.wait_log("queue.taken_over")
    assert min(gaps_ms(sink.all())) > DELAY_MS - JITTER_MS, gaps_ms(sink.all())


def test_a_claim_of_the_old_master_is_void(lagging, tmp_path):
    """The first dispatcher has its connection only after another one has sent the delivery by a claim of the new master."""
    cert, key = Authority(tmp_path / "ca").good()
    gate, calls = threading.Event(), []

    def first_waits():
        calls.append(1)
        return 0 if len(calls) > 1 or gate.wait(60) else 0
    sink = lagging.downstream(cert=cert, key=key, handshake_delay=first_waits)
    conf = lagging.conf(sink, verify_tls=False)
    conf["destinations"]["out"]|= {"connect_timeout_ms": 30000, "timeout_ms": 30000}
    receiver = lagging.receiver(conf)
    lagging.dispatcher(conf).wait_ready()
    wait_for(lambda: lagging.master.client().hget("hookpace:{0}:present", "run"), 10, "the old master to be known")
    lagging.programs[-1].close()
    lagging.post(receiver, "a")
    lagging.confirm()
    lagging.way.partition()
    own = Proxy(("127.0.0.1", lagging.master.port))
    lagging.sinks.append(own)
    first = lagging.dispatcher({**conf, "redis": {**conf["redis"], "url": f"redis://127.0.0.1:{own.port}"}}, env={"HOOKPACE_LOG": "debug"})
    wait_for(lambda: calls, 10, "the first to connect")
    lagging.dispatcher(conf)
    own.refuse = True
    lagging.move()
    wait_for(lambda: lagging.replica.keys().inflight(), 10, "the other to claim it")
    own.target, own.refuse = lagging.door.target, False
    sink.wait_count(1)
    gate.set()
    first.wait_log("attempt.put_back", error="window_over")
    assert [r.event for r in sink.all()] == ["a"]
