"""Bad input to the running receiver, row by row: the answer that the documentation promises, and nothing queued."""

import base64
import gzip
import hashlib
import hmac
import json
import time

import pytest
from farm import SECRET

from harness import http, sign
from harness.ingest import accepted, refused

HERE = pytest.mark.parametrize


@pytest.fixture(autouse=True)
def nothing_is_queued(farm, request):
    """For any answer but 200."""
    before = farm.queued()
    yield
    if "accepted" not in request.node.name:
        assert farm.queued() == before


def unique(n=[0]):
    n[0] += 1
    return f"u{n[0]}"


# -- paths -----------------------------------------------------------------------------------------------------


PATHS = ["/in/in%00", "/in/in%00/x", "/in/%69%6e", "/in%2fin", "/in/in%2f", "/in/%zz", "/in/in%", "/in/./in", "/in/x/../in",
         "/in/..%2fin", "/in/in.", "/in/in;x", "/in/in\\", "/in//in", "/in/in/", "/in/", "/in", "//in/in", "/./in/in",
         "/in/in&id=a", "/in/IN", "/In/in", "/in/in~", "/in/" + "a" * 5000, "/in/in%3fid=a", "/*", "/in/*"]


@HERE("path", PATHS, ids=lambda p: p[:24])
def test_only_the_path_itself_is_the_source(farm, path):
    refused(farm.receiver.post(path, {"id": "a"}), 404, "unknown_source")
    refused(http.get(farm.receiver.ingest, path + "?id=a"), 404, "unknown_source")


RAW_PATHS = {"NUL": b"/in/in\0", "NUL and more": b"/in/in\0/x", "0xff": b"/in/in\xff", "space": b"/in/in x", "tab": b"/in/in\tx",
             "fragment": b"/in/in#x", "absolute": b"http://x/in/in", "no slash": b"in/in", "DEL": b"/in/in\x7f",
             "CR": b"/in/in\rx", "quotes": b'/in/"in"'}


@HERE("name", RAW_PATHS)
def test_targets_that_are_none(farm, name):
    data = http.raw(farm.receiver.ingest, b"GET " + RAW_PATHS[name] + b"?id=a HTTP/1.1\r\nHost: x\r\n\r\n", 1)
    status = int(data.split(b" ", 2)[1])
    assert status == 400 or (name in ("quotes", "DEL") and status in (400, 404)), data
    assert data.count(b"HTTP/1.1 4") == 1


# -- smuggling: what follows a request that could be read differently is never a request -------------------------


INNER = b"GET /in/in?id=smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
SMUGGLE = {
    "length and chunked": b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": b"Transfer-Encoding: chunked\r\nContent-Length: 100\r\n\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 0\r\nContent-Length: 50\r\n\r\n",
    "length with a space": b"Content-Length : 50\r\n\r\n",
    "length in a folded line": b"X: y\r\n Content-Length: 50\r\n\r\n",
    "length 0 and trailing text": b"Content-Length: 0;\r\n\r\n",
    "length with an underscore": b"Content_Length: 50\r\n\r\n",
    "coding twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "coding with a comma": b"Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n",
    "coding with a parameter": b"Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
    "coding behind a tab": b"Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n",
    "coding behind a VT": b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "coding with a NUL": b"Transfer-Encoding: chunked\0\r\n\r\n0\r\n\r\n",
    "coding in quotes": b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "coding in capitals": b"TRANSFER-ENCODING: CHUNKED\r\n\r\n0\r\n\r\n",
    "name with a NUL": b"Transfer\0-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bare LF before the body": b"Content-Length: 0\r\n\n",
    "chunk of -1": b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
    "chunk too large for 64 bits": b"Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n",
    "chunk with an LF in its extension": b"Transfer-Encoding: chunked\r\n\r\n0;a\nb\r\n\r\n",
    "chunk without CRLF behind it": b"Transfer-Encoding: chunked\r\n\r\n1\r\nx0\r\n\r\n",
    "HTTP/1.0 and chunked": None,
}


@HERE("name", SMUGGLE)
def test_smuggling(farm, name):
    head = SMUGGLE[name]
    data = (b"POST /in/any?id=outer HTTP/1.1\r\nHost: x\r\n" + head if head else
            b"POST /in/any?id=outer HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    said = http.raw(farm.receiver.ingest, data + INNER, 0.5)
    first = int(said.split(b" ", 2)[1])
    assert first in ((411,) if name == "length with an underscore" else (400,)), said
    if first == 400:
        assert said.count(b"\r\nDate: ") == 1 and b"Connection: close" in said
    assert b"smuggled" not in said or first == 411  # without a length no body follows: the next request is one
    farm.stack.redis.client().delete("hookpace:{0}:event:smuggled")
    farm.stack.redis.client().lrem("hookpace:{0}:queue:out", 0, "smuggled:out")


# -- gzip --------------------------------------------------------------------------------------------------------


PLAIN = b'{"id": "z"}'
WIRE = gzip.compress(PLAIN)


def member(flags=0, extra=b"", wire=WIRE):
    return wire[:3] + bytes([flags]) + wire[4:10] + extra + wire[10:]


BAD_GZIP = {
    "ISIZE": WIRE[:-1] + bytes([WIRE[-1] ^ 1]),
    "CRC": WIRE[:-8] + bytes([WIRE[-8] ^ 1]) + WIRE[-7:],
    "no trailer": WIRE[:-8],
    "half a trailer": WIRE[:-4],
    "only the header": WIRE[:10],
    "only the magic": WIRE[:2],
    "method 9": WIRE[:2] + b"\x09" + WIRE[3:],
    "reserved flags": member(0xe0),
    "header check": member(2, b"\0\0"),
    "endless name": member(8, b"n" * 1000)[:600],
    "block of type 3": WIRE[:10] + b"\x07" + WIRE[11:],
    "stored block that lies": WIRE[:10] + b"\x01\x05\x00\x05\x00" + b"12345" + WIRE[-8:],
    "distance too far": WIRE[:10] + b"\x63\x00\x12\x00" + WIRE[-8:],
    "trailing zeros": WIRE + b"\0" * 512,
    "trailing text": WIRE + b"{}",
    "17 members": WIRE + gzip.compress(b"") * 16,
    "100 empty members": gzip.compress(b"") * 100,
    "second member cut": WIRE + WIRE[:15],
    "gzip in gzip": gzip.compress(WIRE),  # what comes out is not JSON
}


@HERE("name", BAD_GZIP)
def test_bad_gzip(farm, name):
    code = "invalid_json" if name == "gzip in gzip" else "invalid_gzip"
    for headers in ({"Content-Encoding": "gzip"}, {}):
        refused(farm.receiver.post("/in/in", BAD_GZIP[name], headers), 400, code)


@HERE("name, extra", [("name", (8, b"n" * 100_000 + b"\0")), ("comment", (16, b"c" * 100_000 + b"\0")),
                      ("extra field", (4, b"\xff\xff" + b"e" * 65535))])
def test_long_header_fields_are_accepted(farm, name, extra):
    wire = member(*extra, wire=gzip.compress(json.dumps({"id": unique()}).encode()))
    accepted(farm.receiver.post("/in/in", wire, {"Content-Encoding": "gzip"}))


@HERE("values", [["gzip", "gzip"], ["gzip", "identity"], ["identity", "identity"], ["gzip, gzip"], ["gzip;q=1"], ["*"],
                 ["x-gzip, x-gzip"], ["gzip\t"], ["deflate"], ["br"], ["zstd"], ["compress"], ["aes128gcm"]], ids="+".join)
def test_encodings(farm, values):
    with http.Client(farm.receiver.ingest) as client:
        client.send(http.render("POST", "/in/in", [("Content-Encoding", v) for v in values], WIRE))
        answer = client.read()
    if values == ["gzip\t"]:  # white space around a value is none of it
        assert answer.status == 200
        farm.stack.redis.client().delete("hookpace:{0}:event:z")
        farm.stack.redis.client().lrem("hookpace:{0}:queue:out", 0, "z:out")
        return
    refused(answer, 415, "unsupported_encoding")
    assert answer.header("Accept-Encoding") == "gzip"


def test_a_body_packed_anew_is_accepted_as_the_same(farm):
    """The signature is over the plain bytes: whoever captured a request can pack it in any way, and it is a repeat."""
    plain = json.dumps({"id": "again", "text": "text " * 50}).encode()
    headers = sign.headers("serphouse", SECRET, plain)
    before = farm.queued()
    accepted(farm.receiver.post("/in/serphouse", plain, headers), "again")
    for wire in (gzip.compress(plain, 1), gzip.compress(plain, 9, mtime=1), gzip.compress(plain[:9]) + gzip.compress(plain[9:]),
                 member(8, b"name\0", gzip.compress(plain))):
        accepted(farm.receiver.post("/in/serphouse", wire, headers), "again", duplicate=True)
    refused(farm.receiver.post("/in/serphouse", gzip.compress(plain + b" "), headers), 401, "invalid_signature")
    assert farm.queued() == before + 1


def test_a_wire_signature_is_judged_before_anything_is_inflated(farm):
    bomb = gzip.compress(b"[" + b"0," * 30_000_000 + b"0]", 9)
    before = farm.receiver.cpu_s()
    bad = sign.headers("serphouse", SECRET + "x", bomb)
    for _ in range(5):
        refused(farm.receiver.post("/in/wire", bomb, bad), 401, "invalid_signature")
    assert farm.receiver.cpu_s() - before < 0.3  # inflating one costs about 0.5 s


# -- JSON --------------------------------------------------------------------------------------------------------


BAD_JSON = [b"", b" \r\n\t", b"{", b"}", b"{}{}", b"{} {}", b"[1,]", b'{"a":1,}', b"{,}", b"[,1]", b"[1 2]", b'{"a" 1}', b'{"a":}',
            b"{a:1}", b"{'a':1}", b'{1:2}', b"[01]", b"[-]", b"[-01]", b"[+1]", b"[.5]", b"[5.]", b"[1.e1]", b"[1e]", b"[1e+]",
            b"[0x1]", b"[1_0]", b"[NaN]", b"[-Infinity]", b"[Infinity]", b"[TRUE]", b"[True]", b"[nul]", b"[nulll]", b"[undefined]",
            b"[1]// c", b"[1]/* c */", b"# c\n[1]", b"\xef\xbb\xbf{}", b"\xff\xfe{\0}\0", b"{\0}", b"{}\0", b"{}\x0b", b"{}\xc2\xa0",
            b'"\x01"', b'"\x1f"', b'"a\nb"', b'"\t"', b'"\0"', b'"\xff"', b'"\x80"', b'"\xc0\xaf"', b'"\xe0\x80\xaf"',
            b'"\xed\xa0\x80"', b'"\xed\xbf\xbf"', b'"\xf4\x90\x80\x80"', b'"\xf8\x88\x80\x80\x80"', b'"\xc3"', b'"\xe2\x82"',
            b'"\\ud800"', b'"\\udc00"', b'"\\ud800\\u0041"', b'"\\ud800x"', b'"\\x41"', b'"\\u12"', b'"\\u12g4"', b'"\\U00000041"',
            b'"\\', b'"abc', b'"\\"', b"[" * 65 + b"]" * 65, b'{"a":' * 65 + b"1" + b"}" * 65, b"[" * 100_000, b'{"a":' * 100_000,
            b"[" + b"1" * 5000 + b"]", b"[-" + b"9" * 100_000, b"[1e" + b"9" * 5000 + b"]"]


@HERE("number", range(len(BAD_JSON)))
def test_bad_json(farm, number):
    body = BAD_JSON[number]
    refused(farm.receiver.post("/in/in", body), 400, "invalid_json")
    if body:
        refused(farm.receiver.post("/in/in", gzip.compress(body)), 400, "invalid_json")


GOOD_JSON = [b"42", b"null", b'""', b"[]", b'{"a":1e999}', b'{"a":123456789012345678901234567890}', b'{"a":-0.0E-0}',
             b'{"a":"\\u0000\\ud83d\\ude00"}', '{"ü":"\U0001f600\x7f\u2028"}'.encode(), b"[" * 64 + b"]" * 64, b'{"a":1,"a":2}',
             b"\r\n\t [ ] \r\n\t "]


@HERE("number", range(len(GOOD_JSON)))
def test_odd_json_is_accepted_as_it_came(farm, number):
    body, ident = GOOD_JSON[number], unique()
    accepted(farm.receiver.post(f"/in/in?id={ident}", body), ident)
    record = farm.stack.redis.client(decode_responses=False).get(f"hookpace:{{0}}:event:{ident}")
    assert record.endswith(body)


# -- signatures ------------------------------------------------------------------------------------------------


BODY = b'{"id":"s"}'
HEX = sign.hex_mac(SECRET, BODY)
B64 = sign.b64_mac(SECRET, BODY)
MISSING, INVALID, STALE = "missing_signature", "invalid_signature", "stale_timestamp"

BAD_SIGNATURES = [
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
          "t={now},v1={mac}0", "v1={mac},t={before}", "t={now},v1= {mac}x", "T={now},V1={mac}"]


@HERE("number", range(len(STRIPE)))
def test_strange_stripe(farm, number):
    at = now()
    text = STRIPE[number].format(now=at, before=at - 5, mac=sign.hex_mac(SECRET, f"{at}.".encode() + BODY))
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


# -- ids and tags ----------------------------------------------------------------------------------------------


BAD_IDS = ["", ".", "..", " ", "a b", "a/b", "a\\b", "a%b", "{a}", "a}{b", "x" * 129, "é", "a\0b", "a\r\nb", "a\nX: y", "a?b", "a#b",
           "a@b", "a,b", "a;b", "a+b", "a=b", "a&b", "$id", "*", "a'b", 'a"b', "\u202e", "\ud7ff", "a\x7f"]


@HERE("number", range(len(BAD_IDS)))
def test_bad_ids(farm, number):
    value = BAD_IDS[number]
    refused(farm.receiver.post("/in/in?id=fallback", {"id": value}), 422, "invalid_id")
    quoted = "".join(f"%{b:02X}" for b in value.encode())
    refused(http.get(farm.receiver.ingest, f"/in/in?id={quoted}"), 422, "invalid_id")
    refused(farm.receiver.post(f"/in/in?id={quoted}", {}), 422, "invalid_id")


@HERE("query", ["id=a&id=b", "id=a&id=a", "id=%", "id=%4", "id=%zz", "id=%ff", "id=a%00", "id"])
def test_bad_queries(farm, query):
    refused(http.get(farm.receiver.ingest, "/in/in?" + query), 422, "invalid_id")


@HERE("tag", ["a\nb", "a\0", "\x7f", "\x1b[2J", "x" * 256, "ü" * 128, {"a": 1}, ["a"]], ids=repr)
def test_bad_tags(farm, tag):
    refused(farm.receiver.post("/in/in", {"id": "a", "tag": tag}), 422, "invalid_id")


def test_ids_of_which_there_are_two(farm):
    for body in (b'{"id":"a","id":"b"}', b'{"id":"a","x":1,"\\u0069d":"b"}', b'{"id":"a","tag":"t","tag":"t"}',
                 b'{"id":{"x":1},"id":"b"}'):
        refused(farm.receiver.post("/in/in", body), 422, "invalid_id")


# -- clients that leave ----------------------------------------------------------------------------------------


def test_the_event_of_a_client_that_left_is_accepted(farm):
    """What reached Redis is queued, whether somebody waits for the answer or not; and nothing breaks."""
    farm.stack.redis.pause()
    before = farm.queued  # read later: Redis hangs
    for n in range(10):
        with http.Client(farm.receiver.ingest) as client:
            client.send(http.render("POST", "/in/in", {}, b'{"id":"left%d"}' % n))
            farm.receiver.get("/healthz", listener="ingest")
    farm.stack.redis.resume()
    accepted(http.Client(farm.receiver.ingest, 10).post("/in/in", {"id": "after-" + unique()}))
    assert before() >= 1
