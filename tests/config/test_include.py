"""`include`: accounts, sources and destinations in files of their own; and `$schema` and `$comment`, which say nothing."""

import hashlib
import json
import os
import signal
import subprocess

import pytest

from harness import config, paths
from harness.wait import wait_for

MAIN = {"include": ["tenants/*.json"], "sources": {}, "destinations": {}}


def tenant(name, **more):
    """What the file of one tenant holds. Nothing in it is warned of."""
    return {"accounts": {name: {"password": "0123456789"}},
            "sources": {name: {"verify": {"scheme": "token", "secrets": ["0123456789"]}, "id": ["/id"], "to": [name]}},
            "destinations": {name: {"postback_url": "http://127.0.0.1:9/", "lane": f"of-{name}"}}, **more}


class Folder:
    def __init__(self, path):
        self.path = path
        (path / "tenants").mkdir()

    def write(self, name, conf):
        (self.path / name).write_text(conf if isinstance(conf, str) else json.dumps(conf))
        return self.path / name

    def check(self, main=None, part="receiver"):
        """The exit code and the lines of --check-config, with the folder's name cut out of them."""
        if main is not None:
            self.write("hookpace.json", main)
        clean = {k: v for k, v in os.environ.items() if not k.startswith("HOOKPACE_")}
        done = subprocess.run([paths.program(part), "--check-config", "--config", self.path / "hookpace.json"], env=clean,
                              cwd="/", capture_output=True, text=True, timeout=60, check=False)
        assert done.stderr == ""
        return done.returncode, done.stdout.replace(f"{self.path}/", "").splitlines()


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


@pytest.mark.parametrize("part", ["receiver", "dispatcher"])
def test_files_add_what_they_hold(folder, part):
    """Also where the main file has no sources and no destinations of its own."""
    folder.write("tenants/acme.json", tenant("acme"))
    folder.write("tenants/.hidden.json", "{")
    folder.write("tenants/acme.json~", "{")
    assert folder.check({"include": ["tenants/*.json"]}, part) == (0, ["config ok"])


def test_a_reference_goes_from_file_to_file(folder):
    folder.write("tenants/a.json", {"sources": {"a": {**tenant("a")["sources"]["a"], "to": ["main", "b"]}}})
    folder.write("tenants/b.json", {"destinations": tenant("b")["destinations"]})
    main = {**MAIN, "destinations": tenant("main")["destinations"]}
    assert folder.check(main) == (0, ["config ok"])
    folder.write("tenants/a.json", {"sources": {"a": {**tenant("a")["sources"]["a"], "to": ["mian"]}}})
    assert folder.check(main) == (2, ['tenants/a.json: sources.a.to[0]: no such destination; did you mean "main"?'])


def test_problems_have_the_name_of_their_file(folder):
    bad = tenant("a")
    bad["destinations"]["a"]["delay_ms"] = 75                       # found when it is built
    bad["sources"]["a"]["payload"] = "jason"                        # found when it is read
    bad["sources"]["a b"] = bad["sources"]["a"]
    bad["accounts"]["a"]["pasword"] = "x"
    folder.write("tenants/a.json", bad)
    folder.write("tenants/b.json", '{"sources": {"b": ')
    folder.write("tenants/c.json", [1])
    folder.write("tenants/d.json", {"redis": {}, "sauces": {}, "sources": [], "delay_ms": 0})
    code, lines = folder.check({**MAIN, "delay_ms": 75})
    assert code == 2
    assert sorted(line.split(": ")[0] for line in lines) == sorted(
        ["delay_ms", *["tenants/a.json"] * 5, "tenants/b.json", "tenants/c.json", *["tenants/d.json"] * 4])
    text = "\n".join(lines)
    for part in ("tenants/a.json: destinations.a.delay_ms: 75 is not allowed", "tenants/a.json: sources.a.payload: must be one of",
                 'tenants/a.json: sources."a b": is not allowed as a name', "tenants/a.json: accounts.a.pasword: unknown key",
                 "tenants/b.json: not valid JSON: line 1, column 19", "tenants/c.json: must be an object, not an array",
                 "tenants/d.json: redis: may be in ", "tenants/d.json: sauces: unknown key", "tenants/d.json: sources: must be an object"):
        assert part in text, part


def test_warnings_have_the_name_of_their_file(folder):
    open_to_all = tenant("a")
    del open_to_all["sources"]["a"]["id"]
    folder.write("tenants/a.json", open_to_all)
    code, (warning, ok) = folder.check(MAIN)
    assert (code, ok) == (0, "config ok") and warning.startswith("tenants/a.json: sources.a: warning: ")


@pytest.mark.parametrize("section", ["accounts", "sources", "destinations"])
def test_a_name_in_two_files_is_an_error_that_names_both(folder, section):
    only = {section: tenant("acme")[section]}
    folder.write("tenants/a.json", only)
    folder.write("tenants/b.json", only)
    more = {key: value for key, value in tenant("acme").items() if key != section}
    assert folder.check({**MAIN, **more}) == (2, [
        f"tenants/b.json: {section}.acme: is in tenants/a.json too; remove one of them"])
    (folder.path / "tenants/b.json").unlink()
    assert folder.check({**MAIN, **tenant("acme")})[1] == [
        f"tenants/a.json: {section}.acme: is in hookpace.json too; remove one of them"]


def test_an_included_file_includes_nothing(folder):
    folder.write("tenants/a.json", {**tenant("a"), "include": ["*.json"]})
    assert folder.check(MAIN) == (2, [
        "tenants/a.json: include: may be in hookpace.json only; an included file has accounts, sources and destinations"])


def test_patterns(folder):
    folder.write("tenants/a.json", tenant("a"))
    folder.write("tenants/b.json", tenant("b"))
    # twice the same file, and the main file itself: each is read once
    assert folder.check({**MAIN, "include": ["tenants/a.json", "tenants/[ab].json", "*.json", "./hookpace.json"]}) == (0, ["config ok"])
    code, lines = folder.check({**MAIN, "include": ["tenants/*.jsn"]})
    assert (code, lines) == (0, [f"include[0]: warning: no file of {folder.path}/tenants matches *.jsn".replace(f"{folder.path}/", ""), "config ok"])
    wrong = {"tenants/c.json": "tenants/c.json: cannot open the file tenants/c.json: No such file or directory",
             "tennants/*.json": "include[0]: cannot open the directory tennants: No such file or directory",
             "*/a.json": "include[0]: may have *, ? and [...] in its last part only",
             "tenants/": "include[0]: must name a file, such as tenants/*.json",
             "": "include[0]: must name a file, such as tenants/*.json"}
    for pattern, says in wrong.items():
        assert folder.check({**MAIN, "include": [pattern]}) == (2, [says])
    assert folder.check({**MAIN, "include": "tenants/*.json"})[1] == ["include: must be an array of strings, not a string"]


def test_files_that_cannot_be_read(folder):
    os.symlink("loop.json", folder.path / "tenants/loop.json")
    os.symlink("nothing", folder.path / "tenants/dangling.json")
    (folder.path / "tenants/folder.json").mkdir()
    os.mkfifo(folder.path / "tenants/pipe.json")
    code, lines = folder.check(MAIN)
    assert code == 2
    says = {"loop": "Too many levels of symbolic links", "dangling": "No such file or directory",
            "folder": "not a regular file", "pipe": "not a regular file"}
    assert len(lines) == len(says)
    for name, why in says.items():
        assert any(line.startswith(f"tenants/{name}.json: cannot ") and line.endswith(why) for line in lines), lines
    if os.getuid() != 0:
        folder.write("tenants/locked.json", "{}").chmod(0)
        assert any(line.endswith("Permission denied") for line in folder.check()[1])


def test_links_as_kubernetes_mounts_them(folder):
    """The names are links to a hidden folder, which is another link."""
    (folder.path / "tenants/..1").mkdir()
    folder.write("tenants/..1/a.json", tenant("a"))
    os.symlink("..1", folder.path / "tenants/..data")
    os.symlink("..data/a.json", folder.path / "tenants/a.json")
    assert folder.check(MAIN) == (0, ["config ok"])


def test_files_beside_an_included_file(folder):
    """Relative paths start at the file that names them."""
    folder.write("tenants/password", "0123456789")
    folder.write("tenants/a.json", {"accounts": {"a": {"password": "file:password"}}})
    assert folder.check(MAIN) == (0, ["config ok"])
    assert folder.check({**MAIN, "accounts": {"b": {"password": "file:password"}}})[0] == 2


def test_thousands_of_files(folder):
    for i in range(1000):
        folder.write(f"tenants/t{i:04}.json", tenant(f"t{i}"))
    assert folder.check(MAIN) == (0, ["config ok"])
    folder.write("tenants/t0999.json", tenant("t5"))
    code, lines = folder.check(MAIN)
    assert code == 2 and lines == [f"tenants/t0999.json: {section}.t5: is in tenants/t0005.json too; remove one of them"
                                   for section in ("accounts", "sources", "destinations")]
    for i in range(1000, 10001):
        folder.write(f"tenants/t{i:04}.json", "{}")
    folder.write("tenants/t0999.json", "{}")
    assert folder.check(MAIN) == (2, ["include[0]: brings the included files to over 10000"])


def test_the_bytes_of_all_files_are_limited(folder):
    for i in range(5):
        folder.write(f"tenants/{i}.json", "{}" + " " * (4 << 20))
    assert folder.check(MAIN) == (2, ["tenants/3.json: brings the included files to over 16777216 bytes"])


def test_a_reload_takes_what_changed(stack, tmp_path):
    folder = Folder(tmp_path / "conf") if (tmp_path / "conf").mkdir() is None else None
    conf = {**config.base(stack.redis.url), "include": [f"{folder.path}/tenants/*.json"]}
    folder.write("tenants/a.json", tenant("a"))
    folder.write("tenants/b.json", tenant("b"))
    receiver = stack.receiver(conf)
    token = {"Authorization": "0123456789"}

    def status(name):
        return receiver.post(f"/in/{name}?token=0123456789", b'{"id":"x"}', headers=token).status

    def reloaded():
        since = len(receiver.logged("config.reloaded"))
        receiver.signal(signal.SIGHUP)
        wait_for(lambda: len(receiver.logged("config.reloaded")) > since, 5)
        return receiver.logged("config.reloaded")[-1]

    assert [status(name) == 404 for name in "abc"] == [False, False, True]
    assert reloaded()["unchanged"] is True
    folder.write("tenants/c.json", tenant("c"))
    (folder.path / "tenants/a.json").unlink()
    now = reloaded()
    assert "unchanged" not in now
    assert [status(name) == 404 for name in "abc"] == [True, False, False]
    text = receiver.config_path.read_bytes() + b"".join(
        (folder.path / f"tenants/{name}.json").read_bytes() for name in "bc")
    assert now["digest"] == hashlib.sha256(text).hexdigest()[:16]
    folder.write("tenants/c.json", tenant("d"))
    assert "unchanged" not in reloaded()
    assert [status(name) == 404 for name in "bcd"] == [False, True, False]
    folder.write("tenants/a.json", tenant("b"))
    receiver.reload(None, accepted=False)
    told = [line["problem"] for line in receiver.logged("config.problem")]
    assert told and all("/tenants/" in line and " too; remove one of them" in line for line in told), told
    assert [status(name) == 404 for name in "abcd"] == [True, False, True, False]


def test_remarks_may_be_anywhere(folder):
    def remarked(value):
        if isinstance(value, dict):
            return {"$comment": {"any": ["thing", None]}, **{k: remarked(v) for k, v in value.items()}, "$schema": "hookpace.schema.json"}
        return value

    folder.write("tenants/b.json", remarked(tenant("b")))
    main = tenant("a", include=["tenants/*.json"], redis={}, dispatcher={"egress": {}})
    main["destinations"]["a"].update(headers={"X-Team": "seo"}, retry={"jitter": 0.1}, sign={"scheme": "github", "secrets": ["0123456789"]})
    assert folder.check(remarked(main)) == (0, ["config ok"])
    assert folder.check({**main, "$coment": "x"}) == (2, ['"$coment": unknown key'])
