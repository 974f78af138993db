"""Tasks that are set through the API: their webhooks, as the customer who receives them sees them."""

import base64
import gzip
import json
import re

import pytest

from harness import config, http, oracle, sign
from harness.downstream import Answer
from harness.wait import wait_for

PASSWORD = "acme-password-0123"
SECRET = "acme-signing-secret-0123"
PATH = "/v3/serp/google/organic"
OPEN = {"egress": {"allow_accounts": ["127.0.0.1/32"]}}


class Customer:
    """Account `acme` of a running pair, and the server that gets its webhooks."""

    def __init__(self, stack, account=None, dispatcher=OPEN, **top):
        self.stack = stack
        self.sink = stack.downstream()
        self.conf = config.base(stack.redis.url, dispatcher=dispatcher, **top)
        self.conf["accounts"] = {"acme": {"password": PASSWORD, "sign": {"scheme": "semscraper", "secrets": [SECRET]},
                                          **(account or {})}}
        self.receiver = stack.receiver(self.conf)
        self.dispatcher = stack.dispatcher(self.conf)

    def call(self, method, path, content=None):
        login = base64.b64encode(f"acme:{PASSWORD}".encode()).decode()
        headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
        body = b"" if content is None else json.dumps(content).encode()
        if method == "POST":
            answer = http.post(self.receiver.admin, path, body, headers)
        else:
            answer = http.get(self.receiver.admin, path, headers)
        assert answer.status == 200, answer
        return answer.json()

    def post(self, *tasks):
        """Sets TASKS; the answer's tasks."""
        answer = self.call("POST", PATH + "/task_post", list(tasks))
        assert answer["tasks_error"] == 0, answer
        return answer["tasks"]

    def get(self, ident, kind="advanced"):
        return self.call("GET", f"{PATH}/task_get/{kind}/{ident}")

    def task(self, ident="t1", postback="/post?id=$id&tag=$tag&by=$source", pingback=None, result=None, **more):
        urls = {}
        if postback:
            urls["postback_url"] = self.sink.url(postback)
        if pingback:
            urls["pingback_url"] = self.sink.url(pingback)
        return {"id": ident, "tag": f"tag of {ident}", "result": {"n": ident} if result is None else result, **urls, **more}

    def delivery(self, ident="t1", kind="postback"):
        return self.stack.keys.delivery(f"@acme/{ident}:{kind}@acme")

    def wait_state(self, wanted, ident="t1", kind="postback", timeout=10.0):
        wait_for(lambda: self.delivery(ident, kind).get("state") == wanted, timeout,
                 lambda: f"{ident} to be {wanted}: {self.delivery(ident, kind)}")
        return self.delivery(ident, kind)


def opened(request) -> dict:
    """What a customer makes of a postback: the signature over the bytes, then JSON."""
    assert request.header("X-Signature") == sign.hex_mac(SECRET, request.body)
    assert request.header("Content-Encoding") is None
    assert request.header("Content-Type") == "application/json"
    return json.loads(request.body)


# -- what arrives --------------------------------------------------------------------------------------------


def test_a_postback_is_the_task_get_envelope(stack):
    customer = Customer(stack)
    customer.post(customer.task(postback_data="advanced", keyword="x", result={"b": 1.0, "a": [12345678901234567890]}))
    request = customer.sink.wait_count(1)[0]
    assert request.method == "POST"
    assert request.path == "/post"
    assert request.query == {"id": "t1", "tag": "tag of t1", "by": "acme"}
    assert request.header("Hookpace-Delivery") == "@acme/t1:postback@acme"
    assert request.header("Hookpace-Attempt") == "1"
    assert b'"result":[{"b": 1.0, "a": [12345678901234567890]}]' in request.body, "numbers as they came"
    envelope = opened(request)
    task = envelope["tasks"][0]
    assert list(envelope) == ["version", "status_code", "status_message", "time", "cost", "tasks_count", "tasks_error", "tasks"]
    assert (envelope["status_code"], envelope["tasks_count"], envelope["tasks_error"]) == (20000, 1, 0)
    assert re.fullmatch(r"[\d.]+ sec\.", envelope["time"])
    assert list(task) == ["id", "status_code", "status_message", "time", "cost", "result_count", "path", "data", "result"]
    assert (task["id"], task["status_code"], task["status_message"], task["result_count"]) == ("t1", 20000, "Ok.", 1)
    assert task["path"] == ["v3", "serp", "google", "organic", "task_get", "advanced", "t1"]
    assert task["data"]["keyword"] == "x" and task["data"]["tag"] == "tag of t1"
    customer.wait_state("done")
    got = customer.get("t1")["tasks"][0]
    for name in ("id", "status_code", "path", "result", "result_count"):
        assert got[name] == task[name], name


@pytest.mark.parametrize("result", [None, [1, 2], "text", 0, False, {}], ids=repr)
def test_results_of_any_kind(stack, result):
    customer = Customer(stack)
    task = customer.task()
    task["result"] = result
    customer.post(task)
    arrived = opened(customer.sink.wait_count(1)[0])["tasks"][0]
    assert (arrived["result"], arrived["result_count"]) == ((None, 0) if result is None else ([result], 1))


def test_a_stored_envelope_goes_as_it_came(stack):
    customer = Customer(stack)
    stored = {"version": "theirs", "tasks": [{"id": "their id", "result": [{"x": 1}]}]}
    customer.post(customer.task(result=stored))
    request = customer.sink.wait_count(1)[0]
    assert opened(request) == stored


def test_a_postback_without_a_signature_is_gzip(stack):
    customer = Customer(stack, account={"sign": None})
    customer.post(customer.task())
    request = customer.sink.wait_count(1)[0]
    assert request.header("Content-Encoding") == "gzip"
    assert json.loads(gzip.decompress(request.body))["tasks"][0]["id"] == "t1"


def test_a_pingback_tells_and_brings_nothing(stack):
    customer = Customer(stack)
    customer.post(customer.task(postback=None, pingback="/ping/$id?tag=$tag"))
    request = customer.sink.wait_count(1)[0]
    assert (request.method, request.target, request.body) == ("GET", "/ping/t1?tag=tag%20of%20t1", b"")
    assert request.header("X-Signature") is None, "nothing is there to sign"
    assert request.header("Content-Type") is None
    customer.wait_state("done", kind="pingback")
    listed = customer.call("GET", PATH + "/tasks_ready")["tasks"][0]["result"]
    assert [t["id"] for t in listed] == ["t1"], "told is not brought"


def test_both(stack):
    customer = Customer(stack)
    customer.post(customer.task(pingback="/ping?id=$id"))
    requests = customer.sink.wait_count(2)
    assert {(r.method, r.path) for r in requests} == {("POST", "/post"), ("GET", "/ping")}
    customer.wait_state("done")
    customer.wait_state("done", kind="pingback")
    assert not customer.call("GET", PATH + "/tasks_ready")["tasks"][0]["result"], "its postback was delivered"


def test_many_and_large(stack):
    customer = Customer(stack)
    for first in range(0, 200, 100):
        customer.post(*[customer.task(f"t{n}") for n in range(first, first + 100)])
    customer.post(customer.task("large", result={"pad": "x" * 3_000_000}))
    customer.sink.wait_events([f"t{n}" for n in range(200)] + ["large"], timeout=20)
    assert len(customer.sink.all()) == 201
    for request in customer.sink.all():
        assert opened(request)["tasks"][0]["id"] == request.event


def test_ids_and_tags_cannot_change_the_url(stack):
    customer = Customer(stack)
    customer.post(customer.task("a:b.c", tag="../?x=1&y#/@evil"), customer.task("t2", postback="/p/$tag/end", tag=".."))
    request = customer.sink.wait_count(1)[0]
    assert request.query == {"id": "a:b.c", "tag": "../?x=1&y#/@evil", "by": "acme"}
    assert customer.wait_state("dead", "t2")["last_error"] == "bad_url"


# -- in force when it was set --------------------------------------------------------------------------------


def test_retries_with_the_same_secret_and_delay(stack):
    customer = Customer(stack, account={"delay_ms": 100})
    customer.sink.on(None, 500, 200)
    customer.post(customer.task())
    first = customer.sink.wait_count(1)[0]
    retry = customer.wait_state("retry")
    assert (retry["delay_ms"], retry["last_error"], retry["lane"]) == ("100", "http_500", "acme")
    new = json.loads(json.dumps(customer.conf))
    new["accounts"]["acme"].update(delay_ms=500, sign={"scheme": "semscraper", "secrets": ["a-new-secret-4567", SECRET]})
    customer.receiver.reload(new)
    customer.dispatcher.reload(new)
    second = customer.sink.wait_count(2)[1]
    assert (first.attempt, second.attempt) == (1, 2)
    assert opened(first) == opened(second), "both are signed with the secret of the acceptance"
    assert 4.9 <= (second.at_ns - first.at_ns) / 1e9 <= 6.5
    customer.wait_state("done")
    assert customer.delivery()["delay_ms"] == "100"
    customer.post(customer.task("t2"))
    third = customer.sink.wait_count(3)[2]
    assert third.header("X-Signature") == sign.hex_mac("a-new-secret-4567", third.body)
    assert customer.delivery("t2")["delay_ms"] == "500"


def test_the_accounts_lane_is_paced(stack):
    customer = Customer(stack, account={"delay_ms": 100})
    customer.post(*[customer.task(f"t{n}", pingback="/ping?id=$id") for n in range(10)])
    requests = customer.sink.wait_count(20, timeout=15)
    oracle.assert_paced(requests, 100)


def test_a_resend_repeats_the_webhooks(stack):
    customer = Customer(stack)
    customer.post(customer.task(pingback="/ping?id=$id"))
    customer.sink.wait_count(2)
    customer.wait_state("done")
    customer.wait_state("done", kind="pingback")
    answer = customer.call("POST", "/v3/appendix/webhook_resend", [{"id": "t1"}])
    assert answer["tasks"][0]["status_code"] == 20100
    again = customer.sink.wait_count(4)[2:]
    assert {(r.method, r.path) for r in again} == {("POST", "/post"), ("GET", "/ping")}
    opened(next(r for r in again if r.method == "POST"))


# -- egress --------------------------------------------------------------------------------------------------


SPECIAL = ["http://127.0.0.1:{port}/x", "http://localhost:{port}/x", "http://127.1:{port}/x", "http://2130706433:{port}/x",
           "http://0x7f000001:{port}/x", "http://[::1]:{port}/x", "http://[::ffff:127.0.0.1]:{port}/x", "http://0:{port}/x",
           "http://10.1.2.3/x", "http://169.254.169.254/latest/meta-data", "http://192.168.0.1/x", "http://[fe80::1]/x"]


def test_special_addresses_are_refused_at_once(stack):
    customer = Customer(stack, dispatcher={})
    ids = {f"t{n}": url.format(port=customer.sink.port) for n, url in enumerate(SPECIAL)}
    customer.post(*[{"id": i, "postback_url": url, "result": {}} for i, url in ids.items()])
    for ident, url in ids.items():
        dead = customer.wait_state("dead", ident)
        assert (dead["last_error"], dead["attempts"]) == ("blocked_address", "1"), url
    customer.post({"id": "ping", "pingback_url": customer.sink.url("/x"), "result": {}})
    assert customer.wait_state("dead", "ping", "pingback")["last_error"] == "blocked_address"
    assert customer.sink.connections == 0
    assert len(stack.keys.dead("postback@acme")) == len(SPECIAL)


def test_a_kept_connection_is_judged_too(stack):
    """One that a configured destination opened is not for URLs of the API."""
    customer = Customer(stack, dispatcher={}, sources={"in": config.source("out")},
                        destinations={"out": config.destination("http://127.0.0.1:1/")})
    conf = customer.conf
    conf["destinations"]["out"]["postback_url"] = customer.sink.url()
    customer.receiver.reload(conf)
    customer.dispatcher.reload(conf)
    customer.receiver.send("a")
    customer.sink.wait_count(1)
    wait_for(lambda: stack.keys.delivery("a:out").get("state") == "done")
    customer.post(customer.task())
    assert customer.wait_state("dead")["last_error"] == "blocked_address"
    assert len(customer.sink.all()) == 1


def test_one_host_that_does_not_resolve_does_not_fail_another(stack):
    customer = Customer(stack)
    tasks = [{"id": f"bad{n}", "postback_url": "http://no-such-host.invalid/x", "result": {}} for n in range(3)]
    good = [{"id": f"good{n}", "postback_url": customer.sink.url("/x", host="localhost"), "result": {}} for n in range(3)]
    customer.post(*[t for pair in zip(tasks, good) for t in pair])
    customer.sink.wait_events([t["id"] for t in good])
    for task in tasks:
        assert customer.wait_state("retry", task["id"])["last_error"] in ("dns_not_found", "dns_failed", "connect_timeout")
    for task in good:
        assert customer.wait_state("done", task["id"])["attempts"] == "1"


# -- failures ------------------------------------------------------------------------------------------------


def test_failed_attempts_are_listed_with_their_url(stack):
    customer = Customer(stack)
    customer.sink.on("/post", Answer(status=410, body=b"go away"))
    customer.post(customer.task())
    customer.wait_state("dead")
    listed = customer.call("POST", "/v3/serp/errors", [{"filtered_function": "postback_url"}])["tasks"][0]["result"]
    assert [e["id"] for e in listed] == ["t1"]
    assert listed[0]["http_url"] == customer.sink.url("/post?id=t1&tag=tag%20of%20t1&by=acme")
    assert (listed[0]["http_code"], listed[0]["function"], listed[0]["http_method"]) == (410, "postback_url", "POST")
    ready = customer.call("GET", PATH + "/tasks_ready")["tasks"][0]["result"]
    assert [t["id"] for t in ready] == ["t1"], "its postback never got there"
    assert customer.get("t1")["tasks"][0]["result"] == [{"n": "t1"}]


def test_no_query_or_secret_is_logged(stack):
    customer = Customer(stack)
    customer.sink.on(None, 410)
    customer.post(customer.task(postback="/post?token=T0PS3CRET&id=$id"))
    customer.dispatcher.wait_log("delivery.dead")
    for program in (customer.dispatcher, customer.receiver):
        for secret in ("T0PS3CRET", SECRET, PASSWORD):
            assert secret not in program.log()


def test_an_account_that_is_gone_keeps_its_deliveries_waiting(stack):
    customer = Customer(stack)
    customer.sink.on(None, 500, 200)
    customer.post(customer.task())
    customer.wait_state("retry")
    without = {**customer.conf, "accounts": {}}
    customer.dispatcher.reload(without)
    customer.dispatcher.wait_log("delivery.unconfigured", timeout=12)
    customer.dispatcher.reload(customer.conf)
    opened(customer.sink.wait_count(2, timeout=12)[1])
