"""Another number of partitions while events come in, as docs/guides/scaling.md says: a second prefix, and the first one runs empty."""

import copy
import time

import pytest
from sender import ROOT, Sender

from harness import http, oracle
from harness.redis_server import free_port
from harness.wait import wait_for

DELAY_MS = 100
BACKLOG = 12       # events of each lane that wait when the change begins
MORE = 24


@pytest.fixture
def paced(spread):
    for destination in spread.conf["destinations"].values():
        destination["delay_ms"] = DELAY_MS
    spread.conf["receiver"]["listen"] = f"127.0.0.1:{free_port()}"  # which both receivers share for a moment
    return spread


def totals(receiver):
    return http.get(receiver.admin, "/api/status", ROOT).json()["totals"]



def test_a_second_prefix_loses_nothing(paced):
    old, names = paced.conf, paced.names
    new = copy.deepcopy(old)
    new["redis"] |= {"partitions": MORE, "prefix": old["redis"]["prefix"] + "b"}
    rest = copy.deepcopy(old)
    rest["receiver"]["listen"] = "127.0.0.1:0"
    first = paced.receiver(old)
    early = [f"e{n}" for n in range(BACKLOG * len(names))]
    for n, ident in enumerate(early):
        assert first.post(f"/in/{names[n % len(names)]}", {"id": ident}).status == 200
    drains = paced.dispatcher(old)
    sender = Sender(first.ingest, names)
    try:
        # 1. Receivers of the new prefix take the place of the old ones.
        after = paced.receiver(new)
        stored = paced.cluster.keys(new["redis"]["prefix"], MORE)
        wait_for(lambda: any(stored.queues().values()), 10, "the first event under the new prefix")
        first.signal(15)
        assert first.wait() == 0
        mark = len(sender.sent)
        wait_for(lambda: len(sender.sent) > mark + 20, 10, "events after the old receiver has gone")
        # 2. A receiver that nobody sends to shows what the old prefix has. Its dispatchers go on until nothing is left.
        watch = paced.receiver(rest)
        wait_for(lambda: not any(totals(watch)[k] for k in ("queued", "inflight", "retry")), 30, "the old prefix to be empty")
    finally:
        sent = sender.stop()
    waiting = totals(after)
    assert waiting["queued"] > 20 and waiting["inflight"] == 0, "nobody sends what the new prefix has"
    drained = [r.event for r in paced.sink.all()]
    assert len(drained) == len(set(drained)) == len(early) + len(sent) - waiting["queued"]
    # 3. One delay later dispatchers of the new prefix take over.
    time.sleep(DELAY_MS / 1000)
    paced.dispatcher(new)
    drains.signal(15)
    assert drains.wait() == 0
    paced.sink.wait_events(early + sent, 60)
    wait_for(lambda: not any(totals(after)[k] for k in ("queued", "inflight", "retry")), 10, "the new prefix to be empty")
    assert sorted(r.event for r in paced.sink.all()) == sorted(early + sent), "each one once"
    for requests in oracle.by_lane(paced.sink.all()).values():
        oracle.assert_paced(requests, DELAY_MS)
    assert {s["address"]: len(s["partitions"]) for s in http.get(after.admin, "/api/status", ROOT).json()["redis"]["shards"]} \
        == {f"127.0.0.1:{n.port}": MORE // 3 for n in paced.cluster.nodes}


def test_in_place_the_work_stays_behind(paced):
    """Under the same prefix the programs look at other keys. With the old number they find all of it again."""
    old = paced.conf
    fewer = copy.deepcopy(old)
    fewer["redis"]["partitions"] = 5
    seen = paced.cluster.keys(old["redis"]["prefix"], 5)
    lane = next(n for n in paced.names if paced.base(paced.stored.partition(n)) not in [seen.base(p) for p in range(5)])
    first = paced.receiver(old)
    assert first.post(f"/in/{lane}", {"id": "before"}).status == 200
    first.signal(15)
    assert first.wait() == 0
    second, dispatcher = paced.receiver(fewer), paced.dispatcher(fewer)
    assert second.post(f"/in/{lane}", {"id": "after"}).status == 200
    paced.sink.wait_events(["after"])
    assert totals(second)["queued"] == 0 and paced.stored.queue(lane) == [f"before:{lane}"]
    for program in (second, dispatcher):
        program.signal(15)
        assert program.wait() == 0
    paced.dispatcher(old)
    paced.sink.wait_events(["before"])
    assert [r.event for r in paced.sink.all()] == ["after", "before"]
