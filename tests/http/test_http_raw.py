"""Bad input to the HTTP server, row by row; then splitting, pipelining and framing."""

import time

import pytest
from probe import GET, MEMORY_SLACK, checksum, chunked, post, until

HEAD = "POST /echo HTTP/1.1\r\nHost: x\r\n"
LAST = "0\r\n\r\n"

BAD = {
    "both lengths": (HEAD + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + LAST, 400),
    "both, other order": (HEAD + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400),
    "two lengths": (HEAD + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
    "two equal lengths": (HEAD + "Content-Length: 5\r\ncontent-length: 5\r\n\r\nhello", 400),
    "list of lengths": (HEAD + "Content-Length: 5, 5\r\n\r\nhello", 400),
    "space before colon": (HEAD + "Transfer-Encoding : chunked\r\n\r\n" + LAST, 400),
    "name with space": (HEAD + "X y: z\r\n\r\n", 400),
    "empty name": (HEAD + ": z\r\n\r\n", 400),
    "name not a token": (HEAD + "X(y): z\r\n\r\n", 400),
    "name not ASCII": (HEAD + "X\xe9: z\r\n\r\n", 400),
    "line without colon": (HEAD + "hello\r\n\r\n", 400),
    "encoding with \\x0b": (HEAD + "Transfer-Encoding: \x0bchunked\r\n\r\n" + LAST, 400),
    "encoding gzip": (HEAD + "Transfer-Encoding: gzip\r\n\r\n", 400),
    "encoding gzip, chunked": (HEAD + "Transfer-Encoding: gzip, chunked\r\n\r\n", 400),
    "encoding identity, chunked": (HEAD + "Transfer-Encoding: identity, chunked\r\n\r\n", 400),
    "encoding twice": (HEAD + "Transfer-Encoding: chunked\r\n" * 2 + "\r\n" + LAST, 400),
    "encoding xchunked": (HEAD + "Transfer-Encoding: xchunked\r\n\r\n" + LAST, 400),
    "encoding Chunked twice": (HEAD + "Transfer-Encoding: Chunked, chunked\r\n\r\n" + LAST, 400),
    "encoding chunked, tab": (HEAD + "Transfer-Encoding:\tchunked\r\n\r\n" + LAST, 400),
    "encoding empty": (HEAD + "Transfer-Encoding:\r\n\r\n", 400),
    "encoding on HTTP/1.0": ("POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + LAST, 400),
    "length +5": (HEAD + "Content-Length: +5\r\n\r\nhello", 400),
    "length tab": (HEAD + "Content-Length:\t5\r\n\r\nhello", 400),
    "length spaces": (HEAD + "Content-Length:  5 \r\n\r\nhello", 400),
    "length -1": (HEAD + "Content-Length: -1\r\n\r\n", 400),
    "length 0x5": (HEAD + "Content-Length: 0x5\r\n\r\nhello", 400),
    "length empty": (HEAD + "Content-Length:\r\n\r\n", 400),
    "length 10^20": (HEAD + "Content-Length: 100000000000000000000\r\n\r\n", 413),
    "length 10^10": (HEAD + "Content-Length: 10000000000\r\n\r\n", 413),
    "length above the limit": (HEAD + "Content-Length: 1048577\r\n\r\n", 413),
    "target too long": ("GET /" + "a" * 8192 + " HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    "target endless": ("GET /" + "a" * 9000, 414),
    "headers too large": (HEAD + "X: " + "a" * 17000 + "\r\n\r\n", 431),
    "headers endless": (HEAD + "X: " + "a" * 17000, 431),
    "too many headers": (HEAD + "X: y\r\n" * 100 + "\r\n", 431),
    "other expectation": (HEAD + "Expect: 200-maybe\r\nContent-Length: 5\r\n\r\nhello", 417),
    "bare LF": ("GET /healthz HTTP/1.1\nHost: x\n\n", 400),
    "bare LF in headers": ("GET /healthz HTTP/1.1\r\nHost: x\nX: y\r\n\r\n", 400),
    "bare LF at the end": ("GET /healthz HTTP/1.1\r\nHost: x\r\n\n", 400),
    "folded line": ("GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n", 400),
    "folded first line": ("GET /healthz HTTP/1.1\r\n Host: x\r\n\r\n", 400),
    "NUL in a value": ("GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n", 400),
    "NUL in a name": ("GET /healthz HTTP/1.1\r\nHost: x\r\nX\0: a\r\n\r\n", 400),
    "bare CR in a value": ("GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n", 400),
    "control in a value": ("GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\x01b\r\n\r\n", 400),
    "no Host": ("GET /healthz HTTP/1.1\r\n\r\n", 400),
    "two Hosts": ("GET /healthz HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400),
    "Host with a user": ("GET /healthz HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
    "absolute target": ("GET http://x/healthz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "HTTP/1.7": ("GET /healthz HTTP/1.7\r\nHost: x\r\n\r\n", 505),
    "HTTP/2.0": ("GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n", 400),
    "HTTP/0.9": ("GET /healthz\r\n", 400),
    "HTTP/2 preface": ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + "\0\0\x12\x04\0\0\0\0\0", 400),
    "TLS": ("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "unknown method": ("BREW /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    "CONNECT": ("CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    "NUL in the target": ("GET /healthz\0/x HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "control in the target": ("GET /healthz\x01 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "0xff in the target": ("GET /healthz\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "space in the target": ("GET /heal thz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "fragment": ("GET /healthz#x HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "two empty lines first": ("\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
}

CODES = {400: "bad_request", 405: "method_not_allowed", 413: "body_too_large", 414: "uri_too_long",
         417: "bad_request", 431: "headers_too_large", 505: "bad_request"}

BAD_CHUNKS = {
    "0x5": b"0x5\r\nhello\r\n0\r\n\r\n",
    "+5": b"+5\r\nhello\r\n0\r\n\r\n",
    "-0": b"-0\r\n\r\n",
    "space before extension": b"5 ;ext\r\nhello\r\n0\r\n\r\n",
    "blank line before size": b"\r\n5\r\nhello\r\n0\r\n\r\n",
    "no CRLF after data": b"5\r\nhello0\r\n\r\n",
    "LF after data": b"5\r\nhello\n0\r\n\r\n",
    "LF after size": b"5\nhello\r\n0\r\n\r\n",
    "no size": b"\r\n\r\n",
    "trailer with bare LF": b"0\r\nX: y\n\r\n",
    "folded trailer": b"0\r\nX: y\r\n z\r\n\r\n",
}


def one_answer_and_end(client, status):
    answer = client.answer()
    assert answer.status == status
    assert answer.code == CODES[status]
    assert answer.headers["connection"] == "close"
    assert answer.headers["content-type"] == "application/json"
    assert client.closed()
    return answer


@pytest.mark.parametrize("name", BAD)
def test_bad_request_is_refused_and_what_follows_dropped(shared, name):
    data, status = BAD[name]
    with shared.client() as c:
        c.send(data.encode("latin-1") + GET)
        answer = one_answer_and_end(c, status)
        assert (status == 405) == ("allow" in answer.headers)


@pytest.mark.parametrize("name", BAD)
def test_bad_request_byte_by_byte(shared, name):
    data, status = BAD[name]
    if len(data) > 1000:
        data = data[:40] + data[40:].replace("aaaaaaaa", "a" * 8)  # same bytes, larger pieces
    with shared.client() as c:
        try:
            for i in range(0, len(data), 1 if len(data) < 1000 else 500):
                c.send(data[i:i + (1 if len(data) < 1000 else 500)])
        except (BrokenPipeError, ConnectionResetError):
            pass  # answered and closed before the end
        answer = c.answer()
        assert (answer.status, answer.code) == (status, CODES[status])


@pytest.mark.parametrize("name", BAD_CHUNKS)
@pytest.mark.parametrize("step", [1, 1000])
def test_bad_chunks(shared, name, step):
    head = HEAD.encode() + b"Transfer-Encoding: chunked\r\n\r\n"
    with shared.client() as c:
        c.send(head)
        data = BAD_CHUNKS[name] + GET
        try:
            for i in range(0, len(data), step):
                c.send(data[i:i + step])
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = c.answer()
        assert (answer.status, answer.code) == (400, "bad_request")
        assert answer.headers["connection"] == "close"


FLOODS = {
    "size": b"0" * 65536,
    "extension": b"5;" + b"x" * 70000,
    "trailer": b"0\r\nX: " + b"y" * 70000,
    "extensions": b"1;x\r\na\r\n" * 5000,
    "trailers": b"0\r\n" + b"X: y\r\n" * 20000,
}


@pytest.mark.parametrize("flood", FLOODS)
def test_endless_chunk_framing_is_refused(start, flood):
    probe = start(body_max=1 << 30)
    before = probe.rss()
    with probe.client() as c:
        c.send(HEAD.encode() + b"Transfer-Encoding: chunked\r\n\r\n")
        answer = None
        try:
            for _ in range(200):
                c.send(FLOODS[flood])
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            answer = c.answer()
        except ConnectionResetError:
            pass
        assert answer is None or answer.status == 400
    assert until(lambda: probe.said("request.refused"))[0]["status"] == 400
    assert probe.rss() - before < (4 << 20) * MEMORY_SLACK
    assert probe.cpu() < 1


def test_good_chunks(shared):
    with shared.client() as c:
        answer = c.ask(chunked(b"hello", b"x" * 100000, b"y"))
        assert answer.body == checksum(b"hello" + b"x" * 100000 + b"y")
        head = HEAD.encode() + b"Transfer-Encoding: chunked\r\n\r\n"
        assert c.ask(head + b"5;x=y\r\nhello\r\n0;e\r\n\r\n").body == checksum(b"hello")
        assert c.ask(head + b"005\r\nhello\r\n0\r\nX-Sig: forged\r\n\r\n").body == checksum(b"hello")
        assert c.ask(head + b"0\r\n\r\n").body == checksum(b"")
        assert c.ask(GET).status == 200


def test_chunks_above_the_limit(shared):
    with shared.client() as c:
        c.send(HEAD.encode() + b"Transfer-Encoding: chunked\r\n\r\nfffff\r\n" + b"x" * 0xFFFFF)
        c.send(b"\r\n2\r\n")  # the byte that is too much is announced, not yet sent
        one_answer_and_end(c, 413)


def test_trailers_are_not_headers(shared):
    with shared.client() as c:
        c.send(b"GET /headers HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
               b"0\r\nX-Sig: forged\r\n\r\n")
        assert b"forged" not in c.answer().body


def test_good_requests_byte_by_byte(shared):
    stream = (GET + post(b"hello") + chunked(b"abc", b"defg") + b"\r\n" + GET
              + b"GET /headers HTTP/1.1\r\nHost: x\r\nX-Latin: \xe9\t\xff \r\nEmpty:\r\n\r\n")
    with shared.client() as c:
        for i in range(len(stream)):
            c.send(stream[i:i + 1])
        assert c.answer().body == b"ok\n"
        assert c.answer().body == checksum(b"hello")
        assert c.answer().body == checksum(b"abcdefg")
        assert c.answer().body == b"ok\n"
        assert c.answer().body == b"Host=x\nX-Latin=\xe9\t\xff\nEmpty=\n"


@pytest.mark.parametrize("size", [2, 3, 7, 16, 50, 333])
def test_good_requests_in_pieces(shared, size):
    stream = (post(b"a" * 700) + GET + chunked(b"b" * 300, b"c")) * 5
    with shared.client() as c:
        for i in range(0, len(stream), size):
            c.send(stream[i:i + size])
        for _ in range(5):
            assert c.answer().body == checksum(b"a" * 700)
            assert c.answer().body == b"ok\n"
            assert c.answer().body == checksum(b"b" * 300 + b"c")


def test_pipelined_requests_are_answered_in_order(shared):
    slow = b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"
    with shared.client() as c:
        c.send(post(b"1") + slow + post(b"22") + slow + GET + b"BREW / HTTP/1.1\r\n\r\n" + GET)
        bodies = [c.answer().body for _ in range(5)]
        assert bodies == [checksum(b"1"), b"slow\n", checksum(b"22"), b"slow\n", b"ok\n"]
        one_answer_and_end(c, 405)


def test_many_pipelined_requests(shared):
    with shared.client() as c:
        c.send(GET * 3000)
        for _ in range(3000):
            assert c.answer().body == b"ok\n"


def test_many_connections_that_pipeline_have_their_turns(shared):
    """Of one address each waits in a line. Nobody loses a request there, who ends its side behind the last one neither."""
    import socket
    clients = [shared.client() for _ in range(150)]
    try:
        for n, c in enumerate(clients):
            c.send((GET + post(b"%d" % n)) * 20)
            if n % 2:
                c.sock.shutdown(socket.SHUT_WR)
        with shared.client() as other:
            assert other.ask(GET).body == b"ok\n"
        for n, c in enumerate(clients):
            assert [c.answer().body for _ in range(40)] == [b"ok\n", checksum(b"%d" % n)] * 20
        clients[0].send(GET)
        assert clients[0].answer().body == b"ok\n"
    finally:
        for c in clients:
            c.__exit__(None, None, None)


def test_answers_to_a_client_that_half_closed(shared):
    import socket
    with shared.client() as c:
        c.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n" + post(b"x") + GET)
        c.sock.shutdown(socket.SHUT_WR)
        assert [c.answer().body for _ in range(3)] == [b"slow\n", checksum(b"x"), b"ok\n"]
        assert c.closed()


def test_versions_and_keeping_alive(shared):
    with shared.client() as c:
        answer = c.ask("GET /healthz HTTP/1.0\r\n\r\n")
        assert answer.headers["connection"] == "close"
        assert c.closed()
    with shared.client() as c:
        answer = c.ask("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert answer.headers["connection"] == "keep-alive"
        answer = c.ask("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert answer.headers["connection"] == "close"
        assert c.closed()


def test_offers_to_upgrade_are_ignored(shared):
    with shared.client() as c:
        c.send("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\n"
               "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n")
        assert c.answer().status == 200
        c.send("POST /echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
               "Content-Length: 5\r\n\r\nhello")
        assert c.answer().body == checksum(b"hello")
        assert c.ask(GET).status == 200


def test_head_and_other_methods(shared):
    with shared.client() as c:
        c.send("HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = c.answer(head=True)
        assert (answer.status, answer.headers["content-length"]) == (200, "3")
        for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"):
            answer = c.ask(f"{method} /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (answer.status, answer.headers["allow"]) == (405, "GET, POST")
        assert c.ask(GET).status == 200


def test_post_without_length(shared):
    with shared.client() as c:
        answer = c.ask("POST /echo HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (answer.status, answer.code) == (411, "length_required")


def test_a_ceiling_of_the_handlers_own(shared):
    with shared.client() as c:
        assert c.ask(post(b"0123456789", "/small")).status == 200
        assert c.ask(post(b"0123456789a", "/small")).status == 413
        assert c.closed()


def test_body_of_a_get_is_read_and_dropped(shared):
    with shared.client() as c:
        c.send(b"GET /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello" + GET)
        assert c.answer().body == b"slow\n"
        assert c.answer().body == b"ok\n"


# --- Expect ---

EXPECT = "POST {} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n"


def test_continue_is_said_when_the_body_is_wanted(shared):
    with shared.client() as c:
        assert c.ask(EXPECT.format("/echo", 5)).status == 100
        assert c.ask(b"hello").body == checksum(b"hello")
        assert c.ask(EXPECT.format("/echo", 0)).status == 200  # nothing to go on with
        assert c.ask(EXPECT.format("/echo", 5) + "hello").status in (100, 200)


@pytest.mark.parametrize("path, length, status", [("/early", 5, 401), ("/small", 11, 413),
                                                  ("/echo", 1 << 21, 413)])
def test_refused_before_the_body_is_sent(shared, path, length, status):
    with shared.client() as c:
        assert c.ask(EXPECT.format(path, length)).status == status
        assert c.closed()


def test_expectation_of_a_handler_that_does_not_read(shared):
    with shared.client() as c:
        c.send("GET /slow HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        answer = c.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")


# --- lingering ---

def test_the_answer_reaches_a_client_that_goes_on_sending(shared):
    """A close with unread bytes would reset the connection, and the 401 be lost."""
    with shared.client() as c:
        c.send(b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n")
        for _ in range(20):
            c.send(b"x" * 10000)
        assert c.answer().status == 401
        assert c.closed()


def test_the_answer_reaches_a_client_that_first_sends_a_body_that_is_too_large(shared):
    """As most clients do: 12 MiB are more than the buffers between the two hold."""
    body = b"x" * (12 << 20)
    for _ in range(3):
        with shared.client() as c:
            c.send(b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body))
            c.sock.sendall(body)
            assert c.answer().status == 401
            assert c.closed()


def test_a_refused_upload_is_not_drained_for_ever(shared):
    before = shared.connections()
    with shared.client() as c:
        c.send(b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        assert c.answer().status == 401
        sent, start = 0, time.monotonic()
        with pytest.raises((BrokenPipeError, ConnectionResetError, TimeoutError)):
            while time.monotonic() - start < 5:
                sent += c.sock.send(b"x" * 65536)
        assert time.monotonic() - start < 3
        assert sent < 16 << 20  # what socket buffers hold
    until(lambda: shared.connections() <= before, what="the connection to be freed")


@pytest.mark.parametrize("spelling", ["Chunked", "CHUNKED", "chunKED"])
def test_codings_are_case_insensitive(shared, spelling):
    with shared.client() as c:
        answer = c.ask(chunked(b"hello", b"world").replace(b"chunked", spelling.encode()))
        assert (answer.status, answer.body) == (200, checksum(b"helloworld"))
        assert c.ask(GET).status == 200, "the end of the body was found"
