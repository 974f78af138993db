"""A sender that never gives up, for tests in which receivers refuse or go."""

import itertools
import threading

from harness import http

ROOT = {"Authorization": "Basic cm9vdDpyb290LXBhc3N3b3Jk"}  # root:root-password


class Sender(threading.Thread):
    """Sends events to the lanes NAMES in turn, and repeats each one until it is accepted. `sent` has the ids; they begin with MARK."""

    def __init__(self, address, names, mark="s"):
        super().__init__()
        self.address, self.names, self.mark = address, names, mark
        self.sent, self.over = [], threading.Event()
        self.start()

    def run(self):
        for n in itertools.count():
            if self.over.is_set():
                return
            ident = f"{self.mark}{n}"
            while not self._accepted(self.names[n % len(self.names)], ident):
                if self.over.wait(0.02):
                    return
            self.sent.append(ident)
            self.over.wait(0.02)

    def _accepted(self, lane, ident):
        try:
            return http.post(self.address, f"/in/{lane}", b'{"id": "%s"}' % ident.encode(), {"Content-Type": "application/json"}).status == 200
        except OSError:
            return False    # the old receiver closes what it has not read

    def stop(self):
        self.over.set()
        self.join()
        return self.sent
