"""A private Redis Cluster on loopback: masters with replicas, all of them real redis-servers."""

from pathlib import Path

from redis.cluster import RedisCluster as Client

from harness.partitions import SLOTS, crc16
from harness.redis_server import Keys, RedisServer, free_port
from harness.wait import wait_for

TIMEOUT_MS = 1500  # cluster-node-timeout: a master that is silent for so long is taken for dead


class RedisCluster:
    """MASTERS masters share the slots evenly; each has REPLICAS replicas. `nodes` lists the masters first.

    A slot without a master does not stop the others (cluster-require-full-coverage no).
    """

    def __init__(self, directory, masters=3, replicas=0, fsync="everysec", binary=None):
        self.masters, self.replicas = masters, replicas
        self.nodes = [self._node(Path(directory) / f"node{n}", fsync, binary) for n in range(masters * (1 + replicas))]

    @staticmethod
    def _node(directory, fsync, binary):
        extra = ["--cluster-enabled", "yes", "--cluster-node-timeout", str(TIMEOUT_MS), "--cluster-port", str(free_port()),
                 "--cluster-require-full-coverage", "no", "--repl-diskless-sync-delay", "0"]
        return RedisServer(directory, fsync=fsync, binary=binary, extra=extra)

    @property
    def url(self) -> str:
        """For a configuration: two of the masters."""
        return f"redis+cluster://127.0.0.1:{self.nodes[0].port},127.0.0.1:{self.nodes[1].port}"

    def client(self) -> Client:
        return Client(host="127.0.0.1", port=self.nodes[1].port, decode_responses=True, encoding_errors="surrogateescape")

    def keys(self, prefix="hookpace", partitions=1) -> Keys:
        return Keys(self.client(), prefix, partitions)

    def start(self):
        """Starts the nodes and makes them a cluster. Returns when every node knows the owner of every slot."""
        for node in self.nodes:
            self._start(node)
        for n, node in enumerate(self.nodes):
            with node.client() as c:
                c.execute_command("CLUSTER", "SET-CONFIG-EPOCH", n + 1)
                if n < self.masters:
                    first, end = n * SLOTS // self.masters, (n + 1) * SLOTS // self.masters
                    c.execute_command("CLUSTER", "ADDSLOTSRANGE", first, end - 1)
                if n:
                    first_node = self.nodes[0]
                    c.execute_command("CLUSTER", "MEET", "127.0.0.1", first_node.port, first_node.extra[5])
        wait_for(lambda: all(self._knows_all(node) for node in self.nodes), 20, "the nodes to know each other")
        for n in range(self.masters, len(self.nodes)):
            self._replicate(self.nodes[n], self.nodes[n % self.masters])
        return self

    @staticmethod
    def _start(node):
        """With other ports if somebody has taken one of them meanwhile."""
        for _ in range(5):
            try:
                return node.start()
            except AssertionError as e:
                if "Address already in use" not in str(e):
                    raise
                node.log_path.unlink()
                node.port, node.extra[5] = free_port(), str(free_port())
        raise AssertionError("no free ports")

    def _knows_all(self, node) -> bool:
        info = self.facts(node)
        return info["cluster_state"] == "ok" and int(info["cluster_slots_ok"]) == SLOTS and int(info["cluster_known_nodes"]) == len(self.nodes)

    def facts(self, node) -> dict:
        """What NODE says of the cluster: cluster_state, cluster_known_nodes, and so on."""
        return dict(line.split(":", 1) for line in self.ask(node, "CLUSTER", "INFO").split("\r\n") if line)

    def _replicate(self, replica, master):
        with replica.client() as c:
            c.execute_command("CLUSTER", "REPLICATE", self.name_of(master))
            wait_for(lambda: c.info("replication")["master_link_status"] == "up", 20, "a replica to have its master's data")

    @staticmethod
    def ask(node, *command):
        """The answer of NODE to COMMAND."""
        with node.client(socket_timeout=5) as c:
            return c.execute_command(*command)

    def name_of(self, node) -> str:
        """The node's id in the cluster."""
        return self.ask(node, "CLUSTER", "MYID")

    def owner(self, key) -> RedisServer:
        """The node that serves the slot of KEY, as the cluster was made."""
        return self.nodes[slot_of(key) * self.masters // SLOTS]

    def begin_move(self, slot, source, target):
        """SLOT is half moved from here on: what `redis-cli --cluster reshard` does before it moves the keys."""
        self.ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", self.name_of(source))
        self.ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", self.name_of(target))

    def move_keys(self, source, target, *keys):
        self.ask(source, "MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)

    def end_move(self, slot, source, target):
        """TARGET owns SLOT, whose keys have all been moved."""
        for node in (target, source):
            self.ask(node, "CLUSTER", "SETSLOT", slot, "NODE", self.name_of(target))

    def close(self):
        for node in self.nodes:
            node.kill9()


def slot_of(key) -> int:
    """The slot of KEY: that of its hash tag, if it has one."""
    tag = key
    if "{" in key:
        inner = key.split("{", 1)[1].split("}", 1)
        if len(inner) == 2 and inner[0]:
            tag = inner[0]
    return crc16(tag.encode()) % SLOTS
