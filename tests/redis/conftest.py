import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent))

from harness.redis_server import RedisServer  # noqa: E402
from redis_probe import Probe  # noqa: E402


@pytest.fixture
def server(tmp_path):
    made = RedisServer(tmp_path / "redis").start()
    yield made
    made.stop()


@pytest.fixture
def open_probe():
    """Makes probes; at the end each must stop cleanly, and no tag may have been answered twice."""
    made = []

    def make(*args, **options):
        made.append(Probe(*args, **options))
        return made[-1]

    yield make
    for probe in made:
        probe.close()
        tags = [line["tag"] for line in probe.lines if "tag" in line]
        assert len(tags) == len(set(tags))


@pytest.fixture
def probe(server, open_probe):
    made = open_probe("127.0.0.1", server.port)
    made.wait_event("ready")
    return made
