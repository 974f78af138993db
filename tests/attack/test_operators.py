"""The operators' API under attack: roles, pages of other sites, old logins, too many calls, and bodies that are too large or odd."""

import base64
import json
import re
import socket
import time

import pytest

from harness import config, http, paths
from harness.stack import Stack
from harness.wait import wait_for

PASSWORDS = {"root": "root-password-1", "eye": "eye-password-22", "acme": "acme-password-333"}
ROLES = {"root": "admin", "eye": "viewer", "acme": "user"}
TABLE = (paths.REPOSITORY / "receiver" / "console" / "console.c").read_text()
ROUTES = re.findall(r'\{METHOD_([A-Z]+), "(/api/[^"]*)", ([A-Z_]+)', TABLE)
PARTS = {"{lane}": "orders", "{id}": "e1:orders"}
BODIES = {"/api/lanes/{lane}/purge": {"confirm": "orders"}, "/api/resend": {"state": "queued"}, "/api/drop": {"state": "queued"},
          "/api/delay": {"delay_ms": 500}, "/api/send-test": {"source": "in"}, "/api/check": {"repair": True}}
WRITES = [(path, json.dumps(BODIES.get(path, {})).encode()) for method, path, _ in ROUTES if method == "POST"]
LOOKS = [path for method, path, roles in ROUTES if method == "GET" and roles != "EVERYBODY"]


def configuration(redis_url):
    conf = config.base(redis_url, accounts={name: {"password": PASSWORDS[name], "role": ROLES[name]} for name in ROLES})
    conf["destinations"]["orders"] = config.destination("http://127.0.0.1:1/")
    conf["sources"]["in"] = config.source(["orders"])
    return conf


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A receiver with one delivery that waits, and no dispatcher."""
    stack = Stack(tmp_path_factory.mktemp("operators"))
    try:
        stack.redis.start()
        stack.conf = configuration(stack.redis.url)
        stack.operators = stack.receiver(stack.conf)
        stack.operators.post("/in/in", {"id": "e1"})
        yield stack
        assert stack.operators.running
    finally:
        stack.close()


def login(name, password=None):
    return "Basic " + base64.b64encode(f"{name}:{password or PASSWORDS[name]}".encode()).decode()


def call(receiver, method, path, body=b"", name="root", source=None, **headers):
    pairs = {key.replace("_", "-"): value for key, value in headers.items()}
    if name:
        pairs.setdefault("Authorization", login(name))
    for part, value in PARTS.items():
        path = path.replace(part, value)
    host, port = receiver.admin.rsplit(":", 1)
    with socket.create_connection((host, int(port)), 20, source_address=source and (source, 0)) as sock:
        sock.sendall(http.render(method, path, pairs, body))
        return http.Reader(sock).response()


def everything(place):
    """All keys of Redis with their values, but for those that a program renews by itself."""
    redis, kept = place.redis.client(), {}
    for key in sorted(redis.keys()):
        if not any(part in key for part in ("programs", "beat", "tailing", "fences", "history", "stats", "answers")):
            kept[key] = redis.dump(key)
    return kept


@pytest.fixture
def nothing_changes(place):
    before = everything(place)
    assert before
    yield
    after = everything(place)
    assert {k for k in before | after if before.get(k) != after.get(k)} == set()


def check_error(answer, status, code):
    assert answer.status == status, (answer.status, answer.body)
    assert set(answer.json()) == {"error"} and answer.json()["error"]["code"] == code and " " in answer.json()["error"]["message"]


def test_the_table_was_read():
    assert len(WRITES) >= 11 and len(LOOKS) >= 16


@pytest.mark.parametrize("path, body", WRITES, ids=[w[0] for w in WRITES])
def test_only_an_admin_changes_anything(place, nothing_changes, path, body):
    for name in ("eye", "acme"):
        check_error(call(place.operators, "POST", path, body, name=name, Content_Type="application/json"), 403, "forbidden")
    check_error(call(place.operators, "POST", path, body, name=None), 401, "unauthorized")
    for method in ("PUT", "PATCH", "DELETE"):
        assert call(place.operators, method, path, body, name="eye").status == 405
    spelled = path.replace("/api/", "/%61pi/")
    for odd in (spelled, path + "/", path + "?", "/" + path, path.upper()):
        assert call(place.operators, "POST", odd, body, name="eye").status in (400, 403, 404), odd


@pytest.mark.parametrize("path", LOOKS)
def test_a_user_sees_nothing_of_operators(place, path):
    check_error(call(place.operators, "GET", path, name="acme"), 403, "forbidden")
    check_error(call(place.operators, "GET", path, name=None), 401, "unauthorized")


FOREIGN = [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://hookpace.test"}, {"Origin": "http://hookpace.test:8081.evil.example"},
           {"Origin": "https://evil.example", "Sec_Fetch_Site": "same-site"}, {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"},
           {"Referer": "http://evil.example/hookpace.test:8081/"}, {"Referer": "http://hookpace.test:8081/", "Origin": "null"}]


@pytest.mark.parametrize("path, body", WRITES, ids=[w[0] for w in WRITES])
def test_a_page_of_another_site_changes_nothing(place, nothing_changes, path, body):
    """Though the browser knows the login. A form can have three types, none of which needs a preflight."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json"):
        for headers in FOREIGN:
            answer = call(place.operators, "POST", path, body, Host="hookpace.test:8081", Content_Type=kind, **headers)
            check_error(answer, 401, "unauthorized")
            assert answer.header("WWW-Authenticate") is None, "nobody is asked for a password"


def test_no_other_site_is_let_in_by_a_preflight(place):
    answer = call(place.operators, "OPTIONS", "/api/lanes/{lane}/purge", name=None, Origin="http://evil.example",
                  Access_Control_Request_Method="POST", Access_Control_Request_Headers="authorization")
    assert answer.status == 405
    assert not [name for name, _ in answer.headers if name.lower().startswith("access-control-")]


def test_a_name_that_was_rebound_gets_no_login(place, nothing_changes):
    """A page at evil.example:8081 asks "its own" server, which is ours now. The browser has no login for that name, so nothing is answered."""
    own = {"Host": "evil.example:8081", "Origin": "http://evil.example:8081", "Sec_Fetch_Site": "same-origin"}
    for path in LOOKS:
        check_error(call(place.operators, "GET", path, name=None, **own), 401, "unauthorized")
    for path, body in WRITES:
        check_error(call(place.operators, "POST", path, body, name=None, **own), 401, "unauthorized")


def test_names_of_the_listener(stack):
    """With admin.hosts a name that was rebound gets nothing at all, not even what needs no login."""
    conf = configuration(stack.redis.url)
    conf["admin"]["hosts"] = ["Hookpace.example"]
    receiver = stack.receiver(conf)
    for path in ("/", "/metrics", "/healthz", "/assets/app.js", "/api/me", "/v3/appendix/user_data", "/none"):
        answer = call(receiver, "GET", path, Host="evil.example:8081")
        error = answer.json()
        assert answer.status == 421 and error.get("error", error)["code"] == "misdirected_request", path
    for host in ("hookpace.example", "HOOKPACE.EXAMPLE:8081", "127.0.0.1:8081", "[::1]:8081", "localhost"):
        assert call(receiver, "GET", "/api/me", Host=host).status == 200, host
    conf["admin"]["hosts"] = ["evil.example"]
    receiver.reload(conf)
    assert call(receiver, "GET", "/api/me", Host="evil.example").status == 200
    assert call(receiver, "GET", "/api/me", Host="hookpace.example").status == 421
    conf["admin"]["hosts"] = []
    receiver.reload(conf)
    assert call(receiver, "GET", "/api/me", Host="any.example").status == 200


def test_the_calls_set_no_cookie_and_take_none(place):
    for path in ("/", "/api/me", "/assets/app.js"):
        assert call(place.operators, "GET", path).header("Set-Cookie") is None
    check_error(call(place.operators, "GET", "/api/me", name=None, Cookie=f"Authorization={login('root')}; session=root"), 401, "unauthorized")


def test_an_old_login_is_worth_nothing(stack):
    """A captured header, an open connection and an open stream end with the password."""
    conf = configuration(stack.redis.url)
    receiver = stack.receiver(conf)
    with http.Client(receiver.admin) as client:
        old = {"Authorization": login("root")}
        assert client.request("GET", "/api/me", old).status == 200
        streams = {name: socket.create_connection(tuple(receiver.admin.split(":")), 20) for name in ("root", "eye")}
        for name, sock in streams.items():
            sock.sendall(http.render("GET", "/api/tail", {"Authorization": login(name)}))
            assert sock.recv(4096).startswith(b"HTTP/1.1 200")
        conf["accounts"]["root"]["password"] = "another-password"
        receiver.reload(conf)
        assert client.request("GET", "/api/me", old).status == 401
        assert client.request("POST", "/api/lanes/orders/pause", old, b"{}").status == 401
        assert client.request("GET", "/api/me", {"Authorization": login("root", "another-password")}).status == 200
        assert ended(streams["root"])
        del conf["accounts"]["eye"]
        receiver.reload(conf)
        assert ended(streams["eye"])


def ended(sock):
    """A stream that goes on sends a comment now and then, so the time is limited here."""
    deadline = time.monotonic() + 20
    with sock:
        while data := sock.recv(4096):
            assert b"Authorization" not in data
            assert time.monotonic() < deadline, "the stream goes on"
    return True


def until_refused(receiver, name, source):
    """Calls without a pause until one is refused; answers that and the number of calls that were let in."""
    sock = socket.create_connection(tuple(receiver.admin.split(":")), 20, source_address=(source, 0))
    request = http.render("GET", "/api/me", {"Authorization": login(name)})
    reader, calls = http.Reader(sock), 0
    with sock:
        while calls < 20000:
            sock.sendall(request * 50)
            for answer in [reader.response() for _ in range(50)]:
                if answer.status != 200:
                    return answer, calls
                calls += 1
    raise AssertionError("no call was refused")


def test_too_many_calls(stack):
    """Per account and per address. What is refused does nothing."""
    receiver = stack.receiver(configuration(stack.redis.url))
    answer, calls = until_refused(receiver, "root", "127.0.2.1")
    check_error(answer, 429, "too_many_calls")
    assert calls >= 2000 and int(answer.header("Retry-After")) == 1
    assert "account" in answer.json()["error"]["message"]
    until_refused(receiver, "root", "127.0.2.2")
    refused = call(receiver, "POST", "/api/lanes/{lane}/pause", b"{}", source="127.0.2.3")
    while refused.status != 429:
        refused = call(receiver, "POST", "/api/lanes/{lane}/resume", b"{}", source="127.0.2.3")
    check_error(refused, 429, "too_many_calls")
    for path in ("/healthz", "/metrics", "/"):
        assert call(receiver, "GET", path, name=None, source="127.0.2.1").status == 200
    assert call(receiver, "GET", "/api/me", name="eye", source="127.0.2.1").status == 200, "another account at the same address"
    assert "address" in of_three_accounts(receiver).json()["error"]["message"]
    wait_for(lambda: call(receiver, "GET", "/api/me", source="127.0.2.4").status == 200, 10, "the account may call again")


def of_three_accounts(receiver):
    """One after the other, they call until something is refused for its address."""
    for _ in range(50):
        for name in ROLES:
            answer, _ = until_refused(receiver, name, "127.0.2.9")
            if "address" in answer.json()["error"]["message"]:
                return answer
    raise AssertionError("only the accounts were refused")


@pytest.mark.parametrize("body, status", [
    (b"[" * 10000, 400), (b'{"state":' + b"[" * 2000, 400), (b'{"confirm":"' + b"x" * 16000 + b'"}', 400), (b"\xff\xfe", 400), (b"null", 400),
    (b"{}{}", 400), (b'{"a":1}', 400), (b'{"__proto__":1}', 400), (b"\0", 400), (b"{" + b" " * 17000 + b"}", 413), (b"x" * 2_000_000, 413)], ids=range(11))
def test_odd_bodies_change_nothing(place, nothing_changes, body, status):
    for path, _ in WRITES:
        if path == ("/api/send-test" if status == 413 else "/api/jobs/{id}/cancel"):  # it takes a megabyte; it looks for the job first
            continue
        answer = call(place.operators, "POST", path, body, Content_Type="application/json")
        assert answer.status == status, (path, answer.status, answer.body)
        assert set(answer.json()) == {"error"} and set(answer.json()["error"]) == {"code", "message"}, (path, answer.body)


def test_a_body_that_grows_too_large(place, nothing_changes):
    """Its length is not known before it is here."""
    chunk = b"400\r\n" + b"x" * 1024 + b"\r\n"
    for path, count in (("/api/resend", 17), ("/api/send-test", 1025)):
        request = http.render("POST", path, {"Authorization": login("root"), "Transfer-Encoding": "chunked"})
        with socket.create_connection(tuple(place.operators.admin.split(":")), 20) as sock:
            sock.sendall(request + chunk * count)
            check_error(http.Reader(sock).response(), 413, "body_too_large")


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=-1", "limit=1e3", "limit=99999999999999999999", "cursor=x", "cursor=" + "A" * 4000,
                                   "since=yesterday", "since=99999999999999999999", "state=gone", "state=dead&state=dead", "id=%00", "tag=%ff", "x" * 5000 + "=1"])
def test_odd_queries_are_refused(place, query):
    answer = call(place.operators, "GET", "/api/deliveries?" + query)
    assert answer.status == 400, answer.body
    assert set(answer.json()["error"]) == {"code", "message"}
