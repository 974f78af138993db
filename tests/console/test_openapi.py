"""docs/reference/openapi.yaml against the program: its routes, and what every call answers."""

import re

import jsonschema
import pytest
import yaml

from harness import config, paths
from harness.wait import wait_for

FILE = yaml.safe_load((paths.REPOSITORY / "docs" / "reference" / "openapi.yaml").read_text())
SOURCE = (paths.REPOSITORY / "receiver" / "console" / "console.c").read_text()


def routes():
    """(method, path) of each row of the table of routes that is below /api."""
    return set(re.findall(r'\{METHOD_([A-Z]+),\s*"(/api/[^"]*)"', SOURCE))


def described():
    return {(verb.upper(), path) for path, calls in FILE["paths"].items() for verb in calls if verb in ("get", "post", "put", "delete")}


def schema_of(verb, path, status):
    answers = FILE["paths"][path][verb]["responses"]
    answer = answers.get(str(status), answers["default"])
    if "$ref" in answer:
        answer = FILE["components"]["responses"][answer["$ref"].rsplit("/", 1)[1]]
    return answer["content"]["application/json"]["schema"]


def check(verb, path, status, value):
    schema = {**schema_of(verb, path, status), "components": FILE["components"]}
    jsonschema.Draft202012Validator(schema).validate(value)


def test_every_route_is_described_and_no_other():
    assert described() == routes()


def test_the_schemas_are_schemas():
    for name, schema in FILE["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema({**schema, "components": FILE["components"]})
        assert name


@pytest.fixture
def busy(service):
    """Something of every kind: a delivery that is done, one that is dead, one that waits, and a circuit."""
    conf = service.conf
    conf["destinations"]["good"] = config.destination(service.sink.url("/good"))
    conf["destinations"]["bad"] = config.destination(service.sink.url("/bad"), retry={"schedule_s": [], "jitter": 0})
    conf["destinations"]["late"] = config.destination(service.sink.url("/late"), retry={"schedule_s": [600], "jitter": 0})
    conf["sources"]["in"] = config.source(["good", "bad", "late"])
    service.sink.on("/bad", 500).on("/late", 500)
    service.start()
    service.receiver.post("/in/in", {"id": "e1"})
    service.receiver.post("/in/in", "{")
    wait_for(lambda: sorted(d["state"] for d in service.root.get("deliveries")["items"]) == ["dead", "done", "retry"], 10, "the states")
    service.stack.redis.client().hset("hookpace:{0}:origins:good", "good", "7 4102444800000 3 0 0 0")
    wait_for(lambda: service.root.get("history")["items"][0]["sent"] + service.root.get("history")["items"][1]["sent"] == 3, 10, "the counts")
    return service


LOOKS = {"/api/me": "me", "/api/status": "status", "/api/history": "history", "/api/history/lanes": "history/lanes", "/api/sources": "sources", "/api/destinations": "destinations",
         "/api/accounts": "accounts", "/api/lanes": "lanes", "/api/lanes/{lane}": "lanes/good", "/api/deliveries": "deliveries", "/api/dead": "dead",
         "/api/deliveries/{id}": "deliveries/e1:bad", "/api/events/{id}": "events/e1", "/api/delay": "delay"}
ACTS = [("/api/lanes/{lane}/pause", "lanes/good/pause", None), ("/api/lanes/{lane}/resume", "lanes/good/resume", None),
        ("/api/deliveries/{id}/resend", "deliveries/e1:bad/resend", None), ("/api/deliveries/{id}/drop", "deliveries/e1:late/drop", None),
        ("/api/delay", "delay", {"delay_ms": 100}), ("/api/partitions/{partition}/hold", "partitions/0/hold", None),
        ("/api/partitions/{partition}/release", "partitions/0/release", None), ("/api/check", "check", None), ("/api/send-test", "send-test", {"source": "in"})]
JOBS = [("/api/resend", "resend", {"state": "dead", "destination": "bad"}), ("/api/drop", "drop", {"state": "dead", "destination": "bad"}),
        ("/api/lanes/{lane}/purge", "lanes/good/purge", {"confirm": "good"})]
JOB_CALLS = {"/api/jobs", "/api/jobs/{id}", "/api/jobs/{id}/cancel"}
NO_JSON = {"/api/events/{id}/body", "/api/tail"}


def test_every_answer_is_as_described(busy):
    for path, target in LOOKS.items():
        value = busy.root.get(target)
        check("get", path, 200, value)
        if "items" in value:
            assert value["items"], f"{path} answered nothing that could be checked"
            assert all("id" in item for item in value["items"]), path
    for path, target, body in ACTS:
        check("post", path, 200, busy.root.post(target, body))
    for path, target, body in JOBS:
        begun = busy.root.post(target, body, 202)
        check("post", path, 202, begun)
        check("get", "/api/jobs/{id}", 200, busy.root.get("jobs/" + begun["job"]))
        wait_for(lambda: busy.root.get("jobs/" + begun["job"])["state"] != "running", 10, "the job's end")
    check("get", "/api/jobs", 200, busy.root.get("jobs"))
    check("post", "/api/jobs/{id}/cancel", 409, {"error": busy.root.post(f"jobs/{begun['job']}/cancel", status=409)})
    for path, target in LOOKS.items():
        if path != "/api/me":
            check("get", path, 403, {"error": busy.acme.get(target, 403)})
        check("get", path, 400, {"error": busy.root.get(target, 400, nothing="x")})
    assert set(LOOKS) | {p for p, _, _ in ACTS + JOBS} | JOB_CALLS | NO_JSON >= set(FILE["paths"]), "a call is described and not checked here"


def test_status_without_redis_is_as_described(busy):
    busy.stack.redis.stop()
    wait_for(lambda: busy.root.get("status")["programs"] is None, 10, "the loss")
    check("get", "/api/status", 200, busy.root.get("status"))
    check("get", "/api/lanes", 503, {"error": busy.root.get("lanes", 503)})
