"""What the dispatcher sends, and what becomes of a delivery after each kind of answer."""

import gzip
import json
import re
import time
from email.utils import formatdate
from urllib.parse import quote

import pytest

from harness import config, sign
from harness.downstream import Answer
from harness.wait import stays, wait_for

SECRET = "a-secret-of-the-test-0123"
FAST = {"schedule_s": [0.1, 0.1], "jitter": 0}


def run(stack, dest=None, url=None, pingback=False, source=None, top=None):
    """A sink, a receiver and a dispatcher: source `in` to destination `out`. Answers (sink, receiver, dispatcher)."""
    sink = stack.downstream()
    conf = config.base(stack.redis.url, **(top or {}))
    conf["sources"]["in"] = {**config.source("out"), **(source or {})}
    conf["destinations"]["out"] = config.destination(url or sink.url(), pingback=pingback, **(dest or {}))
    return sink, stack.receiver(conf), stack.dispatcher(conf)


def state(stack, ident="a", destination="out"):
    return stack.keys.delivery(f"{ident}:{destination}").get("state")


def wait_state(stack, wanted, ident="a", timeout=10.0):
    wait_for(lambda: state(stack, ident) == wanted, timeout,
             lambda: f"{ident} to be {wanted}: {stack.keys.delivery(f'{ident}:out')}")
    return stack.keys.delivery(f"{ident}:out")


# -- the request ---------------------------------------------------------------------------------------------


def test_a_postback_carries_the_bytes_as_received(stack):
    sink, receiver, _ = run(stack)
    body = b'{ "id" : "a", "tag":"x y/z", "n": 1.0, "n2": 12345678901234567890, "e": [] }\r\n'
    headers = {"Content-Type": "application/json; charset=utf-8", "X-GitHub-Event": "push", "ce-type": "t", "Accept": "no"}
    assert receiver.post("/in/in", body, headers).status == 200
    request = sink.wait_count(1)[0]
    assert request.method == "POST"
    assert request.target == "/hook?id=a&tag=x%20y%2Fz"
    assert request.body == body
    assert request.header("Content-Type") == "application/json; charset=utf-8"
    assert request.header("X-GitHub-Event") == "push"
    assert request.header("ce-type") == "t"
    assert re.fullmatch(r"Hookpace/\d+\.\d+\.\d+", request.header("User-Agent"))
    assert request.header("Hookpace-Delivery") == "a:out"
    assert request.header("Hookpace-Attempt") == "1"
    assert request.header("Content-Encoding") is None
    assert request.header("Expect") is None
    assert wait_state(stack, "done")["last_status"] == "200"


def test_a_large_body_is_sent_at_once(stack):
    sink, receiver, _ = run(stack)
    body = json.dumps({"id": "a", "pad": "x" * 3_000_000}).encode()
    receiver.post("/in/in", body)
    request = sink.wait_count(1)[0]
    assert request.body == body
    assert request.header("Expect") is None


def test_a_pingback_is_a_get(stack):
    sink, receiver, _ = run(stack, pingback=True)
    receiver.send("a", tag="t")
    request = sink.wait_count(1)[0]
    assert (request.method, request.target, request.body) == ("GET", "/hook?id=a&tag=t", b"")
    assert request.header("Content-Type") is None
    assert request.header("Content-Length") is None


def test_a_pingback_received_is_announced_as_json(stack):
    sink, receiver, _ = run(stack)
    answer = receiver.get("/in/in?id=a&tag=t%22", listener="ingest")
    assert answer.status == 200
    request = sink.wait_count(1)[0]
    assert request.method == "POST"
    assert request.header("Content-Type") == "application/json"
    assert json.loads(request.body) == {"id": "a", "tag": 't"', "source": "in",
                                        "received_at": answer.json()["received_at"]}


def test_the_destinations_headers_win(stack):
    sink, receiver, _ = run(stack, {"headers": {"X-Team": "seo", "X-Other": "o"}})
    receiver.post("/in/in", {"id": "a"}, {"x-team": "theirs", "X-Kept": "k"})
    request = sink.wait_count(1)[0]
    assert [v for n, v in request.headers if n.lower() == "x-team"] == ["seo"]
    assert request.header("X-Other") == "o"
    assert request.header("X-Kept") == "k"


@pytest.mark.parametrize("mode", ["keep", "always", "never", None])
@pytest.mark.parametrize("given", ["plain", "gzip", "gzip without the header"])
def test_gzip(stack, mode, given):
    sink, receiver, _ = run(stack, {"gzip": mode, "sign": {"scheme": "semscraper", "secrets": [SECRET]}})
    plain = json.dumps({"id": "a", "pad": "y" * 2000}).encode()
    wire = plain if given == "plain" else gzip.compress(plain)
    receiver.post("/in/in", wire, {"Content-Encoding": "gzip"} if given == "gzip" else {})
    request = sink.wait_count(1)[0]
    packed = mode == "always" or (mode == "keep" and given != "plain")
    assert request.header("Content-Encoding") == ("gzip" if packed else None)
    assert (gzip.decompress(request.body) if packed else request.body) == plain
    if mode == "keep" or (mode == "always" and given != "plain"):
        assert request.body == wire
    assert request.header("X-Signature") == sign.hex_mac(SECRET, request.body)


def test_a_dot_segment_is_refused(stack):
    sink, receiver, _ = run(stack, url=stack.downstream().url("/hooks/$tag/end"))
    receiver.send("a", tag="..")
    dead = wait_state(stack, "dead")
    assert dead["last_error"] == "bad_url"
    assert stack.keys.dead("out") == ["a:out"]


def test_each_delivery_goes_to_its_own_url(stack):
    """They take turns on one handle of libcurl, which keeps what it knows of the last URL."""
    sink = stack.downstream()
    _, receiver, _ = run(stack, url=sink.url("/hooks/$tag/end"))
    tags = ["x", "x", "y", "x"]
    for n, tag in enumerate(tags):
        receiver.send(f"e{n}", tag=tag)
        wait_state(stack, "done", f"e{n}")
    assert [(r.event, r.target) for r in sink.all()] == [(f"e{n}", f"/hooks/{tag}/end") for n, tag in enumerate(tags)]


# -- signatures ----------------------------------------------------------------------------------------------


def own(request, scheme, secret):
    """The headers that REQUEST must carry under SCHEME, computed from its body, id and timestamp."""
    stamp = {"standard-webhooks": "webhook-timestamp", "slack": "X-Slack-Request-Timestamp"}.get(scheme)
    at = int(request.header(stamp)) if stamp else None
    if scheme == "stripe":
        at = int(re.match(r"t=(\d+),", request.header("Stripe-Signature"))[1])
    if at is not None:
        assert abs(at - time.time()) < 5
    made = sign.headers(scheme, secret, request.body, message_id=request.event, at=at)
    for name in ("X-GitHub-Event", "X-GitHub-Delivery", "X-Shopify-Webhook-Id"):
        made.pop(name, None)
    return made


@pytest.mark.parametrize("pingback", [False, True])
@pytest.mark.parametrize("scheme", [s for s in sign.SIGNED if s != "svix"])
def test_signatures(stack, scheme, pingback):
    secret = sign.standard_secret() if scheme == "standard-webhooks" else SECRET
    sink, receiver, _ = run(stack, {"sign": {"scheme": scheme, "secrets": [secret]}}, pingback=pingback)
    receiver.send("a", pad="ü")
    request = sink.wait_count(1)[0]
    signs_more = scheme in ("standard-webhooks", "stripe", "slack")
    for name, value in own(request, scheme, secret).items():
        wanted = [] if pingback and not signs_more else [value]    # a pingback has no body to sign
        assert [v for n, v in request.headers if n.lower() == name.lower()] == wanted


def test_a_relayed_signature_does_not_stand_beside_ours(stack):
    sink, receiver, _ = run(stack, {"sign": {"scheme": "semscraper", "secrets": [SECRET]}})
    receiver.post("/in/in", {"id": "a"}, {"X-Signature": "of the sender"})
    request = sink.wait_count(1)[0]
    assert request.count("X-Signature") == 1
    assert request.header("X-Signature") == sign.hex_mac(SECRET, request.body)


def test_a_signature_per_attempt_and_one_id(stack):
    secret = sign.standard_secret()
    sink, receiver, _ = run(stack, {"sign": {"scheme": "standard-webhooks", "secrets": [secret]},
                                    "retry": {"schedule_s": [1.1], "jitter": 0}})
    sink.on(None, 500, 200)
    receiver.send("a")
    first, second = sink.wait_count(2)
    for request in (first, second):
        for name, value in own(request, "standard-webhooks", secret).items():
            assert request.header(name) == value
    assert first.header("webhook-id") == second.header("webhook-id") == "a"
    assert int(second.header("webhook-timestamp")) > int(first.header("webhook-timestamp"))


def test_the_secret_is_the_one_at_acceptance(stack):
    """Accepted before a rotation: signed with the old secret, as long as it is listed."""
    old, new = "the-old-secret-0123", "the-new-secret-0123"
    sink = stack.downstream()
    conf = config.simple(stack.redis.url, sink.url(), sign={"scheme": "serphouse", "secrets": [old]}, retry=FAST)
    receiver = stack.receiver(conf)
    receiver.send("before")
    conf["destinations"]["out"]["sign"]["secrets"] = [new, old]
    receiver.reload(conf)
    receiver.send("after")
    sink.on(None, 500, 500, 200)
    dispatcher = stack.dispatcher(conf)
    sink.wait_count(4)
    signed = {(r.event, next(name for name, secret in (("old", old), ("new", new))
                             if r.header("x-serphouse-signature") == sign.hex_mac(secret, r.body))) for r in sink.all()}
    assert signed == {("before", "old"), ("after", "new")}, "also when it is tried again"
    dispatcher.term()
    dispatcher.wait()
    receiver.send("last")
    conf["destinations"]["out"]["sign"]["secrets"] = ["a-third-secret-0123"]
    stack.dispatcher(conf)
    last = sink.wait_count(5)[-1]
    assert last.header("x-serphouse-signature") == sign.hex_mac("a-third-secret-0123", last.body), "its own is gone"


# -- outcomes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_is_success(stack, status):
    sink, receiver, _ = run(stack)
    sink.on(None, status)
    receiver.send("a")
    assert wait_state(stack, "done")["last_status"] == str(status)


@pytest.mark.parametrize("status", [301, 302, 304, 307, 400, 401, 404, 408, 425, 500, 503, 599])
def test_anything_else_is_retried(stack, status):
    sink, receiver, _ = run(stack, {"retry": FAST})
    sink.on(None, Answer(status=status, headers={"Location": "/elsewhere"}), 200)
    receiver.send("a")
    first, second = sink.wait_count(2)
    assert (first.attempt, second.attempt) == (1, 2)
    assert second.target == first.target
    wait_state(stack, "done")
    stays(lambda: len(sink.all()) == 2, 0.3)


def test_attempts_end_with_the_schedule(stack):
    sink, receiver, dispatcher = run(stack, {"retry": FAST})
    sink.on(None, Answer(status=500, body=b"z" * 5000))
    receiver.send("a")
    dead = wait_state(stack, "dead")
    assert (dead["attempts"], dead["last_status"], dead["last_error"]) == ("3", "500", "http_500")
    assert [r.attempt for r in sink.all()] == [1, 2, 3]
    assert stack.keys.dead("out") == ["a:out"]
    line = dispatcher.wait_log("delivery.dead")
    assert (line["delivery"], line["status"], line["attempt"]) == ("a:out", 500, 3)
    assert dispatcher.metric("hookpace_attempts_total", destination="out", result="retry") == 2
    assert dispatcher.metric("hookpace_attempts_total", destination="out", result="dead") == 1


@pytest.mark.parametrize("partitions", [1, 4])
def test_a_repeat_queues_dead_deliveries_again(stack, partitions):
    """Only what is dead, although the event went to other partitions too."""
    sink, other = stack.downstream(), stack.downstream()
    conf = config.base(stack.redis.url)
    conf["redis"]["partitions"] = partitions
    conf["sources"]["in"] = config.source(["out", "more"])
    conf["destinations"] = {"out": config.destination(sink.url(), retry={"schedule_s": []}), "more": config.destination(other.url())}
    receiver, _ = stack.receiver(conf), stack.dispatcher(conf)
    keys = stack.redis.keys(partitions=partitions)
    sink.on(None, 500, 500, 200)
    assert receiver.send("a").status == 200
    for count in (1, 2):
        sink.wait_count(count)
        wait_for(lambda: keys.dead("out") == ["a:out"])
        answer = receiver.send("a").json()
        assert (answer["duplicate"], answer["requeued"]) == (True, 1)
    assert [r.attempt for r in sink.wait_count(3)] == [1, 2, 3]
    wait_for(lambda: keys.delivery("a:out").get("state") == "done")
    assert "requeued" not in receiver.send("a").json()
    stays(lambda: len(sink.all()) == 3 and len(other.all()) == 1, 0.3)


def test_a_repeat_of_an_event_with_many_dead_deliveries(stack):
    """More than one call of a script queues again: the answer counts all of them."""
    sink = stack.downstream()
    sink.on(None, 410)
    names = [f"to{n}" for n in range(60)]
    conf = config.base(stack.redis.url)
    conf["sources"]["in"] = config.source(names)
    conf["destinations"] = {name: config.destination(sink.url()) for name in names}
    receiver, dispatcher = stack.receiver(conf), stack.dispatcher(conf)
    keys = stack.redis.keys()
    assert receiver.send("a").status == 200
    wait_for(lambda: all(keys.dead(name) == [f"a:{name}"] for name in names), 30)
    dispatcher.close()
    answer = receiver.send("a").json()
    assert (answer["duplicate"], answer["requeued"]) == (True, 60)
    assert all(keys.queue(name) == [f"a:{name}"] and keys.dead(name) == [] for name in names)
    assert "requeued" not in receiver.send("a").json()


@pytest.mark.parametrize("ident", ["a/b=", "é中😀", "a%2Fb", "a b~2", "..x", "\"<&?#>"])
def test_an_id_of_any_text_arrives(stack, ident):
    """In the URL once percent-encoded, in the notice as it is; headers have the same bytes for two ids never."""
    sink, receiver, _ = run(stack, {"sign": {"scheme": "standard-webhooks", "secrets": [sign.standard_secret()]}})
    assert receiver.post("/in/in", json.dumps({"id": ident}).encode()).status == 200
    assert receiver.post("/in/in", json.dumps({"id": ident, "n": 2}).encode()).status == 200
    first, second = sorted(sink.wait_count(2), key=lambda r: len(r.header("Hookpace-Delivery")))
    key = quote(ident, safe=":").replace("~", "%7E")
    for request, revision in ((first, ""), (second, "~2")):
        assert request.target == f"/hook?id={quote(ident, safe='~')}&tag="
        assert request.header("Hookpace-Delivery") == f"{key}{revision}:out"
        assert request.header("webhook-id") == (key + revision).replace(".", "%2E")
    wait_for(lambda: stack.keys.delivery(f"{key}:out").get("state") == "done")


def test_gone_is_dead_at_once(stack):
    sink, receiver, _ = run(stack, {"retry": FAST})
    sink.on(None, 410)
    receiver.send("a")
    assert wait_state(stack, "dead")["attempts"] == "1"
    stays(lambda: len(sink.all()) == 1, 0.3)


@pytest.mark.parametrize("status", [500, 503])
@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_honoured(stack, form, status):
    sink, receiver, _ = run(stack, {"retry": FAST})
    value = "2" if form == "seconds" else formatdate(time.time() + 3, usegmt=True)
    sink.on(None, Answer(status=status, headers={"Retry-After": value}), 200)
    receiver.send("a")
    first, second = sink.wait_count(2, timeout=8)
    gap = (second.at_ns - first.at_ns) / 1e9
    assert 1.9 <= gap <= 3.5, gap


def test_a_hostile_retry_after_waits_a_day_at_most(stack):
    sink, receiver, _ = run(stack, {"retry": FAST})
    sink.on(None, Answer(status=503, headers={"Retry-After": "99999999999999999999"}))
    receiver.send("a")
    due = wait_for(lambda: stack.keys.retry().get("a:out"), message="the retry")
    assert 86_390 <= due / 1000 - time.time() <= 86_401


def test_the_schedule_with_jitter(stack):
    sink, receiver, _ = run(stack, {"retry": {"schedule_s": [100], "jitter": 0.5}})
    sink.on(None, 500)
    for n in range(20):
        receiver.send(f"e{n}")
    retry = wait_for(lambda: len(r := stack.keys.retry()) == 20 and r, message="20 retries")
    waits = [due / 1000 - time.time() for due in retry.values()]
    assert all(95 <= w <= 151 for w in waits), waits
    assert max(waits) - min(waits) > 10


def test_nothing_of_the_url_query_or_secret_is_logged(stack):
    sink = stack.downstream()
    sink.on(None, 500)
    conf = config.simple(stack.redis.url, sink.url("/hook?token=T0PS3CRET&id=$id"),
                         retry={"schedule_s": [], "jitter": 0},
                         sign={"scheme": "serphouse", "secrets": [SECRET]})
    dispatcher = stack.dispatcher(conf, env={"HOOKPACE_LOG": "debug"})
    stack.receiver(conf).send("a")
    dispatcher.wait_log("delivery.dead")
    assert "T0PS3CRET" not in dispatcher.log()
    assert SECRET not in dispatcher.log()
