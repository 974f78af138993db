"""A page of the documentation as a list of fenced blocks, each with the marks behind its language.

    ```sh run               commands of the page's one shell; each must end with 0
    ```sh run status=2      ... the last one that fails, with 2
    ```sh run until         ... repeated until its output is that of the page (10 s at most), since what it shows takes a moment
    ```sh run or            the same step in another way: left out
    ```text output          what the command before has printed
    ```json file=NAME       the content of a file
    ```json adds=NAME       keys for the file NAME, which take the place of its own
    ```sh elsewhere=TEST    run by another test, or by none (elsewhere=nowhere): it needs what this machine has not

Above a block or anywhere else, comments say what a reader has and the page does not start:

    <!-- needs: redis app -->
    <!-- here: https://api.example.com is http://127.0.0.1:8099 -->
"""

import re
from dataclasses import dataclass

FENCE = re.compile(r"^( *)```(.*)\n((?:.*\n)*?)\1```$", re.M)


@dataclass
class Block:
    line: int
    language: str
    marks: dict
    text: str
    span: tuple     # of the text in the page


class Page:
    def __init__(self, path):
        self.path = path
        self.text = path.read_text()
        self.blocks = [self._block(m) for m in FENCE.finditer(self.text)]

    def _block(self, match):
        indent, info, text = match.groups()
        language, *marks = info.split() or [""]
        plain = "\n".join(line.removeprefix(indent) for line in text.split("\n"))
        return Block(self.text.count("\n", 0, match.start()) + 1, language,
                     {name: value or True for name, _, value in (mark.partition("=") for mark in marks)}, plain, match.span(3))

    @property
    def needs(self):
        """Names of what a reader has: of the comments "needs: ..."."""
        return " ".join(re.findall(r"<!-- needs: (.*?) -->", self.text)).split()

    @property
    def here(self):
        """(text, text instead) for what is elsewhere in the world."""
        return re.findall(r"<!-- here: (\S+) is (\S+) -->", self.text)

    def write(self, outputs):
        """Puts OUTPUTS (block -> text) into the file."""
        for block, text in sorted(outputs, key=lambda pair: -pair[0].span[0]):
            start, end = block.span
            self.text = self.text[:start] + text.rstrip("\n") + "\n" + self.text[end:]
        self.path.write_text(self.text)


# Texts that differ from run to run, and the word for each when two outputs are compared.
VARIES = [(re.compile(pattern), token) for pattern, token in [
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<uuid>"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?", "<time>"),
    (r"\b\d\d:\d\d:\d\d(\.\d+)?\b", "<clock>"),
    (r"\b1[6-9]\d{11}(\.\d+)?\b", "<ms>"),
    (r"\b1[6-9]\d{8}\b", "<s>"),
    (r"v1,[A-Za-z0-9+/]{43}=", "<signature>"),
    (r"\b[0-9a-f]{64}\b", "<signature>"),
    (r"\b[0-9a-f]{16}\b", "<digest>"),
    (r"Hookpace/\d+\.\d+\.\d+", "Hookpace/<version>"),
    (r'"(pid|ms|duration_ms|bytes)":\d+', r'"\1":<n>'),
    (r'"time":"[0-9.]+ sec\."', '"time":<n>'),
    (r'("(?:ms|duration_ms)": )\d+', r"\1<n>"),
    (r"\b\d+(\.\d+)?(ms|s|m|h)\b", "<age>"),
    (r"\b\d+ ms\b", "<age>"),
    (r"^duration_ms +\d+", "duration_ms <n>"),                             # of `hookpace show`
    (r"^(\d+ +<time> +\d+ +)([a-z_0-9]+ +)?\d+( |$)", r"\1\2<n> "),       # its table of attempts
]]


def alike(line):
    """LINE without what differs from run to run; several spaces are one."""
    for pattern, token in VARIES:
        line = pattern.sub(token, line)
    return " ".join(line.split())


def fits(expected, found):
    """True if the text FOUND is EXPECTED; a line "..." there stands for any lines."""
    return _fits([alike(x) for x in expected.strip().split("\n")], [alike(x) for x in found.strip().split("\n")])


def _fits(expected, found):
    if not expected:
        return not found
    if expected[0] == "...":
        return any(_fits(expected[1:], found[n:]) for n in range(len(found) + 1))
    return bool(found) and _same(expected[0], found[0]) and _fits(expected[1:], found[1:])


def _same(expected, found):
    """A "..." inside a line stands for any text."""
    pattern = ".*".join(re.escape(part) for part in expected.split("..."))
    return re.fullmatch(pattern, found) is not None
