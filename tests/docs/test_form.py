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
