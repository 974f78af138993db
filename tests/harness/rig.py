"""A running set under a fault, and the one judgement over all that it did.

    rig = Rig(stack, "a receiver killed")
    rig.start(dispatchers=2)
    sender = rig.load(count=200)
    ... the fault ...
    rig.healed()            # from here on recovery is timed
    sender.join()
    rig.judge(duplicates=0)
"""

import json
import os
import random
import signal
import threading
import time
from collections import Counter

from harness import config, http, oracle, paths
from harness.figures import FIGURES, Figures
from harness.partitions import bases
from harness.redis_server import free_port
from harness.snapshot import Snapshot
from harness.wait import wait_for

# Short, so that a lease is 4 s and a test need not wait long for it to run out.
CONNECT_MS, TIMEOUT_MS = 300, 700
LEASE_S = (CONNECT_MS + TIMEOUT_MS) / 1000 + 3
QUICK, PACED = "quick", "paced"
LANES = {QUICK: 0, PACED: 50}   # lane -> delay in ms
PACED_LOAD = 1.1                # events for a paced lane, as a share of what it can take
RETRY = {"schedule_s": [0.2, 0.5, 1, 1, 2, 2, 2, 2, 2, 2], "jitter": 0}
LOG_LINES_PER_S, LOG_BURST = 12, 60


def seed() -> int:
    """$HOOKPACE_SEED, or a new one. Print it: it repeats the run."""
    return int(os.environ.get("HOOKPACE_SEED", 0)) or random.SystemRandom().randrange(1, 1 << 31)


def content(ident, tag="t", size=None) -> bytes:
    """The body of event IDENT: always the same, of a length of its own."""
    rng = random.Random(ident)
    pad = "".join(rng.choices("abcdefgh ", k=rng.choice((0, 20, 300, 1500)) if size is None else size))
    return json.dumps({"id": ident, "tag": tag, "pad": pad}).encode()


class Rig:
    """A receiver on a fixed port, dispatchers, a sink with a path per lane. LANES: name -> delay in ms. Each is a
    source, a destination and a lane; FAN: source -> names of several destinations, for events that go to all of them.

    REDIS_URL, DOWN_URL: where the programs connect to, if not straight to the stack's Redis and sink (a proxy).
    """

    def __init__(self, stack, fault, lanes=None, sink=None, redis_url=None, down_url=None, fan=None, partitions=1,
                 redis_timeout_ms=1000, **dest):
        self.stack, self.fault = stack, fault
        self.lanes = dict(LANES if lanes is None else lanes)
        self.sink = sink or stack.downstream()
        self.port = free_port()
        self.bases = bases(partitions)
        self.conf = config.base(redis_url or stack.redis.url, delay_step_ms=1,
                                redis={"partitions": partitions, "timeout_ms": redis_timeout_ms},
                                receiver={"listen": f"127.0.0.1:{self.port}"})
        for lane, delay in self.lanes.items():
            url = (down_url or self.sink.url(""))
            self.conf["sources"][lane] = config.source(lane)
            self.conf["destinations"][lane] = config.destination(
                f"{url}/{lane}?id=$id", delay_ms=delay,
                **{"timeout_ms": TIMEOUT_MS, "connect_timeout_ms": CONNECT_MS, "retry": RETRY, **dest})
        self.receiver = None
        self.dispatchers = []
        self.started_dispatchers = []  # with those that a test took out of the others
        self.senders = []
        self.to = {lane: [lane] for lane in self.lanes} | (fan or {})  # source -> destinations
        for name, several in (fan or {}).items():
            self.conf["sources"][name] = config.source(several)
        self.kept = {}          # id -> (source, body): what was sent in any way
        self.before = {}        # the same, of the fault before
        self.unpaced = set()    # lanes on which the gaps at the sink say nothing
        self.baseline = {}
        self.starts = Counter() # program -> how often it was started
        self.recovery_s = None
        self.began = time.monotonic()
        self.probes = 0

    def forget(self, fault):
        """What was judged is forgotten: a further fault on the same running set."""
        self.fault = fault
        self.before, self.kept = self.kept, {}
        self.senders, self.recovery_s = [], None
        self.sink.reset()

    # -- the programs ------------------------------------------------------------------------------------

    def start(self, dispatchers=1, **options):
        """A receiver and DISPATCHERS; OPTIONS for the latter (env, wrapper)."""
        self.start_receiver()
        for _ in range(dispatchers):
            self.add_dispatcher(**options)
        return self

    def start_receiver(self, ready=True, **options):
        self.receiver = self.stack.receiver(self.conf, start=False, **options)
        self.receiver.start(ready=ready)
        self.note_baseline(self.receiver)
        return self.receiver

    def add_dispatcher(self, ready=True, **options):
        program = self.stack.dispatcher(self.conf, start=False, **options)
        program.start(ready=ready)
        go_first(program)
        self.dispatchers.append(program)
        self.started_dispatchers.append(program)
        self.note_baseline(program)
        return program

    @property
    def programs(self):
        return [p for p in (self.receiver, *self.dispatchers) if p is not None]

    def note_baseline(self, program):
        """Forgets what PROGRAM used so far: it has just been started (again)."""
        self.starts[program] += 1
        self.baseline[program] = (program.pid, program.rss_kb(), descriptors(program))

    # -- load --------------------------------------------------------------------------------------------

    def load(self, count=None, threads=4, pause=0.004, retry=True, prefix="e", lanes=None, timeout=5.0,
             make=None):
        """A sender that repeats what is not acknowledged under the same id; it is started. MAKE(n): an event();
        by default the paced lanes get a little more than they can take, the rest goes to the others."""
        names = list(lanes or self.lanes)
        paced = {name: 0.0 for name in names if self.lanes[name]}  # -> when the next event for it is due
        quick = [name for name in names if not self.lanes[name]] or names
        lock = threading.Lock()

        def lane_of(n):
            now = time.monotonic()
            with lock:
                for name, due in paced.items():
                    if due <= now:
                        paced[name] = max(due, now - 0.1) + self.lanes[name] / 1000 / PACED_LOAD
                        return name
            return quick[n % len(quick)]

        def mixed(n):
            return self.event(f"{prefix}{n}", lane_of(n))
        sender = http.Sender(f"127.0.0.1:{self.port}", make or mixed, threads, count, retry, pause, timeout)
        self.senders.append(sender)
        return sender.start()

    def event(self, ident, source=QUICK, **more):
        """(id, target, headers, body) of an event from SOURCE, as http.Sender wants them; it is remembered."""
        body = content(ident, **more)
        self.kept[ident] = (source, body)
        return ident, f"/in/{source}", {}, body

    def send(self, ident, lane=QUICK, **more):
        """One event by the caller, which must be acknowledged."""
        sender = http.Sender(f"127.0.0.1:{self.port}", lambda _: self.event(ident, lane, **more), 1, 1, False)
        self.senders.append(sender)
        sender.start().join(20)
        assert sender.ids() == {ident}, (self.fault, sender.statuses)

    def acknowledged(self) -> dict:
        """id -> time.monotonic() of its 200, over all senders."""
        return {i: at for s in self.senders for i, at in s.times().items()}

    def wait_acknowledged(self, more, timeout=15.0):
        """Waits until MORE events than now are acknowledged."""
        before = len(self.acknowledged())
        wait_for(lambda: len(self.acknowledged()) >= before + more, timeout, f"{more} more acknowledgements")

    def wait_arrivals(self, more, timeout=15.0):
        before = len(self.sink.all())
        wait_for(lambda: len(self.sink.all()) >= before + more, timeout, f"{more} more arrivals")

    def kill_redis_under_load(self):
        """Three times, each with events under way, and the judgement."""
        self.load(threads=6, pause=0.002)
        for _ in range(3):
            self.wait_acknowledged(60)
            self.stack.redis.kill9()
            time.sleep(0.2)
            self.stack.redis.start()
        self.healed()
        self.judge(duplicates=3 * 17)

    # -- recovery ----------------------------------------------------------------------------------------

    def healed(self, within=LEASE_S + 2.0):
        """The fault is over. Returns, and notes, how long it takes until an event passes and all that was in
        flight at this moment is over or with another; that may not be longer than WITHIN seconds."""
        healed_at = time.monotonic()
        stuck = wait_for(lambda: self._try(lambda s: {i: s.deliveries[i].get("fence") for i in s.inflight}),
                         within, "Redis to answer", every=0.02)[0]
        self.probes += 1
        ident = f"probe{self.probes}"
        sender = http.Sender(f"127.0.0.1:{self.port}", lambda _: self.event(ident, next(iter(self.lanes))), 1, 1, True)
        self.senders.append(sender)
        sender.start()

        def over():
            moved = self._try(lambda s: all(s.deliveries.get(i, {}).get("fence") != f or i not in s.inflight
                                            for i, f in stuck.items()))
            return moved and moved[0] and ident in self.sink.events()
        wait_for(over, within, lambda: f"recovery from {self.fault}; probe acknowledged: {sender.ids()}", every=0.02)
        sender.stop()
        self.recovery_s = max(self.recovery_s or 0, time.monotonic() - healed_at)
        return self.recovery_s

    def _try(self, look):
        """[look(Snapshot)], or None where Redis does not answer."""
        try:
            return [look(self.snapshot())]
        except Exception:  # of any kind that python3-redis has for a server that is away
            return None

    def snapshot(self) -> Snapshot:
        with self.stack.redis.client(socket_timeout=5) as client:
            return Snapshot(client, *self.bases)

    def drain(self, timeout=30.0):
        """Waits until nothing waits or is under way any more."""
        left = []

        def empty():
            left[:] = [self.snapshot().unfinished()]
            return not left[0]
        wait_for(empty, timeout, lambda: f"the queue to drain, left: {left[0][:5]}", every=0.05)

    # -- the judgement -----------------------------------------------------------------------------------

    def judge(self, duplicates=0, may_lose=(), drained=True, timeout=30.0, gaps=True, counts=True,
              note="", quiet=False):
        """Stops the senders, waits for the rest, and asserts everything that must hold after any fault.

        DUPLICATES: at most so many. MAY_LOSE: event ids that the documentation gives up under this fault. GAPS:
        False where the way to the sink changes them. COUNTS: False where the metrics cannot be asked, or tell of more.
        The row of the table is noted before anything is asserted.
        """
        for sender in self.senders:
            sender.stop()
        if drained:
            self.drain(timeout)
        snapshot = self.snapshot()
        requests = [r for r in self.sink.all() if r.event not in self.before]
        acknowledged = self.acknowledged()
        found = Figures(self.fault, len(self.kept), len(acknowledged), recovery_s=self.recovery_s, note=note)
        FIGURES.append(found)
        missing = self._missing(acknowledged, requests, snapshot)
        found.lost = len(missing)
        found.duplicates = sum(self.extra(requests).values())
        found.shortest_gap_ms = self._shortest(requests) if gaps else None
        if not quiet:
            print(f"{self.fault}: {found}")
        wrongly = sorted(set(missing) - set(may_lose))
        assert not wrongly, f"{len(wrongly)} of {len(acknowledged)} acknowledged events are lost: {wrongly[:5]}"
        assert found.duplicates <= duplicates, f"sent again: {dict(list(self.extra(requests).items())[:5])}"
        self._check_contents(requests)
        problems = snapshot.problems(drained)
        assert not problems, f"{len(problems)} inconsistencies: {problems[:8]}"
        self._check_attempts([r for r in requests if r.event not in may_lose], snapshot)
        for lane, of_lane in self._by_lane(requests).items() if gaps else ():
            oracle.assert_paced(of_lane, self.lanes[lane])
        if counts and not self.before:
            self._check_counts(requests, snapshot)
        self._check_resources()
        return found

    def _missing(self, acknowledged, requests, snapshot):
        there = {r.delivery for r in requests if was_accepted(r)} | set(snapshot.places)
        return sorted(i for i in acknowledged
                      if any(f"{i}:{destination}" not in there for destination in self.to[self.kept[i][0]]))

    def extra(self, requests=None) -> dict:
        """Delivery id -> requests that arrived after one that was answered 2xx, or as the same attempt again. An answer that asks
        to wait spends no attempt: the next request has the same number."""
        again = {}
        seen, done = Counter(), set()
        for r in sorted(self.sink.all() if requests is None else requests, key=lambda r: r.at_ns):
            if r.delivery in done or seen[r.delivery, r.attempt]:
                again[r.delivery] = again.get(r.delivery, 0) + 1
            if not asks_to_wait(r):
                seen[r.delivery, r.attempt] += 1
            if was_accepted(r):
                done.add(r.delivery)
        return again

    def _check_contents(self, requests):
        for r in requests:
            assert r.event in self.kept, f"{r.event} was never sent to the receiver"
            source, body = self.kept[r.event]
            assert r.body == body, f"the body of {r.event} is not the one that was sent"
            assert r.path[1:] in self.to[source] and r.delivery == f"{r.event}:{r.path[1:]}"

    def _check_attempts(self, requests, snapshot):
        """Every arrival is a counted attempt: numbers are given out once, and none is beyond what Redis counts."""
        attempts = {}
        for r in requests:
            attempts.setdefault(r.delivery, []).append(r.attempt)
        for delivery, numbers in attempts.items():
            fields = snapshot.deliveries.get(delivery)
            assert fields, f"{delivery} arrived and Redis does not know it"
            assert int(fields["attempts"]) >= max(numbers), (delivery, fields, numbers)

    def _check_counts(self, requests, snapshot):
        """The metrics of what runs since the beginning say the same as everything else."""
        statuses = sum((Counter(dict(s.statuses)) for s in self.senders), Counter())
        if self.starts[self.receiver] == 1 and not statuses[0] and self.receiver.running:
            events = self.receiver.metrics().get("hookpace_events_total", {})
            counted = sum(n for labels, n in events.items() if dict(labels)["result"] in ("ok", "duplicate"))
            assert counted == statuses[200], (events, statuses)
        if all(d.running for d in self.dispatchers) and len(self.started_dispatchers) == len(self.dispatchers):
            counted = sum(n for d in self.dispatchers for labels, n in
                          d.metrics().get("hookpace_attempts_total", {}).items() if dict(labels)["result"] == "done")
            done = sum(d.get("state") == "done" for d in snapshot.deliveries.values())
            assert done <= counted <= sum(map(was_accepted, requests)), (done, counted, len(requests))

    def _by_lane(self, requests):
        return oracle.by_lane([r for r in requests if self.lanes.get(r.path[1:]) and r.path[1:] not in self.unpaced], lambda r: r.path[1:])

    def _shortest(self, requests):
        over = [gap - self.lanes[lane] for lane, of_lane in self._by_lane(requests).items()
                for gap in oracle.gaps_ms(of_lane)]
        return min(over) if over else None

    def _check_resources(self):
        seconds = time.monotonic() - self.began
        for program in self.programs:
            code = program.process.poll()
            assert code in (None, 0, -signal.SIGKILL), f"{program.name} ended with {code}"
            odd = [text for text, line in zip(program.text, program.lines) if not line.get("msg")]
            assert not odd, f"{program.name} wrote what is not its log: {odd[:30]}"  # sanitizers, a failed assertion
            lines = sum(line.get("msg") not in ("event.accepted", "attempt.ended") for line in program.lines)  # those come with each
            assert lines <= LOG_BURST + LOG_LINES_PER_S * seconds, \
                f"{program.name} wrote {lines} lines in {seconds:.0f} s: {Counter(x.get('msg') for x in program.lines)}"
            pid, rss, open_ = self.baseline[program]
            if not program.running or program.pid != pid:
                continue
            grown = program.rss_kb() - rss
            assert grown < 16_000 or paths.is_sanitized(), f"{program.name} grew by {grown} KiB"
            assert descriptors(program) - open_ < 150, f"{program.name} has {descriptors(program)} descriptors"


def was_accepted(request) -> bool:
    """The sink meant it to be a success."""
    return request.answer is not None and request.answer.delivers


def asks_to_wait(request) -> bool:
    """It was answered 429, or 503 with Retry-After: that spends no attempt."""
    a = request.answer
    return a is not None and a.action == "reply" and (a.status == 429 or a.status == 503 and "Retry-After" in a.headers)


def go_first(program):
    """Where it is permitted: the kernel lets PROGRAM run before anything else. A busy test machine would otherwise put
    it aside between its last check and write(2), and the gap that the sink sees is shorter by that."""
    try:
        os.sched_setscheduler(program.pid, os.SCHED_RR, os.sched_param(1))
    except (PermissionError, ProcessLookupError):
        pass


def descriptors(program) -> int:
    return len(os.listdir(f"/proc/{program.pid}/fd"))
