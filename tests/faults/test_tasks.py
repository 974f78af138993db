"""Tasks set through the API while Redis and the receiver are killed: what got 20100 is fetched and announced."""

import base64
import gzip
import json
import threading
import time

import pytest

from harness import http
from harness.redis_server import free_port
from harness.rig import QUICK, Rig
from harness.wait import wait_for

PASSWORD = "task-password-0123"
BASIC = {"Authorization": "Basic " + base64.b64encode(f"acme:{PASSWORD}".encode()).decode()}
EACH = 4  # tasks a call


class Poster(threading.Thread):
    """Posts batches of tasks for ever; a task that did not get 20100 goes with the next try of its batch."""

    def __init__(self, address, sink, number):
        super().__init__(daemon=True)
        self.address, self.sink, self.number = address, sink, number
        self.acknowledged, self.tried, self.refused = set(), set(), 0
        self.over = threading.Event()

    def task(self, ident):
        return {"id": ident, "tag": "t", "postback_url": self.sink.url("/post?id=$id"),
                "pingback_url": self.sink.url("/ping?id=$id"), "result": {"for": ident, "n": 12345678901234567890}}

    def run(self):
        for batch in range(10000):
            left = [f"t{self.number}-{batch}-{n}" for n in range(EACH)]
            while left and not self.over.is_set():
                self.tried |= set(left)
                left = [i for i in left if i not in self.post(left)]
                time.sleep(0.02)

    def post(self, ids):
        """Those that are set now."""
        try:
            answer = http.post(self.address, "/v3/serp/task_post", [self.task(i) for i in ids], BASIC, timeout=5)
            tasks = answer.json()["tasks"] or []
        except (OSError, ValueError):
            tasks = []
        done = {t["id"] for t in tasks if t["status_code"] == 20100}
        self.refused += len(ids) - len(done)
        self.acknowledged |= done
        return done


@pytest.mark.redis(fsync="always")
def test_tasks_set_while_all_is_killed(stack):
    rig = Rig(stack, "tasks set, Redis and receiver killed", lanes={QUICK: 0})
    admin = f"127.0.0.1:{free_port()}"
    rig.conf["admin"] = {"listen": admin}
    rig.conf["accounts"] = {"acme": {"password": PASSWORD, "role": "user"}}
    rig.conf["dispatcher"]["egress"] = {"allow_accounts": ["127.0.0.1/32"]}
    rig.start_receiver()
    posters = [Poster(admin, rig.sink, n) for n in range(4)]
    for p in posters:
        p.start()

    def more(count):
        before = sum(len(p.acknowledged) for p in posters)
        wait_for(lambda: sum(len(p.acknowledged) for p in posters) >= before + count, 15, "tasks to be set")
    for _ in range(3):
        more(60)
        stack.redis.kill9()
        time.sleep(0.2)
        stack.redis.start()
        more(60)
        rig.receiver.kill9().start()
        rig.note_baseline(rig.receiver)
    more(60)
    for p in posters:
        p.over.set()
    for p in posters:
        p.join(10)
    acknowledged = set().union(*(p.acknowledged for p in posters))
    assert sum(p.refused for p in posters) > 3
    problems = rig.snapshot().problems()
    assert not problems, problems[:5]
    rig.add_dispatcher()
    rig.drain()
    requests = rig.sink.all()
    rig.sink.reset()
    for path in ("/post", "/ping"):
        there = [r.query["id"] for r in requests if r.path == path]
        assert not acknowledged - set(there), f"lost on {path}: {sorted(acknowledged - set(there))[:5]}"
        assert len(there) == len(set(there)) and set(there) <= set().union(*(p.tried for p in posters))
    for r in requests:
        if r.path == "/post":
            body = json.loads(gzip.decompress(r.body) if r.header("Content-Encoding") == "gzip" else r.body)
            task = body["tasks"][0]
            assert task["id"] == r.query["id"] and task["result"] == [{"for": task["id"], "n": 12345678901234567890}]
    some = sorted(acknowledged)[0]
    fetched = http.get(admin, f"/v3/serp/task_get/{some}", BASIC).json()["tasks"][0]
    assert fetched["status_code"] == 20000 and fetched["result"][0]["for"] == some
    rig.healed(2)
    found = rig.judge(note="tasks", counts=False)
    found.sent, found.acknowledged = sum(len(p.tried) for p in posters), len(acknowledged)
