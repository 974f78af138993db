"""From the moment at which a sentinel moves the master, nothing that the old master takes is acknowledged."""

import threading

import pytest

from harness import config, sentinels
from harness.programs import Receiver
from harness.sentinels import MASTER, Load
from harness.wait import wait_for

ROOM = 30.0  # s: for sentinels to agree on a machine with much to do
CLIENT = "hookpace-receiver"  # the thread that answers events
TIMEOUT_MS = 8000  # nothing here is late


@pytest.fixture
def place(tmp_path):
    """A group with REPLICAS replicas, and a receiver that waits for one; all of it is ended."""
    made = []

    class Place:
        def start(self, replicas):
            self.group = sentinels.make(tmp_path / "group", replicas=replicas)
            made.append(self.group)
            self.group.start()
            conf = config.simple(self.group.url(), "http://127.0.0.1:9/")
            conf["redis"].update(timeout_ms=TIMEOUT_MS, wait_replicas=1)
            self.receiver = Receiver(conf, tmp_path)
            made.append(self.receiver)
            self.receiver.start()
            wait_for(lambda: self.is_accepted("first"), ROOM, "the first event to be accepted")
            wait_for(lambda: all(self.is_heard(s) for s in self.group.sentinels), ROOM, "each sentinel to be heard")
            return self

        def is_accepted(self, ident):
            return self.receiver.post("/in/in", {"id": ident}).status == 200

        def warning(self):
            return self.receiver.get("/readyz", "admin").json().get("warning", "")

        @staticmethod
        def is_heard(sentinel):
            if not sentinel.is_up():
                return False
            with sentinel.client() as client:
                return any(c["name"] == CLIENT and int(c["sub"]) > 0 for c in client.client_list())

        @staticmethod
        def step(sentinel):
            """How far SENTINEL is with moving the master. None: it does not move it."""
            state = sentinel.ask("MASTER", MASTER)
            state = state if isinstance(state, dict) else dict(zip(state[::2], state[1::2]))
            return state.get("failover-state")

    yield Place()
    for thing in reversed(made):
        (thing.close if hasattr(thing, "close") else thing.stop)()


@pytest.mark.parametrize("leader", [0, 2])
def test_a_move_by_command_loses_nothing(place, leader):
    """Only the sentinel that leads publishes the steps. Two replicas: one of them still confirms what the old master takes."""
    place.start(replicas=2)
    load = Load(place.receiver, pause=0.001)
    try:
        wait_for(lambda: len(load.acknowledged) > 100, ROOM, "some load")
        place.group.sentinels[leader].ask("FAILOVER", MASTER)
        place.receiver.wait_log("redis.failover", ROOM, sentinel=f"127.0.0.1:{place.group.sentinels[leader].port}")
        line = place.receiver.wait_line(lambda line: line.get("msg") == "redis.master" and line["before"], ROOM, "another master")
        counted = len(load.acknowledged)
        wait_for(lambda: len(load.acknowledged) > counted + 100, ROOM, "load on the new master")
    finally:
        load.stop()
    assert set(load.statuses) == {200, 503}
    heir = next(m for m in place.group.members if line["address"].endswith(f":{m.port}"))
    keys = heir.keys()
    assert [i for i in load.acknowledged if not keys.has_event(i)] == []


@pytest.mark.parametrize("end", ["it gives up", "it dies"])
def test_a_move_that_comes_to_nothing(place, end):
    """The replica that is chosen does not answer. Until the sentinel has given the move up, it may still happen."""
    place.start(replicas=2)
    leader, master = place.group.sentinels[1], place.group.master
    replicas = [m for m in place.group.members if m is not master]
    for replica in replicas:
        replica.pause()
    leader.ask("FAILOVER", MASTER)
    place.receiver.wait_log("redis.failover", ROOM, client=CLIENT)
    wait_for(lambda: place.step(leader) == "wait_promotion", ROOM, "the sentinel to wait for the replica")
    keys = master.keys()
    for ident in ("a", "b"):
        assert not place.is_accepted(ident)
        assert not keys.has_event(ident), "refused before it is written"
    wait_for(lambda: "moves the master" in place.warning(), ROOM, "the move in /readyz")
    if end == "it dies":
        leader.stop()
    else:
        wait_for(lambda: place.step(leader) is None, ROOM, "the sentinel to give up")
    for replica in replicas:
        replica.resume()
    wait_for(lambda: place.is_accepted("later"), ROOM, "events to be accepted again")
    assert keys.has_event("later")
    wait_for(lambda: "moves the master" not in place.warning(), ROOM, "no move in /readyz")


def test_what_was_published_while_the_receiver_slept_counts(place):
    """It wakes up with a confirmation of the old master and the news of its end, in this order."""
    place.start(replicas=2)
    master, receiver = place.group.master, place.receiver
    replicas = [m for m in place.group.members if m is not master]
    for replica in replicas:
        replica.pause()
    answers = []
    thread = threading.Thread(target=lambda: answers.append(receiver.post("/in/in", {"id": "late"}).status))
    thread.start()
    with master.client() as client:
        wait_for(lambda: any(c["flags"] == "b" and c["name"] == CLIENT for c in client.client_list()), ROOM, "a WAIT")
        receiver.pause()
        for replica in replicas:
            replica.resume()
        wait_for(lambda: not any(c["flags"] == "b" for c in client.client_list()), ROOM, "its answer")
    place.group.sentinels[2].ask("FAILOVER", MASTER)
    wait_for(lambda: any(m.role == "master" for m in replicas), ROOM, "a replica that was promoted")
    receiver.resume()
    thread.join(ROOM)
    assert answers == [503]


def test_servers_that_go_and_come_back_without_a_move_refuse_nothing(place):
    """A replica dies and comes back, and each sentinel is started again."""
    place.start(replicas=2)
    master = place.group.master
    replica = next(m for m in place.group.members if m is not master)
    load = Load(place.receiver, pause=0.001)

    def goes_on():
        counted = len(load.acknowledged)
        wait_for(lambda: len(load.acknowledged) > counted + 50, ROOM, "load")
    try:
        goes_on()
        replica.kill9()
        goes_on()
        replica.start(master=master)
        for sentinel in place.group.sentinels:
            sentinel.stop()
            goes_on()
            sentinel.start()
            wait_for(lambda: place.is_heard(sentinel), ROOM, "the sentinel to be heard again")
            goes_on()
    finally:
        load.stop()
    assert set(load.statuses) == {200}
    assert not place.receiver.logged("redis.failover")
