"""What `cmake --install` puts where, and what systemd says of the units."""

import json
import os
import subprocess

import jsonschema
import pytest

from harness import paths

UNITS = ["hookpace-receiver.service", "hookpace-dispatcher@.service"]


def run(*command, **options):
    return subprocess.run([str(c) for c in command], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=120, check=False, **options)


def unit(installed, name):
    return installed / "lib/systemd/system" / name


def settings(path):
    """(name, value) of every line of a unit."""
    lines = [line for line in path.read_text().splitlines() if "=" in line and line[0] not in "#["]
    return [tuple(line.split("=", 1)) for line in lines]


@pytest.mark.parametrize("path", [
    "bin/hookpace", "bin/hookpace-receiver", "bin/hookpace-dispatcher", "lib/sysusers.d/hookpace.conf",
    "share/bash-completion/completions/hookpace", "share/zsh/site-functions/_hookpace",
    "share/fish/vendor_completions.d/hookpace.fish", "share/doc/hookpace/hookpace.example.json", "share/doc/hookpace/README.md",
    "share/hookpace/deploy/prometheus/alerts.yml", *(f"lib/systemd/system/{name}" for name in UNITS)])
def test_what_is_installed(installed, path):
    assert (installed / path).stat().st_size > 0


def test_the_installed_example_finds_its_schema(installed):
    """An editor opens it by the name in the example."""
    example = installed / "share/doc/hookpace/hookpace.example.json"
    conf = json.loads(example.read_text())
    text = (example.parent / conf["$schema"]).read_text()
    jsonschema.Draft202012Validator(json.loads(text)).validate(conf)
    assert text == run(installed / "bin/hookpace-receiver", "--print-schema").stdout


def test_installed_programs_run(installed):
    for name in ("hookpace", "hookpace-receiver", "hookpace-dispatcher"):
        assert run(installed / "bin" / name, "--version").stdout.startswith(name + " ")


def test_destdir_and_prefix(build, tmp_path):
    """Nothing leaves DESTDIR, and the units name the place where the programs will be."""
    done = run("cmake", "--install", build, "--prefix", "/opt/hookpace", env={**os.environ, "DESTDIR": str(tmp_path)})
    assert done.returncode == 0, done.stdout
    assert os.listdir(tmp_path) == ["opt"]
    for name in UNITS:
        commands = [value for key, value in settings(tmp_path / "opt/hookpace/lib/systemd/system" / name) if key.startswith("Exec")]
        own = [command for command in commands if "hookpace-" in command]
        assert len(own) == 3 and all("/opt/hookpace/bin/hookpace-" in command for command in own)


@pytest.mark.parametrize("name", UNITS)
def test_systemd_verifies_the_units(installed, name):
    done = run("systemd-analyze", "verify", "--man=no", unit(installed, name))
    assert done.returncode == 0 and not done.stdout, done.stdout


@pytest.mark.parametrize("name", UNITS)
def test_exposure(installed, name):
    """3.0 is the contract; 2.0 is what the units have, and no setting should be lost."""
    done = run("systemd-analyze", "security", "--offline=true", "--threshold=20", unit(installed, name))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", UNITS)
def test_the_units_words(installed, name):
    found = settings(unit(installed, name))
    for wanted in [("Type", "notify"), ("User", "hookpace"), ("RestartPreventExitStatus", "2"), ("Restart", "always")]:
        assert wanted in found
    [check] = [value for key, value in found if key == "ExecStartPre"]
    assert check.startswith("-/") and check.endswith("--check-config")
    assert [value.split()[-1] for key, value in found if key == "ExecReload"] == ["--check-config", "$MAINPID"]


def test_the_user(installed, tmp_path):
    (tmp_path / "etc").mkdir()
    done = run("systemd-sysusers", f"--root={tmp_path}", installed / "lib/sysusers.d/hookpace.conf")
    assert done.returncode == 0, done.stdout
    [line] = [line for line in (tmp_path / "etc/passwd").read_text().splitlines() if line.startswith("hookpace:")]
    assert line.endswith(":/:/usr/sbin/nologin")
    assert "hookpace:" in (tmp_path / "etc/group").read_text()


@pytest.mark.parametrize("shell,path", [("bash", "bash-completion/completions/hookpace"), ("zsh", "zsh/site-functions/_hookpace"),
                                        ("fish", "fish/vendor_completions.d/hookpace.fish")])
def test_completion_is_a_script_of_its_shell(installed, shell, path):
    done = run(shell, "-n", installed / "share" / path)
    assert done.returncode == 0 and not done.stdout, done.stdout


def test_zsh_completes(installed):
    """Through $fpath, as an installed file."""
    script = f"fpath=({installed}/share/zsh/site-functions $fpath); autoload -U compinit; compinit -D -u; echo $_comps[hookpace]"
    assert run("zsh", "-fc", script).stdout == "_hookpace\n"


def test_a_missing_library_is_named_with_its_package(tmp_path):
    nowhere = {**os.environ, "PKG_CONFIG_LIBDIR": str(tmp_path), "PKG_CONFIG_PATH": ""}
    done = run("cmake", "-S", paths.REPOSITORY, "-B", tmp_path / "build", env=nowhere)
    assert done.returncode != 0
    for library, package in [("libevent_core", "libevent-dev"), ("hiredis", "libhiredis-dev"), ("libcurl", "libcurl4-openssl-dev"),
                             ("libssl", "libssl-dev"), ("json-c", "libjson-c-dev"), ("liblz4", "liblz4-dev"), ("zlib", "zlib1g-dev")]:
        assert f"{library}: install {package}" in done.stdout
    assert "scripts/install-packages build" in done.stdout


def test_cmake_of_the_oldest_version_that_is_promised():
    """No newer CMake may be asked for (it was tried with 3.18.4)."""
    assert "cmake_minimum_required(VERSION 3.18)" in (paths.REPOSITORY / "CMakeLists.txt").read_text()
