"""A private redis-server in a directory of its own, and the documented key names on it."""

import collections
import json
import os
import random
import signal
import socket
import subprocess
import time
from pathlib import Path

import redis

from harness.partitions import bases, crc16
from harness.wait import stop_process


_taken = collections.deque()  # abstract unix sockets: the kernel frees their names when this process ends
TAKEN_MAX = 300


def free_port() -> int:
    """A TCP port of loopback for a server that is bound later, or again after a restart.

    The port lies below the range from which the kernel takes ports for outgoing connections, so that no connection of
    a test beside this one can occupy it meanwhile. A name in the kernel keeps other tests from picking it.
    """
    while True:
        port = random.randrange(10000, 32000)
        name = socket.socket(socket.AF_UNIX)
        with socket.socket() as s:
            try:
                name.bind(f"\0hookpace-test-port-{port}")
                s.bind(("127.0.0.1", port))
            except OSError:
                name.close()
                continue
        _taken.append(name)
        if len(_taken) > TAKEN_MAX:
            _taken.popleft().close()
        return port


class RedisServer:
    """A redis-server on a TCP port and a unix socket, started by start() and ended by stop().

    DIRECTORY keeps its append-only file, so that kill9() + start() is what a crash and restart is.
    FSYNC is always or everysec. BINARY may name a valkey-server. ENV is added to its environment.
    """

    def __init__(self, directory, fsync="everysec", maxmemory=None, binary=None, extra=(), env=None):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.fsync = fsync
        self.maxmemory = maxmemory
        self.binary = binary or os.environ.get("HOOKPACE_REDIS_SERVER", "redis-server")
        self.extra = list(extra)
        self.env = {**os.environ, **(env or {})}
        self.port = free_port()
        self.unix_path = self.directory / "redis.sock"
        self.log_path = self.directory / "redis.log"
        self.process = None

    @property
    def url(self) -> str:
        """Its URL for a configuration, by TCP."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def unix_url(self) -> str:
        return f"unix://{self.unix_path}?db=0"

    def start(self, wait=True):
        """Starts it (again, on the same port and files) and waits until it answers."""
        assert self.process is None, "already running"
        command = [self.binary, "--bind", "127.0.0.1", "--port", str(self.port), "--unixsocket", str(self.unix_path),
                   "--dir", str(self.directory), "--logfile", str(self.log_path), "--daemonize", "no",
                   "--save", "", "--appendonly", "yes", "--appendfsync", self.fsync,
                   "--maxmemory-policy", "noeviction"]
        if self.maxmemory:
            command += ["--maxmemory", str(self.maxmemory)]
        self.process = subprocess.Popen(command + self.extra, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.env)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, timeout=20.0):
        """Waits until PING is answered, which is also the end of LOADING."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                with self.client(socket_timeout=1) as c:
                    c.ping()
                    return
            except redis.RedisError:
                if self.process is None or self.process.poll() is not None:
                    self.process = None
                    raise AssertionError(f"redis-server ended: {self.log()}") from None
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def client(self, **options) -> redis.Redis:
        """A python3-redis client over the unix socket; answers are text (bytes that are not UTF-8 survive)."""
        options.setdefault("decode_responses", True)
        return redis.Redis(unix_socket_path=str(self.unix_path), encoding_errors="surrogateescape", **options)

    def keys(self, prefix="hookpace", partitions=1) -> "Keys":
        return Keys(self.client(), prefix, partitions)

    def log_file(self) -> Path:
        """The append-only file that is written to."""
        return max((self.directory / "appendonlydir").glob("*.incr.aof"), key=lambda p: int(p.name.split(".")[-3]))

    def kill9(self):
        """SIGKILL: what was not written to the append-only file is gone."""
        self._end(signal.SIGKILL)

    def stop(self):
        """SIGTERM and wait. Fine when it does not run."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
        self._end(signal.SIGTERM)

    def restart(self):
        self.stop()
        return self.start()

    def pause(self):
        """SIGSTOP: accepts connections (the kernel does), answers nothing."""
        stop_process(self.process.pid)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def _end(self, number):
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None


CLOCK = ("sent", "open", "until", "window", "holder", "stale", "held", "hold", "hold_until", "parked", "pause", "trouble", "paused")


def read_clock(client, key) -> dict:
    """The clock of the lane that KEY stores (common/queue/lua/lib_lane.lua); numbers as texts, as Redis would have them."""
    values = client.eval("local clock = redis.call('HGET', KEYS[1], 'clock') if not clock then return {} end "
                         "local fields = {cmsgpack.unpack(clock)} "
                         "for i = 1, #fields do if type(fields[i]) == 'number' then fields[i] = string.format('%d', fields[i]) end end "
                         "return fields", 1, key)
    return dict(zip(CLOCK, values)) or dict.fromkeys(CLOCK, "0") | {"hold": ""}


class Keys:
    """Reads the queue by the names that the documentation fixes. CLIENT is a python3-redis client."""

    def __init__(self, client, prefix="hookpace", partitions=1):
        self.client = client
        self.prefix = prefix
        self.partitions = partitions

    def partition(self, lane: str) -> int:
        return crc16(lane.encode()) % self.partitions

    def base(self, partition=0) -> str:
        return bases(self.partitions, self.prefix)[partition]

    def _all(self):
        return bases(self.partitions, self.prefix)

    def queue(self, lane: str) -> list:
        """Delivery ids ready to send on LANE, the next first."""
        return self.client.lrange(self.base(self.partition(lane)) + "queue:" + lane, 0, -1)

    def queue_length(self, lane: str) -> int:
        return self.client.llen(self.base(self.partition(lane)) + "queue:" + lane)

    def queues(self) -> dict:
        """Lane -> delivery ids, over everything that has a list."""
        found = {}
        for base in self._all():
            for key in self.client.scan_iter(match=_glob(base) + "queue:*", count=1000):
                found[key[len(base) + 6:]] = self.client.lrange(key, 0, -1)
        return found

    def lane(self, lane: str) -> dict:
        """The fields of its clock, numbers as texts."""
        return read_clock(self.client, self.base(self.partition(lane)) + "lane:" + lane)

    def lanes(self) -> dict:
        return {k: v for b in self._all() for k, v in self.client.zrange(b + "lanes", 0, -1, withscores=True)}

    def inflight(self) -> dict:
        """Delivery id -> lease expiry in ms."""
        return {k: v for b in self._all() for k, v in self.client.zrange(b + "inflight", 0, -1, withscores=True)}

    def retry(self) -> dict:
        """Delivery id -> time of its next attempt in ms."""
        return {k: v for b in self._all() for k, v in self.client.zrange(b + "retry", 0, -1, withscores=True)}

    def dead(self, destination: str) -> list:
        """Dead letters of DESTINATION, newest first."""
        return [i for b in self._all() for i in self.client.lrange(b + "dead:" + destination, 0, -1)]

    def all_dead(self) -> list:
        found = []
        for base in self._all():
            for key in self.client.scan_iter(match=_glob(base) + "dead:*", count=1000):
                found += self.client.lrange(key, 0, -1)
        return found

    def delivery(self, delivery_id: str) -> dict:
        """The delivery's hash, {} if there is none; it is looked for in every partition."""
        for base in self._all():
            found = self.client.hgetall(base + "delivery:" + delivery_id)
            if found:
                return found
        return {}

    def attempts(self, delivery_id: str) -> list:
        """Its attempts as they are recorded, the newest first."""
        return [json.loads(text) for b in self._all() for text in self.client.lrange(b + "attempts:" + delivery_id, 0, -1)]

    def has_event(self, event_id: str) -> bool:
        return any(self.client.exists(b + "event:" + event_id) for b in self._all())


def _glob(text: str) -> str:
    return text.replace("[", "\\[").replace("*", "\\*").replace("?", "\\?")
