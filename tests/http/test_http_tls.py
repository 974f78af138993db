"""TLS of the HTTP server."""

import shutil
import signal
import socket
import ssl
import subprocess
import time

import pytest
from probe import GET, Client, checksum, post, until

from harness.certs import trusting


def make_certificate(directory, name):
    cert, key = directory / f"{name}.pem", directory / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost",
                    "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


@pytest.fixture
def files(tmp_path):
    return make_certificate(tmp_path, "one")


@pytest.fixture
def probe(start, files):
    return start(cert=files[0], key=files[1], header_ms=500, idle_ms=5000)


def wrapper(low=None, high=None, alpn=None, session=None):
    context = trusting(low, high, "ALL:@SECLEVEL=0" if low and low < ssl.TLSVersion.TLSv1_2 else None)
    if alpn:
        context.set_alpn_protocols(alpn)
    return lambda sock: context.wrap_socket(sock, server_hostname="localhost", session=session)


def open_tls(probe, **kw):
    return Client(probe.port, wrap=wrapper(**kw))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_requests(probe, version):
    with open_tls(probe, low=version, high=version) as c:
        assert c.ask(GET).body == b"ok\n"
        assert c.ask(post(b"x" * 500000)).body == checksum(b"x" * 500000)
        c.send(GET * 50)
        for _ in range(50):
            assert c.answer().body == b"ok\n"
        assert len(c.ask(b"GET /big?3000000 HTTP/1.1\r\nHost: x\r\n\r\n").body) == 3000000
        assert c.ask(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").status == 200
        assert c.sock.recv(1) == b""  # with close_notify: ssl raises otherwise


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_are_refused(probe, version):
    with pytest.raises((ssl.SSLError, ConnectionResetError)) as e:
        open_tls(probe, low=version, high=version)
    assert "version" in str(e.value).lower() or "reset" in str(e.value).lower()
    assert open_tls(probe).ask(GET).status == 200


def test_alpn(probe):
    with open_tls(probe, alpn=["h2", "http/1.1"]) as c:
        assert c.sock.selected_alpn_protocol() == "http/1.1"
        assert c.ask(GET).status == 200
    with pytest.raises(ssl.SSLError):
        open_tls(probe, alpn=["h2"])


def test_renegotiation_is_refused(probe):
    assert shutil.which("openssl")
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{probe.port}", "-tls1_2"],
                          input=b"R\n", capture_output=True, timeout=20)
    assert b"no renegotiation" in done.stderr.lower()


def test_stalled_handshake_is_ended_without_a_word(probe):
    with Client(probe.port) as c:
        c.send(b"\x16\x03\x01")
        begun = time.monotonic()
        assert c.closed()
        assert 0.4 < time.monotonic() - begun < 2


def test_plain_http_on_the_tls_port(probe):
    with Client(probe.port) as c:
        c.send(GET)
        c.sock.settimeout(5)
        try:
            assert not c.sock.recv(1000).startswith(b"HTTP")
        except ConnectionResetError:
            pass


def test_slow_head_and_bad_request(probe):
    with open_tls(probe) as c:
        c.send(b"GET /")
        assert c.answer().status == 408
    with open_tls(probe) as c:
        c.send(b"GET / HTTP/1.1\n")
        assert c.answer().status == 400
    with open_tls(probe) as c:
        c.send(b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200000)
        assert c.answer().status == 401


def test_pauses_and_slow_answers(probe):
    with open_tls(probe) as c:
        c.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n" + GET + post(b"hello"))
        assert c.answer().body == b"slow\n"
        assert c.answer().body == b"ok\n"
        assert c.answer().body == checksum(b"hello")


def test_session_is_resumed(probe):
    with open_tls(probe, high=ssl.TLSVersion.TLSv1_2) as c:
        assert c.ask(GET).status == 200
        session, context = c.sock.session, c.sock.context

    def again(sock):
        return context.wrap_socket(sock, server_hostname="localhost", session=session)
    with Client(probe.port, wrap=again) as c:
        assert c.ask(GET).status == 200
        assert c.sock.session_reused


def test_clients_that_vanish(probe):
    for i in range(30):
        c = open_tls(probe)
        c.send([GET, b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /big?3000000 HTTP/1.1\r\nHost: x\r\n\r\n"][i % 3])
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        c.sock.close()
    until(lambda: probe.connections() <= 0, what="the connections to be freed")
    assert open_tls(probe).ask(GET).status == 200


def certificate_of(probe):
    with open_tls(probe) as c:
        return c.sock.getpeercert(binary_form=True)


def test_certificate_is_reloaded(probe, files, tmp_path):
    old = certificate_of(probe)
    with open_tls(probe) as kept:
        assert kept.ask(GET).status == 200
        files[0].write_text("not a certificate")
        probe.signal(signal.SIGHUP)
        until(lambda: probe.said("tls.failed"))
        assert certificate_of(probe) == old
        cert, key = make_certificate(tmp_path, "two")
        files[0].write_bytes(cert.read_bytes())
        probe.signal(signal.SIGHUP)
        until(lambda: len(probe.said("tls.failed")) == 2)  # the old key does not fit
        files[1].write_bytes(key.read_bytes())
        probe.signal(signal.SIGHUP)
        until(lambda: probe.said("tls.reloaded"))
        assert certificate_of(probe) != old
        assert kept.ask(GET).status == 200


def test_connections_above_the_limit_are_told(start, files):
    probe = start(cert=files[0], key=files[1], connections_max=2)
    held = [open_tls(probe) for _ in range(2)]
    assert all(c.ask(GET).status == 200 for c in held)
    with open_tls(probe) as c:
        answer = c.answer()
        assert (answer.status, answer.code) == (503, "overloaded")
        assert c.closed()
    silent = [Client(probe.port) for _ in range(80)]  # who does not shake hands is not waited for
    until(lambda: probe.connections() <= 2 + 64)
    until(lambda: probe.connections() <= 2, 5, "the refusals to end")
    assert held[0].ask(GET).status == 200
    for c in held + silent:
        c.sock.close()
    until(lambda: open_tls(probe).ask(GET).status == 200)
