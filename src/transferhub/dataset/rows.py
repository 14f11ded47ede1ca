"""Delimited text files → rows, each with the line it starts on; every fault is named by file and line."""

import contextlib
import csv
import io
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from transferhub.dataset import raw
from transferhub.errors import DataError
from transferhub.log import logger

csv.field_size_limit(1 << 26)
DELIMITERS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar"}


class Row(NamedTuple):
    """The cells of one row and the line (from 1) on which it starts."""

    line: int
    cells: list[str]


def read_rows(
    path: Path, *, delimiter: str, quoted: bool, encoding: str = "utf-8-sig", notes: list[str] | None = None
) -> Iterator[Row]:
    """Yield the rows of a file; a byte order mark is dropped, blank lines are no rows (said).

    Args:
        path: The file.
        delimiter: What stands between two cells.
        quoted: Whether ``"…"`` encloses a cell, as in csv files; else quotes are data, as in PaddleHub's tsv files.
        encoding: Of its text.
        notes: Where what is to be said goes; None: to the log.

    Raises:
        DataError: No such file, a folder, bytes that are not in the encoding, a quote that is not closed, or a row with
            another number of cells than the first.
    """
    with raw.reading(path):
        if path.is_dir():
            raise DataError(f"{path} is a folder", expected="a csv or tsv file")
        with raw.open_text(path, encoding) as file:
            reader = csv.reader(
                file, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE, strict=True
            )
            width, blank, blanks, first_blank = 0, 0, 0, 0
            while True:
                line = reader.line_num + 1
                try:
                    cells = next(reader, None)
                except UnicodeDecodeError as error:
                    said = raw.fault(path, error.encoding) or "bytes that cannot be decoded"
                    raise DataError(f"{path}: {said}", fix="save the file as UTF-8") from None
                except csv.Error as error:
                    raise _broken(path, line, reader.line_num, str(error)) from None
                if cells is None:
                    break
                if not cells:
                    blank += 1
                    continue
                width = width or len(cells)
                if blank and width == 1:  # in a file of one column an empty line between rows is an empty text
                    yield from (Row(empty, [""]) for empty in range(line - blank, line))
                elif blank:
                    blanks, first_blank = blanks + blank, first_blank or line - blank
                blank = 0
                if len(cells) != width:
                    raise _ragged(path, line, reader.line_num, cells, width, delimiter)
                yield Row(line, cells)
            if blanks:
                note = f"{path}: {blanks} blank lines (the first is line {first_blank}) are no rows"
                logger.info(note) if notes is None else notes.append(note)


def read_table(path: Path, *, with_header: bool, notes: list[str] | None = None) -> Iterator[Row]:
    """`read_rows` with the delimiter and the quoting that belong to the file's name (and header)."""
    delimiter = delimiter_of(path) if with_header and path.is_file() else promised_delimiter(path)
    return read_rows(path, delimiter=delimiter, quoted=raw.suffix_of(path) == ".csv", notes=notes)


def promised_delimiter(path: Path) -> str:
    """A comma for files called ``.csv``, a tab for all others."""
    return "," if raw.suffix_of(path) == ".csv" else "\t"


def delimiter_of(path: Path) -> str:
    """The delimiter of a file with a header: the promised one, unless the header only has the other one."""
    promised = promised_delimiter(path)
    other = "\t" if promised == "," else ","
    with raw.reading(path), raw.open_bytes(path) as file:
        head = file.read(raw.HEAD).decode("utf-8-sig", "replace")
    first = next((line for line in head.splitlines() if line.strip()), "")
    return other if other in first and promised not in first else promised


def named(delimiter: str) -> str:
    """A delimiter in words."""
    return DELIMITERS.get(delimiter, repr(delimiter))


def _broken(path: Path, line: int, reached: int, said: str) -> DataError:
    fix = "close it; a quote inside a quoted cell is written twice; if quotes are plain text here: quoted=False"
    if "unexpected end" in said:
        return DataError(f"{path}:{line}: the quote that opens in this row is not closed before the file ends", fix=fix)
    if "expected after" in said:
        where = f" on line {reached}" if reached != line else ""
        return DataError(f"{path}:{line}: text after a closing quote{where}: a quote too few or too many", fix=fix)
    if "field limit" in said:
        what = f"a cell of more than {csv.field_size_limit()} characters"
        return DataError(f"{path}:{line}: {what}: a quote that is not closed?", fix=fix)
    return DataError(f"{path}:{line}: {said}", expected="one row of cells a line")


def _ragged(path: Path, line: int, reached: int, cells: list[str], width: int, delimiter: str) -> DataError:
    text = delimiter.join(cells)
    others = [other for other in DELIMITERS if other != delimiter and text.count(other) == width - 1 and width > 1]
    hint = f"; with a {named(others[0])} it would have {width}: are the separators mixed?" if others else ""
    if reached > line:
        hint += f"; it goes on to line {reached}: is the quote that opens here meant to?"
    return DataError(
        f"{path}:{line}: {len(cells)} columns, the first row has {width}: {_shown(cells)}{hint}",
        expected=f"{width} cells, separated by a {named(delimiter)}",
        fix="a text that holds the separator or a line break must be quoted in csv, and replaced in tsv",
    )


def _shown(cells: list[str]) -> str:
    text = " | ".join(cells)
    return repr(text if len(text) <= 80 else text[:77] + "…")


def head_rows(text: str, *, delimiter: str, quoted: bool, limit: int = 200) -> list[list[str]]:
    """The first rows of a text, for guesses; a row that cannot be read ends them."""
    rows: list[list[str]] = []
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    )
    with contextlib.suppress(csv.Error):
        rows.extend(row for row in itertools.islice(reader, limit) if row)
    return rows
