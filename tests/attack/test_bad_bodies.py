"""Bad gzip and bad JSON to the running receiver, row by row: the promised answer, and nothing queued."""

import gzip
import json

import pytest
from farm import SECRET, unique

from harness import http, sign
from harness.ingest import accepted, refused

HERE = pytest.mark.parametrize
pytestmark = pytest.mark.usefixtures("nothing_is_queued")


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
            b"[1]// c", b"[1]/* c */", b"# c\n[1]", b"\xef\xbb\xbf", b"\xef\xbb\xbf\xef\xbb\xbf{}", b"{}\xef\xbb\xbf", b"\xff\xfe{\0}\0", b"{\0}", b"{}\0", b"{}\x0b", b"{}\xc2\xa0",
            b'"\x01"', b'"\x1f"', b'"a\nb"', b'"\t"', b'"\0"', b'"\xff"', b'"\x80"', b'"\xc0\xaf"', b'"\xe0\x80\xaf"',
            b'"\xed\xa0\x80"', b'"\xed\xbf\xbf"', b'"\xf4\x90\x80\x80"', b'"\xf8\x88\x80\x80\x80"', b'"\xc3"', b'"\xe2\x82"',
            b'"\\ud80"', b'"\\ud800\\u004"', b'"\\x41"', b'"\\u12"', b'"\\u12g4"', b'"\\U00000041"',
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
             b"\r\n\t [ ] \r\n\t ", b"\xef\xbb\xbf{}", b'"\\ud800"', b'"\\udc00"', b'"\\ud800\\u0041"', b'"\\ud800x"']


@HERE("number", range(len(GOOD_JSON)))
def test_odd_json_is_accepted_as_it_came(farm, number):
    body, ident = GOOD_JSON[number], unique()
    accepted(farm.receiver.post(f"/in/in?id={ident}", body), ident)
    record = farm.stack.redis.client(decode_responses=False).get(f"hookpace:{{0}}:event:{ident}")
    assert record.endswith(body)
