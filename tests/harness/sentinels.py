"""A master with replicas and three sentinels that watch it: all real processes."""

import contextlib
import os
import subprocess
import threading
import time

import redis

from harness.redis_server import RedisServer, free_port
from harness.wait import wait_for

MASTER = "mymaster"


class Member(RedisServer):
    """A redis-server of a group. HOST is where it listens, WRAPPER what starts it elsewhere, such as in a namespace."""

    def __init__(self, directory, host="127.0.0.1", wrapper=(), extra=(), tls=None):
        super().__init__(directory)
        self.host = host
        self.wrapper = list(wrapper)
        self.extra = ["--repl-diskless-sync-delay", "0", "--repl-timeout", "5", "--repl-ping-replica-period", "1", *extra]
        if tls:
            self.port = free_port()
            self.extra += ["--tls-port", str(self.port), "--port", "0", *tls]

    def start(self, wait=True, master=None):
        extra = self.extra
        self.extra = [*extra, "--bind", self.host, *(["--replicaof", f"{master.host} {master.port}"] if master else [])]
        binary = self.binary
        try:
            if self.wrapper:
                launcher = self.directory / "launch"
                launcher.write_text(f"#!/bin/sh\nexec {' '.join(self.wrapper)} {binary} \"$@\"\n")
                launcher.chmod(0o755)
                self.binary = str(launcher)
            return super().start(wait)
        finally:
            self.extra, self.binary = extra, binary

    @property
    def role(self):
        """"master", "slave", or None if it does not say: it closes connections when its role changes."""
        try:
            return self.client().role()[0]
        except redis.RedisError:
            return None


class Sentinel:
    """One sentinel, in DIRECTORY. MASTER is the Member that it watches; OPTIONS are lines of its file."""

    def __init__(self, directory, master, host="127.0.0.1", options=(), quorum=2, tls=()):
        self.directory = directory
        self.directory.mkdir(parents=True)
        self.host, self.port = host, free_port()
        self.binary = os.environ.get("HOOKPACE_REDIS_SERVER", "redis-server")
        self.process = None
        port = ["port 0", f"tls-port {self.port}", *tls] if tls else [f"port {self.port}"]
        lines = [*port, f"bind {host}", f"dir {directory}", f"logfile {directory}/sentinel.log",
                 f"sentinel announce-ip {host}",
                 f"sentinel monitor {MASTER} {master.host} {master.port} {quorum}",
                 f"sentinel down-after-milliseconds {MASTER} 700",
                 f"sentinel failover-timeout {MASTER} 4000", *options]
        (directory / "sentinel.conf").write_text("\n".join(lines) + "\n")

    def start(self):
        self.process = subprocess.Popen([self.binary, str(self.directory / "sentinel.conf"), "--sentinel"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self

    def client(self, **options):
        return redis.Redis(host=self.host, port=self.port, decode_responses=True, socket_timeout=2, **options)

    def ask(self, *words, **options):
        with contextlib.closing(self.client(**options)) as client:
            return client.execute_command("SENTINEL", *words)

    def is_up(self):
        try:
            return self.ask("GET-MASTER-ADDR-BY-NAME", MASTER) is not None
        except redis.RedisError:
            return False

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process = None


class Group:
    """A master, replicas and sentinels; start() waits until each knows the others."""

    def __init__(self, directory, members, sentinels, client_options=None):
        self.directory = directory
        self.members, self.sentinels = members, sentinels
        self.client_options = client_options or {}

    def start(self):
        first, *rest = self.members
        first.start()
        for member in rest:
            member.start(master=first)
        for sentinel in self.sentinels:
            sentinel.start()
        wait_for(self.is_complete, 20, "a group in which all know each other", every=0.05)
        return self

    def is_complete(self):
        for sentinel in self.sentinels:
            try:
                state = sentinel.ask("MASTER", MASTER, **self.client_options)
            except redis.RedisError:
                return False
            state = state if isinstance(state, dict) else dict(zip(state[::2], state[1::2]))
            if int(state["num-slaves"]) < len(self.members) - 1 or int(state["num-other-sentinels"]) < len(self.sentinels) - 1:
                return False
        links = [m.client().info("replication").get("master_link_status") for m in self.members]
        return links.count("up") == len(self.members) - 1

    @property
    def master(self):
        """The member that is a master, of those that live."""
        found = [m for m in self.members if m.process and m.role == "master"]
        assert len(found) == 1, found
        return found[0]

    def url(self, *, login="", scheme="redis+sentinel", sentinels=None, db=0):
        return f"{scheme}://{login}" + ",".join(f"{s.host}:{s.port}" for s in sentinels or self.sentinels) + f"/{MASTER}/{db}"

    def stop(self):
        for sentinel in self.sentinels:
            sentinel.stop()
        for member in self.members:
            member.stop()


def make(directory, replicas=2, options=(), extra=()):
    """A group on loopback."""
    members = [Member(directory / f"redis{n}", extra=extra) for n in range(1 + replicas)]
    sentinels = [Sentinel(directory / f"sentinel{n}", members[0], options=options) for n in range(3)]
    return Group(directory, members, sentinels)


class Load:
    """Posts events to RECEIVER until stop(), a thread for each of SOURCES. `acknowledged` has the ids that were answered 200."""

    def __init__(self, receiver, sources=("in",) * 4, pause=0.0):
        self.receiver = receiver
        self.pause = pause
        self.acknowledged, self.statuses = [], {}
        self.accepted_at = []       # time.monotonic() of each of `acknowledged`
        self.last_refused = 0.0
        self.lock, self.over = threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(n, source)) for n, source in enumerate(sources)]
        for thread in self.threads:
            thread.start()

    def _run(self, number, source):
        n = 0
        while not self.over.is_set():
            ident = f"{number}-{n}"
            status = self.receiver.post(f"/in/{source}", {"id": ident}).status
            with self.lock:
                self.statuses[status] = self.statuses.get(status, 0) + 1
                if status == 200:
                    self.acknowledged.append(ident)
                    self.accepted_at.append(time.monotonic())
                else:
                    self.last_refused = time.monotonic()
            n += 1
            if status != 200 or self.pause:
                self.over.wait(0.02 if status != 200 else self.pause)

    @property
    def last_accepted(self):
        with self.lock:
            return self.accepted_at[-1] if self.accepted_at else 0.0

    def first_accepted_after(self, moment):
        with self.lock:
            return next(at for at in self.accepted_at if at > moment)

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        return self
