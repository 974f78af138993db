import pytest

from harness.redis_cluster import RedisCluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """A cluster of 3 masters, which all tests of the session use: each with hash tags of its own."""
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
