"""What the programs tell systemd (sd_notify(3)): started, reloading, stopping, alive."""

import ctypes
import os
import socket
import time

import pytest

from harness import config

PTRACE_ATTACH, PTRACE_DETACH = 16, 17
WAIT_FOR_THREADS = 0x40000000  # __WALL


class Manager:
    """The socket of a service manager, and the messages that came to it as dicts."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.variable = "@" + address[1:] if address.startswith("\0") else address

    def next(self, timeout=10.0):
        self.socket.settimeout(timeout)
        text = self.socket.recv(4096).decode()
        return dict(line.split("=", 1) for line in text.splitlines())

    def until(self, key, timeout=10.0):
        """The first message with KEY; those before it are dropped."""
        end = time.monotonic() + timeout
        while key not in (message := self.next(max(0.01, end - time.monotonic()))):
            pass
        return message


@pytest.fixture
def manager(tmp_path):
    made = Manager(str(tmp_path / "notify"))
    yield made
    made.socket.close()


def start(stack, part, manager, **env):
    conf = config.simple(stack.redis.url, "http://127.0.0.1:1/")
    return conf, getattr(stack, part)(conf, env={"NOTIFY_SOCKET": manager.variable, **env})


@pytest.mark.parametrize("part", ["receiver", "dispatcher"])
def test_the_life_of_a_service(stack, manager, part):
    conf, program = start(stack, part, manager)
    assert manager.next()["READY"] == "1"
    assert manager.next() == {"STATUS": "Serves" if part == "receiver" else "Sends"}

    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    program.reload(conf)
    begun, done = manager.next(), manager.next()
    assert begun["RELOADING"] == "1"
    assert before <= int(begun["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert done["READY"] == "1" and "refused" not in done["STATUS"]

    program.reload({**conf, "unknown": 1}, accepted=False)
    assert manager.next()["RELOADING"] == "1"
    refused = manager.next()
    assert refused["READY"] == "1" and "refused" in refused["STATUS"]

    program.term()
    stopping = manager.next()
    assert stopping["STOPPING"] == "1"
    assert program.wait() == 0


@pytest.mark.parametrize("part", ["receiver", "dispatcher"])
def test_a_long_drain_is_announced(stack, manager, part):
    """systemd would kill the program after TimeoutStopSec, which knows nothing of the configuration."""
    conf = config.simple(stack.redis.url, "http://127.0.0.1:1/")
    conf["redis"]["timeout_ms"] = 1000
    conf.setdefault("dispatcher", {})["drain_ms"] = 400_000
    conf.setdefault("receiver", {}).update(grace_ms=10, header_timeout_ms=200_000, body_timeout_ms=100_000)
    program = getattr(stack, part)(conf, env={"NOTIFY_SOCKET": manager.variable})
    program.term()
    needed = 401_000 if part == "dispatcher" else 301_010
    assert needed * 1000 <= int(manager.until("STOPPING")["EXTEND_TIMEOUT_USEC"]) <= (needed + 5000) * 1000


@pytest.mark.parametrize("part", ["receiver", "dispatcher"])
def test_ready_does_not_wait_for_redis(stack, manager, part):
    """A machine boots also while Redis, on another machine, is away: the programs wait for it themselves."""
    conf = config.simple(f"redis://127.0.0.1:{closed_port()}/0", "http://127.0.0.1:1/")
    getattr(stack, part)(conf, start=False, env={"NOTIFY_SOCKET": manager.variable}).start(ready=False)
    message = manager.next()
    assert message["READY"] == "1" and "Redis" in message["STATUS"]


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_an_abstract_socket(stack):
    manager = Manager(f"\0hookpace-test-{os.getpid()}-{time.monotonic_ns()}")
    start(stack, "dispatcher", manager)
    assert manager.next()["READY"] == "1"
    manager.socket.close()


@pytest.mark.parametrize("where", ["/nowhere/notify", "vsock:2:1234", "", "/" + 200 * "x"])
def test_a_socket_that_cannot_be_reached_stops_nothing(stack, where):
    conf = config.simple(stack.redis.url, "http://127.0.0.1:1/")
    program = stack.dispatcher(conf, env={"NOTIFY_SOCKET": where})
    program.reload(conf)
    program.term()
    assert program.wait() == 0


@pytest.mark.parametrize("part", ["receiver", "dispatcher"])
def test_signs_of_life(stack, manager, part):
    start(stack, part, manager, WATCHDOG_USEC="400000")
    for _ in range(4):
        assert manager.until("WATCHDOG")["WATCHDOG"] == "1"


@pytest.mark.parametrize("env", [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "x"},
                                 {"WATCHDOG_USEC": "100000", "WATCHDOG_PID": "1"}])
def test_no_signs_of_life_unless_they_are_asked_for(stack, manager, env):
    conf, program = start(stack, "dispatcher", manager, **env)
    program.reload(conf)
    program.term()
    assert program.wait() == 0
    messages = []
    manager.socket.setblocking(False)
    try:
        while True:
            messages.append(manager.socket.recv(4096))
    except BlockingIOError:
        pass
    assert messages and not [m for m in messages if b"WATCHDOG" in m]


class StoppedThread:
    """One thread of a process, held by ptrace: SIGSTOP would stop all of them."""

    def __init__(self, thread):
        self.thread = thread
        self.libc = ctypes.CDLL(None, use_errno=True)

    def _ptrace(self, request):
        if self.libc.ptrace(request, self.thread, None, None) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def __enter__(self):
        self._ptrace(PTRACE_ATTACH)
        os.waitpid(self.thread, WAIT_FOR_THREADS)

    def __exit__(self, *_):
        self._ptrace(PTRACE_DETACH)


def test_a_worker_that_hangs_gives_no_sign_of_life(stack, manager):
    conf = config.simple(stack.redis.url, "http://127.0.0.1:1/")
    conf.setdefault("receiver", {})["threads"] = 2
    program = stack.receiver(conf, env={"NOTIFY_SOCKET": manager.variable, "WATCHDOG_USEC": "400000"})
    threads = sorted(int(t) for t in os.listdir(f"/proc/{program.pid}/task"))
    manager.until("WATCHDOG")
    with StoppedThread(threads[-1]):  # made last: a worker
        assert program.get("/healthz").status == 200, "the main thread goes on"
        with pytest.raises(TimeoutError):
            while True:
                manager.next(timeout=1.0)
    manager.until("WATCHDOG")
