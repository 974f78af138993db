"""How results reach Redis: a call for several of them, where one is on its way already."""

import threading

from harness import config
from harness.downstream import Answer, Downstream
from harness.wait import wait_for

COUNT, PATIENCE_MS = 12, 60000


class Gate(Downstream):
    """Answers a request only when it is let through."""

    def __init__(self):
        super().__init__()
        self.passes = threading.Semaphore(0)
        self.waiting = []

    def _unscripted(self, request):
        self.waiting.append(request)
        self.passes.acquire(timeout=PATIENCE_MS / 1000)
        return Answer()


def test_a_few_results_wait_for_the_call_that_is_on_its_way(stack):
    """Twelve attempts end one after the other while Redis is busy. The first result goes out at once, the others together."""
    gate = Gate()
    stack.sinks.append(gate)
    conf = config.simple(stack.redis.url, gate.url(), concurrency=COUNT)
    conf["redis"]["timeout_ms"] = conf["destinations"]["out"]["timeout_ms"] = PATIENCE_MS
    receiver = stack.receiver(conf)
    for n in range(COUNT):
        receiver.send(f"e{n}")
    dispatcher = stack.dispatcher(conf, env={"HOOKPACE_LOG": "debug"})
    wait_for(lambda: len(gate.waiting) == COUNT, 10)
    stack.redis.pause()
    for n in range(1, COUNT + 1):
        gate.passes.release()
        wait_for(lambda n=n: len(dispatcher.logged("attempt.ended")) == n, 10)
    stack.redis.resume()

    def calls():
        return [line["results"] for line in dispatcher.logged("settle.done")]
    wait_for(lambda: sum(calls()) == COUNT, 10)
    assert len(calls()) == 2, calls()
    assert not stack.keys.inflight()
