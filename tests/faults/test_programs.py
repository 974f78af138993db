"""The programs themselves: stopped, reloaded, multiplied, out of descriptors, killed by what they deliver."""

import fcntl
import re
import resource
import signal
import socket
import time
from collections import Counter
from pathlib import Path

from harness import config
from harness.downstream import Answer
from harness.rig import QUICK, Rig
from harness.wait import wait_for


def test_receiver_told_to_stop_under_load(stack):
    """Whoever got in is answered, nobody is cut off in the middle, and the next one goes on. Five times."""
    rig = Rig(stack, "SIGTERM to the receiver").start()
    sender = rig.load(threads=6, pause=0.002)
    for _ in range(5):
        rig.wait_acknowledged(40)
        assert rig.receiver.term().wait(10) == 0
        rig.receiver.start()
        rig.note_baseline(rig.receiver)
    rig.healed(1)
    rig.judge()
    # 0: refused, or an idle connection that had ended. 503: the new one listened and had no connection to Redis yet
    assert set(sender.statuses) <= {200, 0, 503} and sender.statuses.get(503, 0) <= 5 * 6, sender.statuses


def test_dispatcher_told_to_stop_under_load(stack):
    """It finishes what it has: nothing is sent twice and nothing waits for a lease. One of two, four times."""
    rig = Rig(stack, "SIGTERM to a dispatcher").start(dispatchers=2)
    rig.sink.default = Answer(delay=0.05)
    rig.load(threads=4, pause=0.02)
    for n in range(4):
        rig.wait_arrivals(40)
        assert rig.dispatchers[n].term().wait(10) == 0
        rig.add_dispatcher()
    rig.healed(1.5)
    rig.judge()


def test_two_signals_to_a_dispatcher(stack):
    """The second one ends it at once, like a kill; what it had is sent again."""
    rig = Rig(stack, "SIGTERM twice to a dispatcher").start()
    rig.sink.default = Answer(delay=0.3)
    rig.load(threads=4, pause=0.02)
    rig.wait_arrivals(20)
    first = rig.dispatchers[0]
    rig.add_dispatcher()
    first.term()
    first.wait_log("stop.begun")
    first.term().wait(2)
    rig.sink.default = Answer()
    rig.healed()
    rig.judge(duplicates=16 + 7)  # the quick lane's concurrency, and 0.3 s of the paced one


def test_a_thousand_reloads(stack):
    """Good files, bad ones, a destination that comes and goes: nothing is lost or refused, and nothing grows."""
    rig = Rig(stack, "1000 reloads").start()
    rig.conf["sources"]["new"] = config.source("new")
    rig.conf["destinations"]["new"] = config.destination(rig.sink.url("/new?id=$id"))
    more = {**rig.conf, "sources": dict(rig.conf["sources"]), "destinations": dict(rig.conf["destinations"])}
    for table in ("sources", "destinations"):
        del rig.conf[table]["new"]
    sender = rig.load(threads=3, pause=0.02)
    for program in rig.programs:  # once each, for what is only allocated once
        program.reload(more)
        program.reload(rig.conf)
        rig.note_baseline(program)
    for n in range(500):
        for program in rig.programs:
            program.hup((rig.conf, more, {"redis": n}, rig.conf)[n % 4])
        time.sleep(0.004)  # signals that pend together are one
    for program in rig.programs:
        program.reload(rig.conf)
    reloads = [len(p.logged("config.reloaded")) + len(p.logged("config.rejected")) for p in rig.programs]
    rig.healed(1)
    for program in rig.programs:  # one line for each is right here
        program.lines[:] = [x for x in program.lines if x["msg"] not in ("config.reloaded", "config.rejected")
                            and "config" not in x["msg"]]
    rig.judge(note=f"{sum(reloads)} were acted on")
    assert set(sender.statuses) == {200}, sender.statuses
    assert min(reloads) > 100


def test_one_to_eight_dispatchers_and_back(stack):
    rig = Rig(stack, "1 to 8 to 1 dispatchers", lanes={QUICK: 0, "p1": 50, "p2": 50}).start()
    rig.load(threads=4, pause=0.01)
    for _ in range(7):
        rig.add_dispatcher()
        rig.wait_arrivals(20)
    for program in rig.dispatchers[:7]:
        assert program.term().wait(10) == 0
        rig.wait_arrivals(20)
    rig.healed(1.5)
    found = rig.judge()
    assert found.shortest_gap_ms < 50, "the lanes were not under load"


def test_what_kills_whoever_delivers_it(stack):
    """A delivery at which the dispatcher dies each time ends as a dead letter; the rest goes on."""
    rig = Rig(stack, "a delivery that kills its dispatcher", timeout_ms=200, connect_timeout_ms=100,
              retry={"schedule_s": [0.2], "jitter": 0}).start()
    holder = {"now": rig.dispatchers[0]}

    def kill(request):
        if request.event == "poison":
            holder["now"].kill9()
        return False
    rig.sink.on(kill, Answer())
    rig.send("poison")
    sender = rig.load(threads=2, pause=0.02)
    for _ in range(2):
        wait_for(lambda: not holder["now"].running, 8, "the poison to work")
        holder["now"] = rig.add_dispatcher()
    wait_for(lambda: stack.keys.delivery("poison:quick").get("state") == "dead", 8, "the dead letter")
    assert stack.keys.dead(QUICK) == ["poison:quick"]
    assert len(sender.ids()) > 20
    rig.healed()
    rig.judge(duplicates=2 * 17)


# -- the log --------------------------------------------------------------------------------------------------

def test_nobody_reads_the_log(stack):
    """The pipe is full, and so is the room for lines that wait: further ones are dropped and counted, and nothing waits
    for whoever reads them."""
    rig = Rig(stack, "nobody reads the logs").start()
    wrong = {**rig.conf, "sources": {"x" * 100 + str(n): {} for n in range(100)}}  # many long lines at each signal
    for program in rig.programs:
        fcntl.fcntl(program.process.stderr, fcntl.F_SETPIPE_SZ, 4096)
        program.reading.clear()
    for program in rig.programs:
        program.write_config(wrong)
    for _ in range(150):
        for program in rig.programs:
            program.hup()
        time.sleep(0.005)
    for program in rig.programs:
        program.hup(rig.conf)
    sender = rig.load(count=100, pause=0.01).join()
    rig.healed(1)
    for program in rig.programs:
        program.reading.set()
        wait_for(lambda p=program: p.hup() or p.logged("log.lost"), 5, "the number of lost lines", every=0.05)
    assert set(sender.statuses) == {200} and sender.slowest < 0.5, (sender.statuses, sender.slowest)
    for program in rig.programs:
        program.lines.clear()
    rig.judge()


def test_nowhere_to_log_to(stack):
    """The receiver's log is on a full disk, the reader of the dispatcher's has gone."""
    rig = Rig(stack, "logs on a full disk, to a closed pipe")
    full, closed = (["bash", "-c", f'exec "$@" 2>{to}', "bash"] for to in ("/dev/full", " >(:)"))
    rig.receiver = stack.receiver(rig.conf, start=False, wrapper=full).start(wait=False)
    rig.dispatchers.append(stack.dispatcher(rig.conf, start=False, wrapper=closed).start(wait=False))
    rig.load(count=60, pause=0).join()
    for program in rig.programs:
        rig.note_baseline(program)
        for _ in range(5):
            program.hup()
            time.sleep(0.02)
    rig.load(count=60, pause=0, prefix="f").join()
    rig.healed(1)
    rig.judge(counts=False)  # nobody knows where it listens
    assert all(p.running for p in rig.programs)


def cpu_share(program, seconds) -> float:
    before, began = program.cpu_s(), time.monotonic()
    time.sleep(seconds)
    return (program.cpu_s() - before) / (time.monotonic() - began)


def test_receiver_out_of_descriptors(stack):
    """200 connections to a receiver that has 64 descriptors: it neither spins nor floods its log, and recovers."""
    rig = Rig(stack, "receiver out of descriptors")
    rig.start_receiver(wrapper=["prlimit", "--nofile=64:64"])
    rig.add_dispatcher()
    rig.send("before")
    lines = len(rig.receiver.lines)
    idle = [socket.create_connection(("127.0.0.1", rig.port)) for _ in range(200)]
    used = cpu_share(rig.receiver, 1.5)
    told = Counter(x["msg"] for x in rig.receiver.lines[lines:])
    assert used < 0.2, f"{used:.0%} of a core"
    assert sum(told.values()) <= 15, told
    for s in idle:
        s.close()
    rig.healed(2)
    rig.judge(note=f"{used:.1%} of a core meanwhile")


def test_dispatcher_out_of_descriptors(stack):
    """No attempt is spent on a want of descriptors, and what is not for downstreams has its own."""
    rig = Rig(stack, "dispatcher out of descriptors", concurrency=60)
    rig.start_receiver()
    rig.sink.default = Answer(delay=0.2)
    rig.add_dispatcher(wrapper=["prlimit", "--nofile=24:24"])
    rig.load(count=80, pause=0).join()
    assert rig.dispatchers[0].get("/healthz").status == 200, "it has kept a descriptor for who asks"
    stack.redis.client().execute_command("CLIENT", "KILL", "TYPE", "normal")  # and for Redis
    rig.healed()
    rig.judge()
    assert {r.attempt for r in rig.sink.all()} == {1}


def test_descriptors_run_out_and_come_back(stack):
    """The limit falls below what is open while everything runs, and is lifted again."""
    rig = Rig(stack, "descriptor limits lowered under load").start()
    sender = rig.load(threads=4, pause=0.01)
    rig.wait_acknowledged(30)
    limits = {}
    for program in rig.programs:
        limits[program.pid] = resource.prlimit(program.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(program.pid, resource.RLIMIT_NOFILE, (10, limits[program.pid][1]))
    stack.redis.client().execute_command("CLIENT", "KILL", "TYPE", "normal")
    time.sleep(1.5)
    assert all(p.running for p in rig.programs)
    for pid, limit in limits.items():
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)
    rig.healed()
    rig.judge(duplicates=17)
    assert len(sender.ids()) > 30


# -- memory -----------------------------------------------------------------------------------------------------

def starve(program):
    """From now on it gets 1 MiB more of the kernel, and no more."""
    status = Path(f"/proc/{program.pid}/status").read_text()
    size = int(re.search(r"VmData:\s+(\d+)", status)[1]) << 10
    resource.prlimit(program.pid, resource.RLIMIT_DATA, (size + (1 << 20), resource.RLIM_INFINITY))


def test_no_memory_is_left(stack):
    """The receiver ends at once and says why, like a kill; the dispatcher gives back what it has no memory for, and goes
    on with the rest."""
    rig = Rig(stack, "no memory for a body of 4 MB").start()
    receiver, dispatcher = rig.programs
    rig.load(threads=3, pause=0.02)
    rig.wait_arrivals(30)
    large = rig.event("large", size=4 << 20)
    starve(receiver)
    rig.load(count=1, threads=1, make=lambda _: large)
    assert receiver.wait(10) == -signal.SIGABRT and receiver.logged("out of memory")
    starve(dispatcher)
    receiver.start()
    rig.note_baseline(receiver)
    dispatcher.wait_log("attempt.local_error", delivery="large:quick")
    rig.wait_arrivals(30)
    assert not rig.sink.of("large")
    resource.prlimit(dispatcher.pid, resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    rig.healed()
    rig.judge(duplicates=17)
    assert rig.sink.of("large")
