"""A user of Redis that may do only what the programs need, and one that may do less."""

import re
from pathlib import Path

import pytest

from harness import config, paths
from harness.wait import wait_for

PAGE = Path(__file__).resolve().parents[2] / "docs/guides/operations.md"
PASSWORD = "a-password-of-the-test"
FAST = {"schedule_s": [0.1, 0.1, 0.1], "jitter": 0}


def documented():
    """The rules of the ACL SETUSER line in docs/guides/operations.md."""
    line = re.search(r"^ACL SETUSER hookpace (.*)$", PAGE.read_text(), re.M)[1]
    return line.replace("PASSWORD", "pw").split()


def set_user(stack, *rules, first=()):
    stack.redis.client().execute_command("ACL", "SETUSER", "hookpace", *first, *rules)


def run(stack, wait=True, **dest):
    url = stack.redis.url.replace("redis://", "redis://hookpace:pw@")
    sink = stack.downstream()
    conf = config.base(url)
    conf["accounts"] = {"acme": {"password": PASSWORD, "role": "admin"}}
    conf["sources"]["in"] = config.source("out")
    conf["destinations"]["out"] = config.destination(sink.url(), retry=FAST, **dest)
    return sink, stack.receiver(conf, **({} if wait else {"start": False})), stack.dispatcher(conf, **({} if wait else {"start": False}))


def state(stack, ident):
    return stack.keys.delivery(f"{ident}:out").get("state")


def test_the_documented_rights_are_enough(stack):
    set_user(stack, *documented(), first=("reset",))
    sink, receiver, dispatcher = run(stack, delay_ms=50)
    for ident in "abc":
        assert receiver.post("/in/in", {"id": ident}).status == 200
    sink.wait_count(3)
    wait_for(lambda: all(state(stack, i) == "done" for i in "abc"), 10)
    assert receiver.get("/readyz").status == 200 and dispatcher.get("/readyz").status == 200
    assert receiver.metrics() and dispatcher.metrics()
    for program in (receiver, dispatcher):
        assert not program.logged("redis.rights_missing") and not program.logged("settle.failed")


def test_every_command_of_a_script_is_asked_for():
    scripts = paths.REPOSITORY / "common/queue/lua"
    used = {c for path in scripts.glob("*.lua") for c in re.findall(r"\bcall\(['\"]([A-Z]+)['\"]", path.read_text())} | {"LPUSH", "RPUSH", "PUBLISH"}
    asked = set(re.findall(r"'([A-Z]+)[' ]", (scripts / "rights.lua").read_text()))
    assert used <= asked


LESS = [("-publish", "+publish"), ("resetchannels", "&hookpace:*"), ("-hset", "+hset"), ("-lpush", "+lpush"), ("-zadd", "+zadd"),
        ("-xadd", "+xadd"), ("-evalsha", "+@scripting")]


@pytest.mark.parametrize("rule,named", LESS)
def test_a_missing_right_is_named(stack, rule, named):
    set_user(stack, *documented(), rule, first=("reset",))
    sink, receiver, dispatcher = run(stack, wait=False)
    for program in (receiver, dispatcher):
        program.start(ready=False)
        assert named in program.wait_log("redis.rights_missing")["reason"]
        wait_for(lambda: named in program.get("/readyz").body.decode(), 5)
        assert program.get("/readyz").status == 503
    assert receiver.post("/in/in", {"id": "a"}).status == 503
    assert not stack.redis.client().keys("hookpace:*event*"), "nothing was written"
    set_user(stack, *documented())
    wait_for(lambda: receiver.get("/readyz").status == 200 and dispatcher.get("/readyz").status == 200, 15)
    assert receiver.post("/in/in", {"id": "a"}).status == 200
    sink.wait_count(1)


@pytest.mark.parametrize("keys", ["~other:*", "~hookpace:{0}:lanes"])
def test_a_missing_key_pattern_is_named(stack, keys):
    set_user(stack, *documented(), "resetkeys", keys, first=("reset",))
    _, receiver, dispatcher = run(stack, wait=False)
    for program in (receiver, dispatcher):
        program.start(ready=False)
        assert "~hookpace:*" in program.wait_log("redis.rights_missing")["reason"]


@pytest.mark.parametrize("rule", ["-hset", "-rpush", "-zadd", "-publish", "-lpush", "-zrem", "-hincrby", "resetchannels", "-lpop", "-pexpire"])
def test_rights_that_are_taken_away_lose_nothing(stack, rule):
    set_user(stack, *documented(), first=("reset",))
    sink, receiver, dispatcher = run(stack)
    posted = []

    def post(ident):
        status = receiver.post("/in/in", {"id": ident}).status
        if status == 200 and ident not in posted:
            posted.append(ident)
        return status

    assert all(post(f"a{i}") == 200 for i in range(20))
    set_user(stack, rule)
    tried = [f"b{i}" for i in range(20)]
    for ident in tried:
        post(ident)
    receiver.wait_log("redis.rights_missing", timeout=12)
    wait_for(lambda: receiver.get("/readyz").status == 503, 10)
    set_user(stack, *documented())
    wait_for(lambda: receiver.get("/readyz").status == 200 and dispatcher.get("/readyz").status == 200, 15)
    for ident in tried:
        wait_for(lambda: post(ident) == 200, 5)
    wait_for(lambda: {i for i in posted if state(stack, i) == "done"} == set(posted), 30,
             lambda: f"{[(i, stack.keys.delivery(f'{i}:out')) for i in posted if state(stack, i) != 'done'][:3]}")
