"""What a provider has and never sent: found by its tasks_ready, fetched, and relayed once."""

import json
import time

from harness import config
from harness.downstream import Answer
from harness.provider import LOGIN, PATH, envelope, refusal
from harness.wait import stays, wait_for

LOCK = "hookpace:{0}:reconcile:in"
LOOK_S = 1.0    # a dispatcher looks at the lock that often


def configure(stack, source=None, top=None):
    provider, sink = stack.provider(), stack.downstream()
    conf = config.base(stack.redis.url, **(top or {}))
    conf["destinations"]["out"] = config.destination(sink.url())
    conf["sources"]["in"] = {**provider.source("out", reconcile_s=60), **(source or {})}
    return provider, sink, conf


def next_round(stack):
    """The interval is over, as it were."""
    stack.redis.client().delete(LOCK)


def rounds(*dispatchers, msg="reconcile.done"):
    return [line for d in dispatchers for line in d.logged(msg)]


def wait_round(dispatchers, count=1, timeout=6.0):
    return wait_for(lambda: len(found := rounds(*dispatchers)) >= count and found, timeout, f"{count} rounds")[count - 1]


def test_what_never_arrived_is_fetched_and_relayed_once(stack):
    provider, sink, conf = configure(stack)
    receiver = stack.receiver(conf)
    for ident in ("lost", "came", "told"):
        provider.done(ident, tag=f"tag of {ident}")
    provider.set("unfinished", 40602)
    receiver.send("came")
    assert receiver.get("/in/in?id=told", listener="ingest").status == 200
    dispatcher = stack.dispatcher(conf)
    line = wait_round([dispatcher])
    assert (line["source"], line["failed"], line["skipped"]) == ("in", 0, 0)
    assert line["listed"] == line["known"] + line["announced"] and line["announced"] == 1, line
    requests = sink.wait_events({"lost", "came", "told"})
    lost = next(r for r in requests if r.event == "lost")
    assert lost.body == provider.body_of("lost")
    assert lost.query == {"id": "lost", "tag": "tag of lost"}
    asked = provider.asked()[0]
    assert (asked.method, asked.target, asked.header("Hookpace-Delivery")) == ("GET", PATH + "/tasks_ready", None)
    assert provider.gets("came") == []
    next_round(stack)
    assert wait_round([dispatcher], 2)["announced"] == 0
    assert receiver.get("/in/in?id=lost", listener="ingest").json()["duplicate"] is True
    stays(lambda: len(sink.all()) == 3 and len(provider.gets()) == 2, 0.3)


def test_an_event_of_another_source_is_another_one(stack):
    provider, sink, conf = configure(stack)
    conf["sources"]["other"] = config.source("out")
    receiver = stack.receiver(conf)
    provider.done("twin")
    receiver.send("twin", "/in/other")
    stack.dispatcher(conf)
    requests = sink.wait_count(2)
    assert [r.body for r in requests] == [b'{"id": "twin"}', provider.body_of("twin")]
    assert [r.query["id"] for r in requests] == ["twin", "twin"]


def test_one_of_several_dispatchers_asks(stack):
    provider, sink, conf = configure(stack)
    ids = {f"t{n}" for n in range(30)}
    for ident in ids:
        provider.done(ident)
    dispatchers = [stack.dispatcher(conf) for _ in range(3)]
    sink.wait_events(ids)
    assert 58_000 < stack.redis.client().pttl(LOCK) <= 60_000
    # a full look of each later nobody else has asked
    stays(lambda: len(provider.asked()) == 1, LOOK_S + 0.5)
    assert [line["announced"] for line in rounds(*dispatchers)] == [30]
    assert sorted(r.event for r in sink.all()) == sorted(ids)
    next_round(stack)
    wait_round(dispatchers, 2)
    assert len(provider.asked()) == 2
    assert len(sink.all()) == 30


def test_the_round_of_a_killed_dispatcher_is_taken_over_at_the_next_interval(stack):
    provider, sink, conf = configure(stack)
    provider.done("t1")
    provider.on(PATH + "/tasks_ready", Answer(action="hang"))
    first = stack.dispatcher(conf)
    wait_for(provider.asked, 5, "the first to ask")
    first.kill9()
    provider.clear_rules()
    second = stack.dispatcher(conf)
    next_round(stack)
    wait_round([second])
    assert sink.wait_count(1)[0].event == "t1"


FAILURES = {    # the first one on a new connection: on a kept one it would be "unknown"
    "closed": Answer(action="close"),
    "http_503": Answer(status=503),
    "http_401": Answer(status=401),
    "http_302": Answer(status=302, headers={"Location": "/elsewhere"}),
    "too_large": Answer(action="huge", size=1 << 30),
    "not JSON": Answer(body=b"<html>secret</html>"),
    "status_code 40202": Answer(body=json.dumps(refusal(40202)).encode()),
    "no envelope: it has no status_code": Answer(body=b"[]"),
}


def test_a_provider_that_fails_costs_a_line_and_waits_for_the_next_round(stack):
    provider, sink, conf = configure(stack)
    provider.done("t1")
    dispatcher = stack.dispatcher(conf, start=False)
    for count, (reason, answer) in enumerate(FAILURES.items(), 1):
        provider.on(PATH + "/tasks_ready", answer)
        next_round(stack)
        if count == 1:
            dispatcher.start()
        line = dispatcher.wait_log("reconcile.failed", reason=reason)
        assert (line["source"], line["level"]) == ("in", "warn")
        assert len(provider.asked()) == len(rounds(dispatcher, msg="reconcile.failed")) == count
    provider.clear_rules()
    next_round(stack)
    wait_round([dispatcher])
    assert sink.wait_count(1)[0].event == "t1"
    assert "secret" not in dispatcher.log()


def test_a_provider_that_is_down(stack):
    provider, _, conf = configure(stack)
    provider.close()
    dispatcher = stack.dispatcher(conf)
    assert dispatcher.wait_log("reconcile.failed")["reason"] == "connect_refused"
    stays(lambda: len(rounds(dispatcher, msg="reconcile.failed")) == 1, LOOK_S + 0.5)


def test_egress_deny_holds(stack):
    provider, _, conf = configure(stack, top={"dispatcher": {"egress": {"deny": ["127.0.0.0/8"]}}})
    dispatcher = stack.dispatcher(conf)
    assert dispatcher.wait_log("reconcile.failed")["reason"] == "blocked_address"
    assert provider.all() == []


def test_a_thousand_at_once_and_gzip(stack):
    provider, sink, conf = configure(stack)
    provider.compress = True
    ids = {f"t{n}" for n in range(1000)}
    for ident in ids:
        provider.done(ident)
    provider.done("one too many")
    dispatcher = stack.dispatcher(conf)
    line = wait_round([dispatcher])
    assert (line["listed"], line["announced"], line["skipped"]) == (1000, 1000, 1)
    sink.wait_events(ids, timeout=30)
    assert len(sink.all()) == 1000


def test_bad_ids_and_tags_do_no_harm(stack):
    provider, sink, conf = configure(stack)
    entries = [{"id": "a\nb"}, {"id": ""}, {"id": None}, {"id": "x" * 256}, 7, {"id": "good", "tag": "a\nb"}]
    provider.done("good")
    provider.on(PATH + "/tasks_ready", Answer(body=json.dumps(envelope("tasks_ready", result=entries)).encode()))
    dispatcher = stack.dispatcher(conf)
    line = wait_round([dispatcher])
    assert (line["listed"], line["skipped"], line["announced"]) == (1, 5, 1)
    assert sink.wait_count(1)[0].query == {"id": "good", "tag": ""}


def test_with_partitions(stack):
    provider, sink, conf = configure(stack, top={"redis": {"partitions": 16}})
    receiver = stack.receiver(conf)
    provider.done("came")
    provider.done("lost")
    receiver.send("came")
    stack.dispatcher(conf)
    sink.wait_events({"came", "lost"})
    stays(lambda: len(sink.all()) == 2, 0.5)
    assert provider.gets("came") == []


def test_sigterm_does_not_wait_for_it(stack):
    provider, _, conf = configure(stack)
    provider.on(None, Answer(action="hang"))
    dispatcher = stack.dispatcher(conf)
    wait_for(provider.asked, 5, "it to ask")
    began = time.monotonic()
    assert dispatcher.term().wait() == 0
    assert time.monotonic() - began < 1.0


def test_a_reload_gives_up_a_round_and_can_begin_or_end_it(stack):
    provider, sink, conf = configure(stack)
    provider.done("t1")
    provider.on(PATH + "/tasks_ready", Answer(action="hang"))
    dispatcher = stack.dispatcher(conf)
    wait_for(provider.asked, 5, "it to ask")
    provider.clear_rules()
    quiet = {**conf, "sources": {"in": {**conf["sources"]["in"], "reconcile_s": None}}}
    dispatcher.reload(quiet)
    next_round(stack)
    stays(lambda: len(provider.asked()) == 1, LOOK_S + 0.5)
    dispatcher.reload(conf)
    wait_round([dispatcher])
    assert sink.wait_count(1)[0].event == "t1"
    assert LOGIN not in dispatcher.log()
