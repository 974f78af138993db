"""Dead letters by destination and reason: GET /api/dead, and `hookpace dead`."""

from collections import Counter

import pytest
from test_command import Hookpace

from harness import config

GROUPS = {("orders", "http_500"): 3000, ("orders", "connect_refused"): 1200, ("orders", "410"): 50, ("audit", "timeout"): 749, ("audit", "http_500"): 1}
FIRST_DEATH = 1_700_000_000_000


def bury(service, groups):
    """Dead letters as settle.lua leaves them. Their groups take turns, and twenty of them die in each ms."""
    left, n = dict(groups), 0
    pipe = service.stack.redis.client().pipeline(transaction=False)
    while left:
        for destination, reason in list(left):
            ident, base = f"e{n}:{destination}", service.keys.base(service.keys.partition(destination))
            result = {"last_status": reason} if reason.isdigit() else {"last_status": "0", "last_error": reason}
            pipe.hset(f"{base}delivery:{ident}", mapping={"state": "dead", "lane": destination, **result})
            pipe.zadd(base + "deaths", {ident: FIRST_DEATH + n // 20})
            pipe.lpush(f"{base}dead:{destination}", ident)
            n += 1
            left[destination, reason] -= 1
            if not left[destination, reason]:
                del left[destination, reason]
    pipe.execute()


@pytest.fixture(params=[1, 4])
def buried(service, request):
    service.conf["redis"]["partitions"] = request.param
    service.keys = service.stack.redis.keys(partitions=request.param)
    for name in ("orders", "audit"):
        service.conf["destinations"][name] = config.destination(service.sink.url("/" + name))
    service.conf["sources"]["in"] = config.source(["orders", "audit"])
    service.start(dispatchers=0)
    bury(service, GROUPS)
    return service


def steps(service):
    """What all calls answer, each with the cursor of the one before."""
    cursor = None
    while True:
        step = service.root.get("dead", **({"cursor": cursor} if cursor else {}))
        assert sum(g["count"] for g in step["items"]) == step["seen"]
        yield step
        cursor = step["next"]
        if cursor is None:
            return


def counted(service):
    """{(destination, reason): count}, and how many dead letters were seen."""
    groups, seen = Counter(), 0
    for step in steps(service):
        seen += step["seen"]
        for g in step["items"]:
            groups[g["destination"], g["reason"]] += g["count"]
    return groups, seen


def test_each_of_5000_dead_letters_is_counted_once(buried):
    assert counted(buried) == (GROUPS, 5000)
    assert buried.eye.get("dead")["items"], "who may only look may look at this"
    buried.acme.get("dead", status=403)


def test_the_newest_of_a_group(buried):
    newest = {}
    for g in sorted((g for step in steps(buried) for g in step["items"]), key=lambda g: g["newest_at"]):
        newest[g["id"]] = g
    one = newest["orders http_500"]
    assert one["newest_at"] == f"2023-11-14T22:13:20.{4999 // 20:03}Z"
    assert int(one["newest"].removeprefix("e").removesuffix(":orders")) >= 4980
    assert set(newest) == {f"{destination} {reason}" for destination, reason in GROUPS}


def test_what_is_not_dead_any_more_is_left_out(buried):
    base = buried.keys.base(buried.keys.partition("audit"))
    client = buried.stack.redis.client()
    some = [i for i in client.zrange(base + "deaths", 0, -1) if i.endswith(":audit")]
    client.hset(f"{base}delivery:{some[0]}", "state", "queued")
    client.delete(f"{base}delivery:{some[1]}")
    groups, seen = counted(buried)
    assert seen == 4998 and sum(n for (destination, _), n in groups.items() if destination == "audit") == 748


@pytest.mark.parametrize("cursor", ["x", "4,", "-1,", "0,x", "0", "0,1/99999999999999999999", "0," + "1" * 70])
def test_a_cursor_that_is_none(buried, cursor):
    if cursor == "0":
        assert buried.root.get("dead", cursor=cursor)["seen"]
    else:
        assert buried.root.get("dead", 400, cursor=cursor)["code"] == "bad_cursor"


def test_the_command(buried):
    hookpace = Hookpace(buried)
    rows = [line.split() for line in hookpace("dead").splitlines()]
    assert rows[0] == ["destination", "reason", "count", "died", "newest"]
    assert [(r[0], r[1], int(r[2])) for r in rows[1:]] == sorted(((*name, n) for name, n in GROUPS.items()), key=lambda g: -g[2])
    shown = hookpace.json("dead")
    assert {(g["destination"], g["reason"]): g["count"] for g in shown["items"]} == GROUPS and len(shown["items"]) == len(GROUPS)
    assert (shown["seen"], shown["next"]) == (5000, None)
    for partition in {buried.keys.partition(name) for name in ("orders", "audit")}:
        buried.stack.redis.client().delete(buried.keys.base(partition) + "deaths")
    assert hookpace("dead") == "there are no dead letters\n"
