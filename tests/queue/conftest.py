import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent))

from harness.redis_server import RedisServer  # noqa: E402
from scripts import Queue  # noqa: E402


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory):
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def queue(redis_server):
    """An empty queue whose destination `d` takes 100 at a time, leases of 10 s, windows of 2 s."""
    client = redis_server.client()
    client.flushall()
    q = Queue(client)
    q.limits(d=(100, 10000, 2000, 8))
    yield q
    client.close()


@pytest.fixture
def tasks(queue):
    """The queue with limits for every destination that tests of tasks have."""
    queue.limits(**{n: (100, 10000, 2000, 8) for n in ("d", "b", "ping", "postback@acme", "pingback@acme", "postback@beta", "fetch@src")})
    return queue
