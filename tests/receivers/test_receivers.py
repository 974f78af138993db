"""The receivers that providers publish verify and read what Hookpace sends, relayed and as the provider.

A receiver answers 200 only if the signature is right and the body is JSON, and 401 if the signature is wrong.
"""

import json

import published
import pytest

from harness import sign
from harness.http import post


STANDARD_WEBHOOKS = ["standard-webhooks-python"]
BODY_ONLY = [name for name in published.NAMES if name not in STANDARD_WEBHOOKS]


def accepted(program, answer):
    """The receiver answered 200. Returns what it answered."""
    status, text = answer
    assert status == 200, (program, status, text)
    return json.loads(text) if program.scheme != "serphouse" else {}


def echoed(program, answer, ident):
    """The receiver answered 200 and read the id IDENT. SERPHouse's answers a text and prints the id."""
    document = accepted(program, answer)
    if program.scheme == "serphouse":
        program.wait_line(f"^accepted {ident}$")
    else:
        assert document["echo"] == ident
    return document


def test_relay(gateway, program):
    ident = f"plain-{program}"
    echoed(program, gateway.relay(program.name, ident), ident)


def test_relay_of_gzip(gateway, program):
    ident = f"gzip-{program}"
    echoed(program, gateway.relay(program.name, ident, packed=True), ident)


def test_postback_of_an_account(gateway, program):
    ident = f"result-{program}"
    echoed(program, gateway.postback(program, ident), ident)


def test_postback_of_an_account_with_the_envelope(gateway, program):
    """The receiver verifies and reads the envelope. The id is not where it looks for one."""
    accepted(program, gateway.postback(program, f"envelope-{program}", login="envelope"))


@pytest.mark.parametrize("program", STANDARD_WEBHOOKS, indirect=True)
def test_pingback_of_an_account(gateway, program):
    """Standard Webhooks signs the message id and the time, so its pingbacks have a signature."""
    ident = f"pingback-{program}"
    echoed(program, gateway.pingback(program, ident), ident)


@pytest.mark.parametrize("program", BODY_ONLY, indirect=True)
def test_pingback_that_has_nothing_to_sign(gateway, program):
    ident = f"pingback-{program}"
    answer = echoed(program, gateway.pingback(program, ident), ident)
    assert answer.get("signature") is None


def test_a_wrong_secret_is_refused(gateway, program):
    assert gateway.relay(f"{program}-wrong", f"wrong-{program}")[0] == 401


def test_a_wrong_secret_of_an_account_is_refused(gateway, program):
    assert gateway.postback(program, f"wrong-postback-{program}", login="wrong-account")[0] == 401


def test_a_body_that_is_no_json_is_refused(program):
    """So a 200 says that the receiver read the body."""
    body = b"no JSON"
    address, path = program.url.removeprefix("http://").split("/", 1)
    headers = {"Content-Type": "application/json", **sign.headers(program.scheme, program.secret, body)}
    assert post(address, "/" + path, body, headers).status == 400
