"""Delivery settings of accounts: each does for an account's webhooks what it does for a destination."""

import base64
import json

import pytest

from harness import certs, config, http, sign
from harness.downstream import Answer
from harness.wait import wait_for

PASSWORD = "acme-password-0123"
SECRET = "acme-signing-secret-0123"
OTHER = "another-signing-secret-0123"
PATH = "/v3/serp/google/organic"
RESULT = b'{ "n":1.0, "title": "Caf\\u00e9", "big": 12345678901234567890 }'


class Account:
    """Account `acme` of a running pair, and the server that gets its webhooks."""

    def __init__(self, stack, sink=None, **settings):
        self.stack = stack
        self.sink = sink or stack.downstream()
        self.conf = config.base(stack.redis.url, dispatcher={"egress": {"allow_accounts": ["127.0.0.1/32"]}})
        self.conf["accounts"] = {"acme": {"password": PASSWORD, **settings}}
        self.receiver = stack.receiver(self.conf)
        self.dispatcher = stack.dispatcher(self.conf)

    def post(self, ident="t1", kinds=("postback",), path="/hook", result=RESULT):
        urls = b"".join(b'"%s_url":%s,' % (kind.encode(), json.dumps(self.sink.url(path)).encode()) for kind in kinds)
        task = b'[{"id":"%s",%s"result":%s}]' % (ident.encode(), urls, result)
        login = base64.b64encode(f"acme:{PASSWORD}".encode()).decode()
        answer = http.post(self.receiver.admin, PATH + "/task_post", task, {"Authorization": f"Basic {login}"})
        assert answer.status == 200 and answer.json()["tasks_error"] == 0, answer

    def reload(self, **settings):
        conf = json.loads(json.dumps(self.conf))
        conf["accounts"]["acme"] = {"password": PASSWORD, **settings}
        self.receiver.reload(conf)
        self.dispatcher.reload(conf)

    def wait_state(self, wanted, ident="t1", kind="postback", timeout=10.0):
        def fields():
            return self.stack.keys.delivery(f"@acme/{ident}:{kind}@acme")
        wait_for(lambda: fields().get("state") == wanted, timeout, lambda: f"{ident} to be {wanted}: {fields()}")
        return fields()


def test_payload_result_is_the_posted_bytes(stack):
    account = Account(stack, payload="result", sign={"scheme": "serphouse", "secrets": [SECRET]})
    account.post()
    (request,) = account.sink.wait_count(1)
    assert request.body == RESULT
    assert request.header("Content-Type") == "application/json"
    assert request.header("Content-Encoding") is None
    assert request.header("x-serphouse-signature") == sign.hex_mac(SECRET, RESULT)


@pytest.mark.parametrize("result", [b"null", b"[]", b'"a string"', b"1.50", b'{"tasks":[] }'])
def test_payload_result_of_any_kind(stack, result):
    account = Account(stack, payload="result", gzip="never")
    account.post(result=result)
    assert account.sink.wait_count(1)[0].body == result


def test_headers_go_with_postbacks_and_pingbacks(stack):
    account = Account(stack, headers={"X-Team": "seo", "Authorization": "Bearer of-acme"})
    account.post(kinds=("postback", "pingback"))
    for request in account.sink.wait_count(2):
        assert request.header("X-Team") == "seo"
        assert request.header("Authorization") == "Bearer of-acme"


@pytest.mark.parametrize("kind", ["postback", "pingback"])
def test_attempts_end_with_the_schedule(stack, kind):
    account = Account(stack, retry={"schedule_s": [0.1, 0.1], "jitter": 0})
    account.sink.on(None, 500)
    account.post(kinds=(kind,))
    dead = account.wait_state("dead", kind=kind)
    assert dead["attempts"] == "3"
    assert [r.attempt for r in account.sink.all()] == [1, 2, 3]


def test_timeout(stack):
    account = Account(stack, timeout_ms=300, retry={"schedule_s": []})
    account.sink.on(None, Answer(action="hang"))
    account.post()
    assert account.wait_state("dead", timeout=5)["last_error"] == "timeout"


@pytest.mark.parametrize("cert, settings, error", [
    ("good", {}, "tls_untrusted"),
    ("good", {"ca_file": "the authority's"}, ""),
    ("wrong_host", {"ca_file": "the authority's"}, "tls_host"),
    ("wrong_host", {"ca_file": "the authority's", "verify_tls": False}, ""),
    ("self_signed", {}, "tls_untrusted"),
    ("self_signed", {"verify_tls": False}, ""),
], ids=["unknown-authority", "known-authority", "wrong-host", "wrong-host-unverified", "self-signed", "self-signed-unverified"])
def test_tls(stack, tmp_path, cert, settings, error):
    authority = certs.Authority(tmp_path / "ca")
    if "ca_file" in settings:
        settings = {**settings, "ca_file": str(authority.ca)}
    account = Account(stack, sink=stack.downstream(**dict(zip(("cert", "key"), getattr(authority, cert)()))), retry={"schedule_s": []}, **settings)
    account.post()
    assert account.wait_state("dead" if error else "done").get("last_error", "") == error
    assert len(account.sink.all()) == (not error)


def test_concurrency(stack):
    account = Account(stack, concurrency=2)
    account.sink.default = Answer(delay=0.2)
    for n in range(8):
        account.post(f"t{n}")
    starts = sorted(r.at_ns for r in account.sink.wait_count(8))
    assert all(later - early >= 190_000_000 for early, later in zip(starts, starts[2:])), "never three at a time"


def test_order_fifo(stack):
    """The head keeps its place through its retries."""
    account = Account(stack, order="fifo", retry={"schedule_s": [0.2], "jitter": 0})
    account.sink.on("/first", 500, 200)
    account.post("t1", path="/first")
    for n in range(2, 6):
        account.post(f"t{n}")
    assert [r.event for r in account.sink.wait_count(6)] == ["t1", "t1", "t2", "t3", "t4", "t5"]


def test_a_reload_changes_the_next_attempt_but_not_what_was_captured(stack):
    account = Account(stack, delay_ms=100, retry={"schedule_s": [3], "jitter": 0},
                      sign={"scheme": "semscraper", "secrets": [SECRET]})
    account.sink.on(None, 500, 200)
    account.post()
    account.wait_state("retry")
    account.reload(delay_ms=500, payload="result", headers={"X-Team": "seo"}, gzip="always",
                   sign={"scheme": "semscraper", "secrets": [OTHER, SECRET]})
    first, second = account.sink.wait_count(2)
    assert first.header("X-Team") is None and first.header("Content-Encoding") is None
    assert second.header("X-Team") == "seo" and second.header("Content-Encoding") == "gzip"
    for request in (first, second):
        assert request.header("X-Signature") == sign.hex_mac(SECRET, request.body), "the secret of the acceptance"
    assert account.wait_state("done")["delay_ms"] == "100"
    account.post("t2")
    third = account.sink.wait_count(3)[2]
    assert third.header("X-Signature") == sign.hex_mac(OTHER, third.body)
    assert account.wait_state("done", "t2")["delay_ms"] == "500"


def test_a_warning_is_logged_at_the_start_and_at_a_reload(stack):
    signs = {"scheme": "semscraper", "secrets": [SECRET]}
    account = Account(stack, gzip="keep", sign=signs)
    for program in (account.receiver, account.dispatcher):
        assert [line["warning"].split(":")[0] for line in program.logged("config.warning")] == ["accounts.acme.gzip"]
    account.reload(gzip="never", sign=signs)
    account.reload(gzip="always", sign=signs)
    for program in (account.receiver, account.dispatcher):
        assert len(program.logged("config.warning")) == 2


@pytest.mark.parametrize("kind", ["postback", "pingback"])
@pytest.mark.parametrize("signed, headers", [
    ("{body}", {}), ("{timestamp}.{body}", {"timestamp_header": "X-Time"}), ("{id}.{body}", {"id_header": "X-Id"})],
    ids=["body", "time", "id"])
def test_a_custom_scheme_signs_a_pingback_if_it_signs_more_than_the_body(stack, kind, signed, headers):
    account = Account(stack, payload="result", sign={
        "scheme": "hmac", "header": "X-Mac", "signed": signed, "secrets": [SECRET], **headers})
    account.post(kinds=(kind,))
    (request,) = account.sink.wait_count(1)
    names = ["X-Mac", *headers.values()]
    if kind == "pingback" and signed == "{body}":
        assert [request.header(name) for name in names] == [None]
        return
    text = signed.format(body=request.body.decode(), timestamp=request.header("X-Time"), id=request.header("X-Id"))
    assert request.header("X-Mac") == sign.hex_mac(SECRET, text.encode())
