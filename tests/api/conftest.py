"""A receiver with accounts, and clients of its API."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent))

from api_client import PASSWORDS, Api  # noqa: E402
from harness import config  # noqa: E402
from harness.kept import kept_service  # noqa: E402


class Service:
    """Programs on one Redis: `admin`, `acme` and `beta` are clients of the API, `sink` is where webhooks may go."""

    def __init__(self, stack, **top):
        self.stack = stack
        self.sink = stack.downstream()
        accounts = {name: {"password": password, "role": "admin" if name == "admin" else "user"}
                    for name, password in PASSWORDS.items()}
        self.conf = config.base(stack.redis.url, accounts=accounts, **top)
        self.conf["dispatcher"].setdefault("egress", {"allow_accounts": ["127.0.0.1/32"]})
        self.receiver = None

    def start(self, dispatchers=1):
        self.receiver = self.stack.receiver(self.conf)
        self.dispatchers = [self.stack.dispatcher(self.conf) for _ in range(dispatchers)]
        self.admin, self.acme, self.beta = (self.api(name) for name in PASSWORDS)
        return self

    def api(self, name, receiver=None):
        return Api(receiver or self.receiver, name, PASSWORDS[name])

    def hook(self, path="/hook"):
        """A URL of the sink, with everything in it."""
        return self.sink.url(path + "?id=$id&tag=$tag")

    def delivery(self, ident, kind="postback", account="acme"):
        return self.stack.keys.delivery(f"@{account}/{ident}:{kind}@{account}")


@pytest.fixture
def service(stack):
    return Service(stack)


@pytest.fixture
def api(service):
    """The service with one dispatcher, running."""
    return service.start()


@pytest.fixture
def quiet(service):
    """The service without dispatchers: what is queued stays so."""
    return service.start(dispatchers=0)


kept, empty = kept_service(Service)
