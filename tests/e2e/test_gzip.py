"""Whether a body leaves as gzip: every `gzip`, signed or not, of destinations, accounts and fetched results."""

import base64
import gzip
import json

import pytest

from harness import config, http, sign
from harness.fetching import announce
from harness.memory import Peak, is_sanitized
from harness.wait import settled, wait_for

SECRET = "a-secret-of-the-test-0123"
PASSWORD = "a-password-0123"
PATH = "/v3/serp/google/organic"
SIGN = {"scheme": "semscraper", "secrets": [SECRET]}
# name -> (settings, signed)
SETTINGS = {f"{mode or 'null'}-{'signed' if signed else 'open'}": ({"gzip": mode, "sign": SIGN if signed else None}, signed)
            for mode in (None, "keep", "always", "never") for signed in (False, True)}
# Half of it is random for gzip, so that the large one has many pieces on either side.
LARGE = [{"n": n, "pad": "x" * 40, "hash": sign.hex_mac(SECRET, str(n).encode())} for n in range(40_000)]
RESULTS = {"small": [{"n": 1.0, "title": "Café"}], "large": LARGE}


def leaves_packed(settings, signed, came_packed, is_account=False):
    """The contract."""
    mode = settings["gzip"] or ("never" if signed else "always" if is_account else "keep")
    return mode == "always" or (mode == "keep" and came_packed)


def assert_sent(request, packed, plain, signed):
    assert request.method == "POST"
    assert request.header("Content-Encoding") == ("gzip" if packed else None)
    assert request.header("Content-Length") == str(len(request.body))
    assert request.header("Content-Type") == "application/json"
    assert (gzip.decompress(request.body) if packed else request.body) == plain
    assert request.header("X-Signature") == (sign.hex_mac(SECRET, request.body) if signed else None)


def assert_all_sent(sink, plain, came_packed):
    """One request for each of SETTINGS has arrived, and its body is PLAIN."""
    by_name = {request.path.strip("/"): request for request in sink.wait_count(len(SETTINGS), timeout=20)}
    assert sorted(by_name) == sorted(SETTINGS)
    for name, (settings, signed) in SETTINGS.items():
        assert_sent(by_name[name], leaves_packed(settings, signed, came_packed), plain, signed)


def conf_of(stack, sink):
    conf = config.base(stack.redis.url, dispatcher={"egress": {"allow_accounts": ["127.0.0.1/32"]}})
    for name, (settings, _) in SETTINGS.items():
        conf["destinations"][name] = config.destination(sink.url(f"/{name}"), **settings)
    return conf


@pytest.mark.parametrize("size", RESULTS)
@pytest.mark.parametrize("given", ["plain", "gzip", "gzip without the header"])
def test_relayed(stack, given, size):
    sink = stack.downstream()
    conf = conf_of(stack, sink)
    conf["sources"]["in"] = config.source(list(SETTINGS))
    receiver = stack.receiver(conf)
    stack.dispatcher(conf)
    plain = json.dumps({"id": "a", "results": RESULTS[size]}, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json"}
    if given == "gzip":
        headers["Content-Encoding"] = "gzip"
    assert receiver.post("/in/in", plain if given == "plain" else gzip.compress(plain), headers).status == 200
    assert_all_sent(sink, plain, given != "plain")


@pytest.mark.parametrize("size", RESULTS)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_fetched(stack, packed, size):
    provider, sink = stack.provider(), stack.downstream()
    provider.compress = packed
    provider.done("t1", result=RESULTS[size])
    conf = conf_of(stack, sink)
    conf["sources"]["in"] = provider.source(list(SETTINGS))
    receiver = stack.receiver(conf)
    stack.dispatcher(conf)
    announce(receiver)
    assert_all_sent(sink, provider.body_of("t1"), packed)


@pytest.mark.parametrize("size", RESULTS)
@pytest.mark.parametrize("payload", ["envelope", "result"])
def test_of_an_account(stack, payload, size):
    sink = stack.downstream()
    conf = config.base(stack.redis.url, dispatcher={"egress": {"allow_accounts": ["127.0.0.1/32"]}})
    conf["accounts"] = {name: {"password": PASSWORD, "payload": payload, **settings} for name, (settings, _) in SETTINGS.items()}
    receiver = stack.receiver(conf)
    stack.dispatcher(conf)
    result = json.dumps({"id": "t1", "results": RESULTS[size]}, ensure_ascii=False).encode()
    for name in SETTINGS:
        login = base64.b64encode(f"{name}:{PASSWORD}".encode()).decode()
        url = json.dumps(sink.url(f"/{name}")).encode()
        task = b'[{"id":"%s","postback_url":%s,"result":%s}]' % (name.encode(), url, result)
        answer = http.post(receiver.admin, PATH + "/task_post", task, {"Authorization": f"Basic {login}"})
        assert answer.status == 200 and answer.json()["tasks_error"] == 0, answer
    by_name = {request.path.strip("/"): request for request in sink.wait_count(len(SETTINGS), timeout=20)}
    for name, (settings, signed) in SETTINGS.items():
        packed = leaves_packed(settings, signed, came_packed=False, is_account=True)
        plain = result
        if payload == "envelope":
            body = by_name[name].body
            plain = gzip.decompress(body) if packed else body
            assert plain.endswith(b'"result":[' + result + b"]}]}")
        assert_sent(by_name[name], packed, plain, signed)


def test_a_body_that_a_lower_limit_no_longer_inflates_is_dead(stack):
    """Nothing is sent of it, and nothing else waits for it."""
    sink = stack.downstream()
    conf = conf_of(stack, sink)
    conf["sources"]["in"] = config.source(["null-signed", "null-open"])
    receiver = stack.receiver(conf)
    receiver.post("/in/in", gzip.compress(b'{"id":"a","pad":"%s"}' % (b"x" * 100_000)))
    conf["receiver"]["max_inflated_bytes"] = 50_000
    stack.dispatcher(conf)
    (request,) = sink.wait_count(1)
    assert request.path == "/null-open"
    wait_for(lambda: stack.keys.delivery("a:null-signed").get("state") == "dead", 10, "a dead letter")
    assert stack.keys.delivery("a:null-signed")["last_error"] == "bad_body"


def test_inflated_bodies_share_the_dispatchers_memory(stack):
    """Twelve bodies of 50 MB, which are 50 KB as gzip, do not take 600 MB at once. All arrive, with one attempt each.

    No answer leaves before no further body comes, so that each one has the memory that it can get.
    """
    sink = stack.downstream()
    sink.gate.clear()
    conf = config.base(stack.redis.url)
    conf["sources"]["in"] = config.source("out")
    conf["destinations"]["out"] = config.destination(sink.url(), timeout_ms=60_000, sign=SIGN)
    receiver = stack.receiver(conf)
    pad = b"x" * 50_000_000
    for n in range(12):
        body = gzip.compress(b'{"id":"%d","pad":"%s"}' % (n, pad), 1)
        assert receiver.post("/in/in", body, {"Content-Encoding": "gzip"}).status == 200
    dispatcher = stack.dispatcher(conf)
    peak = Peak(dispatcher)
    settled(lambda: len(sink.all()), 3, message="the dispatcher's memory to be used")
    sink.gate.set()
    requests = sink.wait_events({str(n) for n in range(12)}, timeout=60)
    assert peak.stop() < 400_000 or is_sanitized(dispatcher)
    for request in requests:
        assert len(request.body) > 50_000_000 and request.attempt == 1
        assert request.header("X-Signature") == sign.hex_mac(SECRET, request.body)
