"""A dispatcher killed at the named points of a fetch: the result is relayed once, whoever goes on.

Needs a build with -DHOOKPACE_FAULTS=ON ($HOOKPACE_FAULTS_BUILD). The cases run side by side: each waits for a lease of 16 s.
"""

import signal
from concurrent.futures import ThreadPoolExecutor

from harness import config, paths
from harness.stack import Stack
from harness.wait import stays, wait_for

POINTS = ["fetch_judged", "fetch_put"]  # the result is here and not in the queue; it is in the queue, and that is not told


def run(directory, point):
    """What went wrong at POINT, with the logs; or None."""
    stack = Stack(directory / point, fsync="always")
    try:
        stack.redis.start()
        provider, sink = stack.provider(), stack.downstream()
        conf = config.base(stack.redis.url)
        conf["sources"]["in"] = provider.source("out")
        conf["destinations"]["out"] = config.destination(sink.url())
        provider.done("t1")
        receiver = stack.receiver(conf)
        build = paths.faults_build_dir()
        first = stack.dispatcher(conf, build=build, env={"HOOKPACE_FAULT_AT": point})
        assert receiver.get("/in/in?id=t1", listener="ingest").status == 200
        assert first.wait(10) == -signal.SIGKILL, f"the point {point} was not passed"
        assert len(provider.gets()) == 1
        stack.dispatcher(conf)
        fetch = "t1~f:fetch@in"
        wait_for(lambda: stack.keys.delivery(fetch).get("state") == "done", 25, f"{fetch} to be done")
        assert sink.wait_count(1)[0].body == provider.body_of("t1")
        stays(lambda: len(sink.all()) == 1, 0.5)
        assert len(provider.gets()) == 2
        counts = stack.redis.client().hgetall("hookpace:{0}:counts")
        wait_for(lambda: stack.redis.client().hget("hookpace:{0}:counts", "open") in (None, "0"), 5,
                 f"nothing open: {counts}")
        return None
    except (AssertionError, OSError) as failure:
        return f"{failure}\n" + "\n".join(f"{title}\n{text}" for title, text in stack.logs())
    finally:
        stack.close()


def test_a_dispatcher_killed_in_a_fetch(tmp_path):
    with ThreadPoolExecutor(len(POINTS)) as pool:
        failures = list(pool.map(lambda point: run(tmp_path, point), POINTS))
    assert failures == [None] * len(POINTS), "\n".join(f or "" for f in failures)
