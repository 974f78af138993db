"""How long the operators' search takes with a million deliveries stored."""

import base64
import itertools
import json
import time
import urllib.parse

from bench import rig
from bench.stored_deliveries import CUSTOMERS, DESTINATIONS, SOURCES, Spread
from harness import config, http

EVENTS, PAGES = 1_000_000, 200
PASSWORD = "bench-password"
HOUR_MS = 3_600_000
SLOW_US = 500  # the slow log times commands inside scripts too: at 0 it would slow them down

EACH_STATE = {f"state_{state}": {"state": state} for state in ("queued", "inflight", "retry", "dead", "done", "dropped")}


def _queries(store):
    """name -> parameters of a search; the ages are those of the spread."""
    middle = store.moment(store.middle)
    last = store.events - 1
    common, tag = f"src{last % SOURCES}", f"customer-{(last - last % 2) % CUSTOMERS}"
    return {
        "all": {}, **EACH_STATE,
        "tag": {"tag": tag}, "tag_rare": {"tag": "rare"}, "tag_once": {"tag": "once"}, "tag_none": {"tag": "nobody-has-this"},
        "source": {"source": common}, "source_rare": {"source": "rare"}, "source_none": {"source": "silent"},
        "destination": {"destination": "dest7"}, "destination_rare": {"destination": "rare"},
        "lane": {"lane": "dest7"}, "id": {"id": f"e{store.middle}"},
        "far_back": {"until": str(middle)}, "range": {"since": str(middle - HOUR_MS), "until": str(middle)},
        "tag_and_source": {"tag": tag, "source": f"src{int(tag[9:]) % SOURCES}"},
        "tag_and_state": {"tag": tag, "state": "done"}, "source_and_dead": {"source": common, "state": "dead"},
        "source_and_range": {"source": common, "until": str(middle)}, "rare_tag_and_range": {"tag": "rare", "since": str(middle - HOUR_MS)},
    }


class _Searcher:
    """Asks a receiver, and counts what its questions cost Redis."""

    def __init__(self, address, redis):
        self.client, self.redis = http.Client(address), redis
        self.login = {"Authorization": "Basic " + base64.b64encode(f"root:{PASSWORD}".encode()).decode()}

    def cpu_us(self):
        """For how long Redis was busy so far. The time that a script takes grows with what else the machine does."""
        used = self.redis.info("cpu")
        return 1e6 * (used["used_cpu_user_main_thread"] + used["used_cpu_sys_main_thread"])

    def page(self, query, cursor):
        """The page and the milliseconds until it was here."""
        parameters = {**query, "limit": 100, **({"cursor": cursor} if cursor else {})}
        target = "/api/deliveries?" + urllib.parse.urlencode(parameters)
        while True:
            begun = time.perf_counter()
            answer = self.client.request("GET", target, self.login, b"")
            took = (time.perf_counter() - begun) * 1000
            if answer.status != 429:  # many calls in a row: the receiver says how long to wait
                break
            time.sleep(int(answer.header("Retry-After")))
        assert answer.status == 200, (query, answer.status, answer.body[:300])
        return json.loads(answer.body), took

    def measure(self, name, query):
        """Figures of PAGES answers, one after the other with their cursors; from the first page again behind the last."""
        self.redis.config_resetstat()
        busy = self.cpu_us()
        times, found, firsts, answers, cursor = [], 0, [], 0, None
        while len(times) < PAGES:
            page, took = self.page(query, cursor)
            times.append(took)
            found += len(page["items"])
            answers += 1
            cursor = page["next"]
            if cursor is None or found >= 100:  # a page of 100 is full, or there is nothing more
                firsts.append(answers)
                found = answers = 0
        times.sort()
        scripts = self.redis.info("commandstats")["cmdstat_evalsha"]
        figures = {"p50_ms": times[len(times) // 2], "p99_ms": rig.percentile(times, 0.99),
                   "answers_a_page": max(firsts, default=PAGES),  # above 1: `next` came before the page was full
                   "scripts_each": scripts["calls"] / PAGES, "redis_cpu_us_each": (self.cpu_us() - busy) / PAGES}
        return {f"search_{name}_{figure}": value for figure, value in figures.items()}


def _configured(url):
    conf = config.base(url, accounts={"root": {"password": PASSWORD, "role": "admin"}})
    conf["redis"]["timeout_ms"] = 5000
    for name in [f"dest{n}" for n in range(DESTINATIONS)] + ["rare"]:
        conf["destinations"][name] = config.destination("http://127.0.0.1:9/")
    for n in range(SOURCES):
        conf["sources"][f"src{n}"] = config.source([f"dest{n}"])
    conf["sources"]["rare"] = conf["sources"]["silent"] = config.source(["rare"])
    return conf


def _left(store):
    """Which deliveries are not done in the second half of the measurement: newest ones, and some far back."""
    some = itertools.count(store.events - 1, -7)
    take = lambda n: [next(some) for _ in range(n)]  # noqa: E731
    return {"queued": [*take(100), store.middle // 2], "dead": take(300), "retry": take(300), "inflight": take(200)}


def search(events=EVENTS):
    """A million deliveries of one day, first all queued, then nearly all done: an answer <= 50 ms p99, a script <= 5 ms."""
    figures = {}
    with rig.stack(fsync="no") as s:
        redis = s.redis.client()
        redis.config_set("save", "")
        store = Spread(redis, events)
        store.fill()
        figures["search_index_bytes_each"] = store.index_bytes() / events
        searcher = _Searcher(s.receiver(_configured(s.redis.url)).admin, redis)
        redis.config_set("slowlog-log-slower-than", SLOW_US)
        redis.config_set("slowlog-max-len", 10_000)
        redis.slowlog_reset()
        figures.update(searcher.measure("all_queued_state_queued", {"state": "queued"}))
        figures.update(searcher.measure("all_queued_lane", {"state": "queued", "lane": "dest7"}))
        store.deliver(_left(store))
        redis.slowlog_reset()
        for name, query in _queries(store).items():
            figures.update(searcher.measure(name, query))
        slow = [entry["duration"] for entry in redis.slowlog_get(10_000) if "EVALSHA" in str(entry["command"])[:10]]
        figures["search_longest_script_ms"] = max(slow, default=0) / 1000
    return figures
