"""Bad requests to the running receiver, row by row: the answer that the documentation promises, and nothing queued."""

import pytest
from farm import unique

from harness import http
from harness.ingest import accepted, refused

HERE = pytest.mark.parametrize
pytestmark = pytest.mark.usefixtures("nothing_is_queued")


# -- paths -----------------------------------------------------------------------------------------------------


PATHS = ["/in/in%00", "/in/in%00/x", "/in/%69%6e", "/in%2fin", "/in/in%2f", "/in/%zz", "/in/in%", "/in/./in", "/in/x/../in",
         "/in/..%2fin", "/in/in.", "/in/in;x", "/in/in\\", "/in//in/x", "/in/in//x", "/in/", "/in", "//", "/in/in/in", "/./in/in",
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
    "coding misspelt in capitals": b"TRANSFER-ENCODING: CHUNKED2\r\n\r\n0\r\n\r\n",
    "length and coding in capitals": b"Content-Length: 4\r\nTRANSFER-ENCODING: CHUNKED\r\n\r\n0\r\n\r\n",
    "coding in capitals twice": b"Transfer-Encoding: Chunked, CHUNKED\r\n\r\n0\r\n\r\n",
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
        assert b"smuggled" not in said
        return
    # without a length no body follows: the next bytes are a request
    assert b"smuggled" in said
    farm.stack.redis.client().delete("hookpace:{0}:event:smuggled")
    farm.stack.redis.client().lrem("hookpace:{0}:queue:out", 0, "smuggled:out")


@HERE("coding", [b"TRANSFER-ENCODING: CHUNKED", b"transfer-encoding: Chunked", b"Transfer-Encoding: cHUNKED"])
def test_chunks_are_accepted_whatever_the_case_of_their_coding(farm, coding):
    """What looks like a request within a chunk is body; what follows the last chunk is a request."""
    ident = coding.decode().rsplit(" ")[1]
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(INNER), INNER)
    said = http.raw(farm.receiver.ingest, b"POST /in/any?id=%s HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n%sGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
                    % (ident.encode(), coding, body), 0.5)
    assert said.count(b"HTTP/1.1 200") == said.count(b"HTTP/1.1 ") == 2, said
    keys = farm.stack.redis.client(decode_responses=False)
    assert keys.get(f"hookpace:{{0}}:event:{ident}").endswith(b"\n\n" + INNER)
    assert not keys.exists("hookpace:{0}:event:smuggled")
    keys.delete(f"hookpace:{{0}}:event:{ident}")
    keys.lrem("hookpace:{0}:queue:out", 0, f"{ident}:out")


# -- ids and tags ----------------------------------------------------------------------------------------------


BAD_IDS = ["", "x" * 256, "é" * 128, "a\0b", "a\r\nb", "a\nX: y", "a\x7f"]


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


@HERE("tag", ["a\nb", "a\0", "\x7f", "\x1b[2J", "x" * 256, "ü" * 256, {"a": 1}, ["a"]], ids=repr)
def test_with_bad_tags_events_are_accepted(farm, tag):
    """The event is kept without its tag."""
    ident = f"tag-{abs(hash(repr(tag)))}"
    assert farm.receiver.post("/in/in", {"id": ident, "tag": tag}).status == 200
    record = farm.stack.redis.client(decode_responses=False).get(f"hookpace:{{0}}:event:{ident}")
    assert b"\nt " not in record.split(b"\n\n")[0]


def test_ids_of_which_there_are_two(farm):
    for body in (b'{"id":"a","id":"b"}', b'{"id":"a","x":1,"\\u0069d":"b"}', b'{"id":{"x":1},"id":"b"}'):
        refused(farm.receiver.post("/in/in", body), 422, "invalid_id")


# -- clients that leave ----------------------------------------------------------------------------------------


def test_the_events_of_clients_that_left_are_accepted(farm):
    """What was sent whole is queued, whether somebody waits for the answer or not; and nothing breaks."""
    left = [unique() for _ in range(10)]
    farm.stack.redis.pause()
    for ident in left:
        with http.Client(farm.receiver.ingest) as client:
            client.send(http.render("POST", "/in/in", {}, b'{"id":"%s"}' % ident.encode()))
            farm.receiver.get("/healthz", listener="ingest")
    farm.stack.redis.resume()
    accepted(http.Client(farm.receiver.ingest, 10).post("/in/in", {"id": unique()}))
    queue = farm.stack.redis.client().lrange("hookpace:{0}:queue:out", 0, -1)
    assert [i for i in left if queue.count(f"{i}:out") != 1] == []
