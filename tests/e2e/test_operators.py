"""The operators' listener, which is the same module in both programs: paths, methods, readiness."""

import pytest

from harness import config, http
from harness.downstream import Answer
from harness.wait import wait_for

PROBES = ("/healthz", "/readyz", "/metrics")


@pytest.fixture(params=["receiver", "dispatcher"])
def program(stack, request):
    conf = config.simple(stack.redis.url, "http://127.0.0.1:1/")
    started = getattr(stack, request.param)(conf)
    started.wait_http("/readyz", 200)
    return started


def ask(program, method, path):
    return http.Client(program.address(program.health_listener)).request(method, path)


@pytest.mark.parametrize("path", PROBES)
def test_head_is_get_without_the_body(program, path):
    get, head = ask(program, "GET", path), ask(program, "HEAD", path)
    assert (get.status, head.status, head.body) == (200, 200, b"")
    assert head.header("content-type") == get.header("content-type")
    assert int(head.header("content-length")) > 0


@pytest.mark.parametrize("path", PROBES)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_are_405_and_say_which_are_taken(program, method, path):
    answer = ask(program, method, path)
    assert (answer.status, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.header("allow") == "GET, HEAD"


@pytest.mark.parametrize("path", ["/x", "/healthz/", "//healthz", "/%68ealthz", "/Healthz", "/metrics/x"])
def test_other_paths_are_404(program, path):
    for method in ("GET", "POST"):
        answer = ask(program, method, path)
        assert (answer.status, answer.json()["code"]) == (404, "not_found")


def test_readiness_follows_redis(stack, program):
    stack.redis.stop()
    program.wait_http("/readyz", 503)
    answer = ask(program, "GET", "/readyz")
    assert (answer.json()["code"], answer.header("retry-after")) == ("queue_unavailable", "1")
    assert ask(program, "GET", "/healthz").status == 200
    assert ask(program, "GET", "/metrics").status == 200, "the counters are right without Redis"
    stack.redis.start()
    program.wait_http("/readyz", 200)


def test_scrapes_at_one_moment_are_all_answered(program):
    clients = [http.Client(program.address(program.health_listener)) for _ in range(20)]
    for c in clients:
        c.send(http.render("GET", "/metrics", {}))
    answers = [c.read() for c in clients]
    assert all(a.status == 200 and b"hookpace_queue_depth" in a.body for a in answers)


def test_a_dispatcher_that_drains_says_so(stack):
    sink = stack.downstream()
    sink.on(None, Answer(action="hang"))
    conf = config.simple(stack.redis.url, sink.url(), timeout_ms=20000)
    receiver, dispatcher = stack.receiver(conf), stack.dispatcher(conf)
    receiver.send("e1")
    sink.wait_events({"e1"})
    dispatcher.term()
    wait_for(lambda: dispatcher.get("/readyz").status == 503, 5, "the drain to be told")
    assert dispatcher.get("/readyz").json()["code"] == "draining"
