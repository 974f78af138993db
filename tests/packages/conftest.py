import subprocess

import pytest

from harness import paths


@pytest.fixture(scope="session")
def build():
    return paths.program("receiver").parents[1]


@pytest.fixture(scope="session")
def installed(build, tmp_path_factory):
    """A prefix with everything that `cmake --install` puts there."""
    prefix = tmp_path_factory.mktemp("prefix")
    subprocess.run(["cmake", "--install", build, "--prefix", prefix], check=True, capture_output=True, timeout=60)
    return prefix
