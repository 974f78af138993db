"""The programs with accounts of every role, and clients of the operators' API."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent))

from console_client import PASSWORDS, Console  # noqa: E402
from harness import config  # noqa: E402
from harness.kept import kept_service  # noqa: E402

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


kept, empty = kept_service(Service)
