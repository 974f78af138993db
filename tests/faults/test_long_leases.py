"""A dispatcher killed with a fetch, or a webhook of an API task, in hand: another goes on, and each arrives once.

Their leases are those of the defaults, 16 s: the cases run side by side. Two of them need a build with
-DHOOKPACE_FAULTS=ON ($HOOKPACE_FAULTS_BUILD).
"""

import base64
import gzip
import json
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import config, http, paths
from harness.downstream import Answer
from harness.provider import PATH
from harness.stack import Stack
from harness.wait import stays, wait_for

FETCH = "t1~f:fetch@in"
LEASE_S = 16
PASSWORD = "acme-password-0123"


def wait_done(stack, delivery):
    wait_for(lambda: stack.keys.delivery(delivery).get("state") == "done", LEASE_S + 10,
             lambda: f"{delivery} to be done: {stack.keys.delivery(delivery)}")


def wait_none_open(stack):
    wait_for(lambda: stack.redis.client().hgetall("hookpace:{0}:counts") == {}, 5, "nothing to be announced or sending")


def killed_in_a_fetch(stack, kill, answer=None, **options):
    """KILL ends the first dispatcher, whose GET the provider answers with ANSWER."""
    provider, sink = stack.provider(), stack.downstream()
    conf = config.base(stack.redis.url)
    conf["sources"]["in"] = provider.source("out")
    conf["destinations"]["out"] = config.destination(sink.url())
    provider.done("t1", result=[{"pad": "x" * 200_000}])
    body = provider.body_of("t1")
    if answer:
        provider.on(f"{PATH}/task_get/advanced/t1", Answer(body=body, **answer), Answer(body=body))
    receiver = stack.receiver(conf)
    first = stack.dispatcher(conf, **options)
    assert receiver.get("/in/in?id=t1", listener="ingest").status == 200
    provider.wait_count(1)
    kill(first)
    stack.dispatcher(conf)
    wait_done(stack, FETCH)
    assert sink.wait_count(1)[0].body == body
    stays(lambda: len(sink.all()) == 1, 0.5)
    assert len(provider.gets()) == 2
    wait_none_open(stack)


def at(point):
    """The result is here and not in the queue; or it is in the queue, and that is not told."""
    def kill(dispatcher):
        assert dispatcher.wait(10) == -signal.SIGKILL, f"the point {point} was not passed"
    return lambda stack: killed_in_a_fetch(stack, kill, build=paths.faults_build_dir(), env={"HOOKPACE_FAULT_AT": point})


def answered(**answer):
    return lambda stack: killed_in_a_fetch(stack, lambda dispatcher: dispatcher.kill9(), answer)


def killed_in_a_postback(stack):
    sink = stack.downstream()
    conf = config.base(stack.redis.url, dispatcher={"egress": {"allow_accounts": ["127.0.0.1/32"]}})
    conf["accounts"] = {"acme": {"password": PASSWORD}}
    receiver, first = stack.receiver(conf), stack.dispatcher(conf)
    sink.on(None, Answer(action="hang"), 200)
    login = base64.b64encode(f"acme:{PASSWORD}".encode()).decode()
    task = [{"id": "t1", "postback_url": sink.url(), "result": {"n": 1}}]
    answer = http.post(receiver.admin, "/v3/serp/task_post", json.dumps(task).encode(), {"Authorization": f"Basic {login}"})
    assert answer.json()["tasks_error"] == 0, answer
    sink.wait_count(1)
    first.kill9()
    stack.dispatcher(conf)
    requests = sink.wait_count(2, timeout=LEASE_S + 8)
    assert len({gzip.decompress(r.body) for r in requests}) == 1
    wait_done(stack, "@acme/t1:postback@acme")
    stays(lambda: len(sink.all()) == 2, 0.3)
    wait_none_open(stack)


CASES = {"fetch_judged": at("fetch_judged"), "fetch_put": at("fetch_put"), "unanswered": answered(action="hang"),
         "half": answered(action="trickle", every=0.01), "postback": killed_in_a_postback}


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """case -> (stack, failure), as a future."""
    directory = tmp_path_factory.mktemp("long")

    def run(name):
        stack = Stack(directory / name, fsync="always")
        try:
            stack.redis.start()
            CASES[name](stack)
            return stack, None
        except (AssertionError, OSError) as failure:
            return stack, failure
    with ThreadPoolExecutor(len(CASES)) as pool:
        futures = {name: pool.submit(run, name) for name in CASES}
        yield futures
    for future in futures.values():
        future.result()[0].close()


@pytest.mark.parametrize("name", CASES)
def test_killed(cases, name, request):
    stack, failure = cases[name].result(120)
    request.node.stack = stack  # its logs go into the report
    if failure:
        raise failure
