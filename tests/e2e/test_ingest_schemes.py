"""What the receiver verifies: each scheme, its secrets, addresses, credentials."""

import base64
import hashlib
import hmac
import json
import time

import pytest

from harness import config, http, sign
from harness.ingest import OLD, SECRET, accepted, make, queued, refused, scheme_source, secrets_for


@pytest.mark.parametrize("scheme", sign.SIGNED)
def test_a_signed_scheme(stack, scheme):
    receiver = make(stack, {"in": scheme_source(scheme)})
    secret = secrets_for(scheme)[0]
    body = b'{"id": "a", "tag": "t"}'
    good = sign.headers(scheme, secret, body)
    accepted(receiver.post("/in/in", body, good), "a")
    assert queued(stack) == 1

    refused(receiver.post("/in/in", body), 401, "missing_signature")
    refused(receiver.post("/in/in", body + b" ", good), 401, "invalid_signature")
    other = {"standard-webhooks": sign.standard_secret(b"x" * 32), "svix": sign.standard_secret(b"x" * 32)}
    wrong = sign.headers(scheme, other.get(scheme, SECRET + "x"), body)
    refused(receiver.post("/in/in", body, wrong), 401, "invalid_signature")
    # the body that was refused is not told to be bad JSON: that would be an oracle
    refused(receiver.post("/in/in", b"{", wrong), 401, "invalid_signature")
    refused(receiver.post("/in/in", b"{", sign.headers(scheme, secret, b"{")), 400, "invalid_json")
    assert queued(stack) == 1


def test_every_bit_of_a_signature_counts(stack):
    """Also behind a zero byte, where a comparison of strings would end."""
    receiver = make(stack, {"in": scheme_source("serphouse")})
    bodies = (f'{{"id": "n{n}"}}'.encode() for n in range(10000))
    body = next(b for b in bodies if sign.hex_mac(SECRET, b).startswith("00"))
    good = bytes.fromhex(sign.hex_mac(SECRET, body))
    for at in range(len(good)):
        for bit in (0x01, 0x80):
            wrong = good[:at] + bytes([good[at] ^ bit]) + good[at + 1:]
            refused(receiver.post("/in/in", body, {"x-serphouse-signature": wrong.hex()}), 401, "invalid_signature")
    assert queued(stack) == 0
    accepted(receiver.post("/in/in", body, {"x-serphouse-signature": good.hex()}))


@pytest.mark.parametrize("scheme", sign.SIGNED)
def test_a_second_signature_header_is_refused(stack, scheme):
    receiver = make(stack, {"in": scheme_source(scheme)})
    body = b'{"id": "a"}'
    pairs = list(sign.headers(scheme, secrets_for(scheme)[0], body).items())
    with http.Client(receiver.ingest) as client:
        client.send(http.render("POST", "/in/in", pairs + [p for p in pairs if "ignature" in p[0] or "hmac" in p[0].lower()],
                                body))
        refused(client.read(), 401, "invalid_signature")
    assert queued(stack) == 0


@pytest.mark.parametrize("scheme", ("standard-webhooks", "svix", "stripe", "slack"))
def test_old_timestamps(stack, scheme):
    receiver = make(stack, {"in": scheme_source(scheme)})
    secret = secrets_for(scheme)[0]
    body = b'{"id": "a"}'
    now = time.time()
    refused(receiver.post("/in/in", body, sign.headers(scheme, secret, body, at=now - 310)), 401, "stale_timestamp")
    accepted(receiver.post("/in/in", body, sign.headers(scheme, secret, body, at=now - 290)))
    assert queued(stack) == 1


def test_any_of_the_secrets_may_match(stack):
    receiver = make(stack, {"in": config.source("out", "serphouse", [SECRET, OLD])})
    for ident, secret in (("a", SECRET), ("b", OLD)):
        body = json.dumps({"id": ident}).encode()
        accepted(receiver.post("/in/in", body, sign.headers("serphouse", secret, body)), ident)


def test_an_own_hmac(stack):
    verify = {"scheme": "hmac", "header": "X-Sig", "prefix": "sha512=", "encoding": "base64", "digest": "sha512",
              "signed": "{id}.{timestamp}.{body}", "id_header": "X-Id", "timestamp_header": "X-Time",
              "tolerance_s": 60, "secrets": [SECRET]}
    receiver = make(stack, {"in": {"verify": verify, "to": ["out"]}})
    body, now = b'{"n": 1}', str(int(time.time()))
    mac = hmac.new(SECRET.encode(), f"m-1.{now}.".encode() + body, hashlib.sha512).digest()
    headers = {"X-Id": "m-1", "X-Time": now, "X-Sig": "sha512=" + base64.b64encode(mac).decode()}
    accepted(receiver.post("/in/in", body, headers), "m-1")
    refused(receiver.post("/in/in", body, {**headers, "X-Id": "m-2"}), 401, "invalid_signature")
    accepted(receiver.post("/in/in", body, headers), "m-1", duplicate=True)


def test_token(stack):
    receiver = make(stack, {"in": scheme_source("token")})
    accepted(receiver.post("/in/in?token=" + SECRET, {"id": "a"}), "a")
    accepted(receiver.post("/in/in", {"id": "b"}, {"Authorization": "Bearer " + SECRET}), "b")
    accepted(http.get(receiver.ingest, f"/in/in?id=c&tag=t&token={SECRET}"), "c")
    refused(receiver.post("/in/in", {"id": "d"}), 401, "missing_signature")
    refused(receiver.post("/in/in?token=nope", {"id": "d"}), 401, "invalid_signature")
    assert queued(stack) == 3


@pytest.mark.parametrize("name", ["X-Gitlab-Token", "X-Okta-Verify", "Authorization"])
def test_token_in_a_header_of_ones_choice(stack, name):
    source = scheme_source("token", keep_signature=True)
    source["verify"].update(header=name, secrets=["an-older-token-0123", SECRET])
    receiver = make(stack, {"in": source})
    for n, value in enumerate((SECRET, "an-older-token-0123", f"Bearer {SECRET}", f"  {SECRET}  ")):
        accepted(receiver.post("/in/in", {"id": f"h{n}"}, {name.lower(): value, "X-Kept": "yes"}), f"h{n}")
    accepted(receiver.post("/in/in?token=" + SECRET, {"id": "query"}), "query")
    accepted(receiver.post("/in/in", {"id": "bearer"}, {"Authorization": "Bearer " + SECRET}), "bearer")
    refused(receiver.post("/in/in", {"id": "d"}), 401, "missing_signature")
    refused(receiver.post("/in/in", {"id": "d"}, {name: ""}), 401, "missing_signature")
    for value in ("nope", SECRET + "x", SECRET[:-1], "Bearer nope", "Bearer"):
        refused(receiver.post("/in/in", {"id": "d"}, {name: value}), 401, "invalid_signature")
    twice = f"{name}: {SECRET}\r\n".encode() * 2
    answer = http.raw(receiver.ingest, b"POST /in/in HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n" + twice + b"\r\n{}")
    assert answer.startswith(b"HTTP/1.1 401 ")
    receiver.wait_log("event.refused", header=name, code="missing_signature")
    assert queued(stack) == 6
    with stack.redis.client() as client:
        event = client.get("hookpace:{0}:event:h0")
    assert "X-Kept" in event and SECRET not in event


def test_basic(stack):
    receiver = make(stack, {"in": scheme_source("basic")})
    accepted(receiver.post("/in/in", {"id": "a"}, sign.headers("basic", "user:" + SECRET, b"")), "a")
    answer = receiver.post("/in/in", {"id": "b"})
    refused(answer, 401, "missing_signature")
    assert answer.header("WWW-Authenticate").startswith("Basic ")
    refused(receiver.post("/in/in", {"id": "b"}, sign.headers("basic", "user:wrong-password", b"")), 401,
            "invalid_signature")
    assert queued(stack) == 1


def test_slack_challenge(stack):
    receiver = make(stack, {"in": scheme_source("slack"), "open": config.source("out")})
    body = json.dumps({"token": "t", "challenge": "3eZbr\"x", "type": "url_verification"}).encode()
    answer = receiver.post("/in/in", body, sign.headers("slack", SECRET, body))
    assert (answer.status, answer.json()) == (200, {"challenge": "3eZbr\"x"})
    refused(receiver.post("/in/in", body, sign.headers("slack", SECRET + "x", body)), 401, "invalid_signature")
    assert queued(stack) == 0
    accepted(receiver.post("/in/open", body))  # of another scheme it is an event like any other
    assert queued(stack) == 1


def test_allow_narrows_a_scheme(stack):
    receiver = make(stack, {
        "near": {**config.source("out"), "verify": {"scheme": "none", "allow": ["127.0.0.0/8", "2001:db8::/32"]}},
        "far": {**config.source("out"), "verify": {"scheme": "serphouse", "secrets": [SECRET], "allow": ["203.0.113.0/24"]}},
    })
    accepted(receiver.post("/in/near", {"id": "a"}))
    body = b'{"id": "a"}'
    refused(receiver.post("/in/far", body, sign.headers("serphouse", SECRET, body)), 403, "address_not_allowed")
    refused(receiver.post("/in/far", body), 403, "address_not_allowed")
    assert queued(stack) == 1


def test_a_bad_sender_is_refused_before_its_body_is_asked_for(stack):
    receiver = make(stack, {"in": scheme_source("serphouse")})
    with http.Client(receiver.ingest) as client:
        client.send(b"POST /in/in HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n")
        status = client.reader._line()
        assert b"401" in status
    body = b'{"id":"a"}'
    head = "".join(f"{n}: {v}\r\n" for n, v in sign.headers("serphouse", SECRET, body).items())
    with http.Client(receiver.ingest) as client:
        client.send(f"POST /in/in HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n{head}\r\n"
                    .encode())
        assert b"100 Continue" in client.reader._line()
        assert client.reader._line() == b""
        client.send(body)
        accepted(client.read(), "a")
