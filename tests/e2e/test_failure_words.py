"""Each word for a failed attempt, from a server that fails so; what libcurl says about it; and what an account may see."""

import base64
import json
import re
import socket
import ssl
import threading

import pytest

from harness import config, http, paths
from harness.certs import Authority
from harness.downstream import Answer
from harness.namespace import Namespace, NameServer
from harness.redis_server import free_port
from harness.wait import wait_for

ONCE = {"schedule_s": [], "jitter": 0}
PASSWORD = "acme-password"
ADMIN = "admin-password"


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "ca")


class Rig:
    def __init__(self, stack, url, top=None, redis=None, **settings):
        self.stack = stack
        self.conf = config.base(redis or stack.redis.url, **(top or {}))
        self.conf["sources"]["in"] = config.source("out")
        self.conf["destinations"]["out"] = config.destination(url, **{"retry": ONCE, **settings})
        self.conf["accounts"] = {"admin": {"password": ADMIN, "role": "admin"}}

    def start(self, **program):
        self.dispatcher = self.stack.dispatcher(self.conf, **program)
        self.receiver = self.stack.receiver(self.conf)
        return self

    def end(self, ident="a"):
        """(state, word, detail of the attempt) of the webhook IDENT, which is sent now."""
        self.receiver.send(ident)
        found = wait_for(lambda: self.ended(ident), 15, lambda: str(self.stack.keys.delivery(f"{ident}:out")))
        attempts = self.stack.keys.attempts(f"{ident}:out")
        return found["state"], found.get("last_error", ""), attempts[0].get("detail", "") if attempts else ""

    def ended(self, ident):
        found = self.stack.keys.delivery(f"{ident}:out")
        return found if found.get("state") in ("done", "dead") else None


def errors(receiver, login, password):
    auth = base64.b64encode(f"{login}:{password}".encode()).decode()
    answer = http.post(receiver.admin, "/v3/serp/errors", b"[{}]", {"Authorization": f"Basic {auth}"})
    return answer.json()["tasks"][0]["result"] or []


# -- TLS -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind, word, text", [
    ("good", "", ""),
    ("expired", "tls_expired", "certificate has expired"),
    ("not_yet", "tls_not_yet_valid", "certificate is not yet valid"),
    ("wrong_host", "tls_host", "does not match|no alternative certificate subject name matches"),
    ("self_signed", "tls_untrusted", "self.signed certificate"),
    ("stranger", "tls_untrusted", "unable to get local issuer certificate"),
])
def test_certificates(stack, tmp_path, authority, kind, word, text):
    made = Authority(tmp_path / "other", "Other CA").good() if kind == "stranger" else getattr(authority, kind)()
    sink = stack.downstream(**dict(zip(("cert", "key"), made)))
    rig = Rig(stack, sink.url(host="localhost"), ca_file=str(authority.ca)).start()
    state, error, detail = rig.end()
    assert (state, error) == ("dead" if word else "done", word)
    assert re.search(text, detail) if word else not detail, detail
    assert len(sink.all()) == (not word)
    if not word:
        return
    assert rig.dispatcher.wait_log("delivery.dead")["detail"] == detail
    (listed,) = errors(rig.receiver, "admin", ADMIN)
    assert (listed["error_message"], listed["error_detail"]) == (word, detail)


def speaking(cert, key, **wanted):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    for name, value in wanted.items():
        setattr(context, name, value)
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
@pytest.mark.parametrize("shown", ["none", "strange", "good"])
def test_client_certificates(stack, tmp_path, authority, version, shown):
    context = speaking(*authority.good(), maximum_version=version, minimum_version=version, verify_mode=ssl.CERT_REQUIRED)
    context.load_verify_locations(authority.ca)
    sink = stack.downstream(context=context)
    pair = {"none": None, "strange": Authority(tmp_path / "other", "Other CA").client(), "good": authority.client()}
    cert, key = pair[shown] or (None, None)
    rig = Rig(stack, sink.url(host="localhost"), ca_file=str(authority.ca), client_cert=cert and str(cert), client_key=key and str(key)).start()
    state, error, detail = rig.end()
    assert (state, error) == (("done", "") if shown == "good" else ("dead", "tls_client_cert"))
    assert len(sink.all()) == (shown == "good")
    if shown != "good":
        assert "alert" in detail


@pytest.mark.parametrize("closes", [False, True], ids=["kept connections", "resumed sessions"])
def test_a_connection_is_not_used_with_another_identity(stack, authority, closes):
    """Three destinations on one host and port: two identities and none. A reload brings new files."""
    context = speaking(*authority.good(), verify_mode=ssl.CERT_OPTIONAL)
    context.load_verify_locations(authority.ca)
    sink = stack.downstream(context=context)
    sink.default = Answer(close=closes)
    people = {name: authority.client(name) for name in ("one", "two")}
    conf = config.base(stack.redis.url)
    for name in ("one", "two", "nobody"):
        conf["sources"][name] = config.source(name)
        conf["destinations"][name] = config.destination(sink.url(host="localhost"), retry=ONCE, ca_file=str(authority.ca))
        if name in people:
            conf["destinations"][name].update(client_cert=str(people[name][0]), client_key=str(people[name][1]))
    dispatcher, receiver = stack.dispatcher(conf), stack.receiver(conf)
    for n in range(3):
        for name in ("one", "two", "nobody"):
            receiver.send(f"{name}{n}", path=f"/in/{name}")
            sink.wait_events([f"{name}{n}"])
    by = {name: {r.peer_name for r in sink.all() if r.event.startswith(name)} for name in ("one", "two", "nobody")}
    assert by == {"one": {"one"}, "two": {"two"}, "nobody": {None}}
    people["one"][0].write_bytes(people["two"][0].read_bytes())
    people["one"][1].write_bytes(people["two"][1].read_bytes())
    dispatcher.reload(conf)
    receiver.send("later", path="/in/one")
    assert sink.wait_events(["later"]) and [r.peer_name for r in sink.all() if r.event == "later"] == ["two"]


def test_a_pair_that_no_longer_fits_leaves_the_old_configuration_in_force(stack, authority):
    context = speaking(*authority.good(), verify_mode=ssl.CERT_REQUIRED)
    context.load_verify_locations(authority.ca)
    sink = stack.downstream(context=context)
    cert, key = authority.client()
    rig = Rig(stack, sink.url(host="localhost"), ca_file=str(authority.ca), client_cert=str(cert), client_key=str(key)).start()
    key.write_bytes(authority.client("another")[1].read_bytes())
    rig.dispatcher.reload(rig.conf, accepted=False)
    assert rig.end()[:2] == ("done", "")


@pytest.mark.parametrize("listed, word", [("nothing", ""), ("it", "tls_revoked"), ("over", "tls_crl"), ("of a stranger", "tls_crl")])
def test_revocation(stack, tmp_path, authority, listed, word):
    cert, key = authority.good()
    sink = stack.downstream(cert=cert, key=key)
    made = {"nothing": lambda: authority.revoke(), "it": lambda: authority.revoke(cert), "over": lambda: authority.revoke(over=True),
            "of a stranger": lambda: Authority(tmp_path / "other", "Other CA").revoke()}[listed]()
    rig = Rig(stack, sink.url(host="localhost"), ca_file=str(authority.ca), crl_file=str(made)).start()
    state, error, detail = rig.end()
    assert (state, error) == ("dead" if word else "done", word)
    assert bool(detail) == bool(word) and len(sink.all()) == (not word)


def test_a_certificate_that_is_revoked_later(stack, authority):
    """The list is read again with a reload, and no connection from before is used."""
    cert, key = authority.good()
    sink = stack.downstream(cert=cert, key=key)
    rig = Rig(stack, sink.url(host="localhost"), ca_file=str(authority.ca), crl_file=str(authority.revoke())).start()
    assert rig.end("a")[:2] == ("done", "")
    authority.revoke(cert)
    rig.dispatcher.reload(rig.conf)
    assert rig.end("b")[:2] == ("dead", "tls_revoked")


def test_old_versions(stack, authority):
    with pytest.warns(DeprecationWarning):
        context = speaking(*authority.good(), minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)
    context.set_ciphers("ALL:@SECLEVEL=0")
    sink = stack.downstream(context=context)
    assert Rig(stack, sink.url(host="localhost"), ca_file=str(authority.ca)).start().end()[1] == "tls_version"


def test_what_speaks_no_tls(stack):
    with socket.create_server(("127.0.0.1", 0)) as server:
        def answer():
            peer, _ = server.accept()
            peer.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            peer.close()
        threading.Thread(target=answer, daemon=True).start()
        assert Rig(stack, f"https://127.0.0.1:{server.getsockname()[1]}/x").start().end()[1] == "tls"


def test_words_of_a_certificate_are_bounded_and_printable(stack, tmp_path):
    """libcurl quotes the subject of a certificate, which is the server's to choose."""
    authority = Authority(tmp_path / "ca")
    cert, key = authority.wrong_host()
    sink = stack.downstream(cert=cert, key=key)
    _, _, detail = Rig(stack, sink.url(host="localhost"), ca_file=str(authority.ca)).start().end()
    assert len(detail) <= 255 and detail.isascii() and detail.isprintable()


# -- connections, names, proxies -------------------------------------------------------------------------------


def test_refused(stack):
    state, error, detail = Rig(stack, f"http://127.0.0.1:{free_port()}/x").start().end()
    assert (state, error) == ("dead", "connect_refused") and "connect" in detail


def test_unreachable_and_names(stack, tmp_path):
    """In a network without a way out, whose name server knows one name and fails for another."""
    space = Namespace(tmp_path)
    try:
        names = space.call(lambda: NameServer({"far.test": ["93.184.216.34"]}))
        names.broken.add("broken.test")
        for host, word in (("far.test", "connect_unreachable"), ("93.184.216.34", "connect_unreachable"), ("none.test", "dns_not_found"),
                           ("broken.test", "dns_failed")):
            rig = Rig(stack, f"http://{host}:8000/x", redis=stack.redis.unix_url, connect_timeout_ms=10000, timeout_ms=20000)
            rig.start(wrapper=space.wrapper)
            assert rig.end(host.replace(".", "-"))[1] == word
            rig.dispatcher.close()
            rig.receiver.close()
        names.close()
        rig = Rig(stack, "http://far.test:8000/x", redis=stack.redis.unix_url, connect_timeout_ms=10000, timeout_ms=20000)
        rig.start(wrapper=space.wrapper)
        assert rig.end("nobody-answers")[1] == "dns_failed"
    finally:
        space.close()


@pytest.mark.parametrize("answer, word", [(403, "proxy_refused"), (502, "proxy_refused"), (None, "proxy_connect"), ("name", "proxy_dns")])
def test_proxies(stack, answer, word):
    if isinstance(answer, int):
        proxy = stack.downstream()
        proxy.default = Answer(status=answer, close=True)
        url = proxy.url("")
    else:
        url = "http://no-such-proxy.invalid:3128" if answer else f"http://127.0.0.1:{free_port()}"
    egress = {"dispatcher": {"listen": "127.0.0.1:0", "egress": {"proxy": url}}}
    assert Rig(stack, "https://app.example/x", egress).start().end()[1] == word


# -- accounts --------------------------------------------------------------------------------------------------


def test_names_of_the_inside_look_like_names_that_do_not_exist(stack, tmp_path):
    """To the account. The admin sees the truth, and so does the log."""
    space = Namespace(tmp_path, ["10.66.0.1/32"])
    try:
        names = space.call(lambda: NameServer({"vault.internal": ["10.66.0.1"]}))
        conf = config.base(stack.redis.unix_url)
        conf["accounts"] = {"acme": {"password": PASSWORD, "retry": ONCE}, "admin": {"password": ADMIN, "role": "admin"}}
        receiver = stack.receiver(conf)
        dispatcher = stack.dispatcher(conf, wrapper=space.wrapper)
        auth = base64.b64encode(f"acme:{PASSWORD}".encode()).decode()
        hosts = {"inside": "vault.internal", "nowhere": "vault.elsewhere", "address": "10.66.0.1", "spelled": "0x0a.0x42.1"}
        body = json.dumps([{"id": i, "postback_url": f"http://{host}:8000/x", "result": 1} for i, host in hosts.items()]).encode()
        assert http.post(receiver.admin, "/v3/serp/task_post", body, {"Authorization": f"Basic {auth}"}).json()["tasks_error"] == 0
        wait_for(lambda: len(errors(receiver, "acme", PASSWORD)) == len(hosts), 10)
        seen = {e["id"]: e for e in errors(receiver, "acme", PASSWORD)}
        told = {i: (e["error_message"], e.get("error_detail"), e["error_code"], e["http_code"], e["http_response"]) for i, e in seen.items()}
        assert told["inside"] == told["nowhere"] == ("dns_not_found", None, 50000, 0, "")
        assert told["address"][0] == told["spelled"][0] == "blocked_address", "they name the address themselves"
        truth = {e["id"]: e["error_message"] for e in errors(receiver, "admin", ADMIN)}
        assert truth == {f"@acme/{i}": "dns_not_found" if i == "nowhere" else "blocked_address" for i in hosts}
        assert any(line["error"] == "blocked_address" for line in dispatcher.logged("delivery.dead"))
        names.close()
    finally:
        space.close()


def test_paths_of_configured_urls_are_shown_nowhere(stack):
    """Slack's and Discord's URLs are secrets by their path."""
    sink = stack.downstream()
    sink.default = Answer(status=500)
    rig = Rig(stack, sink.url("/services/T0SECRETPATH/$id?token=T0SECRETQUERY")).start()
    assert rig.end()[:2] == ("dead", "http_500")
    (listed,) = errors(rig.receiver, "admin", ADMIN)
    assert listed["http_url"] == f"http://127.0.0.1:{sink.port}"
    client = stack.redis.client(decode_responses=False)
    stored = [client.dump(key) for key in client.scan_iter()]
    assert stored
    for text in (str(stored), rig.dispatcher.log(), rig.receiver.log(), str(rig.dispatcher.metrics()), json.dumps(listed)):
        assert "T0SECRET" not in text


# -- the table -------------------------------------------------------------------------------------------------


def test_every_word_is_documented():
    source = (paths.REPOSITORY / "dispatcher/transport/transport.c").read_text()
    words = set(re.findall(r'\[END_\w+\] = "(\w+)"', source)) - {"http", "task"}
    rows = re.findall(r"^\| (`.*?) \|", (paths.REPOSITORY / "docs/reference/delivery.md").read_text().partition("## Error words")[2], re.MULTILINE)
    documented = [word for row in rows for word in re.findall(r"`([a-z_]+)`", row)]
    assert len(documented) == len(set(documented)) and words <= set(documented)
    sources = [p for part in ("common", "dispatcher") for p in (paths.REPOSITORY / part).rglob("*") if p.suffix in (".c", ".h", ".lua")]
    written = set(re.findall(r"""["']([a-z_]+)["']""", "".join(p.read_text() for p in sources)))
    assert set(documented) <= written, "a word that nothing says"
