"""The API over TLS: the published Python client, which speaks nothing else, and Python's own ssl."""

import json
import os
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from api_client import ORGANIC, PASSWORDS, basic
from harness.certs import Authority

CLIENT = Path(__file__).resolve().parent / "rest_client.py"
HEALTHY = Path(__file__).resolve().parents[2] / "scripts" / "container" / "healthy"


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "ca")


@pytest.fixture(params=["api", "admin"])
def secure(service, authority, request):
    """`address` of a listener that speaks TLS with a certificate of `authority`, and the service around it."""
    cert, key = authority.good()
    service.conf["api"] = {"listen": "127.0.0.1:0"}
    service.conf[request.param]["tls"] = {"cert": str(cert), "key": str(key)}
    service.receiver = service.stack.receiver(service.conf)
    service.address = service.receiver.address(request.param)
    return service


def published(secure, authority, path, *body, trust=True):
    env = {**os.environ, "SSL_CERT_FILE": str(authority.ca)} if trust else dict(os.environ)
    return subprocess.run([sys.executable, CLIENT, secure.address, "acme", PASSWORDS["acme"], path, *map(json.dumps, body)], env=env,
                          capture_output=True, text=True, timeout=20, check=False)


def test_the_published_client_works_with_an_own_ca(secure, authority):
    # a dict with number keys is how the published examples write a list
    done = published(secure, authority, ORGANIC + "/task_post", {0: {"id": "t1", "tag": "x", "result": {"n": 1}}})
    assert done.returncode == 0, done.stderr
    (task,) = json.loads(done.stdout)["tasks"]
    assert (task["id"], task["status_code"], task["status_message"]) == ("t1", 20100, "Task Created.")
    (ready,) = json.loads(published(secure, authority, ORGANIC + "/tasks_ready").stdout)["tasks"]
    assert [r["id"] for r in ready["result"]] == ["t1"]
    (got,) = json.loads(published(secure, authority, ready["result"][0]["endpoint_advanced"]).stdout)["tasks"]
    assert got["result"] == [{"n": 1}]
    (resent,) = json.loads(published(secure, authority, "/v3/appendix/webhook_resend", [{"id": "t1"}]).stdout)["tasks"]
    assert resent["status_code"] == 40503


def test_the_published_client_believes_no_other_ca(secure, authority):
    done = published(secure, authority, "/v3/appendix/user_data", trust=False)
    assert done.returncode != 0 and "CERTIFICATE_VERIFY_FAILED" in done.stderr


def ask(secure, context, path="/v3/appendix/user_data"):
    request = urllib.request.Request(f"https://{secure.address}{path}", headers={"Authorization": basic("acme", PASSWORDS["acme"])})
    with urllib.request.urlopen(request, timeout=10, context=context) as answer:
        return json.loads(answer.read())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_each_version(secure, authority, version):
    context = ssl.create_default_context(cafile=authority.ca)
    context.minimum_version = context.maximum_version = version
    assert ask(secure, context)["tasks"][0]["result"][0]["login"] == "acme"


def test_a_large_answer_comes_whole(secure, authority):
    context = ssl.create_default_context(cafile=authority.ca)
    text = "x" * 3_000_000
    body = json.dumps([{"id": "big", "result": text}]).encode()
    request = urllib.request.Request(f"https://{secure.address}{ORGANIC}/task_post", body,
                                     {"Authorization": basic("acme", PASSWORDS["acme"])})
    with urllib.request.urlopen(request, timeout=20, context=context) as answer:
        assert json.loads(answer.read())["tasks"][0]["status_code"] == 20100
    assert ask(secure, context, ORGANIC + "/task_get/advanced/big")["tasks"][0]["result"] == [text]


def test_plain_http_gets_nothing(secure):
    with pytest.raises((OSError, urllib.error.URLError)):
        urllib.request.urlopen(f"http://{secure.address}/v3/appendix/user_data", timeout=5)


@pytest.mark.parametrize("tls", [True, False])
def test_the_health_check_of_the_container(service, authority, tmp_path, tls):
    cert, key = authority.good()
    if tls:
        service.conf["admin"]["tls"] = {"cert": str(cert), "key": str(key)}
    receiver = service.stack.receiver(service.conf)
    port = receiver.address("admin").rsplit(":", 1)[1]

    def is_healthy():
        command = [HEALTHY, port]
        return subprocess.run(command, env={**os.environ, "TMPDIR": str(tmp_path)}, timeout=20, check=False).returncode == 0
    assert is_healthy()
    assert (tmp_path / f"healthy-{port}").read_text().strip() == ("tls" if tls else "plain"), "asked first from now on"
    assert is_healthy()
    receiver.term()
    assert not is_healthy()
