"""The man pages: groff finds nothing to say, and they have what the programs and the table of keys have."""

import re
import subprocess

import pytest

from harness import paths

PAGES = ["man1/hookpace.1", "man5/hookpace-config.5", "man8/hookpace-receiver.8", "man8/hookpace-dispatcher.8"]


def shown(installed, page):
    """As man shows it, on one line, without the overstriking of a terminal."""
    done = subprocess.run(["man", "--warnings", "-l", installed / "share/man" / f"{page}.gz"], capture_output=True, timeout=30, check=True,
                          env={"PATH": "/usr/bin:/bin", "MANWIDTH": "1000", "LC_ALL": "C.UTF-8", "MAN_KEEP_FORMATTING": ""})
    assert not done.stderr, done.stderr
    return re.sub(r"\s+", " ", done.stdout.decode())


@pytest.mark.parametrize("page", PAGES)
def test_groff_has_no_warning(installed, page):
    text = subprocess.run(["zcat", installed / "share/man" / f"{page}.gz"], capture_output=True, timeout=10, check=True).stdout
    done = subprocess.run(["groff", "-ww", "-man", "-k", "-Tutf8"], input=text, capture_output=True, timeout=30, check=True)
    assert not done.stderr, done.stderr
    assert len(done.stdout) > 1000


@pytest.mark.parametrize("page", PAGES)
def test_sections_and_name(installed, page):
    text = shown(installed, page)
    name = page.split("/")[1].rsplit(".", 1)[0]
    assert f"NAME {name} - " in text
    for section in ("DESCRIPTION", "SEE ALSO"):
        assert section in text
    assert "@" + "include" not in text and "| ---" not in text and "**" not in text


@pytest.mark.parametrize("page,program", [("man8/hookpace-receiver.8", "hookpace-receiver"), ("man8/hookpace-dispatcher.8", "hookpace-dispatcher"),
                                          ("man1/hookpace.1", "hookpace")])
def test_every_option_is_there(installed, page, program):
    text = shown(installed, page)
    told = subprocess.run([installed / "bin" / program, "--help"], capture_output=True, text=True, timeout=10, check=True).stdout
    options = re.findall(r"^  (?:-[a-zA-Z], )?(--[a-z-]+|[a-z][a-z-]+)", told, re.M)
    assert len(options) > 3
    for option in options:
        assert f" {option} " in text, option


def test_every_option_of_a_command_is_there(installed):
    text = shown(installed, "man1/hookpace.1")
    for words in ("--state STATE", "--destination NAME", "--repair mend what was found", "completion bash|zsh|fish print a script"):
        assert words in text, words


def test_every_key_is_there(installed):
    text = shown(installed, "man5/hookpace-config.5")
    table = (paths.REPOSITORY / "common/config/config_table.c").read_text()
    keys = [key for key in re.findall(r'^    \{"([a-z_.*]+)"', table, re.M) if not key.endswith(".")]
    page = (paths.REPOSITORY / "docs/reference/configuration.md").read_text()
    assert len(keys) > 80
    for key in keys:
        assert f"`{key}`" not in page or f" {key} " in text, key
