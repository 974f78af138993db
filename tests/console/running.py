"""A command of `hookpace` that runs until it is interrupted."""

import signal
import subprocess
import threading

from harness import paths
from harness.wait import wait_for


class Running:
    """Calls the receiver of SERVICE. `out` and `err` are the lines so far. It ends with the service's stack at the latest."""

    def __init__(self, service, *args, **env):
        service.stack.sinks.append(self)
        self.process = subprocess.Popen([paths.command(), *args], env={**service.hookpace.env, **env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.out, self.err = [], []
        for stream, lines in ((self.process.stdout, self.out), (self.process.stderr, self.err)):
            threading.Thread(target=lambda s=stream, l=lines: [l.append(line.rstrip("\n")) for line in s], daemon=True).start()

    def listening(self, times=1):
        wait_for(lambda: self.err.count("hookpace: listening") == times, 20, "the command")
        return self

    def interrupt(self, by=signal.SIGINT):
        self.process.send_signal(by)
        return self.process.wait(5)

    def close(self):
        self.process.kill()
        self.process.wait()
