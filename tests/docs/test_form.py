"""tests/checks/pages finds each fault in a page, and none in a good one."""

import subprocess

import pytest

from harness import paths

GOOD = """# A page

A line with a [link](#a-page), `code | with a bar`, and ![no fault](page.md).

| a | table |
| --- | --- |
| with | a cell |

```sh
a line of code may be as wide as it likes, since nobody can break it where it would not be another command: ......................
```
"""
FAULTS = {
    "a wide line": ("word " * 30, "characters"),
    "a wide item": ("* " + "word " * 30, "characters"),
    "a full cell": (f"| {'word ' * 26}| b |", "a cell of 26 words"),
    "a full cell beside an escaped bar": (f"| a \\| {'word ' * 25}| b |", "a cell of 27 words"),
    "a link to no page": ("[x](nothing.md)", "nothing.md does not exist"),
    "a link to no heading": ("[x](page.md#nothing)", "page.md#nothing: no such heading"),
    "a link to no heading here": ("[x](#nothing)", "#nothing: no such heading"),
    "a link to a heading in code": ("```\n## Nothing\n```\n\n[x](#nothing)", "#nothing: no such heading"),
}


def faults(tmp_path, text):
    (tmp_path / "page.md").write_text(text)
    done = subprocess.run([paths.REPOSITORY / "tests/checks/pages", tmp_path / "page.md"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_good_page(tmp_path):
    assert faults(tmp_path, GOOD) == []


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault(name, tmp_path):
    text, message = FAULTS[name]
    (fault,) = faults(tmp_path, GOOD + "\n" + text + "\n")
    assert message in fault


def test_wide_lines_are_wrapped(tmp_path):
    """Code, links and items stay whole; a second time changes nothing."""
    item = "* " + "`code span` and [a link](page.md#a-page) " * 6
    wide = GOOD + "\n" + "word " * 60 + "\n\n" + item + "\n"
    assert len(faults(tmp_path, wide)) == 2
    command = [paths.REPOSITORY / "tests/checks/pages", "--wrap", tmp_path / "page.md"]
    subprocess.run(command, check=True)
    once = (tmp_path / "page.md").read_text()
    assert faults(tmp_path, once) == []
    assert once.startswith(GOOD) and once.split() == wide.split()
    assert once.count("`code span`") == 6 and "\n  " in once
    subprocess.run(command, check=True)
    assert (tmp_path / "page.md").read_text() == once
