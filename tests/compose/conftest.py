import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent))

from engine import Engine  # noqa: E402


@pytest.fixture(scope="session")
def engine():
    """One for all modules, so that each image is built once."""
    made = Engine()
    try:
        made.wait_ready()
        made.make_images()
        yield made
    finally:
        made.close()
