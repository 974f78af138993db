"""The receivers that providers publish, as processes of their own language.

Each program takes a port, listens on loopback and prints its URL. PROGRAMS has all of them; start_all() compiles and starts
them side by side.
"""

import os
import re
import subprocess
import sys
import threading
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness import paths, sign
from harness.redis_server import free_port

HERE = Path(__file__).resolve().parent
BUILT = paths.REPOSITORY / "var" / "receivers"
JACKSON = ":".join(f"/usr/share/java/jackson-{part}.jar" for part in ("databind", "core", "annotations"))
WEBHOOKS_SECRET = sign.standard_secret()
STARTS_WITHIN_S = 60    # a Java that compiles beside a Go that compiles


class Program:
    """One receiver. PATH is where it takes webhooks, SCHEME and SECRET are how it verifies them.

    COMMAND makes its argument list from a port. BUILD, if any, compiles or installs what it needs first.
    """

    def __init__(self, name, scheme, secret, path, command, build=None, env=None, picks_port=True):
        self.name, self.scheme, self.secret, self.path = name, scheme, secret, path
        self.command, self.build = command, build
        self.env = {**os.environ, **(env or {})}
        self.picks_port = picks_port
        self.output = []
        self.changed = threading.Condition()
        self.process = None
        self.url = None

    def __repr__(self):
        return self.name

    def start(self):
        """Builds and starts the program, and waits for the line with its URL."""
        if self.build:
            self.build()
        command = self.command(0 if self.picks_port else free_port())
        self.process = subprocess.Popen(command, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, errors="replace")
        threading.Thread(target=self._collect, daemon=True).start()
        line = self.wait_line(r"http://127\.0\.0\.1:[1-9]\d*", STARTS_WITHIN_S)
        self.url = re.search(r"http://127\.0\.0\.1:\d+", line).group() + self.path
        return self

    def wait_line(self, pattern, timeout=10.0):
        """Waits for a line of output in which PATTERN is found, and returns it."""
        def found():
            return next((line for line in self.output if re.search(pattern, line)), None)
        with self.changed:
            ready = self.changed.wait_for(lambda: found() or self.process.poll() is not None, timeout)
            assert ready and found(), f"{self.name} did not print {pattern}. Its output:\n" + "\n".join(self.output)
            return found()

    def close(self):
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _collect(self):
        for line in self.process.stdout:
            with self.changed:
                self.output.append(line.rstrip("\n"))
                self.changed.notify_all()
        self.process.wait()
        with self.changed:
            self.changed.notify_all()


def run(*command, **options):
    """Runs a compiler. A failure shows what the compiler said."""
    BUILT.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, **options)
    assert done.returncode == 0, f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}"


def make_csharp():
    run("mcs", f"-out:{BUILT / 'semscraper.exe'}", "-r:System.Web.Extensions.dll", HERE / "csharp" / "semscraper.cs")


def make_go():
    run("go", "build", "-o", BUILT / "semscraper-go", HERE / "go" / "semscraper.go", env={**os.environ, "GOTOOLCHAIN": "local"})


def make_venv():
    """A virtual environment that sees Debian's Flask, with the library from PyPI."""
    python = BUILT / "venv" / "bin" / "python3"
    if not python.exists() or subprocess.run([python, "-c", "import standardwebhooks"], capture_output=True).returncode:
        venv.create(BUILT / "venv", system_site_packages=True, with_pip=True, clear=True)
        run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "standardwebhooks==1.1.0")


def semscraper(language, command, **options):
    return Program(language, "semscraper", "HMAC_KEY", "/callback", command, **options)


# Debian's node looks there by itself, others do not.
NODE = {"NODE_PATH": "/usr/share/nodejs:/usr/lib/nodejs"}


def programs() -> list:
    """One of each, not started."""
    return [
        Program("serphouse-javascript", "serphouse", "yoursecretkey", "/webhook",
                lambda port: ["node", HERE / "javascript" / "serphouse.js", str(port)], env=NODE),
        semscraper("semscraper-javascript", lambda port: ["node", HERE / "javascript" / "semscraper.js", str(port)], env=NODE),
        semscraper("semscraper-php", lambda port: ["php", "-S", f"127.0.0.1:{port}", HERE / "php" / "semscraper.php"]),
        semscraper("semscraper-python", lambda port: [sys.executable, HERE / "python" / "semscraper.py", str(port)]),
        semscraper("semscraper-ruby", lambda port: ["ruby", HERE / "ruby" / "semscraper.rb", str(port)]),
        semscraper("semscraper-java",
                   lambda port: ["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", JACKSON, HERE / "java" / "Semscraper.java", str(port)]),
        semscraper("semscraper-csharp", lambda port: ["mono", BUILT / "semscraper.exe", str(port)], build=make_csharp,
                   picks_port=False),
        semscraper("semscraper-go", lambda port: [BUILT / "semscraper-go", str(port)], build=make_go),
        Program("standard-webhooks-python", "standard-webhooks", WEBHOOKS_SECRET, "/callback",
                lambda port: [BUILT / "venv" / "bin" / "python3", HERE / "python" / "standard_webhooks.py", str(port), WEBHOOKS_SECRET],
                build=make_venv),
    ]


NAMES = [program.name for program in programs()]


def start_all() -> dict:
    """Name -> Program, all started side by side. If one fails the others are ended."""
    made = programs()
    with ThreadPoolExecutor(len(made)) as pool:
        starts = [pool.submit(program.start) for program in made]
    failed = next((start.exception() for start in starts if start.exception()), None)
    if failed:
        close_all(made)
        raise failed
    return {program.name: program for program in made}


def close_all(made):
    for program in made:
        program.close()


def example_server(script, **env) -> Program:
    """DataForSEO's example SCRIPT under `php -S`, with ENV, started."""
    program = Program(script, None, None, "/", lambda port: ["php", "-S", f"127.0.0.1:{port}", HERE / "php" / script], env=env)
    return program.start()
