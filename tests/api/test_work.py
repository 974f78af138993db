"""Tasks that are set without their result: taken by workers, completed later."""

import gzip
import hashlib
import hmac
import json
import threading

import pytest

from harness.wait import wait_for

NOTHING = {"done_fetched": 0, "done_not_fetched": 0, "processing": 0, "pending": 0, "failed": 0, "total": 0}


def counts(**n):
    return {**NOTHING, **n, "total": sum(n.values())}


def test_from_set_to_delivered(api):
    """The published example of task_post, and what follows."""
    (answer,) = api.acme.set({"language_code": "en", "location_code": 2840, "keyword": "albert einstein", "tag": "a b", "id": "t1",
                              "pingback_url": api.hook("/ping"), "postback_url": api.hook("/post"), "postback_data": "advanced"})
    assert (answer["status_code"], answer["status_message"]) == (20100, "Task Created.")
    assert api.acme.counts() == counts(pending=1)
    (taken,) = api.acme.take()
    assert taken == {"id": "t1", "tag": "a b", "api": "serp", "path": ["v3", "serp", "google", "organic", "task_post"], "data": answer["data"]}
    assert taken["data"]["keyword"] == "albert einstein"
    assert api.acme.counts() == counts(processing=1)
    assert api.acme.task("t1")["status_code"] == 40602 and api.acme.ready() == []
    assert api.sink.all() == []
    done = api.acme.complete_one("t1", result={"items": [1, 2]})
    assert (done["id"], done["status_message"], done["data"]["id"]) == ("t1", "Ok.", "t1") and "result" not in done["data"]
    post = api.sink.wait_count(2)
    by_path = {r.path: r for r in post}
    assert json.loads(gzip.decompress(by_path["/post"].body))["tasks"][0]["result"] == [{"items": [1, 2]}]
    assert by_path["/ping"].method == "GET" and "id=t1&tag=a%20b" in by_path["/ping"].target
    wait_for(lambda: api.acme.counts() == counts(done_fetched=1), message=api.acme.counts)
    assert api.acme.take() == []


def test_without_webhooks(empty):
    empty.acme.pend("t1")
    empty.acme.complete_one("t1", result=7)
    assert empty.acme.ready_ids() == ["t1"] and empty.acme.counts() == counts(done_not_fetched=1)
    assert empty.acme.task("t1")["result"] == [7]
    assert empty.acme.counts() == counts(done_fetched=1)
    (listed,) = empty.acme.id_list()
    assert listed["datetime_done"] >= listed["datetime_posted"]


def test_what_can_be_asked_of_an_open_task(empty):
    empty.acme.pend("t1", pingback_url=empty.hook())
    for _ in range(2):
        assert empty.acme.task("t1")["status_code"] == 40602
        assert [t["status_code"] for t in empty.acme.resend("t1")] == [40602]
        (listed,) = empty.acme.id_list()
        assert listed["datetime_done"] is None and listed["status"] in ("Task In Queue.", "Task Handed.")
        empty.acme.take()
    assert empty.beta.task("t1")["status_code"] == 40401
    empty.beta.complete_one("t1", 40401, result=1)
    assert empty.beta.take() == []


def test_the_same_again(empty):
    """Also after a lost answer: neither a task nor its completion is made twice."""
    task = {"id": "t1", "keyword": "k", "postback_url": empty.hook()}
    for _ in range(2):
        assert empty.acme.set(task)[0]["status_code"] == 20100
    assert empty.acme.set({**task, "keyword": "other"})[0]["status_code"] == 40501
    for _ in range(3):
        empty.acme.complete_one("t1", result={"a": "x" * 100000})
    assert empty.acme.set(task)[0]["status_code"] == 20100
    empty.acme.complete_one("t1", 40501, result={"a": "y"})
    empty.acme.complete_one("t1", 40501, error={"status_code": 40102, "status_message": "No Search Results."})
    assert len(empty.stack.keys.queue("acme")) == 1
    codes = [t["status_code"] for t in empty.acme.complete({"id": "n", "result": 1}, {"id": "t1", "result": 1}, {"id": "t1", "result": {"a": "x" * 100000}})]
    assert codes == [40401, 40501, 20000]


def test_twice_in_one_call(empty):
    empty.acme.pend("a", "b")
    same, again, first, other = empty.acme.complete({"id": "a", "result": 1}, {"id": "a", "result": 1}, {"id": "b", "result": 1}, {"id": "b", "result": 2})
    assert [t["status_code"] for t in (same, again)] == [20000, 20000]
    assert sorted(t["status_code"] for t in (first, other)) == [20000, 40501]


def test_a_task_that_was_set_with_its_result_is_complete(empty):
    empty.acme.set_one(id="t1", result={"n": 1})
    empty.acme.complete_one("t1", result={"n": 1})
    empty.acme.complete_one("t1", 40501, result={"n": 2})
    assert empty.acme.take() == []


@pytest.mark.parametrize("payload", ["envelope", "result"])
def test_with_an_error(service, payload):
    service.conf["accounts"]["acme"].update(payload=payload, gzip="never")
    api = service.start()
    api.acme.pend("t1", postback_url=api.hook("/post"), tag="x")
    error = {"status_code": 40102, "status_message": 'No "Search" Results.'}
    api.acme.complete_one("t1", error=error)
    api.acme.complete_one("t1", error=error)
    api.acme.complete_one("t1", 40501, error={**error, "status_code": 40103})
    (post,) = api.sink.wait_count(1)
    body = json.loads(post.body)
    if payload == "result":
        assert body == {"id": "t1", **error}
    else:
        (task,) = body["tasks"]
        assert (task["status_code"], task["status_message"], task["result"], body["tasks_error"]) == (40102, 'No "Search" Results.', None, 1)
        assert task["id"] == "t1" and task["data"]["tag"] == "x"
    wait_for(lambda: api.acme.counts() == counts(done_fetched=1), message=api.acme.counts)
    api.acme.pend("t2")
    api.acme.complete_one("t2", error=error)
    assert api.acme.ready_ids() == ["t2"] and api.acme.counts() == counts(done_fetched=1, done_not_fetched=1)
    got = api.acme.task("t2")
    assert (got["status_code"], got["status_message"], got["result"]) == (40102, 'No "Search" Results.', None)
    assert api.acme.counts() == counts(done_fetched=2)


def test_the_oldest_first_and_a_limit(empty):
    idents = [f"t{n}" for n in range(25, 0, -1)]
    empty.acme.pend(*idents)
    assert empty.acme.take_ids() == idents[:10]
    assert empty.acme.take_ids(5) == idents[10:15]
    assert empty.acme.take_ids(100) == idents[15:]
    assert empty.acme.take_ids(100) == [] and empty.acme.counts() == counts(processing=25)


@pytest.mark.parametrize("who", ("acme", "admin"))
def test_many_at_once_in_the_same_order(empty, who):
    """The receiver asks Redis for 50 at a time."""
    idents = [f"t{n}" for n in range(130)]
    for first in (0, 65):
        empty.acme.pend(*idents[first:first + 65])
    names = idents if who == "acme" else [f"@acme/{i}" for i in idents]
    worker = getattr(empty, who)
    assert worker.take_ids(60) == names[:60]
    assert worker.take_ids(100) == names[60:]
    assert worker.take_ids(100) == [] and empty.acme.counts() == counts(processing=130)


def test_a_lease_ends(empty):
    empty.acme.pend("a", "b", "c")
    assert empty.acme.take_ids(1, lease_s=1) == ["a"]
    assert empty.acme.counts() == counts(processing=1, pending=2)
    wait_for(lambda: empty.acme.counts() == counts(pending=3), message=empty.acme.counts)
    assert empty.acme.take_ids(2) == ["a", "b"], "pending again, oldest first"
    # The first worker is late, and its result counts. The second finds the task complete.
    empty.acme.complete_one("a", result=1)
    empty.acme.complete_one("a", 40501, result=2)
    assert empty.acme.counts() == counts(processing=1, pending=1, done_not_fetched=1)


def test_an_admin_works_for_all(empty):
    empty.acme.pend("t1", "t2")
    empty.beta.pend("t1")
    empty.admin.pend("t1")
    assert empty.admin.take_ids(100) == ["@acme/t1", "@acme/t2", "@beta/t1", "t1"]
    assert empty.acme.take() == empty.beta.take() == []
    empty.admin.complete_one("@acme/t1", result=1)
    empty.admin.complete_one("@beta/t1", error={"status_code": 40501, "status_message": "no"})
    empty.admin.complete_one("t1", result=3)
    assert empty.acme.task("t1")["result"] == [1] and empty.admin.task("t1")["result"] == [3]
    assert empty.beta.task("t1")["status_code"] == 40501
    assert empty.admin.counts()["processing"] == 1 == empty.acme.counts()["processing"]


@pytest.mark.parametrize("value,code,name", [
    ([{"limit": 0}], 40501, "limit"), ([{"limit": 101}], 40501, "limit"), ([{"limit": "5"}], 40501, "limit"), ([{"limit": 1.5}], 40501, "limit"),
    ([{"lease_s": 0}], 40501, "lease_s"), ([{"lease_s": 86401}], 40501, "lease_s"), ([{"lease_s": [1]}], 40501, "lease_s"),
    ([{"lease": 5}], 40501, "lease"), ([5], 40503, ""), ([], 40502, ""), ([{}, {}], 40000, "")])
def test_a_wrong_take(empty, value, code, name):
    answer = empty.acme.post("/v3/tasks/take", value)
    assert answer["status_code"] == code and (not name or f"'{name}'" in answer["status_message"]), answer


def test_a_take_without_limits(empty):
    empty.acme.pend(*[f"t{n}" for n in range(12)])
    assert len(empty.acme.post("/v3/tasks/take", [{}])["tasks"][0]["result"]) == 10


@pytest.mark.parametrize("value,code,name", [
    (5, 40503, ""), ({}, 40501, "id"), ({"id": 5, "result": 1}, 40501, "id"), ({"id": "a\nb", "result": 1}, 40501, "id"),
    ({"id": "t1"}, 40501, "result"), ({"id": "t1", "result": 1, "error": {}}, 40501, "result"), ({"id": "t1", "error": 5}, 40501, "error"),
    ({"id": "t1", "error": {}}, 40501, "error.status_code"), ({"id": "t1", "error": {"status_code": 20000, "status_message": "x"}}, 40501, "error.status_code"),
    ({"id": "t1", "error": {"status_code": 40102}}, 40501, "error.status_message"),
    ({"id": "t1", "error": {"status_code": 40102, "status_message": "a\nb"}}, 40501, "error.status_message"),
    ({"id": "t1", "error": {"status_code": 40102, "status_message": "x" * 1025}}, 40501, "error.status_message"),
    ({"id": "t1", "error": {"status_code": 40102, "status_message": "x", "more": 1}}, 40501, "more"),
    ({"id": "t1", "result": 1, "note": 5}, 40501, "note"), ({"id": "t2", "result": 1}, 40401, ""), ({"id": "@acme/t1", "result": 1}, 40401, "")])
def test_a_wrong_completion(empty, value, code, name):
    empty.acme.pend("t1", "fine")
    wrong, right = empty.acme.complete(value, {"id": "fine", "result": 1})
    assert wrong["status_code"] == code and (not name or f"'{name}'" in wrong["status_message"]), wrong
    assert right["status_code"] == 20000, "the others still go"
    assert empty.acme.counts() == counts(pending=1, done_not_fetched=1)


def test_more_than_a_hundred(empty):
    empty.acme.refused("/v3/tasks/complete", [{"id": "a", "result": 1}] * 101, 40006)


def test_no_task_is_taken_twice(empty):
    for n in range(4):
        empty.acme.pend(*[f"t{n}-{i}" for i in range(100)])
    taken, failed = [], []

    def work(client):
        try:
            while ids := client.take_ids(7):
                taken.extend(i.rpartition("/")[2] for i in ids)
        except Exception as e:  # noqa: BLE001 - the main thread reports it
            failed.append(e)

    workers = [threading.Thread(target=work, args=(c,)) for c in (empty.acme, empty.acme, empty.admin, empty.admin)]
    for w in workers:
        w.start()
    for w in workers:
        w.join(30)
    assert not failed and len(taken) == 400 and len(set(taken)) == 400


def test_two_completions_at_a_time(empty):
    for round in range(20):
        ident, codes = f"r{round}", []
        empty.acme.pend(ident, postback_url=empty.hook())
        racers = [threading.Thread(target=lambda n=n: codes.append(empty.acme.complete({"id": ident, "result": n})[0]["status_code"])) for n in range(2)]
        for r in racers:
            r.start()
        for r in racers:
            r.join(30)
        assert sorted(codes) == [20000, 40501]
    assert len(empty.stack.keys.queue("acme")) == 20


def test_an_expired_one(service):
    service.conf["retention"] = {"pending_s": 1}
    api = service.start(dispatchers=0)
    api.acme.pend("t1", "t2")
    assert api.acme.take_ids(1, lease_s=4) == ["t1"]
    wait_for(lambda: api.acme.task("t2")["status_code"] == 40403, 10, lambda: api.acme.task("t2"))
    assert api.acme.counts() == counts(processing=1), "a task lives as long as its lease"
    assert api.acme.take() == []
    api.acme.complete_one("t2", 40403, result=1)
    api.acme.complete_one("t1", result=1)
    api.acme.pend("t2", keyword="its id is free again")
    assert api.acme.take_ids() == ["t2"]


def test_delay_and_secret_are_those_of_task_post(service):
    sign = {"scheme": "semscraper", "secrets": ["first-secret-1"]}
    account = service.conf["accounts"]["acme"]
    account.update(delay_ms=100, sign=sign, gzip="never", payload="result")
    api = service.start()
    api.acme.pend("old", postback_url=api.hook("/post"))
    account.update(delay_ms=1000, sign={**sign, "secrets": ["other-secret-2", "first-secret-1"]})
    for program in (api.receiver, *api.dispatchers):
        program.reload(api.conf)
    api.acme.pend("new", postback_url=api.hook("/post"))
    api.acme.complete({"id": "old", "result": 1}, {"id": "new", "result": 1})
    assert api.delivery("old")["delay_ms"] == "100" and api.delivery("new")["delay_ms"] == "1000"
    secrets = {"old": b"first-secret-1", "new": b"other-secret-2"}
    for request in api.sink.wait_count(2):
        ident = request.query["id"]
        assert request.header("X-Signature") == hmac.new(secrets[ident], request.body, hashlib.sha256).hexdigest(), ident


def test_over_partitions(service):
    service.conf["redis"]["partitions"] = 5
    api = service.start()
    order = []
    for n in range(6):
        for name, client in (("acme", api.acme), ("beta", api.beta)):
            client.pend(f"t{n}", postback_url=api.hook("/post"))
            order.append(f"@{name}/t{n}")
    assert api.admin.take_ids(3) == order[:3]
    assert api.acme.take_ids(1) == [next(i for i in order[3:] if "acme" in i).partition("/")[2]]
    left = [i for i in order[3:] if i != next(i for i in order[3:] if "acme" in i)]
    assert api.admin.take_ids(100) == left
    assert api.admin.counts() == counts(processing=12)
    answers = api.admin.complete(*[{"id": i, "result": i} for i in order])
    assert [a["status_code"] for a in answers] == [20000] * 12
    api.sink.wait_count(12)
    wait_for(lambda: api.admin.counts() == counts(done_fetched=12), message=api.admin.counts)


def test_a_lost_plan_is_made_anew(empty):
    """Somebody deleted what Redis keeps of the webhooks beside the task."""
    empty.acme.pend("t1", postback_url=empty.hook())
    empty.stack.redis.client().delete(empty.stack.keys.base() + "plan:@acme/t1")
    empty.acme.complete_one("t1", result=1)
    assert empty.delivery("t1")["state"] == "queued"
