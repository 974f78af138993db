import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from probe import Probe  # noqa: E402


@pytest.fixture(scope="session")
def shared():
    """One probe with the usual limits; whatever a test sends it, it must go on serving."""
    probe = Probe()
    yield probe
    assert probe.alive()
    assert probe.stop() == 0


@pytest.fixture
def start():
    """Starts probes with options of the test's own; each must stop cleanly."""
    made = []

    def make(*prefix, **options):
        made.append(Probe(*prefix, **options))
        return made[-1]

    yield make
    for probe in made:
        if probe.process.returncode is None:
            assert probe.stop() == 0
            assert probe.said("probe.drained")[0]["budget_used"] == 0
