"""One shell for all commands of a page, in a network and a process tree of its own.

So a page may use the usual ports, whatever else runs on the machine, and everything that it started ends with the shell.
"""

import os
import subprocess

from harness import paths

NEEDS = {
    # what a reader has before the page begins
    "redis": "mkdir -p redis-data && (redis-server --dir redis-data --bind 127.0.0.1 --appendonly yes > redis.log 2>&1 &) && "
             "until redis-cli ping 2> /dev/null | grep -q PONG; do sleep 0.05; done",
    "app": "(scripts/sample-downstream --listen 127.0.0.1:8090 > app.log 2>&1 &) && "
           "until curl -sf http://127.0.0.1:8090/_ready > /dev/null; do sleep 0.05; done",
    "gateway": "source tests/docs/gateway_here",
    "provider": "(/usr/bin/python3 tests/docs/provider_here.py > provider.log 2>&1 &) && "
                "until curl -sf http://127.0.0.1:8099/_ready > /dev/null; do sleep 0.05; done",
}


class Session:
    """A bash in DIRECTORY. run() gives it the commands of one block."""

    def __init__(self, directory):
        self.directory = directory
        self.steps = 0
        build = paths.build_dir()
        for name, target in [("build", build), ("scripts", paths.REPOSITORY / "scripts"), ("tests", paths.REPOSITORY / "tests"),
                             ("docs", paths.REPOSITORY / "docs")]:
            (directory / name).symlink_to(target)
        programs = ":".join(str(build / part) for part in ("receiver", "dispatcher", "cli"))
        env = {name: value for name, value in os.environ.items() if not name.startswith("HOOKPACE_")}
        env |= {"PATH": f"{programs}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8", "HOME": str(directory)}
        namespaces = ["--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
        if os.getuid() != 0:
            namespaces.insert(0, "--map-root-user")
        self.shell = subprocess.Popen(["unshare", *namespaces, "bash", "--noprofile", "--norc", "-s"], cwd=directory, env=env,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.shell.stdin.write("trap 'failed=$?' ERR\n")
        status, output = self.run("ip link set lo up")
        assert status == 0, output

    def provide(self, name):
        """Starts what a reader has."""
        status, output = self.run(NEEDS[name])
        assert status == 0, (name, output)

    def run(self, commands):
        """(exit status, what was printed) of COMMANDS. What they leave in the background goes on.

        The status is that of the last command that failed, wherever it stands, or 0.
        """
        self.steps += 1
        step, output = (self.directory / f"{kind}.{self.steps}" for kind in ("step", "output"))
        step.write_text(commands)
        self.shell.stdin.write(f"failed=0; source {step} > {output} 2>&1 < /dev/null; echo $failed\n")
        self.shell.stdin.flush()
        answer = self.shell.stdout.readline()
        printed = output.read_text(errors="replace") if output.exists() else ""
        assert answer, f"the shell has ended: {printed}"
        return int(answer), printed

    def close(self):
        self.shell.kill()
        self.shell.stdin.close()
        self.shell.wait()
        self.shell.stdout.close()

    def logs(self):
        """(name, text) of all logs that the page's programs wrote."""
        for path in sorted([*self.directory.glob("*.log"), *self.directory.glob("var/log/*.log")]):
            yield path.name, path.read_text(errors="replace")[-3000:]
