"""Both programs under valgrind for one life: nothing is read before it is written, or after it is freed, in our
code or in the uninstrumented libraries we hand memory to; and at the end nothing is left that nobody holds."""

import base64
import gzip
import json
import random

import pytest

from harness import config, http, oracle, sign
from harness.downstream import Answer
from harness.wait import wait_for

LOGIN = {"Authorization": "Basic " + base64.b64encode(b"root:password-of-memcheck").decode()}
SECRET = "secret-of-the-memcheck-01"


def valgrind(log):
    return ("valgrind", "--leak-check=full", "--errors-for-leak-kinds=definite,possible", "--error-exitcode=9",
            "--num-callers=20", f"--log-file={log}")


def settings(stack, sink, delay_ms):
    conf = config.base(stack.redis.url, receiver={"threads": 2})
    conf["redis"].update(timeout_ms=10000, partitions=2)
    conf["dispatcher"]["egress"] = {"allow_accounts": ["127.0.0.1/32"]}
    for name, more in {"plain": {}, "signed": {"sign": {"scheme": "standard-webhooks",
                                                        "secrets": [sign.standard_secret()]}},
                       "paced": {"delay_ms": delay_ms, "order": "fifo"}, "inflating": {"gzip": "never"},
                       "gone": {"retry": {"schedule_s": [0.1]}}}.items():
        conf["destinations"][name] = config.destination(sink.url(f"/{name}?id=$id&tag=$tag"), **more)
    conf["destinations"]["ping"] = config.destination(sink.url("/ping/$id"), pingback=True)
    conf["accounts"] = {"root": {"password": "password-of-memcheck", "role": "admin"}}
    conf["sources"]["in"] = config.source(["plain", "signed", "ping"])
    conf["sources"]["paced"] = config.source(["paced", "inflating"])
    conf["sources"]["gone"] = config.source("gone")
    conf["sources"]["checked"] = config.source("plain", "github", [SECRET, "another-" + SECRET])
    return conf


def webhooks(rng):
    """(expected status, target, headers, body) of everything that a receiver meets in its life."""
    yield 200, "/in/in", {"X-Note": "kept"}, b'{"id":"small","tag":"t"}'
    yield 200, "/in/in", {}, b'{"id":"small","tag":"t"}'
    yield 200, "/in/in", {}, json.dumps({"id": "large", "pad": rng.randbytes(150000).hex()}).encode()
    yield 200, "/in/in", {}, json.dumps({"id": "packed", "pad": "abc" * 1000}).encode()
    for number in range(4):
        body = gzip.compress(json.dumps({"id": f"paced{number}", "pad": "x" * 200000}).encode())
        yield 200, "/in/paced", {"Content-Encoding": "gzip"}, body
    yield 200, "/in/gone", {}, b'{"id":"gone"}'
    body = b'{"id":"checked"}'
    yield 200, "/in/checked", sign.headers("github", SECRET, body), body
    yield 401, "/in/checked", sign.headers("github", SECRET, body), body + b" "
    yield 401, "/in/checked", {}, body
    yield 400, "/in/in", {}, b'{"id":"cut'
    yield 400, "/in/in", {"Content-Encoding": "gzip"}, gzip.compress(b"{}" * 1000)[:-9]
    yield 404, "/in/nowhere", {}, b"{}"
    yield 415, "/in/in", {"Content-Encoding": "br"}, b"{}"
    yield 422, "/in/in", {}, b'{"id":"a\\u0001b"}'


def api_calls(sink):
    """(method, path, body): one of every call of the task API, right and wrong."""
    task = {"id": "task", "tag": "t", "postback_url": sink.url("/task?id=$id"), "pingback_url": sink.url("/p/$id")}
    yield "POST", "/v3/serp/google/task_post", [{**task, "result": [{"a": 1}]}, {**task, "id": "a b", "result": 1}, 7]
    yield "POST", "/v3/serp/google/task_post", {"not": "an array"}
    yield "GET", "/v3/serp/google/tasks_ready", None
    yield "GET", "/v3//serp/google/task_get/regular/packed", None
    yield "GET", "/v3/serp/google/task_get/nothing", None
    yield "GET", "/v3/serp/tasks_fixed", None
    yield "GET", "/v3/no/such/call", None
    yield "POST", "/v3/serp/errors", [{"limit": 10}]
    yield "POST", "/v3/serp/id_list", [{"limit": 10, "sort": "desc"}]
    yield "POST", "/v3/appendix/webhook_resend", [{"id": "packed"}, {"id": "nothing"}, {}]
    yield "POST", "/v3/appendix/webhook_delay", [{"webhook_delay": 100, "destination": "plain"}]
    yield "POST", "/v3/appendix/webhook_delay", [{"webhook_delay": 75}]
    for path in ("webhook_delay", "errors", "status", "user_data"):
        yield "GET", f"/v3/appendix/{path}", None
    yield "GET", "/v3/tasks/count", None


def ended(program, log):
    code = program.term().wait(60)
    assert code == 0, f"{program.name} ended with {code}:\n{log.read_text()[-8000:]}"


@pytest.mark.redis(fsync="everysec")
def test_one_life(stack, tmp_path):
    rng, keys = random.Random(20261121), stack.redis.keys(partitions=2)
    sink = stack.downstream()
    sink.on(lambda r: r.path == "/gone", Answer(500, b"no", {"Retry-After": "0"}), Answer(410, b"gone"))
    logs = [tmp_path / "receiver.valgrind", tmp_path / "dispatcher.valgrind"]
    conf = settings(stack, sink, 50)
    receiver = stack.receiver(conf, start=False, wrapper=valgrind(logs[0])).start(timeout=60)
    dispatcher = stack.dispatcher(conf, start=False, wrapper=valgrind(logs[1])).start(timeout=60)
    with http.Client(receiver.ingest, 60) as client:
        for status, target, headers, body in webhooks(rng):
            answer = client.post(target, body, headers)
            assert answer.status == status, (target, body[:40], answer)
    assert receiver.get("/in/in?id=pinged&tag=t", "ingest", timeout=60).status == 200
    http.raw(receiver.ingest, b"GET /\x00 HTTP/1.1\r\n\r\n", 5)
    sink.wait_events({"small", "large", "packed", "paced0", "paced3", "checked", "pinged"}, 60)
    wait_for(lambda: keys.dead("gone") and not keys.inflight(), 60,
             lambda: f"the rest to end: {oracle.places(keys)}")
    for method, path, body in api_calls(sink):
        answer = http.Client(receiver.admin, 60).request(method, path, LOGIN, json.dumps(body).encode() if body else b"")
        assert answer.status in (200, 404), (path, answer)
        assert answer.json()["status_code"] >= 20000, (path, answer)
    sink.wait_events({"task"}, 60)
    for program in (receiver, dispatcher):
        assert "hookpace_" in program.get("/metrics", timeout=60).body.decode()
        program.reload(settings(stack, sink, 100), timeout=60)
        broken = settings(stack, sink, 75)
        program.reload(broken, accepted=False, timeout=60)
    stack.redis.kill9()
    assert receiver.post("/in/in", b'{"id":"lost"}', timeout=60).status == 503
    stack.redis.start()
    wait_for(lambda: receiver.post("/in/in", b'{"id":"again"}', timeout=60).status == 200, 60, "Redis to be found")
    sink.wait_events({"again"}, 60)
    receiver.post("/in/paced", b'{"id":"handed-back"}', timeout=60)
    ended(receiver, logs[0])
    ended(dispatcher, logs[1])
