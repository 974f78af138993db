"""Both programs on a master that three sentinels watch: it is killed, moved, cut off; sentinels lie, are stale, or want a login."""

import base64
import contextlib
import os
import subprocess
from pathlib import Path

import pytest

from harness import certs, sentinels
from harness.downstream import Downstream
from harness.oracle import gaps_ms
from harness.programs import Dispatcher, Receiver
from harness.redis_server import free_port
from harness.sentinels import MASTER, Group, Load, Member, Sentinel
from harness.wait import stays, wait_for

ROOM = 30.0  # s: for sentinels to agree on a machine with much to do


@pytest.fixture
def place(tmp_path):
    """Programs and a sink on a group; all of it is ended."""
    made = []

    class Place:
        directory = tmp_path
        sink = None

        def group(self, *args, **options):
            return self.keep(sentinels.make(tmp_path / "group", *args, **options)).start()

        def keep(self, thing):
            made.append(thing)
            return thing

        def configuration(self, url, **keys):
            self.sink = self.sink or self.keep(Downstream())
            return {"redis": {"url": url, "timeout_ms": 1000, **keys},
                    "receiver": {"listen": "127.0.0.1:0"}, "admin": {"listen": "127.0.0.1:0"}, "dispatcher": {"listen": "127.0.0.1:0"},
                    "accounts": {"root": {"password": "root-password", "role": "admin"}},
                    # the load has a lane of its own, on which much may wait
                    "sources": {"in": {"verify": {"scheme": "none"}, "to": ["out"], "id": ["/id"]},
                                "one": {"verify": {"scheme": "none"}, "to": ["single"], "id": ["/id"]}},
                    "destinations": {"out": {"postback_url": self.sink.url("/out?id=$id"), "delay_ms": 50, "concurrency": 4},
                                     "single": {"postback_url": self.sink.url("/single?id=$id")}}}

        def shortest_gap(self):
            """Of the load's lane, in ms. After a failover it waits for a while before it goes on."""
            def sends():
                return [r for r in self.sink.all() if r.path.startswith("/out")]
            wait_for(lambda: len(sends()) > 5, ROOM, "sends on the lane")
            return min(gaps_ms(sends()))

        def program(self, kind, conf, ready=True):
            program = self.keep(kind(conf, tmp_path, name=f"{kind.part}-{len(made)}"))
            return program.start(ready=ready)

    yield Place()
    for thing in reversed(made):
        (thing.close if hasattr(thing, "close") else thing.stop)()


def unready(program, listener):
    answer = program.get("/readyz", listener)
    return None if answer.status == 200 else answer.json()["message"]


def both_ready(receiver, dispatcher):
    return unready(receiver, "admin") is None and unready(dispatcher, "dispatcher") is None


def connected(member):
    """The programs' connections to MEMBER: by TCP, and no replica or sentinel."""
    return [c for c in member.client().client_list()
            if not set(c["flags"]) & set("USM") and "sentinel" not in c["name"] and c["cmd"] != "replconf"]


def work_goes_on(place, group, receiver, dispatcher, ident):
    """An event is taken, stored on the master that is now, and delivered."""
    wait_for(lambda: both_ready(receiver, dispatcher), ROOM, lambda: (unready(receiver, "admin"), unready(dispatcher, "dispatcher")))
    assert receiver.post("/in/one", {"id": ident}).status == 200
    assert group.master.keys().has_event(ident)
    wait_for(lambda: place.sink.of(ident), ROOM, f"{ident} at the application")


def status_of(receiver):
    login = base64.b64encode(b"root:root-password").decode()
    return receiver.get("/api/status", "admin", {"Authorization": f"Basic {login}"}).json()["redis"]


def test_the_master_is_found_and_followed_when_it_is_killed(place):
    group = place.group()
    conf = place.configuration(group.url(sentinels=group.sentinels[:1]))
    receiver, dispatcher = place.program(Receiver, conf), place.program(Dispatcher, conf)
    work_goes_on(place, group, receiver, dispatcher, "first")
    first = group.master
    address = f"127.0.0.1:{first.port}"
    wait_for(lambda: len(status_of(receiver)["sentinels"]) == 3, 10, "the other sentinels, learned from the first")
    status = status_of(receiver)
    assert (status["mode"], status["master"], status["shards"][0]["address"]) == ("sentinel", address, address)
    load = Load(receiver)
    try:
        wait_for(lambda: len(load.acknowledged) > 50, 10, "some load")
        mark = len(receiver.lines)
        group.sentinels[0].stop()  # the one that the configuration names
        first.kill9()
        line = receiver.wait_log("redis.master", ROOM, since=mark)
        assert line["before"] == address and line["address"] != address
        counted = len(load.acknowledged)
        wait_for(lambda: len(load.acknowledged) > counted + 50, ROOM, "load on the new master")
    finally:
        load.stop()
    assert set(load.statuses) <= {200, 503}
    work_goes_on(place, group, receiver, dispatcher, "second")
    assert status_of(receiver)["master"] == line["address"] == f"127.0.0.1:{group.master.port}"
    assert ((("shard", line["address"]),), 1.0) in [(k, v) for k, v in receiver.metrics()["hookpace_redis_up"].items()]
    assert (("shard", address),) not in receiver.metrics()["hookpace_redis_up"]
    # only events that were not replicated are lost: those of the last moments
    keys = group.master.keys()
    lost = [i for i in load.acknowledged if not keys.has_event(i)]
    assert len(lost) <= 40, lost
    assert place.shortest_gap() >= 49
    first.start()  # it comes back as a master, until the sentinels have made it a replica
    wait_for(lambda: first.role == "slave", ROOM, "the old master is a replica")
    assert not connected(first)


def test_the_master_is_moved_by_command(place):
    """SENTINEL FAILOVER: the old master lives, and its connections are left at once."""
    group = place.group()
    conf = place.configuration(group.url())
    receiver, dispatcher = place.program(Receiver, conf), place.program(Dispatcher, conf)
    work_goes_on(place, group, receiver, dispatcher, "first")
    old = group.master
    load = Load(receiver)
    try:
        wait_for(lambda: len(load.acknowledged) > 50, 10, "some load")
        group.sentinels[1].ask("FAILOVER", MASTER)
        wait_for(lambda: receiver.wait_log("redis.master", ROOM)["address"] and old.role == "slave", ROOM, "the old master is a replica")
        wait_for(lambda: both_ready(receiver, dispatcher), ROOM, "ready again")
        counted = len(load.acknowledged)
        wait_for(lambda: len(load.acknowledged) > counted + 50, ROOM, "load on the new master")
        wait_for(lambda: not connected(old), 10, lambda: connected(old))
    finally:
        load.stop()
    assert set(load.statuses) <= {200, 503}
    work_goes_on(place, group, receiver, dispatcher, "second")
    assert place.shortest_gap() >= 49


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a network of its own")
def test_the_master_is_cut_off(place):
    """It lives behind a cable that is pulled, and takes writes there; nobody of ours writes to it any more."""
    name = f"hp{os.getpid() % 100000}"
    ours, theirs = f"{name}a", f"{name}b"
    net = 10 + os.getpid() % 200
    host, far = f"10.231.{net}.1", f"10.231.{net}.2"
    space = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo ready && exec sleep 600"], stdout=subprocess.PIPE, text=True)
    place.keep(type("Space", (), {"stop": lambda self: (space.kill(), space.wait(), space.stdout.close())})())
    assert space.stdout.readline() == "ready\n"
    inside = ["nsenter", f"--net=/proc/{space.pid}/ns/net"]
    for command in (["ip", "link", "add", ours, "type", "veth", "peer", "name", theirs], ["ip", "link", "set", theirs, "netns", str(space.pid)],
                    ["ip", "address", "add", f"{host}/24", "dev", ours], ["ip", "link", "set", ours, "up"],
                    [*inside, "ip", "address", "add", f"{far}/24", "dev", theirs], [*inside, "ip", "link", "set", theirs, "up"],
                    [*inside, "ip", "link", "set", "lo", "up"]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"no network of its own: {done.stderr}")
    open_to_all = ["--protected-mode", "no"]
    members = [Member(place.directory / "far", far, inside, open_to_all)]
    members += [Member(place.directory / f"near{n}", host, extra=open_to_all) for n in range(2)]
    watchers = [Sentinel(place.directory / f"sentinel{n}", members[0], host, ["protected-mode no"]) for n in range(3)]
    group = place.keep(Group(place.directory, members, watchers)).start()
    conf = place.configuration(group.url())
    receiver, dispatcher = place.program(Receiver, conf), place.program(Dispatcher, conf)
    work_goes_on(place, group, receiver, dispatcher, "first")
    old = group.members[0]
    load = Load(receiver)
    try:
        wait_for(lambda: len(load.acknowledged) > 50, 10, "some load")
        subprocess.run(["ip", "link", "set", ours, "down"], check=True)
        mark = len(load.acknowledged)
        wait_for(lambda: len(load.acknowledged) > mark + 100, ROOM, "load on the new master")
        assert old.role == "master", "it lives, and believes that it is one"
        wait_for(lambda: both_ready(receiver, dispatcher), ROOM, "ready again")
        subprocess.run(["ip", "link", "set", ours, "up"], check=True)
        wait_for(lambda: old.role == "slave", ROOM, "the old master is a replica")
    finally:
        load.stop()
    assert set(load.statuses) <= {200, 503}
    work_goes_on(place, group, receiver, dispatcher, "second")
    assert place.shortest_gap() >= 49
    keys = group.master.keys()
    lost = [i for i in load.acknowledged if not keys.has_event(i)]
    assert len(lost) <= 40, "acknowledged by the old master in the last moments before the cut"


def test_sentinels_that_are_no_help(place):
    """The first is nobody, the second watches another master, the third names a replica; the fourth knows."""
    group = place.group(replicas=1)
    other = place.keep(Sentinel(place.directory / "other", group.members[0]))
    text = (place.directory / "other" / "sentinel.conf").read_text().replace(MASTER, "another")
    (place.directory / "other" / "sentinel.conf").write_text(text)
    other.start()
    liar = place.keep(Sentinel(place.directory / "liar", group.members[1], quorum=9)).start()
    nobody = type("Nobody", (), {"host": "127.0.0.1", "port": free_port()})()
    wait_for(liar.is_up, 10, "the liar is up")
    conf = place.configuration(group.url(sentinels=[nobody, other, liar, group.sentinels[0]]))
    receiver, dispatcher = place.program(Receiver, conf), place.program(Dispatcher, conf)
    work_goes_on(place, group, receiver, dispatcher, "first")
    said = [line["reason"] for line in receiver.lines if line.get("msg") == "redis.sentinel_unfit"]
    assert any("knows no master by the name mymaster" in reason for reason in said), said
    assert any(f":{nobody.port} " in reason for reason in said), said


def test_nobody_knows_the_master(place):
    group = place.group(replicas=1)
    conf = place.configuration(group.url().replace(MASTER, "unheard"))
    receiver = place.program(Receiver, conf, ready=False)
    wait_for(lambda: "knows no master by the name unheard" in unready(receiver, "admin"), 10, lambda: unready(receiver, "admin"))
    assert receiver.post("/in/in", {"id": "a"}).status == 503
    for sentinel in group.sentinels:
        sentinel.stop()
    wait_for(lambda: "Connection refused" in unready(receiver, "admin"), 10, lambda: unready(receiver, "admin"))


def test_all_sentinels_go_while_the_master_stays(place):
    group = place.group(replicas=1)
    conf = place.configuration(group.url())
    receiver, dispatcher = place.program(Receiver, conf), place.program(Dispatcher, conf)
    for sentinel in group.sentinels:
        sentinel.stop()
    stays(lambda: both_ready(receiver, dispatcher), 2.0, "ready without any sentinel")
    work_goes_on(place, group, receiver, dispatcher, "first")


@pytest.mark.parametrize("how", ["keys", "lent"])
def test_sentinels_and_servers_with_logins(place, how):
    """The sentinels have a password of their own; or the one of the servers, which the URL has."""
    secret = "secret-of-servers" if how == "lent" else "secret-of-sentinels"
    options = [f"requirepass {secret}", f"sentinel auth-pass {MASTER} secret-of-servers"]
    extra = ["--requirepass", "secret-of-servers", "--masterauth", "secret-of-servers"]
    members = [Member(place.directory / f"redis{n}", extra=extra) for n in range(2)]
    for member in members:
        plain = member.client
        member.client = lambda plain=plain, **o: plain(**{"password": "secret-of-servers", **o})
    watchers = [Sentinel(place.directory / f"sentinel{n}", members[0], options=options) for n in range(3)]
    group = place.keep(Group(place.directory, members, watchers, {"password": secret})).start()
    keys = {"sentinel_password": secret} if how == "keys" else {}
    conf = place.configuration(group.url(login=":secret-of-servers@"), **keys)
    receiver, dispatcher = place.program(Receiver, conf), place.program(Dispatcher, conf)
    work_goes_on(place, group, receiver, dispatcher, "first")
    group.master.kill9()
    receiver.wait_log("redis.master", ROOM, since=len(receiver.lines))
    work_goes_on(place, group, receiver, dispatcher, "second")
    wrong = place.configuration(group.url(login=":secret-of-servers@"), sentinel_password="wrong-password")
    receiver = place.program(Receiver, wrong, ready=False)
    wait_for(lambda: "AUTH was refused (WRONGPASS)" in unready(receiver, "admin"), 10, lambda: unready(receiver, "admin"))
    for program in (receiver, dispatcher):
        assert not any(s in Path(program.log_path).read_text() for s in ("secret-of", "wrong-password"))


def test_sentinels_and_servers_over_tls(place):
    authority = certs.Authority(place.directory / "ca")
    cert, key = authority.good()
    pair = {"tls-cert-file": cert, "tls-key-file": key, "tls-ca-cert-file": authority.ca, "tls-auth-clients": "no", "tls-replication": "yes"}
    flags = [word for k, v in pair.items() for word in (f"--{k}", str(v))]
    members = [Member(place.directory / f"redis{n}", tls=flags) for n in range(2)]
    watchers = [Sentinel(place.directory / f"sentinel{n}", members[0], tls=[f"{k} {v}" for k, v in pair.items()]) for n in range(3)]
    options = {"ssl": True, "ssl_ca_certs": str(authority.ca)}
    group = place.keep(Group(place.directory, members, watchers, options)).start()
    ca = place.directory / "ca.pem"
    ca.write_bytes(authority.ca.read_bytes())
    conf = place.configuration(group.url(scheme="rediss+sentinel"), tls={"ca_file": str(ca)})
    receiver, dispatcher = place.program(Receiver, conf), place.program(Dispatcher, conf)
    work_goes_on(place, group, receiver, dispatcher, "first")
    before = watched(group, options)
    ca.write_bytes(ca.read_bytes() * 2)
    receiver.reload(conf)
    wait_for(lambda: not before & watched(group, options), ROOM, "new connections to the sentinels, for the new file")
    assert not [line for line in receiver.logged("redis.lost") if "another server" in line["reason"]]
    group.master.kill9()
    receiver.wait_log("redis.master", ROOM, since=len(receiver.lines))
    work_goes_on(place, group, receiver, dispatcher, "second")
    conf = place.configuration(group.url(scheme="rediss+sentinel"), tls={"ca_file": str(certs.Authority(place.directory / "other").ca)})
    receiver = place.program(Receiver, conf, ready=False)
    wait_for(lambda: "tls_untrusted: " in unready(receiver, "admin"), 10, lambda: unready(receiver, "admin"))


def watched(group, options):
    """The connections of receivers to the sentinels, except for those that listen."""
    found = set()
    for sentinel in group.sentinels:
        with contextlib.closing(sentinel.client(**options)) as client:
            found |= {(sentinel.port, c["id"]) for c in client.client_list() if c["name"] == "hookpace-receiver" and c["sub"] == "0"}
    return found


def turns(sentinel):
    """How many connections it has seen: each turn of it takes one of each client."""
    with contextlib.closing(sentinel.client()) as client:
        return client.info("stats")["total_connections_received"]


def test_a_stale_sentinel_moves_nobody_back(place):
    """It was stopped during a failover and is asked alone afterwards, again and again: its epoch is lower."""
    group = place.group(replicas=1)
    conf = place.configuration(group.url())
    receiver, dispatcher = place.program(Receiver, conf), place.program(Dispatcher, conf)
    work_goes_on(place, group, receiver, dispatcher, "first")
    stale = place.keep(Sentinel(place.directory / "stale", group.members[0], quorum=9))
    group.sentinels[0].ask("FAILOVER", MASTER)
    receiver.wait_log("redis.master", ROOM, since=len(receiver.lines))
    wait_for(lambda: both_ready(receiver, dispatcher), ROOM, "ready again")
    wait_for(lambda: sorted(m.role for m in group.members) == ["master", "slave"], ROOM, "the old master is a replica")
    master = status_of(receiver)["master"]
    old = next(m for m in group.members if m is not group.master)
    for sentinel in group.sentinels:
        sentinel.stop()
    old.client().execute_command("REPLICAOF", "NO", "ONE")  # a master that nobody has chosen
    stale.port = group.sentinels[1].port
    text = (place.directory / "stale" / "sentinel.conf").read_text().splitlines()
    (place.directory / "stale" / "sentinel.conf").write_text("\n".join([f"port {stale.port}", *text[1:]]) + "\n")
    text = (place.directory / "stale" / "sentinel.conf").read_text().replace(f"{group.members[0].port} 9", f"{old.port} 9")
    (place.directory / "stale" / "sentinel.conf").write_text(text)
    stale.start()
    receiver.wait_line(lambda line: "stale" in line.get("reason", ""), ROOM, "the stale sentinel is told")
    begun = turns(stale)
    wait_for(lambda: turns(stale) >= begun + 30, ROOM, "it is asked in many rounds, always alone")
    assert status_of(receiver)["master"] == master, "the master that was chosen"
    assert not connected(old)
