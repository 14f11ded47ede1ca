"""A document as a program: its code blocks in order, in one folder and one namespace.

A comment on the line above a block says what is to be done with it:

    <!-- file: train.py -->      it is written to that file
    <!-- needs: a network -->    it is not run; the reason is what a reader lacks, too

Blocks of ``python`` and ``bash`` are run, others (``text``, ``yaml`` …) are not, unless they are files.
"""

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from transferhub.commands import main

BLOCK = re.compile(r"^(?:<!-- (file|needs): (.+?) -->\n)?```(\w*)\n(.*?)^```$", re.M | re.S)
RUN = ("python", "bash")
NAMED_RUN = "ckpt_20261121101500"  # how pages call the folder of the run before, whose name is its time


@dataclass(frozen=True)
class Block:
    """A fenced block: where it begins, what it is in, and what its comment says."""

    page: Path
    line: int
    language: str
    text: str
    file: str = ""
    needs: str = ""

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """All blocks of a page."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in BLOCK.finditer(text):
        said, value, language, code = match.groups()
        line = text.count("\n", 0, match.start(4)) + 1
        marks = {said: value} if said else {}
        found.append(Block(page, line, language, code, **marks))
    return found


def code(page: Path) -> list[tuple[str, ...]]:
    """What both languages of a page share: its blocks that are code, without comments."""
    return [
        (block.language, block.file, block.needs, re.sub(r"[ \t]*#.*", "", block.text))
        for block in blocks(page)
        if block.language in (*RUN, "yaml")
    ]


def run(page: Path, instead: Mapping[str, str]) -> int:
    """Run a page in the current folder and return how many blocks were run; `instead`: text → what stands for it."""
    names: dict[str, object] = {"__name__": "__main__"}
    count = 0
    for block in blocks(page):
        text = block.text
        for written, small in {**instead, NAMED_RUN: _last_run()}.items():
            text = text.replace(written, small)
        if block.file:
            Path(block.file).write_text(text, encoding="utf-8")
        elif block.needs or block.language not in RUN:
            continue
        elif block.language == "python":
            # As many lines before it as on the page, so that a traceback points there.
            exec(compile("\n" * (block.line - 1) + text, str(block.page), "exec"), names)
        else:
            for command in commands(text):
                _run_command(command, block)
        count += 1
    return count


def commands(text: str) -> list[list[str]]:
    """The commands of a shell block as lists of words."""
    lines = text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def _last_run() -> str:
    return max((path.name for path in Path().glob("ckpt_2*")), default=NAMED_RUN)


def _run_command(words: list[str], block: Block) -> None:
    words = [os.path.expandvars(word) for word in words]
    if words[0] == "export":
        name, _, value = words[1].partition("=")
        os.environ[name] = value
        return
    if words[:3] == ["python", "-m", "transferhub.run_glue"]:
        words = ["hub", "glue", *words[3:]]
    assert words[0] == "hub", f"{block}: {words[0]} is no command that this can run; say what the block needs"
    code: object = 0
    try:
        main(words[1:])
    except SystemExit as ended:
        code = ended.code
    assert not code, f"{block}: {shlex.join(words)} ended with {code}"
