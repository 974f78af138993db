"""common/redis while the server goes and comes, or does not answer."""

import signal
import socket
import time

from harness.redis_server import RedisServer
from harness.wait import stays, stop_process, wait_for
from redis_probe import SLACK_MS, TIMEOUT_MS, total


# ---- the server goes and comes ----


def test_killed_and_restarted(server, probe):
    for round_number in range(1, 4):
        server.pause()
        tag = probe.start("flood", 500)
        assert probe.stat()["pending"] == 500
        server.kill9()
        result = probe.result(tag, 2)
        assert result["timeout"] == 500 and total(result) == 500  # they were written: nobody knows
        probe.wait_event("lost", round_number, 2)
        assert not probe.stat()["ready"]
        assert probe.command("PING")["refused"] == 1
        server.start()
        probe.wait_event("ready", round_number + 1)
        assert probe.command("PING")["reply"] == "PONG"
    assert (probe.count("ready"), probe.count("lost")) == (4, 3)


def test_what_was_not_written_whole_did_not_run(server, open_probe):
    """A value larger than what the sockets hold: the server never got its end, nor what is behind it."""
    probe = open_probe("127.0.0.1", server.port, timeout_ms=5000)
    probe.wait_event("ready")
    server.pause()
    ahead = probe.start("cmd", "SET ahead 1")
    probe.stat()
    cut = probe.start("set", f"cut {32 << 20}")
    behind = probe.start("cmd", "SET behind 1")
    assert probe.stat()["pending"] == 3
    server.kill9()
    assert probe.result(ahead, 3)["timeout"] == 1
    assert probe.result(cut, 3)["unavail"] == 1
    assert probe.result(behind, 3)["unavail"] == 1


def test_absent_at_start(tmp_path, open_probe):
    server = RedisServer(tmp_path / "redis")
    probe = open_probe("127.0.0.1", server.port)
    wait_for(lambda: probe.said("redis.unavailable"), message="a log line")
    assert probe.command("PING")["refused"] == 1
    server.start()
    try:
        probe.wait_event("ready")
        assert probe.command("PING")["reply"] == "PONG"
        assert probe.count("lost") == 0
    finally:
        server.stop()


def test_the_backoff_grows_to_two_seconds_and_is_told_once(open_probe):
    """Dials to a listener that hangs up: their distances grow, and do not pass 2 s plus a little."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(8)
        probe = open_probe("127.0.0.1", listener.getsockname()[1])
        times = []
        for _ in range(8):
            with listener.accept()[0] as peer:
                times.append(time.monotonic())
                peer.recv(65536)  # so that it is a close, not a reset
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert gaps[0] < 0.3 and max(gaps) < 2.3 and gaps[-1] > 0.9, gaps
    assert len(probe.said("redis.unavailable", "closed")) == 1


def test_clients_killed_in_a_loop(server, probe):
    """Each command ends once, and the ones that the server answered add up."""
    admin, answered, lost = server.client(), 0, 0
    end = time.monotonic() + 4
    while time.monotonic() < end:
        result = probe.result(probe.start("flood", 200))
        assert total(result) == 200 and result["failed"] == 0
        answered += result["ok"]
        lost += result["timeout"]
        for client in admin.client_list():
            if client["name"] == "probe":
                admin.client_kill_filter(_id=client["id"])
    probe.wait_event("ready", probe.count("lost") + 1)
    assert probe.command("PING")["reply"] == "PONG"
    assert probe.count("lost") >= 3
    ran = int(admin.get("flood"))
    assert answered > 0 and answered <= ran <= answered + lost


# ---- the server does not answer ----


def test_stopped_server_fails_commands_in_time(server, probe):
    server.pause()
    started = time.monotonic()
    first = probe.start("flood", 100)
    assert probe.stat()["pending"] == 100  # not blocked meanwhile
    result = probe.result(first, 5)
    took = time.monotonic() - started
    assert result["timeout"] == 100
    assert TIMEOUT_MS - 20 <= result["ms"] <= TIMEOUT_MS + SLACK_MS and took < (TIMEOUT_MS + 2 * SLACK_MS) / 1000
    probe.wait_event("lost")
    # The kernel goes on accepting for a stopped server: the check has a deadline too.
    wait_for(lambda: probe.said("redis.unavailable"), message="a dial that failed")
    stays(lambda: not probe.stat()["ready"], 1.0, "not being ready")
    server.resume()
    probe.wait_event("ready", 2)
    assert probe.command("PING")["reply"] == "PONG"


def test_a_stopped_server_is_noticed_when_idle(server, probe):
    server.pause()
    probe.wait_event("lost", 1, 2 + TIMEOUT_MS / 1000 + 2)
    server.resume()
    probe.wait_event("ready", 2)


def test_a_pause_of_this_process_is_not_held_against_the_server(server, probe):
    """The answers came while it was stopped: they are taken although the deadline has passed."""
    server.pause()
    tag = probe.start("flood", 2000)
    assert probe.stat()["pending"] == 2000
    stop_process(probe.process.pid)
    try:
        server.resume()
        wait_for(lambda: int(server.client().get("flood") or 0) == 2000, message="the server to be through")
        time.sleep((TIMEOUT_MS + 200) / 1000)
    finally:
        probe.process.send_signal(signal.SIGCONT)
    assert probe.result(tag)["ok"] == 2000
    assert probe.count("lost") == 0


def test_a_command_that_takes_too_long(tmp_path, open_probe):
    server = RedisServer(tmp_path / "redis", extra=["--enable-debug-command", "local"]).start()
    try:
        probe = open_probe("127.0.0.1", server.port)
        probe.wait_event("ready")
        assert probe.command("DEBUG", "SLEEP", "0.1")["ok"] == 1
        slow, behind = probe.start("cmd", "DEBUG SLEEP 1.5"), probe.start("cmd", "PING")
        for tag in (slow, behind):
            result = probe.result(tag)
            assert result["timeout"] == 1 and result["ms"] <= TIMEOUT_MS + SLACK_MS
        probe.wait_event("ready", 2)
        assert probe.command("PING")["reply"] == "PONG"
    finally:
        server.stop()
