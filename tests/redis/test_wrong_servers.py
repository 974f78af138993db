"""common/redis and servers that it cannot use: replicas, wrong passwords, full ones, none by that name."""

import json
import os
import socket
import time

import pytest
import redis

from harness.paths import build_dir
from harness.redis_server import RedisServer, free_port
from harness.wait import stays, wait_for
from redis_probe import SLACK_MS


def test_turned_into_a_replica(server, probe):
    admin = server.client()
    admin.execute_command("REPLICAOF", "127.0.0.1", str(free_port()))
    result = probe.command("SET", "k", "v")
    assert result["failed"] == 1 and result["reply"].startswith("READONLY")
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
        wait_for(lambda: probe.said("redis.unavailable", "is it in redis.url? (NOAUTH)"), message="the reason")
        assert probe.count("ready") == 0
        stays(lambda: not probe.said("redis.facts_unknown"), 1.0, "the one reason and no consequence of it")
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
    assert result["failed"] == 1 and result["reply"].startswith("OOM")
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
