"""A real browser on the dashboard, with the programs behind it."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent))

from browser import Browser, Page, Service  # noqa: E402


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


@pytest.fixture(autouse=True)
def no_tabs_left(request):
    """A test that fails leaves its tabs open, and what they go on asking would fail the next one."""
    yield
    if "chromium" in request.fixturenames:
        request.getfixturevalue("chromium").close_tabs()


@pytest.fixture
def service(stack):
    """The programs, not started yet: the sources and destinations are the test's."""
    return Service(stack)


@pytest.fixture
def page(service, chromium):
    """The service with what Service.fill puts into it, and a tab of its own, logged in as `root`. At its end nothing may have been
    written to the browser's console: no broken policy, no failed script."""
    tab = Page(chromium, service.fill().receiver.admin)
    tab.log_in("root")
    yield tab
    tab.close()
