"""Downstreams and the way to them: slow, silent, cut, reset, absurd, without a name."""

import random
import socket
import time

import pytest

from harness import paths
from harness.downstream import Answer
from harness.proxy import Proxy
from harness.redis_server import free_port
from harness.rig import CONNECT_MS, PACED, QUICK, TIMEOUT_MS, Rig, seed

PATIENT_S = 0.15    # a delivery of a healthy lane takes no longer, whatever the others do


def worst_way(rig, lane=QUICK, least=20):
    """Seconds from the 200 to the arrival, the worst of the events of LANE that have arrived; the 98th percentile."""
    offset = time.time_ns() - time.monotonic_ns()
    acknowledged = rig.acknowledged()
    took = sorted((r.at_ns - offset) / 1e9 - acknowledged[r.event] for r in rig.sink.all()
                  if r.path == f"/{lane}" and r.event in acknowledged and r.attempt == 1)
    assert len(took) >= least, "too few to tell"
    return took[int(len(took) * 0.98)]


# -- the first attempt goes wrong, the second is answered -------------------------------------------------------

def raw(body):
    return Answer(action="raw", body=body)


OK_HEAD = b"HTTP/1.1 200 OK\r\n"
# name -> (answer to the first attempt, whether that attempt counts as delivered)
ANSWERS = {
    "slow but in time": (Answer(delay=TIMEOUT_MS / 1000 * 0.6), True),
    "slower than the timeout": (Answer(delay=TIMEOUT_MS / 1000 * 1.4), False),
    "never": (Answer(action="hang"), False),
    "closed": (Answer(action="close"), False),
    "reset": (Answer(action="rst"), False),
    "cut in the status line": (Answer(action="cut", cut_at=9), False),
    "cut in the headers": (Answer(action="cut", cut_at=25), False),
    "cut in the body": (Answer(action="cut", body=b"x" * 5000), True),
    "100 MB": (Answer(action="huge", size=100 << 20), True),
    "one byte a second": (Answer(action="trickle", every=1.0), False),
    "a header of 200 KB": (raw(OK_HEAD + b"X: " + b"b" * 200_000), False),
    "endless headers": (raw(OK_HEAD + b"X-A: b\r\n" * 50_000), False),
    "endless interim answers": (raw(b"HTTP/1.1 102 Processing\r\n\r\n" * 50_000), False),
    "bad chunks": (raw(OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), True),
    "gzip that is none": (Answer(headers={"Content-Encoding": "gzip"}, body=b"no"), True),
    "no HTTP": (raw(b"220 smtp.example\r\n"), False),
    "413 at once": (Answer(status=413, close=True), False),
}


def test_answers_that_go_wrong(stack):
    """Each as the answer to a first attempt, with healthy lanes beside it: what was delivered is not sent again,
    what was not is, once, and nobody else notices."""
    lanes = {QUICK: 0, PACED: 50, **{f"bad{n}": 0 for n in range(len(ANSWERS))}}
    rig = Rig(stack, f"{len(ANSWERS)} kinds of wrong answers", lanes=lanes).start(dispatchers=1)
    for n, (answer, delivered) in enumerate(ANSWERS.values()):
        answer.counts = delivered
        rig.sink.on(lambda r, lane=f"/bad{n}": r.path == lane and r.attempt == 1, answer)
    dispatcher = rig.dispatchers[0]
    before = dispatcher.rss_kb()
    for n in range(len(ANSWERS)):
        for m in range(3):
            rig.send(f"bad{n}-{m}", f"bad{n}")
    rig.load(count=200, threads=2, pause=0.01, lanes=[QUICK, PACED]).join()
    rig.drain()
    assert dispatcher.rss_kb() - before < 8000 or paths.is_sanitized()
    wrong = {}
    for n, (name, (_, delivered)) in enumerate(ANSWERS.items()):
        for m in range(3):
            seen = [r.attempt for r in rig.sink.of(f"bad{n}-{m}")]
            if seen != ([1] if delivered else [1, 2]):
                wrong[name, m] = seen
    assert not wrong, wrong
    assert worst_way(rig) < PATIENT_S
    rig.judge()


def test_kept_connections_that_die(stack):
    """The server reads a further request and closes: each attempt is seen once, and a retry follows."""
    rig = Rig(stack, "kept connections die under a request").start()
    rig.sink.default = Answer(die_on_reuse=True)
    rig.load(count=50, pause=0.01).join()
    rig.drain()
    seen = [(r.delivery, r.attempt) for r in rig.sink.all()]
    assert len(seen) == len(set(seen))
    assert any(not r.answered for r in rig.sink.all()), "the race did not happen"
    rig.sink.default = Answer()
    rig.judge()


# -- the way there ----------------------------------------------------------------------------------------------

@pytest.fixture
def way(stack):
    """(sink, proxy in front of it)"""
    number = seed()
    print(f"HOOKPACE_SEED={number}")
    sink = stack.downstream()
    proxy = Proxy(("127.0.0.1", sink.port), random.Random(number))
    proxy.url = f"http://127.0.0.1:{proxy.port}"
    yield sink, proxy
    proxy.close()


def test_connections_are_reset_at_random(stack, way):
    """A reset behind the request is a repeat that nobody can avoid; there are no more than resets."""
    sink, proxy = way
    rig = Rig(stack, "3 % of the pieces to and from downstreams are resets", sink=sink, down_url=proxy.url)
    rig.start(dispatchers=2)
    proxy.reset_chance = 0.03
    rig.load(count=300, pause=0.01).join()
    rig.drain()
    resets = proxy.resets
    proxy.heal()
    rig.healed()
    assert resets > 5, "nothing happened"
    rig.judge(duplicates=resets, gaps=False, note=f"{resets} resets")


@pytest.mark.parametrize("up,down", [(True, True), (False, True)], ids=["both ways", "no answers"])
def test_cut_off_from_downstreams(stack, way, up, down):
    """Two seconds of silence: attempts time out, nothing is lost; what had arrived unanswered comes again."""
    sink, proxy = way
    rig = Rig(stack, f"cut off from downstreams, {'both ways' if up else 'no answers'}", sink=sink,
              down_url=proxy.url).start()
    rig.load(threads=2, pause=0.02)
    rig.wait_arrivals(30)
    proxy.partition(up, down)
    time.sleep(2)
    proxy.heal()
    rig.healed()
    for sender in rig.senders:
        sender.stop()
    rig.drain()
    timeouts = sum(int(d["attempts"]) - 1 for d in rig.snapshot().deliveries.values())
    rig.judge(duplicates=timeouts, gaps=False, note=f"{timeouts} attempts timed out")


def test_slow_and_trickling_way(stack, way):
    """50 ms each way and 200 bytes a step: late, and nothing else."""
    sink, proxy = way
    rig = Rig(stack, "slow way to downstreams", sink=sink, down_url=proxy.url).start(dispatchers=2)
    proxy.up.delay = proxy.down.delay = 0.05
    proxy.up.trickle = 800
    rig.load(count=150, pause=0.01).join()
    rig.drain()
    proxy.heal()
    rig.judge(gaps=False)


def test_nobody_there(stack):
    """A dead port, a full backlog and a silent server beside healthy lanes, which notice nothing."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for s in fillers:  # until the kernel answers no further SYN
            s.setblocking(False)
            s.connect_ex(deaf.getsockname())
        silent = socket.create_server(("127.0.0.1", 0), backlog=256)
        gone = {"dead": free_port(), "deaf": deaf.getsockname()[1], "silent": silent.getsockname()[1]}
        rig = Rig(stack, "3 of 23 destinations are not there", lanes={PACED: 50, **{f"q{n}": 0 for n in range(19)},
                                                                     QUICK: 0, **{name: 0 for name in gone}})
        for name, port in gone.items():
            rig.conf["destinations"][name].update(postback_url=f"http://127.0.0.1:{port}/{name}?id=$id",
                                                  retry={"schedule_s": [0.3], "jitter": 0})
        rig.start()
        for name in gone:
            for n in range(3):
                rig.send(f"{name}{n}", name)
        healthy = [name for name in rig.lanes if name not in gone]
        rig.load(count=400, threads=2, pause=0.004, lanes=healthy).join()
        rig.drain()
        ends = {name: stack.keys.delivery(f"{name}0:{name}") for name in gone}
        assert {name: (d["state"], d["last_error"]) for name, d in ends.items()} == {
            "dead": ("dead", "connect_refused"), "deaf": ("dead", "connect_timeout"), "silent": ("dead", "timeout")}
        for name, expected in (("deaf", CONNECT_MS), ("silent", TIMEOUT_MS)):
            assert expected * 0.9 <= int(ends[name]["duration_ms"]) <= expected * 1.1 + 50, ends[name]
        assert worst_way(rig, least=10) < PATIENT_S
        rig.judge(timeout=15)
        for s in (*fillers, silent):
            s.close()


def test_names_that_do_not_resolve(stack):
    """Looking up names that are unknown, refused, unanswered, private or of a thousand addresses: healthy lanes notice nothing."""
    kinds = {"unknown": ("dead", "dns_not_found"), "refused": ("dead", "dns_failed"), "hang": ("dead", "dns_failed"),
             "private": ("dead", "blocked_address"), "many": ("dead", "connect_timeout")}
    rig = Rig(stack, "5 kinds of name lookups that fail", lanes={QUICK: 0, PACED: 50, **{k: 0 for k in kinds}})
    port = free_port()
    for kind in kinds:
        rig.conf["destinations"][kind].update(postback_url=f"http://{kind}.lookup.example:{port}/x",
                                              retry={"schedule_s": [], "jitter": 0})
    rig.conf["dispatcher"]["egress"] = {"deny": ["10.0.0.0/8"]}
    rig.start_receiver()
    rig.add_dispatcher(env={"LD_PRELOAD": str(paths.tool("hang_names.so")), "ASAN_OPTIONS": "verify_asan_link_order=0"})
    for kind in kinds:
        for n in range(3):
            rig.send(f"{kind}{n}", kind)
    rig.load(count=150, threads=2, pause=0.01, lanes=[QUICK, PACED]).join()
    rig.drain()
    ends = {kind: stack.keys.delivery(f"{kind}0:{kind}") for kind in kinds}
    assert {kind: (d["state"], d["last_error"]) for kind, d in ends.items()} == kinds
    assert worst_way(rig) < PATIENT_S
    rig.judge()
