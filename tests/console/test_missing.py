"""A partition that does not answer, as one does that an operator holds: calls about others go on, calls about all say what is missing."""

import base64
import itertools
import json
import urllib.parse

import pytest
from console_client import PASSWORDS
from test_command import FAILED, Hookpace
from test_openapi import check

from harness import config, http
from harness.wait import wait_for

HELD = "held by an operator: partition "
PARTITIONS = 3


@pytest.fixture
def three(service):
    """A lane in each of three partitions, with a source of its own and an event `e<partition>` that has arrived."""
    service.conf["redis"]["partitions"] = PARTITIONS
    service.keys = service.stack.redis.keys(partitions=PARTITIONS)
    service.lanes = [next(n for n in (f"lane{k}" for k in itertools.count()) if service.keys.partition(n) == p) for p in range(PARTITIONS)]
    for name in service.lanes:
        service.conf["destinations"][name] = config.destination(service.sink.url(f"/{name}?id=$id"))
        service.conf["sources"][name] = config.source([name])
    account = next(n for n in (f"user{k}" for k in itertools.count()) if service.keys.partition(n) == 0)
    service.conf["accounts"][account] = {"password": PASSWORDS["acme"], "role": "user"}
    service.account = account
    service.login = {"Authorization": "Basic " + base64.b64encode(f"{account}:{PASSWORDS['acme']}".encode()).decode()}
    service.start()
    for partition, lane in enumerate(service.lanes):
        assert service.receiver.post(f"/in/{lane}", {"id": f"e{partition}"}).status == 200
    wait_for(lambda: {d["state"] for d in service.root.all("deliveries")} == {"done"}, 10, "the events to arrive")
    service.hookpace = Hookpace(service)
    return service


def hold(service, partition):
    service.root.post(f"partitions/{partition}/hold")
    for program in (service.receiver, *service.dispatchers):
        program.wait_log("partition.held", 2.0, partition=partition)


def release(service, partition):
    service.root.post(f"partitions/{partition}/release")
    service.receiver.wait_log("partition.released", 2.0, partition=partition)


def ids(page):
    return sorted(item["id"] for item in page["items"])


def refused(service, path, partition=1, **query):
    error = service.root.get(path, status=503, **query)
    assert (error["code"], error["message"]) == ("queue_unavailable", HELD + str(partition)), path


def test_lists_have_the_others_and_say_what_is_missing(three):
    first, held, last = three.lanes
    hold(three, 1)
    page = three.root.get("lanes")
    assert (page["missing"], {first, last} <= set(ids(page)), held in ids(page)) == ([1], True, False)
    check("get", "/api/lanes", 200, page)
    for query in ({"lane": first}, {"destination": first}, {"state": "done", "source": first}):
        page = three.root.get("deliveries", **query)
        assert (page["missing"], ids(page)) == ([1], [f"e0:{first}"])
    page = three.root.get("deliveries")
    assert (page["missing"], ids(page), page["next"]) == ([1], [f"e0:{first}", f"e2:{last}"], None)
    check("get", "/api/deliveries", 200, page)
    status = three.root.get("status")
    assert (status["totals"]["missing"], status["redis"]["held"], status["redis"]["away"]) == ([1], [1], [])
    check("get", "/api/status", 200, status)
    checked = three.root.post("check")
    assert (checked["missing"], checked["next"]) == ([1], None)
    check("post", "/api/check", 200, checked)
    check("get", "/api/dead", 200, three.root.get("dead"))
    for path in ("jobs", "lanes", "deliveries", "dead"):
        assert three.root.get(path)["missing"] == [1]
    release(three, 1)
    for path in ("jobs", "lanes", "deliveries", "dead"):
        wait_for(lambda p=path: "missing" not in three.root.get(p), 5, f"all of {path}")
    assert ids(three.root.get("deliveries")) == sorted(f"e{p}:{lane}" for p, lane in enumerate(three.lanes))


def test_calls_about_one_partition_ask_that_one(three):
    first, held, _ = three.lanes
    hold(three, 1)
    assert three.root.get(f"lanes/{first}")["last_hour"]["done"] == 1
    for state in ("dead", "retry", "inflight", "queued"):
        for name in ("lane", "destination"):
            assert three.root.get("deliveries", state=state, **{name: first}) == {"items": [], "next": None}
            refused(three, "deliveries", state=state, **{name: held})
    assert three.root.get(f"deliveries/e0:{first}")["state"] == "done"
    assert three.root.post(f"deliveries/e0:{first}/resend") == {"id": f"e0:{first}", "state": "queued"}
    for path in (f"lanes/{held}", f"deliveries/e1:{held}"):
        refused(three, path)
    for path in (f"deliveries/e1:{held}/resend", f"lanes/{held}/pause"):
        assert three.root.post(path, status=503)["message"] == HELD + "1"
    assert three.root.get("lanes/nobody-has-this", status=404 if three.keys.partition("nobody-has-this") != 1 else 503)


def test_what_may_be_anywhere_is_not_said_to_be_nowhere(three):
    hold(three, 1)
    event = three.root.get("events/e0")
    assert (event["missing"], [d["state"] for d in event["deliveries"]]) == ([1], ["done"])
    check("get", "/api/events/{id}", 200, event)
    assert three.root.raw("GET", "/api/events/e0/body").json() == {"id": "e0"}
    for path in ("events/e1", "events/nobody-has-this", "events/e1/body", "deliveries/e1:gone", "jobs/" + "0" * 36):
        refused(three, path)
    assert three.root.post("deliveries/e1:gone/drop", status=503)["message"] == HELD + "1"
    assert three.root.get("deliveries", id="e0")["missing"] == [1]
    page = three.root.get("deliveries", id="e1")
    assert (page["items"], page["missing"]) == ([], [1])
    release(three, 1)
    wait_for(lambda: three.root.get("events/e1")["deliveries"], 5, "the event of the partition")
    assert three.root.get("events/nobody-has-this", status=404)["code"] == "not_found"


def test_pages_end_and_each_says_what_is_missing(three):
    for n in range(20):
        for lane in three.lanes:
            assert three.receiver.post(f"/in/{lane}", {"id": f"more{n}-{lane}"}).status == 200
    hold(three, 2)
    found, cursor = [], None
    for _ in range(100):
        page = three.root.get("deliveries", limit=7, **({"cursor": cursor} if cursor else {}))
        assert page["missing"] == [2]
        found += [item["id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert cursor is None, "the pages have no end"
    wanted = [f"e{p}:{three.lanes[p]}" for p in (0, 1)] + [f"more{n}-{three.lanes[p]}:{three.lanes[p]}" for n in range(20) for p in (0, 1)]
    assert sorted(found) == sorted(wanted)


def test_a_partition_that_goes_between_two_pages_is_missing_from_then_on(three):
    page = three.root.get("deliveries", limit=1)
    assert "missing" not in page
    hold(three, 1)
    rest = three.root.get("deliveries", limit=1000, cursor=page["next"])
    assert rest["missing"] == [1] and rest["next"] is None
    assert set(ids(page)) | set(ids(rest)) >= {f"e0:{three.lanes[0]}", f"e2:{three.lanes[2]}"}


def test_without_the_first_partition_there_are_no_counts_of_the_last_hour(three):
    hold(three, 0)
    for path in ("sources", "destinations"):
        page = three.root.get(path)
        assert page["missing"] == [0]
        assert {item["last_hour"] for item in page["items"]} == {None}
        check("get", f"/api/{path}", 200, page)
    assert three.root.get(f"lanes/{three.lanes[1]}")["last_hour"] is None
    page = three.root.get("lanes")
    assert page["missing"] == [0] and {lane["last_hour"] for lane in page["items"]} == {None}
    check("get", "/api/lanes", 200, page)
    status = three.root.get("status")
    assert (status["programs"], status["totals"]["missing"]) == (None, [0])
    for path in ("history", "history/lanes"):
        refused(three, path, 0)
    accounts = {a["id"]: a["tasks"] for a in three.root.get("accounts")["items"]}
    for name, tasks in accounts.items():
        assert (tasks is None) == (three.keys.partition(name) == 0), (name, tasks)


def test_a_change_of_all_partitions_is_made_in_all_or_in_none(three):
    for partition, lane in enumerate(three.lanes):
        three.sink.on(f"/{lane}", 500)
        assert three.root.post(f"deliveries/e{partition}:{lane}/resend")["state"] == "queued"
    before = three.root.get("delay")["delay_ms"]
    hold(three, 1)
    assert three.root.post("delay", {"delay_ms": 700}, status=503)["message"] == HELD + "1"
    assert three.root.get("delay")["delay_ms"] == before
    assert three.root.post("resend", {"state": "retry"}, status=503)["message"] == HELD + "1"
    assert three.root.get("jobs")["items"] == [], "it was begun in some partitions"
    assert three.root.post("resend", {"state": "done", "destination": three.lanes[1]}, status=503)["message"] == HELD + "1"
    job = three.root.post("resend", {"state": "done", "destination": three.lanes[0]}, status=202)["job"]
    wait_for(lambda: three.root.get(f"jobs/{job}")["state"] == "done", 5, "the job, whose partition is there")
    release(three, 1)
    assert len(three.root.get("jobs")["items"]) == 1


def test_a_job_is_not_over_before_all_partitions_say_so(three):
    job = three.root.post("resend", {"state": "dead"}, status=202)["job"]
    wait_for(lambda: three.root.get(f"jobs/{job}")["state"] == "done", 5, "the job")
    hold(three, 2)
    view = three.root.get(f"jobs/{job}")
    assert (view["state"], view["ended_at"], view["missing"]) == ("unknown", None, [2])
    check("get", "/api/jobs/{id}", 200, view)
    release(three, 2)
    wait_for(lambda: three.root.get(f"jobs/{job}")["state"] == "done", 5, "the job to be known")


def test_an_account_needs_only_the_partition_of_its_lane(three):
    post = {"Content-Type": "application/json", **three.login}
    hold(three, 1)
    body = json.dumps([{"id": "t", "result": {"a": 1}}]).encode()
    answer = http.post(three.receiver.admin, "/v3/serp/task_post", body, post).json()
    assert answer["tasks"][0]["status_code"] == 20100, answer
    for call in ("task_get/t", "tasks_ready", "id_list", "errors"):
        is_list = call in ("id_list", "errors")
        answer = http.post(three.receiver.admin, f"/v3/serp/{call}", b"[{}]", post) if is_list else http.get(three.receiver.admin, f"/v3/serp/{call}", three.login)
        assert answer.json()["tasks"][0]["status_code"] == 20000, (call, answer.json())


def admin_call(service, call, body=None):
    login = {"Authorization": "Basic " + base64.b64encode(f"root:{PASSWORDS['root']}".encode()).decode(), "Content-Type": "application/json"}
    return http.get(service.receiver.admin, call, login) if body is None else http.post(service.receiver.admin, call, json.dumps(body).encode(), login)


def test_an_admin_reaches_a_task_by_its_id_and_hears_what_lists_lack(three):
    """The id names the account, whose partition has the task. A list without a partition would look like a whole one."""
    post = {"Content-Type": "application/json", **three.login}
    hold(three, 1)
    assert http.post(three.receiver.admin, "/v3/serp/task_post", b'[{"id": "t", "result": {"a": 1}}]', post).json()["tasks"][0]["status_code"] == 20100
    task = f"@{three.account}/t"
    got = admin_call(three, "/v3/serp/task_get/" + urllib.parse.quote(task, safe="")).json()["tasks"][0]
    assert (got["status_code"], got["result"]) == (20000, [{"a": 1}])
    assert admin_call(three, "/v3/appendix/webhook_resend", [{"id": task}]).status == 200
    assert three.root.get("events/" + urllib.parse.quote(task, safe=""))["id"] == task
    for call, body in (("serp/tasks_ready", None), ("serp/id_list", [{}]), ("serp/errors", [{}]), ("tasks/count", None),
                       ("serp/task_get/e0", None), ("appendix/webhook_resend", [{"id": task}, {"id": "e0"}])):
        answer = admin_call(three, "/v3/" + call, body)
        assert (answer.status, answer.json()["status_code"], answer.json()["status_message"]) == (500, 50000, f"Internal Error. {HELD}1"), call
        assert answer.header("Retry-After"), call
    hold(three, 0)
    answer = http.get(three.receiver.admin, "/v3/serp/tasks_ready", three.login)
    assert (answer.status, answer.json()["status_message"]) == (500, "Internal Error."), "partitions are no business of an account"


def test_the_command_says_what_is_missing(three):
    hold(three, 1)
    told = "hookpace: what is in partition 1 is missing: its Redis does not answer, or an operator holds it\n"
    for args in (["lanes"], ["list", "--all", "--limit", "1"], ["status"], ["show", "e0"]):
        three.hookpace(*args)
        assert three.hookpace.error.count(told) == 1, args
    assert "not looked at: partition 1" in three.hookpace("check", code=FAILED)
    assert json.loads(three.hookpace("check", "--json", code=FAILED))["missing"] == [1]
    three.hookpace("lanes", three.lanes[0])
    assert three.hookpace.error == ""
    three.hookpace("lanes", three.lanes[1], code=FAILED)
    assert HELD + "1 (HTTP 503)" in three.hookpace.error
