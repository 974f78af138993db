"""How long a comparison takes does not tell where a forged value first differs (tests/tools/timing.c)."""

import json
import subprocess

import pytest

from harness import paths

pytestmark = pytest.mark.alone

LEAK = 8.0  # |t| from which on the classes differ; 4.5 is usual, and every run is one of several
TRIES = 4


def t_value(what, samples=60_000):
    done = subprocess.run([paths.tool("timing"), what, str(samples)], capture_output=True, text=True, timeout=60, check=True)
    return abs(json.loads(done.stdout)["t"])


@pytest.mark.parametrize("what", ["equal", "signature", "token", "basic"])
def test_the_time_is_the_same_wherever_a_forgery_is_wrong(what):
    """A leak is there in every run, a busy machine not in all of them."""
    seen = []
    while len(seen) < TRIES:
        seen.append(t_value(what))
        if seen[-1] < LEAK:
            return
    raise AssertionError(f"{what}: |t| was {seen}")


@pytest.mark.parametrize("what", ["equal-leaky", "signature-leaky"])
def test_a_leak_would_be_found(what):
    """The control: the same with a comparison that stops at the first difference."""
    seen = [t_value(what) for _ in range(TRIES)]
    assert min(seen) > LEAK, seen
