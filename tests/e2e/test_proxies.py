"""Where the client's address comes from: the connection, trusted proxies' headers, or a PROXY header.

Each of 127.0.0.0/8 is ours to connect from. The proxies here are 127.0.0.2 and 127.0.0.3.
"""

import re
import shutil
import socket
import ssl
import struct
import subprocess
import time

import pytest

from harness import config, http
from harness.certs import Authority, trusting
from harness.wait import wait_for

PROXY, OUTSIDE = "127.0.0.2", "127.0.0.9"
V2 = b"\r\n\r\n\0\r\nQUIT\n"
GET = b"GET /in/narrow?id=x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n"


def start(stack, **receiver):
    conf = config.base(stack.redis.url, receiver=receiver, accounts={"acme": {"password": "password-of-acme"}})
    conf["sources"]["narrow"] = {"verify": {"scheme": "none", "allow": ["203.0.113.0/24", "2001:db8::/32"]}, "to": []}
    return stack.receiver(conf)


def talk(address, *pieces, source="127.0.0.1", tls=None, pause=0.0):
    """All that comes back; PIECES before the first None go out before TLS begins."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), 10, source_address=(source, 0)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            if piece is None:
                sock = tls.wrap_socket(sock)
                continue
            sock.sendall(piece)
            time.sleep(pause)
        got = b""
        try:
            while data := sock.recv(65536):
                got += data
        except ConnectionResetError:
            pass
        return got


def status(got):
    return int(got.split(b" ")[1]) if got else None


def ask(receiver, *headers, source=PROXY):
    lines = b"".join(h.encode() + b"\r\n" for h in headers)
    return status(talk(receiver.ingest, GET % lines, source=source))


def v2(client, port=4711, command=0x21, tlvs=b""):
    family = socket.AF_INET6 if ":" in client else socket.AF_INET
    body = socket.inet_pton(family, client) + socket.inet_pton(family, client) + struct.pack("!HH", port, 443) + tlvs
    return V2 + struct.pack("!BBH", command, 0x21 if ":" in client else 0x11, len(body)) + body


# --- headers of trusted proxies ---

def test_the_last_untrusted_address_counts(stack):
    receiver = start(stack, trusted_proxies=["127.0.0.2", "127.0.0.3/32"])
    assert ask(receiver) == 403
    assert ask(receiver, "X-Forwarded-For: 203.0.113.7") == 200
    assert ask(receiver, "X-Forwarded-For: 198.51.100.1, 203.0.113.7", "X-Forwarded-For: 127.0.0.3") == 200
    assert ask(receiver, "X-Forwarded-For: 203.0.113.7, 198.51.100.1") == 403, "the client's own words"
    assert ask(receiver, 'Forwarded: for="[2001:db8::1]:443";proto=https') == 200
    assert ask(receiver, "Forwarded: for=203.0.113.7;by=_x, for=127.0.0.3") == 200
    assert ask(receiver, "X-Forwarded-For: 203.0.113.7, unknown") == 403


def test_the_log_names_the_client(stack):
    receiver = start(stack, trusted_proxies=["127.0.0.2"])
    assert ask(receiver, "X-Forwarded-For: 203.0.113.7, unknown") == 403
    assert receiver.wait_log("event.refused", code="address_not_allowed")["peer"] == PROXY
    assert ask(receiver, "X-Forwarded-For: 198.51.100.1") == 403
    receiver.wait_log("event.refused", peer="198.51.100.1")
    talk(receiver.ingest, b"GET / HTTP/1.1\r\nX-Forwarded-For: 198.51.100.2\r\n\r\n", source=PROXY)
    assert receiver.wait_log("request.refused")["peer"] == PROXY, "a head that is refused names nobody"


def test_others_cannot_name_an_address(stack):
    receiver = start(stack, trusted_proxies=["127.0.0.2"])
    for header in ("X-Forwarded-For: 203.0.113.7", "Forwarded: for=203.0.113.7"):
        assert ask(receiver, header, source=OUTSIDE) == 403
    receiver = start(stack)
    assert ask(receiver, "X-Forwarded-For: 203.0.113.7") == 403, "nobody is trusted without a list"


def test_two_headers_that_disagree_are_refused(stack):
    receiver = start(stack, trusted_proxies=["127.0.0.2"])
    assert ask(receiver, "X-Forwarded-For: 203.0.113.7", "Forwarded: for=203.0.113.7") == 200
    assert ask(receiver, "X-Forwarded-For: 198.51.100.1", "Forwarded: for=203.0.113.7") == 400
    assert ask(receiver, "X-Forwarded-For: 203.0.113.7", "Forwarded: for=198.51.100.1", source=OUTSIDE) == 403


def test_the_list_changes_by_reload(stack):
    receiver = start(stack)
    conf = receiver.config
    assert ask(receiver, "X-Forwarded-For: 203.0.113.7") == 403
    conf["receiver"]["trusted_proxies"] = ["127.0.0.2"]
    receiver.reload(conf)
    assert ask(receiver, "X-Forwarded-For: 203.0.113.7") == 200
    conf["receiver"]["trusted_proxies"] = []
    receiver.reload(conf)
    assert ask(receiver, "X-Forwarded-For: 203.0.113.7") == 403


def test_wrong_logins_count_for_the_client_behind_the_proxy(stack):
    receiver = start(stack, trusted_proxies=["127.0.0.2"])

    def log_in(client, password):
        lines = f"X-Forwarded-For: {client}\r\nAuthorization: Basic {password}\r\nConnection: close\r\n"
        got = talk(receiver.admin, f"GET /v3/appendix/user_data HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode(), source=PROXY)
        return int(re.search(rb'"status_code":(\d+)', got)[1])

    good, bad = "YWNtZTpwYXNzd29yZC1vZi1hY21l", "YWNtZTpu"  # acme:password-of-acme, acme:n
    for _ in range(31):
        log_in("198.51.100.1", bad)
    assert log_in("198.51.100.1", good) == 40202
    assert log_in("198.51.100.2", good) == 20000


# --- the PROXY header ---

HEADERS = {
    "version 1": b"PROXY TCP4 203.0.113.7 198.51.100.2 4711 443\r\n",
    "version 1 of IPv6": b"PROXY TCP6 2001:db8::7 2001:db8::8 4711 443\r\n",
    "version 2": v2("203.0.113.7"),
    "version 2 of IPv6": v2("2001:db8::7"),
    "version 2 with TLVs": v2("203.0.113.7", tlvs=b"\x04\x03\x00" + bytes(768)),
}


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("trusted", [[], ["127.0.0.2"]], ids=["all", "listed"])
def test_the_client_is_the_one_of_the_header(stack, name, trusted):
    receiver = start(stack, proxy_protocol=True, trusted_proxies=trusted)
    header = HEADERS[name]
    assert status(talk(receiver.ingest, header + GET % b"", source=PROXY)) == 200
    assert status(talk(receiver.ingest, header, GET % b"", source=PROXY, pause=0.05)) == 200
    cut = [header[i:i + 1] for i in range(len(header) - 8, len(header))]
    assert status(talk(receiver.ingest, header[:9], header[9:-8], *cut, (GET % b"")[:20], (GET % b"")[20:],
                       source=PROXY, pause=0.01)) == 200


def test_a_header_without_an_address_leaves_the_connections_own(stack):
    receiver = start(stack, proxy_protocol=True)
    for header in (b"PROXY UNKNOWN\r\n", v2("203.0.113.7", command=0x20), V2 + b"\x20\0\0\0", V2 + b"\x21\0\0\0"):
        assert status(talk(receiver.ingest, header + GET % b"", source=PROXY)) == 403
        assert receiver.wait_log("event.refused")["peer"] == PROXY
        assert status(talk(receiver.ingest, header + b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")) == 200


BAD = {"none": b"", "http": GET % b"X-Forwarded-For: 203.0.113.7\r\n", "wrong": b"PROXY TCP4 203.0.113.7\r\n" + GET % b"",
       "bare lf": b"PROXY TCP4 203.0.113.7 198.51.100.2 1 2\n", "tls": b"\x16\x03\x01\x02\0\x01", "half": HEADERS["version 1"][:20],
       "too long": V2 + b"\x21\x11\xff\xff", "version 3": v2("203.0.113.7", command=0x31)}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_header_closes_the_connection(stack, name):
    receiver = start(stack, proxy_protocol=True, header_timeout_ms=300)
    assert talk(receiver.ingest, BAD[name], source=PROXY) == b""
    assert receiver.wait_log("proxy.refused")["peer"] == PROXY
    assert talk(receiver.ingest, HEADERS["version 1"] + GET % b"", source=PROXY).startswith(b"HTTP/1.1 200"), "the next one"


def test_who_is_not_listed_cannot_send_a_header(stack):
    receiver = start(stack, proxy_protocol=True, trusted_proxies=["127.0.0.2"])
    for header in HEADERS.values():
        assert status(talk(receiver.ingest, header + GET % b"", source=OUTSIDE)) in (400, 405)
    assert status(talk(receiver.ingest, GET % b"", source=OUTSIDE)) == 403
    assert receiver.wait_log("event.refused")["peer"] == OUTSIDE


def test_the_header_stands_before_tls(stack, tmp_path):
    cert, key = Authority(tmp_path / "ca").good()
    receiver = start(stack, proxy_protocol=True, tls={"cert": str(cert), "key": str(key)})
    for header in HEADERS.values():
        assert status(talk(receiver.ingest, header, None, GET % b"", tls=trusting())) == 200
    with pytest.raises((ssl.SSLError, OSError)):
        talk(receiver.ingest, None, HEADERS["version 1"] + GET % b"", tls=trusting())


def test_forwarded_headers_count_behind_the_header(stack):
    receiver = start(stack, proxy_protocol=True, trusted_proxies=["127.0.0.2", "10.0.0.0/8"])
    behind = b"PROXY TCP4 10.1.2.3 198.51.100.2 4711 443\r\n"
    assert status(talk(receiver.ingest, behind + GET % b"X-Forwarded-For: 203.0.113.7\r\n", source=PROXY)) == 200
    direct = b"PROXY TCP4 198.51.100.9 198.51.100.2 4711 443\r\n"
    assert status(talk(receiver.ingest, direct + GET % b"X-Forwarded-For: 203.0.113.7\r\n", source=PROXY)) == 403


def test_the_other_listeners_take_no_header(stack):
    receiver = start(stack, proxy_protocol=True)
    assert http.get(receiver.admin, "/healthz").status == 200


def test_connections_are_shared_out_by_the_headers_address(stack):
    """One client behind the proxy holds all connections; the next client gets one of them."""
    receiver = start(stack, proxy_protocol=True, max_connections=8)
    host, port = receiver.ingest.rsplit(":", 1)
    held = []
    for _ in range(8):
        sock = socket.create_connection((host, int(port)), 10)
        sock.sendall(b"PROXY TCP4 198.51.100.1 198.51.100.2 1 2\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in sock.recv(4096)
        held.append(sock)
    assert status(talk(receiver.ingest, HEADERS["version 1"] + GET % b"")) == 200
    assert receiver.wait_log("connection.displaced")["peer"] == "198.51.100.1"
    for sock in held:
        sock.close()


def test_silent_connections_do_not_keep_proxies_out(stack):
    receiver = start(stack, proxy_protocol=True)
    host, port = receiver.ingest.rsplit(":", 1)
    held = [socket.create_connection((host, int(port)), 10) for _ in range(1000)]
    for _ in range(50):
        held.append(socket.create_connection((host, int(port)), 10))
        assert status(talk(receiver.ingest, HEADERS["version 1"] + GET % b"")) == 200
    for sock in held:
        sock.close()


def test_a_stop_does_not_wait_for_silent_connections(stack):
    receiver = start(stack, proxy_protocol=True)
    host, port = receiver.ingest.rsplit(":", 1)
    with socket.create_connection((host, int(port)), 10):
        receiver.term()
        assert receiver.wait(10) == 0


def test_a_listener_that_believes_everybody_is_warned_of(stack):
    receiver = start(stack, proxy_protocol=True)
    assert any("trusted_proxies" in line["warning"] for line in receiver.logged("config.warning"))
    receiver = start(stack, proxy_protocol=True, trusted_proxies=["127.0.0.2"])
    assert not any("trusted_proxies" in line["warning"] for line in receiver.logged("config.warning"))


# --- a real proxy ---

HAPROXY = """
global
    log stderr format raw local0 err
defaults
    timeout connect 5s
    timeout client 5s
    timeout server 5s
    mode {mode}
frontend in
    bind 127.0.0.1:{port}
    {front}
    default_backend out
backend out
    server s {to} source 127.0.0.2 {options}
"""


@pytest.fixture
def haproxy(tmp_path):
    made = []

    def begin(to, mode="tcp", front="", options=""):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        path = tmp_path / f"haproxy{len(made)}.cfg"
        path.write_text(HAPROXY.format(mode=mode, port=port, to=to, front=front, options=options))
        made.append(subprocess.Popen([shutil.which("haproxy") or "/usr/sbin/haproxy", "-f", str(path), "-db"]))
        address = f"127.0.0.1:{port}"

        def listens():
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", port)) == 0
        wait_for(listens, 10, "haproxy")
        return address

    yield begin
    for process in made:
        process.terminate()
        process.wait()


@pytest.mark.parametrize("options", ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options unique-id,crc32c",
                                     "send-proxy check inter 50ms"])
def test_haproxy_sends_the_header(stack, haproxy, options):
    receiver = start(stack, proxy_protocol=True, trusted_proxies=["127.0.0.2"])
    address = haproxy(receiver.ingest, options=options)
    assert status(talk(address, GET % b"", source=OUTSIDE)) == 403
    assert receiver.wait_log("event.refused")["peer"] == OUTSIDE


def test_haproxy_sends_the_headers(stack, haproxy):
    receiver = start(stack, trusted_proxies=["127.0.0.2"])
    address = haproxy(receiver.ingest, mode="http", front="option forwardfor")
    assert status(talk(address, GET % b"X-Forwarded-For: 203.0.113.7\r\n", source=OUTSIDE)) == 403
    assert receiver.wait_log("event.refused")["peer"] == OUTSIDE
