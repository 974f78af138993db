"""The request and its body: where it goes, limits, JSON, gzip; nothing is queued for any answer but 200."""

import gzip
import json
import re
import zlib

import pytest

from harness import config, http, sign
from harness.ingest import SECRET, accepted, make, queued, refused, scheme_source
from harness.memory import noise


# -- the request ---------------------------------------------------------------------------------------------


def test_where_it_goes(stack):
    receiver = make(stack)
    for path in ("/", "/in", "/in/", "/in/no", "/in/in/x", "/in/%69n", "/IN/in", "/in/../in/in", "/x", "//", "/in//", "/inin", "/in/in/in",
                 "/x/in/in", "/in/in//x", "/healthz/in", "/in/./in"):
        refused(receiver.post(path, {"id": "a"}), 404, "unknown_source")
    refused(http.get(receiver.ingest, "/in/no?id=a"), 404, "unknown_source")
    for method in ("PUT", "DELETE", "OPTIONS", "PATCH"):
        with http.Client(receiver.ingest) as client:
            answer = client.request(method, "/in/in", {}, b"{}")
            refused(answer, 405, "method_not_allowed")
            assert set(answer.header("Allow").replace(" ", "").split(",")) == {"GET", "HEAD", "POST"}
    assert http.get(receiver.ingest, "/healthz").json() == {"status": "ok"}
    assert queued(stack) == 0


@pytest.mark.parametrize("path", ["/in/in", "/in/in/", "/in//in", "//in/in", "///in///in///"])
def test_slashes_that_mean_nothing(stack, path):
    receiver = make(stack)
    accepted(receiver.post(path, {"id": "a"}), "a")
    accepted(receiver.post(path + "?id=b", {}), "b")
    accepted(http.get(receiver.ingest, path + "?id=c"), "c")
    assert queued(stack) == 3
    assert receiver.metric("hookpace_events_total", source="in", result="ok") == 3
    for health in ("/healthz", "/healthz/", "//healthz"):
        assert http.get(receiver.ingest, health).json() == {"status": "ok"}


def head(receiver, path, headers=None):
    with http.Client(receiver.ingest) as client:
        answer = client.request("HEAD", path, headers or {})
        assert answer.body == b"" and int(answer.header("content-length")) > 0
        assert client.request("GET", "/healthz").status == 200, "nothing of a body was sent"
        return answer


def test_head_is_a_get_that_queues_nothing(stack):
    receiver = make(stack)
    for path in ("/in/in", "/in/in/", "/in/in?id=a&tag=b", "/healthz"):
        assert head(receiver, path).status == 200, path
    assert head(receiver, "/in/no").status == 404
    assert receiver.metric("hookpace_events_total", source="in", result="probe") == 3
    assert receiver.metric("hookpace_events_total", source="in", result="ok") == 0
    assert queued(stack) == 0


def test_head_is_verified_like_get(stack):
    receiver = make(stack, {"in": scheme_source("token")})
    assert head(receiver, "/in/in?id=a").status == 401
    assert head(receiver, f"/in/in?id=a&token={SECRET}").status == 200
    assert head(receiver, "/in/in?token=wrong-token-0123").status == 401
    assert queued(stack) == 0


def test_head_sees_that_the_queue_is_away(stack):
    receiver = make(stack)
    stack.redis.stop()
    receiver.wait_http("/readyz", 503)
    answer = head(receiver, "/in/in?id=a")
    assert (answer.status, answer.header("retry-after")) == (503, "1")


def test_a_post_needs_a_length(stack):
    receiver = make(stack)
    with http.Client(receiver.ingest) as client:
        client.send(b"POST /in/in HTTP/1.1\r\nHost: x\r\n\r\n")
        refused(client.read(), 411, "length_required")
    with http.Client(receiver.ingest) as client:
        client.send(b"POST /in/in HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                    b"3\r\n{\"i\r\n8\r\nd\":\"ch\"}\r\n0\r\n\r\n")
        accepted(client.read(), "ch")
    refused(receiver.post("/in/in", b""), 400, "invalid_json")
    assert queued(stack) == 1


def test_limits(stack):
    receiver = make(stack, receiver={"listen": "127.0.0.1:0", "max_body_bytes": 1000, "max_inflated_bytes": 5000})
    accepted(receiver.post("/in/in", b'{"id":"a","p":"' + b"x" * (1000 - 17) + b'"}'), "a")
    refused(receiver.post("/in/in", b'{"id":"b","p":"' + b"x" * (1001 - 17) + b'"}'), 413, "body_too_large")
    with http.Client(receiver.ingest) as client:
        client.send(b"POST /in/in HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                    + b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n")
        refused(client.read(), 413, "body_too_large")
    fits = gzip.compress(json.dumps({"id": "c", "p": "x" * 4900}).encode())
    accepted(receiver.post("/in/in", fits), "c")
    bomb = gzip.compress(json.dumps({"id": "d", "p": "x" * 5000}).encode())
    refused(receiver.post("/in/in", bomb), 413, "inflated_too_large")
    refused(http.get(receiver.ingest, "/in/in?id=" + "x" * 9000), 414, "uri_too_long")
    refused(receiver.post("/in/in", b"{}", {"X-Long": "x" * 17000}), 431, "headers_too_large")
    assert queued(stack) == 2


def test_a_large_body_is_kept_byte_for_byte(stack):
    receiver = make(stack)
    body = json.dumps({"id": "big", "p": ["%d" % n for n in range(300_000)]}).encode()
    accepted(receiver.post("/in/in", body), "big")
    record = stack.redis.client(decode_responses=False).get("hookpace:{0}:event:big")
    assert record.endswith(body)


@pytest.mark.parametrize("size", [70_000, 3_000_000])
def test_no_large_body_goes_through_a_script(stack, size):
    """Lua would copy it several times, and Redis serves nobody meanwhile."""
    receiver = make(stack)
    client = stack.redis.client()
    client.config_set("slowlog-max-len", 1000)
    client.config_set("slowlog-log-slower-than", 0)
    body = json.dumps({"id": "big", "p": noise(size).decode()}).encode()
    accepted(receiver.post("/in/in", body), "big")
    accepted(receiver.post("/in/in", body), "big", duplicate=True)
    calls = [e["command"] for e in client.slowlog_get(1000) if e["command"].startswith(b"EVALSHA") and b" webhook in " in e["command"]]
    assert len(calls) == 2
    for call in calls:  # Redis cuts long arguments, and says by how much
        assert len(call) + sum(map(int, re.findall(rb"\((\d+) more bytes\)", call))) < 2000, call
    assert not client.keys("*staged*")
    assert stack.redis.client(decode_responses=False).get("hookpace:{0}:event:big").endswith(body)


def test_bodies_at_the_size_from_which_they_are_staged(stack):
    """Also where the body is below it, and body and head together are not."""
    receiver = make(stack)
    client = stack.redis.client(decode_responses=False)
    for size in (65_000, 65_400, 65_470, 65_500, 65_535, 65_536, 65_537):
        ident = f"n{size}"
        start = json.dumps({"id": ident, "p": ""}).encode()[:-2]
        body = start + noise(size)[:size - len(start) - 2] + b'"}'
        assert len(body) == size
        accepted(receiver.post("/in/in", body), ident)
        accepted(receiver.post("/in/in", body), ident, duplicate=True)
        assert client.get("hookpace:{0}:event:" + ident).endswith(b"\n\n" + body)
        accepted(receiver.post("/in/in", body.replace(b'"p"', b'"q"')), ident)
        assert client.get(f"hookpace:{{0}}:event:{ident}~2").endswith(body.replace(b'"p"', b'"q"'))


def test_json_is_checked(stack):
    receiver = make(stack)
    bad = [b"", b" ", b"{", b"{}{}", b"{}x", b"[1,]", b"nul", b"NaN", b"[Infinity]", b"[01]", b"[1.]", b"{'a':1}",
           b"[1] // c", b"\xef\xbb{}", b'"\xff"', b'"\xc0\xaf"', b'"\\ud80"', b'"a\nb"', b"{}\0", b"[" * 65 + b"]" * 65]
    for body in bad:
        refused(receiver.post("/in/in", body), 400, "invalid_json")
    assert queued(stack) == 0
    for n, body in enumerate([b'{"id":"%d","x":1e999,"y":123456789012345678901234567890,"k":1,"k":2}', b' {"id":"%d"}\r\n']):
        accepted(receiver.post("/in/in", body % n), str(n))


def test_what_senders_write_and_rfc_8259_allows(stack):
    """Half a surrogate pair, as of a text that was cut in an emoji, and a byte order mark. The bytes are kept as they came."""
    receiver = make(stack)
    for body, ident in ((b'{"id":"h","text":"cut \\ud83d"}', "h"), (b'{"id":"l","\\ude00":["\\ude00\\ud83d"]}', "l"),
                        (b'\xef\xbb\xbf{"id":"m"}', "m"), (b'\xef\xbb\xbf {"id":"z"}', "z")):
        accepted(receiver.post("/in/in", body), ident)
        assert stack.redis.client(decode_responses=False).get("hookpace:{0}:event:" + ident).endswith(b"\n\n" + body)
    refused(receiver.post("/in/in", b"\xef\xbb\xbf"), 400, "invalid_json")
    refused(receiver.post("/in/in", b"\xef\xbb\xbf\xef\xbb\xbf{}"), 400, "invalid_json")


@pytest.mark.parametrize("text", ['{"a":"12345678\xff"}', '{"a":"1234567\x01', '[1, 2 3]'])
@pytest.mark.parametrize("before", [0, 5000])
def test_an_error_names_the_byte(stack, text, before):
    receiver = make(stack)
    body = (" " * before + text).encode("latin-1")
    at = next(i for i, c in enumerate(text) if c in "\xff\x01" or text[i:] == "3]") + before
    assert f"byte {at}" in receiver.post("/in/in", body).json()["message"]


def test_any_payload(stack):
    receiver = make(stack, {"in": config.source("out", "serphouse", [SECRET], payload="any")})
    for n, body in enumerate((b"a=1&b=2", b"\xff\x00\x01", b"", b'{"id":"x"')):
        answer = receiver.post(f"/in/in?id=n{n}", body, {**sign.headers("serphouse", SECRET, body), "Content-Type": "x/y"})
        accepted(answer, f"n{n}")
    assert queued(stack) == 4

# -- gzip ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ("gzip", "x-gzip", "GZIP", "identity", None))
def test_gzip_with_and_without_its_header(stack, header):
    receiver = make(stack, {"in": scheme_source("serphouse")})
    plain = b'{"id": "z", "tag": "t"}'
    wire = gzip.compress(plain[:5]) + gzip.compress(plain[5:])  # two members are one body
    headers = sign.headers("serphouse", SECRET, plain)
    if header:
        headers["Content-Encoding"] = header
    accepted(receiver.post("/in/in", wire, headers), "z")
    record = stack.redis.client(decode_responses=False).get("hookpace:{0}:event:z")
    assert record.endswith(wire)  # what is kept is what came


def test_gzip_signed_over_the_wire(stack):
    receiver = make(stack, {"in": scheme_source("serphouse", signed_over="wire")})
    plain = b'{"id": "z"}'
    wire = gzip.compress(plain)
    accepted(receiver.post("/in/in", wire, sign.headers("serphouse", SECRET, wire)), "z")
    refused(receiver.post("/in/in", wire, sign.headers("serphouse", SECRET, plain)), 401, "invalid_signature")
    broken = wire[:-1]
    refused(receiver.post("/in/in", broken, sign.headers("serphouse", SECRET, broken)), 400, "invalid_gzip")
    refused(receiver.post("/in/in", broken, sign.headers("serphouse", SECRET, plain)), 401, "invalid_signature")


def test_bad_gzip(stack):
    receiver = make(stack, {"in": scheme_source("serphouse"), "open": config.source("out")})
    plain = b'{"id": "z", "text": "some text to have something to cut"}'
    wire = gzip.compress(plain)
    headers = sign.headers("serphouse", SECRET, plain)
    said = {**headers, "Content-Encoding": "gzip"}
    crc = bytearray(wire)
    crc[-6] ^= 1
    for body in (wire[:-1], wire[:30], wire + b"x", wire + b"\0", bytes(crc), wire[:2], plain, zlib.compress(plain), b"",
                 wire + gzip.compress(b"") * 16):
        refused(receiver.post("/in/open", body, {"Content-Encoding": "gzip"}), 400, "invalid_gzip")
        if body != b"":
            assert receiver.post("/in/in", body, said).status in (400, 401)
    refused(receiver.post("/in/in", plain, said), 400, "invalid_gzip")
    refused(receiver.post("/in/in", plain, {**said, "x-serphouse-signature": "0" * 64}), 401, "invalid_signature")
    for body in (wire[:-1], wire[:30], bytes(crc)):
        refused(receiver.post("/in/in", body, headers), 400, "invalid_gzip")
    assert queued(stack) == 0


@pytest.mark.parametrize("encoding", ("identity", "utf-8", "UTF-8", "ISO-8859-1"))
def test_names_that_are_no_coding(stack, encoding):
    receiver = make(stack)
    accepted(receiver.post("/in/in", b'{"id":"a"}', {"Content-Encoding": encoding}), "a")


@pytest.mark.parametrize("encoding", ("deflate", "br", "zstd", "gzip, gzip", "compress", "x"))
def test_other_encodings(stack, encoding):
    receiver = make(stack)
    answer = receiver.post("/in/in", b'{"id":"a"}', {"Content-Encoding": encoding})
    refused(answer, 415, "unsupported_encoding")
    assert answer.header("Accept-Encoding") == "gzip"
    assert queued(stack) == 0
