"""The receiver's three listeners: who serves what, TLS on each of them, and how they stop."""

import base64
import socket
import ssl
import time

import pytest

from harness import config, http
from harness.certs import Authority, trusting
from harness.wait import wait_for

SECTION = {"ingest": "receiver", "admin": "admin", "api": "api"}
ASKED = {"ingest": "/healthz", "admin": "/healthz", "api": "/v3/appendix/user_data"}
LOGIN = {"Authorization": "Basic " + base64.b64encode(b"acme:acme-password").decode()}


def base(stack, **top):
    conf = config.base(stack.redis.url, accounts={"acme": {"password": "acme-password"}}, **top)
    conf.setdefault("api", {})["listen"] = "127.0.0.1:0"
    return conf


def ask(receiver, listener, method, path, headers=LOGIN, tls=None):
    with http.Client(receiver.address(listener), tls=tls) as client:
        return client.request(method, path, headers)


def accepts(address):
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), 5).close()
    except OSError:
        return False
    return True


def certificate_of(address):
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), 5) as sock, trusting().wrap_socket(sock, server_hostname="localhost") as tls:
        return tls.getpeercert(True)


def pem(file):
    return ssl.PEM_cert_to_DER_cert(file.read_text())


# --- who serves what ---

def test_the_api_has_a_listener_without_operators_pages(stack):
    receiver = stack.receiver(base(stack))
    assert receiver.api != receiver.admin
    assert ask(receiver, "api", "GET", "/v3/appendix/user_data").json()["tasks"][0]["result"][0]["login"] == "acme"
    for path in ("/", "/healthz", "/readyz", "/metrics", "/api/status", "/api/lanes", "/in/in", "/v3x", "/v2/appendix/user_data"):
        for method in ("GET", "HEAD", "POST"):
            assert ask(receiver, "api", method, path).status == 404, (method, path)


def test_admins_tools_keep_the_api_of_the_admin_listener(stack):
    receiver = stack.receiver(base(stack))
    assert ask(receiver, "admin", "GET", "/v3/appendix/user_data").status == 200
    assert ask(receiver, "admin", "GET", "/metrics").status == 200


def test_both_listeners_show_one_world(stack):
    receiver = stack.receiver(base(stack))
    with http.Client(receiver.api) as api:
        posted = api.request("POST", "/v3/serp/google/organic/task_post", LOGIN, b'[{"id":"t1","result":1}]').json()
    assert posted["tasks"][0]["status_code"] == 20100
    for listener in ("api", "admin"):
        got = ask(receiver, listener, "GET", "/v3/serp/google/organic/task_get/t1").json()
        assert got["tasks"][0]["result"] == [1], listener


def test_both_listeners_count_wrong_logins_together(stack):
    receiver = stack.receiver(base(stack))
    wrong = {"Authorization": "Basic " + base64.b64encode(b"acme:wrong-password").decode()}
    for n in range(40):
        assert ask(receiver, ("api", "admin")[n % 2], "GET", "/v3/tasks/count", wrong).status == 401
    for listener in ("api", "admin"):
        assert ask(receiver, listener, "GET", "/v3/tasks/count").json()["status_code"] == 40202, listener


def test_without_api_listen_there_is_no_third_listener(stack):
    conf = base(stack, api={})
    conf["api"]["listen"] = None
    receiver = stack.receiver(conf)
    assert set(receiver.addresses) == {"ingest", "admin"}


def test_the_variable_wins_over_the_file(stack):
    conf = base(stack)
    conf["api"]["listen"] = "192.0.2.1:1"  # cannot be bound
    receiver = stack.receiver(conf, env={"HOOKPACE_API_LISTEN": "127.0.0.1:0"})
    assert receiver.api.startswith("127.0.0.1:")


def test_a_crowd_on_the_api_listener_leaves_the_admin_listener_alone(stack):
    receiver = stack.receiver(base(stack))
    host, port = receiver.api.rsplit(":", 1)
    crowd = [socket.create_connection((host, int(port)), 5) for _ in range(300)]
    try:
        assert ask(receiver, "admin", "GET", "/readyz").status == 200
        assert ask(receiver, "admin", "GET", "/v3/appendix/user_data").status == 200
    finally:
        for sock in crowd:
            sock.close()


# --- TLS ---

@pytest.mark.parametrize("listener", SECTION)
def test_each_listener_speaks_tls_of_its_own(stack, tmp_path, listener):
    authority = Authority(tmp_path / "ca")
    cert, key = authority.good()
    conf = base(stack)
    conf[SECTION[listener]]["tls"] = {"cert": str(cert), "key": str(key)}
    receiver = stack.receiver(conf)
    trust = ssl.create_default_context(cafile=authority.ca)
    assert ask(receiver, listener, "GET", ASKED[listener], tls=trust).status == 200
    assert not http.raw(receiver.address(listener), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP")
    for other in SECTION.keys() - {listener}:
        assert ask(receiver, other, "GET", ASKED[other]).status == 200, "the others stay plain"


@pytest.mark.parametrize("listener", SECTION)
def test_a_reload_takes_new_files_over(stack, tmp_path, listener):
    first, second = Authority(tmp_path / "a", "A").good(), Authority(tmp_path / "b", "B").good()
    conf = base(stack)
    conf[SECTION[listener]]["tls"] = {"cert": str(first[0]), "key": str(first[1])}
    receiver = stack.receiver(conf)
    address = receiver.address(listener)
    with http.Client(address, tls=trusting()) as kept:
        assert kept.request("GET", ASKED[listener], LOGIN).status == 200
        conf[SECTION[listener]]["tls"] = {"cert": str(second[0]), "key": str(second[1])}
        receiver.reload(conf)
        assert certificate_of(address) == pem(second[0])
        assert kept.request("GET", ASKED[listener], LOGIN).status == 200
    # the same paths with other bytes, as renewing tools do it; half of a pair is refused as a whole
    second[0].write_bytes(first[0].read_bytes())
    receiver.reload(conf, accepted=False)
    assert any(line["problem"].startswith(f"{SECTION[listener]}.tls: ") for line in receiver.logged("config.problem"))
    assert certificate_of(address) != pem(first[0])
    second[1].write_bytes(first[1].read_bytes())
    receiver.reload(conf)
    assert certificate_of(address) == pem(first[0])


@pytest.mark.parametrize("listener", SECTION)
def test_switching_tls_on_needs_a_restart(stack, tmp_path, listener):
    cert, key = Authority(tmp_path / "ca").good()
    conf = base(stack)
    receiver = stack.receiver(conf)
    conf[SECTION[listener]]["tls"] = {"cert": str(cert), "key": str(key)}
    receiver.reload(conf)
    assert [line["key"] for line in receiver.logged("config.needs_restart")] == [f"{SECTION[listener]}.tls"]
    assert ask(receiver, listener, "GET", ASKED[listener]).status == 200, "still plain"


# --- stop ---

@pytest.mark.parametrize("listener", ["admin", "api"])
def test_a_stop_answers_the_calls_that_have_begun(stack, listener):
    receiver = stack.receiver(base(stack))
    with http.Client(receiver.address(listener)) as client, http.Client(receiver.admin) as probe:
        assert client.request("GET", "/v3/appendix/user_data", LOGIN).status == 200
        assert probe.request("GET", "/readyz").status == 200
        stack.redis.pause()
        client.send(http.render("GET", "/v3/tasks/count", LOGIN))
        probe.send(http.render("GET", "/healthz", {}))
        assert probe.read().status == 200, "the receiver has read the call, which was sent before"
        receiver.term()
        receiver.wait_log("stop.begun")
        if listener == "admin":  # it closes as the last one: from then on only this call holds the stop up
            wait_for(lambda: not accepts(receiver.admin), 1.5, "the operators' listener to close")
        stack.redis.resume()
        answer = client.read()
        assert (answer.status, answer.json()["tasks"][0]["status_code"]) == (200, 20000)
        assert answer.header("connection") == "close"
        assert client.reader.ended(), "the connection ends behind the answer"
    assert receiver.wait() == 0


def test_a_stop_is_seen_on_readyz_and_ends_the_api_listener_first(stack):
    receiver = stack.receiver(base(stack))
    with http.Client(receiver.ingest) as slow:
        slow.send(b"POST /in/none HTTP/1.1\r\nHost: x\r\nContent-Le")  # a request that has begun holds the stop up
        wait_for(lambda: receiver.get("/readyz").status == 200, 5, "readiness")
        receiver.term()
        receiver.wait_log("stop.begun")
        answer = receiver.get("/readyz")
        assert (answer.status, answer.json()["code"]) == (503, "draining")
        assert receiver.get("/healthz").status == 200
        with pytest.raises(OSError):
            ask(receiver, "api", "GET", "/v3/appendix/user_data")
        slow.send(b"ngth: 0\r\n\r\n")
        assert slow.read().status == 404
    assert receiver.wait() == 0


def test_new_requests_are_answered_in_the_time_of_grace(stack):
    conf = base(stack)
    conf["receiver"]["grace_ms"] = 1500
    receiver = stack.receiver(conf)
    with http.Client(receiver.ingest) as kept, http.Client(receiver.ingest) as idle:
        assert kept.request("GET", "/healthz").status == idle.request("GET", "/healthz").status == 200
        begun = time.monotonic()
        receiver.term()
        receiver.wait_log("stop.begun", grace_ms=1500)
        answer = receiver.get("/readyz")
        assert (answer.status, answer.json()["code"]) == (503, "draining")
        answers = [kept.request("GET", "/healthz")]
        while time.monotonic() < begun + 1:
            answers += [ask(receiver, listener, "GET", ASKED[listener]) for listener in SECTION]
            time.sleep(0.05)
        assert all(a.status == 200 and a.header("connection") == "close" for a in answers)
        assert not receiver.logged("drain.begun")
        receiver.wait_log("drain.begun")
        assert time.monotonic() >= begun + 1.5
        assert idle.reader.ended()
    assert receiver.wait() == 0


def test_what_has_begun_at_the_end_of_grace_is_answered(stack):
    conf = base(stack)
    conf["receiver"]["grace_ms"] = 200
    receiver = stack.receiver(conf)
    with http.Client(receiver.ingest) as slow, http.Client(receiver.admin) as call:
        slow.send(b"POST /in/none HTTP/1.1\r\nHost: x\r\nContent-Le")
        assert call.request("GET", "/healthz").status == 200
        receiver.term()
        receiver.wait_log("drain.begun")
        assert receiver.get("/healthz").status == 200, "probes see the drain"
        with pytest.raises(OSError):
            ask(receiver, "ingest", "GET", "/healthz")
        slow.send(b"ngth: 0\r\n\r\n")
        answer = slow.read()
        assert (answer.status, answer.header("connection")) == (404, "close")
    assert receiver.wait() == 0


def test_a_second_signal_ends_the_time_of_grace(stack):
    conf = base(stack)
    conf["receiver"]["grace_ms"] = 60000
    receiver = stack.receiver(conf)
    receiver.term()
    receiver.wait_log("stop.begun")
    receiver.term()
    assert receiver.wait(5) == 0
    assert receiver.logged("stop.forced")
