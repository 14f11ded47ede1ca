"""Lists of pictures, ``path label`` a line → rows that know their line."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from transferhub.dataset import raw
from transferhub.dataset.pictures import Pictures
from transferhub.errors import DataError
from transferhub.log import logger

NUMBER = re.compile(r"[0-9]+")


def read_list(
    path: Path, folder: Path, labels: Sequence[str] | None, *, labelled: bool = True, sets: bool = False
) -> Pictures:
    """Read a list file: UTF-8, a path and a label a line, separated by the last space (or tab); paths may hold spaces.

    A label is the id of one, from 0, as PaddleHub has it; or, where it is no number, its name. In a list without
    labels (`labelled` False) a line is a path; a label after it is not looked at.

    Args:
        path: The list.
        folder: What its paths are relative to.
        labels: The names of the labels, in the order of their ids. None: the list holds numbers only.
        labelled: See above.
        sets: Whether a line has a label set, which is kept as it was written; `labels` are not looked at.

    Raises:
        DataError: No such list, an empty one, bytes that are not UTF-8, a line without a label, a label that is none
            of `labels`, a picture that is not there: each with file:line.
    """
    names: list[bytes] = []
    ids: list[int] = []
    written: list[str] = []
    lines: list[int] = []
    blank = 0
    known = None if labels is None else {name: number for number, name in enumerate(labels)}
    with raw.reading(path):
        if (fault := raw.fault(path, "utf-8")) is not None:
            raise DataError(f"{path}: {fault}", fix="save the list as UTF-8")
        with raw.open_text(path, "utf-8-sig") as file:
            content = file.read()
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            blank += 1
            continue
        name, label = _parts(line.strip("\r\n"), folder, labelled)
        if labelled and label is None:
            raise DataError(f"{path}:{number}: {line!r:.80} has no label", expected="a path, a space, a label")
        if sets:
            written.append(label or "")
        else:
            ids.append(_id(label, known, f"{path}:{number}") if label is not None else -1)
        if not os.path.isfile(os.path.join(folder, name)):
            raise DataError(
                f"{path}:{number}: there is no picture {os.path.join(folder, name)}",
                fix=f"correct the line, or bring the picture; paths are relative to {folder}",
            )
        names.append(os.fsencode(name))
        lines.append(number)
    if not names:
        raise DataError(f"{path} lists no pictures", expected="a path and a label a line")
    if blank:
        logger.info("%s: %d blank lines are no rows", path, blank)
    if sets:
        return Pictures.with_sets(os.path.abspath(folder), names, written, str(path), lines)
    return Pictures.of(os.path.abspath(folder), names, np.asarray(ids, np.int32), str(path), lines)


def _parts(line: str, folder: Path, labelled: bool) -> tuple[str, str | None]:
    """The path and the label of a line."""
    if not labelled and os.path.isfile(os.path.join(folder, line.strip())):
        return line.strip(), None
    head, _, tail = line.rstrip().replace("\t", " ").rpartition(" ")
    if not head.strip():
        return line.strip(), None
    return line.rstrip()[: len(head)].strip(), tail if labelled else None


def _id(label: str, known: dict[str, int] | None, where: str) -> int:
    if NUMBER.fullmatch(label) and (known is None or int(label) < len(known)):
        return int(label)
    if known is not None and label in known:
        return known[label]
    if known is None:
        raise DataError(
            f"{where}: label {label!r:.80} is no id",
            expected="a whole number, from 0",
            fix="name the labels: label_list=[…] or label_list_file=…",
        )
    raise DataError(
        f"{where}: label {label!r:.80} is not known",
        expected=f"an id from 0 to {len(known) - 1}, or one of {', '.join(map(repr, list(known)[:20]))}"
        + (" …" if len(known) > 20 else ""),
        fix="correct the line, or the list of labels",
    )
