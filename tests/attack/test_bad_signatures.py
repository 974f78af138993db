"""Signatures, timestamps and credentials that are not right, row by row: the promised answer, and nothing queued."""

import base64
import hashlib
import hmac
import json
import time

import pytest
from farm import SECRET, unique

from harness import http, sign
from harness.ingest import accepted, refused

HERE = pytest.mark.parametrize
pytestmark = pytest.mark.usefixtures("nothing_is_queued")


BODY = b'{"id":"s"}'
HEX = sign.hex_mac(SECRET, BODY)
B64 = sign.b64_mac(SECRET, BODY)
MISSING, INVALID, STALE = "missing_signature", "invalid_signature", "stale_timestamp"

def off(text, at=-1):
    """TEXT with one character, hex or base64, that is another one."""
    at %= len(text)
    return text[:at] + ("1" if text[at] != "1" else "2") + text[at + 1:]


BAD_SIGNATURES = [
    ("serphouse", off(HEX), INVALID), ("serphouse", off(HEX, 0), INVALID), ("serphouse", off(HEX, 32), INVALID),
    ("semscraper", off(HEX), INVALID), ("github", "sha256=" + off(HEX), INVALID), ("github", "sha256=" + off(HEX, 0), INVALID),
    ("shopify", off(B64, -3), INVALID), ("shopify", off(B64, 0), INVALID),
    ("serphouse", "", MISSING), ("serphouse", "  ", MISSING), ("serphouse", HEX[:-1], INVALID), ("serphouse", HEX[:-2], INVALID),
    ("serphouse", HEX + "0", INVALID), ("serphouse", HEX + "00", INVALID), ("serphouse", "g" * 64, INVALID),
    ("serphouse", "0x" + HEX[2:], INVALID), ("serphouse", HEX[:32] + " " + HEX[33:], INVALID), ("serphouse", "0" * 64, INVALID),
    ("serphouse", "sha256=" + HEX, INVALID), ("serphouse", B64, INVALID), ("serphouse", HEX + "," + HEX, INVALID),
    ("serphouse", HEX * 100, INVALID), ("serphouse", '"' + HEX + '"', INVALID), ("semscraper", HEX[::-1], INVALID),
    ("github", "sha1=" + sign.hex_mac(SECRET, BODY, "sha1"), INVALID), ("github", HEX, INVALID), ("github", "SHA256=" + HEX, INVALID),
    ("github", "sha256=", INVALID), ("github", "sha256= " + HEX, INVALID), ("github", "sha256=" + B64, INVALID),
    ("shopify", HEX, INVALID), ("shopify", B64.rstrip("="), INVALID), ("shopify", B64 + "=", INVALID),
    ("shopify", B64[:20] + " " + B64[20:], INVALID), ("shopify", base64.b64encode(b"0" * 32).decode(), INVALID),
    ("shopify", B64[:-2] + chr(ord(B64[-2]) + 1) + "=", INVALID),  # other bits behind the last byte
]
HEADER = {"serphouse": "x-serphouse-signature", "semscraper": "X-Signature", "github": "X-Hub-Signature-256",
          "shopify": "X-Shopify-Hmac-Sha256"}


@HERE("number", range(len(BAD_SIGNATURES)))
def test_bad_signatures(farm, number):
    scheme, value, code = BAD_SIGNATURES[number]
    answer = farm.receiver.post("/in/" + scheme, BODY, {HEADER[scheme]: value})
    refused(answer, 401, code)
    assert HEX not in answer.body.decode() and B64 not in answer.body.decode()


def test_urlsafe_base64_is_refused(farm):
    for n in range(100):  # until the signature has one of the two characters
        body = b'{"id":"s","n":%d}' % n
        good = sign.b64_mac(SECRET, body)
        if "+" in good or "/" in good:
            other = good.replace("+", "-").replace("/", "_")
            refused(farm.receiver.post("/in/shopify", body, {HEADER["shopify"]: other}), 401, INVALID)
            return


def test_hex_of_either_case_is_accepted(farm):
    accepted(farm.receiver.post("/in/serphouse", BODY, {HEADER["serphouse"]: HEX.upper()}), "s")
    accepted(farm.receiver.post("/in/serphouse", BODY, {HEADER["serphouse"]: " \t" + HEX + " "}), "s", duplicate=True)


def standard(body=BODY, ident="msg_1", at=None, **change):
    made = sign.headers("standard-webhooks", sign.standard_secret(), body, ident, at)
    return list({**made, **change}.items())


def slack(at, value=None):
    made = sign.headers("slack", SECRET, BODY, at=0)
    if value is None:
        value = "v0=" + sign.hex_mac(SECRET, f"v0:{at}:".encode() + BODY)
    return [*{**made, "X-Slack-Request-Timestamp": str(at), "X-Slack-Signature": value}.items()]


def now():
    return int(time.time())


# Made when they are sent: a value of when the tests were collected may be stale by then.
TIMES = [(lambda: "", MISSING), (lambda: " ", MISSING), (lambda: "x", INVALID), (lambda: "1e9", INVALID),
         (lambda: f"-{now()}", INVALID), (lambda: f"+{now()}", INVALID), (lambda: f"{now()}.0", INVALID),
         (lambda: f"{now()} 0", INVALID), (lambda: "0x5", INVALID), (lambda: "9" * 13, INVALID), (lambda: "9" * 30, INVALID),
         (lambda: "18446744073709551616", INVALID), (lambda: f"{now() * 1000}", INVALID), (lambda: "0", STALE),
         (lambda: "1", STALE), (lambda: "9" * 12, STALE), (lambda: f"{now() - 400}", STALE), (lambda: f"{now() + 400}", STALE),
         (lambda: "\u0661\u0662\u0663".encode().decode("latin-1"), INVALID)]


@HERE("number", range(len(TIMES)))
def test_timestamps(farm, number):
    """Right signatures over wrong times."""
    made, code = TIMES[number]
    at = made()
    text = at.encode("latin-1")
    mac = sign.b64_mac(sign.standard_key(sign.standard_secret()), b"msg_1." + text + b"." + BODY)
    for path, headers in (("standard-webhooks", standard(**{"webhook-timestamp": at, "webhook-signature": "v1," + mac})),
                          ("slack", slack(at, "v0=" + sign.hex_mac(SECRET, b"v0:" + text + b":" + BODY)))):
        refused(farm.receiver.post("/in/" + path, BODY, dict(headers)), 401, code)
    stripe = f"t={at},v1=" + sign.hex_mac(SECRET, text + b"." + BODY)
    answer = farm.receiver.post("/in/stripe", BODY, {"Stripe-Signature": stripe})
    refused(answer, 401, code if code == STALE else INVALID)


def dotted_id():
    at = str(now())
    mac = sign.b64_mac(sign.standard_key(sign.standard_secret()), f"a.{at}.{at}.".encode() + BODY)
    return [("webhook-id", f"a.{at}"), ("webhook-timestamp", at), ("webhook-signature", "v1," + mac)]


def nine():
    bad = " ".join("v1," + base64.b64encode(bytes([n]) * 32).decode() for n in range(8))
    return standard(**{"webhook-signature": bad + " " + signature()})


def signature():
    return standard()[2][1]


STRANGE = {
    "two ids": lambda: standard() + [("webhook-id", "msg_1")],
    "two timestamps": lambda: standard() + [("webhook-timestamp", str(now()))],
    "two signatures": lambda: standard() + [("webhook-signature", "v1,x")],
    "both spellings, two signatures": lambda: standard() + [("svix-signature", "v1,x")] * 2,
    "id with a dot": dotted_id,
    "another id": lambda: standard(**{"webhook-id": "msg_2"}),
    "one character off": lambda: standard(**{"webhook-signature": off(signature(), -3)}),
    "no version": lambda: standard(**{"webhook-signature": signature()[3:]}),
    "version 2": lambda: standard(**{"webhook-signature": "v2" + signature()[2:]}),
    "asymmetric": lambda: standard(**{"webhook-signature": "v1a" + signature()[2:]}),
    "nine signatures, the last one right": nine,
}


@HERE("name", STRANGE)
def test_strange_standard_webhooks(farm, name):
    with http.Client(farm.receiver.ingest) as client:
        client.send(http.render("POST", "/in/standard-webhooks", STRANGE[name](), BODY))
        refused(client.read(), 401, INVALID)


def test_one_of_several_signatures_is_accepted(farm):
    wrong = base64.b64encode(b"x" * 32).decode()
    body = json.dumps({"id": unique()}).encode()
    made = dict(standard(body, "msg_" + unique()))
    made["webhook-signature"] = f"v1,{wrong} v1a,{wrong} v2,{wrong} {made['webhook-signature']} v1,short"
    accepted(farm.receiver.post("/in/standard-webhooks", body, made))
    body = json.dumps({"id": unique()}).encode()
    at = now()
    mac = sign.hex_mac(SECRET, f"{at}.".encode() + body)
    accepted(farm.receiver.post("/in/stripe", body, {"Stripe-Signature": f"t={at},v0={'0' * 64},v1={'0' * 64},v1={mac}"}))


STRIPE = ["", "t=", "v1=" + "0" * 64, "t={now}", "t={now},v0={mac}", "t={now};v1={mac}", "t={now},t={now},v1={mac}",
          "t={now},v1={mac}0", "t={now},v1={off}", "v1={mac},t={before}", "t={now},v1= {mac}x", "T={now},V1={mac}"]


@HERE("number", range(len(STRIPE)))
def test_strange_stripe(farm, number):
    at = now()
    mac = sign.hex_mac(SECRET, f"{at}.".encode() + BODY)
    text = STRIPE[number].format(now=at, before=at - 5, mac=mac, off=off(mac))
    answer = farm.receiver.post("/in/stripe", BODY, {"Stripe-Signature": text})
    refused(answer, 401, MISSING if number == 0 else INVALID)


def own(ident, at, body=BODY):
    mac = hmac.new(SECRET.encode(), f"{ident}.{at}.".encode() + body, hashlib.sha256).digest()
    return [("X-Id", ident), ("X-Time", str(at)), ("X-Sig", base64.b64encode(mac).decode())]


def test_what_is_signed_cannot_be_cut_elsewhere(farm):
    """`{id}.{timestamp}.{body}`: "a.b" + "1" must not be taken for "a" + "b.1"."""
    at = now()
    good = own("a", at)
    for ident in (f"a.{at}", "a.", ".a", "."):
        with http.Client(farm.receiver.ingest) as client:
            client.send(http.render("POST", "/in/hmac", own(ident, at), BODY))
            refused(client.read(), 401, INVALID)
    with http.Client(farm.receiver.ingest) as client:
        client.send(http.render("POST", "/in/hmac", good + [("X-Id", "a")], BODY))
        refused(client.read(), 401, INVALID)


CREDENTIALS = [
    ("token", "", "Bearer", MISSING), ("token", "", "Bearer ", MISSING), ("token", "", "Basic " + SECRET, MISSING),
    ("token", "", "Bearer " + SECRET + "x", INVALID), ("token", "", "Bearer " + SECRET[:-1], INVALID),
    ("token", "", "Bearer " + SECRET.upper(), INVALID), ("token", "", "Bearer " + SECRET + " x", INVALID),
    ("token", "?token=", None, MISSING), ("token", "?token", None, MISSING), ("token", "?token=x", "Bearer " + SECRET, INVALID),
    ("token", f"?token={SECRET}&token={SECRET}", None, INVALID), ("token", f"?Token={SECRET}", None, MISSING),
    ("token", f"?token={SECRET}%00", None, INVALID), ("token", f"?token={SECRET}%", None, INVALID),
    ("token", f"?x=1;token={SECRET}", None, MISSING), ("token", "?token=" + "x" * 5000, None, INVALID),
    ("basic", "", "Basic", MISSING), ("basic", "", "Basic x", INVALID), ("basic", "", "Basic " + "A" * 6000, INVALID),
    ("basic", "", "Basic " + base64.b64encode(b"user:").decode(), INVALID),
    ("basic", "", "Basic " + base64.b64encode(f"user:{SECRET}\0".encode()).decode(), INVALID),
    ("basic", "", "Basic " + base64.b64encode(f"User:{SECRET}".encode()).decode(), INVALID),
    ("basic", "", "Bearer " + base64.b64encode(f"user:{SECRET}".encode()).decode(), MISSING),
    ("basic", f"?token={SECRET}", None, MISSING),
]


@HERE("number", range(len(CREDENTIALS)))
def test_credentials(farm, number):
    scheme, query, header, code = CREDENTIALS[number]
    answer = farm.receiver.post(f"/in/{scheme}{query}", BODY, {"Authorization": header} if header else {})
    refused(answer, 401, code)
    assert SECRET not in answer.body.decode()


def test_two_authorizations(farm):
    with http.Client(farm.receiver.ingest) as client:
        client.send(http.render("POST", "/in/token", [("Authorization", "Bearer " + SECRET)] * 2, BODY))
        refused(client.read(), 401, INVALID)
