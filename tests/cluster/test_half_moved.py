"""What a script sees of Redis Cluster while the keys of its slot are half moved to another node.

docs/internals/queue.md draws the conclusion: a script that declares a key which never exists does not run meanwhile.
"""

import pytest
import redis

from harness.redis_cluster import slot_of
from harness.wait import wait_for

# It writes a key that is there, then a key that is not: as the queue's scripts do.
WRITES = "redis.call('RPUSH', ARGV[1]..'lanes', 'first'); redis.call('SET', ARGV[1]..'new', 'second'); return 'ran'"
TAGS = iter(range(1000))


@pytest.fixture
def moving(cluster):
    """A slot of its own, on its way from `source` to `target`; the key `lanes` is there, `moved` is moved by the test."""
    made = Moving(cluster)
    yield made
    made.end()


class Moving:
    def __init__(self, cluster):
        self.cluster = cluster
        self.base = f"hookpace:{{move{next(TAGS)}}}:"
        self.slot = slot_of(self.base)
        self.source = cluster.owner(self.base)
        self.target = next(node for node in cluster.nodes if node is not self.source)
        for name in ("lanes", "moved"):
            cluster.ask(self.source, "RPUSH", self.base + name, "before")
        cluster.begin_move(self.slot, self.source, self.target)

    def run(self, node, *keys, asking=False):
        """Runs the script on NODE with KEYS declared. Returns its reply or its error."""
        with node.client(single_connection_client=True) as c:
            try:
                if asking:
                    c.execute_command("ASKING")
                return c.execute_command("EVAL", WRITES, len(keys), *(self.base + key for key in keys), self.base)
            except redis.RedisError as e:
                return str(e)

    def lanes(self):
        return self.cluster.ask(self.source, "LRANGE", self.base + "lanes", 0, -1)

    def move(self, *names):
        self.cluster.move_keys(self.source, self.target, *(self.base + name for name in names))

    def end(self):
        keys = self.cluster.ask(self.source, "CLUSTER", "GETKEYSINSLOT", self.slot, 1000)
        if keys:
            self.cluster.move_keys(self.source, self.target, *keys)
        self.cluster.end_move(self.slot, self.source, self.target)


def test_a_script_is_cut_off_in_its_middle(moving):
    """The danger: Redis checks each command of a script by itself, and undoes nothing."""
    answer = moving.run(moving.source, "lanes")
    assert "non local key" in answer, answer
    assert moving.lanes() == ["before", "first"], "the first write stays"


def test_a_script_that_follows_ask_misses_what_has_not_moved(moving):
    moving.move("lanes")
    assert moving.run(moving.source, "lanes").startswith("ASK ")
    assert moving.run(moving.target, "lanes").startswith("MOVED ")
    with moving.target.client(single_connection_client=True) as c:
        c.execute_command("ASKING")
        script = "return redis.call('EXISTS', ARGV[1]..'lanes') * 10 + redis.call('EXISTS', ARGV[1]..'moved')"
        assert c.execute_command("EVAL", script, 1, moving.base + "lanes", moving.base) == 10, "`moved` is on the other node"


def test_a_second_key_that_never_exists_keeps_the_script_from_running(moving):
    answer = moving.run(moving.source, "lanes", "never")
    assert answer.startswith("TRYAGAIN"), answer
    moving.move("moved")
    assert moving.run(moving.source, "lanes", "never").startswith("TRYAGAIN")
    assert moving.lanes() == ["before"], "nothing was written"


def test_it_does_not_run_when_its_first_key_has_moved(moving):
    moving.move("lanes")
    assert moving.run(moving.source, "lanes", "never").startswith("ASK ")
    assert moving.run(moving.target, "lanes", "never", asking=True).startswith("TRYAGAIN")
    assert moving.run(moving.target, "lanes", "never").startswith("MOVED ")
    moving.move("moved")
    assert moving.run(moving.source, "lanes", "never").startswith("ASK ")


def test_it_does_not_run_when_all_keys_have_moved_and_the_slot_has_not(moving):
    moving.move("lanes", "moved")
    assert moving.run(moving.source, "lanes", "never").startswith("ASK ")
    assert moving.run(moving.target, "lanes", "never", asking=True).startswith("TRYAGAIN")


def test_it_runs_on_the_new_node_once_the_slot_has_moved(moving):
    moving.end()
    assert moving.run(moving.source, "lanes", "never").startswith("MOVED ")
    assert moving.run(moving.target, "lanes", "never") == "ran"
    assert moving.cluster.ask(moving.target, "LRANGE", moving.base + "lanes", 0, -1) == ["before", "first"]


def test_a_command_with_one_key_finds_it_by_asking(moving):
    moving.move("moved")
    with moving.target.client(single_connection_client=True) as c:
        with pytest.raises(redis.ResponseError, match="^MOVED "):
            c.lrange(moving.base + "moved", 0, -1)
        c.execute_command("ASKING")
        assert c.lrange(moving.base + "moved", 0, -1) == ["before"]


def test_slots_are_computed_as_redis_does(cluster):
    for key in ("a", "hookpace:{0}:lanes", "hookpace:{11}:event:{x}", "{}x", "x{", "{a}{b}"):
        assert cluster.ask(cluster.nodes[0], "CLUSTER", "KEYSLOT", key) == slot_of(key), key


def test_a_replica_takes_over(replicated):
    """The rig itself: a master dies, and its replica serves the slots."""
    key = "hookpace:{failover}:lanes"
    master = replicated.owner(key)
    replica = replicated.nodes[replicated.nodes.index(master) + replicated.masters]
    with master.client(single_connection_client=True) as c:     # WAIT is about the writes of its own connection
        c.set(key, "v")
        assert c.wait(1, 5000) == 1
    master.kill9()
    wait_for(lambda: replicated.ask(replica, "ROLE")[0] == "master", 15, "the replica to take over")
    wait_for(lambda: replicated.facts(replica)["cluster_state"] == "ok", 15, "the cluster to be in order")
    assert replicated.ask(replica, "GET", key) == "v"
