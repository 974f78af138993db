"""W3C Trace Context: traceparent, tracestate and baggage go on to the destination, and the trace id is in both log lines."""

import base64
import json

import pytest

from harness import config, http
from harness.downstream import Answer
from harness.fetching import announce, run
from harness.ingest import make

PASSWORD, PATH = "acme-password-0123", "/v3/serp/google/organic"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
LOGIN = "Basic " + base64.b64encode(f"acme:{PASSWORD}".encode()).decode()
CONTEXT = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7", "baggage": "user=eve,plan=a%20b;ttl=1"}


def carried(request):
    return {name: request.header(name) for name in CONTEXT if request.header(name) is not None}


def both(stack, **source):
    """Source `in` to `out`, a postback, and `ping`, a pingback."""
    sink = stack.downstream()
    conf = config.base(stack.redis.url)
    conf["sources"]["in"] = config.source(["out", "ping"], **source)
    conf["destinations"] = {"out": config.destination(sink.url("/out"), retry={"schedule_s": [0.1], "jitter": 0}),
                            "ping": config.destination(sink.url("/ping/$id"), pingback=True)}
    return sink, stack.receiver(conf), stack.dispatcher(conf)


def test_the_context_goes_on_with_every_attempt(stack):
    sink, receiver, dispatcher = both(stack)
    sink.on("/out", Answer(503), 200)
    receiver.post("/in/in", {"id": "e1"}, CONTEXT)
    assert [carried(r) for r in sink.wait_count(3)] == [CONTEXT] * 3
    assert all(r.count(name) == 1 for r in sink.all() for name in CONTEXT)
    assert receiver.wait_log("event.accepted", id="e1")["trace_id"] == TRACE
    for line in (dispatcher.wait_log("attempt.ended", destination="out", attempt=1), dispatcher.wait_log("attempt.ended", destination="out", attempt=2),
                 dispatcher.wait_log("attempt.ended", destination="ping")):
        assert line["trace_id"] == TRACE


@pytest.mark.parametrize("value", [
    "", "nonsense", "00-1-2-01", f"00-{TRACE.upper()}-{PARENT}-01", f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01",
    f"ff-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-01-more", f"00-{TRACE}-{PARENT}", "\"}\u00e9", "x" * 3000])
def test_a_context_that_is_none_goes_on_and_is_no_trace_id(stack, value):
    sink, receiver, dispatcher = both(stack)
    receiver.post("/in/in", {"id": "e1"}, {"traceparent": value.encode().decode("latin-1")})
    for request in sink.wait_count(2):
        assert (request.header("traceparent") or "").encode("latin-1").decode() == value
    assert "trace_id" not in receiver.wait_log("event.accepted", id="e1")
    for destination in ("out", "ping"):
        assert "trace_id" not in dispatcher.wait_log("attempt.ended", destination=destination)


def test_a_later_version_may_have_more(stack):
    sink, receiver, dispatcher = both(stack)
    value = f"cc-{TRACE}-{PARENT}-01-what comes later"
    receiver.post("/in/in", {"id": "e1"}, {"TraceParent": value})
    assert {r.header("traceparent") for r in sink.wait_count(2)} == {value}
    assert receiver.wait_log("event.accepted")["trace_id"] == dispatcher.wait_log("attempt.ended")["trace_id"] == TRACE


def test_other_headers_do_not_push_the_context_out(stack):
    """Companion headers have 4 KiB together. The context is short, and has its room."""
    sink, receiver, dispatcher = both(stack)
    receiver.post("/in/in", {"id": "e1"}, {**{f"X-N{n}": "v" * 60 for n in range(80)}, **CONTEXT})
    for request in sink.wait_count(2):
        assert carried(request) == CONTEXT
        assert 20 < sum(n.startswith("X-N") for n, _ in request.headers) < 80
    assert dispatcher.wait_log("attempt.ended")["trace_id"] == TRACE
    assert receiver.wait_log("header.dropped")["header"].startswith("X-N")


def test_what_is_too_long_is_left_out_and_the_rest_goes_on(stack):
    sink, receiver, dispatcher = both(stack)
    receiver.post("/in/in", {"id": "e1"}, {**CONTEXT, "tracestate": "a=" + "b" * 5000, "baggage": "k=" + "v" * 8190, "X-Team": "seo"})
    for request in sink.wait_count(2):
        assert carried(request) == {"traceparent": CONTEXT["traceparent"]} and request.header("X-Team") == "seo"
    assert receiver.wait_log("event.accepted")["trace_id"] == dispatcher.wait_log("attempt.ended")["trace_id"] == TRACE


def test_a_source_may_keep_other_headers(stack):
    sink, receiver, dispatcher = both(stack, keep_headers=["x-team"])
    receiver.post("/in/in", {"id": "e1"}, {**CONTEXT, "X-Team": "seo"})
    assert [carried(r) for r in sink.wait_count(2)] == [{}, {}]


def test_a_destination_may_have_a_context_of_its_own(stack):
    sink, receiver, dispatcher = both(stack)
    conf = json.loads(json.dumps(dispatcher.config))
    conf["destinations"]["out"]["headers"] = {"baggage": "ours=1"}
    dispatcher.reload(conf)
    receiver.post("/in/in", {"id": "e1"}, CONTEXT)
    requests = {r.path: r for r in sink.wait_count(2)}
    assert carried(requests["/out"]) == {**CONTEXT, "baggage": "ours=1"} and requests["/out"].count("baggage") == 1


def test_a_fetched_result_goes_on_in_the_trace_of_its_announcement(stack):
    provider, sink, receiver, (dispatcher,) = run(stack)
    provider.done("t1")
    announce(receiver, **CONTEXT)
    assert carried(sink.wait_count(1)[0]) == CONTEXT
    assert carried(provider.wait_count(1)[0]) == {}, "the context is for the destination"
    assert receiver.wait_log("event.accepted")["trace_id"] == TRACE
    for kind in ("fetch", "postback"):
        assert dispatcher.wait_log("attempt.ended", kind=kind)["trace_id"] == TRACE


class Customer:
    """Account `acme` of a running pair, and the server that gets its webhooks."""

    def __init__(self, stack, **account):
        self.sink = stack.downstream()
        conf = config.base(stack.redis.url, dispatcher={"egress": {"allow_accounts": ["127.0.0.1/32"]}},
                           accounts={"acme": {"password": PASSWORD, **account}})
        self.receiver, self.dispatcher = stack.receiver(conf), stack.dispatcher(conf)

    def task(self, ident, **more):
        return {"id": ident, "tag": f"tag of {ident}", "postback_url": self.sink.url("/post"), "result": {"n": 1}, **more}

    def post(self, context, *tasks, path=PATH + "/task_post"):
        answer = http.post(self.receiver.admin, path, json.dumps(list(tasks)).encode(),
                           {"Content-Type": "application/json", "Authorization": LOGIN, **context})
        assert answer.status == 200 and answer.json()["tasks_error"] == 0, (answer, answer.body)


def test_a_task_goes_on_in_the_trace_of_its_call(stack):
    customer = Customer(stack)
    customer.post(CONTEXT, customer.task("t1", pingback_url=customer.sink.url("/ping")), customer.task("t2"))
    assert [carried(r) for r in customer.sink.wait_count(3)] == [CONTEXT] * 3
    for ident, destinations in (("t1", 2), ("t2", 1)):
        line = customer.receiver.wait_log("event.accepted", id=ident)
        assert {k: line[k] for k in ("source", "tag", "destinations", "trace_id", "peer")} == {
            "source": "acme", "tag": f"tag of {ident}", "destinations": destinations, "trace_id": TRACE, "peer": "127.0.0.1"}
        assert customer.dispatcher.wait_log("attempt.ended", id=ident)["trace_id"] == TRACE
    customer.post({}, customer.task("t1", pingback_url=customer.sink.url("/ping")))
    assert customer.receiver.wait_log("event.accepted", id="t1", duplicate=True)


def test_a_pending_task_keeps_the_context_of_task_post(stack):
    customer = Customer(stack, role="admin")
    task = customer.task("t1")
    del task["result"]
    customer.post({**CONTEXT, "X-Team": "seo"}, task)
    customer.post({"traceparent": f"00-{'a' * 32}-{PARENT}-01"}, {"id": "t1", "result": {"n": 1}}, path="/v3/tasks/complete")
    request, = customer.sink.wait_count(1)
    assert carried(request) == CONTEXT and request.header("X-Team") is None
    assert customer.dispatcher.wait_log("attempt.ended", id="t1")["trace_id"] == TRACE


def test_the_context_of_a_call_has_a_limit(stack):
    customer = Customer(stack)
    customer.post({**CONTEXT, "baggage": "k=" + "v" * 8000}, customer.task("t1"))
    assert carried(customer.sink.wait_count(1)[0]) == {k: CONTEXT[k] for k in ("traceparent", "tracestate")}


def test_a_sender_that_gives_two(stack):
    """The first counts, in both lines."""
    receiver = make(stack)
    second, body = f"00-{'b' * 32}-{PARENT}-01", b'{"id":"e1"}'
    answer = http.raw(receiver.ingest, f"POST /in/in HTTP/1.1\r\nHost: x\r\nConnection: close\r\ntraceparent: {CONTEXT['traceparent']}\r\n"
                      f"traceparent: {second}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    assert b" 200 " in answer
    assert receiver.wait_log("event.accepted")["trace_id"] == TRACE
