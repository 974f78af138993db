"""Receivers with sources of every scheme, and what their answers must look like."""

import re

from harness import config, sign

SECRET = "a-secret-of-the-test-0123"
OLD = "the-secret-before-it-0123"


def make(stack, sources=None, to=("out",), start=True, **top):
    """A receiver with SOURCES (name -> dict of source() or more); they send to `out`, which nobody empties."""
    conf = config.base(stack.redis.url, **top)
    conf["destinations"] = {name: config.destination("http://127.0.0.1:9/x") for name in ("out", "more")}
    conf["sources"] = sources or {"in": config.source(to)}
    return stack.receiver(conf) if start else conf


def secrets_for(scheme):
    if scheme in ("standard-webhooks", "svix"):
        return [sign.standard_secret()]
    return ["user:" + SECRET] if scheme == "basic" else [SECRET]


def scheme_source(scheme, **more):
    name = "standard-webhooks" if scheme == "svix" else scheme
    return config.source("out", name, [] if scheme == "none" else secrets_for(scheme), **more)


def queued(stack):
    return sum(len(ids) for ids in stack.keys.queues().values())


def refused(answer, status, code):
    assert (answer.status, answer.code) == (status, code), answer
    body = answer.json()
    assert set(body) == {"status", "code", "message"}
    assert body["status"] == "error" and body["message"]
    assert answer.header("Content-Type") == "application/json"


def accepted(answer, ident=None, duplicate=False, requeued=0):
    assert answer.status == 200, answer
    body = answer.json()
    assert set(body) == {"status", "received_at", "echo"} | ({"duplicate"} if duplicate else set()) | ({"requeued"} if requeued else set())
    assert body["status"] == "ok"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body["received_at"])
    assert duplicate is body.get("duplicate", False)
    assert body.get("requeued", 0) == requeued
    if ident is not None:
        assert body["echo"] == ident
    return body
