"""csv, tsv and txt → a table: separator, quoting and header are told from the file, or are an error that asks."""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from transferhub.dataset import raw
from transferhub.dataset.encodings import encoding_of
from transferhub.dataset.kinds import SPLIT
from transferhub.dataset.rows import DELIMITERS, head_rows, named, promised_delimiter, read_rows
from transferhub.dataset.table import Cells, Table
from transferhub.errors import ConfigError, DataError


def delimited(
    path: Path,
    known: Collection[str],
    numbered: bool = False,
    *,
    delimiter: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    quoted: bool | None = None,
) -> Table:
    """Open a delimited file; what is None is told from its first rows.

    Args:
        path: The file.
        known: Names of columns, in lower case, by which a header is known.
        numbered: Whether columns are asked for by number: then a first row without known names is no header.
        delimiter: What stands between two cells.
        encoding: Of its text.
        header: Whether the first row names the columns.
        quoted: Whether ``"…"`` encloses a cell. None: in ``.csv`` files and where the separator is not a tab; in tsv
            files quotes are data, as PaddleHub has it.

    Raises:
        DataError: Nothing in it, or a separator that cannot be told.
    """
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '\r\n"'):
        raise ConfigError(f"delimiter={delimiter!r}", expected='one character, say "," or "\\t"')
    seen = raw.survey(path)
    encoding = encoding_of(path, seen, encoding)
    text = seen.head.decode(encoding, "ignore").removeprefix("\ufeff")
    if seen.size > len(seen.head):
        text = text[: max(text.rfind("\n"), text.rfind("\r")) + 1] or text
    if not text.strip():
        raise DataError(f"{path} is empty", expected="a header line that names the columns, then a row a line")
    delimiter = delimiter or _guess_delimiter(path, text, known)
    quoted = quoted if quoted is not None else _usually_quoted(path, delimiter)
    sample = head_rows(text, delimiter=delimiter, quoted=quoted)
    first = [cell.strip() for cell in sample[0]] if sample else []
    if header is None:
        header = _knows(sample[0], known) if numbered and sample else _guess_header(path, sample, known)
    notes: list[str] = []

    def read(columns: Sequence[int]) -> Iterator[Cells]:
        rows = read_rows(path, delimiter=delimiter, quoted=quoted, encoding=encoding, notes=notes)
        if header:
            next(rows, None)
        for line, cells in rows:
            yield line, [cells[column] for column in columns]

    if not quoted and delimiter == "\t" and _all_in_quotes(sample[1:]):
        notes.append(f'{path}: cells stand in quotes, which are data in this file: quoted=True reads "…" as a cell')
    said = [encoding, named(delimiter), "header" if header else "no header"]
    return Table(
        source=str(path),
        names=first if header else None,
        width=len(first),
        read=read,
        said=said if len(first) > 1 else [encoding, "one column", said[2]],
        sample=sample[1:] if header else sample,
        digest=hashlib.sha256(f"{seen.digest} {encoding} {delimiter!r} {header} {quoted}".encode()).hexdigest(),
        size=seen.size,
        notes=notes,
    )


def _usually_quoted(path: Path, delimiter: str) -> bool:
    return raw.suffix_of(path) == ".csv" or delimiter != "\t"


def _guess_delimiter(path: Path, text: str, known: Collection[str]) -> str:
    """The separator that the name promises, unless another one, and only one, cuts all rows alike.

    A tab is what ``.tsv`` and ``.txt`` promise; there another separator is believed only from a header with known
    names, since a comma may well be part of each text.
    """
    promised = promised_delimiter(path)
    heads = {mark: head_rows(text, delimiter=mark, quoted=_usually_quoted(path, mark)) for mark in DELIMITERS}
    alike = {mark: _alike(rows) for mark, rows in heads.items()}
    if alike[promised] == 1:
        return promised
    even = [mark for mark, share in alike.items() if share == 1]
    told = [mark for mark in even if _knows(heads[mark][0], known)]
    if len(told) == 1:
        return told[0]
    if promised == "\t" or not even:
        return promised if alike[promised] or promised == "\t" else _best(alike, promised)
    if len(even) > 1:
        raise DataError(
            f"{path}: the separator may be {' or '.join(map(named, even))}: each cuts all rows alike",
            fix='name it: delimiter=";"',
        )
    return even[0]


def _best(alike: dict[str, float], promised: str) -> str:
    """A separator that cuts nearly all rows alike: the row that is not will be named."""
    mark = max(alike, key=lambda mark: alike[mark])
    return mark if alike[mark] > 0.9 else promised


def _alike(rows: list[list[str]]) -> float:
    """The share of rows that have as many cells as the first; 0 where that is one."""
    width = len(rows[0]) if rows else 0
    return sum(len(row) == width for row in rows) / len(rows) if width > 1 else 0.0


def _guess_header(path: Path, sample: list[list[str]], known: Collection[str]) -> bool:
    """Whether the first row names the columns.

    It does if one of its cells is a known name. It does not if one of its cells is a number, or comes again below in a
    column of few values: a label. Else it is taken for a header, whose columns the caller has to name.
    """
    if not sample or _knows(sample[0], known):
        return True
    first, below = sample[0], sample[1:]
    if any(SPLIT in cell for cell in first):  # tokens and tags
        return False
    if len(first) == 1:
        return raw.suffix_of(path) != ".txt"
    numbers = [_is_number(cell) for cell in first]
    if any(numbers) and not all(numbers):
        return False
    for column, cell in enumerate(first):
        values = [row[column] for row in below if len(row) == len(first)]
        if cell in values and len(set(values)) <= max(2, len(values) // 2):
            return False
    return True


def _knows(row: list[str], known: Collection[str]) -> bool:
    return any(cell.strip().lower() in known for cell in row)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _all_in_quotes(rows: list[list[str]]) -> bool:
    cells = [row[0] for row in rows if row]
    return len(cells) > 1 and all(len(cell) > 1 and cell[0] == cell[-1] == '"' for cell in cells)
