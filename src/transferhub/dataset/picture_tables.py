"""Tables of pictures: a column of paths and one of labels → names, labels, lines."""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from transferhub.dataset import binary, raw
from transferhub.dataset.cells import class_name, is_missing
from transferhub.dataset.delimited import delimited
from transferhub.dataset.flag_columns import with_flags
from transferhub.dataset.json_rows import json_table
from transferhub.dataset.kind_checks import LabelColumns
from transferhub.dataset.kinds import Place, names_text, plain
from transferhub.dataset.picture_lists import read_list
from transferhub.dataset.pictures import PLACE
from transferhub.dataset.roles import LABEL_NAMES
from transferhub.dataset.table import Table
from transferhub.errors import ConfigError, DataError, did_you_mean
from transferhub.image import SUFFIXES
from transferhub.log import logger

PATH_NAMES = ("path", "image", "image_path", "img", "file", "filename", "file_name", "picture", "图片", "路径")
JSON = (".json", ".jsonl", ".ndjson")
TABLES = (".csv", ".tsv", ".parquet", ".pq", *JSON)  # and .txt, PaddleHub's lists
LISTED = "give its folder, in which it is called train_list.txt (and label_list.txt names the labels)"
ARCHIVES = (".zip", ".tar", ".tgz", ".rar", ".7z")


class Listed(NamedTuple):
    """The rows of a split, as they were read.

    Args:
        folder: What the names are relative to.
        names: The paths' bytes.
        labels: Label names; or label sets, as they were written.
        lines: Of the rows in `source`, where it has lines.
        source: What messages call it.
        flags: What the labels are called, where there is a column of 0 and 1 for each.
        place: How a row is named, of ``source`` and ``line``.
    """

    folder: str
    names: list[bytes]
    labels: list[str]
    lines: list[int] | None
    source: str
    flags: list[str] | None = None
    place: str = PLACE


def opened(file: Path, asked: Sequence[str | int | None]) -> Table:
    """A table of pictures that lies in a file.

    Args:
        file: csv, tsv, json, jsonl or parquet.
        asked: The columns that are asked for by name or number.

    Raises:
        DataError: A picture or an archive.
    """
    suffix = raw.suffix_of(file)
    if file.suffix.lower() in SUFFIXES:
        raise DataError(f"{file} is a picture", expected="a folder of label folders, or a table of paths and labels")
    if suffix in ARCHIVES:
        raise DataError(f"{file} is an archive", fix="unpack it, and give the folder")
    if suffix in (".parquet", ".pq"):
        return binary.parquet(file)
    if suffix in JSON:
        return json_table(file)
    names = [str(name).lower() for name in asked if name is not None]
    return delimited(file, {*PATH_NAMES, *LABEL_NAMES, *names}, any(name.isdecimal() for name in names))


def paths_in(file: Path, path: str | int | None = None) -> list[str]:
    """The paths of pictures that a table or a list names; labels are not looked at.

    Args:
        file: ``.csv .tsv .json .jsonl .parquet``, with a column of paths; or ``.txt``, a path a line. Paths are
            relative to its folder.
        path: The column, by name or number. None: told from the header; without one, the first.

    Raises:
        DataError: A picture that is not there, with file:line.
    """
    if raw.suffix_of(file) == ".txt":
        refuse_columns(file, path)
        rows = read_list(file, file.parent, None, labelled=False)
        return [rows.path(row) for row in range(len(rows))]
    table = opened(file, [path])
    column = column_of(table, "path", path, PATH_NAMES, 0)
    names, lines = [], []
    for line, (name,) in table.read([column]):
        if not isinstance(name, str | os.PathLike) or not str(name).strip():
            raise DataError(f"{table.where(line)}: {name!r:.80}", expected="a path")
        names.append(os.fsencode(name))
        lines.append(line)
    for note in table.notes:
        logger.info("%s", note)
    folder = os.path.abspath(file.parent)
    return [os.path.join(folder, os.fsdecode(name)) for name in there(folder, names, (table, lines), table.source)]


def refuse_text_flags(given: Mapping[str, Any]) -> None:
    """Refuse what says how a file of texts is read.

    Raises:
        ConfigError: Something of it was given.
    """
    said = [f"{name}={value!r}" for name, value in given.items() if value is not None]
    if said:
        raise ConfigError(
            f"{', '.join(said)} with pictures", expected="flags of texts are for texts", fix="leave it out"
        )


def refuse_columns(source: Any, path: Any, label: Any = None) -> None:
    """Refuse columns of what has none: a folder, a picture, a list of PaddleHub's.

    Raises:
        ConfigError: One was named.
    """
    said = [f"{name}={value!r}" for name, value in (("path", path), ("label", label)) if value is not None]
    if said:
        raise ConfigError(
            f"{', '.join(said)} with {source}, which has no columns",
            expected=f"columns of a table: {' '.join(TABLES)}",
            fix="leave it out (--text-column, --label-column); in folders the labels are the folders' names",
        )


def of_table(
    table: Table, path: str | int | None, label: LabelColumns, base_path: str | Path, kind: str = "classes"
) -> Listed:
    """The rows of a table of pictures.

    Args:
        table: Opened.
        path: The column of paths; None: told.
        label: That of labels, likewise; or several columns of 0 and 1.
        base_path: What paths are relative to.
        kind: ``classes``, or ``labels``, of which a cell may be empty.

    Raises:
        DataError: A column that cannot be told, an empty cell, a picture that is not there, each with file:line.
    """
    flags = None
    if label is not None and not isinstance(label, str | int):
        table, flags, _ = with_flags(table, label)
        label = table.width - 1
    if table.width < 2:
        is_list = raw.suffix_of(Path(table.source)) == ".txt"
        raise DataError(
            f"{table.source} has one column",
            expected="a column of paths, one of labels" + (", a tab between them" if is_list else ""),
            fix=f"a list of PaddleHub's: {LISTED}" if is_list else None,
        )
    columns = _two_of(table, path, label)
    names, labels, lines = [], [], []
    for line, (name, value) in table.read(columns):
        if not isinstance(name, str | os.PathLike):
            raise DataError(f"{table.where(line)}: {name!r:.80}, {value!r:.80}", expected="a path and a label")
        names.append(os.fsencode(name))
        labels.append(label_text(value, kind, partial(table.where, line)))
        lines.append(line)
    for note in table.notes:
        logger.info("%s", note)
    folder = os.path.abspath(base_path)
    return Listed(
        folder, there(folder, names, (table, lines), table.source), labels, lines, table.source, flags, str(table.place)
    )


def label_text(value: Any, kind: str, place: Place) -> str:
    """A label as a row keeps it: the name of a class, or a label set as it was written.

    Raises:
        DataError: A missing label, or a list of labels, where each row is to have one; or what is no label set.
    """
    if kind == "labels":
        return names_text(value, place)
    if isinstance(plain(value), list | tuple | set | frozenset):
        raise DataError(
            f"{place()}: the label is {value!r:.60}",
            expected="one label",
            fix="of any number of labels a picture: kind='labels' (--task image-multi-label)",
        )
    is_other = not isinstance(plain(value), str | int | float | bytes) and not is_missing(value)
    return class_name(str(value) if is_other else value, place)  # an interval or a date is called as it is written


def _two_of(table: Table, path: str | int | None, label: str | int | None) -> list[int]:
    """The columns of paths and labels; of two columns, the one that is not the other."""
    try:
        first = column_of(table, "path", path, PATH_NAMES, 0)
    except DataError:
        if path is not None or table.width != 2:
            raise
        return [1 - (second := column_of(table, "label", label, LABEL_NAMES, 1)), second]
    if label is None and table.width == 2:
        return [first, 1 - first]
    return [first, column_of(table, "label", label, LABEL_NAMES, table.width - 1)]


def column_of(table: Table, what: str, given: str | int | None, usual: Sequence[str], default: int) -> int:
    """The number of a column: the one that was given, else one with a usual name, else `default` without a header."""
    names = table.names or []
    if given is not None:
        if isinstance(given, str) and given in names:
            return names.index(given)
        if str(given).isdecimal() and int(given) < table.width:
            return int(given)
        raise DataError(
            f"{table.source}: no column {given!r}; there are "
            + (", ".join(map(repr, names)) or f"{table.width}, without a header"),
            fix=f"{did_you_mean(str(given), names)}{what}=…",
        )
    lower = [name.lower() for name in names]
    found = [lower.index(name) for name in usual if name in lower]
    if found or not names:
        return found[0] if found else default
    raise DataError(
        f"{table.source}: cannot tell which column is the {what}: there are {', '.join(map(repr, names))}",
        fix=f"name it: {what}=…",
    )


def there(folder: str, names: list[bytes], lines: tuple[Table, list[int]] | None, source: str) -> list[bytes]:
    """The names, if there is a file for each.

    Raises:
        DataError: One is not there.
    """
    for place, name in enumerate(names):
        path = os.path.join(folder, os.fsdecode(name))
        if not os.path.isfile(path):
            where = f"{source}[{place}]" if lines is None else lines[0].where(lines[1][place])
            raise DataError(f"{where}: there is no picture {path}", fix=f"paths are relative to {folder}")
    return names
