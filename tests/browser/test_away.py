"""What the page says when something is away, and that it comes back by itself."""

import itertools

import pytest

from harness import config
from harness.redis_cluster import RedisCluster

AWAY = ("ERR_CONNECTION_REFUSED", "ERR_EMPTY_RESPONSE", "ERR_CONNECTION_RESET", "status of 503")


def test_redis_is_away(page, service):
    page.may_log += AWAY
    page.wait_cell("orders", "State", "runs")
    service.stack.redis.kill9()
    page.see("Redis does not answer")
    assert page.cell("orders", "State") == "runs"  # what it had is still there
    page.go("#/deliveries")
    page.see("Redis does not answer")
    service.stack.redis.start()
    page.see_no("Redis does not answer")


def test_a_partition_is_held(page, service):
    page.may_log += AWAY
    page.wait_cell("orders", "State", "runs")
    held = service.stack.redis.client()
    held.hset("hookpace:{0}:held", "0", "1")
    page.see("Held by an operator: partition 0", "hookpace partition release N")
    page.see_no("Redis does not answer")
    page.go("#/deliveries")
    page.see("Reason: held by an operator: partition 0")
    held.hdel("hookpace:{0}:held", "0")
    page.see_no("held by an operator")


@pytest.fixture
def sharded(service, tmp_path):
    """The service on a cluster: three shards with a partition each, and a lane in each partition."""
    cluster = RedisCluster(tmp_path / "cluster")
    try:
        service.cluster, service.keys = cluster.start(), cluster.keys(partitions=3)
        service.conf["redis"] |= {"url": cluster.url, "partitions": 3}
        service.lanes = [next(n for n in (f"lane{k}" for k in itertools.count()) if service.keys.partition(n) == p) for p in range(3)]
        for name in service.lanes:
            service.conf["destinations"][name] = config.destination(service.sink.url("/" + name))
            service.conf["sources"][name] = config.source([name])
        yield service.start()
    finally:
        for program in service.stack.programs:
            program.close()
        cluster.close()


def test_a_shard_is_away(sharded, chromium):
    """Each view shows what the other shards have, and says which partition is not shown."""
    from browser import Page
    first, lost, last = sharded.lanes
    for name in sharded.lanes:
        sharded.post(f"event-{name}", name)
    page = Page(chromium, sharded.receiver.admin)
    page.log_in("root")
    page.may_log += AWAY
    for name in sharded.lanes:
        page.wait_cell(name, "State", "runs")
    assert "Not shown" not in page.text
    node = sharded.cluster.owner(sharded.keys.base(1))
    node.kill9()
    told = "Not shown: what is in partition 1. Its Redis does not answer, or an operator holds it."
    page.see(f"127.0.0.1:{node.port} away", f"Redis does not answer at 127.0.0.1:{node.port}. Lanes that are kept there stand still")
    page.go("#/lanes")
    page.see(told)
    page.wait_cell(lost, "State", None)
    assert [page.cell(name, "State") for name in (first, last)] == ["runs", "runs"]
    page.go("#/deliveries")
    page.see(told, f"event-{first}", f"event-{last}")
    assert f"event-{lost}" not in page.text
    node.start()
    page.see_no("Not shown")
    page.see(f"event-{lost}")
    page.close()


def test_the_receiver_is_away(page, service):
    page.may_log += AWAY
    page.wait_cell("orders", "State", "runs")
    service.receiver.kill9()
    page.see("The receiver does not answer", "What you see is of")
    assert page.cell("orders", "State") == "runs"


def test_no_dispatcher_runs(service, chromium):
    from browser import Page
    page = Page(chromium, service.fill(dispatchers=0).receiver.admin)
    page.log_in("root")
    page.see("No dispatcher is running")
    page.close()
