"""Secrets in every place that takes one, and clients that send some: none is ever told, stored or dumped."""

import base64
import copy
import hashlib
import json
import resource
import signal
from urllib.parse import quote

import pytest

from harness import config, http, sign
from harness.downstream import Answer
from harness.memory import is_sanitized
from harness.programs import run_once
from harness.stack import Stack
from harness.wait import wait_for

# Each can be told from all others wherever it turns up.
SECRETS = {name: f"S3cr%t+{name}/Zq7Xw9" for name in (
    "redis-password", "admin-password", "user-password", "account-sign", "source-env", "source-file", "source-inline", "source-old",
    "token", "basic", "url-query", "header", "dest-sign", "sent-wrong-token", "sent-cookie", "sent-proxy", "sent-in-target", "body-text")}
SECRETS["short"] = "Sh0rt~q"  # too short to be taken
SECRETS["standard-raw"] = "not base64 at all: Qk7$!"
STANDARD = "whsec_" + base64.b64encode(b"standard-Zq7Xw9-0123456789abcdef").decode()
SECRETS["standard"] = STANDARD[6:]


def shapes(name):
    """The ways in which a secret could be written by accident."""
    text = SECRETS[name]
    raw = text.encode()
    found = {raw, quote(text, safe="").encode(), quote(text).encode(), raw.hex().encode(), json.dumps(text)[1:-1].encode(),
             base64.b64encode(raw).rstrip(b"="), base64.b64encode(b"user:" + raw).rstrip(b"="), hashlib.sha256(raw).hexdigest().encode(),
             raw[:-2], raw[2:]}  # cut
    return {s for s in found if len(s) >= 5}


def assert_none_in(data, where, but=()):
    data = data if isinstance(data, bytes) else data.encode()
    for name in SECRETS:
        if name not in but:
            for shape in shapes(name):
                assert shape not in data, f"{name} in {where}: ...{data[max(0, data.find(shape) - 80):][:200]!r}"


@pytest.fixture
def place(tmp_path):
    made = Stack(tmp_path, extra=["--user", "hook", "on", ">" + SECRETS["redis-password"], "~*", "&*", "+@all"])
    made.redis.start()
    yield made
    made.close()


def environment():
    return {"HOOKPACE_LOG": "debug", "SECRET_SOURCE": SECRETS["source-env"], "SECRET_ADMIN": SECRETS["admin-password"],
            "SECRET_SIGN": SECRETS["dest-sign"], "SECRET_URL": "", "HOOKPACE_CORE_DUMPS": ""}


def configuration(place, url):
    directory = place.directory
    (directory / "secret").write_text(SECRETS["source-file"] + "\n")
    (directory / "header").write_text("Bearer " + SECRETS["header"] + "\n")
    redis = f"redis://hook:{quote(SECRETS['redis-password'], safe='')}@127.0.0.1:{place.redis.port}/0"
    conf = config.base(redis)
    conf["accounts"] = {"admin": {"password": "env:SECRET_ADMIN", "role": "admin"},
                        "user": {"password": SECRETS["user-password"],
                                 "sign": {"scheme": "semscraper", "secrets": [SECRETS["account-sign"]]}}}
    conf["sources"] = {
        "env": config.source("out", "serphouse", ["env:SECRET_SOURCE", SECRETS["source-old"]]),
        "file": config.source("out", "github", ["file:secret"]),
        "inline": config.source("out", "semscraper", [SECRETS["source-inline"]]),
        "standard": config.source("out", "standard-webhooks", [STANDARD]),
        "token": config.source("out", "token", [SECRETS["token"]]),
        "basic": config.source("out", "basic", ["user:" + SECRETS["basic"]]),
        "open": config.source("out")}
    conf["destinations"]["out"] = config.destination(
        f"{url}?key={quote(SECRETS['url-query'], safe='')}&id=$id", headers={"Authorization": "file:header"},
        sign={"scheme": "standard-webhooks", "secrets": [STANDARD]}, retry={"schedule_s": [0.05], "jitter": 0})
    conf["destinations"]["two"] = config.destination(url, sign={"scheme": "serphouse", "secrets": ["env:SECRET_SIGN"]})
    return conf


RAW = (b"POST /in/token?token=%s HTTP/1.1\nHost: x\n\n", b"GET /%s\0 HTTP/1.1\r\nHost: x\r\n\r\n", b"%s / HTTP/1.1\r\n\r\n",
                b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: %s\0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nExpect: %s\r\n\r\n",
                b"GET / %s\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\n%s x: y\r\n\r\n", b"GET / HTTP/1.1\r\nHost: %s@x\r\n\r\n",
                b"POST /in/open HTTP/1.1\r\nHost: x\r\nContent-Length: %s\r\n\r\n",
                b"POST /in/open HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: %s\r\n\r\n",
                b"POST /in/open HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\nContent-Encoding: %s\r\n\r\n{",
                b"POST /in/open HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n",
                b'POST /in/open?id=%s%%01 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}',
                b'POST /in/open HTTP/1.1\r\nHost: x\r\nContent-Length: 60\r\n\r\n{"id":"%s\\u0001"                    }                    ')


def refusals(receiver):
    """Requests that are refused, each with secrets in it, as functions that answer what was said."""
    token, wrong = (quote(SECRETS[n], safe="") for n in ("token", "sent-wrong-token"))
    basic = base64.b64encode(("user:" + SECRETS["sent-wrong-token"]).encode()).decode()
    body = json.dumps({"id": "x", "text": SECRETS["body-text"]}).encode()

    def post(path, headers=(), data=body):
        return lambda: receiver().post(path, data, dict(headers)).body

    yield post(f"/in/token?token={wrong}")
    yield post(f"/in/token?token={token}&token={wrong}")
    yield post("/in/token", {"Authorization": "Bearer " + SECRETS["sent-wrong-token"]})
    yield post("/in/basic", {"Authorization": "Basic " + basic})
    yield post("/in/basic", {"Authorization": SECRETS["sent-wrong-token"]})
    yield post(f"/in/token?token={token}", data=body[:-1])
    yield post(f"/in/token?token={token}&id={wrong}%01")
    yield post(f"/in/token?token={token}", {"Content-Encoding": SECRETS["sent-cookie"]})
    yield post(f"/in/token?token={token}", {"Content-Encoding": "gzip"})
    yield post(f"/in/open?tag={wrong}%00")
    yield post("/in/env", sign.headers("serphouse", SECRETS["sent-wrong-token"], body))
    yield post("/in/env", {"x-serphouse-signature": SECRETS["source-env"]})
    yield post("/in/file", {"X-Hub-Signature-256": "sha256=" + SECRETS["source-file"]})
    yield post("/in/standard", {"webhook-id": SECRETS["standard"], "webhook-timestamp": "1", "webhook-signature": "v1," + STANDARD})
    yield post("/in/open", {f"X-Long-{n}": SECRETS["sent-cookie"] * 60 for n in range(5)}, data=b'{"id":"long"}')  # dropped in part
    for raw in RAW:
        for listener in ("ingest", "admin"):
            yield lambda raw=raw, listener=listener: http.raw(receiver().address(listener),
                                                              raw % SECRETS["sent-in-target"].encode(), 0.3)


def test_no_refusal_is_logged_with_what_was_sent(place):
    """In portions, each to a receiver of its own: a second's third line and more of one kind are dropped."""
    conf = configuration(place, "http://127.0.0.1:9/x")
    current = None
    lines = 0
    for n, ask in enumerate(refusals(lambda: current)):
        if n % 3 == 0:
            current = place.receiver(conf, env=environment())
        answer = ask()
        assert_none_in(answer, "an answer")
        if n % 3 == 2:
            current.term()
            assert current.wait() == 0
            assert_none_in(current.log(), "the log")
            assert not any("dropped" in line for line in current.lines)
            lines += sum(line["msg"] in ("event.refused", "request.refused", "header.dropped") for line in current.lines)
    assert lines > 25, lines


def requests(answers, receiver):
    """Good and bad ones to both listeners; what is answered goes to ANSWERS."""
    def keep(answer):
        answers.append(str(answer.headers).encode() + answer.body)
        return answer.status
    def body(ident):
        return json.dumps({"id": ident, "text": SECRETS["body-text"]}).encode()
    sent = {"Cookie": "c=" + SECRETS["sent-cookie"], "Proxy-Authorization": "Basic " + SECRETS["sent-proxy"]}
    for n, (path, scheme, secret) in enumerate([("env", "serphouse", "source-env"), ("env", "serphouse", "source-old"),
                                                ("file", "github", "source-file"), ("inline", "semscraper", "source-inline")]):
        this = body(f"e{n}")
        assert keep(receiver.post(f"/in/{path}", this, {**sent, **sign.headers(scheme, SECRETS[secret], this)})) == 200
        assert keep(receiver.post(f"/in/{path}", this, sign.headers(scheme, SECRETS["sent-wrong-token"], this))) == 401
        assert keep(receiver.post(f"/in/{path}", this[:-1], sign.headers(scheme, SECRETS[secret], this[:-1]))) == 400
    this = body("std")
    assert keep(receiver.post("/in/standard", this, sign.headers("standard-webhooks", STANDARD, this))) == 200
    token = quote(SECRETS["token"], safe="")
    wrong = quote(SECRETS["sent-wrong-token"], safe="")
    assert keep(receiver.post(f"/in/token?token={token}", body("t1"), sent)) == 200
    assert keep(receiver.post("/in/token", body("t2"), {"Authorization": "Bearer " + SECRETS["token"]})) == 200
    assert keep(receiver.post(f"/in/token?token={wrong}", body("t3"))) == 401
    assert keep(receiver.post("/in/token", body("t4"), {"Authorization": "Bearer " + SECRETS["sent-wrong-token"]})) == 401
    assert keep(receiver.post(f"/in/nowhere?token={token}", body("t5"))) == 404
    basic = base64.b64encode(("user:" + SECRETS["basic"]).encode()).decode()
    assert keep(receiver.post("/in/basic", body("b1"), {"Authorization": "Basic " + basic})) == 200
    assert keep(receiver.post("/in/basic", body("b2"), {"Authorization": "Basic " + basic[:-4]})) == 401
    for path in ("/", "/metrics", "/healthz", "/readyz", "/v3/appendix/user_data", "/api/lanes", f"/{wrong}", f"/metrics?x={token}"):
        for headers in ({}, {"Authorization": "Basic " + base64.b64encode(("admin:" + SECRETS["admin-password"]).encode()).decode()},
                        {"Authorization": "Basic " + base64.b64encode(("admin:" + SECRETS["sent-wrong-token"]).encode()).decode()},
                        {"Authorization": "Basic " + base64.b64encode(("user:" + SECRETS["user-password"]).encode()).decode()},
                        {"Authorization": "Bearer " + SECRETS["admin-password"]}):
            keep(receiver.get(path, headers=headers))


def what_the_api_tells(receiver):
    """Every call that tells something, to an admin and to a user; what was delivered, and what failed, is there by now."""
    for account, secret in (("admin", "admin-password"), ("user", "user-password")):
        login = {"Authorization": "Basic " + base64.b64encode(f"{account}:{SECRETS[secret]}".encode()).decode()}
        for path in ("serp/tasks_ready", "serp/task_get/e0", "serp/task_get/std", "serp/tasks_fixed", "appendix/errors", "appendix/status",
                     "appendix/user_data", "appendix/webhook_delay", "tasks/count"):
            yield receiver.get(f"/v3/{path}", headers=login)
        for path, body in (("serp/errors", [{"limit": 100}]), ("serp/errors", [{"filtered_function": "postback_url"}]),
                           ("serp/id_list", [{"limit": 100}]), ("appendix/webhook_resend", [{"id": "nothing"}])):
            yield http.post(receiver.admin, f"/v3/{path}", body, login)


def test_no_secret_is_told_or_stored(place):
    sink = place.downstream()
    # what a downstream says is kept with the attempt, so it is not asked to say a secret
    sink.on(None, Answer(status=500), 200)
    conf = configuration(place, sink.url("/hook"))
    receiver = place.receiver(conf, env=environment())
    dispatcher = place.dispatcher(conf, env=environment())
    answers = []
    requests(answers, receiver)
    wait_for(lambda: len(sink.events()) == 8, 10, lambda: f"8 events, not {sink.events()}")
    sink.wait_count(9)  # the one that failed has been tried again, so its failure is on record
    told = list(what_the_api_tells(receiver))
    assert all(answer.status == 200 for answer in told), told
    assert any(SECRETS["body-text"].encode() in answer.body for answer in told), "no result was told"
    assert any(b'"http_code":500' in answer.body for answer in told), "no failed attempt was told"
    for answer in told:
        assert_none_in(str(answer.headers).encode() + answer.body, "what the API tells", but=("body-text",))
    # reloads: the same, one with every secret changed, and broken ones
    for program in (receiver, dispatcher):
        program.reload(conf)
        for n, (_, broken) in enumerate(broken_configurations(conf)):
            if n % 3 == 0:  # all of them are read in the test below
                program.reload(broken, accepted=False)
        program.reload(conf)
    # Redis refuses the password, goes and comes
    place.redis.client().acl_setuser("hook", enabled=True, reset_passwords=True, passwords=["+changed-in-redis"])
    place.redis.client().client_kill_filter(_type="normal", skipme=True)
    assert receiver.post("/in/open", {"id": "r"}).status == 503
    receiver.wait_http("/readyz", 503)
    place.redis.client().acl_setuser("hook", enabled=True, reset_passwords=True, passwords=["+" + SECRETS["redis-password"]])
    receiver.wait_http("/readyz", 200)
    place.redis.restart()
    receiver.wait_http("/readyz", 200)

    for program in (receiver, dispatcher):
        assert_none_in(program.get("/metrics").body, program.name + "'s metrics")
        with open(f"/proc/{program.pid}/cmdline", "rb") as f:
            assert_none_in(f.read(), program.name + "'s command line")
        program.term()
        assert program.wait() == 0
        assert_none_in(program.log(), program.name + "'s log")
        assert program.logged("config.rejected")
    for answer in answers:
        assert_none_in(answer, "an answer", but=("body-text",))
        assert SECRETS["body-text"].encode() not in answer
    stored = b"".join(p.read_bytes() for p in (place.directory / "redis").rglob("*.aof"))
    assert len(stored) > 1000
    assert_none_in(stored, "Redis", but=("body-text",))


def broken_configurations(conf):
    """(what, configuration with a problem at or beside a secret)."""
    def put(path, value):
        made = copy.deepcopy(conf)
        at = made
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value
        return made
    yield "short source secret", put(("sources", "env", "verify", "secrets"), [SECRETS["short"]])
    yield "not base64", put(("sources", "standard", "verify", "secrets"), [SECRETS["standard-raw"]])
    yield "short password", put(("accounts", "admin", "password"), SECRETS["short"])
    yield "password is a list", put(("accounts", "admin", "password"), [SECRETS["admin-password"]])
    yield "secrets is a text", put(("sources", "inline", "verify", "secrets"), SECRETS["source-inline"])
    yield "secrets is an object", put(("sources", "inline", "verify", "secrets"), {SECRETS["source-inline"]: 1})
    yield "secret with a newline", put(("sources", "inline", "verify", "secrets"), [SECRETS["source-inline"] + "\nx"])
    yield "basic without a colon", put(("sources", "basic", "verify", "secrets"), [SECRETS["basic"]])
    yield "secret for none", put(("sources", "open", "verify", "secrets"), [SECRETS["token"]])
    yield "unknown scheme", put(("sources", "inline", "verify", "scheme"), "semscraped")
    yield "unknown key", put(("sources", "inline", "verify", "secret"), SECRETS["source-inline"])
    yield "unknown key in an account", put(("accounts", "user", "passwort"), SECRETS["user-password"])
    yield "too many secrets", put(("sources", "inline", "verify", "secrets"), [SECRETS["source-inline"]] * 9)
    yield "header with a newline", put(("destinations", "out", "headers"), {"Authorization": SECRETS["header"] + "\r\nX: y"})
    yield "header that is not one", put(("destinations", "out", "headers"), {"Auth orization": SECRETS["header"]})
    yield "header that is ours", put(("destinations", "out", "headers"), {"Content-Length": SECRETS["header"]})
    yield "header as a number", put(("destinations", "out", "headers"), {"Authorization": [SECRETS["header"]]})
    yield "URL with a password", put(("destinations", "out", "postback_url"), f"https://u:{SECRETS['url-query']}@h/x")
    yield "URL of another scheme", put(("destinations", "out", "postback_url"), f"ftp://h/x?key={SECRETS['url-query']}")
    yield "URL with a space", put(("destinations", "out", "postback_url"), f"https://h/x?key={SECRETS['url-query']} x")
    yield "URL with a fragment", put(("destinations", "out", "postback_url"), f"https://h/x#{SECRETS['url-query']}")
    yield "URL with $key", put(("destinations", "out", "postback_url"), f"https://h/$key?{SECRETS['url-query']}")
    yield "Redis URL with a bad port", put(("redis", "url"), f"redis://hook:{quote(SECRETS['redis-password'], safe='')}@h:99999/0")
    yield "Redis URL with a raw password", put(("redis", "url"), f"redis://hook:{SECRETS['redis-password']}@h:1/0")
    yield "Redis URL of a cluster with a database", put(("redis", "url"), f"rediss+cluster://hook:{quote(SECRETS['redis-password'], safe='')}@h:1/7")
    yield "Redis URL without a host", put(("redis", "url"), f"redis://:{quote(SECRETS['redis-password'], safe='')}@")
    yield "proxy with a password", put(("dispatcher", "egress"), {"proxy": f"gopher://u:{SECRETS['url-query']}@h:1"})


@pytest.mark.parametrize("part", ["receiver", "dispatcher"])
def test_no_problem_of_a_configuration_tells_a_secret(tmp_path, part):
    place = Stack(tmp_path)
    base = configuration(place, "http://127.0.0.1:9/x")
    file = tmp_path / "c.json"
    wrong = dict(broken_configurations(base))
    for what, conf in wrong.items():
        file.write_text(json.dumps(conf))
        for args in (["--check-config"], []):
            done = run_once(part, "--config", file, *args, env=environment())
            assert done.returncode == 2, (what, done)
            assert len(done.stdout + done.stderr) > 20
            assert_none_in(done.stdout + done.stderr, f"the problems of: {what}")
    for text in ('{"accounts":{"a":{"password":"%s"', '{"x":"%s","x":1}', '["%s"]', '"%s"', '{"a":%s}', '%s', "{'%s':1}", '{"%s":1}'):
        file.write_text(text % SECRETS["admin-password"])
        done = run_once(part, "--config", file, "--check-config", env=environment())
        assert done.returncode == 2
        # an unknown key is named, so a secret in the place of a key is printed
        assert_none_in(done.stdout + done.stderr, f"the problems of {text}", but=("admin-password",) if '{"%s"' in text else ())
    # each kind of value from elsewhere, in overrides too
    file.write_text(json.dumps(base))
    for name in ("HOOKPACE_REDIS_URL", "HOOKPACE_LISTEN", "HOOKPACE_ADMIN_LISTEN"):
        done = run_once(part, "--config", file, "--check-config", env={**environment(), name: f"env:{name}_X", f"{name}_X":
                                                                       f"redis://u:{quote(SECRETS['redis-password'], safe='')}@h:x"})
        assert done.returncode == 2 or name != "HOOKPACE_REDIS_URL"
        if name == "HOOKPACE_REDIS_URL":
            assert_none_in(done.stdout + done.stderr, name)


def kill_and_find_core(program, directory):
    """What a crash leaves."""
    program.signal(signal.SIGABRT)
    program.process.wait(30)
    return [p for p in directory.iterdir() if "core" in p.name]


@pytest.mark.parametrize("part", ["receiver", "dispatcher"])
def test_a_crash_leaves_no_memory_behind(place, part):
    pattern = open("/proc/sys/kernel/core_pattern").read().strip()
    conf = configuration(place, "http://127.0.0.1:9/x")
    there = place.directory / "cores"
    there.mkdir()
    wrapper = ["env", "-C", str(there), "prlimit", "--core=unlimited"]
    start = place.receiver if part == "receiver" else place.dispatcher
    program = start(conf, env=environment(), wrapper=wrapper)
    with open(f"/proc/{program.pid}/limits") as f:
        assert any(line.split()[4:6] == ["0", "0"] for line in f if line.startswith("Max core file size"))
    assert kill_and_find_core(program, there) == []
    # and it is not so that none is ever written here
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if "/" in pattern or pattern.startswith("|") or hard == 0:
        return
    program = start(conf, env={**environment(), "HOOKPACE_CORE_DUMPS": "1"}, wrapper=wrapper)
    sanitized = is_sanitized(program)
    cores = kill_and_find_core(program, there)
    memory = b"".join(c.read_bytes() for c in cores)
    assert sanitized or any(secret.encode() in memory for secret in SECRETS.values()), "which of them depends on what the heap reused"
