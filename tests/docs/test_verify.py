"""The functions of docs/guides/verify.md, compiled and run as printed, against requests of a real dispatcher."""

import base64
import hashlib
import hmac
import os
import subprocess
from pathlib import Path

import pytest

from harness import config, paths
from page import Page

SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes ...").decode()
BODY = '{"id":"e1","name":"Café – 5 €"}'.encode()
DRIVERS = Path(__file__).resolve().parent / "verify"
# snippet -> (driver, how to build, how to run); {0} is the folder
LANGUAGES = {
    "hookpace.php": ("main.php", [], ["php", "main.php"]),
    "hookpace.py": ("main.py", [], ["/usr/bin/python3", "main.py"]),
    "hookpace.js": ("main.js", [], ["node", "main.js"]),
    "hookpace.rb": ("main.rb", [], ["ruby", "main.rb"]),
    "hookpace.go": ("main.go", ["go", "build", "-o", "main", "hookpace.go", "main.go"], ["./main"]),
    "Hookpace.java": ("Main.java", ["javac", "Hookpace.java", "Main.java"], ["java", "-cp", ".", "Main"]),
    "Hookpace.cs": ("Main.cs", ["mcs", "-out:main.exe", "Hookpace.cs", "Main.cs"], ["mono", "main.exe"]),
}


def snippets():
    page = Page(paths.REPOSITORY / "docs/guides/verify.md")
    return {b.marks["snippet"]: b.text for b in page.blocks if "snippet" in b.marks}


@pytest.fixture
def sent(stack):
    """A request that the dispatcher has sent: its three headers."""
    sink = stack.downstream()
    conf = config.simple(stack.redis.url, sink.url(), sign={"scheme": "standard-webhooks", "secrets": [SECRET]})
    receiver = stack.receiver(conf)
    stack.dispatcher(conf)
    assert receiver.post("/in/in", BODY, {"Content-Type": "application/json"}).status == 200
    request = sink.wait_count(1)[0]
    assert request.body == BODY
    return [request.header(f"webhook-{name}") for name in ("id", "timestamp", "signature")]


def test_there_are_seven_languages():
    assert set(snippets()) == set(LANGUAGES)


def signed(ident, timestamp, body):
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.new(key, f"{ident}.{timestamp}.".encode() + body, hashlib.sha256).digest()).decode()


def cases(ident, timestamp, signature):
    """(what the function must return, its arguments) for a request that was sent."""
    other = "v1," + base64.b64encode(b"x" * 32).decode()
    old, early = str(int(timestamp) - 400), str(int(timestamp) + 400)
    yield "true", (ident, timestamp, signature, BODY, SECRET)
    yield "true", (ident, timestamp, f"{other} {signature}", BODY, SECRET)
    yield "true", (ident, timestamp, signature, BODY, SECRET.removeprefix("whsec_"))
    yield "true", (ident, timestamp, signed(ident, timestamp, b"\xff\0"), b"\xff\0", SECRET)
    yield "false", (ident, timestamp, signature, BODY + b" ", SECRET)
    yield "false", ("e2", timestamp, signature, BODY, SECRET)
    yield "false", (ident, str(int(timestamp) + 1), signature, BODY, SECRET)
    yield "false", (ident, timestamp, other, BODY, SECRET)
    yield "false", (ident, timestamp, signature[:-4], BODY, SECRET)
    yield "false", (ident, timestamp, "", BODY, SECRET)
    yield "false", (ident, timestamp, signature, BODY, SECRET.replace("whsec_Y", "whsec_Z"))
    for at in (old, early, "soon", "", "-1"):
        yield "false", (ident, at, signed(ident, at, BODY), BODY, SECRET)


@pytest.mark.parametrize("name", LANGUAGES)
def test_snippet(name, sent, tmp_path):
    driver, build, run = LANGUAGES[name]
    (tmp_path / name).write_text(snippets()[name])
    (tmp_path / driver).write_text((DRIVERS / driver).read_text())
    env = {**os.environ, "GO111MODULE": "off"}
    if build:
        done = subprocess.run(build, cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    wanted, calls = zip(*cases(*sent))
    lines = "".join("\t".join((i, at, s, base64.b64encode(body).decode(), secret)) + "\n" for i, at, s, body, secret in calls)
    done = subprocess.run(run, cwd=tmp_path, env=env, input=lines, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(zip(done.stdout.lower().split(), calls)) == list(zip(wanted, calls))
