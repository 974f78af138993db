"""A Debian package: what lintian says of it, and its life in a fresh tree of the release that this machine runs, without systemd
and with it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "compose"))

from engine import CACHE, SUITE, make_base  # noqa: E402

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def packages(build, tmp_path_factory):
    """Two versions of the package, as cpack makes them."""
    made = []
    for version in ("0.1.0", "0.1.1"):
        target = tmp_path_factory.mktemp("package")
        subprocess.run(["cpack", "-G", "DEB", "--config", build / "CPackConfig.cmake", "-D", f"CPACK_PACKAGE_VERSION={version}"],
                       cwd=target, check=True, capture_output=True, timeout=120)
        made += target.glob("*.deb")
    assert len(made) == 2
    return made


def test_lintian_has_no_error(packages):
    done = subprocess.run(["lintian", "--allow-root", "--fail-on", "error", packages[0]], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_conffiles_and_scripts(packages):
    def control(name):
        return subprocess.run(["dpkg-deb", "-I", packages[0], name], capture_output=True, text=True, timeout=30, check=True).stdout
    assert control("conffiles").split() == ["/etc/hookpace/hookpace.json", "/etc/hookpace/secrets.env"]
    for script in ("postinst", "prerm", "postrm"):
        subprocess.run(["sh", "-n"], input=control(script), text=True, timeout=10, check=True)
    assert "libhiredis" in control("control") and "systemd-sysusers" in control("control")


@pytest.fixture
def tree(tmp_path):
    """An unpacked minimal installation."""
    assert os.geteuid() == 0, "a tree of another installation needs root"
    CACHE.mkdir(parents=True, exist_ok=True)
    base = CACHE / f"{SUITE}-minbase.tar"
    if not base.exists():
        make_base(base)
    root = tmp_path / "root"
    root.mkdir()
    subprocess.run(["tar", "-C", root, "-xf", base], check=True, timeout=120)
    for name in ("resolv.conf", "hosts"):
        shutil.copy(f"/etc/{name}", root / "etc" / name)
    own = Path("/usr/local/share/ca-certificates")
    if own.is_dir():
        shutil.copytree(own, root / "usr/local/share/ca-certificates", dirs_exist_ok=True)
    yield root
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def debs(packages, tree):
    """The names of both packages inside of the tree, and the scripts beside them."""
    inside = [f"/debs/{n}.deb" for n in (1, 2)]
    (tree / "debs").mkdir()
    for package, name in zip(packages, inside):
        shutil.copy(package, tree / name[1:])
    for script in ("life", "life-systemd"):
        shutil.copy(HERE / script, tree / "debs")
    return inside


def run(*command, timeout=600):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


def test_the_life_of_a_package(debs, tree):
    said = run("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c",
               'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && root=$0 && exec chroot "$root" /debs/life "$@"', tree, *debs)
    assert "life: passed" in said


def test_its_life_under_systemd(debs, tree):
    """What the package depends on comes before, because the booted tree has no network."""
    needs = "systemd redis-server curl procps perl-base"
    run("chroot", tree, "sh", "-ec", f"""export DEBIAN_FRONTEND=noninteractive
        apt-get -qq update && apt-get -qq install -y --no-install-recommends {needs}
        apt-get -qq satisfy -y --no-install-recommends "$(dpkg-deb -f {debs[0]} Depends)" """)
    assert ": passed" in run(HERE / "boot", tree, "/debs/life-systemd", *debs)
