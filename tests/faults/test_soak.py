"""scripts/soak for a moment, so that it is known to work. It is worth its while with more time: --minutes 30."""

import subprocess

from harness import paths
from harness.rig import seed


def test_a_moment_of_soaking():
    run = subprocess.run([str(paths.REPOSITORY / "scripts" / "soak"), "--minutes", "0.2", "--seed", str(seed())],
                         capture_output=True, text=True, timeout=150, check=False)
    print(run.stdout, run.stderr)
    assert run.returncode == 0
