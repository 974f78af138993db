"""What is announced is fetched and relayed once: repeats, postbacks, several dispatchers, drains, reloads, partitions."""

import json

from harness import config
from harness.downstream import Answer
from harness.fetching import FETCH, announce, fetch, run, wait_state
from harness.wait import stays, wait_for


def test_a_repeated_announcement_is_a_duplicate(stack):
    provider, sink, receiver, _ = run(stack)
    provider.done("t1")
    announce(receiver)
    assert announce(receiver)["duplicate"] is True
    sink.wait_count(1)
    wait_state(stack, "done")
    assert announce(receiver)["duplicate"] is True
    stays(lambda: len(sink.all()) == 1 and len(provider.all()) == 1, 0.5)


def test_what_came_as_a_postback_is_not_fetched(stack):
    provider, sink, receiver, _ = run(stack)
    provider.done("t1")
    receiver.send("t1")
    assert announce(receiver)["duplicate"] is True
    sink.wait_count(1)
    stays(lambda: len(sink.all()) == 1 and provider.all() == [], 0.5)


def test_a_postback_that_comes_while_it_is_fetched_is_relayed_once(stack):
    provider, sink, receiver, _ = run(stack)
    provider.done("t1")
    provider.on(None, Answer(body=provider.body_of("t1"), delay=1.0))
    announce(receiver)
    provider.wait_count(1)
    receiver.send("t1")
    assert wait_state(stack, "done")["attempts"] == "1"
    stays(lambda: len(sink.of("t1")) == 1, 0.5)
    assert json.loads(sink.all()[0].body) == {"id": "t1"}


def test_two_sources_may_use_the_same_ids(stack):
    first, second, sink = stack.provider(), stack.provider(), stack.downstream()
    conf = config.base(stack.redis.url)
    for name, provider in (("in", first), ("other", second)):
        conf["destinations"][name] = config.destination(sink.url(f"/{name}"))
        conf["sources"][name] = provider.source(name)
        provider.done("t1", result=[{"of": name}])
        provider.done("t2", result=[{"of": name}])
    receiver = stack.receiver(conf)
    receiver.send("t2", "/in/other")
    for ident in ("t1", "t2"):
        for name in ("in", "other"):
            assert receiver.get(f"/in/{name}?id={ident}", listener="ingest").status == 200
    stack.dispatcher(conf)
    requests = sink.wait_count(4)
    assert sorted((r.path, r.event.split("~")[0]) for r in requests) == [
        ("/in", "t1"), ("/in", "t2"), ("/other", "t1"), ("/other", "t2")]
    bodies = {(r.path, r.event.split("~")[0]): r.body for r in requests}
    assert bodies["/in", "t1"] == first.body_of("t1") and bodies["/in", "t2"] == first.body_of("t2")
    assert bodies["/other", "t1"] == second.body_of("t1")
    assert json.loads(bodies["/other", "t2"]) == {"id": "t2"}
    stays(lambda: len(sink.all()) == 4, 0.3)

def many(stack, count, dispatchers, **options):
    provider, sink, receiver, running = run(stack, dispatchers=dispatchers, **options)
    for n in range(count):
        provider.done(f"t{n}")
        announce(receiver, f"t{n}")
    return provider, sink, receiver, running


def test_several_dispatchers_fetch_each_once(stack):
    provider, sink, _, _ = many(stack, 40, 3)
    ids = {f"t{n}" for n in range(40)}
    sink.wait_events(ids)
    assert sorted(r.event for r in sink.all()) == sorted(ids)
    assert len(provider.gets()) == 40


def test_a_drain_waits_for_a_fetch(stack):
    provider, sink, receiver, (dispatcher,) = run(stack)
    provider.done("t1")
    provider.on(None, Answer(body=provider.body_of("t1"), delay=1.0))
    announce(receiver)
    provider.wait_count(1)
    assert dispatcher.term().wait() == 0
    assert fetch(stack)["state"] == "done"
    assert stack.keys.queue("out") == ["t1:out"]
    assert sink.all() == []


def test_a_drain_that_is_over_hands_a_fetch_back(stack):
    provider, sink, receiver, (dispatcher,) = run(stack, top={"dispatcher": {"drain_ms": 200}})
    provider.done("t1")
    provider.on(None, Answer(action="hang"), Answer(body=provider.body_of("t1")))
    announce(receiver)
    provider.wait_count(1)
    assert dispatcher.term().wait() == 0
    assert stack.keys.queue(FETCH) == [f"t1~f:{FETCH}"]
    stack.dispatcher(dispatcher.config)
    assert sink.wait_count(1)[0].body == provider.body_of("t1")


def test_fetching_begins_with_a_reload(stack):
    provider, sink = stack.provider(), stack.downstream()
    provider.done("t1")
    provider.done("t2")
    conf = config.simple(stack.redis.url, sink.url())
    receiver, dispatcher = stack.receiver(conf), stack.dispatcher(conf)
    announce(receiver)
    assert json.loads(sink.wait_count(1)[0].body)["source"] == "in", "a notice, as nothing is fetched"
    conf["sources"]["in"] = provider.source("out")
    receiver.reload(conf)
    dispatcher.reload(conf)
    announce(receiver, "t2")
    assert sink.wait_count(2)[1].body == provider.body_of("t2")


def test_with_partitions(stack):
    provider, sink, receiver, _ = run(stack, to=("a", "b", "c"), top={"redis": {"partitions": 16}})
    provider.done("t1")
    announce(receiver)
    sink.wait_count(3)
    assert {r.path for r in sink.all()} == {"/a", "/b", "/c"}
    stays(lambda: len(sink.all()) == 3, 0.3)


def test_metrics_and_limits_are_those_of_any_destination(stack):
    provider, sink, receiver, (dispatcher,) = run(stack)
    provider.done("t1")
    announce(receiver)
    sink.wait_count(1)
    wait_state(stack, "done")
    wait_for(lambda: dispatcher.metric("hookpace_attempts_total", destination=FETCH, result="done") == 1)
    samples = dispatcher.metrics()
    assert samples["hookpace_queue_depth"][(("lane", FETCH),)] == 0
    assert samples["hookpace_dead_letters"][(("destination", FETCH),)] == 0
    assert stack.redis.client().hget("hookpace:{0}:limits", FETCH).split()[:4] == ["16", "16000", "4000", "8"]
