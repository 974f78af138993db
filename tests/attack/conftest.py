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
