"""The ids of an account's tasks are a name space of their own."""

import json

import pytest

from harness import config
from harness.wait import wait_for


@pytest.fixture(params=[1, 3])
def mixed(service, request):
    """Sources beside accounts, on one partition and on several."""
    service.conf["redis"]["partitions"] = request.param
    service.conf["sources"] = {"in": config.source("out"), "inbox": config.source([])}
    service.conf["destinations"] = {"out": config.destination(service.sink.url("/out"))}
    return service.start()


def send(service, source, ident, **more):
    answer = service.receiver.post(f"/in/{source}", json.dumps({"id": ident, **more}).encode())
    assert answer.status == 200, answer
    return answer.json()


def test_each_has_its_own(mixed):
    """Neither other accounts' nor sources' ids are seen or taken."""
    assert "duplicate" not in send(mixed, "inbox", "t1")
    for name in ("acme", "beta"):
        (answer,) = getattr(mixed, name).set({"id": "t1", "tag": name, "result": {"of": name}})
        assert (answer["id"], answer["status_code"]) == ("t1", 20100)
        (answer,) = getattr(mixed, name).set({"id": "t1", "tag": "another", "result": 1})
        assert answer["status_code"] == 40501, "its own is taken"
    for name in ("acme", "beta"):
        api = getattr(mixed, name)
        assert api.ready_ids() == ["t1"] and [t["id"] for t in api.id_list()] == ["t1"]
        task = api.task("t1")
        assert (task["id"], task["result"], task["data"]["tag"]) == ("t1", [{"of": name}], name)
        assert api.counts()["total"] == api.counts()["done_fetched"] == 1 and api.ready() == []
        for other in ("@beta/t1", "@acme/t1", "%40beta%2Ft1", "@/t1"):
            assert api.task(other)["status_code"] in (20000, 40401)
            assert api.task(other)["result"] in (None, [{"of": name}]), "never another's"


def test_admins_name_the_account(mixed):
    send(mixed, "inbox", "t1")
    mixed.acme.set_one(id="t1", result="of acme")
    mixed.beta.set_one(id="t2", result="of beta")
    assert sorted(mixed.admin.ready_ids()) == ["@acme/t1", "@beta/t2", "t1"]
    assert sorted(t["id"] for t in mixed.admin.id_list()) == ["@acme/t1", "@beta/t2", "t1"]
    for entry in mixed.admin.ready():
        assert mixed.admin.get(entry["endpoint_advanced"])["tasks"][0]["id"] == entry["id"]
    assert mixed.admin.ready() == [] and mixed.acme.ready() == []
    assert mixed.admin.task("t1")["result"] == [{"id": "t1"}], "the source's"
    assert mixed.admin.task("@acme/t1")["result"] == mixed.admin.task("%40acme%2Ft1")["result"] == ["of acme"]
    assert mixed.admin.task("t2")["status_code"] == mixed.admin.task("@acme/t2")["status_code"] == 40401


def test_what_was_set_first_does_not_hide_a_source(mixed):
    """An account may guess the ids of a source's events."""
    mixed.acme.set_one(id="order-2", result="forged")
    answer = send(mixed, "in", "order-2", x=1)
    assert answer["echo"] == "order-2" and "duplicate" not in answer
    (request,) = mixed.sink.wait_count(1)
    assert request.delivery == "order-2:out"
    assert mixed.admin.task("order-2")["result"] == [{"id": "order-2", "x": 1}]
    wait_for(lambda: mixed.stack.redis.client().hget("hookpace:{0}:delivery:order-2:out", "state") == "done" or mixed.conf["redis"]["partitions"] > 1)
    assert [t["status_code"] for t in mixed.admin.resend("order-2")] == [20100]


def test_an_admin_finds_its_own_by_their_ids(mixed):
    (answer,) = mixed.admin.set({"id": "mine", "result": 1, "pingback_url": mixed.hook()})
    assert (answer["id"], answer["status_code"]) == ("mine", 20100)
    mixed.sink.wait_count(1)
    assert mixed.admin.ready_ids() == ["mine"]
    assert mixed.admin.task("mine")["result"] == mixed.admin.task("@admin/mine")["result"] == [1]
    wait_for(lambda: [t["status_code"] for t in mixed.admin.resend("mine")] == [20100] and len(mixed.sink.requests) > 1)
    send(mixed, "inbox", "mine")
    assert mixed.admin.task("mine")["result"] == [{"id": "mine"}] and mixed.admin.task("@admin/mine")["result"] == [1]


def test_downstream_the_id_is_the_id_and_no_two_deliveries_are_one(service):
    """Two accounts that post to one receiver can be told apart by the headers that name the delivery and the message."""
    for name in ("acme", "beta"):
        service.conf["accounts"][name]["sign"] = {"scheme": "standard-webhooks", "secrets": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]}
    service.start()
    for name in ("acme", "beta"):
        getattr(service, name).set_one(id="t1", result={"of": name}, postback_url=service.hook("/$id"))
    requests = service.sink.wait_count(2)
    assert [r.path for r in requests] == ["/t1", "/t1"] and all(r.query["id"] == "t1" for r in requests)
    assert [json.loads(r.body)["tasks"][0]["id"] for r in requests] == ["t1", "t1"]
    assert {r.delivery for r in requests} == {"@acme/t1:postback@acme", "@beta/t1:postback@beta"}
    assert {r.header("webhook-id") for r in requests} == {"@acme/t1", "@beta/t1"}


def test_failed_attempts_name_the_task(service):
    service.sink.on(None, 410)
    service.start()
    for name in ("acme", "beta"):
        getattr(service, name).set_one(id="t1", postback_url=service.hook())
        wait_for(lambda n=name: service.delivery("t1", account=n).get("state") == "dead")
        assert [e["id"] for e in getattr(service, name).errors()] == ["t1"]
    assert sorted(e["id"] for e in service.admin.errors()) == ["@acme/t1", "@beta/t1"]
    assert [t["status_code"] for t in service.admin.resend("@acme/t1", "t1")] == [20100, 40401]
    assert [t["status_code"] for t in service.acme.resend("t1", "@beta/t1", "@acme/t1")] == [20100, 40401, 40401]
