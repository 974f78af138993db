import itertools
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent))

from harness import config  # noqa: E402
from harness.partitions import tags  # noqa: E402
from harness.redis_cluster import RedisCluster  # noqa: E402
from harness.stack import Stack  # noqa: E402

PARTITIONS = 12
PREFIXES = (f"hp{n}" for n in itertools.count())  # tests share the clusters


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """A cluster of 3 masters, which all tests of the session use: each with hash tags or a prefix of its own."""
    made = RedisCluster(tmp_path_factory.mktemp("cluster"))
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture(scope="session")
def replicated(tmp_path_factory):
    """A cluster of 3 masters with one replica each."""
    made = RedisCluster(tmp_path_factory.mktemp("replicated"), replicas=1)
    try:
        yield made.start()
    finally:
        made.close()


class Spread(Stack):
    """Programs on a cluster, and a configuration with a source and a destination for each partition, `d<partition>`."""

    def __init__(self, directory, cluster, partitions=PARTITIONS):
        self.directory, self.cluster, self.partitions = directory, cluster, partitions
        self.programs, self.sinks = [], []
        self.prefix = next(PREFIXES)
        self.sink = self.downstream()
        self.conf = config.base(cluster.url, redis={"partitions": partitions, "prefix": self.prefix},
                                accounts={"root": {"password": "root-password", "role": "admin"}})
        self.stored = self.cluster.keys(self.prefix, partitions)
        self.names = []
        for partition in range(partitions):
            name = next(n for n in (f"d{k}" for k in itertools.count()) if self.stored.partition(n) == partition)
            self.names.append(name)
            self.conf["sources"][name] = config.source(name)
            self.conf["destinations"][name] = config.destination(self.sink.url(f"/{name}?id=$id"))

    def base(self, partition):
        return f"{self.prefix}:{{{tags(self.partitions)[partition]}}}:"

    def at(self, node):
        """The names whose partitions NODE has."""
        return [n for p, n in enumerate(self.names) if self.cluster.owner(self.base(p)) is node]

    def close(self):
        for thing in self.sinks + self.programs:
            thing.close()

    def logs(self):
        return [(p.name, p.log()) for p in self.programs]


@pytest.fixture
def spread_on(tmp_path, request):
    """Makes the Spread of a cluster."""
    made = []

    def make(cluster, partitions=PARTITIONS):
        made.append(Spread(tmp_path, cluster, partitions))
        request.node.stack = made[-1]
        return made[-1]
    yield make
    for one in made:
        one.close()


@pytest.fixture
def spread(cluster, spread_on):
    return spread_on(cluster)


@pytest.fixture
def own(tmp_path, request):
    """The same on a cluster that the test may break. Each of its three masters has one partition."""
    cluster = RedisCluster(tmp_path / "cluster").start()
    made = Spread(tmp_path, cluster, partitions=3)
    request.node.stack = made
    yield made
    made.close()
    cluster.close()
