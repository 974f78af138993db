"""TLS on both sides: downstreams that are not who they say they are get nothing, and old versions are not spoken."""

import gzip
import socket
import ssl
import threading
import warnings

import pytest

from harness import config, http
from harness.certs import Authority, trusting
from harness.downstream import Downstream
from harness.memory import noise
from harness.wait import wait_for

MARKS = (b"THE-BODY", b"THE-TAG", b"THE-HEADER", b"webhook-signature", b"Hookpace-Delivery")


class Wiretap:
    """Passes what comes on to PORT, and keeps what the client said."""

    def __init__(self, port):
        self.target = port
        self.heard = b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            threading.Thread(target=self._pass, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, False), daemon=True).start()

    def _pass(self, source, to, keep):
        try:
            while data := source.recv(65536):
                if keep:
                    self.heard += data
                to.sendall(data)
        except OSError:
            pass
        for sock in (source, to):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.close()


def old_version(cert, key, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context.minimum_version = context.maximum_version = version
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.load_cert_chain(cert, key)
    return context


def weak_ciphers(cert, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("aNULL:eNULL:@SECLEVEL=0")
    context.load_cert_chain(cert, key)
    return context


def any_digest(cert, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.load_cert_chain(cert, key)
    return context


def wants_a_certificate(cert, key, ca):
    """Asks in the handshake, before the request: that is TLS 1.2."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(ca)
    context.load_cert_chain(cert, key)
    return context


def sink_of(kind, authority, other):
    if kind == "plain HTTP":
        return Downstream()
    if kind in ("TLS 1.0", "TLS 1.1"):
        version = ssl.TLSVersion.TLSv1 if kind == "TLS 1.0" else ssl.TLSVersion.TLSv1_1
        return Downstream(context=old_version(*authority.good(), version))
    if kind == "no authentication":
        return Downstream(context=weak_ciphers(*authority.good()))
    if kind == "SHA-1":
        return Downstream(context=any_digest(*authority.sha1()))
    if kind == "our certificate wanted":
        return Downstream(context=wants_a_certificate(*authority.good(), authority.ca))
    if kind == "another CA":
        return Downstream(*other.good())
    return Downstream(*{"expired": authority.expired, "not yet valid": authority.not_yet, "self-signed": authority.self_signed,
                        "another host": authority.wrong_host, "good": authority.good}[kind]())


WORDS = {"TLS 1.0": "tls_version", "TLS 1.1": "tls_version", "no authentication": "tls", "expired": "tls_expired",
         "not yet valid": "tls_not_yet_valid", "self-signed": "tls_untrusted", "another host": "tls_host", "another CA": "tls_untrusted",
         "SHA-1": "tls_untrusted", "our certificate wanted": "tls_client_cert",
         "plain HTTP": "connect_timeout"}  # it waits for the rest of a request line, and says nothing at all


@pytest.mark.parametrize("kind", ["good", *WORDS])
def test_who_is_not_known_learns_nothing(stack, tmp_path, kind):
    authority, other = Authority(tmp_path / "ca"), Authority(tmp_path / "other", "Other CA")
    sink = sink_of(kind, authority, other)
    stack.sinks.append(sink)
    tap = Wiretap(sink.port)
    conf = config.base(stack.redis.url)
    conf["sources"]["in"] = config.source("out")
    conf["destinations"]["out"] = config.destination(
        f"https://localhost:{tap.port}/hook?tag=$tag", ca_file=str(authority.ca), headers={"Authorization": "THE-HEADER"},
        sign={"scheme": "standard-webhooks", "secrets": ["whsec_MDEyMzQ1Njc4OWFiY2RlZg=="]}, retry={"schedule_s": [0.05], "jitter": 0})
    stack.dispatcher(conf)
    stack.receiver(conf).send("a", tag="THE-TAG", text="THE-BODY" * 100)
    wanted = "done" if kind == "good" else "dead"
    wait_for(lambda: stack.keys.delivery("a:out")["state"] == wanted, 10, lambda: str(stack.keys.delivery("a:out")))
    tap.close()
    assert len(tap.heard) > 100  # a ClientHello at least
    assert not any(mark in tap.heard for mark in MARKS)
    if kind == "good":
        assert len(sink.all()) == 1 and b"THE-BODY" in sink.all()[0].body
        return
    assert sink.all() == []
    assert stack.keys.delivery("a:out")["last_error"] == WORDS[kind]
    assert stack.keys.delivery("a:out")["attempts"] == "2"


def connect(address, context):
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), 5) as sock, context.wrap_socket(sock, server_hostname="localhost") as tls:
        return tls.version()


def test_the_receiver_speaks_no_old_tls(stack, tmp_path):
    cert, key = Authority(tmp_path / "ca").good()
    conf = config.base(stack.redis.url, receiver={"tls": {"cert": str(cert), "key": str(key)}})
    conf["sources"]["in"] = config.source([])
    receiver = stack.receiver(conf)
    versions = ssl.TLSVersion
    assert connect(receiver.ingest, trusting()) == "TLSv1.3"
    assert connect(receiver.ingest, trusting(high=versions.TLSv1_2)) == "TLSv1.2"
    for version in (versions.TLSv1, versions.TLSv1_1):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            connect(receiver.ingest, trusting(version, version, "ALL:@SECLEVEL=0"))
    for ciphers in ("aNULL:@SECLEVEL=0", "eNULL:@SECLEVEL=0", "AES128-SHA:@SECLEVEL=0", "ADH-AES256-SHA:@SECLEVEL=0"):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            connect(receiver.ingest, trusting(high=versions.TLSv1_2, ciphers=ciphers))
    assert not http.raw(receiver.ingest, b"GET /in/in?id=a HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP")
    trust = trusting()
    with http.Client(receiver.ingest, tls=trust) as good:
        assert good.post("/in/in", {"id": "a"}).status == 200


@pytest.mark.parametrize("listener", ["ingest", "admin", "api"])
def test_listeners_offer_only_suites_with_forward_secrecy(stack, tmp_path, listener):
    cert, key = Authority(tmp_path / "ca").rsa()
    section = "receiver" if listener == "ingest" else listener
    conf = config.base(stack.redis.url)
    conf[section] = {"listen": "127.0.0.1:0", "tls": {"cert": str(cert), "key": str(key)}}
    receiver = stack.receiver(conf)
    twelve = ssl.TLSVersion.TLSv1_2
    for suite in ("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305"):
        assert connect(receiver.address(listener), trusting(high=twelve, ciphers=suite)) == "TLSv1.2"
    for suite in ("AES128-SHA", "AES256-SHA256", "AES128-GCM-SHA256", "AES256-GCM-SHA384", "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA384",
                  "DHE-RSA-AES128-GCM-SHA256", "DHE-RSA-AES256-SHA", "ALL:!ECDHE", "ALL:!AESGCM:!CHACHA20"):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            connect(receiver.address(listener), trusting(high=twelve, ciphers=f"{suite}:@SECLEVEL=0"))
    assert connect(receiver.address(listener), trusting()) == "TLSv1.3"


def test_bodies_that_inflate_to_much_come_through_tls(stack, tmp_path):
    """In pieces, in chunks, several at once: reading stops and goes on while they are inflated."""
    cert, key = Authority(tmp_path / "ca").good()
    conf = config.base(stack.redis.url, receiver={"tls": {"cert": str(cert), "key": str(key)}})
    conf["sources"]["in"] = config.source([])
    receiver = stack.receiver(conf)
    block = noise(300_000)
    clients = [http.Client(receiver.ingest, tls=trusting()) for _ in range(4)]
    for n, good in enumerate(clients):
        plain = b'{"id":"big%d","items":["' % n + b'","'.join(block[k:] + block[:k] for k in range(0, 12_000, 1000)) + b'"]}'
        wire = gzip.compress(plain, 1)
        assert len(wire) > 1_000_000
        if n % 2:
            pieces = b"".join(b"%x\r\n%s\r\n" % (len(wire[k:k + 3001]), wire[k:k + 3001]) for k in range(0, len(wire), 3001))
            good.send(http.render("POST", "/in/in", {"Transfer-Encoding": "chunked"}) + pieces + b"0\r\n\r\n")
        else:
            good.send(http.render("POST", "/in/in", {}, wire) + http.render("POST", "/in/in", {}, b'{"id":"next%d"}' % n))
    for n, good in enumerate(clients):
        assert good.read().json()["echo"] == f"big{n}"
        if n % 2 == 0:
            assert good.read().json()["echo"] == f"next{n}"
        good.close()
