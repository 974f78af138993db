"""README.md and the guides: every command is run, and prints what the page says.

HOOKPACE_UPDATE_DOCS=1 writes what was printed into the page.
"""

import json
import os
import re
import time

import pytest

from harness import paths
from page import Page, fits
from session import Session

UPDATE = os.environ.get("HOOKPACE_UPDATE_DOCS") == "1"
PAGES = ["README.md", "docs/reference/command.md", "docs/reference/operators.md",
         *sorted(str(p.relative_to(paths.REPOSITORY)) for p in (paths.REPOSITORY / "docs/guides").glob("*.md"))]
PATIENCE_S = 2 if UPDATE else 10


@pytest.fixture
def session(tmp_path, request):
    made = Session(tmp_path)
    request.node.session_of_page = made
    yield made
    made.close()


class Walk:
    """One reader of PAGE, who does all of it in SESSION."""

    def __init__(self, page, session):
        self.page, self.session = page, session
        self.updates = []

    def go(self):
        for name in self.page.needs:
            self.session.provide(name)
        try:
            self.steps(self.page.blocks)
        finally:
            if UPDATE:
                self.page.write(self.updates)

    def steps(self, blocks):
        for n, block in enumerate(blocks):
            following = blocks[n + 1] if n + 1 < len(blocks) else None
            output = following if following and "output" in following.marks else None
            if name := block.marks.get("file"):
                self.write(name, self.localised(block.text))
            elif name := block.marks.get("adds"):
                self.add(name, self.localised(block.text))
            elif "run" in block.marks and "or" not in block.marks:
                self.step(block, output)

    def localised(self, text):
        for there, here in self.page.here:
            text = text.replace(there, here)
        return text

    def write(self, name, text):
        path = self.session.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def add(self, name, text):
        path = self.session.directory / name
        merged = merge(json.loads(path.read_text()), json.loads("{" + text.strip().rstrip(",") + "}"))
        path.write_text(json.dumps(merged, indent=2))

    def step(self, block, output):
        deadline = time.monotonic() + (PATIENCE_S if "until" in block.marks else 0)
        wanted = int(block.marks.get("status", 0))
        expected = output.text if output else None
        while True:
            status, printed = self.session.run(self.localised(block.text))
            right = status == wanted and (expected is None or fits(self.localised(expected), printed))
            if right or time.monotonic() >= deadline:
                break
            time.sleep(0.1)
        where = f"{self.page.path.name}:{block.line}"
        if output and UPDATE and not right and not re.search(r"^\.\.\.$", expected, re.M):
            self.updates.append((output, printed))
            return
        logs = "".join(f"\n--- {name}\n{text}" for name, text in self.session.logs())
        assert status == wanted, f"{where}: exit status {status}\n{block.text}\n{printed}{logs}"
        assert right, f"{where}:\n{block.text}\nprinted\n{printed}\ninstead of\n{expected}{logs}"


def merge(old, new):
    """OLD with the keys of NEW, objects in objects."""
    return {**old, **{k: merge(old[k], v) if isinstance(v, dict) and isinstance(old.get(k), dict) else v for k, v in new.items()}}


@pytest.mark.parametrize("name", PAGES)
def test_page(name, session):
    Walk(Page(paths.REPOSITORY / name), session).go()


# Commands that need an engine, a cluster or an installed system: tests/compose and tests/packages have those.
OTHER_SYSTEMS = ("docker", "docker-compose", "kubectl", "sudo", "apt", "apt-get", "dpkg", "systemctl", "journalctl")


def is_for_another_system(block):
    lines = [line.split() for line in block.text.replace("\\\n", " ").split("\n")]
    return all(words[0] in OTHER_SYSTEMS for words in lines if words and not words[0].startswith("#"))


@pytest.mark.parametrize("name", PAGES)
def test_all_blocks_are_marked(name):
    """A command without a mark would be one that nobody tries."""
    marks = {"run", "output", "file", "adds", "elsewhere", "snippet"}
    bare = [f"{name}:{b.line}" for b in Page(paths.REPOSITORY / name).blocks
            if b.language in ("sh", "json", "text") and not marks & set(b.marks)
            and not (b.language == "sh" and is_for_another_system(b))]
    assert not bare
