"""Upgrading and going back: records of a later version, and programs replaced one by one under load."""

import json

import pytest

from harness import config
from harness.rig import PACED, QUICK, Rig
from harness.wait import stays, wait_for

EVENT = "hookpace:{0}:event:"


def rewrite(record: str, how: str) -> str:
    """RECORD as a later version might have written it."""
    if how == "version":
        return record.replace("hp1 ", "hp2 ", 1)
    head, rest = record.split("\n", 1)
    return f"{head}\nz a property that nobody knows yet\n{rest}"


@pytest.mark.parametrize("delay", [0, 50])
@pytest.mark.parametrize("how", ["version", "property"])
def test_a_record_of_a_later_version_is_left_for_who_can_read_it(stack, how, delay):
    sink = stack.downstream()
    conf = config.simple(stack.redis.url, sink.url(), delay_ms=delay)
    receiver = stack.receiver(conf)
    redis = stack.redis.client()
    bodies = {i: json.dumps({"id": i, "tag": "t", "text": "é" * 40}, ensure_ascii=False).encode() for i in ("new", "known")}
    assert receiver.post("/in/in", bodies["new"]).status == 200
    ours = redis.get(EVENT + "new")
    redis.set(EVENT + "new", rewrite(ours, how))
    assert receiver.post("/in/in", bodies["new"]).json().get("duplicate"), "the receiver knows it again"
    assert receiver.post("/in/in", bodies["known"]).status == 200
    older = stack.dispatcher(conf)
    sink.wait_events({"known"})
    line = older.wait_log("delivery.unreadable")
    assert line["delivery"] == "new:out"

    def left_alone():
        d = stack.keys.delivery("new:out")
        return (d["state"], d["attempts"], "new:out" in stack.keys.retry()) == ("retry", "0", True)
    wait_for(left_alone, 5, lambda: f"it to wait: {stack.keys.delivery('new:out')}")
    for _ in range(2):  # each time it comes up the same happens: nothing is spent
        fence = stack.keys.delivery("new:out")["fence"]
        redis.zadd("hookpace:{0}:retry", {"new:out": 0})
        wait_for(lambda: left_alone() and stack.keys.delivery("new:out")["fence"] != fence, 5, "it to wait again")
    assert redis.get(EVENT + "new") == rewrite(ours, how) and redis.ttl(EVENT + "new") == -1
    stays(lambda: sink.events() == {"known"}, 0.3)

    redis.set(EVENT + "new", ours)  # a program that reads it comes
    redis.zadd("hookpace:{0}:retry", {"new:out": 0})
    sink.wait_events({"new"})
    (request,) = [r for r in sink.all() if r.event == "new"]
    assert (request.attempt, request.body) == (1, bodies["new"])
    wait_for(lambda: stack.keys.delivery("new:out")["state"] == "done", 5)


def test_every_program_is_replaced_under_load(stack):
    """As docs/guides/operations.md says: the new one starts, then the old one gets SIGTERM. Nothing is lost, sent twice, or early."""
    rig = Rig(stack, "every program replaced under load", lanes={QUICK: 0, PACED: 50}).start(dispatchers=2)
    rig.load(threads=4, pause=0.005)
    for _ in range(2):
        for old in rig.dispatchers[:2]:
            rig.add_dispatcher()
            rig.wait_arrivals(30)
            assert old.term().wait(20) == 0
            rig.dispatchers.remove(old)
        old = rig.receiver
        rig.start_receiver()  # on the same port
        rig.wait_acknowledged(30)
        assert old.term().wait(20) == 0
        rig.wait_acknowledged(30)
    rig.healed(2)
    rig.judge(duplicates=0)
