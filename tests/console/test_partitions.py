"""Partitions that an operator holds: no program works on them, and the others go on."""

import pytest
from console_client import Console

from harness import config
from harness.exchange import Answer
from harness.wait import stays, wait_for

SOON_S = 2.0    # what the contract gives all programs


@pytest.fixture
def two(service):
    """Two lanes in two partitions, each with a source of its own."""
    service.conf["redis"]["partitions"] = 2
    service.keys = service.stack.redis.keys(partitions=2)
    lanes = {}
    for name in (f"lane{n}" for n in range(20)):
        lanes.setdefault(service.keys.partition(name), name)
    service.lanes = [lanes[0], lanes[1]]
    for name in service.lanes:
        service.conf["destinations"][name] = config.destination(service.sink.url(f"/{name}?id=$id"), delay_ms=0)
        service.conf["sources"][name] = config.source([name])
    return service.start()


def status(service, lane, ident):
    return service.receiver.post(f"/in/{lane}", {"id": ident}).status


def arrived(service, lane):
    return [r for r in service.sink.all() if r.path == f"/{lane}"]


def hold(service, partition):
    assert service.root.post(f"partitions/{partition}/hold") == {"partition": partition, "held": True}
    for program in (service.receiver, *service.dispatchers):
        program.wait_log("partition.held", SOON_S, partition=partition)


def test_one_is_held_and_the_other_goes_on(two):
    other, held = two.lanes
    assert [status(two, lane, "a") for lane in two.lanes] == [200, 200]
    wait_for(lambda: arrived(two, other) and arrived(two, held), 5, "both")
    hold(two, 1)
    wait_for(lambda: status(two, held, "b") == 503, SOON_S, "events of the partition to be refused")
    before = dump(two, 1)
    for n in range(20):
        assert (status(two, held, f"h{n}"), status(two, other, f"o{n}")) == (503, 200)
    wait_for(lambda: len(arrived(two, other)) == 21, 5, "all of the other lane")
    assert dump(two, 1) == before, "somebody worked on the partition"
    assert len(arrived(two, held)) == 1
    assert two.root.get("status")["redis"]["held"] == [1]
    ready = two.receiver.get("/readyz", "admin")
    assert (ready.status, ready.json()["warning"]) == (200, "held by an operator: partition 1")
    assert two.root.post("partitions/1/release") == {"partition": 1, "held": False}
    wait_for(lambda: status(two, held, "b") == 200, SOON_S, "events to be taken again")
    wait_for(lambda: len(arrived(two, held)) == 2, 5, "and to be sent")
    assert two.root.get("status")["redis"]["held"] == []
    assert "warning" not in two.receiver.get("/readyz", "admin").json()


def dump(service, partition):
    """All keys of the partition, as they are."""
    with service.stack.redis.client(decode_responses=False) as client:
        return {key: client.dump(key) for key in client.scan_iter(service.keys.base(partition) + "*")}


def test_what_has_left_is_finished_and_its_result_comes_after_the_release(two):
    held = two.lanes[1]
    two.sink.on(f"/{held}", Answer(delay=2.5))
    assert status(two, held, "a") == 200
    wait_for(lambda: len(arrived(two, held)) == 1, 5, "the request")
    hold(two, 1)
    before = dump(two, 1)
    wait_for(lambda: two.dispatchers[0].metrics()["hookpace_attempt_seconds_count"], 5, "the answer")
    stays(lambda: dump(two, 1) == before, 1.0, "the partition is not worked on")
    two.root.post("partitions/1/release")
    wait_for(lambda: two.root.get(f"deliveries/a:{held}")["state"] == "done", 5, "the result")
    assert len(arrived(two, held)) == 1, "sent twice"


def test_all_are_held_and_programs_start_meanwhile(two):
    for partition in (0, 1):
        hold(two, partition)
    for program, listener in ((two.receiver, "admin"), (two.dispatchers[0], "dispatcher")):
        wait_for(lambda p=program, w=listener: p.get("/readyz", w).status == 503, SOON_S, "nothing can be done")
        assert program.get("/readyz", listener).json()["message"] == "held by an operator: partition 0, 1"
    two.receiver.kill9()
    two.receiver.start(ready=False)
    two.root = Console(two.receiver, "root")    # it listens on another port
    stays(lambda: status(two, two.lanes[0], "a") == 503, 1.0, "held from the beginning")
    for partition in (0, 1):
        two.root.post(f"partitions/{partition}/release")
    wait_for(lambda: status(two, two.lanes[0], "a") == 200, SOON_S, "released")
    wait_for(lambda: arrived(two, two.lanes[0]), 5, "and sent")


def test_metrics_of_the_other_partition_stay(two):
    other, held = two.lanes
    hold(two, 1)
    for program in (two.receiver, *two.dispatchers):
        metrics = program.metrics()
        depth = metrics["hookpace_queue_depth"]
        assert depth[(("lane", other),)] == 0 and (("lane", held),) not in depth, depth
        assert list(metrics["hookpace_redis_up"].values()) == [1]
        assert not program.logged("stats.unavailable")


def test_calls_that_fit_no_partition(two):
    for name in ("2", "x", "-1", "01x", "99999999999999999999"):
        assert two.root.post(f"partitions/{name}/hold", status=404)["code"] == "not_found"
    assert two.root.get("status")["redis"]["held"] == []


def test_an_absence_is_logged_once(service):
    """Each partition says who is absent, several times a second."""
    service.conf["redis"]["partitions"] = 8
    service.start(dispatchers=3)
    client, keys = service.stack.redis.client(), service.stack.redis.keys(partitions=8)
    rows = lambda n: [row for row in client.hgetall(keys.base(n) + "present").values() if ":" in row]  # noqa: E731
    wait_for(lambda: all(len(rows(n)) == 3 for n in range(8)), 10, "all to be present everywhere")
    gone, *others = service.dispatchers
    gone.kill9()
    wait_for(lambda: all(len(rows(n)) == 2 for n in range(8)), 20, "nobody to wait for it any more")
    for other in others:
        assert len(other.logged("dispatcher.absent")) == 1
