"""Names are only names: what an event or a delivery is stands in its kind, whatever its source, destination, lane or account is called."""

import base64
import json

import pytest

from harness import config, http
from harness.programs import run_once
from harness.wait import wait_for

ODD = ["fetch", "fetch-x", "fetch_x", "postback", "pingback", "postback-acme", "f", "2", "-", "_", "--", "0", "100", "guest", "resent", "done", "told",
       "fetched", "dead", "task", "webhook", "announcement", "own", "top", "kept", "in", "acme", "lanes", "x" * 64, "A-Za-z0-9_", "12345-789"]
IDS = ["fetched:t1", "a:postback", "a:1", "-", "0", "task", ":", "x:fetch:y", "1" * 128]
PASSWORD = "password-of-an-account"


def login(account):
    return {"Authorization": "Basic " + base64.b64encode(f"{account}:{PASSWORD}".encode()).decode()}


class Odd:
    """Every odd name is at once a source, a postback, a pingback on that postback's lane, and an account."""

    def __init__(self, stack):
        self.stack, self.sink, self.provider = stack, stack.downstream(), stack.provider()
        self.conf = config.base(stack.redis.url, dispatcher={"egress": {"allow_accounts": ["127.0.0.1/32"]}})
        self.conf["accounts"] = {name: {"password": PASSWORD} for name in ODD} | {"boss": {"password": PASSWORD, "role": "admin"}}
        for name in ODD:
            self.conf["sources"][name] = config.source([name, self.ping(name)])
            self.conf["destinations"][name] = config.destination(self.url("post", name), lane=name)
            self.conf["destinations"][self.ping(name)] = config.destination(self.url("ping", name), pingback=True, lane=name)
        self.receiver = stack.receiver(self.conf)
        stack.dispatcher(self.conf)

    def ping(self, name):
        return ("p" + name)[:64]

    def url(self, what, name):
        return self.sink.url(f"/{what}/{name}?id=$id&source=$source")

    def webhook(self, source, ident):
        answer = http.post(self.receiver.ingest, f"/in/{source}", json.dumps({"id": ident}).encode())
        assert answer.status == 200 and "duplicate" not in answer.json(), answer.body

    def task(self, account, ident):
        body = [{"id": ident, "result": {"of": account}, "postback_url": self.url("task-post", account),
                 "pingback_url": self.url("task-ping", account)}]
        answer = http.post(self.receiver.admin, "/v3/serp/task_post", json.dumps(body).encode(), login(account))
        assert answer.json()["tasks"][0]["status_code"] == 20100, answer.body

    def counts(self, account):
        answer = http.get(self.receiver.admin, "/v3/tasks/count", login(account))
        result = answer.json()["tasks"][0]["result"][0]
        return {k: v for k, v in result.items() if v and k != "total"}


def test_every_legal_name_is_only_a_name(stack):
    """With events and tasks of one name beside each other: each arrives once, as what it is, and is counted where it belongs."""
    odd = Odd(stack)
    expected = {}
    for n, name in enumerate(ODD):
        hook, task = f"hook-{n}", f"task-{n}"
        odd.webhook(name, hook)
        odd.task(name, task)
        expected[f"/post/{name}", hook] = ("POST", f"{hook}:{name}", name)
        expected[f"/ping/{name}", hook] = ("GET", f"{hook}:{odd.ping(name)}", name)
        expected[f"/task-post/{name}", task] = ("POST", f"@{name}/{task}:postback@{name}", name)
        expected[f"/task-ping/{name}", task] = ("GET", f"@{name}/{task}:pingback@{name}", name)
    requests = odd.sink.wait_count(len(expected), timeout=30)
    assert {(r.path, r.query["id"]): (r.method, r.delivery, r.query["source"]) for r in requests} == expected
    for _, delivery, name in expected.values():
        wait_for(lambda d=delivery: stack.keys.delivery(d).get("state") == "done", 10, lambda d=delivery: str(stack.keys.delivery(d)))
        fields = stack.keys.delivery(delivery)
        path = next(p for (p, _), (_, d, _) in expected.items() if d == delivery)
        assert fields["kind"] == ("postback" if "post/" in path else "pingback"), delivery
        assert fields.get("account") == (name if path.startswith("/task") else None), delivery
        assert fields["lane"] == name
    for name in ODD:
        assert odd.counts(name) == {"done_fetched": 1}, name
    assert odd.counts("boss") == {"done_fetched": 2 * len(ODD)}
    assert len(odd.sink.all()) == len(expected), "nothing came twice"


def test_every_legal_id_is_only_an_id(stack):
    """Of webhooks, of tasks, and of results that are announced and fetched."""
    odd = Odd(stack)
    for ident in IDS:
        odd.webhook("fetch", "w" + ident[1:] if len(ident) == 128 else "w" + ident)
        odd.task("fetch", ident)
    wanted = {("/post/fetch", ("w" + i)[:128] if len(i) < 128 else "w" + i[1:]) for i in IDS} | {("/task-post/fetch", i) for i in IDS}
    odd.sink.wait_count(4 * len(IDS), timeout=20)
    seen = [(r.path, r.query["id"]) for r in odd.sink.all() if "post" in r.path]
    assert sorted(seen) == sorted(wanted)
    wait_for(lambda: odd.counts("fetch") == {"done_fetched": len(IDS)}, 10, lambda: str(odd.counts("fetch")))


@pytest.mark.parametrize("ident", IDS)
def test_an_announced_result_of_any_id_is_fetched(stack, ident):
    """Also where a message has that id, and where the source is called like what a fetch is."""
    provider, sink = stack.provider(), stack.downstream()
    conf = config.base(stack.redis.url)
    conf["destinations"]["fetch"] = config.destination(sink.url("/got?id=$id"))
    conf["sources"]["fetch"] = provider.source(["fetch"])
    receiver = stack.receiver(conf)
    stack.dispatcher(conf)
    provider.done(ident)
    assert receiver.get(f"/in/fetch?id={ident}", listener="ingest").status == 200
    (request,) = sink.wait_count(1)
    assert (request.method, request.query["id"], request.delivery) == ("POST", ident, f"{ident}:fetch")
    fetch = f"{ident}~f:fetch@fetch"
    wait_for(lambda: stack.keys.delivery(fetch).get("state") == "done", 10, lambda: str(stack.keys.delivery(fetch)))
    fields = stack.keys.delivery(fetch)
    assert (fields["kind"], fields["source"], fields["task"]) == ("fetch", "fetch", ident)
    assert stack.keys.delivery(f"{ident}:fetch")["kind"] == "postback"


@pytest.mark.parametrize("name", ["fetch@x", "kafka@x", "a~f", "@b", "postback@acme", "a b", "a:b", "", "x" * 65, "é"])
@pytest.mark.parametrize("what", ["sources", "destinations", "accounts", "lane"])
def test_names_that_could_be_taken_for_something_else_are_refused(tmp_path, what, name):
    conf = config.simple("redis://127.0.0.1:9", "http://127.0.0.1:9/")
    if what == "sources":
        conf["sources"][name] = config.source("out")
    elif what == "destinations":
        conf["destinations"][name] = config.destination("http://127.0.0.1:9/")
    elif what == "accounts":
        conf["accounts"] = {name: {"password": PASSWORD}}
    else:
        conf["destinations"]["out"]["lane"] = name
    (tmp_path / "conf.json").write_text(json.dumps(conf))
    ended = run_once("receiver", "--check-config", "--config", str(tmp_path / "conf.json"))
    where = "destinations.out.lane" if what == "lane" else f'{what}.{json.dumps(name, ensure_ascii=False)}'
    assert ended.returncode != 0
    assert f"{where}: " in ended.stdout
    if what != "lane" or 0 < len(name) <= 64:  # else its length is what is told
        assert f"{where}: is not allowed as a name: use 1 to 64 letters, digits, '_' and '-'" in ended.stdout
