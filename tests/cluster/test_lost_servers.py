"""Servers of a cluster that are away, or that lose their last partition, while the programs go on with the others."""

import base64
import itertools
import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor

from harness import http
from harness.redis_cluster import slot_of
from harness.wait import stop_process, wait_for

LOOK_S = 5  # so often the programs ask each server what their user may do there
JSON = {"Content-Type": "application/json"}


def looks(program, partition, since):
    """How often PROGRAM has asked the server of PARTITION what its user may do."""
    return sum(line.get("script") == "rights" and line["partition"] == partition for line in program.lines[since:])


def test_an_account_goes_on_while_the_first_shard_is_away(own):
    """Its tasks and its settings are on the shard of its lane."""
    names = (f"a{n}" for n in itertools.count())
    account = next(n for n in names if own.stored.partition(n) == 2)
    own.conf["accounts"][account] = {"password": "some-password", "role": "user"}
    login = {"Authorization": "Basic " + base64.b64encode(f"{account}:some-password".encode()).decode()}
    receiver = own.receiver(own.conf)
    own.cluster.owner(own.base(0)).kill9()
    wait_for(lambda: receiver.post(f"/in/{own.names[0]}", {"id": "a"}).status == 503, 10, "the first shard to be away")
    task = {"id": "t", "postback_url": own.sink.url("/t?id=$id"), "result": {"a": 1}}
    answer = http.post(receiver.admin, "/v3/serp/task_post", json.dumps([task]).encode(), login | JSON).json()
    assert answer["tasks"][0]["status_code"] == 20100, answer
    for call in ("webhook_settings", "webhook_delay"):
        answer = http.get(receiver.admin, f"/v3/appendix/{call}", login).json()
        assert answer["tasks"] and answer["tasks"][0]["status_code"] == 20000, (call, answer)


def test_a_server_loses_its_last_partition_while_it_is_asked(own):
    """The question is sent on to the new server, which is silent. The connection to the old one is closed meanwhile."""
    own.conf["redis"]["timeout_ms"] = 4 * LOOK_S * 1000
    receiver = own.receiver(own.conf, env={"HOOKPACE_LOG": "debug"})
    cluster, slot = own.cluster, slot_of(own.base(1))
    old, new = cluster.owner(own.base(1)), cluster.owner(own.base(2))
    assert receiver.post(f"/in/{own.names[1]}", {"id": "a"}).status == 200
    cluster.begin_move(slot, old, new)
    cluster.move_keys(old, new, *cluster.ask(old, "CLUSTER", "GETKEYSINSLOT", slot, 1000))
    mark = len(receiver.lines)
    wait_for(lambda: looks(receiver, 1, mark) >= 2, 2 * LOOK_S, "the questions of the receiver's two clients, which are turned away")
    stop_process(receiver.process.pid)
    cluster.end_move(slot, old, new)
    new.pause()
    receiver.process.send_signal(signal.SIGCONT)
    mark = len(receiver.lines)
    wait_for(lambda: looks(receiver, 0, mark) >= 4, 3 * LOOK_S, "two more looks at all servers by each of them")
    new.resume()
    wait_for(lambda: receiver.post(f"/in/{own.names[1]}", {"id": "b"}).status == 200, 4 * LOOK_S, "the partition at its new server")


def test_a_server_is_asked_at_once_about_a_partition_that_comes(own):
    """It answers for another partition already. At the next look it is asked about both."""
    receiver = own.receiver(own.conf, env={"HOOKPACE_LOG": "debug"})
    cluster, slot = own.cluster, slot_of(own.base(2))
    old, new = cluster.owner(own.base(2)), cluster.owner(own.base(0))
    assert receiver.post(f"/in/{own.names[2]}", {"id": "a"}).status == 200
    cluster.begin_move(slot, old, new)
    cluster.move_keys(old, new, *cluster.ask(old, "CLUSTER", "GETKEYSINSLOT", slot, 1000))
    cluster.end_move(slot, old, new)
    wait_for(lambda: looks(receiver, 2, 0) - looks(receiver, 0, 0) >= 2, 2 * LOOK_S, "a question of each of the receiver's two clients")


def api(receiver, path, status=200):
    """What GET /api/PATH answers the admin."""
    login = {"Authorization": "Basic " + base64.b64encode(b"root:root-password").decode()}
    answer = http.get(receiver.admin, "/api/" + path, login)
    assert answer.status == status, (path, answer.json())
    return answer.json()


def test_operators_see_the_others_and_which_shard_is_away(own):
    receiver, dispatcher = own.receiver(own.conf), own.dispatcher(own.conf)
    lost = own.cluster.owner(own.base(1))
    for partition, name in enumerate(own.names):
        assert receiver.post(f"/in/{name}", {"id": f"e{partition}"}).status == 200
    wait_for(lambda: {d["state"] for d in api(receiver, "deliveries")["items"]} == {"done"}, 10, "the events to arrive")
    lost.kill9()
    wait_for(lambda: api(receiver, "status")["redis"]["away"] == [1], 10, "the shard to be away")
    shards = {s["address"]: (s["up"], s["partitions"]) for s in api(receiver, "status")["redis"]["shards"]}
    assert shards == {f"127.0.0.1:{n.port}": (n is not lost, [p for p in range(3) if own.cluster.owner(own.base(p)) is n]) for n in own.cluster.nodes}
    for program, listener in ((receiver, "admin"), (dispatcher, "dispatcher")):
        ready = program.get("/readyz", listener)
        assert (ready.status, ready.json()["warning"]) == (200, "Redis is away: partition 1")
        up = program.metrics()["hookpace_redis_up"]
        assert up == {(("shard", f"127.0.0.1:{n.port}"),): float(n is not lost) for n in own.cluster.nodes}
    page = wait_for(lambda: (p := api(receiver, "lanes")).get("missing") == [1] and p, 10, "a look at the lanes")
    listed = {lane["id"] for lane in page["items"]}
    assert {own.names[0], own.names[2]} <= listed and own.names[1] not in listed
    page = api(receiver, "deliveries")
    assert (page["missing"], {d["event"] for d in page["items"]}) == ([1], {"e0", "e2"})
    wait_for(lambda: api(receiver, f"lanes/{own.names[2]}")["last_hour"]["done"] == 1, 10, "the count of the last hour")
    assert api(receiver, f"lanes/{own.names[1]}", 503)["error"]["message"] == "Redis is away: partition 1"
    assert api(receiver, f"deliveries/e1:{own.names[1]}", 503)["error"]["message"] == "Redis is away: partition 1"
    lost.start()
    wait_for(lambda: "missing" not in api(receiver, "lanes"), 20, "the shard to be back")
    assert {d["event"] for d in api(receiver, "deliveries")["items"]} == {"e0", "e1", "e2"}


def test_a_slot_that_nobody_has(own):
    """Its partition is away, as if its server were; when a server takes the slot, it goes on."""
    receiver, dispatcher = own.receiver(own.conf), own.dispatcher(own.conf)
    slot, node = slot_of(own.base(1)), own.cluster.owner(own.base(1))
    for each in own.cluster.nodes:
        own.cluster.ask(each, "CLUSTER", "DELSLOTS", slot)
    for program, listener in ((receiver, "admin"), (dispatcher, "dispatcher")):
        wait_for(lambda p=program, w=listener: p.get("/readyz", w).json().get("warning") == "Redis is away: partition 1", 20, "the warning")
        program.wait_log("redis.slots_missing", partitions="1")
    redis = api(receiver, "status")["redis"]
    assert (redis["ready"], redis["away"]) == (False, [1])
    assert api(receiver, "lanes")["missing"] == [1]
    assert [receiver.post(f"/in/{name}", {"id": f"m{p}"}).status for p, name in enumerate(own.names)] == [200, 503, 200]
    own.cluster.ask(node, "CLUSTER", "ADDSLOTS", slot)
    wait_for(lambda: receiver.post(f"/in/{own.names[1]}", {"id": "m1"}).status == 200, 20, "the partition to be served")
    wait_for(lambda: api(receiver, "status")["redis"]["away"] == [], 10, "nothing to be away")


def sent_1m(receiver, lane):
    return api(receiver, f"lanes/{lane}")["sent_1m"]


def test_counts_of_others_do_not_wait_for_the_first_shard(own):
    """Each partition has the sends of its lanes. All else is counted in partition 0, when it is back: nothing is lost."""
    first, second, third = own.names
    receiver, dispatcher = own.receiver(own.conf), own.dispatcher(own.conf)
    home = own.cluster.owner(own.base(0))
    home.kill9()
    wait_for(lambda: receiver.post(f"/in/{first}", {"id": "a"}).status == 503, 10, "the first shard to be away")
    for n in range(5):
        assert receiver.post(f"/in/{second}", {"id": f"e{n}"}).status == 200
    wait_for(lambda: len(dispatcher.logged("attempt.ended")) == 5, 10, "the events to arrive")
    wait_for(lambda: sent_1m(receiver, second) == 5, 10, "the count of the sends")
    assert sent_1m(receiver, third) == 0
    home.start()
    wait_for(lambda: receiver.post(f"/in/{first}", {"id": "b"}).status == 200, 20, "the first shard to be back")
    found = lambda: {d["id"]: d["last_hour"]["done"] for d in api(receiver, "destinations")["items"] if d["last_hour"]}  # noqa: E731
    wait_for(lambda: [found().get(name) for name in own.names] == [1, 5, 0], 15, lambda: f"the counts of the hour, not {found()}")
    assert sum(minute["accepted"] for minute in api(receiver, "history")["items"]) == 6


def test_counts_that_redis_refuses_are_added_later(own):
    """It is full for a while. Deliveries go on meanwhile."""
    lane = own.names[1]
    receiver, dispatcher = own.receiver(own.conf), own.dispatcher(own.conf)
    full = own.cluster.owner(own.base(0))
    own.cluster.ask(full, "CONFIG", "SET", "maxmemory", "1")
    for n in range(3):
        assert receiver.post(f"/in/{lane}", {"id": f"e{n}"}).status == 200
    wait_for(lambda: len(dispatcher.logged("attempt.ended")) == 3, 10, "the events to arrive")
    wait_for(lambda: sent_1m(receiver, lane) == 3, 10, "a beat")
    with full.client() as client:
        refused = lambda: int(client.info("errorstats").get("errorstat_OOM", "count=0").partition("=")[2])  # noqa: E731
        begun = refused()
        wait_for(lambda: refused() >= begun + 4, 20, "both programs to be refused")
    own.cluster.ask(full, "CONFIG", "SET", "maxmemory", "0")
    found = lambda: {d["id"]: d["last_hour"]["done"] for d in api(receiver, "destinations")["items"]}.get(lane)  # noqa: E731
    wait_for(lambda: found() == 3, 10, lambda: f"the counts of the hour, not {found()}")


def test_calls_that_wait_for_a_slot_are_load_of_its_shard_alone(own):
    """The slot is half moved to a server that is away, and new keys belong there. A thread takes nothing more for a shard for which 48 MB wait."""
    own.conf["redis"]["timeout_ms"] = 30000  # calls wait for half of it
    receiver = own.receiver(own.conf)
    other, moving, _ = own.names
    source, target = own.cluster.owner(own.base(1)), own.cluster.owner(own.base(2))
    own.cluster.begin_move(slot_of(own.base(1)), source, target)
    target.kill9()
    bodies = [b'{"id": "large%d", "pad": "%s"}' % (n, base64.b64encode(os.urandom(6_600_000))) for n in range(6)]
    with ThreadPoolExecutor(len(bodies)) as pool:
        large = [pool.submit(receiver.post, f"/in/{moving}", body, timeout=60) for body in bodies]
        with source.client() as client:
            turned = lambda: client.info("commandstats").get("cmdstat_set", {}).get("rejected_calls", 0)  # noqa: E731
            wait_for(lambda: turned() == len(bodies), 10, lambda: f"the server to turn all of them away, not {turned()}")
        answers = [receiver.post(f"/in/{other}", {"id": f"e{n}"}).status for n in range(30)]
        assert not any(answer.done() for answer in large), "they wait all the time"
        assert set(answers) == {200}
        assert {answer.result().status for answer in large} == {503}
