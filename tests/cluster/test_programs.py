"""The programs on a cluster of three masters: what goes in comes out, on every partition."""

import base64
import itertools
import json
import os
import re
import subprocess
from pathlib import Path

from harness import config, http, paths
from harness.exchange import Answer
from harness.redis_server import RedisServer
from harness.wait import wait_for

JSON = {"Content-Type": "application/json"}
ROOT = {"Authorization": "Basic " + base64.b64encode(b"root:root-password").decode()}


def test_events_are_delivered_from_every_partition(spread):
    receiver = spread.receiver(spread.conf)
    for name in spread.names:
        assert receiver.post(f"/in/{name}", {"id": f"early-{name}"}).status == 200
    assert {lane: ids for lane, ids in spread.stored.queues().items()} == {n: [f"early-{n}:{n}"] for n in spread.names}
    spread.dispatcher(spread.conf)
    for name in spread.names:
        for n in range(5):
            assert receiver.post(f"/in/{name}", {"id": f"{name}-{n}"}).status == 200
    requests = spread.sink.wait_count(6 * len(spread.names))
    assert len({r.delivery for r in requests}) == 6 * len(spread.names), "none twice"
    wait_for(lambda: not spread.stored.inflight(), 5, "nothing to be in flight")


def test_partitions_spread_evenly(spread):
    receiver = spread.receiver(spread.conf)
    status = receiver.get("/api/status", "admin", headers=ROOT).json()["redis"]
    assert status["mode"] == "cluster" and status["ready"] is True
    assert sorted(len(s["partitions"]) for s in status["shards"]) == [4, 4, 4]
    assert {s["address"] for s in status["shards"]} == {f"127.0.0.1:{n.port}" for n in spread.cluster.nodes}
    assert len(receiver.metrics()["hookpace_redis_up"]) == 3
    assert not receiver.logged("redis.shards_uneven")


def test_partitions_that_cannot_spread_are_told(cluster, spread_on):
    two = spread_on(cluster, partitions=2)
    told = two.receiver(two.conf).wait_log("redis.shards_uneven")
    assert (told["partitions"], told["shards"], told["without"], told["most"]) == (2, 3, 1, 1)


def risks(receiver):
    status = receiver.get("/api/status", "admin", headers=ROOT).json()
    return [risk.split(" is ")[0] for risk in status["redis"]["durability"]["risks"]]


def test_a_risk_of_any_shard_is_shown(spread):
    for node in spread.cluster.nodes:
        node.client().config_set("maxmemory-policy", "allkeys-lru")
        try:
            receiver = spread.receiver(spread.conf)
            wait_for(lambda: risks(receiver) == ["appendfsync", "maxmemory-policy"], 5, lambda: f"both risks, not {risks(receiver)}")
        finally:
            node.client().config_set("maxmemory-policy", "noeviction")
        receiver.kill9()


def test_an_event_that_fans_out_over_the_shards(spread):
    """It is stored whole on each shard, answered once, and a repeat doubles nothing."""
    spread.conf["sources"]["all"] = config.source(spread.names)
    receiver = spread.receiver(spread.conf)
    big = json.dumps({"id": "fan", "pad": "x" * 200_000}).encode()
    assert receiver.post("/in/all", big).status == 200
    assert receiver.post("/in/all", big).json()["duplicate"] is True
    spread.dispatcher(spread.conf)
    requests = spread.sink.wait_count(len(spread.names))
    assert {r.delivery for r in requests} == {f"fan:{n}" for n in spread.names}
    assert all(r.body == big for r in requests)
    wait_for(lambda: not spread.stored.inflight(), 5, "nothing to be in flight")
    assert len(spread.sink.requests) == len(spread.names)


def test_a_dispatcher_that_idles_is_woken(spread):
    """By the channel of the shard, which it subscribes at the server that has it."""
    receiver = spread.receiver(spread.conf)
    spread.dispatcher(spread.conf)
    channels = {node: [spread.base(p) + "wake" for p in range(12) if spread.cluster.owner(spread.base(p)) is node]
                for node in spread.cluster.nodes}
    for node, mine in channels.items():
        wait_for(lambda: spread.cluster.ask(node, "PUBSUB", "SHARDNUMSUB", *mine) == [x for c in mine for x in (c, 1)], 5, "the subscriptions")
    ears = {}
    for node, mine in channels.items():
        with node.client().pubsub() as ear:
            ears[node] = ear
            ear.execute_command("SSUBSCRIBE", mine[0])
            assert ear.parse_response() == ["ssubscribe", mine[0], 1]
            name = spread.at(node)[0]
            assert receiver.post(f"/in/{name}", {"id": f"w-{name}"}).status == 200
            assert ear.parse_response() == ["smessage", mine[0], name]
    spread.sink.wait_count(3)


def test_the_work_of_a_killed_dispatcher_goes_on(spread):
    """Without waiting for its leases of a minute: each shard sees that its lifeline is gone."""
    for destination in spread.conf["destinations"].values():
        destination["timeout_ms"] = 60000
    receiver, dispatcher = spread.receiver(spread.conf), spread.dispatcher(spread.conf)
    for partition in range(12):
        wait_for(lambda: len(spread.stored.client.hgetall(spread.base(partition) + "present")) == 3, 5, "its row in each partition")
    spread.sink.on(None, *[Answer(action="hang")] * 12, Answer())
    for name in spread.names:
        receiver.post(f"/in/{name}", {"id": f"k-{name}"})
    spread.sink.wait_count(12)
    dispatcher.kill9()
    spread.dispatcher(spread.conf)
    spread.sink.wait_count(24, 20)
    wait_for(lambda: not spread.stored.inflight(), 10, "all of it to be over")


def test_calls_of_operators_go_over_all_shards(spread):
    for destination in spread.conf["destinations"].values():
        destination["retry"] = {"schedule_s": []}
    receiver = spread.receiver(spread.conf)
    dispatcher = spread.dispatcher(spread.conf)

    def ask(target, body=None):
        answer = http.get(receiver.admin, target, ROOT) if body is None else http.post(receiver.admin, target, json.dumps(body).encode(), ROOT | JSON)
        assert answer.status in (200, 201, 202), answer
        return answer.json()

    spread.sink.on(None, *[503] * 12, 200)
    for name in spread.names:
        receiver.post(f"/in/{name}", {"id": f"o-{name}"})
    wait_for(lambda: len(spread.stored.all_dead()) == 12, 10, "12 dead letters")
    assert {d["id"] for d in ask("/api/deliveries?state=dead&limit=20")["items"]} == {f"o-{n}:{n}" for n in spread.names}
    assert ask("/api/status")["totals"]["dead"] == 12
    wait_for(lambda: len(ask("/api/status")["programs"]) == 2, 10, "both programs")
    ask("/api/resend", {"state": "dead"})
    spread.sink.wait_count(24)
    wait_for(lambda: not spread.stored.all_dead(), 10, "no dead letters")
    cursor, found = None, []
    while True:
        page = ask("/api/check", {"repair": False, "cursor": cursor})
        cursor, found = page["next"], found + page["items"]
        if cursor is None:
            break
    assert not found
    assert dispatcher.metric("hookpace_queue_depth", lane=spread.names[0]) == 0
    assert set(dispatcher.metrics()["hookpace_redis_up"].values()) == {1.0}


def test_tasks_and_fetches(spread):
    """An account's tasks: posted, delivered by webhooks, fetched."""
    spread.conf["accounts"]["acme"] = {"password": "acme-password", "role": "user"}
    receiver = spread.receiver(spread.conf)
    spread.dispatcher(spread.conf)
    login = {"Authorization": "Basic " + base64.b64encode(b"acme:acme-password").decode()}
    tasks = [{"result": {"n": n}, "tag": f"t{n}"} for n in range(5)]
    answer = http.post(receiver.admin, "/v3/serp/task_post", json.dumps(tasks).encode(), login | JSON).json()
    idents = [t["id"] for t in answer["tasks"]]
    assert len(set(idents)) == 5
    ready = http.get(receiver.admin, "/v3/serp/tasks_ready", login).json()
    assert {r["id"] for r in ready["tasks"][0]["result"]} == set(idents)
    got = http.get(receiver.admin, f"/v3/serp/task_get/{idents[2]}", login).json()
    assert got["tasks"][0]["result"] == [{"n": 2}]


def test_the_url_does_not_fit_the_servers(spread, tmp_path):
    """A cluster by the URL of one server, and one server by the URL of a cluster: /readyz says what to write."""
    node = spread.cluster.nodes[0]
    spread.conf["redis"]["url"] = node.url
    receiver = spread.receiver(spread.conf, start=False).start(ready=False)
    wait_for(lambda: "the server belongs to a cluster: begin redis.url with redis+cluster://" in receiver.get("/readyz").body.decode(), 5)
    plain = RedisServer(tmp_path / "plain").start()
    try:
        spread.conf["redis"]["url"] = f"redis+cluster://127.0.0.1:{plain.port}"
        dispatcher = spread.dispatcher(spread.conf, start=False).start(ready=False)
        wait_for(lambda: "is no part of a cluster" in dispatcher.get("/readyz").body.decode(), 5)
        assert dispatcher.get("/readyz").status == receiver.get("/readyz").status == 503
        for url, says in ((f"redis+sentinel://127.0.0.1:{plain.port}/mymaster", "is no sentinel"),
                          (f"rediss+sentinel://127.0.0.1:{plain.port}/mymaster", "is this its port for TLS?"),
                          (f"rediss+cluster://127.0.0.1:{node.port}", "is this its port for TLS?")):
            spread.conf["redis"]["url"] = url
            program = spread.dispatcher(spread.conf, start=False).start(ready=False)
            wait_for(lambda p=program, s=says: s in p.get("/readyz").body.decode(), 10, lambda p=program: p.get("/readyz").body)
            program.kill9()
    finally:
        plain.stop()


def test_a_user_without_more_rights_than_documented(spread):
    """The rules of docs/guides/operations.md, and those that a cluster needs beside them; without a right the programs say so."""
    page = (Path(__file__).resolve().parents[2] / "docs/guides/operations.md").read_text()
    rules = re.search(r"^ACL SETUSER hookpace (.*)$", page, re.M)[1].replace("PASSWORD", "pw").replace("hookpace", spread.prefix).split()
    for node in spread.cluster.nodes:
        spread.cluster.ask(node, "ACL", "SETUSER", "hookpace", "reset", *rules, *re.search(r"In a cluster add `([^`]*)`", page)[1].split())
    spread.conf["redis"]["url"] = spread.cluster.url.replace("://", "://hookpace:pw@")
    receiver = spread.receiver(spread.conf)
    spread.dispatcher(spread.conf)
    for name in spread.names:
        assert receiver.post(f"/in/{name}", {"id": f"r-{name}"}).status == 200
    spread.sink.wait_count(12)
    for node in spread.cluster.nodes:
        spread.cluster.ask(node, "ACL", "SETUSER", "hookpace", "-spublish")
    assert "+spublish" in receiver.wait_log("redis.rights_missing")["reason"]
    wait_for(lambda: receiver.get("/readyz").status == 503, 10)


def test_a_tail_that_was_refused_is_asked_for_again(spread, tmp_path):
    node, prefix = spread.cluster.owner(spread.base(0)), spread.prefix
    for each in spread.cluster.nodes:
        spread.cluster.ask(each, "ACL", "SETUSER", "tailer", "reset", "on", ">pw", "~*", "+@all", "allchannels")
    spread.conf["redis"]["url"] = spread.cluster.url.replace("://", "://tailer:pw@")
    receiver = spread.receiver(spread.conf)
    spread.cluster.ask(node, "ACL", "SETUSER", "tailer", "resetchannels", f"&{prefix}:*:wake", f"&{prefix}:*:present:*")
    out = tmp_path / "tail.txt"
    env = {**os.environ, "HOOKPACE_URL": f"http://{receiver.admin}", "HOOKPACE_LOGIN": "root:root-password"}
    with out.open("wb") as file, subprocess.Popen([paths.command(), "tail"], env=env, stdout=file) as tail:
        try:
            wait_for(lambda: f"{spread.base(0)}tail" in str(spread.cluster.ask(node, "ACL", "LOG")), 10, "the channel to be refused")
            spread.cluster.ask(node, "ACL", "SETUSER", "tailer", "allchannels")
            numbers = itertools.count()
            wait_for(lambda: receiver.post(f"/in/{spread.names[0]}", {"id": f"seen{next(numbers)}"}) and "seen" in out.read_text(), 20,
                     "an event on the stream")
        finally:
            tail.terminate()
