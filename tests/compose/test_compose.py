"""docker-compose up with the example configuration, on an engine and images of our own."""

import base64
import contextlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlencode

import pytest

sys.path.append(str(Path(__file__).resolve().parent))

from engine import BASE_IMAGE, REDIS_IMAGE, run  # noqa: E402
from harness import http, oracle, sign  # noqa: E402
from harness.downstream import Downstream  # noqa: E402
from harness.redis_server import free_port  # noqa: E402
from harness.wait import wait_for  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
DELAY_MS = 100  # of `orders` in hookpace.example.json
OVERRIDE = """services:
  receiver:
    extra_hosts: ["downstream:host-gateway"]
  dispatcher:
    extra_hosts: ["downstream:host-gateway"]
"""


class Compose:
    def __init__(self, engine, directory):
        self.engine = engine
        self.port, self.admin_port = free_port(), free_port()
        self.directory = directory
        (directory / "override.yml").write_text(OVERRIDE)
        self.files = ["-f", ROOT / "docker-compose.yml", "-f", directory / "override.yml"]
        self.env = {**engine.env, "COMPOSE_PROJECT_NAME": f"hookpace{os.getpid()}", "HOOKPACE_REDIS_IMAGE": REDIS_IMAGE,
                    "HOOKPACE_BASE_IMAGE": BASE_IMAGE, "HOOKPACE_DEMO": "1",
                    "HOOKPACE_PORT": str(self.port), "HOOKPACE_ADMIN_PORT": str(self.admin_port)}

    def __call__(self, *args, **more):
        return run("docker-compose", *self.files, *args, cwd=ROOT, env={**self.env, **more})

    def ids(self, service):
        return self("ps", "-q", service).split()

    @property
    def ingest(self):
        return f"127.0.0.1:{self.port}"

    def is_ready(self):
        try:
            return http.get(f"127.0.0.1:{self.admin_port}", "/readyz").status == 200
        except OSError:
            return False

    def health(self, service):
        return {self.engine.docker("inspect", "-f", "{{.State.Health.Status}}", i).strip() for i in self.ids(service)}


@pytest.fixture(scope="module")
def compose(engine, tmp_path_factory):
    made = Compose(engine, tmp_path_factory.mktemp("compose"))
    try:
        made("build")
        yield made
    finally:
        made("down", "-v", "--remove-orphans")
        left = engine.docker("ps", "-aq").split() + engine.docker("volume", "ls", "-q").split()
        assert not left, f"left behind: {left}"


def test_out_of_the_box(compose):
    """Nothing but HOOKPACE_DEMO is set: it starts, random secrets keep strangers out, and the sample gets what is sent."""
    compose("up", "-d")
    wait_for(compose.is_ready, 60, "ready")
    for service in ("redis", "receiver", "dispatcher"):
        wait_for(lambda: compose.health(service) == {"healthy"}, 60, f"{service} healthy")
    token = compose("exec", "-T", "receiver", "cat", "/var/lib/hookpace/secrets/DATAFORSEO_TOKEN")
    assert len(base64.b64decode(token)) == 24
    assert compose("exec", "-T", "dispatcher", "cat", "/var/lib/hookpace/secrets/DATAFORSEO_TOKEN") == token
    query = urlencode({"id": "box-1", "tag": "t", "token": token})
    assert http.get(compose.ingest, "/in/dataforseo?" + query).status == 200
    assert http.get(compose.ingest, "/in/dataforseo?id=box-2&token=change-me").status == 401
    wait_for(lambda: "/audit?id=box-1&tag=t" in compose("logs", "--no-color", "sample"), 20, "the pingback")
    wait_for(lambda: "/orders?id=box-1&tag=t" in compose("logs", "--no-color", "sample"), 20, "the postback")
    logs = compose("logs", "--no-color")
    assert token not in logs, "a secret in the logs"
    assert compose("exec", "-T", "receiver", "id", "-u").strip() == "10001"
    for service in ("redis", "receiver", "dispatcher", "sample"):
        status = compose("exec", "-T", service, "cat", "/proc/1/status")
        assert "CapBnd:\t0000000000000000" in status and "NoNewPrivs:\t1" in status, service
        assert compose("exec", "-T", service, "sh", "-c", "touch /etc/x 2>/dev/null || echo refused").strip() == "refused"
    assert compose("exec", "-T", "receiver", "sh", "-c", "getent hosts redis >/dev/null && echo found").strip() == "found"
    assert compose("exec", "-T", "sample", "sh", "-c", "getent hosts redis >/dev/null || echo none").strip() == "none"
    fsync = compose("exec", "-T", "redis", "redis-cli", "config", "get", "appendfsync")
    assert "always" in fsync
    assert compose("exec", "-T", "receiver", "hookpace", "--version").startswith("hookpace ")


def test_the_commands_of_the_readme(compose):
    """As printed, but for the ports and a wait for the webhook's way."""
    (block,) = re.findall(r"```sh elsewhere=tests/compose\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    block = block.replace("127.0.0.1:8080", compose.ingest).replace("127.0.0.1:8081", f"127.0.0.1:{compose.admin_port}")
    before, logs, after = block.partition("docker-compose logs sample")
    arrived = "until docker-compose logs --no-color sample | grep -q 'orders?id=a1'; do sleep 0.2; done\n"
    env = {**compose.env, "HOOKPACE_DEMO": ""}
    printed = run("bash", "-euo", "pipefail", "-c", before + arrived + logs + after, cwd=ROOT, env=env)
    assert '"echo":"a1"' in printed and "POST /orders?id=a1" in printed and "last_status\n200" in printed


def test_the_image_alone(compose):
    """`docker run` with options runs the receiver; what the image says of itself is there."""
    docker = compose.engine.docker
    assert "--config" in docker("run", "--rm", "hookpace", "--help")
    about = json.loads(docker("inspect", "hookpace"))[0]["Config"]
    assert set(about["ExposedPorts"]) == {"8080/tcp", "8081/tcp", "8082/tcp"}
    assert about["StopSignal"] == "SIGTERM" and about["Healthcheck"]["Test"] == ["CMD", "healthy"]
    assert about["Labels"]["org.opencontainers.image.title"] == "hookpace"
    assert docker("run", "--rm", "hookpace", "ls", "-A", "/var/lib/hookpace").strip() == "", "nothing in the service's home"
    port = free_port()
    alone = docker("run", "-d", "--read-only", "-p", f"127.0.0.1:{port}:8081", "-e", "HOOKPACE_DEMO=1", "hookpace").strip()
    try:
        def answers():
            with contextlib.suppress(OSError):
                return http.get(f"127.0.0.1:{port}", "/readyz").status
        wait_for(lambda: answers() == 503, 30, "an answer from outside, where no Redis is")
    finally:
        docker("rm", "-fv", alone)


OWN = {"sources": {"github": {"verify": {"scheme": "github", "secrets": ["env:GITHUB_SECRET"]}, "to": ["audit"]}},
       "destinations": {"audit": {"pingback_url": "env:AUDIT_URL"}}}


def test_own_configuration_and_secrets(compose):
    """A provider of one's own needs no edit of the yml. A reload takes a file that an editor replaced, and restarts go on."""
    secret, place = secrets.token_hex(16), compose.directory
    (place / "own.env").write_text(f"GITHUB_SECRET={secret}\n")
    (place / "own.json").write_text(json.dumps(OWN))
    place.chmod(0o755)
    own = {"HOOKPACE_ENV_FILE": str(place / "own.env"), "HOOKPACE_CONFIG_DIR": str(place), "HOOKPACE_CONFIG_FILE": "own.json", "HOOKPACE_DEMO": ""}
    compose("up", "-d", **own)
    wait_for(compose.is_ready, 60, "ready")

    def send(source, ident):
        body = b'{"zen": "Keep it logically awesome."}'
        return http.post(compose.ingest, f"/in/{source}", body, sign.headers("github", secret, body, ident)).status
    assert send("github", "own-1") == 200
    assert send("second", "own-2") == 404

    fresh = place / "fresh.json"  # a new file of the same name, as most editors leave it
    fresh.write_text(json.dumps({**OWN, "sources": {**OWN["sources"], "second": OWN["sources"]["github"]}}))
    fresh.rename(place / "own.json")
    compose("exec", "-T", "receiver", "reload", **own)
    wait_for(lambda: send("second", "own-2") == 200, 20, "the edited configuration")

    receiver = compose.ids("receiver")[0]
    pid = int(compose.engine.docker("inspect", "-f", "{{.State.Pid}}", receiver))
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: compose.engine.docker("inspect", "-f", "{{.RestartCount}}", receiver).strip() == "1", 30, "a restart")
    wait_for(compose.is_ready, 30, "ready again")


def test_no_secret_is_made_up_in_production(compose):
    """Without HOOKPACE_DEMO the program names what is missing, and does not start."""
    done = subprocess.run(["docker-compose", *compose.files, "run", "--rm", "--no-deps", "receiver", "hookpace-receiver", "--check-config"],
                          cwd=ROOT, env={**compose.env, "HOOKPACE_DEMO": ""}, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done
    for name in ("SERPHOUSE_SECRET", "DATAFORSEO_TOKEN", "ORDERS_SECRET", "HOOKPACE_ADMIN_PASSWORD"):
        assert f"the environment variable {name} is not set" in done.stdout + done.stderr


def test_four_dispatchers_keep_the_delay_and_lose_nothing(compose):
    """Own secrets and URLs from the environment; one of four dispatchers is killed under way."""
    secret = secrets.token_hex(16)
    with contextlib.closing(Downstream(host="0.0.0.0")) as sink:
        env = {"SERPHOUSE_SECRET": secret, "ORDERS_SECRET": base64.b64encode(os.urandom(24)).decode(),
               "ORDERS_URL": f"http://downstream:{sink.port}/orders?id=$id&tag=$tag",
               "AUDIT_URL": f"http://downstream:{sink.port}/audit?id=$id&tag=$tag"}
        compose("up", "-d", "--scale", "dispatcher=4", **env)
        wait_for(compose.is_ready, 60, "ready")
        wait_for(lambda: len(compose.ids("dispatcher")) == 4 and compose.health("dispatcher") == {"healthy"}, 60,
                 "four healthy dispatchers")
        ids = [f"many-{i}" for i in range(80)]
        for i in ids:
            body = json.dumps({"id": i, "tag": "t"}).encode()
            answer = http.post(compose.ingest, "/in/serphouse", body,
                               {**sign.headers("serphouse", secret, body), "content-type": "application/json"})
            assert answer.status == 200, answer
        wait_for(lambda: len(sink.all()) >= 15, 30, "some deliveries")
        compose.engine.docker("kill", "-s", "KILL", compose.ids("dispatcher")[0])
        sink.wait_events(ids, 60)  # a lease of `orders` is 16 s
        first = {}
        for request in sink.all():
            first.setdefault(request.event, request)
        assert set(first) == set(ids)
        assert len(sink.all()) <= len(ids) + 1, "one dispatcher died with at most one request under way"
        oracle.assert_paced(sink.all(), DELAY_MS)


def test_a_stop_is_clean_and_data_survive(compose):
    """stop and start: exit code 0 of both programs, and Redis still has what was delivered."""
    running = compose.engine.docker("ps", "-q", "--no-trunc").split() # not the one that was killed
    stopped = [i for i in compose.ids("receiver") + compose.ids("dispatcher") if i in running]
    assert len(stopped) == 4
    compose("stop")
    codes = {compose.engine.docker("inspect", "-f", "{{.State.ExitCode}}", i).strip() for i in stopped}
    assert codes == {"0"}, codes
    compose("start")
    wait_for(compose.is_ready, 60, "ready again")
    state = compose("exec", "-T", "redis", "redis-cli", "hget", "hookpace:{0}:delivery:many-0:orders", "state")
    assert state.strip() == "done"
