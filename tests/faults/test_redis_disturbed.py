"""Redis lives and is disturbed: full, flushed, busy, its clients killed, the way to it cut, slow or one-way."""

import random
import threading
import time

import pytest
import redis

from harness import paths
from harness.downstream import Answer
from harness.proxy import Proxy
from harness.rig import LEASE_S, PACED, QUICK, Rig, seed
from harness.wait import every, wait_for

TIMEOUT_S = 1.0  # redis.timeout_ms of a Rig
IN_FLIGHT = 17   # concurrency of the two lanes of a Rig: what a dispatcher can have under way


def test_full_memory(stack):
    """New events are refused, what is there goes out, is tried again or ends dead, and it recovers by itself."""
    rig = Rig(stack, "Redis at maxmemory", lanes={QUICK: 0, PACED: 20})
    rig.start_receiver()
    sender = rig.load(count=60, pause=0, make=lambda n: rig.event(f"e{n}", PACED if n % 2 else QUICK, size=5000))
    sender.join()
    with stack.redis.client() as client:
        client.config_set("maxmemory", client.info("memory")["used_memory"] - 100_000)
        rig.sink.on(lambda r: r.event in ("e2", "e3"), Answer(status=410))
        rig.sink.on(lambda r: r.event in ("e4", "e5") and r.attempt == 1, Answer(status=500))
        rig.add_dispatcher()
        refused = rig.load(prefix="refused", threads=2, pause=0.05)
        rig.sink.wait_events(sender.ids(), 15)
        wait_for(lambda: not rig.snapshot().unfinished(), 5, "the results, although Redis is full")
        assert sorted(stack.keys.all_dead()) == ["e2:quick", "e3:paced"]
        assert set(refused.statuses) == {503}, refused.statuses
        client.config_set("maxmemory", 0)
    rig.healed(2)
    rig.wait_acknowledged(10)
    rig.judge()


def test_scripts_flushed(stack):
    """A forgotten script costs a round trip: no refusal, no repeat."""
    rig = Rig(stack, "SCRIPT FLUSH every 50 ms").start(dispatchers=2)
    with stack.redis.client() as client:
        end = every(0.05, client.script_flush)
        sender = rig.load(count=400, pause=0.01).join()
        end()
    assert set(sender.statuses) == {200}, sender.statuses
    rig.healed(1)
    rig.judge()


def test_clients_killed(stack):
    """Every connection to Redis dies five times a second: most requests are still accepted."""
    rig = Rig(stack, "CLIENT KILL every 200 ms").start(dispatchers=2)
    with stack.redis.client() as client:
        end = every(0.2, lambda: client.execute_command("CLIENT", "KILL", "TYPE", "normal"))
        sender = rig.load(pause=0.01)
        time.sleep(4)
        accepted = sender.statuses.get(200, 0) / sum(sender.statuses.values())
        end()
    rig.healed()
    rig.judge(duplicates=IN_FLIGHT, note=f"{accepted:.0%} accepted at once")
    assert accepted > 0.8, "a connection that served for a while must come back at once"


def test_busy_with_a_script(stack):
    """Whoever asks is answered in time, although Redis answers nobody but BUSY."""
    rig = Rig(stack, "Redis busy with a script for 2.5 s").start(dispatchers=2)
    with stack.redis.client(socket_timeout=20) as client:
        client.config_set("busy-reply-threshold", 300)
        sender = rig.load(pause=0.01)
        rig.wait_acknowledged(30)

        def spin():
            with stack.redis.client(socket_timeout=20) as other:
                with pytest.raises(redis.RedisError):
                    other.eval("while true do end", 0)
        thread = threading.Thread(target=spin)
        thread.start()
        time.sleep(2.5)
        client.execute_command("SCRIPT", "KILL")
        thread.join()
    rig.healed()
    assert sender.statuses.get(503, 0) > 10, sender.statuses
    rig.judge(duplicates=2 * IN_FLIGHT)
    assert sender.slowest < TIMEOUT_S + 1, f"{sender.slowest:.2f} s"


def test_redis_stands_still(stack):
    rig = Rig(stack, "Redis stopped for 3 s").start(dispatchers=2)
    sender = rig.load(pause=0.01)
    rig.wait_acknowledged(30)
    rss = [p.rss_kb() for p in rig.programs]
    stack.redis.pause()
    time.sleep(3)
    assert paths.is_sanitized() or max(p.rss_kb() - before for p, before in zip(rig.programs, rss)) < 4000
    stack.redis.resume()
    rig.healed()
    rig.judge(duplicates=2 * IN_FLIGHT)
    assert sender.slowest < TIMEOUT_S + 1, f"{sender.slowest:.2f} s"


def test_redis_goes_in_short_steps(stack):
    """It stands still for 150 of every 200 ms, as on a machine without a free processor: slower, and nothing else."""
    rig = Rig(stack, "Redis stopped for 150 of every 200 ms", redis_timeout_ms=5000).start(dispatchers=2)
    readiness = set()
    end = every(0.05, lambda: readiness.update(p.get("/readyz").status for p in rig.programs))
    sender = rig.load(pause=0.01)
    for _ in range(30):
        stack.redis.pause()
        time.sleep(0.15)
        stack.redis.resume()
        time.sleep(0.05)
    end()
    rig.healed()
    sender.stop()
    assert set(sender.statuses) == {200}, sender.statuses
    assert readiness == {200}
    rig.judge(note=f"{len(sender.ids())} accepted meanwhile")


# -- the way to Redis -----------------------------------------------------------------------------------------

@pytest.fixture
def way(stack):
    """A proxy in front of the stack's Redis, and the URL of it."""
    number = seed()
    print(f"HOOKPACE_SEED={number}")
    proxy = Proxy(("127.0.0.1", stack.redis.port), random.Random(number))
    proxy.url = f"redis://127.0.0.1:{proxy.port}/0"
    yield proxy
    proxy.close()


def test_dispatcher_cut_off_longer_than_its_lease(stack, way):
    """It goes on sending what it has; another takes that over. Late results change nothing."""
    rig = Rig(stack, "dispatcher cut off for longer than a lease").start(dispatchers=0)
    rig.sink.default = Answer(delay=0.03)
    direct = rig.conf["redis"]
    rig.conf["redis"] = {**direct, "url": way.url}
    rig.add_dispatcher()
    rig.conf["redis"] = direct
    rig.add_dispatcher()
    rig.load(threads=4, pause=0.02)
    rig.wait_arrivals(40)
    way.partition()
    time.sleep(LEASE_S + 1.5)
    way.heal()
    rig.healed()
    rig.judge(duplicates=IN_FLIGHT)


@pytest.mark.parametrize("up,down", [(False, True), (True, False)], ids=["no answers", "no commands"])
def test_one_way_to_redis(stack, way, up, down):
    """Commands arrive and answers do not, or the other way round; both programs are behind it."""
    rig = Rig(stack, f"one way to Redis, {'no answers' if down else 'no commands'}", redis_url=way.url).start()
    sender = rig.load(threads=4, pause=0.02)
    rig.wait_acknowledged(30)
    way.partition(up, down)
    wait_for(lambda: sender.statuses.get(503, 0) > 20, 10, "503s")
    time.sleep(2)
    way.heal()
    rig.healed()
    rig.judge(duplicates=IN_FLIGHT)
    assert sender.slowest < TIMEOUT_S + 1, f"{sender.slowest:.2f} s"


def test_connections_to_redis_are_reset_at_random(stack, way):
    rig = Rig(stack, "1 % of the pieces to and from Redis are resets", redis_url=way.url).start(dispatchers=2)
    way.reset_chance = 0.01
    rig.load(count=500, pause=0.01).join(60)
    resets = way.resets
    way.heal()
    rig.healed()
    assert resets > 3, "nothing happened"
    rig.judge(duplicates=resets * 4, note=f"{resets} resets")


def test_redis_far_away_and_slow(stack, way):
    """100 ms there and 100 ms back; then 4 KB a step: slower, and nothing else."""
    rig = Rig(stack, "200 ms to Redis and back", redis_url=way.url).start(dispatchers=2)
    way.up.delay = way.down.delay = 0.1
    sender = rig.load(count=60, threads=8, pause=0).join(60)
    way.up.delay = way.down.delay = 0
    way.up.trickle = way.down.trickle = 4096
    sender = rig.load(prefix="trickle", count=40, threads=8, pause=0).join(60)
    way.heal()
    rig.healed()
    assert len(sender.ids()) == 40
    rig.judge()


# -- events with several deliveries ---------------------------------------------------------------------------

FAN = {"all": ["a", "b", "c", PACED]}


@pytest.mark.redis(fsync="always")
@pytest.mark.parametrize("fault", ["killed", "cut"])
def test_events_with_four_deliveries(stack, way, fault):
    """Whatever part of them was stored when Redis went away: the repeat completes it, and no part is there twice."""
    rig = Rig(stack, f"4 deliveries an event, 4 partitions, Redis {fault}", redis_url=way.url, fan=FAN,
              partitions=4, lanes={QUICK: 0, "a": 0, "b": 0, "c": 0, PACED: 10}).start(dispatchers=2)
    sender = rig.load(threads=6, pause=0.08, make=lambda n: rig.event(f"e{n}", "all"))
    for _ in range(2):
        rig.wait_acknowledged(25)
        if fault == "killed":
            stack.redis.kill9()
            time.sleep(0.1)
            stack.redis.start()
        else:
            way.up.cut = 3000   # in the middle of a command
            rig.wait_acknowledged(10)
            way.down.cut = 700  # in the middle of a reply
            rig.wait_acknowledged(10)
            way.reset_all()
    rig.healed()
    sender.stop()
    rig.judge(duplicates=2 * 2 * 4 * 16, timeout=15)
    found = {i for i in sender.ids() if {f"/{name}" for name in FAN["all"]} - {r.path for r in rig.sink.of(i)}}
    assert not found, f"did not arrive everywhere: {sorted(found)[:5]}"
