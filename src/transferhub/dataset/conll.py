"""CoNLL columns → a table: a token and its tag a line, a blank line between sentences."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from transferhub.dataset import raw
from transferhub.dataset.encodings import encoding_of
from transferhub.dataset.kinds import SPLIT
from transferhub.dataset.roles import usual_names
from transferhub.dataset.table import Cells, Table
from transferhub.errors import ConfigError, DataError

SUFFIXES = (".conll", ".conll03", ".bio", ".iob", ".iob2", ".bioes", ".annotated")
START = "-DOCSTART-"  # a line that begins a document; no token
BLANKS = re.compile(r"[ \t]+")  # not str.split(): a token may be a no-break or an ideographic space


def is_conll(path: Path, encoding: str | None = None) -> bool:
    r"""Whether a file has a token a line: by its name, or by its first rows.

    A file has a sentence a line if it has a header of known names, if rows are joined by ``\x02``, or if cells between
    tabs hold several words.
    """
    kind = raw.suffix_of(path)
    if kind in SUFFIXES:
        return True
    seen = raw.survey(path)
    text = seen.head.decode(encoding_of(path, seen, encoding), "ignore").removeprefix("\ufeff")
    if kind == ".csv" or SPLIT in text:
        return False
    text = text[: text.rfind("\n")] if seen.size > len(seen.head) else text
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith((START, "# "))][:200]
    if lines and usual_names("tags").issuperset(cell.strip().lower() for cell in lines[0].split("\t")):
        return False
    return not any(" " in cell.strip() for line in lines for cell in (line.split("\t") if "\t" in line else ()))


def has_tags(path: Path, labels: Sequence[str], encoding: str | None = None) -> bool:
    """Whether a file to predict has CoNLL columns with tags in the last of them, as its first line has it or not."""
    if raw.suffix_of(path) in SUFFIXES:
        return True
    seen = raw.survey(path)
    text = seen.head.decode(encoding_of(path, seen, encoding), "ignore").removeprefix("\ufeff")
    first = next((line for line in text.splitlines() if line.strip() and not line.startswith(START)), "")
    cells = _cells(first, "\t" in first)
    return len(cells) > 1 and cells[-1] in labels and is_conll(path, encoding)


def conll(
    path: Path,
    *,
    token: str | int | None = None,
    tag: str | int | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
) -> Table:
    """Open a file of CoNLL columns; its two columns are ``tokens`` and ``tags``, a row is a sentence.

    Args:
        path: The file.
        token: The number of the tokens' column; None: 0, the first.
        tag: The number of the tags' column; None: -1, the last.
        delimiter: What stands between columns. None: tabs where the first line has one, else spaces.
        encoding: Of its text.

    Raises:
        ConfigError: Columns that are named.
        DataError: Nothing in it; and, when rows are read, a line with another number of columns than the first.
    """
    columns = _number(token, 0, "text"), _number(tag, -1, "label")
    seen = raw.survey(path)
    encoding = encoding_of(path, seen, encoding)
    text = seen.head.decode(encoding, "ignore").removeprefix("\ufeff")
    first = next((line for line in text.splitlines() if line.strip() and not line.startswith((START, "# "))), None)
    if first is None:
        raise DataError(f"{path} is empty", expected="a token and its tag a line, a blank line between sentences")
    tabs = delimiter == "\t" or (delimiter is None and "\t" in first)
    width = len(_cells(first, tabs))
    for column in columns:
        if not -width <= column < width or width < 2:
            raise DataError(
                f"{path}: its lines have {width} columns: {first[:60]!r}",
                expected="a token and its tag, or columns text=… and label=… by number, from 0",
            )
    notes: list[str] = []

    def read(wanted: Sequence[int]) -> Iterator[Cells]:
        for line, tokens, tags in _sentences(path, encoding, tabs, width, columns, notes):
            yield line, [(tokens, tags)[column] for column in wanted]

    said = [encoding, "CoNLL columns" + (" between tabs" if tabs else " between spaces")]
    digest = hashlib.sha256(f"{seen.digest} {encoding} conll {tabs} {width} {columns}".encode()).hexdigest()
    return Table(str(path), ["tokens", "tags"], 2, read, said, [], digest, seen.size, chosen=True, notes=notes)


def _sentences(
    path: Path, encoding: str, tabs: bool, width: int, columns: tuple[int, int], notes: list[str]
) -> Iterator[tuple[int, list[str], list[str]]]:
    tokens: list[str] = []
    tags: list[str] = []
    starts = comments = begin = 0
    with raw.reading(path), raw.open_text(path, encoding) as file:
        for line, text in enumerate(file, 1):
            text = (text.removeprefix("\ufeff") if line == 1 else text).rstrip("\r\n")
            if not text.strip(" \t"):
                if tokens:
                    yield begin, tokens, tags
                    tokens, tags = [], []
                continue
            if text.startswith(START):
                starts += 1
                continue
            cells = _cells(text, tabs)
            if len(cells) != width and text.startswith("# "):
                comments += 1
                continue
            if len(cells) != width:
                raise DataError(
                    f"{path}:{line}: {len(cells)} columns, the first line has {width}: {text[:60]!r}",
                    expected="a token and its tag a line, a blank line between sentences",
                    fix='columns between tabs: delimiter="\\t"; between spaces: delimiter=" "',
                )
            begin = begin if tokens else line
            tokens.append(cells[columns[0]])
            tags.append(cells[columns[1]])
    if tokens:
        yield begin, tokens, tags
    if starts or comments:
        notes.append(f"{path}: {starts} {START} lines and {comments} lines of comment are left out")


def _cells(line: str, tabs: bool) -> list[str]:
    line = line.rstrip("\r\n")
    return [cell.strip(" ") for cell in line.rstrip("\t").split("\t")] if tabs else BLANKS.split(line.strip(" \t"))


def _number(given: str | int | None, usual: int, role: str) -> int:
    if given is None:
        return usual
    if isinstance(given, int) or re.fullmatch(r"-?[0-9]+", given):
        return int(given)
    raise ConfigError(f"{role}={given!r}: CoNLL columns have no names", expected="a number from 0, or -1 for the last")
