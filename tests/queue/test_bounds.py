"""What one call of a script of the API does is bounded, however much is stored: counted in commands and entries, not in time."""

import pytest

from harness.stored import HOUR_MS, Stored
from scripts import Queue
from task_calls import counts, end_all, posted, put, ready, resend, take, task

COMMANDS_MAX = 1500  # to Redis, by one script call
REPLIED_MAX = 2 + 2 * 1064  # elements of one reply: a page and the ids of one put


class Watched:
    """A queue whose script calls are counted: MOST is the most commands that one of them gave to Redis."""

    def __init__(self, queue):
        self.queue, self.most, self.calls, self.longest = queue, 0, 0, 0

    def __getattr__(self, name):
        return getattr(self.queue, name)

    def keep(self, ms):
        self.queue.done_ms = self.queue.dead_ms = ms

    def run(self, name, *args):
        r = self.queue.r
        r.config_resetstat()
        reply = self.queue.run(name, *args)
        stats = r.info("commandstats")
        ours = ("cmdstat_evalsha", "cmdstat_eval", "cmdstat_config|resetstat", "cmdstat_info", "cmdstat_script|load")
        given = sum(s["calls"] for command, s in stats.items() if command not in ours)
        self.calls += 1
        self.most = max(self.most, given)
        self.longest = max(self.longest, len(reply))
        return reply


@pytest.fixture(scope="module")
def stored(redis_server):
    """200 paths, 20,000 tasks that nobody fetched, ten years of counts, 300 that are dead."""
    client = redis_server.client()
    client.flushall()
    store = Stored(client, paths=200, ready=20_000, listed=40_000, failures=3_000, years=10, opened=5_000, ended=400)
    store.fill()
    yield store
    client.flushall()
    client.close()


@pytest.fixture
def watched(stored):
    queue = Watched(Queue(stored.client))
    yield queue
    assert queue.calls > 0
    assert queue.most <= COMMANDS_MAX, queue.most
    assert queue.longest <= REPLIED_MAX, queue.longest


@pytest.mark.parametrize("account", ["", "acme"])
def test_ready_of_everything(watched, stored, account):
    assert ready(watched, account) == stored.ready_ids()[:1000]


@pytest.mark.parametrize("account", ["", "acme"])
def test_ready_of_one_path_of_many(watched, stored, account):
    assert ready(watched, account, path=stored.path(7)) == stored.ready_ids(7)
    assert ready(watched, account, path=stored.path(199), most=3) == stored.ready_ids(199)[:3]
    assert ready(watched, account, path="no/such") == []
    assert watched.calls <= 4 * 2 + 2, "its tasks are found without the others"


@pytest.mark.parametrize("account", ["", "acme"])
def test_ready_of_a_prefix(watched, stored, account):
    """200 paths are under it: their oldest come first."""
    ids = [stored.id(i) for i in range(stored.ready)]
    assert ready(watched, account, path="serp") == ids[:1000]
    assert watched.calls <= 1 + 1000 / 100 + 1
    assert ready(watched, account, path="serp/engine3", most=500) == ids[3::10][:500]


@pytest.mark.parametrize("account", ["", "acme"])
def test_ready_of_one_path_without_the_list_by_path(watched, stored, account):
    key = stored.key("ready:paths" + ("@" + account if account else ""))
    kept = stored.client.dump(key)
    stored.client.delete(key)
    try:
        assert ready(watched, account, path=stored.path(7)) == stored.ready_ids(7)
        assert watched.calls > 20_000 / 3000
    finally:
        stored.client.restore(key, 0, kept)


def test_events_that_are_gone_are_passed_over_step_by_step(watched, stored):
    gone = [stored.key("event:" + id) for id in stored.ready_ids()[:5000]]
    kept = [(key, stored.client.get(key)) for key in gone]
    stored.client.delete(*gone)
    try:
        assert ready(watched, most=10) == stored.ready_ids()[5000:5010]
        assert watched.calls >= 5000 / 120
    finally:
        stored.client.mset(dict(kept))


@pytest.mark.parametrize("account", ["", "acme"])
def test_counts_of_ten_years(watched, stored, account):
    watched.keep(stored.keep_ms)
    seen = counts(watched, account)
    assert (seen["ready"], seen["fetched"], seen["failed"]) == (20_000, stored.fetched, 0)
    assert watched.calls >= 10


@pytest.mark.parametrize("hours", [1, 23, 24, 25, 5000])
def test_counts_of_a_part_of_the_hours(watched, stored, hours):
    """The hour that is not over, and as many before it as the retention has."""
    watched.keep(hours * HOUR_MS)
    passed = int(watched.r.time()[0]) * 1000 // HOUR_MS - stored.now // HOUR_MS
    assert counts(watched)["fetched"] in (hours + 1 - passed, hours - passed), "the second one if an hour has just begun"


def test_taking_many_while_many_leases_have_ended(watched, stored):
    """A hundred leases a call: what has the oldest place comes first."""
    ids = stored.open_ids()
    assert counts(watched)["open"] == 5_000, "a lease that has ended counts as pending, whether it was moved or not"
    for account in ("", "acme", "", "acme"):
        assert take(watched, account, 100) == ids[:100]
        del ids[:100]
    assert counts(watched, "acme")["processing"] == 400


def test_the_deepest_page_of_posted(watched, stored):
    ids = stored.posted_ids()
    assert posted(watched, skip=39_000, most=100) == ids[39_000:39_100]
    assert posted(watched, skip=39_000, most=100, newest=1) == ids[::-1][39_000:39_100]
    assert watched.calls >= 2 * 39_000 / (8 * 650)


def test_the_deepest_page_of_failures(watched, stored):
    found, cursor, skip = [], "", 2_900
    while True:
        cursor, skipped, *step = watched.run("failures", "", "postback", cursor, 0, 1 << 50, skip, 50 - len(found), 1)
        skip -= skipped
        found += step[0::2]
        if cursor == "" or len(found) == 50:
            break
    every = [id for id, _ in stored.client.xrevrange(stored.key("errors:postback"))]
    assert found == every[2_900:2_950]
    assert watched.calls >= 3


def test_many_tasks_at_once(watched, stored):
    ids = stored.ready_ids()[:1000]
    assert {t["state"] for t in task(watched, *ids)} == {"done"}
    assert {t["state"] for t in task(watched, *(f"none{i}" for i in range(1000)), names=[f"d{i}" for i in range(500)])} == {"unknown"}
    assert watched.calls > 10


def test_resending_what_has_many_webhooks(watched, stored):
    assert resend(watched, *stored.fanned_ids()) == ["failed"] * len(stored.fanned_ids())
    assert watched.calls > 10
    assert watched.most <= 400, "64 webhooks of one task are several calls"


@pytest.mark.parametrize("before,left", [(9_000, 0), (15_000, 1)])
def test_dead_letters_are_looked_for_near_the_ends_of_their_list(tasks, before, left):
    """Farther in, one stays in the list until it is trimmed; it is resent all the same."""
    put(tasks, "a", ("d", "d", "0"))
    end_all(tasks, {"d": "dead"}, status=410)
    key = tasks.key("dead:d")
    tasks.r.lpush(key, *(f"x{i}:d" for i in range(before)))
    tasks.r.rpush(key, *(f"y{i}:d" for i in range(15_000)))
    assert resend(tasks, "a") == ["failed"] and tasks.queued() == ["a:d"]
    assert tasks.r.llen(key) == before + 15_000 + left


def test_a_body_does_not_pass_through_the_script(tasks):
    """Lua copies a text of 10 MiB for 40 ms; GETRANGE reads it in 9."""
    put(tasks, "a", body="x" * (4 << 20))
    tasks.r.config_resetstat()
    (seen,) = task(tasks, "a", get=1)
    assert seen["state"] == "done" and len(seen["record"]) < 200
    assert "cmdstat_get" not in tasks.r.info("commandstats")
