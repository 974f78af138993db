"""common/redis against a real redis-server that is well: commands, ceilings, scripts, messages.

What is asserted here and beside it is what the header promises: a command ends exactly once and in time
whatever becomes of the server, and the connection comes back by itself.
"""

import threading
import time

from harness.wait import wait_for
from redis_probe import total


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
