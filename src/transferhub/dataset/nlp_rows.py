"""Rows of a delimited file whose columns are known → rows to store; damaged ones are refused, or counted and said."""

import csv
import dataclasses
import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from transferhub.dataset import raw
from transferhub.dataset.kinds import flags_text, names_text, number, tags_text
from transferhub.dataset.rows import Row
from transferhub.dataset.store import StoredRow
from transferhub.errors import DataError

SHOWN = 3


@dataclasses.dataclass
class Damaged:
    """Rows that are left out: how many, and the first of them."""

    count: int = 0
    first: list[str] = dataclasses.field(default_factory=list)

    def add(self, what: str) -> None:
        """Count one."""
        self.count += 1
        if len(self.first) < SHOWN:
            self.first.append(what)

    def said(self, path: Path) -> str:
        """PaddleHub's words for it, and what was wrong."""
        more = " …" if self.count > len(self.first) else ""
        return f"[Discard Incorrect Data] {path}: {self.count} rows are left out: {'; '.join(self.first)}{more}"


@dataclasses.dataclass(frozen=True)
class Layout:
    r"""Which columns are what, and how their label is read.

    Args:
        names: A role for each column: ``text_a text_b text_c label``, several labels for flags; others are not read.
        kind: Of the labels.
        split_char: Between tokens and between tags. None: ``\x02`` or spaces.
        flags: What the flag columns are called.
        known: The labels there are, to refuse others. None: any.
        aliases: Other spellings of labels.
        exact: Whether each row has as many cells as `names`; else at least as many.
    """

    names: Sequence[str]
    kind: str = "classes"
    split_char: str | None = None
    flags: Sequence[str] = ()
    known: Collection[str] | None = None
    aliases: Mapping[str, str] = dataclasses.field(default_factory=dict)
    exact: bool = True


def stored_rows(
    rows: Iterable[Row], layout: Layout, path: Path, notes: list[str], damaged: Damaged | None = None
) -> Iterator[StoredRow]:
    """The rows as they are stored.

    Args:
        rows: As they stand in the file.
        layout: Its columns.
        path: The file, for messages.
        notes: Where what is to be said of damaged rows goes, at the end.
        damaged: Counts rows that are damaged and left out. None: the first one is an error.

    Raises:
        DataError: A row that is damaged, or no row that is not.
    """
    kept = 0
    for row in rows:
        try:
            stored = _stored(row, layout, path)
        except DataError as error:
            if damaged is None:
                raise
            damaged.add(error.what)
            continue
        kept += 1
        yield stored
    if damaged is not None and damaged.count:
        if not kept:
            raise DataError(
                f"{path}: none of {damaged.count} rows can be used: {damaged.first[0]}",
                expected="the columns " + " ".join(layout.names),
            )
        notes.append(damaged.said(path))


def _stored(row: Row, layout: Layout, path: Path) -> StoredRow:
    line, cells = row

    def place() -> str:
        return f"{path}:{line}"

    if len(cells) < len(layout.names) or (layout.exact and len(cells) > len(layout.names)):
        raise DataError(f"{place()}: {len(cells)} columns", expected=str(len(layout.names)))
    found = {name: cell for name, cell in zip(layout.names, cells, strict=False) if name}
    text, label = found["text_a"], found.get("label")
    if layout.flags:
        values = [cell for name, cell in zip(layout.names, cells, strict=False) if name == "label"]
        label = flags_text(values, place, layout.flags)
    elif label is not None and layout.kind == "tags":
        text, label = tags_text(text, label, place, layout.split_char)
        if layout.known is not None and (unknown := {*label.split("\x02")} - {*layout.known}):
            raise DataError(f"{place()}: tag {min(unknown)!r:.40} is not known")
    elif label is not None and layout.kind == "value":
        number(label, place)
    elif label is not None and layout.kind == "labels":
        label = names_text(label, place)
    elif label is not None:
        label = layout.aliases.get(label, label)
        if layout.known is not None and label not in layout.known:
            raise DataError(f"{place()}: label {label!r:.40} is not known")
    if "text_c" in found:
        return text, found.get("text_b"), label, line, found["text_c"]
    return text, found.get("text_b"), label, line


def loose_rows(path: Path, separator: str) -> Iterator[Row]:
    """All lines of a file as rows, however many cells they have; blank lines are none.

    Args:
        path: The file, UTF-8.
        separator: Between cells, of any length; ``csv``: commas, and quotes enclose cells.

    Raises:
        DataError: No such file, or bytes that are not UTF-8.
    """
    with raw.reading(path), raw.open_bytes(path) as file:
        lines = io.TextIOWrapper(file, encoding="utf-8-sig", newline="" if separator == "csv" else "\n")
        try:
            if separator == "csv":
                reader, line = csv.reader(lines), 1
                for cells in reader:
                    if cells:
                        yield Row(line, cells)
                    line = reader.line_num + 1
                return
            for line, text in enumerate(lines, 1):
                if text.strip("\r\n"):
                    yield Row(line, text.rstrip("\r\n").split(separator))
        except UnicodeDecodeError as error:
            said = raw.fault(path, error.encoding) or "bytes that cannot be decoded"
            raise DataError(f"{path}: {said}", fix="save the file as UTF-8") from None
        except csv.Error as error:
            raise DataError(f"{path}:{reader.line_num}: {error}", expected="a csv file") from None
