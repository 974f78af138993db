"""What the programs do when keys vanish from Redis, and with deliveries whose destination nobody knows any more."""

import pytest

from harness import config
from harness.proxy import Proxy
from harness.wait import wait_for

RETRY = {"schedule_s": [0.1], "jitter": 0}


def run(stack, delay=0, order="requeue", partitions=1):
    """Two destinations that share a lane, each behind a source of its own."""
    sink = stack.downstream()
    conf = config.base(stack.redis.url)
    conf["redis"]["partitions"] = partitions
    for name in ("old", "new"):
        conf["sources"][name] = config.source(name)
        conf["destinations"][name] = config.destination(sink.url(f"/{name}?id=$id"), lane="shared", delay_ms=delay, order=order)
    return sink, conf, stack.receiver(conf), stack.dispatcher(conf)


def post(receiver, source, *idents):
    for ident in idents:
        assert receiver.post(f"/in/{source}", {"id": ident}).status == 200


@pytest.mark.parametrize("partitions", [1, 4])
@pytest.mark.parametrize("delay", [0, 100])
@pytest.mark.parametrize("order", ["requeue", "fifo"])
def test_flushall_under_running_programs(stack, delay, order, partitions):
    sink, _, receiver, dispatcher = run(stack, delay, order, partitions)
    post(receiver, "new", "before")
    sink.wait_count(1)
    stack.redis.client().flushall()
    post(receiver, "new", "after")
    sink.wait_count(2, timeout=10)
    assert dispatcher.wait_log("queue.keys_vanished")


@pytest.mark.parametrize("taken", [["a"], ["a", "b"]], ids=["some", "all"])
def test_the_log_says_that_deliveries_were_taken_out_of_a_list(stack, taken):
    sink, _, receiver, dispatcher = run(stack)
    post(receiver, "new", "before")
    sink.wait_count(1)
    dispatcher.pause()
    post(receiver, "new", "a", "b")
    with stack.redis.client() as client:
        for ident in taken:
            assert client.lrem("hookpace:{0}:queue:shared", 1, f"{ident}:new") == 1
    dispatcher.resume()
    dispatcher.wait_log("queue.mended", found="counts", what="shared")
    post(receiver, "new", "after")
    sink.wait_events({"after", "b"} - set(taken))


@pytest.mark.parametrize("order", ["requeue", "fifo"])
def test_new_events_find_their_way_when_limits_vanish(stack, order):
    sink, _, receiver, dispatcher = run(stack, order=order)
    wait_for(lambda: stack.redis.client().hlen("hookpace:{0}:limits") == 2, 5)
    stack.redis.client().delete("hookpace:{0}:limits")
    post(receiver, "new", "a", "b")
    sink.wait_count(2, timeout=10)
    dispatcher.wait_log("queue.keys_vanished")


@pytest.mark.parametrize("delay", [0, 100])
def test_a_removed_destination_lets_the_others_of_its_lane_pass(stack, delay):
    sink, conf, receiver, dispatcher = run(stack, delay)
    dispatcher.close()
    post(receiver, "old", *[f"o{i}" for i in range(30)])
    post(receiver, "new", "n")
    without = {**conf, "destinations": {"new": conf["destinations"]["new"]}, "sources": {"new": conf["sources"]["new"]}}
    dispatcher = stack.dispatcher(without)
    assert sink.wait_count(1, timeout=10)[0].target.startswith("/new")
    wait_for(lambda: stack.redis.client().zcard("hookpace:{0}:retry") == 30, 5)
    assert dispatcher.wait_log("queue.mended")["found"] == "unknown"
    dispatcher.reload(conf)
    sink.wait_count(31, timeout=10)


def test_a_removed_destination_of_a_fifo_lane_is_dead_after_ten_seconds(stack):
    sink, conf, receiver, dispatcher = run(stack, order="fifo")
    dispatcher.close()
    post(receiver, "old", "o")
    post(receiver, "new", "n")
    without = {**conf, "destinations": {"new": conf["destinations"]["new"]}, "sources": {"new": conf["sources"]["new"]}}
    dispatcher = stack.dispatcher(without)
    assert sink.wait_count(1, timeout=15)[0].target.startswith("/new")
    assert stack.keys.delivery("o:old")["last_error"] == "no_destination"
    line = dispatcher.wait_log("delivery.dead")
    assert (line["delivery"], line["error"]) == ("o:old", "no_destination")


def test_what_another_dispatcher_knows_is_counted_as_a_deferral(stack):
    _, conf, receiver, dispatcher = run(stack)
    without = {**conf, "destinations": {"new": conf["destinations"]["new"]}, "sources": {"new": conf["sources"]["new"]}}
    dispatcher.reload(without)
    post(receiver, "old", "o")
    dispatcher.wait_log("delivery.unconfigured")
    wait_for(lambda: dispatcher.metric("hookpace_attempts_total", destination="old", result="defer") == 1, 5)
    wait_for(lambda: stack.keys.delivery("o:old")["state"] == "retry", 5)


def test_an_event_that_is_gone_is_a_dead_letter_and_the_log_says_so(stack):
    sink, conf, receiver, dispatcher = run(stack, order="fifo")
    dispatcher.close()
    post(receiver, "new", "gone", "here")
    stack.redis.client().delete("hookpace:{0}:event:gone")
    dispatcher = stack.dispatcher(conf)
    assert "id=here" in sink.wait_count(1, timeout=10)[0].target
    line = dispatcher.wait_log("delivery.dead")
    assert (line["delivery"], line["error"]) == ("gone:new", "event_lost")
    assert stack.keys.delivery("gone:new")["state"] == "dead"


class Thief(Proxy):
    """A way to Redis on which the event KEY is deleted right before the first piece of a large record is read."""

    def __init__(self, redis, key):
        super().__init__(("127.0.0.1", redis.port))
        self.client, self.key = redis.client(), key

    def _pass(self, pair, sink, way, data):
        if way is self.up and b"$8\r\nGETRANGE\r\n" in data:
            self.client.delete(self.key)
        return super()._pass(pair, sink, way, data)


@pytest.mark.parametrize("order", ["fifo", "requeue"])
def test_an_event_that_goes_while_it_is_read(stack, order):
    """A large record is read after the claim. Its lane goes on as fast as if the record had been gone before."""
    sink, conf, receiver, dispatcher = run(stack, order=order)
    dispatcher.close()
    assert receiver.post("/in/new", {"id": "gone", "pad": "x" * 2000000}).status == 200
    post(receiver, "new", "here")
    thief = Thief(stack.redis, "hookpace:{0}:event:gone")
    dispatcher = stack.dispatcher({**conf, "redis": {**conf["redis"], "url": f"redis://127.0.0.1:{thief.port}/0"}})
    assert "id=here" in sink.wait_count(1, timeout=10)[0].target
    line = dispatcher.wait_log("delivery.dead")
    assert (line["delivery"], line["error"]) == ("gone:new", "event_lost")
    dispatcher.close()
    thief.close()
