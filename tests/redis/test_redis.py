"""common/redis against a real redis-server, driven by tests/tools/redis_probe.c.

What is asserted is what the header promises: a command ends exactly once and in time whatever becomes of
the server, and the connection comes back by itself.
"""

import json
import os
import signal
import socket
import subprocess
import threading
import time

import pytest
import redis

from harness.paths import build_dir, tool
from harness.redis_server import RedisServer, free_port
from harness.wait import stays, wait_for

TIMEOUT_MS = 400
SLACK_MS = 300  # a loaded machine
BACK = 6.0  # s: the longest backoff (2 s), a dial (timeout_ms), and slack


class Probe:
    """redis_probe, by its lines. Its log is kept as dicts."""

    def __init__(self, host, port="-", password="-", user="-", db=0, timeout_ms=TIMEOUT_MS, channels=(), env=None):
        self.process = subprocess.Popen(
            [tool("redis_probe"), str(host), str(port), password, user, str(db), str(timeout_ms), *channels],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=dict(os.environ, HOOKPACE_LOG="debug", **(env or {})))
        self.lines, self.log, self.stray = [], [], []
        self.tags = 0
        self.readers = [threading.Thread(target=self._read, args=(self.process.stdout, self.lines), daemon=True),
                        threading.Thread(target=self._read, args=(self.process.stderr, self.log), daemon=True)]
        for reader in self.readers:
            reader.start()

    def _read(self, stream, to):
        for line in stream:
            try:
                to.append(json.loads(line))
            except ValueError:  # a sanitizer's report
                self.stray.append(line.decode(errors="replace"))

    def send(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def count(self, event):
        return sum(1 for line in list(self.lines) if line.get("event") == event)

    def wait_event(self, event, count=1, timeout=BACK):
        """Waits until EVENT has come COUNT times since the start."""
        wait_for(lambda: self.count(event) >= count, timeout, lambda: f"{event} no. {count} in {self.lines[-10:]}")

    def said(self, msg, reason=""):
        return [line for line in list(self.log) if line["msg"] == msg and reason in line.get("reason", "")]

    def start(self, verb, rest):
        """Sends "VERB tag REST"; the tag."""
        self.tags += 1
        tag = f"t{self.tags}"
        self.send(f"{verb} {tag} {rest}".rstrip())
        return tag

    def result(self, tag, timeout=10.0):
        """The one line of TAG."""
        found = wait_for(lambda: [line for line in list(self.lines) if line.get("tag") == tag], timeout,
                         lambda: f"{tag} in {self.lines[-10:]}")
        assert len(found) == 1
        return found[0]

    def command(self, *words, timeout=10.0):
        return self.result(self.start("cmd", " ".join(words)), timeout)

    def stat(self):
        before = self.count("stat")
        self.send("stat")
        self.wait_event("stat", before + 1)
        return [line for line in list(self.lines) if line.get("event") == "stat"][-1]

    def close(self):
        """Ends it; it must end cleanly. All lines are read afterwards."""
        if self.process.poll() is None:
            try:
                self.send("quit")
            except BrokenPipeError:
                pass
        try:
            code = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        for reader in self.readers:
            reader.join(5)
        assert code == 0, (code, self.stray)
        assert not self.stray, self.stray


@pytest.fixture
def server(tmp_path):
    made = RedisServer(tmp_path / "redis").start()
    yield made
    made.stop()


@pytest.fixture
def open_probe():
    """Makes probes; at the end each must stop cleanly, and no tag may have been answered twice."""
    made = []

    def make(*args, **options):
        made.append(Probe(*args, **options))
        return made[-1]

    yield make
    for probe in made:
        probe.close()
        tags = [line["tag"] for line in probe.lines if "tag" in line]
        assert len(tags) == len(set(tags))


@pytest.fixture
def probe(server, open_probe):
    made = open_probe("127.0.0.1", server.port)
    made.wait_event("ready")
    return made


def total(result):
    return sum(result[k] for k in ("ok", "failed", "unavail", "timeout", "refused"))


# ---- what it does in peace ----


def test_answers_of_every_kind(server, probe):
    assert probe.command("SET", "k", "v")["reply"] == "OK"
    assert probe.command("GET", "k")["reply"] == "v"
    assert probe.command("GET", "nothing")["reply"] is None
    assert probe.command("STRLEN", "k")["reply"] == 1
    assert probe.command("MGET", "k", "nothing", "k")["reply"] == ["v", None, "v"]
    assert probe.command("LRANGE", "nothing", "0", "-1")["reply"] == []
    failed = probe.command("LPUSH", "k", "x")
    assert failed["failed"] == 1 and failed["reply"].startswith("WRONGTYPE")
    assert probe.stat() == {"event": "stat", "ready": True, "pending": 0, "bytes": 0}


def test_unix_socket_database_and_name(server, open_probe):
    probe = open_probe(server.unix_path, db=3)
    probe.wait_event("ready")
    assert probe.command("SET", "k", "v")["ok"] == 1
    assert server.client(db=3).get("k") == "v" and server.client(db=0).get("k") is None
    assert "probe" in [c["name"] for c in server.client().client_list()]


def test_a_database_that_is_not_there_is_never_ready(server, open_probe):
    probe = open_probe(server.unix_path, db=99)
    wait_for(lambda: probe.said("redis.unavailable", "SELECT was refused"), message="a log line that says why")
    assert probe.count("ready") == 0 and probe.command("PING")["refused"] == 1


def test_ten_thousand_commands_in_flight(server, probe):
    server.pause()
    tag = probe.start("flood", 10000)
    assert probe.stat()["pending"] == 10000
    server.resume()
    result = probe.result(tag)
    assert (result["ok"], total(result)) == (10000, 10000)
    assert result["reply"] == 10000 == int(server.client().get("flood"))
    assert probe.stat()["pending"] == probe.stat()["bytes"] == 0


def test_commands_above_the_limit_are_refused_at_once(server, open_probe):
    probe = open_probe("127.0.0.1", server.port, timeout_ms=10000)
    probe.wait_event("ready")
    server.pause()
    tag = probe.start("flood", 100050)
    stat = probe.stat()
    assert stat["pending"] == 100000 and stat["ready"]
    server.resume()
    result = probe.result(tag, 20)
    assert (result["ok"], result["refused"]) == (100000, 50)
    assert probe.command("PING")["reply"] == "PONG"


def test_twenty_megabytes_there_and_back(server, open_probe):
    probe = open_probe("127.0.0.1", server.port, timeout_ms=5000)
    probe.wait_event("ready")
    size = 20 << 20
    assert probe.result(probe.start("set", f"big {size}"))["reply"] == "OK"
    assert server.client().strlen("big") == size
    assert probe.command("GET", "big")["reply"] == {"bytes": size}
    behind = [probe.start("set", f"big {size}"), probe.start("cmd", "PING"), probe.start("cmd", "GET big")]
    assert [probe.result(t)["reply"] for t in behind] == ["OK", "PONG", {"bytes": size}]
    assert server.client().get("big") == "x" * size


def test_bytes_above_the_limit_are_refused_at_once(server, open_probe):
    probe = open_probe("127.0.0.1", server.port, timeout_ms=5000)
    probe.wait_event("ready")
    server.pause()
    tags = [probe.start("set", f"big{n} {20 << 20}") for n in range(5)]
    assert probe.result(tags[4])["refused"] == 1
    server.resume()
    assert [probe.result(t)["ok"] for t in tags] == [1, 1, 1, 1, 0]


def test_an_idle_connection_is_asked_now_and_then(server, probe):
    pings = lambda: server.client().info("commandstats").get("cmdstat_ping", {}).get("calls", 0)
    before = pings()
    wait_for(lambda: pings() > before, 5, "a PING")
    assert probe.count("lost") == 0


def test_freed_in_its_own_callback(probe):
    tag = probe.start("free", "")
    assert probe.result(tag)["ok"] == 1
    behind = wait_for(lambda: [line for line in probe.lines if line.get("tag") == "behind"], message="the others")[0]
    assert behind["timeout"] + behind["unavail"] == 3 and total(behind) == 3
    assert probe.process.wait(5) == 0
    assert probe.count("lost") == 0


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
    probe.process.send_signal(signal.SIGSTOP)
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


# ---- the wrong server ----


def test_turned_into_a_replica(server, probe):
    admin = server.client()
    admin.execute_command("REPLICAOF", "127.0.0.1", str(free_port()))
    result = probe.command("SET", "k", "v")
    assert result["failed"] == 1 and result["reply"].startswith("refusal:READONLY")
    probe.wait_event("lost")
    wait_for(lambda: probe.said("redis.unavailable", "replica"), message="a log line that says why")
    assert probe.command("PING")["refused"] == 1
    stays(lambda: probe.count("ready") == 1, 1.0, "no second ready while a replica")
    admin.execute_command("REPLICAOF", "NO", "ONE")
    probe.wait_event("ready", 2)
    assert probe.command("SET", "k", "v")["reply"] == "OK"


def test_wrong_password_then_the_right_one(tmp_path, open_probe):
    secret = "correct-horse"
    server = RedisServer(tmp_path / "redis", extra=["--requirepass", "another"])
    server.start(wait=False)
    try:
        probe = open_probe("127.0.0.1", server.port, password=secret)
        wait_for(lambda: probe.said("redis.unavailable", "AUTH was refused (WRONGPASS)"), message="the reason")
        assert probe.count("ready") == 0 and probe.command("PING")["refused"] == 1
        server.client(password="another").config_set("requirepass", secret)
        probe.wait_event("ready")
        assert probe.command("PING")["reply"] == "PONG"
        assert secret not in json.dumps(probe.log)
    finally:
        server.stop()


def test_no_password_where_one_is_needed(tmp_path, open_probe):
    server = RedisServer(tmp_path / "redis", extra=["--requirepass", "secret-word"])
    server.start(wait=False)
    try:
        probe = open_probe("127.0.0.1", server.port)
        wait_for(lambda: probe.said("redis.unavailable", "NOAUTH"), message="the reason")
        assert probe.count("ready") == 0
    finally:
        server.stop()


def test_user_of_an_acl(server, open_probe):
    server.client().execute_command("ACL", "SETUSER", "hook", "on", ">pass-word", "~*", "&*", "+@all", "-config")
    probe = open_probe("127.0.0.1", server.port, password="pass-word", user="hook")
    probe.wait_event("ready")  # although CONFIG is refused, as managed servers do
    assert probe.command("ACL", "WHOAMI")["reply"] == "hook"
    assert [line["risk"] for line in probe.said("redis.durability")] == [
        "appendfsync is unknown: anything but always can lose acknowledged events"]


def test_not_ready_while_the_server_loads(server, open_probe):
    """key-load-delay makes reading the append-only file slow; it ends as soon as it is set back."""
    pipe = server.client().pipeline(transaction=False)
    for n in range(3000):
        pipe.set(f"k{n}", "v" * 100)
    pipe.execute()
    server.client().execute_command("BGREWRITEAOF")
    wait_for(lambda: server.client().info("persistence")["aof_rewrite_in_progress"] == 0, message="the rewrite")
    server.stop()
    server.extra = ["--key-load-delay", "500", "--loading-process-events-interval-bytes", "1024"]
    server.start(wait=False)
    probe = open_probe("127.0.0.1", server.port)
    wait_for(lambda: probe.said("redis.unavailable", "loading"), 10, lambda: f"the reason in {probe.log}")
    assert probe.count("ready") == 0 and probe.command("PING")["refused"] == 1
    probe.wait_event("ready", 1, 20)
    assert probe.command("GET", "k2999")["ok"] == 1


def test_too_many_clients(tmp_path, open_probe):
    server = RedisServer(tmp_path / "redis", extra=["--maxclients", "2"]).start()
    held = [server.client() for _ in range(2)]
    try:
        for client in held:
            wait_for(lambda c=client: _works(c), message="a place")
        probe = open_probe("127.0.0.1", server.port)
        wait_for(lambda: probe.said("redis.unavailable"), message="a log line")
        assert probe.count("ready") == 0
        held[0].connection_pool.disconnect()
        probe.wait_event("ready")
    finally:
        for client in held:
            client.connection_pool.disconnect()
        server.stop()


def _works(client):
    try:
        return client.ping()
    except redis.RedisError:
        return False


def test_out_of_memory_is_a_refusal_and_the_connection_stays(server, probe):
    server.client().config_set("maxmemory", "1")
    result = probe.command("SET", "k", "v")
    assert result["failed"] == 1 and result["reply"].startswith("refusal:OOM")
    server.client().config_set("maxmemory", "0")
    assert probe.command("SET", "k", "v")["ok"] == 1
    assert probe.count("lost") == 0


def test_garbage_instead_of_a_reply(open_probe):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(8)
        probe = open_probe("127.0.0.1", listener.getsockname()[1])
        for answer in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"$-7\r\n", b"*99999999999\r\n", b":\r\n", b"\0" * 1000):
            peer = listener.accept()[0]
            peer.sendall(answer)
            peer.settimeout(5)
            while peer.recv(65536):  # until it hangs up
                pass
            peer.close()
        assert probe.count("ready") == 0 and probe.process.poll() is None


# ---- scripts ----


def test_scripts_flushed_while_calls_are_in_flight(server, probe):
    stop = threading.Event()

    def flush():
        with server.client() as admin:
            while not stop.is_set():
                admin.script_flush()

    flusher = threading.Thread(target=flush)
    flusher.start()
    calls = 0
    try:
        end = time.monotonic() + 3
        while time.monotonic() < end:
            tags = [probe.start("eval", 50) for _ in range(5)]
            for tag in tags:
                result = probe.result(tag)
                assert (result["ok"], total(result)) == (50, 50), result
                calls += 50
    finally:
        stop.set()
        flusher.join()
    assert int(server.client().get("evals")) == calls  # each ran exactly once
    assert probe.said("redis.script_loaded_again") and probe.count("lost") == 0


def test_scripts_after_a_restart_of_the_server(server, probe):
    assert probe.result(probe.start("eval", 3))["ok"] == 3
    server.restart()
    probe.wait_event("ready", 2)
    result = probe.result(probe.start("eval", 3))
    assert result["ok"] == 3 and int(server.client().get("evals")) == 6


# ---- names ----


@pytest.mark.parametrize("timeout_ms, reason", [(400, "no connection in time"),
                                                (2000, "the host name cannot be resolved")])
def test_a_dead_name_server_does_not_block(tmp_path, open_probe, timeout_ms, reason):
    """The name server takes questions and answers none; in libc, asking it would block for ten seconds."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as name_server:
        name_server.bind(("127.0.0.1", 0))
        name_server.settimeout(5)
        resolv_conf = tmp_path / "resolv.conf"
        resolv_conf.write_text(f"nameserver 127.0.0.1:{name_server.getsockname()[1]}\n")
        probe = open_probe("hang.invalid", 6379, timeout_ms=timeout_ms,
                           env={"LD_PRELOAD": str(build_dir() / "tests" / "hang_names.so"),
                                "HANG_RESOLV_CONF": str(resolv_conf),
                                "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"})
        started = time.monotonic()
        assert b"\x04hang\x07invalid" in name_server.recv(512)
        while not probe.said("redis.unavailable"):
            asked = time.monotonic()
            assert not probe.stat()["ready"]
            assert time.monotonic() - asked < SLACK_MS / 1000
            assert asked - started < (timeout_ms + SLACK_MS) / 1000
        assert probe.said("redis.unavailable")[0]["reason"] == reason


def test_a_name_of_the_hosts_file(server, open_probe):
    probe = open_probe("localhost", server.port)
    probe.wait_event("ready")
    assert probe.command("PING")["reply"] == "PONG"


# ---- messages ----


def test_messages_come_and_subscriptions_are_renewed(server, open_probe):
    probe = open_probe("127.0.0.1", server.port, channels=["one", "two"])
    probe.wait_event("subscribed")
    messages = lambda: [(m["channel"], m["payload"]) for m in list(probe.lines) if m.get("event") == "message"]
    assert server.client().publish("one", "a") == 1 and server.client().publish("two", "b\n") == 1
    wait_for(lambda: messages() == [("one", "a"), ("two", "b\n")], message=messages)
    server.kill9()
    probe.wait_event("unsubscribed")
    server.start()
    probe.wait_event("subscribed", 2)
    assert server.client().publish("two", "c") == 1
    wait_for(lambda: len(messages()) == 3, message=messages)
    server.pause()  # no messages for long: it must notice that this is not silence but death
    probe.wait_event("unsubscribed", 2, 6)
    server.resume()
    probe.wait_event("subscribed", 3)
