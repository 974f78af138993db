"""put.lua where Redis refuses a command in the middle of a call, because rights are taken away: the sender hears 503 and repeats,
and the repeat makes whole what the call left behind."""

import re

import pytest
from redis import ResponseError

from scripts import kept, script_text
from task_calls import announce, complete, counts, only, posted, put_args, put_task, take

COMMANDS = sorted(set(re.findall(r"p?call\(['\"]([A-Z]+)['\"]", script_text("put"))) | {"RENAMENX", "RPUSH"})
SHAPES = {"one": ["d"], "fan": ["d", "a", "b"], "kept": []}
TASK = ["postback@acme", "pingback@acme"]
FETCH = "fetch@src"
LANES = {"d": "d", "a": "a", "b": "b", FETCH: FETCH, **dict.fromkeys(TASK, "acme")}


@pytest.fixture
def cut(queue):
    """Runs a call without the right to a command. Returns whether Redis refused it."""
    def run(command, put):
        queue.r.execute_command("ACL", "SETUSER", "default", f"-{command.lower()}")
        try:
            put()
        except ResponseError as refusal:
            assert re.search("can't run this command|no permissions", str(refusal))
            return True
        finally:
            queue.r.execute_command("ACL", "SETUSER", "default", "+@all")
        return False

    queue.limits(**dict.fromkeys(LANES, (100, 10000, 2000, 8)))
    yield run
    queue.r.execute_command("ACL", "SETUSER", "default", "on", "nopass", "~*", "&*", "+@all")


def events(queue, kind, names):
    to = [(name, name, 0) for name in names]
    ids = ["@acme/e1", "@acme/e2"] if kind == "task" else ["e1", "e2"]
    owner = "acme" if kind == "task" else "src"
    return [queue.event(i, *to, kind=kind, source=owner, body=i, to=names) for i in ids]


def putting(queue, written, is_staged):
    """All in one call; large records in a call each, as the programs put them."""
    def put():
        for call in [[queue.staged(e)] for e in written] if is_staged else [written]:
            queue.put(*call)
    return put


def delivered(queue):
    """Everything that dispatchers get. They look after the lanes every few seconds."""
    ids = []
    for _ in range(3):
        queue.mend(*LANES.items())
        for claim in queue.claim_until(timeout=1) if any(map(queue.queued, LANES.values())) else []:
            ids.append(claim.id)
            queue.sent(claim)
            assert queue.settle(claim, "done") == 1
    return sorted(ids)


@pytest.mark.parametrize("is_staged", [False, True], ids=["small", "large"])
@pytest.mark.parametrize("kind", ["webhook", "task"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_repeat_completes_what_was_cut(queue, cut, command, shape, kind, is_staged):
    names = SHAPES[shape]
    queue.put(queue.event("before", *[(name, name, 0) for name in names], to=names))
    written = events(queue, kind, names)
    put = putting(queue, written, is_staged)
    cut(command, put)
    put()
    for e in written:
        left = queue.r.pttl(queue.key("event:" + e[0]))
        assert left == -1 if names else left > 60000, "the record outlives its minute under the staged name"
    assert delivered(queue) == sorted(f"{i}:{name}" for i in ["before", *[e[0] for e in written]] for name in names)
    assert all(0 < queue.r.pttl(key) <= 60000 for key in queue.r.keys(queue.key("staged:*")))


@pytest.mark.parametrize("is_staged", [False, True], ids=["small", "large"])
@pytest.mark.parametrize("kind", ["webhook", "task"])
@pytest.mark.parametrize("shape", ["one", "fan"])
def test_what_was_cut_behind_its_record_is_listed_and_counted(queue, cut, shape, kind, is_staged):
    written = events(queue, kind, SHAPES[shape])
    put = putting(queue, written, is_staged)
    assert cut("HSET", put)
    put()
    put()
    assert queue.r.hget(queue.key("counts"), "sending") == "2"
    assert [i for _, entry in queue.r.xrange(queue.key("posted")) for i in entry["ids"].split()] == [e[0] for e in written]
    if kind == "task":
        assert queue.r.hget(queue.key("usage:acme"), "tasks") == "2"
    assert delivered(queue) == sorted(f"{e[0]}:{name}" for e in written for name in SHAPES[shape])
    assert not queue.r.keys(queue.key("pending:*")) and not queue.r.hget(queue.key("counts"), "sending")
    queue.check()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_pending_task_that_was_cut_is_taken(queue, cut, command):
    def put():
        return put_task(queue, "t", "postback", "pingback", flag="w", stage="pending")

    cut(command, put)
    assert put() in (0, 1)
    assert take(queue, "acme") == ["t"]


def test_a_pending_task_that_was_cut_behind_its_record_is_listed_and_counted(queue, cut):
    def put():
        return put_task(queue, "t", "postback", flag="w", stage="pending")

    assert cut("ZADD", put) and put() == put() == 1
    assert counts(queue) == counts(queue, "acme") == only(open=1) and posted(queue) == posted(queue, "acme") == ["t"]
    assert queue.r.hget(queue.key("usage:acme"), "tasks") == "1"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_result_that_was_cut_goes_out(queue, cut, command):
    which = ("postback", "pingback")
    assert put_task(queue, "t", *which, flag="w", stage="pending") == 0
    cut(command, lambda: complete(queue, "t", *which))
    assert complete(queue, "t", *which) in (0, "not open")
    assert delivered(queue) == ["t:pingback@acme", "t:postback@acme"]
    assert take(queue, "acme") == []


@pytest.mark.parametrize("command", COMMANDS)
def test_an_announcement_that_was_cut_is_fetched(queue, cut, command):
    cut(command, lambda: announce(queue, "t"))
    assert announce(queue, "t") in (0, 1)
    assert delivered(queue) == ["t~f:fetch@src"]
    fetch = queue.delivery("t~f:fetch@src")
    assert (fetch["source"], fetch["task"], fetch["then"]) == ("src", "t", "d 100 s1\nb 50 ")


@pytest.mark.parametrize("is_staged", [False, True], ids=["small", "large"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_result_that_was_fetched_and_cut_goes_out(queue, cut, command, is_staged):
    """The dispatcher fetches it again."""
    assert announce(queue, "t") == 0
    (fetch,) = queue.claim_until()
    to = [("d", "d", kept(0)), ("b", "b", kept(0))]
    args = put_args(queue, "t", to, fetched_by=FETCH, named="t")

    def put():
        queue.put(queue.staged(args) if is_staged else args)

    cut(command, put)
    put()
    assert queue.settle(fetch, "fetched") == 1
    assert delivered(queue) == ["t:b", "t:d"]
