"""Fixtures of all pytest suites; see tests/harness."""

import os
import sys
from pathlib import Path

import pytest

# at the end: a directory here must never hide a module of the standard library (tests/queue)
sys.path.append(str(Path(__file__).resolve().parent))

from harness.documented import undocumented  # noqa: E402
from harness.stack import Stack  # noqa: E402


@pytest.fixture
def stack(tmp_path, request):
    """A Stack with its Redis started. Options for the Redis: @pytest.mark.redis(fsync="always", ...)."""
    marker = request.node.get_closest_marker("redis")
    made = Stack(tmp_path, **(marker.kwargs if marker else {}))
    request.node.stack = made
    try:
        made.redis.start()
        yield made
        with made.redis.client(socket_timeout=1) as client:
            assert not undocumented(client), "keys that docs/internals/queue.md does not tell of"
    finally:
        made.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """The logs of the programs go into the report of a failed test."""
    outcome = yield
    report = outcome.get_result()
    made = getattr(item, "stack", None)
    if report.failed and made is not None:
        report.sections.extend(made.logs())
    if report.skipped and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be: {report.longrepr}"


def pytest_configure(config):
    config.addinivalue_line("markers", "redis(**options): how the test's Redis is started (harness.redis_server)")
    config.addinivalue_line("markers", "slow: takes more than about ten seconds")
    config.addinivalue_line("markers", "alone: measures times or uses up a resource of the machine: no other test may run beside it")
