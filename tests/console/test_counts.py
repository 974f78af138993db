"""Which programs run, what they have counted, and what is configured: status, history, sources, destinations, accounts."""

import json

import pytest

from harness import config
from harness.wait import wait_for

SECRET = "a-secret-of-the-source-and-of-the-destination"
BASE = "hookpace:{0}:"


@pytest.fixture
def counted(service):
    conf = service.conf
    conf["destinations"]["good"] = config.destination(service.sink.url("/good/" + SECRET + "?key=" + SECRET), headers={"X-Key": SECRET})
    conf["destinations"]["bad"] = config.destination(service.sink.url("/bad"), retry={"schedule_s": [0.1], "jitter": 0})
    conf["sources"]["in"] = config.source(["good"])
    conf["sources"]["worse"] = config.source(["bad"])
    return service


def test_status_names_what_runs_and_what_waits(counted):
    counted.start(dispatchers=2)
    root = counted.root
    wait_for(lambda: len(root.get("status")["programs"]) == 3, 10, "all programs")
    status = root.get("status")
    assert set(status) == {"version", "started_at", "digest", "ingest", "redis", "programs", "totals"}
    assert sorted(p["program"] for p in status["programs"]) == ["dispatcher", "dispatcher", "receiver"]
    assert [(p["program"], p["name"]) for p in status["programs"]] == sorted((p["program"], p["name"]) for p in status["programs"])
    for p in status["programs"]:
        assert set(p) == {"id", "program", "name", "version", "started_at", "inflight", "digest"}
        assert (p["version"], p["digest"], p["inflight"]) == (status["version"], status["digest"], 0)
    assert {int(p["name"].rsplit(":", 1)[1]) for p in status["programs"]} == {counted.receiver.pid, *(d.pid for d in counted.dispatchers)}
    assert status["totals"] == {"queued": 0, "inflight": 0, "retry": 0, "dead": 0, "lanes_paused": 0, "circuits_open": 0}
    redis = status["redis"]
    assert (redis["ready"], redis["mode"], redis["partitions"]) == (True, "standalone", 1)
    (shard,) = redis["shards"]
    assert status["ingest"] == {"listen": counted.receiver.address("ingest"), "tls": False}
    assert shard["up"] is True and shard["address"].startswith("127.0.0.1:") and shard["id"] == shard["address"]
    durability = redis["durability"]
    assert (durability["appendonly"], durability["appendfsync"], durability["maxmemory_policy"]) == ("yes", "everysec", "noeviction")
    assert any("appendfsync" in risk for risk in durability["risks"])
    counted.dispatchers[0].kill9()
    wait_for(lambda: len(root.get("status")["programs"]) == 2, 15, "the killed one to be gone")


def test_totals(counted):
    counted.start(dispatchers=0)
    r = counted.stack.redis.client()
    for n in range(4):
        counted.receiver.post("/in/in", {"id": f"e{n}"})
    r.zadd(BASE + "retry", {"a:good": 1, "b:good": 2})
    r.zadd(BASE + "inflight", {"c:good": 1})
    r.rpush(BASE + "dead:bad", "d:bad", "e:bad", "f:bad")
    r.zadd(BASE + "deads", {"bad": 1})
    r.hset(BASE + "origins:bad", "bad", "6 1 1 0 0 0")
    counted.root.post("lanes/good/pause")
    assert counted.root.get("status")["totals"] == {"queued": 4, "inflight": 1, "retry": 2, "dead": 3, "lanes_paused": 1, "circuits_open": 1}


def test_status_works_while_redis_is_away(counted):
    counted.start(dispatchers=0)
    counted.stack.redis.stop()
    wait_for(lambda: counted.root.get("status")["redis"]["ready"] is False, 10, "the loss to be seen")
    status = counted.root.get("status")
    assert status["programs"] is None and status["totals"] is None and status["redis"]["shards"][0]["up"] is False
    assert counted.eye.get("status")["version"] and counted.acme.get("status", 403)


def test_the_last_hour(counted):
    counted.start()
    counted.sink.on("/bad", 500)
    for n in range(10):
        assert counted.receiver.post("/in/in", {"id": f"e{n}"}).status == 200
    assert counted.receiver.post("/in/in", {"id": "e0"}).json()["duplicate"] is True
    assert counted.receiver.post("/in/in", "{").status == 400
    assert counted.receiver.post("/in/worse", {"id": "x"}).status == 200

    def sums():
        page = counted.root.get("history")
        assert page["next"] is None and len(page["items"]) == 60
        return {k: sum(m[k] for m in page["items"]) for k in ("accepted", "duplicate", "refused", "sent", "failed", "dead")}

    wait_for(lambda: sums() == {"accepted": 11, "duplicate": 1, "refused": 1, "sent": 12, "failed": 2, "dead": 1}, 10, "all counts")
    minutes = counted.root.get("history")["items"]
    assert [m["id"] for m in minutes] == sorted((m["id"] for m in minutes), reverse=True)
    for what in ("attempt", "delivery"):  # a request may leave in one minute and end in the next
        seen = [m for m in minutes if m[f"{what}_p50_ms"] is not None]
        assert seen and all(0 < m[f"{what}_p50_ms"] <= m[f"{what}_p99_ms"] < 10000 for m in seen)
    assert all(m["attempt_p50_ms"] is None for m in minutes[10:])
    destinations = {d["id"]: d for d in counted.root.all("destinations", limit=2)}
    assert destinations["good"]["last_hour"] == {"done": 10, "retry": 0, "dead": 0}
    assert destinations["bad"]["last_hour"] == {"done": 0, "retry": 1, "dead": 1}
    sources = {s["id"]: s for s in counted.root.all("sources", limit=1)}
    assert sources["in"]["last_hour"] == {"accepted": 10, "duplicate": 1, "refused": {"invalid_json": 1}}
    assert sources["worse"]["last_hour"] == {"accepted": 1, "duplicate": 0, "refused": {}}
    lanes = {lane["id"]: lane for lane in counted.root.all("lanes")}
    assert (lanes["good"]["sent_1m"], lanes["bad"]["sent_1m"], lanes["acme"]["sent_1m"]) == (10, 2, 0)
    assert lanes["good"]["last_hour"] == {"done": 10, "retry": 0, "dead": 0} and lanes["bad"]["last_hour"] == {"done": 0, "retry": 1, "dead": 1}
    trends = {t["id"]: t for t in counted.root.get("history/lanes")["items"]}
    assert set(trends) == {"good", "bad"} and all(len(t["done"]) == len(t["failed"]) == 30 and t["step_s"] == 120 for t in trends.values())
    assert (sum(trends["good"]["done"]), sum(trends["bad"]["failed"]), trends["good"]["failed"], trends["bad"]["done"]) == (10, 2, [0] * 30, [0] * 30)


def test_answers_of_very_many_sources(counted):
    """Their counts come in parts, some of them of one span."""
    counted.start(dispatchers=0)
    r = counted.stack.redis.client()
    span = int(r.time()[0]) // 300
    for ago in range(-1, 13):  # the present span may end meanwhile
        r.hset(f"{BASE}answers:{span - ago}", mapping={f"gone{n} ok": 1 for n in range(1500)} | {"in ok": 2, "in invalid_json": 1})
    (source,) = [s for s in counted.root.all("sources") if s["id"] == "in"]
    assert source["last_hour"] == {"accepted": 24, "duplicate": 0, "refused": {"invalid_json": 12}}


def test_a_lane_sums_its_destinations(counted):
    for n in range(40):
        counted.conf["destinations"][f"d{n:02}"] = config.destination(counted.sink.url(f"/d{n:02}"), lane="shared")
    counted.conf["sources"]["wide"] = config.source([f"d{n:02}" for n in range(40)])
    counted.start()
    for n in range(3):
        assert counted.receiver.post("/in/wide", {"id": f"w{n}"}).status == 200
    wait_for(lambda: counted.root.get("lanes/shared")["last_hour"]["done"] == 120, 20, "the results of all destinations")
    assert {lane["id"]: lane["last_hour"]["done"] for lane in counted.root.all("lanes", limit=1)} == {"acme": 0, "bad": 0, "eye": 0, "good": 0, "root": 0, "shared": 120}


def test_trends_stay_small_however_many_lanes_there_are(counted):
    for n in range(300):
        counted.conf["destinations"][f"d{n:03}"] = config.destination(counted.sink.url("/x"))
    for n in range(5):
        counted.conf["sources"][f"in{n}"] = config.source([f"d{i:03}" for i in range(60 * n, 60 * n + 60)])
    counted.conf["sources"]["busy"] = config.source(["d299"])
    counted.start()
    for n in range(20):
        assert counted.receiver.post("/in/busy", {"id": f"b{n}"}).status == 200
    for n in range(5):
        assert counted.receiver.post(f"/in/in{n}", {"id": f"e{n}"}).status == 200
    counted.sink.wait_count(320)
    r = counted.stack.redis.client()
    wait_for(lambda: sum(counted.root.get("history")["items"][i]["sent"] for i in (0, 1)) == 320, 20, "all counts")
    assert all(r.hlen(key) <= 128 for key in r.keys(BASE + "trends:*"))
    trends = {t["id"]: sum(t["done"]) for t in counted.root.get("history/lanes")["items"]}
    assert 0 < len(trends) <= 256 and trends["d299"] == 21


def test_what_is_configured_is_shown_without_secrets(counted):
    counted.start(dispatchers=0)
    (good,) = [d for d in counted.root.all("destinations") if d["id"] == "good"]
    assert good["origin"] == counted.sink.url("").rstrip("/") and good["lane"] == "good" and good["kind"] == "postback"
    assert {d["id"] for d in counted.root.all("destinations")} >= {"good", "bad", "postback@acme", "pingback@acme"}
    (source,) = [s for s in counted.root.all("sources") if s["id"] == "in"]
    assert source["path"] == "/in/in" and source["to"] == ["good"]
    accounts = {a["id"]: a["role"] for a in counted.root.all("accounts", limit=2)}
    assert accounts == {"root": "admin", "eye": "viewer", "acme": "user"}
    everything = json.dumps([counted.root.get(path) for path in ("status", "lanes", "sources", "destinations", "accounts", "history", "history/lanes")])
    assert SECRET not in everything and "password" not in everything


def test_tasks_of_each_account_and_its_delay(empty):
    login = {"Content-Type": "application/json"}
    empty.conf["accounts"]["acme"]["delay_ms"] = 100
    empty.receiver.reload(empty.conf)
    tasks = [{"id": "with", "postback_url": "https://app.example/", "result": 1}, {"id": "without", "postback_url": "https://app.example/"}]
    answer = empty.acme.raw("POST", "/v3/serp/google/organic/task_post", json.dumps(tasks).encode(), login)
    assert answer.json()["tasks_error"] == 0
    empty.root.post("delay", {"delay_ms": 300, "account": "acme"})
    accounts = {a["id"]: a for a in empty.root.all("accounts", limit=2)}
    nothing = dict.fromkeys(("pending", "processing", "done_not_fetched", "done_fetched", "failed"), 0)
    assert accounts["acme"] == {"id": "acme", "role": "user", "lane": "acme", "delay_ms": 100, "delay_in_force_ms": 300, "payload": "envelope", "verify_tls": True,
                                "tasks": {**nothing, "pending": 1, "done_not_fetched": 1}}
    assert accounts["eye"]["tasks"] == nothing and accounts["eye"]["delay_in_force_ms"] == 0


def test_accounts_are_listed_while_redis_is_away(service):
    service.start(dispatchers=0)
    service.stack.redis.kill9()
    accounts = service.root.get("accounts")["items"]
    assert [a["id"] for a in accounts] == ["acme", "eye", "root"] and all(a["tasks"] is None and a["delay_in_force_ms"] is None for a in accounts)


def test_counts_expire(counted):
    counted.start()
    counted.receiver.post("/in/in", {"id": "e"})
    r = counted.stack.redis.client()
    wait_for(lambda: r.keys(BASE + "sends:*"), 10, "a count")
    for key in r.keys(BASE + "*:*"):
        if key.split(":")[2] in ("history", "answers", "results", "sends", "trends"):
            assert 0 < r.ttl(key) <= 3900, key
    assert 0 < r.ttl(BASE + "programs") <= 60


@pytest.mark.parametrize("path", ["sources", "destinations", "accounts", "history", "history/lanes", "status"])
def test_who_may_and_what_may_be_wrong(empty, path):
    assert empty.eye.get(path)
    assert empty.acme.get(path, 403)["code"] == "forbidden"
    assert empty.root.get(path, 400, what=1)["code"] == "bad_request"
    if path not in ("history", "history/lanes", "status"):
        assert empty.root.get(path, 400, limit=0)["code"] == "bad_request"
        assert empty.root.get(path, 400, cursor="a b")["code"] == "bad_cursor"
