"""`--env-file FILE`: the variables of a service, for the programs and the command."""

import json
import os
import subprocess

import pytest

from harness import config, paths

CONF = {"sources": {}, "destinations": {}, "accounts": {"a": {"password": "env:THE_PASSWORD", "role": "admin"}}}
PARTS = ("receiver", "dispatcher")


def run(part, *args, env=None, **more):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("HOOKPACE_")}
    program = paths.command() if part == "cli" else paths.program(part)
    return subprocess.run([program, *map(str, args)], env={**clean, **(env or {})}, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=20, check=False, **more)


@pytest.fixture
def conf(tmp_path):
    path = tmp_path / "hookpace.json"
    path.write_text(json.dumps(CONF))
    return path


@pytest.fixture
def check(conf, tmp_path):
    """The exit code and output of --check-config with a file of the given text (or bytes), and the file's name cut out."""
    def checked(text, part="receiver", **env):
        path = tmp_path / "env"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        done = run(part, "--config", conf, "--env-file", path, "--check-config", env=env)
        return done.returncode, (done.stdout + done.stderr).replace(f"{path}:", "env:")
    return checked


@pytest.mark.parametrize("part", PARTS)
def test_secrets_come_through_it(check, part):
    assert check("", part) == (2, "accounts.a.password: the environment variable THE_PASSWORD is not set\n")
    assert check("THE_PASSWORD=0123456789\n", part) == (0, "config ok\n")
    assert check("THE_PASSWORD=0123456\n", part) == (2, "accounts.a.password: must have at least 8 bytes\n")


@pytest.mark.parametrize("line, length", [
    ("THE_PASSWORD=1234567890", 10), ("THE_PASSWORD=1234567890\r\n", 10), ("  THE_PASSWORD=  1234567890\t \n", 10),
    ("THE_PASSWORD=12345 7890", 10), ("THE_PASSWORD=12345=7890", 10), ("THE_PASSWORD=12345#7890", 10), ("THE_PASSWORD=12345$7890", 10),
    ("THE_PASSWORD='12345\"789\\'", 10), ('THE_PASSWORD="12345\\"7890"', 10), ('THE_PASSWORD="\\\\2345\\n89"', 9),
    ('THE_PASSWORD="  345678  "', 10), ("THE_PASSWORD='12345678'  ", 8), ("# THE_PASSWORD=1\n\n;x\n \nTHE_PASSWORD=12345678", 8),
    ("THE_PASSWORD=1\nTHE_PASSWORD=123456789", 9)])
def test_the_format(check, conf, line, length):
    """Of each value the configuration says how long it is, by the rule that it must have as many bytes."""
    assert check(line)[0] == 0
    conf.write_text(json.dumps({**CONF, "accounts": {}, "redis": {"prefix": "env:THE_PASSWORD"}}))
    fill = "x" * (64 - length)
    quoted = line.rstrip()[-1] in "'\""
    longer = line.rstrip()[:-1] + fill + line.rstrip()[-1] if quoted else line.rstrip() + fill
    assert "must have at most" not in check(longer)[1]
    longer = longer[:-1] + "x" + longer[-1]
    assert check(longer) == (2, "redis.prefix: must have at most 64 bytes\n")


def test_wrong_lines_are_told_without_their_values(check):
    text = "\n".join(["GOOD=1", "no-secret-please", "A-B=secret", "A =secret", "=secret", "export A=secret", "A='secret", 'A="secret\\"',
                      "A='secret' secret", "A=sec'ret", "A=sec\\ret", "1A=secret"])
    code, out = check(text)
    assert code == 2 and "secret" not in out
    lines = out.splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"env:{n}" for n in range(2, 13)]
    assert lines[0] == "env:2: is not NAME=value" and lines[5] == "env:7: has no closing quote"
    assert lines[7] == "env:9: has text behind the closing quote" and "put the value in 'quotes'" in lines[8]
    assert check(b"A=1\nTHE_PASSWORD=a\0b\n") == (2, "env:2: has a NUL byte\n")
    assert check("#\n" * 99999 + "THE_PASSWORD=0123456789")[0] == check("#\n" * 99999 + "THE_PASSWORD=0123456789\n")[0] == 0
    assert check("#\n" * 100000 + "THE_PASSWORD=0123456789")[1].startswith("env: has over 100000 lines\n")
    code, out = check("A=" + "x" * (300 << 10))
    assert (code, out) == (2, "env:1: is over 256 KiB\n")


@pytest.mark.parametrize("part", [*PARTS, "cli"])
def test_a_line_without_an_end_is_not_read_to_its_end(part):
    action = ["status"] if part == "cli" else ["--check-config"]
    done = run(part, *action, "--env-file", "/dev/zero")
    assert (done.returncode, done.stdout + done.stderr) == (2, "/dev/zero:1: is over 256 KiB\n")


def test_it_wins_over_the_environment_and_sets_what_the_program_reads(check, conf):
    assert check("THE_PASSWORD=0123456789", THE_PASSWORD="short")[0] == 0
    assert check("THE_PASSWORD=0123456789\nHOOKPACE_RECEIVER_THREADS=0") == (
        2, "receiver.threads (HOOKPACE_RECEIVER_THREADS): must be a whole number from 1 to 64\n")
    code, out = check("THE_PASSWORD=0123456789\nHOOKPACE_LOG=loud")
    assert code == 2 and "HOOKPACE_LOG must be" in out


def test_several_files_and_a_pipe(conf, tmp_path):
    (tmp_path / "one").write_text("THE_PASSWORD=short\nHOOKPACE_CONFIG=" + str(conf))
    (tmp_path / "two").write_text("THE_PASSWORD=long-enough\n")
    files = ["--env-file", tmp_path / "one", "--env-file", tmp_path / "two"]
    assert run("receiver", *files, "--check-config", cwd="/").stdout == "config ok\n"
    ours, theirs = os.pipe()
    os.write(theirs, b"THE_PASSWORD=long-enough\n")
    os.close(theirs)
    done = run("receiver", "--env-file", f"/dev/fd/{ours}", "--config", conf, "--check-config", pass_fds=[ours])
    os.close(ours)
    assert done.stdout == "config ok\n"


@pytest.mark.parametrize("part", [*PARTS, "cli"])
def test_a_file_that_cannot_be_read(part, tmp_path):
    action = ["status"] if part == "cli" else ["--check-config"]
    for path, why in ((tmp_path / "none", "cannot open the file"), (tmp_path, "cannot read the file")):
        done = run(part, *action, "--env-file", path)
        assert done.returncode == 2 and why in done.stderr and str(path) in done.stderr


def test_a_program_runs_with_it(stack, tmp_path):
    (tmp_path / "env").write_text("THE_SECRET='from the file'\nHOOKPACE_RECEIVER_MAX_BODY_BYTES=20\n")
    conf = config.base(stack.redis.url)
    conf["sources"]["in"] = config.source([], "token", ["env:THE_SECRET"])
    receiver = stack.receiver(conf, args=["--env-file", str(tmp_path / "env")])
    assert receiver.post("/in/in?token=from%20the%20file", b'{"id":"1"}').status == 200
    assert receiver.post("/in/in?token=from%20the%20file", b'{"id":"1234567890123456"}').status == 413


def test_the_command_takes_its_login_from_it(stack, tmp_path):
    conf = {**config.base(stack.redis.url), "accounts": {"boss": {"password": "0123456789", "role": "admin"}}}
    receiver = stack.receiver(conf)
    (tmp_path / "env").write_text(f"HOOKPACE_URL=http://{receiver.admin}\nHOOKPACE_LOGIN=boss:0123456789\n")
    done = run("cli", "status", "--env-file", tmp_path / "env")
    assert done.returncode == 0, done
    assert run("cli", "status", env={"HOOKPACE_URL": f"http://{receiver.admin}"}).returncode == 2
