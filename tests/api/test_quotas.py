"""What an account may keep: max_tasks and max_bytes."""

import gzip
import json
import os

import pytest

from harness.exchange import Answer
from harness.wait import wait_for


def limited(service, dispatchers=0, retention=None, **quotas):
    service.conf["accounts"]["acme"].update(quotas)
    if retention:
        service.conf["retention"] = retention
    return service.start(dispatchers)


def codes(answers):
    return [a["status_code"] for a in answers]


def noise(n):
    """A text of N bytes that does not shrink much."""
    return os.urandom(n).hex()[:n]


def test_above_the_most_tasks(service):
    api = limited(service, max_tasks=3)
    answers = api.acme.set(*[{"id": f"t{n}", "result": n} for n in range(2)], *[{"id": f"p{n}"} for n in range(3)])
    assert codes(answers) == [20100, 20100, 20100, 40203, 40203]
    assert "'max_tasks' Of 3 " in answers[3]["status_message"]
    assert codes(api.acme.set({"id": "t0", "result": 0}, {"id": "p0"})) == [20100, 20100], "a repeat needs no room"
    assert codes(api.acme.set({"id": "t0", "result": 1})) == [40501]
    assert codes(api.beta.set({"id": "t9", "result": 1})) == codes(api.admin.set({"id": "t9", "result": 1})) == [20100]
    api.acme.complete_one("p0", result=1)
    api.acme.task("t0")
    assert codes(api.acme.set({"id": "t9", "result": 1})) == [40203], "a task that was fetched is kept all the same"
    assert api.acme.counts()["total"] == 3


def test_above_the_most_bytes(service):
    api = limited(service, max_bytes=10000)
    assert codes(api.acme.set({"id": "a", "result": noise(8000)}, {"id": "b", "result": noise(8000)}, {"id": "c", "result": 1})) == [20100, 40203, 20100]
    (answer,) = api.acme.set({"id": "b", "result": noise(8000)})
    assert "'max_bytes' Of 10000 " in answer["status_message"]
    api.acme.pend("p", "q")
    refused = api.acme.complete_one("p", 40203, result=noise(8000))
    assert "'max_bytes' Of 10000 " in refused["status_message"] and api.acme.counts()["pending"] == 2
    api.acme.complete_one("p", result=2)
    api.acme.complete_one("q", error={"status_code": 40102, "status_message": "x" * 1000})


@pytest.mark.parametrize("hook", ["none", "delivered", "dead", "pending"])
def test_what_has_expired_makes_room(service, hook):
    service.sink.on("/dead", 410)
    service.sink.on("/later", 500)
    api = limited(service, dispatchers=1, max_tasks=5, retention={"done_s": 1, "dead_s": 1, "pending_s": 1})
    api.acme.set_one(id="stays", postback_url=api.hook("/later"))  # waits for its retry, so the sums do not expire with the others
    more = {"none": {"result": 1}, "pending": {}, "delivered": {"result": 1, "postback_url": api.hook("/post")},
            "dead": {"result": 1, "postback_url": api.hook("/dead")}}[hook]
    for round in range(3):
        answers = api.acme.set(*[{"id": f"{round}-{n}", **more} for n in range(5)])
        assert codes(answers) == [20100] * 4 + [40203]
        wait_for(lambda: all(api.acme.task(f"{round}-{n}")["status_code"] == 40403 for n in range(4)), 10)


def test_a_resent_task_is_counted_once(service):
    service.sink.on("/dead", 410)
    api = limited(service, dispatchers=1, max_tasks=2, retention={"done_s": 3, "dead_s": 3})
    keys, usage = service.stack.redis.client(), "hookpace:{0}:usage:acme"
    api.acme.set_one(id="a", postback_url=api.hook("/dead"), pingback_url=api.hook("/dead"))
    for _ in range(5):
        wait_for(lambda: keys.hget(usage, "held") == "0", 10, lambda: keys.hgetall(usage))
        assert keys.hget(usage, "tasks") == "1"
        api.acme.resend("a")
    assert codes(api.acme.set({"id": "b", "result": 1}, {"id": "c", "result": 1})) == [20100, 40203]
    wait_for(lambda: not keys.exists(usage), 10, lambda: keys.hgetall(usage))


def test_the_defaults(quiet):
    """A user has quotas, an admin has none."""
    quiet.acme.pend("t")
    client = quiet.stack.redis.client()
    client.hset("hookpace:{0}:usage:acme", mapping={"tasks": 50000})
    client.hset("hookpace:{0}:usage:admin", mapping={"tasks": 10**9, "bytes": 10**12})
    (answer,) = quiet.acme.set({"id": "u"})
    assert answer["status_code"] == 40203 and "'max_tasks' Of 50000 " in answer["status_message"]
    client.hset("hookpace:{0}:usage:acme", mapping={"tasks": 1, "bytes": 128 << 20})
    (answer,) = quiet.acme.set({"id": "u"})
    assert answer["status_code"] == 40203 and f"'max_bytes' Of {128 << 20} " in answer["status_message"]
    assert codes(quiet.admin.set({"id": "u"})) == [20100]


def test_a_changed_quota_counts_at_once(service):
    api = limited(service, max_tasks=1)
    assert codes(api.acme.set({"id": "a"}, {"id": "b"})) == [20100, 40203]
    service.conf["accounts"]["acme"]["max_tasks"] = 0
    api.receiver.reload(service.conf)
    assert codes(api.acme.set(*[{"id": f"n{n}"} for n in range(100)])) == [20100] * 100
    service.conf["accounts"]["acme"]["max_tasks"] = 50
    api.receiver.reload(service.conf)
    assert codes(api.acme.set({"id": "c"})) == [40203]


def test_over_partitions(service):
    service.conf["redis"]["partitions"] = 5
    api = limited(service, max_tasks=10)
    for n in range(10):
        assert codes(api.acme.set({"id": f"t{n}", "postback_url": api.hook()} if n % 2 else {"id": f"t{n}", "result": 1})) == [20100]
    assert codes(api.acme.set({"id": "u"}, {"id": "v", "result": 1, "pingback_url": api.hook()})) == [40203, 40203]


def test_a_failure_is_kept_once_and_short(service):
    """The answer has a KiB of control characters, the URL almost 4 KB."""
    service.sink.on("/bad", Answer(status=500, body=bytes(range(1, 9)) * 128))
    service.sink.on("/text", Answer(status=500, body=("g\u00fc\n" * 300 + "\u00fc").encode()))
    service.conf["accounts"]["acme"]["retry"] = {"schedule_s": [0.01] * 5}
    api = limited(service, dispatchers=1)
    client = service.stack.redis.client()
    api.acme.set_one(id="warm", postback_url=api.hook("/bad"))
    wait_for(lambda: api.delivery("warm").get("state") == "dead", 10)
    before = client.info("memory")["used_memory"]
    for n in range(20):
        api.acme.set_one(id=f"t{n}", postback_url=api.sink.url("/bad?" + "x" * 3900))
    wait_for(lambda: api.acme.counts()["failed"] == 21, 20, api.acme.counts)
    each = (client.info("memory")["used_memory"] - before) / 20 / 6
    assert each < 8000, f"{each} bytes an attempt, with a sixth of the task itself"
    mine, everybodys = api.acme.errors(limit=1000), api.admin.errors(limit=1000)
    assert len(mine) == len(everybodys) == 21 * 6
    assert {e["http_response"] for e in mine} == {"?" * 512} and max(len(e["http_url"]) for e in mine) <= 2048
    assert [{**e, "id": "@acme/" + e["id"]} for e in mine] == everybodys
    api.acme.set_one(id="text", postback_url=api.hook("/text"))
    wait_for(lambda: api.delivery("text").get("state") == "dead", 10)
    assert api.acme.errors(limit=1)[0]["http_response"] == "g\u00fc\n" * 128


@pytest.mark.parametrize("result,most", [("x" * 200000, 3000), ({"items": [{"rank": n, "url": f"https://site.example/{n}"} for n in range(4000)]}, 120000)], ids=["text", "items"])
def test_large_results_are_packed(service, result, most):
    """Whether they come at once or later; and they come back as they were."""
    api = limited(service, dispatchers=1)
    api.acme.pend("later", postback_url=api.hook("/post"))
    api.acme.set_one(id="once", result=result)
    api.acme.complete_one("later", result=result)
    client = service.stack.redis.client()
    for ident in ("once", "later"):
        assert client.strlen(f"hookpace:{{0}}:event:@acme/{ident}") < most
        assert api.acme.task(ident)["result"] == [result]
    (post,) = api.sink.wait_count(1)
    assert json.loads(gzip.decompress(post.body))["tasks"][0]["result"] == [result]
