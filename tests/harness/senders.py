"""Senders that repeat an event until it is acknowledged, as providers do: one for each source."""

import threading
import time
from collections import Counter, namedtuple

from harness.wait import wait_for

Answered = namedtuple("Answered", "ident status began ended")  # times of time.monotonic()


class Senders:
    """Posts events to SOURCES of RECEIVER, each in a thread of its own, until stop(). Ids are "<source>-<number>"."""

    def __init__(self, receiver, sources, pause=0.05):
        self.receiver, self.pause = receiver, pause
        self.answers = {source: [] for source in sources}
        self.errors = []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(source,)) for source in sources]
        for thread in self.threads:
            thread.start()

    def _run(self, source):
        n, mine = 0, self.answers[source]
        try:
            while not self.over.wait(self.pause):
                began = time.monotonic()
                status = self.receiver.post(f"/in/{source}", {"id": f"{source}-{n}"}).status
                mine.append(Answered(f"{source}-{n}", status, began, time.monotonic()))
                n += status == 200
        except Exception as e:  # noqa: BLE001 - the test has to hear of it
            self.errors.append(e)

    def acknowledged(self, sources=None) -> list:
        """The ids that were answered 200."""
        return [a.ident for source in sources or self.answers for a in list(self.answers[source]) if a.status == 200]

    def statuses(self, sources) -> Counter:
        return Counter(a.status for source in sources for a in list(self.answers[source]))

    def wait_more(self, sources, count, timeout=30.0):
        """Waits until each of SOURCES has COUNT more events that were sent from now on, and acknowledged."""
        now = time.monotonic()

        def all_have():
            assert not self.errors, self.errors
            return all(sum(a.began > now and a.status == 200 for a in list(self.answers[s])) >= count for s in sources)
        wait_for(all_have, timeout, lambda: f"{count} more events of {[(s, self.answers[s][-3:]) for s in sources]}", every=0.02)

    def wait_refused(self, sources, timeout=30.0):
        """Waits until each of SOURCES has been answered 503 once to what was sent from now on."""
        now = time.monotonic()
        wait_for(lambda: all(any(a.began > now and a.status == 503 for a in list(self.answers[s])) for s in sources), timeout, "refusals", every=0.02)

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        assert not self.errors, self.errors
        return self
