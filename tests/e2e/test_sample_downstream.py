"""scripts/sample-downstream verifies what Hookpace signs, and refuses everything else."""

import json
import os
import re
import subprocess
import time

import pytest

from harness import config, http, paths, sign
from harness.wait import wait_for, wait_exit

SECRETS = {"serphouse": "a-secret-of-the-test-0123", "semscraper": "a-secret-of-the-test-0123",
           "standard-webhooks": sign.standard_secret()}
OTHER = {"serphouse": "another-secret-0123456789", "semscraper": "another-secret-0123456789",
         "standard-webhooks": sign.standard_secret(b"x" * 32)}
SCRIPT = paths.REPOSITORY / "scripts" / "sample-downstream"


class Sample:
    """A running sample-downstream that verifies SCHEME; its secret comes by a variable."""

    def __init__(self, scheme, *more):
        self.process = subprocess.Popen([SCRIPT, "--quiet", "--verify", scheme, "--secret", "env:SAMPLE_SECRET", *more],
                                        env={**os.environ, "SAMPLE_SECRET": SECRETS[scheme]}, text=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.address = re.search(r"http://(\S+)", self.process.stdout.readline()).group(1)

    def post(self, body, headers):
        return http.post(self.address, "/hook", body, headers).status

    def arrivals(self):
        return http.get(self.address, "/_arrivals").json()

    def close(self):
        self.process.terminate()
        wait_exit(self.process)
        self.process.stdout.close()


@pytest.fixture(params=SECRETS)
def scheme(request):
    return request.param


@pytest.fixture
def sample(scheme):
    made = Sample(scheme, "--secret", OTHER[scheme] + "-of-old" if scheme != "standard-webhooks" else sign.standard_secret(b"o" * 32))
    yield made
    made.close()


def test_it_takes_what_hookpace_signs(stack, scheme, sample):
    conf = config.base(stack.redis.url)
    for name, secret in (("right", SECRETS[scheme]), ("wrong", OTHER[scheme])):
        conf["sources"][name] = config.source(name)
        conf["destinations"][name] = config.destination(f"http://{sample.address}/{name}", retry={"schedule_s": [600]},
                                                        sign={"scheme": scheme, "secrets": [secret]})
    receiver = stack.receiver(conf)
    stack.dispatcher(conf)
    for name in ("wrong", "right"):
        assert receiver.post(f"/in/{name}", json.dumps({"id": name}).encode()).status == 200
    for name, status in (("right", "200"), ("wrong", "401")):
        fields = wait_for(lambda: stack.keys.delivery(f"{name}:{name}") if "last_status" in stack.keys.delivery(f"{name}:{name}")
                          else None, message=f"an answer to {name}")
        assert fields["last_status"] == status
    assert [a["target"] for a in sample.arrivals()["arrivals"]] == ["/right"]


def test_it_takes_any_of_its_secrets_and_nothing_else(scheme, sample):
    body = b'{"id":"a"}'
    old = sign.standard_secret(b"o" * 32) if scheme == "standard-webhooks" else OTHER[scheme] + "-of-old"
    right = sign.headers(scheme, SECRETS[scheme], body)
    assert sample.post(body, right) == 200
    assert sample.post(body, sign.headers(scheme, old, body)) == 200
    assert sample.post(body, sign.headers(scheme, OTHER[scheme], body)) == 401
    assert sample.post(body + b" ", right) == 401
    assert sample.post(body, {}) == 401
    assert sample.post(body, {name: value[:-1] for name, value in right.items()}) == 401
    assert sample.post(body, {name: "\xff\xe9" for name in right}) == 401
    assert sample.arrivals()["total"] == 2


def test_it_refuses_an_old_signature():
    sample = Sample("standard-webhooks")
    try:
        for age, status in ((290, 200), (310, 401), (-310, 401)):
            headers = sign.headers("standard-webhooks", SECRETS["standard-webhooks"], b"{}", at=time.time() - age)
            assert sample.post(b"{}", headers) == status
    finally:
        sample.close()


@pytest.mark.parametrize("options", [["--verify", "serphouse"], ["--secret", "x"], ["--verify", "none", "--secret", "x"],
                                     ["--verify", "serphouse", "--secret", "env:NOT_SET_IN_ANY_TEST"]])
def test_wrong_options(options):
    done = subprocess.run([SCRIPT, *options], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 2 and "usage:" in done.stderr
