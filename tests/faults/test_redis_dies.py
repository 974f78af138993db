"""Redis is killed, loses power, is replaced by its replica; its disk is slow, full or broken."""

import os
import random
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from harness import paths
from harness.proxy import Proxy
from harness.redis_server import RedisServer
from harness.rig import PACED, QUICK, Rig, seed
from harness.snapshot import Snapshot
from harness.stack import Stack
from harness.wait import wait_for

# The writes that `everysec` gives up: a write may wait for the sync of the second before, and that sync for the disk.
EVERYSEC_S = 2.0


def since(rig, moment):
    """Ids that were acknowledged after MOMENT (time.monotonic())."""
    return {i for i, at in rig.acknowledged().items() if at >= moment}


# With everysec Redis writes nothing from the moment at which it orders a sync until the sync is over. The thread that syncs begins
# a little after that moment.
QUEUED_S = 0.05


@pytest.fixture
def quick_disk():
    """A stack with everysec whose files are in memory: nothing that others do to the disk makes it slow."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as directory:
        stack = Stack(Path(directory), fsync="everysec")
        stack.redis.start()
        yield stack
        stack.close()


def test_killed_with_everysec(quick_disk):
    """A process that dies leaves to the kernel what it has written: on a quick disk nothing is lost either."""
    Rig(quick_disk, "Redis killed (everysec)").start().kill_redis_under_load()


def is_still(file, seconds) -> bool:
    """FILE does not grow for that long."""
    size = file.stat().st_size
    time.sleep(seconds)
    return file.stat().st_size == size


@pytest.fixture
def open_stack(tmp_path):
    """make(options of the Redis): a stack whose Redis is started; it is closed after the test."""
    made = []

    def make(**options):
        made.append(Stack(tmp_path, **options))
        made[-1].redis.start()
        return made[-1]
    yield make
    for stack in made:
        stack.close()


@pytest.fixture
def slow_disk(tmp_path, open_stack):
    """make(fsync, slower_ms): a stack whose Redis syncs that much slower; its `syncs` is the shim's log."""
    def make(fsync, slower_ms):
        log = tmp_path / "syncs"
        stack = open_stack(fsync=fsync, env={"LD_PRELOAD": str(paths.tool("slow_sync.so")),
                                             "SLOW_SYNC_MS": str(slower_ms), "SLOW_SYNC_LOG": str(log)})
        stack.syncs = log
        return stack
    return make


@pytest.mark.parametrize("fsync,slower_ms", [("always", 150), ("everysec", 1800)])
def test_killed_with_a_slow_disk(slow_disk, fsync, slower_ms):
    stack = slow_disk(fsync, slower_ms)
    rig = Rig(stack, f"Redis killed, slow fsync ({fsync})")
    rig.start_receiver()
    sender = rig.load(threads=6, pause=0.02, timeout=8)
    wait_for(lambda: len(sender.ids()) > 20, 15, "acknowledged events")
    if fsync == "everysec":  # a moment at which writes wait for the sync
        wait_for(lambda: is_still(stack.redis.log_file(), 0.3), 10, "writes to be postponed")
    killed = time.monotonic()
    stack.redis.kill9()
    given_up = since(rig, killed - EVERYSEC_S) if fsync == "everysec" else ()
    stack.redis.env["SLOW_SYNC_MS"] = "0"
    stack.redis.start()
    sender.stop()
    rig.add_dispatcher()
    rig.healed()
    rig.judge(may_lose=given_up, note="up to 2 s are given up" if given_up else "")


@pytest.mark.parametrize("fsync", ["always", "everysec"])
def test_power_lost(slow_disk, fsync):
    """The file is cut to what the disk had confirmed when the power went."""
    stack = slow_disk(fsync, 0)
    rig = Rig(stack, f"power lost ({fsync})")
    rig.start_receiver()
    sender = rig.load(threads=6, pause=0.02)
    def is_synced():
        return stack.syncs.exists() and str(stack.redis.log_file()) in stack.syncs.read_text()
    wait_for(lambda: len(sender.ids()) > 50 and is_synced(), 15, "acknowledged events and a sync")
    stack.redis.kill9()
    sender.stop()
    file = stack.redis.log_file()
    lines = [line.split(" ", 2) for line in stack.syncs.read_text().splitlines()]
    at, size = next((int(at), int(size)) for at, size, path in reversed(lines) if path == str(file))
    os.truncate(file, size)
    given_up = since(rig, at / 1e9 - QUEUED_S) if fsync == "everysec" else ()
    stack.redis.start()
    rig.add_dispatcher()
    rig.healed()
    found = rig.judge(may_lose=given_up, note="up to 1 s is given up" if given_up else "")
    assert found.lost <= len(given_up) < found.acknowledged


@pytest.mark.redis(fsync="always")
def test_torn_end_of_the_file(stack, tmp_path):
    """However many bytes are missing: it starts, and only whole scripts are gone."""
    number = seed()
    print(f"HOOKPACE_SEED={number}")
    rng = random.Random(number)
    rig = Rig(stack, "torn end of the append-only file").start(dispatchers=2)
    rig.load(threads=6, pause=0.002)
    rig.wait_acknowledged(250)
    stack.redis.kill9()
    for sender in rig.senders:
        sender.stop()
    for n, torn in enumerate([1, 2, 300, *rng.sample(range(3, 4000), 5)]):
        copy = tmp_path / f"torn{n}"
        shutil.copytree(stack.redis.directory / "appendonlydir", copy / "appendonlydir")
        server = RedisServer(copy)
        file = server.log_file()
        os.truncate(file, max(0, file.stat().st_size - torn))
        server.start()
        with server.client() as client:
            problems = Snapshot(client, rig.bases[0]).problems()
        server.stop()
        assert not problems, f"{torn} bytes less: {problems[:5]}"
    last = sorted(rig.acknowledged().items(), key=lambda i: i[1])[-20:]
    file = stack.redis.log_file()
    os.truncate(file, file.stat().st_size - 150)
    stack.redis.start()
    rig.healed()
    rig.judge(duplicates=20, may_lose=[i for i, _ in last], note="one script is given up")


@pytest.mark.redis(fsync="always")
def test_broken_middle_of_the_file(stack):
    """Redis refuses to start. The receiver refuses events until somebody has repaired it, without flooding its log."""
    rig = Rig(stack, "broken middle of the append-only file").start()
    rig.load(count=100, pause=0).join()
    stack.redis.kill9()
    file = stack.redis.log_file()
    whole = file.read_bytes()
    at = whole.index(b"\r\n*", len(whole) // 2) + 2  # where a command begins
    file.write_bytes(whole[:at] + b"\0" * 64 + whole[at + 64:])
    with pytest.raises(AssertionError, match="ended"):
        stack.redis.start()
    sender = rig.load(prefix="during", threads=4, pause=0.01)
    wait_for(lambda: sender.statuses.get(503, 0) > 50, 10, "503s")
    assert not sender.ids()
    rig.receiver.wait_http("/readyz", 503, 3)
    file.write_bytes(whole)
    stack.redis.start()
    rig.healed()
    rig.judge(duplicates=17)


@pytest.fixture
def mounted(tmp_path):
    """A disk of 1 MB where a stack in tmp_path has its Redis; unmounted when that is closed."""
    directory = tmp_path / "redis"
    directory.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(directory)], capture_output=True,
                      check=False).returncode:
        pytest.skip("mounting is not permitted here")
    yield directory
    subprocess.run(["umount", "-l", str(directory)], check=True)


@pytest.fixture
def small_disk(mounted, open_stack):
    """make(fsync): a stack whose append-only file is on a disk of 1 MB; its grow() makes it large."""
    def make(fsync):
        stack = open_stack(fsync=fsync)
        stack.grow = lambda: subprocess.run(["mount", "-o", "remount,size=64m", str(mounted)], check=True)
        return stack
    return make


@pytest.mark.parametrize("fsync", ["always", "everysec"])
def test_full_disk(small_disk, fsync):
    """everysec: refused until there is room again. always: Redis ends before it answers, and is started again."""
    stack = small_disk(fsync)
    rig = Rig(stack, f"disk full ({fsync})", lanes={QUICK: 0, PACED: 50}).start()
    numbers = iter(range(10000))
    sender = rig.load(threads=4, pause=0.002, make=lambda n: rig.event(f"e{next(numbers)}", size=6000))
    wait_for(lambda: sender.statuses.get(503, 0) > 20, 20, lambda: f"refusals: {sender.statuses}")
    assert sender.ids() and set(sender.statuses) <= {200, 503}
    if fsync == "always":
        wait_for(lambda: stack.redis.process.poll() is not None, 5, "Redis to end")
        stack.redis.kill9()
    stack.grow()
    if fsync == "always":
        stack.redis.start()
    rig.healed()
    rig.wait_acknowledged(30)
    rig.judge(duplicates=17)


@pytest.fixture
def pair(stack, tmp_path):
    """A proxy to the stack's Redis, which has a replica; promote() makes that the master, where the proxy leads then."""
    stack.redis.client().config_set("repl-diskless-sync-delay", 0)
    replica = RedisServer(tmp_path / "replica", fsync="always", extra=["--replicaof", "127.0.0.1", str(stack.redis.port)])
    replica.start()
    way = Proxy(("127.0.0.1", stack.redis.port))
    way.url = f"redis://127.0.0.1:{way.port}/0"
    way.replica, old = replica, stack.redis

    def in_step():
        at = [server.client().info("replication").get(name) for server, name in
              ((old, "master_repl_offset"), (replica, "slave_repl_offset"))]
        return at[0] == at[1]

    def promote(cleanly):
        if cleanly:
            old.client().execute_command("CLIENT", "PAUSE", 3000, "WRITE")
            wait_for(in_step, 3, "the replica to have all")
        replica.client().execute_command("REPLICAOF", "NO", "ONE")
        way.target = ("127.0.0.1", replica.port)
        stack.redis = replica
    way.promote, way.old = promote, old
    # The master sends the replica nothing before its first acknowledgement, which comes up to a second after the copy.
    old.client().set("first", "write")
    wait_for(lambda: replica.client().exists("first"), 10, "the replica to hear of the first write")
    old.client().delete("first")
    wait_for(in_step, 5, "the replica to be in step")
    yield way
    way.close()
    replica.stop()
    old.stop()


@pytest.mark.redis(fsync="always")
def test_failover(stack, pair):
    """A clean failover behind one address: the old master answers READONLY, which drives everybody to the new one."""
    rig = Rig(stack, "failover to a replica, clean", redis_url=pair.url).start(dispatchers=2)
    rig.load(threads=4, pause=0.02)
    rig.wait_acknowledged(60)
    pair.promote(cleanly=True)
    pair.old.client().execute_command("REPLICAOF", "127.0.0.1", str(pair.replica.port))
    pair.old.client().execute_command("CLIENT", "UNPAUSE")
    rig.healed()
    rig.wait_acknowledged(60)
    rig.judge(duplicates=2 * 17)


@pytest.mark.redis(fsync="always")
def test_failover_to_a_replica_that_was_behind(stack, pair):
    """Replication is asynchronous: what the replica did not have yet is lost, and nothing else is."""
    rig = Rig(stack, "failover to a replica 0.5 s behind", redis_url=pair.url)
    rig.start_receiver()
    rig.load(threads=4, pause=0.02)
    rig.wait_acknowledged(60)
    cut = time.monotonic()
    pair.replica.client().execute_command("REPLICAOF", "127.0.0.1", "1")  # hears no more of its master
    time.sleep(0.5)
    pair.old.kill9()
    given_up = since(rig, cut - 0.05)
    pair.promote(cleanly=False)
    pair.reset_all()
    rig.add_dispatcher()
    rig.healed()
    found = rig.judge(may_lose=given_up, note="what was not replicated is given up")
    assert found.lost > 0
