"""Starts tests/tools/redis_probe.c, which drives common/redis, and reads what it says."""

import json
import os
import subprocess
import threading

from harness.paths import tool
from harness.wait import wait_exit, wait_for

TIMEOUT_MS = 400
SLACK_MS = 300  # a loaded machine
BACK = 6.0  # s: the longest backoff (2 s), a dial (timeout_ms), and slack


class Probe:
    """redis_probe, by its lines. Its log is kept as dicts."""

    def __init__(self, host, port="-", password="-", user="-", db=0, timeout_ms=TIMEOUT_MS, channels=(), env=None):
        self.process = subprocess.Popen(
            [tool("redis_probe"), str(host), str(port), password, user, str(db), str(timeout_ms), *channels],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=dict(os.environ, HOOKPACE_LOG="debug", **(env or {})))
        self.lines, self.log, self.stray = [], [], []
        self.tags = 0
        self.readers = [threading.Thread(target=self._read, args=(self.process.stdout, self.lines), daemon=True),
                        threading.Thread(target=self._read, args=(self.process.stderr, self.log), daemon=True)]
        for reader in self.readers:
            reader.start()

    def _read(self, stream, to):
        for line in stream:
            try:
                to.append(json.loads(line))
            except ValueError:  # a sanitizer's report
                self.stray.append(line.decode(errors="replace"))

    def send(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def count(self, event):
        return sum(1 for line in list(self.lines) if line.get("event") == event)

    def wait_event(self, event, count=1, timeout=BACK):
        """Waits until EVENT has come COUNT times since the start."""
        wait_for(lambda: self.count(event) >= count, timeout, lambda: f"{event} no. {count} in {self.lines[-10:]}")

    def said(self, msg, reason=""):
        return [line for line in list(self.log) if line["msg"] == msg and reason in line.get("reason", "")]

    def start(self, verb, rest):
        """Sends "VERB tag REST"; the tag."""
        self.tags += 1
        tag = f"t{self.tags}"
        self.send(f"{verb} {tag} {rest}".rstrip())
        return tag

    def result(self, tag, timeout=10.0):
        """The one line of TAG."""
        found = wait_for(lambda: [line for line in list(self.lines) if line.get("tag") == tag], timeout,
                         lambda: f"{tag} in {self.lines[-10:]}")
        assert len(found) == 1
        return found[0]

    def command(self, *words, timeout=10.0):
        return self.result(self.start("cmd", " ".join(words)), timeout)

    def stat(self):
        before = self.count("stat")
        self.send("stat")
        self.wait_event("stat", before + 1)
        return [line for line in list(self.lines) if line.get("event") == "stat"][-1]

    def close(self):
        """Ends it; it must end cleanly. All lines are read afterwards."""
        if self.process.poll() is None:
            try:
                self.send("quit")
            except BrokenPipeError:
                pass
        code = wait_exit(self.process)
        for reader in self.readers:
            reader.join(5)
        assert code == 0, (code, self.stray)
        assert not self.stray, self.stray


def total(result):
    return sum(result[k] for k in ("ok", "failed", "unavail", "timeout", "refused"))
