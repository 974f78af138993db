"""Jobs: resend or drop of everything that fits, and the purge of a lane."""

import signal
import time

import pytest

from harness import config
from harness.exchange import Answer
from harness.wait import stays, wait_for


def configure(service, **redis):
    service.conf["redis"].update(redis)
    for name in ("orders", "audit"):
        service.conf["destinations"][name] = config.destination(service.sink.url("/" + name))
    service.conf["sources"]["shop"] = config.source(["orders", "audit"])
    service.conf["sources"]["seo"] = config.source(["orders"])
    service.sink.on(lambda r: True, Answer(410))
    return service


@pytest.fixture(params=[1, 3], ids=["one partition", "three"])
def refused(request, service):
    return configure(service, partitions=request.param).start()


def post(service, source, *idents):
    for ident in idents:
        assert service.receiver.post("/in/" + source, {"id": ident}).status == 200


def ids(service, **query):
    return sorted(d["id"] for d in service.root.all("deliveries", **query))


def die(service, count):
    wait_for(lambda: len(ids(service, state="dead", limit=1000)) == count, 20, "all to be dead")


def heal(service):
    service.sink.clear_rules()
    service.sink.reset()


def job_of(service, answer):
    """Waits for the job to end."""
    assert set(answer) == {"job"}
    job = wait_for(lambda: (j := service.root.get("jobs/" + answer["job"]))["state"] != "running" and j, 20, "the job to end")
    assert set(job) == {"id", "verb", "filter", "state", "done", "failed", "total", "started_at", "ended_at", "account"}
    assert job["id"] == answer["job"] and job["total"] == job["done"] + job["failed"] and job["started_at"] <= job["ended_at"]
    return job


def test_resend_of_all_dead_ones_of_a_destination(refused):
    post(refused, "shop", "a", "b")
    post(refused, "seo", "c")
    die(refused, 5)
    heal(refused)
    job = job_of(refused, refused.root.post("resend", {"destination": "orders"}, 202))
    assert (job["verb"], job["state"], job["done"], job["failed"], job["account"]) == ("resend", "done", 3, 0, "root")
    assert job["filter"] == {"state": "dead", "destination": "orders", "source": None, "lane": None, "since": None, "until": None}
    wait_for(lambda: ids(refused, state="done") == ["a:orders", "b:orders", "c:orders"], 5, "them to arrive")
    assert ids(refused, state="dead") == ["a:audit", "b:audit"] and len(refused.sink.requests) == 3
    refused.receiver.wait_log("job.begun")
    begun = [line for line in refused.receiver.lines if line.get("msg") == "job.begun"]
    assert [(b["account"], b["job"], b["verb"], b["destination"]) for b in begun] == [("root", job["id"], "resend", "orders")]


def test_drop_of_what_one_source_brought(refused):
    post(refused, "shop", "a")
    post(refused, "seo", "b", "c")
    die(refused, 4)
    job = job_of(refused, refused.root.post("drop", {"source": "seo", "state": "dead"}, 202))
    assert job["done"] == 2 and ids(refused, state="dropped") == ["b:orders", "c:orders"]
    assert ids(refused, state="dead") == ["a:audit", "a:orders"]
    assert [j["id"] for j in refused.root.get("jobs")["items"]] == [job["id"]]


def test_what_dies_meanwhile_is_left_alone(refused):
    """The destination still refuses: what the job sends again dies again, and the job ends."""
    post(refused, "seo", *[f"e{n}" for n in range(30)])
    die(refused, 30)
    before = len(refused.sink.requests)
    job = job_of(refused, refused.root.post("resend", {"state": "dead"}, 202))
    assert job["done"] == 30
    die(refused, 30)
    assert len(refused.sink.requests) - before == 30, "each once"


def test_since_and_until(refused):
    post(refused, "seo", "a")
    time.sleep(0.05)
    at = refused.root.get("deliveries/a:orders")["accepted_at"]
    post(refused, "seo", "b")
    die(refused, 2)
    job = job_of(refused, refused.root.post("drop", {"destination": "orders", "until": at}, 202))
    assert job["done"] == 1 and job["filter"]["until"] == at and ids(refused, state="dropped") == ["a:orders"]
    assert job_of(refused, refused.root.post("resend", {"destination": "orders", "since": 4102444800000}, 202))["done"] == 0


def test_what_has_no_event_fails(refused):
    post(refused, "seo", "a", "b")
    die(refused, 2)
    client = refused.stack.redis.client()
    client.delete(*[key for key in client.keys("*event:a")])
    job = job_of(refused, refused.root.post("resend", {"state": "dead"}, 202))
    assert (job["done"], job["failed"]) == (1, 1)


def test_purge_drops_what_waits_on_the_lane(refused):
    heal(refused)
    refused.sink.on(lambda r: r.path == "/orders", Answer(500))
    post(refused, "seo", "r")
    wait_for(lambda: ids(refused, state="retry") == ["r:orders"], 5, "a retry")
    refused.root.post("lanes/orders/pause")
    post(refused, "shop", *[f"e{n}" for n in range(40)])
    wait_for(lambda: len(ids(refused, state="done", destination="audit")) == 40, 5, "the other lane")
    assert refused.root.post("lanes/orders/purge", {}, 400)["code"] == "not_confirmed"
    assert refused.root.post("lanes/orders/purge", {"confirm": "audit"}, 400)["code"] == "not_confirmed"
    assert refused.root.post("lanes/none/purge", {"confirm": "none"}, 404)["code"] == "not_found"
    assert len(ids(refused, state="queued")) == 40
    job = job_of(refused, refused.root.post("lanes/orders/purge", {"confirm": "orders"}, 202))
    assert (job["verb"], job["done"], job["filter"]["lane"]) == ("drop", 41, "orders")
    assert ids(refused, state="queued") == ids(refused, state="retry") == [] and len(ids(refused, state="dropped", limit=100)) == 41
    refused.root.post("lanes/orders/resume")
    post(refused, "seo", "new")
    wait_for(lambda: ids(refused, state="retry") == ["new:orders"], 5, "what came later")
    lane = refused.root.get("lanes/orders")
    assert (lane["depth"], lane["retry"]) == (0, 1)


def test_another_program_goes_on_after_a_kill(refused):
    """The program is killed while the job is paused with Redis; the next start finishes it, and nothing is sent twice."""
    post(refused, "seo", *[f"e{n}" for n in range(400)])
    die(refused, 400)
    refused.dispatchers[0].term()
    assert refused.dispatchers[0].wait() == 0
    heal(refused)
    id = refused.root.post("resend", {"state": "dead"}, 202)["job"]
    refused.receiver.signal(signal.SIGKILL)
    refused.receiver.wait()
    refused.start()
    job = job_of(refused, {"job": id})
    assert job["state"] == "done" and job["done"] == 400
    wait_for(lambda: len(refused.sink.requests) == 400, 20, "all of it")
    stays(lambda: len(refused.sink.requests) == 400, 0.5, "each once")


def test_cancel(refused):
    post(refused, "seo", "a")
    die(refused, 1)
    id = refused.root.post("resend", {"state": "dead"}, 202)["job"]
    job_of(refused, {"job": id})
    assert refused.root.post(f"jobs/{id}/cancel", status=409)["code"] == "conflict"
    refused.root.post(f"jobs/{id[:-1]}{'0' if id[-1] != '0' else '1'}/cancel", status=404)
    client = refused.stack.redis.client()
    for key in client.keys("*job:" + id):  # as if it had only begun, and another program had it
        client.persist(key)
        client.hset(key, mapping={"over": "running", "owner": "another", "lease": int(time.time() * 1000) + 3600000})
    assert refused.root.get("jobs/" + id)["state"] == "running"
    job = refused.root.post(f"jobs/{id}/cancel")
    assert job["state"] == "cancelled" and job["ended_at"]
    refused.receiver.wait_log("job.cancelled", job=id)
    assert all(client.pttl(key) > 0 for key in client.keys("*job*"))


@pytest.mark.parametrize("verb,body", [("resend", {}), ("drop", {}), ("resend", {"since": 0}), ("resend", {"state": "queued"}), ("resend", {"state": "inflight"}),
                                       ("drop", {"state": "inflight"}), ("drop", {"state": "done"}), ("drop", {"state": "dropped"}),
                                       ("drop", {"state": "x"}), ("drop", {"state": 5}), ("drop", {"destination": "a b"}), ("drop", {"source": ["a"]}),
                                       ("drop", {"destination": "orders", "since": "yesterday"}), ("drop", {"destination": "orders", "limit": 5})])
def test_what_may_be_wrong(refused, verb, body):
    assert refused.root.post(verb, body, 400)["code"] == "bad_request"
    assert refused.root.get("jobs") == {"items": [], "next": None}


def test_who_may(refused):
    for who in (refused.eye, refused.acme):
        assert who.post("resend", {"state": "dead"}, 403)["code"] == who.post("drop", {"state": "dead"}, 403)["code"] == "forbidden"
        assert who.post("lanes/orders/purge", {"confirm": "orders"}, 403)["code"] == "forbidden"
    assert refused.eye.get("jobs")["items"] == [] and refused.root.get("jobs/x", 404)["code"] == "not_found"
