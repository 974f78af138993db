"""The published receivers, started once, and a Hookpace that has every one of them as a downstream."""

import gzip
import json
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent))
sys.path.append(str(Path(__file__).resolve().parent.parent / "api"))

import published  # noqa: E402
from api_client import Api  # noqa: E402
from harness import config, sign  # noqa: E402
from harness.stack import Stack  # noqa: E402
from harness.wait import wait_for  # noqa: E402

PASSWORD = "account-password"
WRONG = "a-wrong-secret-0123456789"
# Beyond ASCII, so that a receiver which decodes before it verifies has something to get wrong; long enough that gzip is shorter.
RESULTS = [{"rank": n, "title": "Café – prix en €", "url": f"https://shop.example/{n}"} for n in range(20)]


class Gateway:
    """A running Hookpace with all RECEIVERS as downstreams.

    The receiver NAME is the only destination of the source NAME. The accounts NAME-account and NAME-envelope sign as it verifies;
    a postback of the first is the result alone, one of the second the envelope. NAME-wrong and NAME-wrong-account sign with a wrong
    secret.
    """

    def __init__(self, directory, receivers):
        self.stack = Stack(directory)
        self.receivers = receivers
        conf = self.conf = config.base(self.stack.redis.url)
        conf["dispatcher"]["egress"] = {"allow_accounts": ["127.0.0.1/32"]}
        conf["accounts"] = {"login": {"password": "password"}}    # DataForSEO's examples log in so; it does not sign
        for name, program in receivers.items():
            wrong = sign.standard_secret(b"x" * 32) if program.scheme == "standard-webhooks" else WRONG
            for key, secret in ((name, program.secret), (f"{name}-wrong", wrong)):
                how = {"scheme": program.scheme, "secrets": [secret]}
                conf["sources"][key] = config.source(key)
                conf["destinations"][key] = config.destination(program.url + "?id=$id", sign=how, retry={"schedule_s": [600]})
                conf["accounts"][f"{key}-account"] = {"password": PASSWORD, "sign": how, "payload": "result"}
            conf["accounts"][f"{name}-envelope"] = {"password": PASSWORD,
                                                    "sign": {"scheme": program.scheme, "secrets": [program.secret]}}

    def start(self):
        self.stack.redis.start()
        self.receiver = self.stack.receiver(self.conf)
        self.stack.dispatcher(self.conf)
        return self

    def relay(self, name, ident, packed=False):
        """Sends one webhook to the source NAME; answers what its receiver answered: (status, text)."""
        body = json.dumps({"id": ident, "results": RESULTS}, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json"}
        if packed:
            body = gzip.compress(body)
            headers["Content-Encoding"] = "gzip"
        answer = self.receiver.post(f"/in/{name}", body, headers)
        assert answer.status == 200, answer
        return self.answer(ident, name)

    def task(self, login, ident, kind, url):
        """Sets a task of the account LOGIN with a webhook of KIND to URL; answers what the receiver there answered."""
        api = Api(self.receiver, login, self.conf["accounts"][login]["password"])
        (answer,) = api.set({"id": ident, "tag": "a tag", f"{kind}_url": url + "?id=$id&tag=$tag",
                             "result": {"id": ident, "results": RESULTS}})
        assert answer["status_code"] == 20100, answer
        return self.answer(ident, f"{kind}@{login}")

    def postback(self, program, ident, login="account"):
        return self.task(f"{program.name}-{login}", ident, "postback", program.url)

    def pingback(self, program, ident):
        return self.task(f"{program.name}-account", ident, "pingback", program.url)

    def answer(self, ident, destination):
        """(status, text) of the answer to the first attempt of the delivery of IDENT to DESTINATION."""
        client = self.stack.redis.client()

        def found():
            for key in client.scan_iter(match=f"*}}:delivery:*{ident}:{destination}", count=1000):
                fields = client.hgetall(key)
                if fields.get("state") in ("done", "retry", "dead"):
                    return key, fields
            return None
        key, fields = wait_for(found, 10, f"an answer to {ident} from {destination}")
        if "last_status" not in fields:
            return fields.get("last_error"), ""
        attempts = client.lrange(key.replace(":delivery:", ":attempts:"), 0, -1)
        text = fields.get("response") or (json.loads(attempts[-1]).get("response") if attempts else "")
        return int(fields["last_status"]), text or ""

    def close(self):
        self.stack.close()


@pytest.fixture(scope="session")
def receivers():
    """Name -> Program, all running."""
    started = published.start_all()
    yield started
    published.close_all(started.values())


@pytest.fixture(scope="session")
def gateway(receivers, tmp_path_factory):
    made = Gateway(tmp_path_factory.mktemp("gateway"), receivers)
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture(params=published.NAMES)
def program(request, receivers):
    return receivers[request.param]
