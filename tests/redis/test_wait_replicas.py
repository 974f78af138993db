"""redis.wait_replicas: what is acknowledged is on a replica, whatever the replica or the connection does meanwhile."""

import base64
import threading
import time

import pytest

from harness import config, http
from harness.sentinels import Member
from harness.wait import wait_for

TIMEOUT_MS = 1600
SOON_S = 0.25  # an answer for which nobody waited


@pytest.fixture
def pair(stack, tmp_path):
    """The stack's Redis as a master, and one replica of it."""
    stack.redis.host = "127.0.0.1"
    with stack.redis.client() as client:
        client.config_set("repl-diskless-sync-delay", 0)
    replica = Member(tmp_path / "replica").start(master=stack.redis)
    in_step(stack.redis, 1)
    yield replica
    replica.stop()


def in_step(master, count):
    """A replica says that it is online before it acknowledges anything: with Valkey 8.1 often up to a second before."""
    with master.client(single_connection_client=True) as c:
        c.set("in-step", "")
        c.delete("in-step")
        assert c.wait(count, 20000) == count
        c.config_resetstat()


def conf_of(stack, replicas=1, **top):
    conf = config.simple(stack.redis.url, "http://127.0.0.1:9/")
    conf["redis"].update(timeout_ms=TIMEOUT_MS, wait_replicas=replicas)
    conf.update(top)
    return conf


def send(receiver, ident):
    began = time.monotonic()
    answer = receiver.post("/in/in", {"id": ident})
    return answer, time.monotonic() - began


def refuse(receiver, ident):
    answer, took = send(receiver, ident)
    assert (answer.status, answer.code) == (503, "queue_unavailable"), answer.status
    assert took < TIMEOUT_MS / 1000 + 0.6
    return took


def accept(receiver, ident):
    """Sends until it is taken: after a failure the first call only finds out that the replicas are back."""
    wait_for(lambda: send(receiver, ident)[0].status == 200, 10, f"{ident} to be accepted")


def is_on(server, ident):
    return server.keys().has_event(ident)


def test_what_is_answered_is_on_the_replica(stack, pair):
    receiver = stack.receiver(conf_of(stack))
    with pair.client() as client:
        for n in range(200):
            answer, _ = send(receiver, f"e{n}")
            assert answer.status == 200
            assert client.exists(f"hookpace:{{0}}:event:e{n}"), "acknowledged before the replica had it"


def test_a_replica_that_stands_still_is_a_503_and_its_return_is_noticed(stack, pair):
    receiver = stack.receiver(conf_of(stack))
    accept(receiver, "before")
    pair.pause()
    assert refuse(receiver, "during") > TIMEOUT_MS / 1000 / 3, "nobody waited for the replica"
    assert is_on(stack.redis, "during"), "the event may be there, and is"
    receiver.wait_log("redis.unconfirmed", wanted=1)
    pair.resume()
    accept(receiver, "during")
    assert is_on(pair, "during")
    assert send(receiver, "during")[0].json()["duplicate"] is True
    receiver.wait_log("redis.confirmed_again")


def test_a_repeat_waits_for_the_first_event(stack, pair):
    """The repeat writes nothing, and its connection wrote nothing before: WAIT alone would answer at once."""
    receiver = stack.receiver(conf_of(stack))
    pair.pause()
    refuse(receiver, "once")
    assert is_on(stack.redis, "once")
    for _ in range(2):
        receiver.kill9().start()
        refuse(receiver, "once")
    pair.resume()
    wait_for(lambda: is_on(pair, "once"), 5, "the event on the replica")
    accept(receiver, "once")
    assert send(receiver, "once")[0].json()["duplicate"] is True


def test_a_script_that_redis_forgot_is_waited_for_too(stack, pair):
    """The call is sent again behind the WAIT of its turn."""
    receiver = stack.receiver(conf_of(stack))
    accept(receiver, "before")
    with stack.redis.client() as client:
        client.script_flush()
    pair.pause()
    refuse(receiver, "forgotten")
    assert is_on(stack.redis, "forgotten")
    pair.resume()
    accept(receiver, "forgotten")


def test_a_connection_lost_before_the_replica_answers_is_a_503(stack, pair):
    receiver = stack.receiver(conf_of(stack))
    accept(receiver, "before")
    pair.pause()
    answers = []
    thread = threading.Thread(target=lambda: answers.append(receiver.post("/in/in", {"id": "lost"})))
    thread.start()
    with stack.redis.client() as client:
        wait_for(lambda: client.exists("hookpace:{0}:event:lost"), 5, "the event at the master")
        wait_for(lambda: any(c["cmd"] == "wait" for c in client.client_list()), 5, "a WAIT")
        client.client_kill_filter(_type="normal", skipme=True)
    thread.join(5)
    assert [(a.status, a.code) for a in answers] == [(503, "queue_unavailable")]
    pair.resume()


def test_without_replicas_it_refuses_at_once_and_the_rest_goes_on(stack):
    """One call at a time asks whether replicas are there. The others are not written, and hold nothing up."""
    receiver = stack.receiver(conf_of(stack))
    refuse(receiver, "first")
    threads = [threading.Thread(target=refuse, args=(receiver, f"n{n}")) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    written = sum(is_on(stack.redis, f"n{n}") for n in range(20))
    assert written <= 3, f"{written} of 20 refused events were written"
    assert receiver.get("/readyz").status == 200


def test_two_replicas_are_two(stack, pair, tmp_path):
    receiver = stack.receiver(conf_of(stack, replicas=2))
    refuse(receiver, "one")
    second = Member(tmp_path / "second").start(master=stack.redis)
    try:
        in_step(stack.redis, 2)
        accept(receiver, "one")
        pair.pause()
        refuse(receiver, "two")
        pair.resume()
        accept(receiver, "two")
    finally:
        second.stop()


def test_a_user_who_may_not_wait_gets_no_false_answer(stack, pair):
    with stack.redis.client() as client:
        client.execute_command("ACL", "SETUSER", "default", "-wait")
        receiver = stack.receiver(conf_of(stack))
        refuse(receiver, "a")
        assert "NOPERM" in receiver.wait_log("redis.unconfirmed")["reply"]
        client.execute_command("ACL", "SETUSER", "default", "+wait")
    accept(receiver, "a")


def test_many_at_once_share_a_wait(stack, pair):
    """Commands of a turn are confirmed by one WAIT, so that throughput stays."""
    receiver = stack.receiver(conf_of(stack))
    accept(receiver, "before")
    with stack.redis.client() as client:
        before = client.info("commandstats")["cmdstat_wait"]["calls"]
        threads = [threading.Thread(target=lambda n=n: [accept(receiver, f"t{n}-{k}") for k in range(50)]) for n in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        calls = client.info("commandstats")["cmdstat_wait"]["calls"] - before
    assert calls < 16 * 50, f"{calls} WAITs for 800 events"


def test_without_wait_replicas_nothing_asks(stack, pair):
    receiver = stack.receiver(conf_of(stack, replicas=0))
    pair.pause()
    accept(receiver, "a")
    pair.resume()
    with stack.redis.client() as client:
        assert "cmdstat_wait" not in client.info("commandstats")
        assert not client.exists("hookpace:{0}:confirm")


def test_missing_replicas_are_told(stack, tmp_path):
    conf = conf_of(stack, accounts={"root": {"password": "root-password", "role": "admin"}})
    receiver = stack.receiver(conf)
    receiver.wait_log("redis.replicas_missing", wanted=1, replicas=0)
    assert "0 replicas" in receiver.get("/readyz", "admin").json()["warning"]
    assert any("wait_replicas" in risk for risk in status(receiver)["redis"]["durability"]["risks"])
    with stack.redis.client() as client:
        client.config_set("repl-diskless-sync-delay", 0)
    stack.redis.host = "127.0.0.1"
    replica = Member(tmp_path / "replica").start(master=stack.redis)
    try:
        wait_for(lambda: "warning" not in receiver.get("/readyz", "admin").json(), 15, "the replica to be seen", every=0.1)
        assert not any("wait_replicas" in risk for risk in status(receiver)["redis"]["durability"]["risks"])
    finally:
        replica.stop()


def status(receiver):
    login = base64.b64encode(b"root:root-password").decode()
    return receiver.get("/api/status", "admin", {"Authorization": f"Basic {login}"}).json()


@pytest.mark.parametrize("path, body", [
    ("/v3/serp/google/organic/task_post", [{"id": "t1", "postback_url": "http://127.0.0.1:9/", "result": {}}]),
    ("/v3/appendix/webhook_delay", [{"webhook_delay": 100}]),
    ("/api/lanes/out/pause", {}),
    ("/api/delay", {"delay_ms": 100}),
])
def test_what_the_apis_write_waits_too(stack, pair, path, body):
    receiver = stack.receiver(conf_of(stack, accounts={"root": {"password": "root-password", "role": "admin"}}))

    def ask():
        login = base64.b64encode(b"root:root-password").decode()
        answer = http.post(receiver.admin, path, body, {"Authorization": f"Basic {login}", "Content-Type": "application/json"}).json()
        tasks = answer.get("tasks") or [answer]
        return all(t.get("status_code", 20000) in (20000, 20100) for t in tasks) and "error" not in answer
    wait_for(ask, 10, "to be taken")
    pair.pause()
    assert not ask()
    pair.resume()
    wait_for(ask, 10, "to be taken again", every=0.1)
