"""The command `hookpace`: what it prints, and how it ends."""

import json
import os
import pty
import subprocess
import time

import pytest
from console_client import PASSWORDS

from harness import config, paths
from harness.exchange import Answer
from harness.wait import wait_for

DONE, FAILED, MISUSED = 0, 1, 2


class Hookpace:
    """Runs the command against SERVICE, as its admin."""

    def __init__(self, service, login="root"):
        self.env = {"PATH": os.environ["PATH"], "HOOKPACE_URL": "http://" + service.receiver.admin,
                    "HOOKPACE_LOGIN": f"{login}:{PASSWORDS[login]}", "TZ": "UTC"}

    def __call__(self, *args, code=DONE, stdin=b"", **env):
        """Its output, after it ended with CODE."""
        done = subprocess.run([paths.command(), *args], env={**self.env, **env}, input=stdin, capture_output=True, timeout=30)
        self.error = done.stderr.decode()
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done.stdout.decode()

    def json(self, *args, **options):
        return json.loads(self(*args, "--json", **options))


@pytest.fixture
def flow(service):
    """Destination `orders` takes everything, `audit` is dead at once."""
    for name in ("orders", "audit"):
        service.conf["destinations"][name] = config.destination(service.sink.url("/" + name), retry={"schedule_s": []})
    service.conf["sources"]["in"] = config.source(["orders", "audit"])
    service.start()
    service.sink.on("/audit", Answer(status=500, body=b"database is locked"))
    service.hookpace = Hookpace(service)
    return service


def settled(service, *idents):
    for ident in idents:
        assert service.receiver.post("/in/in", {"id": ident, "tag": "tag of " + ident}).status == 200
    for ident in idents:
        wait_for(lambda: {d["state"] for d in service.root.get("events/" + ident)["deliveries"]} == {"done", "dead"}, 5, "both ends")


def test_list_and_show(flow):
    settled(flow, "e1", "e2")
    lines = flow.hookpace("list", "--state", "dead").splitlines()
    assert lines[0].split()[:3] == ["id", "state", "source"]
    assert [line.split()[:2] for line in lines[1:]] in ([["e2:audit", "dead"], ["e1:audit", "dead"]], [["e1:audit", "dead"], ["e2:audit", "dead"]])
    assert "http_500" in lines[1]
    assert flow.hookpace("--destination=orders", "list", "--tag", "tag of e1").splitlines()[1].startswith("e1:orders  done")
    assert flow.hookpace("list", "--tag", "none") == "nothing fits\n"
    page = flow.hookpace("show", "e1:audit")
    assert "database is locked" in page and "http_500" in page and "tag of e1" in page
    page = flow.hookpace("show", "e1")
    assert "e1:orders" in page and "e1:audit" in page
    assert json.loads(flow.hookpace("body", "e1")) == {"id": "e1", "tag": "tag of e1"}
    assert flow.hookpace("body", "e1:audit") == flow.hookpace("body", "e1")
    assert flow.hookpace.json("list", "--limit", "1")["next"]
    assert flow.hookpace.json("show", "e1:audit")["state"] == "dead"


def test_pages(flow):
    settled(flow, *(f"e{n}" for n in range(4)))
    assert len(flow.hookpace("list", "--limit", "3").splitlines()) == 4 and "--all" in flow.hookpace.error
    assert len(flow.hookpace("list", "--limit", "3", "--all").splitlines()) == 9


def test_all_pages_are_one_json(flow):
    settled(flow, *(f"e{n}" for n in range(4)))
    page = flow.hookpace.json("list", "--limit", "1000")
    assert len(page["items"]) == 8 and page["next"] is None
    assert flow.hookpace.json("list", "--limit", "3", "--all") == page
    empty = b'{"items":[],"next":"1-0"}'
    flow.sink.on("/api/lanes", *(Answer(body=body) for body in (
        empty, b'{"items":[{"id":"a"},{"id":"b"}],"next":"b"}', empty, b'{"items":[{"id":"]"}],"next":"c"}', b'{"items":[],"next":null}')))
    url = flow.sink.url("")
    assert flow.hookpace.json("lanes", HOOKPACE_URL=url) == {"items": [{"id": "a"}, {"id": "b"}, {"id": "]"}], "next": None}
    assert [r.target for r in flow.sink.requests if r.path == "/api/lanes"][1:3] == ["/api/lanes?cursor=1-0", "/api/lanes?cursor=b"]
    flow.sink.on("/api/lanes", Answer(body=empty), Answer(status=503, body=b'{"error":{"code":"x","message":"Redis is away"}}'))
    flow.hookpace("lanes", "--json", code=FAILED, HOOKPACE_URL=url)
    assert "Redis is away" in flow.hookpace.error


def test_lanes_by_state_and_name(flow):
    settled(flow, "e1")
    flow.hookpace("pause", "orders")
    names = lambda *filters: [line.split()[0] for line in flow.hookpace("lanes", *filters).splitlines()[1:]]  # noqa: E731
    wait_for(lambda: names("--state", "paused") == ["orders"], 15, "the paused lane")
    wait_for(lambda: names("--state", "dead") == ["audit"], 15, "the lane with a dead letter")
    assert names("--name", "ud") == ["audit"] and {"orders", "audit"} < set(names())
    assert flow.hookpace("lanes", "--state", "dead", "--name", "orders") == "nothing fits\n"
    assert [lane["id"] for lane in flow.hookpace.json("lanes", "--name", "aud")["items"]] == ["audit"]
    flow.hookpace("lanes", "--state", "tired", code=FAILED)
    assert "queued, retry, dead, paused or circuit" in flow.hookpace.error


def test_an_empty_page_is_not_the_end(flow):
    """A call looks at a bounded part, so a page may be empty though another page follows."""
    nothing = Answer(body=b'{"items":[],"next":"1-0"}')
    settled(flow, "e1")
    items = [d for d in flow.hookpace.json("list")["items"] if d["id"] == "e1:orders"]
    flow.sink.on("/api/deliveries", nothing, nothing, Answer(body=json.dumps({"items": items, "next": "2-0"}).encode()))
    url = flow.sink.url("")
    lines = flow.hookpace("list", HOOKPACE_URL=url).splitlines()
    assert [line.split()[0] for line in lines] == ["id", "e1:orders"] and "--all" in flow.hookpace.error
    flow.sink.on("/api/deliveries", nothing, Answer(body=b'{"items":[],"next":null}'))
    assert flow.hookpace("list", HOOKPACE_URL=url) == "nothing fits\n" and not flow.hookpace.error
    flow.sink.on("/api/deliveries", nothing)
    assert flow.hookpace.json("list", HOOKPACE_URL=url)["next"] == "1-0", "a script asks for the next page itself"


def test_since(flow):
    settled(flow, "e1")
    assert len(flow.hookpace("list", "--since", "1h").splitlines()) == 3
    assert len(flow.hookpace("list", "--since", time.strftime("%H:%M", time.gmtime(time.time() - 60)), "--until", "0s").splitlines()) == 3
    assert flow.hookpace("list", "--until", "2026-01-01T00:00:00Z") == "nothing fits\n"
    ms = round(time.time() * 1000)
    assert len(flow.hookpace("list", "--since", str(ms - 3600000), "--until", str(ms + 60000)).splitlines()) == 3
    assert flow.hookpace("list", "--until", str(ms - 3600000)) == "nothing fits\n"
    for nothing in ("yesterday", "90", str(ms // 1000), str(ms) + "000"):
        flow.hookpace("list", "--since", nothing, code=MISUSED)
        assert "90m" in flow.hookpace.error


def test_all_that_fit_are_sent_again(flow):
    """Webhooks that have arrived cannot be taken back, so sending them again asks; sending dead letters again does not."""
    settled(flow, "e1", "e2")
    assert flow.hookpace("resend", "--state", "dead", "--destination", "audit") == "2 done, 0 failed\n"
    wait_for(lambda: len([r for r in flow.sink.all() if r.path == "/audit"]) == 4, 5, "the second attempts")
    flow.hookpace("resend", "--state", "done", code=MISUSED)
    assert "--yes" in flow.hookpace.error
    assert flow.hookpace("resend", "--state", "done", "--yes") == "2 done, 0 failed\n"
    flow.hookpace("drop", "--state", "dead", code=MISUSED)
    assert "--yes" in flow.hookpace.error


def test_pause_and_resume(flow):
    assert flow.hookpace("pause", "orders") == "orders: is stopped\n"
    assert flow.stack.redis.client().hexists("hookpace:{0}:paused", "orders")
    assert flow.hookpace("resume", "orders") == "orders: goes on\n"
    flow.hookpace("pause", "none", code=FAILED)
    assert "404" in flow.hookpace.error
    Hookpace(flow, "eye")("pause", "orders", code=FAILED)


def test_a_partition_is_held_and_released(flow):
    began = time.monotonic()
    assert flow.hookpace("partition", "hold", "0") == "partition 0 is held: nothing works on it now\n"
    assert time.monotonic() - began >= 2, "programs have two seconds"
    assert flow.receiver.post("/in/in", {"id": "e1"}).status == 503
    assert flow.hookpace.json("partition", "release", "0") == {"partition": 0, "held": False}
    wait_for(lambda: flow.receiver.post("/in/in", {"id": "e1"}).status == 200, 2, "events to be taken again")
    flow.hookpace("partition", "hold", "1", code=FAILED)
    assert "404" in flow.hookpace.error
    flow.hookpace("partition", "stop", "0", code=MISUSED)
    Hookpace(flow, "eye")("partition", "hold", "0", code=FAILED)


def test_a_test_event_that_is_refused_is_a_failure(flow):
    assert flow.hookpace("send-test", "in", "--body", "-", stdin=b'{"id":"mine"}').startswith("sent")
    wait_for(lambda: "mine" in flow.hookpace("list"), 5, "the event")
    assert flow.hookpace("send-test", "in", "--body", "-", stdin=b"{broken", code=FAILED) == ""
    assert "refused" in flow.hookpace.error and "(HTTP 400)" in flow.hookpace.error
    assert flow.hookpace.json("send-test", "in", "--body", "-", stdin=b"{broken", code=FAILED)["answer"]["code"] == "invalid_json"


def test_status(flow):
    assert flow.hookpace("status").startswith("version ")
    assert flow.hookpace.json("status")["redis"]["ready"] is True
    flow.hookpace("partition", "hold", "0")
    shown = [line.split() for line in flow.hookpace("status").splitlines()]
    shard, = flow.hookpace.json("status")["redis"]["shards"]
    assert ["redis.held", "0"] in shown and [shard["address"], "yes", shard["version"], "1"] in shown


def test_status_says_whether_a_configuration_is_in_force(flow):
    wait_for(lambda: len(flow.root.get("status")["programs"]) == 2, 10, "both programs")
    own = {"HOOKPACE_ADMIN_LISTEN": flow.receiver.admin}
    assert "config.in_force" not in flow.hookpace("status")
    shown = flow.hookpace("status", "--config", flow.receiver.config_path, "--url", "http://" + flow.receiver.admin, **own)
    assert ["config.in_force", "yes"] in [line.split() for line in shown.splitlines()]
    changed = flow.stack.directory / "changed.json"
    changed.write_text(json.dumps({**flow.conf, "log": {"events": "none"}}))
    shown = flow.hookpace("status", "--config", changed, "--url", "http://" + flow.receiver.admin, **own)
    assert "config.in_force    no: 2 of 2 programs have not read" in shown


def test_status_has_each_text_and_number_of_a_list(flow):
    redis = {"ready": True, "held": [1, 3], "durability": {"risks": ["a is no", "b is no"]}, "sentinels": [], "shards": []}
    flow.sink.on("/api/status", Answer(body=json.dumps({"redis": redis}).encode()))
    shown = [line.split(None, 1) for line in flow.hookpace("status", HOOKPACE_URL=flow.sink.url("")).splitlines()]
    assert shown == [["redis.ready", "yes"], ["redis.held", "1, 3"], ["redis.durability.risks", "a is no; b is no"]]


@pytest.mark.parametrize("args, says", [
    (["lsit"], 'did you mean "list"'), (["list", "--stat", "dead"], 'did you mean "--state"'), (["list", "x"], "usage"), (["show"], "usage"),
    (["show", "a", "b"], "usage"), (["list", "--state"], "needs a value"), (["list", "--json=1"], "takes no value"), (["list", "--yes"], "takes no"),
    (["list", "--tag", "a", "--tag", "b"], "twice"), (["completion", "csh"], "fish"), (["delay", "fast"], "milliseconds"), (["resend"], "filter"),
    (["pause", ""], "pause has an empty argument\n          usage: hookpace pause LANE\n"), (["status", "x"], "too many arguments"),
    (["pause"], "too few arguments"), (["show", ""], "usage"), (["resend", ""], "usage"),
    (["lanes", "orders", "--state", "dead"], "leave LANE out"), (["lanes", "--tag", "x"], "takes no --tag"),
    (["resend", "e1:orders", "--state", "dead"], "takes no --state"), (["drop", "e1:orders", "--since", "1h", "--yes"], "takes no --since"),
])
def test_wrong_use(flow, args, says):
    flow.hookpace(*args, code=MISUSED)
    assert says in flow.hookpace.error and flow.hookpace.error.startswith("hookpace: ")


def test_without_a_command_it_explains_itself(flow):
    assert "usage: hookpace" in flow.hookpace(code=MISUSED)
    assert "usage: hookpace" in flow.hookpace("--help")
    assert flow.hookpace("help") == flow.hookpace("--help")
    assert "--state" in flow.hookpace("list", "--help")
    assert flow.hookpace("--version").startswith("hookpace ")


def test_what_cannot_be_reached_is_told(flow):
    flow.hookpace("list", code=FAILED, HOOKPACE_URL="http://127.0.0.1:1")
    assert "HOOKPACE_URL" in flow.hookpace.error
    flow.hookpace("list", code=FAILED, HOOKPACE_LOGIN="root:wrong-password")
    assert "401" in flow.hookpace.error and "wrong-password" not in flow.hookpace.error
    flow.hookpace("list", code=MISUSED, HOOKPACE_LOGIN="root")
    assert "no colon" in flow.hookpace.error
    flow.hookpace("list", code=MISUSED, HOOKPACE_LOGIN="")
    assert "HOOKPACE_LOGIN" in flow.hookpace.error
    flow.hookpace("list", code=FAILED, HOOKPACE_URL="http://" + flow.receiver.ingest)


def test_url_and_login_come_from_the_configuration_too(flow):
    conf = json.loads(flow.receiver.config_path.read_text())
    conf["admin"]["listen"] = flow.receiver.admin
    conf["accounts"]["root"]["password"] = "env:ROOT_PASSWORD"
    path = flow.stack.directory / "mine.json"
    path.write_text(json.dumps(conf))
    env = {"HOOKPACE_URL": "", "HOOKPACE_LOGIN": "", "ROOT_PASSWORD": PASSWORDS["root"]}
    assert flow.hookpace("status", "--config", str(path), **env).startswith("version ")
    long = "p" * 3000
    conf["accounts"]["root"]["password"] = long
    flow.receiver.reload(conf)
    path.write_text(json.dumps(conf))
    assert flow.hookpace("status", "--config", str(path), **env).startswith("version ")
    assert flow.hookpace("status", HOOKPACE_LOGIN="root:" + long).startswith("version ")
    path.write_text("{")
    flow.hookpace("status", "--config", str(path), code=MISUSED, **env)


HOSTILE = "\x1b[2J\x1b]0;owned\x07 \u202eevil\u2066 \x9b31m <b>"


def test_a_terminal_is_not_harmed(flow):
    flow.receiver.post("/in/in", {"id": "h\u202e1", "tag": "t\u202e\u200fx"})
    flow.sink.on("/audit", Answer(status=500, body=HOSTILE.encode()))
    wait_for(lambda: "dead" in flow.hookpace("list", "--id", "h\u202e1"), 5, "its death")
    for output in (flow.hookpace("list"), flow.hookpace("show", "h\u202e1"), flow.hookpace("show", "h\u202e1:audit")):
        assert not any(c in output for c in "\x1b\x07\x9b\u202e\u2066\u200f"), output
        assert "\\xe2\\x80\\xae" in output


def test_colours_only_on_a_terminal(flow):
    settled(flow, "e1")
    assert "\x1b" not in flow.hookpace("list")
    for env, colours in (({}, True), ({"NO_COLOR": "1"}, False)):
        ours, theirs = pty.openpty()
        subprocess.run([paths.command(), "list"], env={**flow.hookpace.env, **env}, stdout=theirs, timeout=10, check=True)
        os.close(theirs)
        seen = b""
        try:
            while piece := os.read(ours, 65536):
                seen += piece
        except OSError:
            pass
        os.close(ours)
        assert (b"\x1b[31m" in seen) == colours, seen


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(flow, shell):
    script = flow.hookpace("completion", shell, HOOKPACE_LOGIN="")
    assert "list" in script and "destination" in script and "version" in script
    if shell == "bash":
        words = subprocess.run(["bash", "-c", script + "\nCOMP_WORDS=(hookpace list --st); COMP_CWORD=2; _hookpace; echo ${COMPREPLY[*]}"],
                               capture_output=True, timeout=10, check=True).stdout
        assert words == b"--state\n"


def test_a_full_disk_is_a_failure(flow):
    with open("/dev/full", "wb") as full:
        assert subprocess.run([paths.command(), "status"], env=flow.hookpace.env, stdout=full, stderr=subprocess.DEVNULL, timeout=10).returncode == FAILED


def test_it_waits_when_it_calls_too_often(flow):
    """A refused call did nothing, so that it can be repeated."""
    refusal = Answer(status=429, headers={"Retry-After": "1"}, body=b'{"error":{"code":"too_many_calls","message":"slower"}}')
    flow.sink.on("/api/lanes/orders/pause", refusal, refusal, Answer(body=b'{"lane":"orders","paused":true}'))
    begun = time.monotonic()
    flow.hookpace("pause", "orders", HOOKPACE_URL=flow.sink.url(""))
    assert time.monotonic() - begun >= 2
    assert [r.path for r in flow.sink.requests] == ["/api/lanes/orders/pause"] * 3
