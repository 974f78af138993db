"""Configurations as plain dicts, ready for a test to change before it starts a program."""

SECRET = "whsec-test-secret-0123456789"


def base(redis_url: str, **top) -> dict:
    """A configuration without sources and destinations; every listener on a free port of loopback.

    TOP replaces or adds top-level keys, one level deep for objects.
    """
    conf = {
        "redis": {"url": redis_url, "timeout_ms": 1000},
        "receiver": {"listen": "127.0.0.1:0", "threads": 1},
        "admin": {"listen": "127.0.0.1:0"},
        "dispatcher": {"listen": "127.0.0.1:0"},
        "sources": {},
        "destinations": {},
    }
    for key, value in top.items():
        if isinstance(value, dict) and isinstance(conf.get(key), dict):
            conf[key].update(value)
        else:
            conf[key] = value
    return conf


def source(to, scheme="none", secrets=(), **more) -> dict:
    """A source that sends to the destinations TO (a name or a list); id and tag at /id and /tag."""
    verify = {"scheme": scheme}
    if secrets:
        verify["secrets"] = list(secrets)
    return {"verify": verify, "id": ["/id"], "tag": ["/tag"], "to": [to] if isinstance(to, str) else list(to), **more}


def destination(url: str, pingback=False, **more) -> dict:
    """A destination; tests have no patience, so connect and total timeouts are short."""
    key = "pingback_url" if pingback else "postback_url"
    return {key: url, "timeout_ms": 3000, "connect_timeout_ms": 1000, **more}


def simple(redis_url: str, url: str, delay_ms=0, **dest) -> dict:
    """One open source `in` to one destination `out` at URL: what most tests need."""
    conf = base(redis_url)
    conf["sources"]["in"] = source("out")
    conf["destinations"]["out"] = destination(url, delay_ms=delay_ms, **dest)
    return conf


def lease_s(dest: dict) -> float:
    """How long a lease of DEST lasts by the documentation: connect_timeout + timeout + 3 s."""
    return (dest.get("connect_timeout_ms", 3000) + dest.get("timeout_ms", 10000)) / 1000 + 3
