"""Where the programs under test are: the build tree $HOOKPACE_BUILD, or <repository>/build."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def build_dir() -> Path:
    """The build tree under test."""
    return Path(os.environ.get("HOOKPACE_BUILD", REPOSITORY / "build")).resolve()


def faults_build_dir() -> Path:
    """A build tree with -DHOOKPACE_FAULTS=ON: $HOOKPACE_FAULTS_BUILD, or <repository>/build-sanitize."""
    return Path(os.environ.get("HOOKPACE_FAULTS_BUILD", REPOSITORY / "build-sanitize")).resolve()


def is_sanitized() -> bool:
    """The build under test has AddressSanitizer, which keeps what is freed for a while."""
    return b"libasan" in program("dispatcher").read_bytes()


def program(part: str, build: Path = None) -> Path:
    """The binary of PART ("receiver" or "dispatcher"). A missing one fails the test: nothing is skipped."""
    path = (build or build_dir()) / part / f"hookpace-{part}"
    if not os.access(path, os.X_OK):
        raise FileNotFoundError(f"{path} is not there: build it, or set HOOKPACE_BUILD to the build tree")
    return path


def command(build: Path = None) -> Path:
    """The command `hookpace`."""
    path = (build or build_dir()) / "cli" / "hookpace"
    if not os.access(path, os.X_OK):
        raise FileNotFoundError(f"{path} is not there: build it, or set HOOKPACE_BUILD to the build tree")
    return path


def tool(name: str) -> Path:
    """A C tool of tests/tools, from the build tree, or (tools are no part of what is tested) from <repository>/build."""
    for build in (build_dir(), REPOSITORY / "build"):
        path = build / "tests" / name
        if os.access(path, os.X_OK):
            return path
    raise FileNotFoundError(f"{path} is not there: configure with -DHOOKPACE_TESTS=ON and build")
