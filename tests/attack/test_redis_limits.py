"""Bodies that Redis itself would refuse (proto-max-bulk-len) are 413, and disturb no other webhook."""

import base64
import gzip
import json
import os
import threading

import pytest

from harness import config, http
from harness.stack import Stack
from harness.wait import wait_for

MIB = 1 << 20


def start(tmp_path, *extra):
    stack = Stack(tmp_path, extra=["--proto-max-bulk-len", "1mb", *extra])
    stack.redis.start()
    conf = config.base(stack.redis.url)
    conf["accounts"] = {"acme": {"password": "acme-password-22", "role": "user"}}
    conf["sources"]["in"] = config.source([])
    return stack, stack.receiver(conf)


@pytest.fixture
def limited(tmp_path):
    stack, receiver = start(tmp_path)
    yield receiver
    stack.close()


def body(n, size):
    """JSON that gzip cannot make smaller by much."""
    return json.dumps({"id": f"b{n}", "pad": base64.b64encode(os.urandom(size * 3 // 4)).decode()}).encode()


class Honest:
    """Webhooks of others, all the time; REFUSED has what was not answered 200."""

    def __init__(self, receiver):
        self.receiver, self.count, self.refused, self.stop = receiver, 0, [], False
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stop:
            answer = self.receiver.post("/in/in", {"id": f"h{self.count}"})
            self.count += 1
            if answer.status != 200:
                self.refused.append(answer)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop = True
        self.thread.join()


def test_larger_bodies_are_413(limited):
    before = limited.logged("redis.lost")
    with Honest(limited) as honest:
        for n in range(20):
            answer = limited.post("/in/in", body(n, MIB + 1000 * n))
            assert (answer.status, answer.json()["code"]) == (413, "body_too_large")
            chunks = b"".join(b"10000\r\n" + b" " * 65536 + b"\r\n" for _ in range(18)) + b"2\r\n{}\r\n0\r\n\r\n"
            head = b"POST /in/in HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
            assert http.raw(limited.ingest, head + chunks).startswith(b"HTTP/1.1 413 ")
            assert limited.post("/in/in", body(100 + n, 900_000)).status == 200
            packed = gzip.compress(body(200 + n, 1_150_000))
            assert (limited.post("/in/in", packed).status == 200) == (len(packed) < MIB - 65536)
    assert honest.count > 20 and not honest.refused
    assert limited.logged("redis.lost") == before


def test_results_of_tasks(limited):
    login = {"Authorization": "Basic " + base64.b64encode(b"acme:acme-password-22").decode()}

    def set_task(size):
        task = [{"id": f"t{size}", "result": "x" * size}, {"id": f"s{size}", "result": 1}]
        answer = http.post(limited.admin, "/v3/serp/google/organic/task_post", json.dumps(task).encode(), login)
        return [(t["status_code"], t["status_message"]) for t in answer.json()["tasks"]]
    (large, message), small = set_task(2_000_000)
    assert large == 40501 and "'result'" in message and small == (20100, "Task Created.")
    assert [code for code, _ in set_task(900_000)] == [20100, 20100]


def test_a_server_that_does_not_tell_its_limit(tmp_path):
    """It shows it once; from then on such bodies are 413."""
    stack, receiver = start(tmp_path, "--rename-command", "CONFIG", "")
    try:
        large = body(1, 3 * MIB)
        wait_for(lambda: receiver.post("/in/in", large).status == 413, 10, "the limit to be known")
        wait_for(lambda: receiver.post("/in/in", {"id": "small"}).status == 200, 10, "the queue again")
        with Honest(receiver) as honest:
            for _ in range(20):
                assert receiver.post("/in/in", large).status == 413
        assert honest.count > 5 and not honest.refused
    finally:
        stack.close()
