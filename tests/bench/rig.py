"""The parts a measurement is put together from: C sender and sink, nginx as the competitor, a stack per part."""

import contextlib
import ctypes.util
import json
import re
import subprocess
import tempfile
from pathlib import Path

from harness import config, http, paths
from harness.redis_server import free_port
from harness.stack import Stack
from harness.wait import wait_for

SECRET = "whsec-test-secret-0123456789"
HERE = Path(__file__).resolve().parent


class UnreadStack(Stack):
    """Its programs log to files that nobody reads, as nginx does."""

    def _program(self, kind, conf, start, options):
        return super()._program(kind, conf, start, {"follow": False, **options})


@contextlib.contextmanager
def stack(**redis_options):
    """A Stack in a directory that goes away; its Redis runs.

    It does not rewrite its append-only file meanwhile: the child that does takes a core at a moment that nobody chose,
    and would be counted against whoever is measured then.
    """
    with tempfile.TemporaryDirectory(prefix="hookpace-bench-") as directory:
        made = UnreadStack(Path(directory), extra=["--auto-aof-rewrite-percentage", "0"], **redis_options)
        made.redis.start()
        try:
            yield made
        finally:
            made.close()


def signed(redis_url, url=None, **dest):
    """One signed source `in`; without URL it only keeps the events."""
    conf = config.base(redis_url)
    conf["redis"]["timeout_ms"] = 5000
    conf["sources"]["in"] = config.source("out" if url else [], "serphouse", [SECRET])
    if url:
        conf["destinations"]["out"] = config.destination(url, **{"timeout_ms": 10000, **dest})
    return conf


def loadgen_command(address, **options) -> list:
    """The command of the C sender. Options as on its command line."""
    command = [str(paths.tool("loadgen")), "--connect", address, "--secret", SECRET]
    for name, value in options.items():
        command += ["--" + name, str(value)]
    return command


def loadgen(address, **options):
    """Runs the C sender; its summary. Options as on its command line."""
    done = subprocess.run(loadgen_command(address, **options), capture_output=True, text=True, timeout=120, check=True)
    summary = json.loads(done.stdout)
    assert summary["ok"] == summary["sent"] and not summary["duplicates"], f"not every request was accepted: {summary}"
    return summary


class Sink:
    """The C sink; with LOG it notes every arrival. MORE: options of its command line."""

    def __init__(self, log=None, more=()):
        command = [str(paths.tool("sink")), *more] + (["--log", str(log)] if log else [])
        self.log = log
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().split()[1]

    def url(self, path="/hook"):
        return f"http://{self.address}{path}"

    def progress(self):
        """(count, first arrival ns, last arrival ns)."""
        return tuple(int(n) for n in http.get(self.address, "/__count").body.split())

    def wait_count(self, count, timeout=60):
        wait_for(lambda: self.progress()[0] >= count, timeout, lambda: f"{count} arrivals, now {self.progress()[0]}", 0.05)
        return self.progress()

    def close(self):
        """Ends it; the arrivals as (ns, attempt, delivery id, path) if there is a log."""
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()
        if not self.log:
            return []
        with open(self.log, encoding="ascii") as lines:
            rows = (line.split(" ", 3) for line in lines)
            return [(int(at), int(attempt), delivery, path.rstrip("\n")) for at, attempt, delivery, path in rows]


@contextlib.contextmanager
def nginx(directory, redis_port):
    """The competitor, one worker; yields its address."""
    port = free_port()
    modules = "\n".join(f"load_module {m};" for m in (
        "/usr/lib/nginx/modules/ndk_http_module.so", "/usr/lib/nginx/modules/ngx_http_lua_module.so"))
    text = (HERE / "nginx.conf.in").read_text()
    for name, value in {"DIR": directory, "PORT": port, "REDIS": redis_port, "SECRET": SECRET, "MODULES": modules,
                        "CRYPTO": ctypes.util.find_library("crypto")}.items():
        text = text.replace(f"@{name}@", str(value))
    conf = Path(directory) / "nginx.conf"
    conf.write_text(text)
    process = subprocess.Popen(["/usr/sbin/nginx", "-c", str(conf), "-p", str(directory)], stderr=subprocess.PIPE, text=True)
    address = f"127.0.0.1:{port}"
    try:
        def up():
            assert process.poll() is None, process.stderr.read()
            try:
                return http.get(address, "/healthz").status == 200
            except OSError:
                return False
        wait_for(up, 5, "nginx")
        yield address
    finally:
        process.terminate()
        process.wait()


def wrk(url, seconds, connections=64):
    """Requests a second by wrk, one thread."""
    done = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", url], capture_output=True, text=True,
                          timeout=seconds + 20, check=True)
    assert "Non-2xx" not in done.stdout, done.stdout
    return float(re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)[1])


def hey(url, body_file, count, connections=64):
    """Requests a second by hey."""
    done = subprocess.run(["hey", "-c", str(connections), "-n", str(count), "-m", "POST", "-T", "application/json",
                           "-D", str(body_file), url], capture_output=True, text=True, timeout=120, check=True)
    return float(re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)[1])


def moments_due(log) -> dict:
    """The id of each request in the C sender's LOG -> when it was due, in ns of CLOCK_REALTIME."""
    with open(log, encoding="ascii") as lines:
        return {line.split(" ", 1)[0]: int(line.split(" ", 2)[1]) for line in lines}


def percentile(values, share):
    """The value below which SHARE (0..1) of the sorted VALUES lie."""
    return values[min(len(values) - 1, int(len(values) * share))]
