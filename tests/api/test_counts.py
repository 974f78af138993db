"""The counts always add up: under load, and when anything is killed."""

import threading
import time

import pytest

from harness.wait import wait_for


class Setter:
    """Sets tasks of all kinds from a thread; tasks whose call failed are set again, as clients do."""

    def __init__(self, service, calls=12, each=25):
        self.service, self.calls, self.each = service, calls, each
        self.ids, self.error = [], None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _task(self, n):
        hooks = [{}, {"postback_url": self.service.hook("/post")}, {"pingback_url": self.service.hook("/ping")},
                 {"postback_url": self.service.hook("/gone")}, {"postback_url": self.service.hook("/post"), "pingback_url": self.service.hook("/ping")}]
        return {"id": f"t{n}", "result": n, **hooks[n % len(hooks)]}

    def _run(self):
        for c in range(self.calls):
            tasks = [self._task(c * self.each + i) for i in range(self.each)]
            deadline = time.monotonic() + 30
            while True:
                try:
                    answers = self.service.acme.set(*tasks)
                    if all(t["status_code"] == 20100 for t in answers):
                        break
                except (OSError, AssertionError) as e:
                    self.error = e
                if time.monotonic() > deadline:
                    return
                time.sleep(0.05)
            self.ids += [t["id"] for t in tasks]

    def join(self):
        self.thread.join(60)
        assert not self.thread.is_alive() and len(self.ids) == self.calls * self.each, self.error
        return self


def scripted(service):
    service.sink.on("/gone", 410)


def check_end(service, total):
    """Every task is over: of five kinds one is kept, one told, one dead, two fetched by their postback."""
    fifth = total // 5
    expected = {"done_fetched": 2 * fifth, "done_not_fetched": 2 * fifth, "processing": 0, "pending": 0, "failed": fifth, "total": total}
    wait_for(lambda: service.acme.counts() == expected, 40, lambda: service.acme.counts())
    assert service.admin.counts() == service.acme.counts()
    assert len(service.acme.ready()) == 3 * fifth
    for ident in service.acme.ready_ids():
        assert service.acme.task(ident)["status_code"] == 20000
    assert service.acme.counts()["done_fetched"] == total and service.acme.ready() == []


def test_under_load(service):
    scripted(service)
    service.start(dispatchers=2)
    setter = Setter(service)
    seen = []
    while setter.thread.is_alive():
        seen.append(service.acme.counts()["total"])
    setter.join()
    assert seen == sorted(seen), "no task is ever missing"
    check_end(service, len(setter.ids))


@pytest.mark.redis(fsync="always")
@pytest.mark.parametrize("victim", ["dispatcher", "receiver", "redis"])
def test_after_a_kill(service, stack, victim):
    scripted(service)
    service.start(dispatchers=2)
    setter = Setter(service)
    wait_for(lambda: len(setter.ids) >= 75)
    if victim == "dispatcher":
        service.dispatchers[0].kill9()
        service.dispatchers[0].start()
    elif victim == "receiver":
        service.receiver.kill9()
        service.receiver.start()
    else:
        stack.redis.kill9()
        stack.redis.start()
        wait_for(lambda: service.acme.raw("GET", "/readyz")[0] == 200)
    setter.join()
    check_end(service, len(setter.ids))
