"""What one event costs, counted so that the speed of the machine does not matter.

Callgrind counts the instructions of one process. A warm-up comes first. vgdb then asks callgrind for a dump, which
sets its counters to zero, right before and right after the work that counts; so the start and the end of a process are in
no figure. What runs is in lock step: the next step begins when the one before it has ended, so that batches have the
same size in every run.
"""

import contextlib
import json
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

from bench import rig
from harness import config, paths
from harness.redis_server import RedisServer
from harness.stack import Stack
from harness.wait import wait_for

EVENTS = 256    # of a profile of Redis
ALLOCATORS = {"malloc", "calloc", "realloc", "reallocarray", "posix_memalign", "aligned_alloc"}
# Redis' periodic work would be counted too.
QUIET = ["--hz", "1", "--dynamic-hz", "no", "--activerehashing", "no", "--auto-aof-rewrite-percentage", "0"]


# --- callgrind ---

class Callgrind:
    """Runs one process under callgrind. PREFIX goes before its command; lap() says what it did."""

    def __init__(self, directory):
        self.out = Path(directory) / "callgrind.out"
        self.prefix = ["valgrind", "--tool=callgrind", "--quiet", f"--callgrind-out-file={self.out}"]
        self.dumps = 0

    def lap(self, pid):
        """(instructions, allocations) of process PID since the last lap."""
        self.dumps += 1
        dump = Path(f"{self.out}.{self.dumps}")
        subprocess.run(["vgdb", f"--pid={pid}", "dump"], check=True, capture_output=True, timeout=60)
        wait_for(lambda: dump.exists() and "\ntotals: " in dump.read_text(), 10, "callgrind's dump")
        return read_dump(dump.read_text())


def read_dump(text):
    """(instructions, calls of an allocator that no allocator made) of one dump."""
    names, caller, callee, allocations = {}, "", "", 0
    for line in text.splitlines():
        place = re.match(r"(c?fn)=\((\d+)\)(?: (.*))?", line)
        if place:
            kind, number, name = place.groups()
            name = names.setdefault(number, name)
            caller, callee = (name, callee) if kind == "fn" else (caller, name)
        elif line.startswith("calls=") and callee in ALLOCATORS and caller not in ALLOCATORS:
            allocations += int(line[6:].split()[0])
    return int(re.search(r"^totals: (\d+)", text, re.M)[1]), allocations


# --- Redis: the scripts in fixed batches ---

class Drive:
    """tests/tools/queue_drive on the configuration CONF; its source has its commands. PREFIX goes before its own."""

    def __init__(self, conf, directory, prefix=()):
        path = Path(directory) / "drive.json"
        path.write_text(json.dumps(conf))
        self.paced_until = 0.0
        self.process = subprocess.Popen([*prefix, str(paths.tool("queue_drive")), str(path)], text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, env={**os.environ, "HOOKPACE_LOG": "error"})
        self._expect("ready")

    def do(self, *words):
        print(*words, file=self.process.stdin, flush=True)
        self._expect("done")

    def _expect(self, word):
        line = self.process.stdout.readline().strip()
        assert line == word, f"queue_drive said {line!r} and not {word!r}"

    def close(self):
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


def drive_config(redis_url):
    """Sources one0 (to one destination), two0 (to two), paced0 ... (to one each, with 50 ms)."""
    conf = config.base(redis_url)
    conf["redis"]["timeout_ms"] = 60000
    patient = {"concurrency": 4096, "timeout_ms": 60000, "connect_timeout_ms": 60000}
    url = "http://127.0.0.1:9/hook"
    for name in ("a", "b", "c"):
        conf["destinations"][name] = config.destination(url, **patient)
    conf["sources"]["one0"] = config.source("a")
    conf["sources"]["two0"] = config.source(["b", "c"])
    for n in range(EVENTS):
        conf["destinations"][f"p{n}"] = config.destination(url, delay_ms=50, **patient)
        conf["sources"][f"paced{n}"] = config.source(f"p{n}")
    return conf


# Name of a profile: sources for queue_drive, deliveries of an event, scripts that run. A paced lane has one event.
PROFILES = {"one": ("one 1", 1, ("put", "claim", "settle")), "two": ("two 1", 2, ("put", "claim", "settle")),
            "paced": (f"paced {EVENTS}", 1, ("put", "claim", "sent", "settle"))}


def drive_profile(drive, profile, before=lambda: None, after=lambda script, units: None):
    """Runs PROFILE once. BEFORE and AFTER are called around each script; UNITS: so many events or deliveries it had."""
    sources, fan, scripts = PROFILES[profile]
    wait_for(lambda: time.monotonic() > drive.paced_until, 1, "the lanes' delay to be over")
    for script in scripts:
        before()
        if script == "put":
            drive.do("put", EVENTS, sources)
        else:
            drive.do("report" if script == "sent" else script, EVENTS * fan)
        after(script, EVENTS * (1 if script == "put" else fan))
    drive.paced_until = time.monotonic() + 0.1


@contextlib.contextmanager
def driven(directory, binary=None):
    """A Redis, and a queue_drive on it that has run every profile once."""
    server = RedisServer(Path(directory) / "redis", binary=binary, extra=QUIET).start()
    drive = None
    try:
        drive = Drive(drive_config(server.unix_url), directory)
        for profile in PROFILES:
            drive_profile(drive, profile)
        yield server, drive
    finally:
        if drive:
            drive.close()
        server.stop()


def under(callgrind, directory):
    """A command in DIRECTORY that runs redis-server under CALLGRIND."""
    binary = Path(directory) / "redis-under-callgrind"
    server = os.environ.get("HOOKPACE_REDIS_SERVER", "redis-server")
    binary.write_text(f"#!/bin/sh\nexec {' '.join(callgrind.prefix)} {server} \"$@\"\n")
    binary.chmod(0o755)
    return str(binary)


def redis_instructions():
    """Instructions of redis-server for each script, per event (put) or delivery."""
    figures = {}
    with tempfile.TemporaryDirectory(prefix="hookpace-cost-") as directory:
        callgrind = Callgrind(directory)
        with driven(directory, under(callgrind, directory)) as (server, drive):
            client = server.client()
            for profile in PROFILES:
                def before():
                    client.eval("collectgarbage('collect')", 0)  # Lua's next collection always begins here
                    callgrind.lap(server.process.pid)

                def after(script, units, profile=profile):
                    figures[f"redis.{profile}.{script}.instructions"] = callgrind.lap(server.process.pid)[0] / units
                drive_profile(drive, profile, before, after)
    return figures


class Counts:
    """What a Redis counts of our work: commands, bytes, microseconds of scripts; without what asking for them costs."""

    def __init__(self, client):
        self.client = client
        self.mark()
        self.asking = self._since()
        self.mark()

    def _read(self):
        stats, commands = self.client.info("stats"), self.client.info("commandstats")
        ours = {k[8:]: v for k, v in commands.items() if k not in ("cmdstat_info", "cmdstat_ping")}
        evalsha = ours.pop("evalsha", {"calls": 0, "usec": 0})
        return {"commands": sum(c["calls"] for c in ours.values()), "calls": evalsha["calls"], "us": evalsha["usec"],
                "bytes_in": stats["total_net_input_bytes"], "bytes_out": stats["total_net_output_bytes"]}

    def mark(self):
        self.was = self._read()

    def _since(self):
        return {name: value - self.was[name] for name, value in self._read().items()}

    def since(self):
        """Name -> how much more than at the mark."""
        return {name: value - self.asking[name] for name, value in self._since().items()}


def redis_counts(waste=lambda client: None):
    """Script calls, commands in them, bytes and microseconds. WASTE(client) is called in each phase (for the self test)."""
    figures = {}
    with tempfile.TemporaryDirectory(prefix="hookpace-cost-") as directory, driven(directory) as (server, drive):
        client = server.client()
        counts = Counts(client)
        for profile in PROFILES:
            def after(script, units, profile=profile):
                waste(client)
                for name, value in counts.since().items():
                    if name.startswith("bytes"):
                        sum_name = f"redis.{profile}.{name}"
                        figures[sum_name] = figures.get(sum_name, 0) + value / EVENTS
                    else:
                        figures[f"redis.{profile}.{script}.{name}"] = value / units
            drive_profile(drive, profile, counts.mark, after)
    return figures


# --- the programs ---

@contextlib.contextmanager
def stack(directory):
    made = Stack(Path(directory), extra=QUIET)
    made.redis.start()
    try:
        yield made
    finally:
        made.close()


def receiver(warm=100, events=1000):
    """Signed events of 1 KB on one connection, each answered before the next: every put has one event."""
    with tempfile.TemporaryDirectory(prefix="hookpace-cost-") as directory, stack(directory) as s:
        callgrind = Callgrind(directory)
        program = s.receiver(rig.signed(s.redis.url, "http://127.0.0.1:9/hook"), wrapper=callgrind.prefix)
        rig.loadgen(program.ingest, connections=1, count=warm, prefix="w")
        callgrind.lap(program.pid)
        rig.loadgen(program.ingest, connections=1, count=events)
        instructions, allocations = callgrind.lap(program.pid)
    return {"receiver.event.instructions": instructions / events, "receiver.event.allocations": allocations / events}


def _dispatcher(name, warm, events, batch, hold_ms):
    """BATCH deliveries at a time, answered together when the dispatcher has been idle for a while."""
    with tempfile.TemporaryDirectory(prefix="hookpace-cost-") as directory, stack(directory) as s, \
            contextlib.closing(rig.Sink(more=["--hold", str(batch), "--hold-ms", str(hold_ms)])) as sink:
        callgrind = Callgrind(directory)
        conf = config.base(s.redis.url)
        conf["redis"]["timeout_ms"] = 60000
        conf["destinations"]["a"] = config.destination(sink.url(), concurrency=batch, timeout_ms=60000)
        conf["sources"]["one0"] = config.source("a")
        program = s.dispatcher(conf, wrapper=callgrind.prefix)
        with contextlib.closing(Drive(conf, directory)) as drive:
            for count in (warm, events):
                callgrind.lap(program.pid)
                before = sink.progress()[0]
                drive.do("put", count, "one 1")
                sink.wait_count(before + count)
                wait_for(lambda: not s.keys.inflight(), 20, "the results")
            instructions, allocations = callgrind.lap(program.pid)
    return {f"dispatcher.{name}.instructions": instructions / events, f"dispatcher.{name}.allocations": allocations / events}


def dispatcher_single():
    """25 ms an answer: more than what the dispatcher takes for quick, so it claims nothing ahead."""
    return _dispatcher("single", 40, 160, 1, 25)


def dispatcher_batch():
    return _dispatcher("batch", 128, 1024, 32, 60)
