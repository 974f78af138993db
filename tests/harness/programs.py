"""The programs under test as processes: configuration file, listeners read back from the log, signals."""

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

from harness import http, paths
from harness.wait import stop_process, wait_for


class Program:
    """One process of hookpace-<PART>. Subclasses name the part and its listeners.

    CONFIG is a dict (written to a file in DIRECTORY) or a path. The log is collected line by line in `lines`
    (parsed where it is JSON) and in a file. Without FOLLOW the program writes that file itself, and `lines` ends with the
    line `ready`: a reader of each line would take a tenth of two cores from what is measured.
    """

    part = None
    listeners = ()

    def __init__(self, config, directory, name=None, env=None, args=(), wrapper=(), build=None, follow=True):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.name = name or self.part
        self.config_path = self.directory / f"{self.name}.json"
        self.log_path = self.directory / f"{self.name}.log"
        # tests look into /proc, and a crash should leave something to look at; tests/attack has the default
        self.env = {**os.environ, "HOOKPACE_LOG": "info", "HOOKPACE_CORE_DUMPS": "1", **(env or {})}
        self.args = list(args)
        self.wrapper = list(wrapper)
        self.build = build
        self.follow = follow
        self.addresses = {}
        self.lines = []
        self.text = []
        self.process = None
        self.changed = threading.Condition()
        self.reader = None
        self.reading = threading.Event()    # cleared: nobody reads what it logs
        self.reading.set()
        self.write_config(config)

    # -- life --------------------------------------------------------------------------------------------

    def write_config(self, config):
        """Writes the file (in one step) that the program reads at start and on SIGHUP."""
        if isinstance(config, (str, Path)):
            self.config_path = Path(config)
            return
        self.config = config
        fresh = self.config_path.with_suffix(".new")
        fresh.write_text(json.dumps(config, indent=1))
        os.replace(fresh, self.config_path)

    def start(self, wait=True, ready=True, timeout=15.0):
        """Starts it and waits for its listeners and, if READY, until it says that it is ready."""
        assert self.process is None or self.process.poll() is not None, f"{self.name} runs already"
        self.addresses = {}
        command = [*self.wrapper, str(paths.program(self.part, self.build)), "--config", str(self.config_path), *self.args]
        self.started_at = len(self.lines)
        with open(self.log_path, "ab") as log:
            begin = log.tell()
            self.process = subprocess.Popen(command, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                            stderr=subprocess.PIPE if self.follow else log)
        collect, source = (self._collect, self.process.stderr) if self.follow else (self._collect_until_ready, begin)
        self.reader = threading.Thread(target=collect, args=(source,), daemon=True)
        self.reader.start()
        if wait:
            self.wait_line(lambda _: all(n in self.addresses for n in self.listeners), timeout, "its listeners")
            if ready:
                self.wait_ready(timeout)
        return self

    def wait_ready(self, timeout=15.0):
        self.wait_log("ready", timeout, since=self.started_at)
        return self

    @property
    def pid(self):
        return self.process.pid

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def term(self):
        """SIGTERM: drain. Use wait() for the exit code."""
        self.signal(signal.SIGTERM)
        return self

    def kill9(self):
        self.signal(signal.SIGKILL)
        self.process.wait(10)
        return self

    def pause(self):
        stop_process(self.process.pid)

    def resume(self):
        self.signal(signal.SIGCONT)

    def hup(self, config=None):
        """SIGHUP, with CONFIG written first if given. See reload() to also wait for the outcome."""
        if config is not None:
            self.write_config(config)
        self.signal(signal.SIGHUP)

    def reload(self, config, accepted=True, timeout=10.0):
        """hup() and wait until the log tells that the new configuration is (not) in force."""
        mark = len(self.lines)
        self.hup(config)
        outcome = "config.reloaded" if accepted else "config.rejected"
        self.wait_log(outcome, timeout, since=mark)

    def wait(self, timeout=20.0) -> int:
        """Waits for its end and returns the exit code (negative: the signal that killed it)."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end in {timeout} s") from None
        self.reader.join(5)
        return code

    def close(self):
        """Ends it whatever state it is in."""
        if self.process is None:
            return
        self.reading.set()
        if self.running:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(3)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.reader.join(5)

    # -- the log ----------------------------------------------------------------------------------------

    def _collect(self, stream):
        with open(self.log_path, "ab") as file:
            for raw in stream:
                self.reading.wait()
                file.write(raw)
                file.flush()
                self._note(raw)
        with self.changed:
            self.changed.notify_all()
        stream.close()

    def _collect_until_ready(self, begin):
        """Reads what this start has written to the file, from BEGIN on."""
        with open(self.log_path, "rb") as file:
            file.seek(begin)
            rest, ended = b"", False
            while not ended:
                ended = not self.running    # asked before the read, so that the last lines are seen
                *whole, rest = (rest + file.read()).split(b"\n")
                if any([self._note(raw) == "ready" for raw in whole]):
                    return
                time.sleep(0.01)

    def _note(self, raw):
        """Notes a line of the log; its msg."""
        text = raw.decode(errors="replace").rstrip("\n")
        try:
            line = json.loads(text)
        except ValueError:
            line = {"msg": "", "text": text}
        with self.changed:
            if line.get("msg") == "listening":
                self.addresses[line["for"]] = line["address"]
            self.text.append(text)
            self.lines.append(line)
            self.changed.notify_all()
        return line.get("msg")

    def log(self) -> str:
        with self.changed:
            return "\n".join(self.text)

    def logged(self, msg, since=0) -> list:
        """All log lines with that msg."""
        with self.changed:
            return [line for line in self.lines[since:] if line.get("msg") == msg]

    def wait_log(self, msg, timeout=10.0, since=0, **fields):
        """Waits for a log line with that msg and these fields, and returns it."""
        def match(line):
            return line.get("msg") == msg and all(line.get(k) == v for k, v in fields.items())
        return self.wait_line(match, timeout, f"the log line {msg} {fields or ''}", since)

    def wait_line(self, match, timeout=10.0, what="a log line", since=0):
        """Waits for a line that MATCH accepts; fails at once when the program ends before."""
        deadline = time.monotonic() + timeout
        seen = since
        with self.changed:
            while True:
                for line in self.lines[seen:]:
                    if match(line):
                        return line
                seen = len(self.lines)
                ended = self.process.poll() is not None and not self.reader.is_alive()
                left = deadline - time.monotonic()
                if ended or left <= 0:
                    state = f"ended with {self.process.returncode}" if ended else f"is silent after {timeout} s"
                    tail = "\n".join(self.text[-20:])
                    raise AssertionError(f"waited for {what}: {self.name} {state}. Its log ends:\n{tail}")
                self.changed.wait(min(left, 0.1))

    # -- its listeners -----------------------------------------------------------------------------------

    def address(self, listener) -> str:
        """While the program starts again: the error of a connection that nobody takes."""
        address = self.addresses.get(listener)
        if address is None:
            raise ConnectionRefusedError(f"{self.name} does not listen for {listener}")
        return address

    def get(self, target, listener=None, headers=None, timeout=10.0):
        """GET on one of its listeners (the first one that serves health and metrics by default)."""
        return http.get(self.address(listener or self.health_listener), target, headers, timeout)

    def metrics(self) -> dict:
        """Name -> {tuple of sorted label pairs: value}."""
        answer = self.get("/metrics")
        assert answer.status == 200, answer
        return parse_metrics(answer.body.decode())

    def metric(self, name, **labels) -> float:
        """One sample, 0 if it is not there."""
        return self.metrics().get(name, {}).get(tuple(sorted(labels.items())), 0.0)

    def rss_kb(self) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        return 0

    def cpu_s(self) -> float:
        """User and system time used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def wait_http(self, target, status, timeout=10.0):
        """Waits until GET TARGET on the health listener answers STATUS."""
        def ask():
            try:
                return self.get(target, timeout=3).status == status
            except OSError:
                return False
        wait_for(ask, timeout, f"{self.name} {target} to answer {status}")


class Receiver(Program):
    part = "receiver"
    health_listener = "admin"

    @property
    def listeners(self):
        own = self.env.get("HOOKPACE_API_LISTEN") or getattr(self, "config", {}).get("api", {}).get("listen")
        return ("ingest", "admin", "api") if own else ("ingest", "admin")

    @property
    def ingest(self) -> str:
        return self.address("ingest")

    @property
    def admin(self) -> str:
        return self.address("admin")

    @property
    def api(self) -> str:
        return self.address("api")

    def post(self, target, body, headers=None, timeout=10.0):
        """One POST to the ingest listener, on a connection of its own."""
        return http.post(self.ingest, target, body, headers, timeout)

    def send(self, ident, path="/in/in", tag=None, **more):
        """Sends {"id": IDENT, ...} to PATH and insists on a 200."""
        body = {"id": ident, **({"tag": tag} if tag is not None else {}), **more}
        answer = self.post(path, body)
        assert answer.status == 200, answer
        return answer


class Dispatcher(Program):
    part = "dispatcher"
    listeners = ("dispatcher",)
    health_listener = "dispatcher"


def run_once(part, *args, env=None, cwd=None, timeout=10.0) -> subprocess.CompletedProcess:
    """Runs a program to its end, as for --check-config; text output is captured."""
    return subprocess.run([str(paths.program(part)), *map(str, args)], env={**os.environ, **(env or {})}, cwd=cwd,
                          capture_output=True, text=True, timeout=timeout, check=False)


def parse_metrics(text: str) -> dict:
    """The Prometheus text format: name -> {sorted label pairs: value}. Strict about what it reads."""
    samples = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        series, value = line.rsplit(" ", 1)
        name, brace, rest = series.partition("{")
        labels = []
        if brace:
            assert rest.endswith("}"), line
            rest = rest[:-1]
            while rest:
                label, _, rest = rest.partition('="')
                out = ""
                while not rest.startswith('"'):
                    assert rest, f"unterminated label: {line}"
                    step = 2 if rest[0] == "\\" else 1
                    out += {"\\n": "\n", '\\"': '"', "\\\\": "\\"}.get(rest[:step], rest[:step])
                    rest = rest[step:]
                labels.append((label, out))
                rest = rest[1:].lstrip(",")
        series = samples.setdefault(name, {})
        key = tuple(sorted(labels))
        assert key not in series, f"twice: {line}"
        series[key] = float(value)
    return samples
