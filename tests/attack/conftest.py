import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from farm import Farm  # noqa: E402


@pytest.fixture(scope="module")
def farm(tmp_path_factory):
    made = Farm(tmp_path_factory.mktemp("farm"))
    yield made
    assert made.receiver.running
    made.receiver.term()
    assert made.receiver.wait() == 0
    made.stack.close()


@pytest.fixture
def nothing_is_queued(farm, request):
    """By any answer but 200, which a test has in its name as "accepted"."""
    before = farm.queued()
    yield
    if "accepted" not in request.node.name:
        assert farm.queued() == before
