"""The task API: who is not logged in gets nowhere, who is sees only what is his, and no URL of a task reaches inside."""

import base64
import gzip
import json
import socket
import time

import pytest

from harness import config, http
from harness.downstream import Answer, Downstream
from harness.memory import Peak, is_sanitized
from harness.namespace import Namespace, NameServer
from harness.stack import Stack
from harness.wait import stays, wait_for

ADMIN, ACME, OTHER = ("admin", "admin-pässword-1"), ("acme", "acme-password-22"), ("other", "other-password-333")


def configuration(redis_url, **top):
    conf = config.base(redis_url, **top)
    conf["accounts"] = {name: {"password": password, "role": "admin" if name == "admin" else "user"}
                        for name, password in (ADMIN, ACME, OTHER)}
    conf["sources"]["in"] = config.source([])
    return conf


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    made = Stack(tmp_path_factory.mktemp("api"))
    made.redis.start()
    made.api = made.receiver(configuration(made.redis.url))
    yield made
    assert made.api.running
    made.close()


def login(account):
    return "Basic " + base64.b64encode(":".join(account).encode()).decode()


def call(receiver, method, path, body=None, account=ACME, headers=None, source=None):
    pairs = dict(headers or {})
    if account:
        pairs.setdefault("Authorization", login(account))
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    host, port = receiver.admin.rsplit(":", 1)
    with socket.create_connection((host, int(port)), 20, source_address=source and (source, 0)) as sock:
        sock.sendall(http.render(method, path, pairs, body or b""))
        return http.Reader(sock).response(method == "HEAD")


def code(answer):
    return answer.json()["status_code"]


def task_codes(answer):
    return [t["status_code"] for t in answer.json()["tasks"]]


CALLS = [("POST", "/v3/appendix/webhook_resend"), ("POST", "/v3/serp/google/organic/task_post"),
         ("GET", "/v3/serp/google/organic/tasks_ready"), ("GET", "/v3/serp/google/organic/task_get/regular/x"),
         ("GET", "/v3/serp/google/organic/task_get/x"), ("POST", "/v3/serp/errors"), ("POST", "/v3/serp/id_list"),
         ("GET", "/v3/serp/tasks_fixed"), ("GET", "/v3/appendix/errors"), ("GET", "/v3/appendix/status"),
         ("GET", "/v3/appendix/user_data"), ("GET", "/v3/tasks/count"), ("GET", "/v3/appendix/webhook_delay"),
         ("POST", "/v3/appendix/webhook_delay"), ("GET", "/v3"), ("GET", "/v3/"), ("GET", "//v3//appendix//user_data"),
         ("GET", "/v3/nothing/here"), ("DELETE", "/v3/serp/id_list"), ("HEAD", "/v3/appendix/user_data"),
         ("OPTIONS", "/v3/appendix/user_data")]


@pytest.mark.parametrize("number", range(len(CALLS)))
def test_no_call_without_a_login(place, number):
    method, path = CALLS[number]
    source = f"127.0.1.{number + 1}"  # wrong logins are counted by address
    name, password = ACME
    for header in (None, "", "Basic", "Basic ", "Basic !!!", "Basic " + base64.b64encode(b"acme").decode(),
                   login((name, "")), login(("", password)), login((name, password + "x")), login((name, password[:-1])),
                   login((name.upper(), password)), login((name, password.upper())), login((name + "\0", password)),
                   login((name, password + "\0")), login(("nobody", password)), "Bearer " + password, login(ACME)[:-4],
                   "Digest " + login(ACME)[6:], login(ACME) + ", " + login(ACME), login((OTHER[0], password))):
        answer = call(place.api, method, path, b"[{}]" if method == "POST" else None, None,
                      {"Authorization": header} if header is not None else {}, source)
        assert answer.status == 401, (header, answer)
        assert answer.header("WWW-Authenticate").startswith("Basic ")
        if method != "HEAD":
            assert code(answer) == 40100 and answer.json()["tasks"] is None
            assert password not in answer.body.decode()
    twice = [("Authorization", login(ACME)), ("Authorization", login(ACME))]
    said = http.raw(place.api.admin, http.render(method, path, twice, b"[{}]" if method == "POST" else b""), 0.2)
    assert said.startswith(b"HTTP/1.1 401 ")


def test_wrong_logins_are_limited_by_address(place):
    wrong = {"Authorization": login((ACME[0], "wrong-password"))}
    seen = [code(call(place.api, "GET", "/v3/appendix/user_data", None, None, wrong, "127.0.2.1")) for _ in range(40)]
    assert seen[:30] == [40100] * 30 and seen[-5:] == [40202] * 5
    # even the right one is not looked at, so that guessing on tells nothing
    limited = call(place.api, "GET", "/v3/appendix/user_data", source="127.0.2.1")
    assert (limited.status, code(limited)) == (401, 40202)
    assert code(call(place.api, "GET", "/v3/appendix/user_data", source="127.0.2.2")) == 20000
    wait_for(lambda: code(call(place.api, "GET", "/v3/appendix/user_data", source="127.0.2.1")) == 20000, 5, "another try")


PATHS = ["/v3/serp/../appendix/user_data", "/v3/serp/%2e%2e/appendix/user_data", "/v3/appendix/user_data/", "/v3/appendix/user_data%00",
         "/v3/appendix%2fuser_data", "/v3/appendix/user%5fdata/x", "/v3/./appendix/user_data", "/v3/appendix/user_data;x", "/V3/appendix/user_data",
         "/v3/appendix/%zz", "/v3/appendix/%", "/v3/" + "a/" * 50 + "task_post", "/v3/" + "a" * 5000, "/v3/%ff/user_data",
         "/v3/appendix/user_data%0d%0aX: y", "/v3\\appendix/user_data", "/healthz/../v3/appendix/user_data", "/v3/serp/task_get/%2e%2e",
         "/v3/serp/task_get/a%2fb", "/v3/serp/task_get/regular/%00", "/v3/serp/task_get/" + "x" * 129]


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p[:40])
def test_paths_that_mean_nothing(place, path):
    answer = call(place.api, "GET", path.replace(" ", "%20"))
    if path == "/v3/appendix/user_data/":  # an empty last segment is none
        assert code(answer) == 20000
    elif "task_get" in path and answer.status == 200:
        assert code(answer) == 20000 and task_codes(answer) == [40401]
    else:
        assert answer.status == 404, answer


DEEP, WIDE = b"[" * 100_000, b"[" + b"{}," * 500_000 + b"{}]"
BODIES = {
    "nothing": (b"", 40502), "white space": (b" \r\n", 40502), "empty array": (b"[]", 40502), "object": (b"{}", 40503),
    "text": (b'"x"', 40503), "number": (b"1", 40503), "null": (b"null", 40503), "cut": (b'[{"id":', 40503), "two": (b"[{}][{}]", 40503),
    "NUL behind": (b"[{}]\0", 40503), "NUL within": (b'[{"id":"a\0"}]', 40503), "bad UTF-8": (b'[{"id":"\xff"}]', 40503),
    "overlong": (b'[{"id":"\xc0\xaf"}]', 40503), "lone surrogate": (b'[{"id":"\\ud800"}]', None),
    "two BOMs": (b"\xef\xbb\xbf\xef\xbb\xbf[{}]", 40503),
    "NaN": (b'[{"limit":NaN}]', 40503), "comment": (b"[{}]//", 40503), "deep": (DEEP, 40503), "deep and closed": (DEEP + b"]" * 100_000, 40503),
    "wide": (WIDE, None), "huge key": (b'[{"' + b"k" * 3_000_000 + b'":1}]', None), "huge number": (b"[" + b"9" * 3_000_000 + b"]", 40503),
    "huge text": (b'[{"id":"' + b"x" * 3_000_000 + b'"}]', None), "gzip cut": (gzip.compress(b"[{}]")[:-5], 40503),
    "gzip and more": (gzip.compress(b"[{}]") + b"x", 40503), "gzip bomb": (gzip.compress(b"[" + b" " * 120_000_000 + b"{}]"), 40503),
    "gzip of nothing": (gzip.compress(b""), 40502), "nested gzip": (gzip.compress(gzip.compress(b"[{}]")), 40503),
    "form": (b"id=1&x=2", 40503), "array of arrays": (b"[[],[1],null,1,\"x\",true]", None), "keys twice": (b'[{"id":"a","id":"b"}]', None),
}
POSTS = [path for method, path in CALLS if method == "POST"]
TASK_POST = "/v3/serp/google/organic/task_post"


@pytest.mark.parametrize("name", BODIES)
def test_bad_bodies(place, name):
    body, wanted = BODIES[name]
    for path in POSTS:
        for headers in ({}, {"Content-Encoding": "gzip"}) if len(body) < 10_000 else ({},):
            answer = call(place.api, "POST", path, body, headers=headers)
            assert answer.status == 200, (path, answer)
            if wanted:
                assert code(answer) == wanted, (path, answer)
            else:
                assert code(answer) in (40000, 40006, 40501, 40502, 40503) or not {20100} & set(task_codes(answer)), (path, answer)
    assert place.api.get("/healthz").status == 200


def test_bad_bodies_cost_no_memory_for_long(place):
    """What a call holds is its body and what it inflates to, and all of it is given back."""
    before, peak = place.api.rss_kb(), Peak(place.api)
    for body in (DEEP, WIDE, BODIES["huge text"][0], BODIES["gzip bomb"][0]):
        for path in POSTS:
            call(place.api, "POST", path, body)
    grown = (peak.stop() - before) / 1024
    assert is_sanitized(place.api) or grown < 32 + 3 * 10 + 10  # what a body may inflate to, some bodies, MiB
    wait_for(lambda: is_sanitized(place.api) or place.api.rss_kb() - before < 30_000, 5, lambda: f"{place.api.rss_kb() - before} kB")


ODD_FIELDS = [{"id": v} for v in (1, None, True, {}, [], "", "x" * 256, "é" * 128, "a\r\nb", "a\0b", "a\x7f")] + \
    [{"tag": v} for v in (1, {}, "x" * 256, "a\nb", "\0")] + \
    [{"postback_url": v} for v in (1, {}, "", "x", "ftp://h/", "file:///etc/passwd", "gopher://h/", "//h/x", "http://", "http:///x",
                                   "http://u:p@h/", "http://h/#x", "http://h/ x", "http://h/\r\nX: y", "http://h:0/", "http://h:99999/",
                                   "http://$id/", "http://$tag.example/", "http://h:$id/", "https$id://h/", "http://h\\@e/", "http://[::1/",
                                   "http://h/" + "x" * 20_000, "javascript:alert(1)", "HTTP://h/\u2028", "http://h/%zz\0")] + \
    [{"postback_data": v} for v in (1, "x", "Regular", "")]


def test_odd_fields_of_tasks(place):
    path = "/v3/serp/google/organic/task_post"
    for n, fields in enumerate(ODD_FIELDS):
        key = next(iter(fields))
        answer = call(place.api, "POST", path, [{"result": {"n": n}, **fields}])
        assert answer.status == 200
        if fields in ({"id": None}, {"postback_data": ""}, {"postback_url": ""}) or "%zz" in str(fields):
            continue  # as if it were missing, or left to the URL's own rules
        assert task_codes(answer) == [40501], (fields, answer)
        assert (key if len(str(fields)) < 16_000 else "data") in answer.json()["tasks"][0]["status_message"]
    assert task_codes(call(place.api, "POST", path, [{"id": "no-result"}])) == [20100], "it waits for its result"
    assert code(call(place.api, "POST", path, [{"result": 1}] * 101)) == 40006
    assert code(call(place.api, "POST", "/v3/appendix/webhook_resend", [{"id": "a"}] * 101)) == 40006


@pytest.mark.parametrize("path", ["/v3/serp/id_list", "/v3/serp/errors"])
def test_odd_pages(place, path):
    for field in ("limit", "offset"):
        for value in (-1, 10**30, -10**30, 1.5, 1e308, "1", "", [], {}, True, 2**63, 2**64):
            answer = call(place.api, "POST", path, [{field: value}])
            assert answer.status == 200 and 20000 not in (task_codes(answer) if answer.json()["tasks"] else []) or value is True, (value, answer)
    for field in ("datetime_from", "datetime_to", "sort", "filtered_function"):
        for value in ("x", "9999-99-99 99:99:99 +00:00", "2026-02-30 00:00:00 +00:00", "-1", "2026-11-21 00:00:00 +99:99", 5, {}, "\0",
                      "x" * 100_000):
            assert call(place.api, "POST", path, [{field: value}]).status == 200


def test_nobody_sees_or_moves_tasks_of_another(place):
    path = "/v3/serp/google/organic"
    made = call(place.api, "POST", path + "/task_post", [{"id": "mine-1", "tag": "t", "result": {"secret": "of-acme"}}])
    assert task_codes(made) == [20100]
    for account, name, wanted in ((ACME, "mine-1", 20000), (ADMIN, "%40acme%2Fmine-1", 20000), (ADMIN, "mine-1", 40401),
                                  (OTHER, "mine-1", 40401), (OTHER, "%40acme%2Fmine-1", 40401), (OTHER, "@acme/mine-1", 40401)):
        answer = call(place.api, "GET", f"{path}/task_get/regular/{name}", account=account)
        assert task_codes(answer) == [wanted], (account, name, answer)
        assert ("of-acme" in answer.body.decode()) == (wanted == 20000)
    for account in (OTHER,):
        for method, where, body in (("GET", path + "/tasks_ready", None), ("POST", "/v3/serp/id_list", [{}]), ("POST", "/v3/serp/errors", [{}]),
                                    ("GET", "/v3/tasks/count", None), ("GET", "/v3/appendix/user_data", None)):
            answer = call(place.api, method, where, body, account=account)
            assert "mine-1" not in answer.body.decode() and "acme" not in answer.body.decode(), answer
        assert task_codes(call(place.api, "POST", "/v3/appendix/webhook_resend", [{"id": "mine-1"}], account=account)) == [40401]
        # Its id is free for another account, whose task is another one.
        made = call(place.api, "POST", path + "/task_post", [{"id": "mine-1", "result": {"secret": "of-other"}}], account=account)
        assert task_codes(made) == [20100]
        assert "of-other" not in call(place.api, "GET", path + "/task_get/regular/mine-1").body.decode()
        for who in ({"destination": "out"}, {"account": "acme"}):
            answer = call(place.api, "POST", "/v3/appendix/webhook_delay", [{"webhook_delay": 100, **who}], account=account)
            assert 20000 not in (task_codes(answer) if answer.json()["tasks"] else []), answer
    assert call(place.api, "GET", "/v3/appendix/webhook_delay").json()["tasks"][0]["result"][0]["webhook_delay"] == 0


def test_many_clients_that_leave(place):
    """While their body is read, and while Redis is asked."""
    for n in range(60):
        with socket.create_connection(tuple(place.api.admin.split(":"))) as sock:
            data = http.render("POST", POSTS[n % len(POSTS)], {"Authorization": login(ACME)}, b'[{"id":"gone","result":1}]')
            sock.sendall(data[:-10] if n % 2 else data)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert code(call(place.api, "GET", "/v3/tasks/count")) == 20000


# -- where webhooks of tasks may go ----------------------------------------------------------------------------


def wait_end(stack, task, kind="postback"):
    def look():
        found = stack.keys.delivery(f"@acme/{task}:{kind}@acme")
        return found if found.get("state") in ("done", "dead") else None
    found = wait_for(look, 15, lambda: f"the end of {task}: {list(stack.redis.client().scan_iter('*' + task + '*'))}")
    return found["state"], found.get("last_error", "")


SPECIAL = ["127.0.0.1", "localhost", "0", "2130706433", "0x7f.1", "017700000001", "127.1", "[::1]", "[::]", "[::ffff:127.0.0.1]",
           "0.1.2.3", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "192.0.0.1", "192.0.2.1", "192.88.99.1",
           "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "168.63.129.16", "[fe80::1]",
           "[127.0.0.1]", "[fd00:ec2::254]", "[64:ff9b::7f00:1]", "[64:ff9b::169.254.169.254]", "[64:ff9b:1::1]", "[2002:7f00:1::1]",
           "[2001::1]", "[2001:db8::1]", "[100::1]", "[5f00::1]", "[fec0::1]", "[3fff::1]", "[ff02::1]", "[::127.0.0.1]"]
NOT_HOSTS = ["ok@127.0.0.1", "127.0.0.1:80#@ok.example", "ok.example\\@127.0.0.1", "127.0.0.1%00.ok.example", "[fe80::1%25lo]"]


def test_urls_of_tasks_do_not_reach_inside(stack):
    """All of them are judged as what they are: that nothing listens there, or no way leads there, would hide a hole."""
    sink = stack.downstream()
    conf = configuration(stack.redis.url)
    receiver = stack.receiver(conf)
    stack.dispatcher(conf)

    def post(ident, host):
        task = {"id": ident, "result": 1, "postback_url": f"http://{host}:{sink.port}/x"}
        return task_codes(call(receiver, "POST", "/v3/serp/google/organic/task_post", [task]))
    for n, host in enumerate(SPECIAL):
        assert post(f"t{n}", host) == [20100], host
    assert {host: post("none", host) for host in NOT_HOSTS} == dict.fromkeys(NOT_HOSTS, [40501])
    ends = {host: wait_end(stack, f"t{n}") for n, host in enumerate(SPECIAL)}
    # the text in brackets must be an IPv6 address
    assert ends == {host: ("dead", "bad_url" if host == "[127.0.0.1]" else "blocked_address") for host in SPECIAL}
    assert sink.connections == 0
    # the same by a redirect from where they may go
    conf["dispatcher"]["egress"] = {"allow_accounts": ["127.0.0.1/32"]}
    stack.programs[1].reload(conf)
    other = stack.downstream(host="127.0.0.2")
    sink.on(None, Answer(status=302, headers={"Location": other.url("/x")}))
    answer = call(receiver, "POST", "/v3/serp/google/organic/task_post",
                  [{"id": "redirected", "result": 1, "pingback_url": sink.url("/x")}])
    assert task_codes(answer) == [20100]
    sink.wait_count(1)
    stays(lambda: other.connections == 0, 0.3)


def test_names_of_tasks_that_turn(stack, tmp_path):
    """Public, private, of this machine itself: by name, with a name server that says what it likes."""
    public, private = "93.184.216.34", "10.66.0.1"
    space = Namespace(tmp_path, [f"{public}/32", f"{private}/32"])
    try:
        names = space.call(lambda: NameServer({"own.test": [public], "private.test": [private], "loop.test": ["127.0.0.1"],
                                               "both.test": [private, "127.0.0.1"]}))
        sinks = [space.call(lambda a=a: Downstream(host=a, port=8000)) for a in (public, private, "127.0.0.1")]
        stack.sinks += sinks
        conf = configuration(stack.redis.unix_url)
        receiver = stack.receiver(conf)
        dispatcher = stack.dispatcher(conf, wrapper=space.wrapper)
        for name in names.names:
            answer = call(receiver, "POST", "/v3/serp/google/organic/task_post",
                          [{"id": name, "result": 1, "postback_url": f"http://{name}:8000/x"}])
            assert task_codes(answer) == [20100]
            assert wait_end(stack, name) == ("dead", "blocked_address")
        assert [s.connections for s in sinks] == [0, 0, 0]
        # a public address of this machine's is only closed because it is its own
        conf["dispatcher"]["egress"] = {"allow_accounts": [public]}
        dispatcher.reload(conf)
        call(receiver, "POST", "/v3/serp/google/organic/task_post", [{"id": "opened", "result": 1, "postback_url": "http://own.test:8000/x"}])
        sinks[0].wait_count(1)
        assert [s.connections for s in sinks[1:]] == [0, 0]
        names.close()
    finally:
        space.close()


@pytest.mark.parametrize("headers, answered", [
    ({"Sec-Fetch-Site": "cross-site"}, 401), ({"Sec-Fetch-Site": "same-site"}, 401), ({"Sec-Fetch-Site": "same-origin"}, 200),
    ({"Sec-Fetch-Site": "none"}, 200), ({"Origin": "https://evil.example"}, 401), ({"Origin": "null"}, 401),
    ({"Origin": "http://hookpace.test:8081"}, 200), ({"Origin": "http://hookpace.test"}, 401), ({}, 200),
    ({"Referer": "http://evil.example/hookpace.test:8081"}, 401), ({"Referer": "http://hookpace.test:8081.evil.example/"}, 401),
    ({"Referer": "http://hookpace.test:8081/page?x=/"}, 200), ({"Referer": "http://hookpace.test:8081"}, 200),
    ({"Referer": "about:blank"}, 401), ({"Referer": "http://hookpace.test:8081/", "Origin": "http://evil.example"}, 401),
    ({"Referer": "http://evil.example/", "Origin": "http://hookpace.test:8081"}, 401)], ids=str)
def test_a_browser_is_not_made_to_use_its_login(place, headers, answered):
    """A page of another site cannot have requests sent with the password that a browser remembers."""
    for method, path, body in (("POST", "/v3/appendix/webhook_resend", b'[{"id":"x"}]'), ("GET", "/v3/serp/task_get/x", None)):
        answer = call(place.api, method, path, body, headers={"Host": "hookpace.test:8081", "Content-Type": "text/plain", **headers})
        assert answer.status == answered
        if answered == 401:
            assert answer.header("WWW-Authenticate") is None  # no password is asked for either


CHROMIUM = {"Upgrade-Insecure-Requests": "1",
            "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"}
JAVA = {"Accept": "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"}


@pytest.mark.parametrize("headers, answered", [
    (CHROMIUM, 401), ({"Upgrade-Insecure-Requests": "1"}, 401), ({"Accept": CHROMIUM["Accept"]}, 401), ({"Accept": "text/html"}, 401),
    ({**CHROMIUM, "Sec-Fetch-Site": "none"}, 200), ({**CHROMIUM, "Sec-Fetch-Site": "same-origin"}, 200),
    ({**CHROMIUM, "Referer": "http://hookpace.test:8081/"}, 200), ({**CHROMIUM, "Referer": "http://evil.example/"}, 401),
    (JAVA, 200), ({"Accept": "application/json"}, 200), ({"Accept": "*/*"}, 200)], ids=str)
def test_a_link_does_not_fetch_a_task(place, headers, answered):
    """Over plain HTTP a browser may say nothing about the page that has the link, but it says that it opens a page."""
    about = {"Host": "hookpace.test:8081", **headers}
    answer = call(place.api, "GET", "/v3/serp/task_get/x", headers=about)
    assert answer.status == answered
    if "evil" not in str(headers):
        assert call(place.api, "GET", "/v3/tasks/count", headers=about).status == 200, "looking changes nothing"
        assert call(place.api, "HEAD", "/v3/serp/task_get/x", headers=about).status == 200


def test_without_room_for_its_answer_a_task_is_not_fetched(stack):
    conf = configuration(stack.redis.url, receiver={"listen": "127.0.0.1:0", "max_inflight_bytes": 2_000_000})
    receiver = stack.receiver(conf)
    set_now = [{"id": f"t{n}-{'x' * 80}", "result": {"n": n}} for n in range(99)] + [{"id": "large", "result": {"x": "y" * 60_000}}]
    assert task_codes(call(receiver, "POST", TASK_POST, set_now)) == [20100] * 100
    ready = lambda: call(receiver, "GET", "/v3/serp/tasks_ready")  # noqa: E731: some 60 KB
    head = http.render("POST", TASK_POST, {"Authorization": login(ACME), "Content-Length": "900000"})
    held = [socket.create_connection(tuple(receiver.admin.split(":"))) for _ in range(3)]
    for sock in held:
        sock.sendall(head + b"[" + b" " * 655_000)
    for ask in (ready, lambda: call(receiver, "GET", "/v3/serp/task_get/large")):
        answer = wait_for(lambda: [a for a in [ask()] if a.status != 200], 5, "the budget to be spent")[0]
        assert (answer.status, code(answer), answer.json()["tasks"]) == (500, 50000, None)
        assert answer.header("Retry-After")
    assert task_codes(call(receiver, "GET", f"/v3/serp/task_get/t1-{'x' * 80}")) == [20000], "a short answer is sent"
    for sock in held:
        sock.close()
    answer = wait_for(lambda: [a for a in [ready()] if a.status == 200], 5, "room again")[0]
    ids = {t["id"] for t in answer.json()["tasks"][0]["result"]}
    assert "large" in ids and len(ids) == 99
    assert task_codes(call(receiver, "GET", "/v3/serp/task_get/large")) == [20000]
    assert "large" not in {t["id"] for t in ready().json()["tasks"][0]["result"]}


def test_bodies_under_way_have_a_budget(stack):
    conf = configuration(stack.redis.url, receiver={"listen": "127.0.0.1:0", "max_inflight_bytes": 2_000_000})
    receiver = stack.receiver(conf)
    head = http.render("POST", TASK_POST, {"Authorization": login(ACME), "Content-Length": "900000"})
    held = []

    def refused():
        """Two others hold 1.4 MB; which of three is refused depends on who comes last."""
        while held:
            held.pop().close()
        for _ in range(2):
            held.append(socket.create_connection(tuple(receiver.admin.split(":"))))
            held[-1].sendall(head + b"[" + b" " * 700_000)
        time.sleep(0.05)
        answer = call(receiver, "POST", TASK_POST, b"[" + b" " * 800_000 + b"{}]")
        return answer if answer.status != 200 else None
    answer = wait_for(refused, 5, "the budget to be spent")
    assert (answer.status, code(answer)) == (500, 50000)
    assert answer.header("Retry-After")
    for sock in held:
        sock.close()
    wait_for(lambda: call(receiver, "POST", TASK_POST, b"[" + b" " * 800_000 + b"{}]").status == 200, 5, "room again")
    assert call(receiver, "POST", TASK_POST, gzip.compress(b"[" + b" " * 3_000_000 + b"{}]")).status == 500
    assert receiver.post("/in/in", {"id": "a"}).status == 200
