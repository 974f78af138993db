"""The keys of docs/internals/queue.md, which are all that may be in Redis."""

import functools
import itertools
import re

import redis

from harness import paths

TYPES = {"LIST", "HASH", "ZSET", "SET", "STREAM", "STRING"}
KEYS_MAX = 2000  # are looked at


@functools.cache
def rows() -> list:
    """(pattern, type) of every key in the page's table; a row may name several."""
    found = []
    for line in (paths.REPOSITORY / "docs" / "internals" / "queue.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 3 and cells[1] in TYPES:
            found += [(re.compile(_pattern(name)), cells[1].lower()) for name in re.findall(r"`([^`]*)`", cells[0])]
    return found


def _pattern(name) -> str:
    parts = re.split(r"(<[^>]*>|\[@a\])", name)
    return "".join({"<": ".*", "[": "(@[A-Za-z0-9_-]+)?"}.get(part[:1], re.escape(part)) for part in parts)


def undocumented(client) -> list:
    """Keys that the page does not tell of, or tells another type of, as texts. None if Redis does not answer."""
    try:
        keys = list(itertools.islice(client.scan_iter(count=1000), KEYS_MAX))
        with client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.type(key)
            kinds = pipe.execute()
    except redis.RedisError:
        return []
    return [f"{key} ({kind})" for key, kind in zip(keys, kinds) if kind != "none" and not is_documented(key, kind)]


def is_documented(key, kind) -> bool:
    name = re.fullmatch(r"[^{}]*:\{\d+\}:(.+)", key, re.S)
    return name is not None and any(pattern.fullmatch(name.group(1)) and kind == its for pattern, its in rows())
