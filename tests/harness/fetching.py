"""A source `in` whose results are only announced: a provider, both programs, and the delivery that fetches."""

from harness import config
from harness.wait import wait_for

FETCH = "fetch@in"


def run(stack, dest=None, source=None, top=None, dispatchers=1, to=("out",), env=None):
    """(provider, sink, receiver, [dispatcher]): source `in` of a provider to the destinations TO."""
    provider, sink = stack.provider(), stack.downstream()
    conf = config.base(stack.redis.url, **(top or {}))
    for name in to:
        conf["destinations"][name] = config.destination(sink.url(f"/{name}?id=$id&tag=$tag"), **(dest or {}))
    conf["sources"]["in"] = {**provider.source(list(to)), **(source or {})}
    receiver = stack.receiver(conf)
    return provider, sink, receiver, [stack.dispatcher(conf, env=env) for _ in range(dispatchers)]


def announce(receiver, ident="t1", query="", **headers):
    answer = receiver.get(f"/in/in?id={ident}{query}", listener="ingest", headers=headers)
    assert answer.status == 200, answer
    return answer.json()


def fetch(stack, ident="t1"):
    """The fields of the delivery that fetches."""
    return stack.keys.delivery(f"{ident}~f:{FETCH}")


def wait_state(stack, wanted, ident="t1", timeout=10.0):
    wait_for(lambda: fetch(stack, ident).get("state") == wanted, timeout, lambda: f"{wanted}: {fetch(stack, ident)}")
    return fetch(stack, ident)
