"""docs/reference/api.md: its examples are run in their order, and every answer is as the page says."""

import contextlib
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from api_client import PASSWORDS
from harness import config
from harness.downstream import Answer
from harness.wait import wait_for

PAGE = Path(__file__).resolve().parents[2] / "docs/reference/api.md"
EXAMPLE = re.compile(r"```sh\n(curl .*?)```\n\n```json\n(.*?)```\n", re.S)
APP = "https://app.example"
WIDTH = 130
UPDATE = os.environ.get("HOOKPACE_UPDATE_DOCS")     # writes the answers into the page
# different each time: moments, how long it took, ids that are made, the version
CHANGING = [(re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+00:00"), "2026-11-21 09:30:00 +00:00"),
            (re.compile(r"\d\.\d{4} sec\."), "0.0004 sec."),
            (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"), "019aa5b4-6c3e-7b1f-8d2a-5f0e9c7d1a42")]


def settled(value, key=None):
    """VALUE with what changes replaced; types and everything else are kept."""
    if isinstance(value, dict):
        return {k: settled(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [settled(v) for v in value]
    if key == "http_time":
        assert type(value) is float
        return 0.002
    if key == "secret":
        assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", value)
        return "whsec_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG="
    if key == "secret_id":
        assert re.fullmatch("[0-9a-f]{8}", value)
        return "1f2e3d4c"
    if key == "version":
        return "0.1.0"
    if isinstance(value, str):
        for pattern, instead in CHANGING:
            value = pattern.sub(instead, value)
    return value


def same(a, b):
    """Equal, with the same order of fields, and 1, 1.0 and true told apart."""
    return json.dumps(a) == json.dumps(b)


def pretty(value, indent=0):
    """JSON as the page has it: on one line where that fits."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + indent <= WIDTH or not isinstance(value, (dict, list)):
        return line
    pad = " " * (indent + 2)
    if isinstance(value, list):
        return "[\n" + ",\n".join(pad + pretty(v, indent + 2) for v in value) + "\n" + " " * indent + "]"
    lines, current = [], ""
    for name, member in value.items():
        text = f"{json.dumps(name)}: {pretty(member, indent + 2)}"
        if current and ("\n" in text or indent + 4 + len(current) + len(text) > WIDTH or "\n" in current):
            lines.append(current)
            current = ""
        current += (", " if current else "") + text
    return "{\n" + ",\n".join(pad + line for line in [*lines, current]) + "\n" + " " * indent + "}"


@pytest.fixture
def page(service):
    service.conf["sources"]["in"] = config.source("orders")
    service.conf["destinations"]["orders"] = config.destination(service.hook(), delay_ms=100)
    service.conf["secrets_key"] = "ab" * 32
    service.sink.on("/broken", Answer(status=500, body=b"out of order"))
    return service.start()


def ask(page, command):
    host = page.sink.url("").rstrip("/")
    env = {**os.environ, "API": f"http://{page.receiver.admin}",
           **{name.upper(): f"{name}:{password}" for name, password in PASSWORDS.items()}}
    done = subprocess.run(["bash", "-c", command.replace(APP, host)], env=env, capture_output=True, text=True, timeout=10, check=True)
    return settled(json.loads(done.stdout.replace(host, APP)))


def test_examples_answer_as_the_page_says(page):
    text = PAGE.read_text()
    examples = EXAMPLE.findall(text)
    assert len(examples) == text.count("```json") >= 17
    for command, told in examples:
        only_reads = " -d " not in command or "/errors" in command or "/id_list" in command
        answer = None

        def as_told():
            nonlocal answer
            answer = ask(page, command)
            return same(answer, settled(json.loads(told)))
        if UPDATE:
            with contextlib.suppress(AssertionError):
                wait_for(as_told, 0.5 if only_reads else 0)
            text = text.replace(f"{command}```\n\n```json\n{told}```", f"{command}```\n\n```json\n{pretty(answer)}\n```", 1)
        elif only_reads:
            wait_for(as_told, 5, lambda: f"{command}answers\n{pretty(answer)}")
        else:
            assert as_told(), f"{command}answers\n{pretty(answer)}"
    if UPDATE:
        PAGE.write_text(text)


def test_every_call_has_its_example():
    text = PAGE.read_text()
    for call in ("webhook_resend", "task_post", "tasks_ready", "task_get", "serp/errors", "id_list", "tasks_fixed", "appendix/errors",
                 "appendix/status", "user_data", "tasks/count", "tasks/take", "tasks/complete", "webhook_delay", "webhook_settings", "webhook_secret"):
        assert any(call in command for command, _ in EXAMPLE.findall(text)), call


def test_every_code_is_on_the_page(quiet):
    text = PAGE.read_text()
    codes = quiet.acme.get("/v3/appendix/errors")["tasks"][0]["result"]
    assert all(str(c["code"]) in text for c in codes)
