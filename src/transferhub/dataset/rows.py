"""Delimited text files → rows, each with the line it starts on; every fault is named by file and line."""

import csv
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from transferhub.errors import DataError
from transferhub.log import logger

csv.field_size_limit(1 << 28)


class Row(NamedTuple):
    """The cells of one row and the line (from 1) on which it starts."""

    line: int
    cells: list[str]


def read_rows(path: Path, *, delimiter: str, quoted: bool) -> Iterator[Row]:
    """Yield the rows of a UTF-8 file; a byte order mark is dropped, blank lines are no rows (said).

    Args:
        path: The file.
        delimiter: What stands between two cells.
        quoted: Whether ``"…"`` encloses a cell, as in csv files; else quotes are data, as in PaddleHub's tsv files.

    Raises:
        DataError: No such file, a folder, not UTF-8, or a row with another number of cells than the first.
    """
    if not path.exists():
        raise DataError(f"there is no file {path}", fix="check the path; it is relative to the folder you are in")
    if path.is_dir():
        raise DataError(f"{path} is a folder", expected="a csv or tsv file")
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE)
        width, blank = 0, []
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader, None)
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{path}: not UTF-8 at line {_line_of_bad_bytes(path)} (byte 0x{error.object[error.start]:02x})",
                    fix="save the file as UTF-8",
                ) from None
            except csv.Error as error:
                raise DataError(f"{path}:{line}: {error}", expected="one row of cells a line") from None
            if cells is None:
                return
            if not cells:
                blank.append(line)
                continue
            width = width or len(cells)
            if blank and width == 1:  # in a file of one column an empty line between rows is an empty text
                yield from (Row(empty, [""]) for empty in blank)
            elif blank:
                logger.info("%s: %d blank lines before line %d are no rows", path, len(blank), line)
            blank = []
            if len(cells) != width:
                raise DataError(
                    f"{path}:{line}: {len(cells)} columns, the first row has {width}: {_shown(cells)}",
                    expected=f"{width} cells, separated by {_named(delimiter)}",
                    fix="a text that holds the separator or a line break must be quoted in csv, and replaced in tsv",
                )
            yield Row(line, cells)


def read_table(path: Path, *, with_header: bool) -> Iterator[Row]:
    """`read_rows` with the delimiter and the quoting that belong to the file's name (and header)."""
    delimiter = delimiter_of(path) if with_header and path.is_file() else promised_delimiter(path)
    return read_rows(path, delimiter=delimiter, quoted=path.suffix.lower() == ".csv")


def promised_delimiter(path: Path) -> str:
    """A comma for files called ``.csv``, a tab for all others."""
    return "," if path.suffix.lower() == ".csv" else "\t"


def delimiter_of(path: Path) -> str:
    """The delimiter of a file with a header: the promised one, unless the header only has the other one."""
    promised = promised_delimiter(path)
    other = "\t" if promised == "," else ","
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        first = next((line for line in itertools.islice(file, 100) if line.strip()), "")
    return other if other in first and promised not in first else promised


def _line_of_bad_bytes(path: Path) -> int:
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return 0


def _shown(cells: list[str]) -> str:
    text = " | ".join(cells)
    return repr(text if len(text) <= 80 else text[:77] + "…")


def _named(delimiter: str) -> str:
    return {"\t": "a tab", ",": "a comma"}.get(delimiter, repr(delimiter))
