"""Waiting for a condition with a deadline; tests never sleep a fixed time instead."""

import os
import signal
import subprocess
import threading
import time
from pathlib import Path


def wait_for(condition, timeout=10.0, message="the condition", every=0.01):
    """Calls CONDITION until it answers something true and returns that; fails after TIMEOUT seconds.

    MESSAGE (text, or a function that makes it) says what was waited for. An exception of CONDITION is not
    swallowed: wrap what may fail.
    """
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            text = message() if callable(message) else message
            raise AssertionError(f"waited {timeout} s in vain for {text} (last: {value!r})")
        time.sleep(every)


def stays(condition, seconds, message="the condition to stay true", every=0.02):
    """Fails as soon as CONDITION is false within SECONDS: for "nothing happens" assertions."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), f"{message} ended early"
        time.sleep(every)


def settled(value, seconds, timeout=60.0, message="the value to settle", every=0.05):
    """Waits until VALUE() is something true that has been the same for SECONDS; returns it."""
    last, since = None, time.monotonic()

    def rests():
        nonlocal last, since
        now = value()
        if now != last:
            last, since = now, time.monotonic()
        return now if now and time.monotonic() - since >= seconds else None
    return wait_for(rests, timeout, message, every)


def every(seconds, action):
    """Calls ACTION every SECONDS in a thread until the returned function is called."""
    stop = threading.Event()

    def run():
        while not stop.wait(seconds):
            action()
    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def end():
        stop.set()
        thread.join(10)
    return end


def wait_exit(process, timeout=10.0) -> int:
    """The exit code of PROCESS (subprocess.Popen). If it does not end in time it is killed, and this fails."""
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


def stop_process(pid: int, timeout=5.0):
    """SIGSTOP for PID. Returns when every thread of it stands: kill() itself returns earlier, and the process may still answer."""
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: all(_state(task) in "TtZX" for task in Path(f"/proc/{pid}/task").iterdir()), timeout, f"process {pid} to stand", every=0.001)


def _state(task: Path) -> str:
    """The state letter of a thread (proc(5)): the first one behind the name, which stands in parentheses. A thread that is gone is X."""
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "X"
