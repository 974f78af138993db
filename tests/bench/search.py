"""How long the operators' search takes with a million deliveries stored."""

import base64
import json
import sys
import time
import urllib.parse

from bench import rig
from harness import config, http, paths

sys.path.append(str(paths.REPOSITORY / "tests" / "queue"))

from scripts import script_text  # noqa: E402

EVENTS, BATCH, PAGES = 1_000_000, 32, 200
RARE = {500_000: ("tag", "rare-tag"), 400_000: ("source", "rare"), 300_000: ("destination", "rare")}
PASSWORD = "bench-password"


def _event(number, now):
    """Arguments of put.lua for one event: one delivery and a tag."""
    kind, value = RARE.get(number, ("", ""))
    source = value if kind == "source" else f"src{number % 20}"
    to = value if kind == "destination" else f"dest{number % 50}"
    tag = value if kind == "tag" else f"order-{number}" if number % 2 else f"customer-{number % 1000}"
    plan = f"webhook {source} * 1 0 0 2\n{to} postback {to} 0 own requeue *\n"
    record = f"hp1 {now} {number:016x} webhook {source} 2 -\nt {tag}\no {to}\n\n{{}}"
    return [f"e{number}", now, record, plan]


def fill(redis, events=EVENTS):
    """Stores EVENTS queued deliveries as the receiver would have."""
    put = redis.script_load(script_text("put"))
    base, day = "hookpace:{0}:", 86_400_000
    for begun in range(0, events, BATCH * 50):
        pipe = redis.pipeline(transaction=False)
        now = int(time.time() * 1000)
        for first in range(begun, min(begun + BATCH * 50, events), BATCH):
            numbers = range(first, min(first + BATCH, events))
            args = [word for n in numbers for word in _event(n, now)]
            pipe.execute_command("EVALSHA", put, 1, base + "lanes", base, day, day, len(numbers), *args)
        pipe.execute()


QUERIES = {
    "all": {}, "tag_rare": {"tag": "rare-tag"}, "tag_1000": {"tag": "customer-8"}, "tag_none": {"tag": "nobody-has-this"},
    "source": {"source": "src7"}, "source_rare": {"source": "rare"}, "destination": {"destination": "dest7"},
    "destination_rare": {"destination": "rare"}, "state_queued": {"state": "queued"}, "state_done": {"state": "done"},
    "state_dead": {"state": "dead"}, "tag_and_source": {"tag": "customer-8", "source": "src8"},
}


def search(events=EVENTS):
    figures = {}
    with rig.stack() as s:
        conf = config.base(s.redis.url, accounts={"root": {"password": PASSWORD, "role": "admin"}})
        for name in [f"dest{n}" for n in range(50)] + ["rare"]:
            conf["destinations"][name] = config.destination("http://127.0.0.1:9/")
        for n in range(20):
            conf["sources"][f"src{n}"] = config.source([f"dest{n}"])
        conf["sources"]["rare"] = config.source(["rare"])
        redis = s.redis.client()
        redis.config_set("save", "")
        fill(redis, events)
        receiver = s.receiver(conf)
        redis.config_set("slowlog-log-slower-than", 1000)
        redis.config_set("slowlog-max-len", 4096)
        redis.slowlog_reset()
        login = {"Authorization": "Basic " + base64.b64encode(f"root:{PASSWORD}".encode()).decode()}
        with http.Client(receiver.admin) as client:
            for name, query in {**QUERIES, "since": {"since": str(int(time.time() * 1000) - 5000)}}.items():
                figures.update(_pages(client, login, name, query))
        figures["search_longest_script_ms"] = max((entry["duration"] for entry in redis.slowlog_get(4096)), default=0) / 1000
    return figures


def _pages(client, login, name, query):
    """Reads PAGES pages of 100, from the first one again when the last was read."""
    times, found, cursor, first = [], 0, None, True
    while len(times) < PAGES:
        parameters = {**query, "limit": 100, **({"cursor": cursor} if cursor else {})}
        begun = time.perf_counter()
        answer = client.request("GET", "/api/deliveries?" + urllib.parse.urlencode(parameters), login, b"")
        if answer.status == 429:  # many calls in a row: the receiver says how long to wait
            time.sleep(int(answer.header("Retry-After")))
            continue
        times.append((time.perf_counter() - begun) * 1000)
        page = json.loads(answer.body)
        found += len(page["items"]) if first else 0
        cursor = page["next"]
        first = first and cursor is not None and not found
    times.sort()
    return {f"search_{name}_p50_ms": times[len(times) // 2], f"search_{name}_p99_ms": times[int(len(times) * 0.99)],
            f"search_{name}_found": found}
