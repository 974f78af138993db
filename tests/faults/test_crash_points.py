"""Every named point of the programs: killed there, and for the dispatcher also stopped there past its lease.

Needs a build with -DHOOKPACE_FAULTS=ON ($HOOKPACE_FAULTS_BUILD). A run mostly waits for a lease, so all of them
run side by side, each on servers of its own; the tests then look at what came out.
"""

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness import paths
from harness.downstream import Answer
from harness.rig import LEASE_S, PACED, Rig
from harness.stack import Stack
from harness.wait import wait_for

RECEIVER = ["parsed", "enq_sent", "enq_reply", "reply_written"]
# point -> how often at most the delivery in hand is sent again by who takes over
DISPATCHER = {"claim_reply": 0, "prereq": 0, "after_write": 1, "sent": 1, "resp_2xx": 1, "ack_sent": 0, "ack_reply": 0}
CASES = [("receiver", p, "") for p in RECEIVER] + [("dispatcher", p, how) for p in DISPATCHER for how in ("", "!stop")]
AT_ONCE = 6


def state(program) -> str:
    """R, S, T (stopped), ... as the kernel says."""
    return Path(f"/proc/{program.pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def receiver_killed(stack, point):
    rig = Rig(stack, f"receiver killed at {point}", lanes={PACED: 50})
    build = paths.faults_build_dir()
    rig.start_receiver(build=build, env={"HOOKPACE_FAULT_AT": f"{point}:5"})
    rig.add_dispatcher(build=build)
    rig.load(count=12, threads=2)
    assert rig.receiver.wait(10) == -signal.SIGKILL, f"the point {point} was not passed, or has no name in this build"
    rig.start_receiver(build=build)
    rig.healed()
    rig.senders[0].join(20)
    return rig, 0


def dispatcher_faulted(stack, point, how):
    """The one with the fault is alone until then; another takes over."""
    rig = Rig(stack, f"dispatcher {'stopped' if how else 'killed'} at {point}", lanes={PACED: 50})
    rig.sink.default = Answer(delay=0.02)
    build = paths.faults_build_dir()
    rig.start_receiver(build=build)
    rig.add_dispatcher(build=build, env={"HOOKPACE_FAULT_AT": f"{point}:3{how}"})
    rig.load(count=12, threads=2)
    faulted = rig.dispatchers[0]
    if how:
        wait_for(lambda: state(faulted) == "T", 10, f"the point {point} to be passed")
    else:
        assert faulted.wait(10) == -signal.SIGKILL, f"the point {point} was not passed, or has no name in this build"
    rig.add_dispatcher(build=build)
    rig.senders[0].join(20)
    if how:  # it wakes up when others have sent, and finished, what it had in hand
        rig.drain(LEASE_S + 5)
        faulted.resume()
    rig.healed()
    if how:
        rig.send("afterwards", PACED)
        rig.drain()
        assert faulted.term().wait(10) == 0, "it must have come to itself"
    return rig, DISPATCHER[point]


def run(directory, part, point, how):
    """(stack, rig, duplicates allowed, failure) of one case."""
    stack = Stack(directory / f"{part}-{point}{how.strip('!')}", fsync="always")
    try:
        stack.redis.start()
        rig, most = receiver_killed(stack, point) if part == "receiver" else dispatcher_faulted(stack, point, how)
        return stack, rig, most, None
    except (AssertionError, OSError) as failure:
        return stack, None, 0, failure


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """case -> what run() answered, as a future."""
    directory = tmp_path_factory.mktemp("points")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = {case: pool.submit(run, directory, *case) for case in CASES}
        yield futures
        for future in futures.values():
            future.cancel()
    for future in futures.values():
        if not future.cancelled():
            future.result()[0].close()


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0]}-{c[1]}{c[2]}")
def test_at(cases, case, request):
    stack, rig, most, failure = cases[case].result(120)
    request.node.stack = stack  # its logs go into the report
    if failure:
        raise failure
    rig.judge(duplicates=most)
    stack.close()
