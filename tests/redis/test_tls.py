"""Connections to Redis over TLS: each way in which the server can be the wrong one, and what its user sees of it."""

import os
import signal
import socket
import subprocess
import threading
import time

import pytest
import redis

from harness import certs
from harness.programs import Dispatcher, Receiver
from harness.redis_server import RedisServer, free_port
from harness.wait import wait_for


class TlsServer(RedisServer):
    """A redis-server that has one more port, `tls_port`, for TLS with the pair PAIR."""

    def __init__(self, directory, authority, pair, extra=()):
        super().__init__(directory)
        self.tls_port = free_port()
        self.extra = ["--tls-port", str(self.tls_port), "--tls-cert-file", str(pair[0]), "--tls-key-file", str(pair[1]),
                      "--tls-ca-cert-file", str(authority.ca), "--tls-auth-clients", "no", *extra]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return certs.Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def serve(tmp_path, authority):
    made = []

    def make(pair, *extra):
        made.append(TlsServer(tmp_path / f"redis{len(made)}", authority, pair, extra).start())
        return made[-1]

    yield make
    for server in made:
        server.stop()


def configuration(port, authority, host="127.0.0.1", **tls):
    return {"redis": {"url": f"rediss://{host}:{port}/0", "tls": {"ca_file": str(authority.ca), **tls}},
            "receiver": {"listen": "127.0.0.1:0"}, "admin": {"listen": "127.0.0.1:0"}, "dispatcher": {"listen": "127.0.0.1:0"},
            "sources": {"in": {"verify": {"scheme": "none"}, "to": ["out"], "id": ["/id"]}},
            "destinations": {"out": {"postback_url": "http://127.0.0.1:9/x"}}}


@pytest.fixture
def programs():
    made = []

    def start(kind, conf, directory, ready=True):
        made.append(kind(conf, directory, name=f"{kind.part}-{len(made)}").start(ready=ready))
        return made[-1]

    yield start
    for program in made:
        program.close()


def unready(program, listener):
    """What /readyz says, or None if it is ready."""
    answer = program.get("/readyz", listener)
    return None if answer.status == 200 else answer.json()["message"]


def test_events_and_deliveries_over_tls(authority, serve, programs, tmp_path):
    server = serve(authority.good())
    conf = configuration(server.tls_port, authority)
    receiver = programs(Receiver, conf, tmp_path)
    programs(Dispatcher, conf, tmp_path)
    assert receiver.post("/in/in", {"id": "a"}).status == 200
    assert server.keys().has_event("a")
    assert receiver.post("/in/in", {"id": "b", "x": "y" * 9_000_000}).status == 200, "many records, and many writes"
    wait_for(lambda: server.keys().attempts("b:out"), 10, "an attempt that the dispatcher records over TLS")
    clients = [c for c in server.client().client_list() if "U" not in c["flags"]]
    assert len(clients) >= 5 and all(c["laddr"].endswith(f":{server.tls_port}") for c in clients)


def test_a_name_is_checked_and_sent(authority, serve, programs, tmp_path):
    server = serve(authority.good(names=("DNS:localhost",)))
    receiver = programs(Receiver, configuration(server.tls_port, authority, host="localhost"), tmp_path)
    assert unready(receiver, "admin") is None


@pytest.mark.parametrize("kind, word", [
    ("wrong_host", "tls_host"), ("expired", "tls_expired"), ("not_yet", "tls_not_yet_valid"), ("self_signed", "tls_untrusted")])
def test_a_wrong_certificate(kind, word, authority, serve, programs, tmp_path):
    server = serve(getattr(authority, kind)())
    conf = configuration(server.tls_port, authority)
    for program, listener in ((Receiver, "admin"), (Dispatcher, "dispatcher")):
        running = programs(program, conf, tmp_path, ready=False)
        line = running.wait_log("redis.unavailable", 10)
        assert line["reason"].startswith(word + ": "), line
        wait_for(lambda r=running, l=listener: (unready(r, l) or "").startswith(word + ": "), 5, lambda r=running, l=listener: unready(r, l))


def test_an_authority_that_is_not_trusted(authority, serve, programs, tmp_path):
    server = serve(authority.good())
    other = certs.Authority(tmp_path / "other")
    receiver = programs(Receiver, configuration(server.tls_port, other), tmp_path, ready=False)
    assert receiver.wait_log("redis.unavailable", 10)["reason"].startswith("tls_untrusted: ")
    conf = configuration(server.tls_port, other)
    conf["redis"]["tls"] = {"verify": False}
    receiver = programs(Receiver, conf, tmp_path)
    assert unready(receiver, "admin") is None


def test_a_client_certificate(authority, serve, programs, tmp_path):
    server = serve(authority.good(), "--tls-auth-clients", "yes")
    receiver = programs(Receiver, configuration(server.tls_port, authority), tmp_path, ready=False)
    assert receiver.wait_log("redis.unavailable", 10)["reason"].startswith("tls_client_cert: ")
    wait_for(lambda: unready(receiver, "admin").startswith("tls_client_cert: "), 5, "the word on /readyz")
    stranger = certs.Authority(tmp_path / "other").client()
    receiver = programs(Receiver, configuration(server.tls_port, authority, cert=str(stranger[0]), key=str(stranger[1])), tmp_path, ready=False)
    assert receiver.wait_log("redis.unavailable", 10)["reason"].startswith("tls_client_cert: ")
    cert, key = authority.client()
    receiver = programs(Receiver, configuration(server.tls_port, authority, cert=str(cert), key=str(key)), tmp_path)
    assert receiver.post("/in/in", {"id": "a"}).status == 200


def test_a_port_without_tls_and_a_port_with_it(authority, serve, programs, tmp_path):
    server = serve(authority.good())
    receiver = programs(Receiver, configuration(server.port, authority), tmp_path, ready=False)
    assert receiver.wait_log("redis.unavailable", 10)["reason"].startswith("tls: ")
    conf = configuration(server.tls_port, authority)
    conf["redis"] = {"url": f"redis://127.0.0.1:{server.tls_port}"}
    receiver = programs(Receiver, conf, tmp_path, ready=False)
    assert "does it want TLS (rediss://)?" in receiver.wait_log("redis.unavailable", 10)["reason"]
    with socket.create_server(("127.0.0.1", 0)) as mute:
        receiver = programs(Receiver, configuration(mute.getsockname()[1], authority), tmp_path, ready=False)
        assert "does not answer the handshake in time" in receiver.wait_log("redis.unavailable", 10)["reason"]


def test_old_versions_of_tls_are_refused(authority, serve, programs, tmp_path):
    server = serve(authority.good(), "--tls-protocols", "TLSv1.1", "--tls-ciphers", "ALL@SECLEVEL=0")
    receiver = programs(Receiver, configuration(server.tls_port, authority), tmp_path, ready=False)
    assert receiver.wait_log("redis.unavailable", 10)["reason"].startswith(("tls_version: ", "tls: "))
    server = serve(authority.good(), "--tls-protocols", "TLSv1.2")
    receiver = programs(Receiver, configuration(server.tls_port, authority), tmp_path)
    assert receiver.post("/in/in", {"id": "a", "x": "y" * 3_000_000}).status == 200


def test_a_reload_takes_new_files_without_an_error(authority, serve, programs, tmp_path):
    """Under load: no request sees that the connections are made anew with another client certificate."""
    server = serve(authority.good(), "--tls-auth-clients", "yes")
    pair = [tmp_path / "client.pem", tmp_path / "client.key"]
    for source, target in zip(authority.client("first"), pair):
        target.write_bytes(source.read_bytes())
    conf = configuration(server.tls_port, authority, cert=str(pair[0]), key=str(pair[1]))
    receiver = programs(Receiver, conf, tmp_path)
    dispatcher = programs(Dispatcher, conf, tmp_path)
    admin = server.client()

    def connections():
        return {c["id"] for c in admin.client_list() if "U" not in c["flags"]}

    before, stop, statuses = connections(), threading.Event(), []

    def send(sender):
        n = 0
        while not stop.is_set():
            n += 1
            statuses.append(receiver.post("/in/in", {"id": f"{sender}-{n}", "x": "y" * 2000}).status)

    senders = [threading.Thread(target=send, args=(n,)) for n in range(4)]
    for sender in senders:
        sender.start()
    try:
        receiver.reload(conf)
        assert receiver.wait_log("config.reloaded", 5)["unchanged"] is True
        for source, target in zip(authority.client("second"), pair):
            target.write_bytes(source.read_bytes())
        receiver.reload(conf)
        dispatcher.reload(conf)
        wait_for(lambda: not before & connections(), 20, lambda: [c for c in admin.client_list() if c["id"] in before])
        receiver.wait_log("redis.renewed", 10)
    finally:
        stop.set()
        for sender in senders:
            sender.join()
    assert set(statuses) == {200} and len(statuses) > 50
    assert unready(receiver, "admin") is None and unready(dispatcher, "dispatcher") is None


def test_files_that_are_wrong_leave_the_old_ones_in_force(authority, serve, programs, tmp_path):
    server = serve(authority.good())
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.ca.read_bytes())
    conf = configuration(server.tls_port, authority, ca_file=str(ca))
    receiver = programs(Receiver, conf, tmp_path)
    ca.write_text("no certificate")
    receiver.reload(conf, accepted=False)
    assert "redis.tls.ca_file: no certificate in" in receiver.wait_log("config.problem", 5)["problem"]
    assert receiver.post("/in/in", {"id": "a"}).status == 200


def test_killed_in_the_middle_of_a_large_record(authority, serve, programs, tmp_path):
    """Redis is stopped while 9 MB are on their way, and killed: 503, and afterwards all goes on."""
    server = serve(authority.good())
    conf = configuration(server.tls_port, authority)
    conf["redis"]["timeout_ms"] = 10000  # 9 MB take a while on a machine with much to do
    receiver = programs(Receiver, conf, tmp_path)
    for n in range(3):
        server.pause()
        answers = []
        sender = threading.Thread(target=lambda n=n: answers.append(receiver.post("/in/in", {"id": f"k{n}", "x": "y" * 9_000_000}).status))
        sender.start()
        time.sleep(0.2)  # the bytes fill the socket; whenever the kill comes, the outcome must be the same
        server.kill9()
        sender.join()
        assert answers == [503]
        server.start()
        wait_for(lambda: unready(receiver, "admin") is None, 10, "ready again")
        assert receiver.post("/in/in", {"id": f"k{n}", "x": "y" * 9_000_000}).status == 200
