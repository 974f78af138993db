"""`--print-schema`: a JSON Schema that takes every example, and refuses nothing that --check-config takes."""

import copy
import json
import os
import re
import subprocess

import jsonschema
import pytest

from harness import paths

SECRET = "0123456789abcdef"
RETRY = {"schedule_s": [5, 0.5], "jitter": 0.2, "give_up_on": [410]}
DELIVERY = {"delay_ms": 100, "order": "fifo", "concurrency": 16, "timeout_ms": 10000, "connect_timeout_ms": 3000, "verify_tls": True,
            "gzip": "never", "headers": {"X-Team": "seo"}, "sign": {"scheme": "github", "secrets": [SECRET]}, "retry": RETRY}
WHOLE = {
    "$schema": "hookpace.schema.json", "$comment": ["anything"],
    "redis": {"url": "redis://127.0.0.1:6379/0", "prefix": "hookpace", "partitions": 1, "timeout_ms": 2000},
    "receiver": {"listen": "0.0.0.0:8080", "threads": 1, "max_body_bytes": 10485760, "trusted_proxies": ["10.0.0.0/8"],
                 "proxy_protocol": False, "grace_ms": 0, "tls": None},
    "admin": {"listen": "127.0.0.1:8081", "tls": None}, "api": {"listen": None},
    "accounts": {"admin": {"password": SECRET, "role": "admin", "max_tasks": 5, "max_bytes": None, "payload": "envelope", **DELIVERY}},
    "dispatcher": {"listen": "127.0.0.1:8082", "concurrency": 256, "egress": {"allow": ["10.1.0.0/16"], "proxy": None}},
    "log": {"events": "all"}, "delay_ms": 0, "delay_step_ms": 100, "retention": {"done_s": 86400, "dedup_s": 86400},
    "sources": {"shop": {"verify": {"scheme": "hmac", "secrets": [SECRET], "allow": ["203.0.113.0/24"], "header": "X-Sig", "prefix": "v1=",
                                    "encoding": "hex", "digest": "sha256", "signed": "{body}"},
                         "id": ["/id"], "tag": None, "to": ["orders"], "payload": "json", "signed_over": "plain", "repeats": "message",
                         "keep_headers": ["x-*"], "keep_signature": False}},
    "destinations": {"orders": {"postback_url": "https://app.example/hook?id=$id", "lane": "orders", **DELIVERY}},
}
JUNK = (None, True, -1, 0.25, "", "env:HOOKPACE_TEST_JUNK", 10**17, [], ["x"] * 70, {}, {"x": 1}, "x" * 5000)


@pytest.fixture(scope="module")
def schema():
    texts = {part: subprocess.run([paths.program(part), "--print-schema"], capture_output=True, text=True, timeout=20, check=True).stdout
             for part in ("receiver", "dispatcher")}
    assert texts["receiver"] == texts["dispatcher"]
    return json.loads(texts["receiver"])


@pytest.fixture(scope="module")
def judge(schema):
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema).is_valid


@pytest.fixture
def program(tmp_path):
    """Whether --check-config takes a configuration."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("HOOKPACE_")} | {"HOOKPACE_TEST_JUNK": "\x01"}

    def takes(conf):
        path = tmp_path / "hookpace.json"
        path.write_text(json.dumps(conf))
        return subprocess.run([paths.program("receiver"), "--check-config", "--config", path], env=clean, capture_output=True,
                              timeout=20, check=False).returncode == 0
    return takes


def examples():
    """Each configuration of the repository: files, and blocks of JSON on its pages that are one."""
    for path in [*paths.REPOSITORY.glob("*.json"), *(paths.REPOSITORY / "deploy").rglob("*.json")]:
        yield str(path.relative_to(paths.REPOSITORY)), path.read_text()
    for page in [paths.REPOSITORY / "README.md", *(paths.REPOSITORY / "docs").rglob("*.md")]:
        for number, block in enumerate(re.findall(r"^```json\n(.*?)^```", page.read_text(), re.M | re.S)):
            yield f"{page.relative_to(paths.REPOSITORY)}#{number}", block


def configurations():
    for name, text in examples():
        try:
            conf = json.loads(text)
        except ValueError:
            continue    # a part of an object
        if isinstance(conf, dict) and conf.keys() & {"sources", "destinations", "include"}:
            yield name, conf


def test_every_example_is_valid(judge):
    found = dict(configurations())
    assert "hookpace.example.json" in found and len(found) >= 3
    assert [name for name, conf in found.items() if not judge(conf)] == []
    assert judge(WHOLE)


def test_the_file_to_start_from_names_its_schema():
    assert json.loads((paths.REPOSITORY / "hookpace.example.json").read_text())["$schema"] == "hookpace.schema.json"


def places(value, path=()):
    """The paths of all values of a configuration but remarks."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not key.startswith("$"):
                yield (*path, key)
                yield from places(item, (*path, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield (*path, i)
            yield from places(item, (*path, i))


def changed(path, junk):
    conf = copy.deepcopy(WHOLE)
    at = conf
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = junk
    return conf


def test_the_program_refuses_what_the_schema_refuses(judge, program):
    """One value at a time is replaced by what does not belong there."""
    assert program(WHOLE)
    wrong, refused = [], 0
    for number, path in enumerate(places(WHOLE)):
        for junk in JUNK[number % 4::4]:    # a quarter of them for each value keeps the test short
            conf = changed(path, junk)
            if not judge(conf):
                refused += 1
                if program(conf):
                    wrong.append((path, str(junk)[:20]))
    assert refused > 100 and wrong == []


@pytest.mark.parametrize("path, junk", [
    (("redis", "prefx"), "x"), (("receiver", "threads"), 0), (("receiver", "threads"), 65), (("receiver", "threads"), "1"),
    (("receiver", "proxy_protocol"), 1), (("delay_ms",), 1001), (("delay_ms",), -50), (("log", "events"), "some"),
    (("accounts", "admin", "role"), "root"), (("accounts", "a b"), {"password": SECRET}), (("accounts", "admin"), {}),
    (("accounts", "admin", "password"), "x"), (("sources", "shop", "to"), "orders"), (("sources", "shop", "verify"), None),
    (("sources", "shop", "verify", "secrets"), [SECRET] * 9), (("sources", "other"), {"verify": {"scheme": "none"}}),
    (("destinations", "orders", "retry", "jitter"), 1.5), (("destinations", "orders", "retry", "give_up_on"), [200]),
    (("destinations", "orders", "retry", "schedule_s"), [0]), (("destinations", "orders", "headers"), {"X-A": 1}),
    (("destinations", "orders", "gzip"), "some"), (("redis", "prefix"), "x" * 65), (("include",), ["x.json"] * 101),
    (("sources", "shop", "verify", "scheme"), "githb"), (("destinations", "orders", "sign", "scheme"), "stripes"), (("sources", "shop", "verify", "scheme"), "GitHub")])
def test_wrong_values(judge, program, path, junk):
    conf = changed(path, junk)
    assert not judge(conf) and not program(conf)


@pytest.mark.parametrize("path, good", [
    (("destinations", "orders", "gzip"), None), (("redis", "prefix"), "env:" + "X" * 65), (("log", "events"), "env:LOG"),
    (("accounts", "admin", "password"), "file:a"), (("destinations", "orders", "headers"), {"$comment": 1}),
    (("sources", "shop", "verify", "scheme"), "env:SCHEME"),
    *((("sources", "shop", "verify", "scheme"), scheme) for scheme in (
        "serphouse", "semscraper", "standard-webhooks", "github", "stripe", "slack", "shopify", "token", "basic", "none", "hmac"))])
def test_right_values(judge, path, good):
    assert judge(changed(path, good))


def test_kinds_of_files(judge, program):
    assert not judge({}) and not program({})
    assert not judge({"redis": {}}) and not program({"redis": {}})
    assert not judge({"include": []}) and not program({"include": []})
    assert judge({"include": ["tenants/*.json"], "redis": {}})
    assert judge({"accounts": {"a": {"password": SECRET}}})   # an included file


def test_descriptions_come_from_the_documentation(schema):
    receiver = schema["properties"]["receiver"]["properties"]
    assert receiver["threads"]["description"].startswith("worker threads")
    assert receiver["threads"]["description"].endswith("A change needs a restart.")
    assert (receiver["threads"]["minimum"], receiver["threads"]["maximum"], receiver["threads"]["default"]) == (1, 64, 1)

    def without(properties, path=()):
        for key, value in properties.items():
            if isinstance(value, dict) and "description" not in value and "properties" not in value and "patternProperties" not in value:
                yield ".".join((*path, key))
            if isinstance(value, dict):
                yield from without(value.get("properties", {}), (*path, key))
                for item in value.get("patternProperties", {}).values():
                    yield from without(item["properties"], (*path, key, "*"))
    assert list(without(schema["properties"])) == []
