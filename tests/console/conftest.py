"""The programs with accounts of every role, and clients of the operators' API."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent))

from console_client import PASSWORDS, Console  # noqa: E402
from harness import config  # noqa: E402
from harness.stack import Stack  # noqa: E402

ROLES = {"root": "admin", "eye": "viewer", "acme": "user"}


class Service:
    """Programs on one Redis: `root`, `eye` and `acme` are clients of /api, `sink` is where webhooks may go."""

    def __init__(self, stack, **top):
        self.stack = stack
        self.sink = stack.downstream()
        accounts = {name: {"password": PASSWORDS[name], "role": role} for name, role in ROLES.items()}
        self.conf = config.base(stack.redis.url, accounts=accounts, **top)
        self.receiver = None
        self.dispatchers = []

    def start(self, dispatchers=1):
        self.receiver = self.stack.receiver(self.conf)
        self.dispatchers = [self.stack.dispatcher(self.conf) for _ in range(dispatchers)]
        self.root, self.eye, self.acme = (Console(self.receiver, name) for name in ROLES)
        return self


@pytest.fixture
def service(stack):
    return Service(stack)


@pytest.fixture
def console(service):
    """The service with one dispatcher, running."""
    return service.start()


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    stack = Stack(tmp_path_factory.mktemp("kept"))
    try:
        stack.redis.start()
        yield Service(stack).start(dispatchers=0)
    finally:
        stack.close()


@pytest.fixture
def empty(kept):
    """The service without dispatchers for tests that only ask: one receiver serves them all, on a Redis that is emptied for each."""
    kept.stack.redis.client().flushall()
    return kept
