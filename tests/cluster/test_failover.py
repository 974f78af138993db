"""A server of the cluster dies under load: its partitions wait, those of the others do not notice."""

import pytest

from harness.outage import Outage
from harness.redis_cluster import RedisCluster
from harness.wait import wait_for


@pytest.fixture
def outage(tmp_path, request, spread_on):
    """Makes the Outage of a cluster that is made for the test alone."""
    ends = []

    def make(wait_replicas=0, **options):
        cluster = RedisCluster(tmp_path / "cluster", **options).start()
        ends.append(cluster.close)
        made = Outage(spread_on(cluster), wait_replicas)
        ends.append(made.close)
        return made
    yield make
    for end in reversed(ends):
        end()


def test_a_master_dies_and_its_replica_takes_over(outage):
    """With redis.wait_replicas 1. The new master has no replica before the old one is back."""
    run = outage(wait_replicas=1, replicas=1)
    victim, cluster = run.victim, run.cluster
    replica = cluster.nodes[cluster.masters]
    cluster.ask(replica, "CONFIG", "SET", "cluster-replica-no-failover", "yes")
    run.kill()
    run.see_what_is_away()
    cluster.ask(replica, "CONFIG", "SET", "cluster-replica-no-failover", "no")
    wait_for(lambda: cluster.ask(replica, "ROLE")[0] == "master", 30, "the replica to take over")
    victim.start()
    run.see_that_all_is_back(f"127.0.0.1:{replica.port}")
    assert cluster.ask(victim, "ROLE")[0] == "slave"
    run.judge()


def test_a_server_without_a_replica_is_away_until_it_is_started(outage):
    """What was acknowledged is on its disk."""
    run = outage(fsync="always")
    run.kill()
    run.see_what_is_away()
    run.victim.start()
    run.see_that_all_is_back(f"127.0.0.1:{run.victim.port}")
    run.judge()


def test_a_server_that_stands_still(outage):
    """It answers nothing for a while, then it goes on with what it was sent."""
    run = outage()
    run.strike(run.victim.pause)
    run.see_what_is_away()
    run.victim.resume()
    run.see_that_all_is_back(f"127.0.0.1:{run.victim.port}")
    run.judge()


def test_a_server_without_memory(outage):
    """It refuses what is new, and sends what it has."""
    run = outage()
    run.strike(lambda: run.cluster.ask(run.victim, "CONFIG", "SET", "maxmemory", "1mb"))
    run.see_that_the_others_go_on()
    run.cluster.ask(run.victim, "CONFIG", "SET", "maxmemory", "0")
    run.see_that_all_is_back(f"127.0.0.1:{run.victim.port}")
    run.judge()


def test_a_server_that_loads_its_data(outage):
    """It is started again, and answers LOADING."""
    run = outage(fsync="always")
    run.kill()
    run.victim.extra += ["--key-load-delay", "20000"]   # microseconds
    run.victim.start(wait=False)
    wait_for(lambda: run.is_loading(), 20, "the server to load")
    run.see_that_the_others_go_on()
    run.see_that_all_is_back(f"127.0.0.1:{run.victim.port}")
    run.judge()
