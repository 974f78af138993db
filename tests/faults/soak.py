"""A running set under a random mix of faults, for as long as one likes (scripts/soak).

Load all the time; one fault after the other, now and then two at once; after each the judgement of harness.rig over
everything that was sent meanwhile. The seed decides the faults and their lengths.
"""

import contextlib
import random
import tempfile
import time
from pathlib import Path

from harness import figures
from harness.downstream import Answer
from harness.proxy import Proxy
from harness.rig import LEASE_S, Rig
from harness.stack import Stack
from harness.wait import every

# `far` is reached through a bad network, so the gaps on it are not looked at.
LANES = {"quick": 0, "far": 0, "p50": 50, "p100": 100}
DISPATCHERS_MAX = 4
IN_FLIGHT = 16 * len(LANES)     # what one dispatcher can have under way


class World:
    """The running set, and the means to disturb it."""

    def __init__(self, directory, number, fsync="always"):
        self.rng = random.Random(number)
        self.stack = Stack(directory, fsync=fsync)
        self.stack.redis.start()
        self.sink = self.stack.downstream()
        self.sink.default = Answer(delay=0.02)  # so that there is always something in flight
        at = ("127.0.0.1", self.stack.redis.port)
        self.to_redis = {part: Proxy(at, random.Random(number + n)) for n, part in enumerate(("receiver", "dispatcher"))}
        self.to_far = Proxy(("127.0.0.1", self.sink.port), random.Random(number + 2))
        self.rig = Rig(self.stack, "start", lanes=LANES, sink=self.sink)
        self.rig.unpaced = {"far"}
        conf = self.rig.conf
        conf["retention"] = {"done_s": 60, "dead_s": 60, "dedup_s": 60}
        conf["destinations"]["far"]["postback_url"] = f"http://127.0.0.1:{self.to_far.port}/far?id=$id"
        self._redis_through("receiver")
        self.rig.start_receiver()
        self._redis_through("dispatcher")
        for _ in range(2):
            self.rig.add_dispatcher()

    def _redis_through(self, part):
        self.rig.conf["redis"] = {**self.rig.conf["redis"], "url": f"redis://127.0.0.1:{self.to_redis[part].port}/0"}

    def close(self):
        for proxy in (*self.to_redis.values(), self.to_far):
            proxy.close()
        self.stack.close()

    def proxy(self):
        return self.to_redis[self.rng.choice(["receiver", "dispatcher"])]

    def heal(self):
        for proxy in (*self.to_redis.values(), self.to_far):
            proxy.heal()
        self.sink.clear_rules()

    def prune(self):
        """Forgets the dispatchers that have ended; at least one runs then."""
        ended = [d for d in self.rig.dispatchers if not d.running]
        for program in ended:
            self.rig.dispatchers.remove(program)
            self.stack.programs.remove(program)
        if not self.rig.dispatchers:
            self.rig.add_dispatcher()

    def any_dispatcher(self):
        return self.rng.choice(self.rig.dispatchers)

    def pause(self, least, most):
        time.sleep(self.rng.uniform(least, most))


# -- faults: each does its worst and leaves things so that they can recover; it returns how many deliveries may
#    arrive twice --------------------------------------------------------------------------------------------------

def nothing(world):
    world.pause(1, 2)
    return 0


def receiver_killed(world):
    for _ in range(world.rng.randint(1, 3)):
        world.rig.receiver.kill9()
        world.pause(0, 0.3)
        world.rig.receiver.start()
        world.rig.note_baseline(world.rig.receiver)
        world.pause(0.1, 0.5)
    return 0


def receiver_terminated(world):
    assert world.rig.receiver.term().wait(15) == 0
    world.rig.receiver.start()
    world.rig.note_baseline(world.rig.receiver)
    return 0


def dispatcher_killed(world):
    world.any_dispatcher().kill9()
    world.pause(0, 0.5)
    world.prune()
    return IN_FLIGHT


def dispatcher_terminated(world):
    assert world.any_dispatcher().term().wait(20) == 0
    world.prune()
    return 0


def dispatcher_stopped(world):
    program = world.any_dispatcher()
    program.pause()
    world.rig.add_dispatcher()
    world.pause(0.5, LEASE_S + 1.5)
    program.resume()
    return IN_FLIGHT


def dispatchers_scaled(world):
    while len(world.rig.dispatchers) < DISPATCHERS_MAX:
        world.rig.add_dispatcher()
    world.pause(0.3, 1)
    for program in world.rig.dispatchers[:world.rng.randint(1, 3)]:
        assert program.term().wait(20) == 0
    world.prune()
    return 0


def redis_killed(world):
    world.stack.redis.kill9()
    world.pause(0, 1.5)
    world.stack.redis.start()
    return IN_FLIGHT * len(world.rig.dispatchers)


def redis_stopped(world):
    world.stack.redis.pause()
    world.pause(0.2, 3)
    world.stack.redis.resume()
    return IN_FLIGHT * len(world.rig.dispatchers)


def redis_full(world):
    with world.stack.redis.client() as client:
        client.config_set("maxmemory", client.info("memory")["used_memory"] - 100_000)
        world.pause(0.5, 2)
        client.config_set("maxmemory", 0)
    return 0


def redis_cut_off(world):
    proxy = world.proxy()
    proxy.partition(*world.rng.choice([(True, True), (True, False), (False, True)]))
    world.pause(0.5, LEASE_S + 1.5)
    proxy.heal()
    return IN_FLIGHT * len(world.rig.dispatchers)


def connections_reset(world):
    for _ in range(world.rng.randint(1, 5)):
        world.proxy().reset_all()
        world.pause(0.05, 0.5)
    return IN_FLIGHT * len(world.rig.dispatchers)


def reloads(world):
    for _ in range(world.rng.randint(5, 30)):
        world.rig.receiver.hup()
        for program in world.rig.dispatchers:
            program.hup()
        world.pause(0.01, 0.05)
    return 0


# -- disturbances that go on beside a fault -------------------------------------------------------------------------

@contextlib.contextmanager
def scripts_flushed(world):
    with world.stack.redis.client() as client:
        end = every(0.05, quietly(client.script_flush))
        yield 0
        end()


@contextlib.contextmanager
def clients_killed(world):
    with world.stack.redis.client() as client:
        end = every(0.25, quietly(lambda: client.execute_command("CLIENT", "KILL", "TYPE", "normal")))
        yield IN_FLIGHT * DISPATCHERS_MAX
        end()


@contextlib.contextmanager
def redis_slow(world):
    proxy = world.proxy()
    proxy.up.delay = proxy.down.delay = world.rng.uniform(0.005, 0.05)
    yield 0
    proxy.heal()


@contextlib.contextmanager
def resets(world):
    proxy = world.proxy()
    proxy.reset_chance = 0.01
    yield IN_FLIGHT * DISPATCHERS_MAX
    proxy.heal()


@contextlib.contextmanager
def far_network(world):
    way = world.to_far
    way.reset_chance = 0.02
    way.down.delay = world.rng.choice([0, 0.05])
    if world.rng.random() < 0.3:
        way.partition(world.rng.random() < 0.5)
    yield 3 * IN_FLIGHT * DISPATCHERS_MAX
    way.heal()


@contextlib.contextmanager
def bad_answers(world):
    rng = random.Random(world.rng.random())
    kinds = [Answer(status=500), Answer(status=503, headers={"Retry-After": "1"}), Answer(action="close"),
             Answer(action="rst"), Answer(action="hang"), Answer(delay=0.3), Answer(action="cut", cut_at=20)]
    world.sink.on(lambda r: r.path in ("/quick", "/far") and rng.random() < 0.2, *[rng.choice(kinds) for _ in range(500)])
    yield 0
    world.sink.clear_rules()


FAULTS = [nothing, receiver_killed, receiver_terminated, dispatcher_killed, dispatcher_terminated, dispatcher_stopped,
          dispatchers_scaled, redis_killed, redis_stopped, redis_full, redis_cut_off, connections_reset, reloads]
DISTURBANCES = [scripts_flushed, clients_killed, redis_slow, resets, far_network, bad_answers]


def quietly(action):
    """ACTION without its exceptions: Redis may be away at the moment."""
    def run():
        with contextlib.suppress(Exception):
            action()
    return run


def words(function) -> str:
    return function.__name__.replace("_", " ")


def episode(world, number, say):
    """One fault, its recovery and the judgement."""
    fault = FAULTS[number] if number < len(FAULTS) else world.rng.choice(FAULTS)
    beside = world.rng.choice(DISTURBANCES) if fault is nothing or world.rng.random() < 0.4 else None
    rig = world.rig
    rig.forget(words(fault) if fault is not nothing else words(beside))
    rig.load(threads=4, pause=0.02, prefix=f"s{number}-")
    with contextlib.ExitStack() as stack:
        allowed = stack.enter_context(beside(world)) if beside else 0
        world.pause(0.3, 0.8)
        allowed += fault(world)
    world.heal()
    rig.healed(2 * LEASE_S)  # a claim may be lost to each of two faults
    found = rig.judge(duplicates=allowed, timeout=60, quiet=True)
    say(f"{number:5d} {words(fault)}{' + ' + words(beside) if beside else ''}: {found.sent} sent, {found.duplicates} "
        f"duplicates, recovered in {found.recovery_s:.2f} s")


def run(minutes, seed, fsync="always", say=print) -> bool:
    """True if every judgement held. Prints the table in any case."""
    say(f"HOOKPACE_SEED={seed}")
    end = time.monotonic() + 60 * minutes
    failure = None
    with tempfile.TemporaryDirectory(prefix="hookpace-soak-") as directory:
        world = World(Path(directory), seed, fsync)
        number = 0
        try:
            while time.monotonic() < end:
                episode(world, number, say)
                number += 1
        except (AssertionError, OSError) as e:
            failure = e
            for title, text in world.stack.logs():
                say(f"--- {title}\n" + "\n".join(text.splitlines()[-15:]))
        finally:
            world.close()
    say(figures.table(figures.merged()))
    if failure:
        say(f"FAILED in episode {number} ({world.rig.fault}), seed {seed}: {failure}")
    return failure is None
