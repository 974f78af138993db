"""Waiting for a condition with a deadline; tests never sleep a fixed time instead."""

import subprocess
import threading
import time


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
