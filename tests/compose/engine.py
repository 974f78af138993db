"""A container engine of the test's own, and the images that no registry is asked for."""

import os
import platform
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

CACHE = Path(os.environ.get("HOOKPACE_CACHE", "/var/cache/hookpace-tests"))
SUITE = platform.freedesktop_os_release().get("VERSION_CODENAME", "bookworm")  # whose package sources this machine has
BASE_IMAGE = f"debian:{SUITE}-slim"
REDIS_IMAGE = "hookpace-test-redis"
REDIS_DOCKERFILE = f"""FROM {BASE_IMAGE}
RUN apt-get update && apt-get install -y --no-install-recommends redis-server && apt-get clean && install -d -o redis -g redis /data
WORKDIR /data
VOLUME /data
CMD ["redis-server"]
"""


def run(*command, timeout=600, **options):
    done = subprocess.run([str(c) for c in command], text=True, timeout=timeout, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **options)
    assert done.returncode == 0, f"{command}: status {done.returncode}\n{done.stdout[-4000:]}"
    return done.stdout


class Engine:
    """A private dockerd: its data, socket and pid lie in a directory that goes with it."""

    def __init__(self):
        assert os.geteuid() == 0, "the compose test starts an engine of its own, which needs root"
        self.directory = Path(tempfile.mkdtemp(prefix="hookpace-engine-"))
        self.host = f"unix://{self.directory}/sock"
        self.env = {**os.environ, "DOCKER_HOST": self.host, "COMPOSE_INTERACTIVE_NO_CLI": "1"}
        self.log = open(self.directory / "log", "wb")
        self.process = subprocess.Popen(
            ["dockerd", "--data-root", self.directory / "data", "--exec-root", self.directory / "exec",
             "--pidfile", self.directory / "pid", "-H", self.host],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True)

    def wait_ready(self, timeout=60):
        deadline = time.monotonic() + timeout
        while subprocess.run(["docker", "version"], env=self.env, capture_output=True, check=False).returncode:
            assert self.process.poll() is None and time.monotonic() < deadline, self.tail()
            time.sleep(0.2)

    def tail(self):
        return (self.directory / "log").read_text(errors="replace")[-3000:]

    def docker(self, *args, **options):
        return run("docker", *args, env=self.env, **options)

    def make_images(self):
        CACHE.mkdir(parents=True, exist_ok=True)
        base = CACHE / f"{SUITE}-minbase.tar"
        if not base.exists():
            make_base(base)
        self.docker("import", base, BASE_IMAGE)
        self.docker("build", "-t", REDIS_IMAGE, "-", input=REDIS_DOCKERFILE)

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        self.log.close()
        with open("/proc/mounts", encoding="utf-8") as mounts:
            left = [line.split()[1] for line in mounts if line.split()[1].startswith(str(self.directory))]
        for mount in sorted(left, reverse=True):
            subprocess.run(["umount", "-l", mount], check=False)
        shutil.rmtree(self.directory, ignore_errors=True)


def make_base(path):
    """debootstrap, with this machine's own package sources inside, as a tar."""
    with tempfile.TemporaryDirectory(prefix="hookpace-base-") as temp:
        root = Path(temp) / "root"
        run("debootstrap", "--variant=minbase", SUITE, root)
        apt = root / "etc/apt"
        (apt / "sources.list").unlink(missing_ok=True)
        for name in ("sources.list", "sources.list.d", "apt.conf.d", "auth.conf.d"):
            source = Path("/etc/apt") / name
            if source.is_dir():
                shutil.copytree(source, apt / name, dirs_exist_ok=True)
            elif source.exists():
                shutil.copy(source, apt / name)
        shutil.copytree("/usr/share/keyrings", root / "usr/share/keyrings", dirs_exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}")
        run("tar", "-C", root, "--exclude=./var/cache/apt/archives/*.deb", "-cf", partial, ".")
        partial.rename(path)
