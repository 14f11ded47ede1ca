"""How label sets are written: names or ids joined by a mark, or a flag for each label."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from transferhub.dataset.kinds import SEPARATORS, SPLIT, plain
from transferhub.errors import DataError, did_you_mean


class Form(NamedTuple):
    """How the label sets of a data set are written.

    Args:
        kind: ``flags``, ``names`` or ``ids``.
        separator: What stands between names or ids in a string.
    """

    kind: str
    separator: str


def form_of(labels: Sequence[Any], names: Sequence[str] | None) -> Form:
    """How label sets are written.

    Args:
        labels: The label sets of some rows, each once: strings, numbers, or lists of them.
        names: The labels, where they are known.

    Returns:
        Flags where each has as many values of 0 and 1 as there are labels; ids where what is joined are numbers, and no
        names; else names.
    """
    if labels:
        flags = [pieces(label, None) for label in labels]
        width = len(names) if names is not None else len(flags[0])
        enough = width > 1 or names is not None
        if enough and all(len(row) == width and {*row} <= {"0", "1"} for row in flags):
            return Form("flags", ",")
    strings = [label for label in labels if isinstance(label, str)]
    known = set(names or ())
    marks = _marks(strings)
    fits = [
        mark
        for mark in marks
        if known and all({*pieces(label, mark)} <= known for label in strings if label not in known)
    ]
    separator = (fits or marks)[0]
    if not known:
        return Form("names", separator)
    sets = (label for label in labels if not isinstance(label, str) or label not in known)
    parts = {part for label in sets for part in pieces(label, separator)}
    ids = parts and not parts & known and all(part.isdecimal() for part in parts)
    return Form("ids" if ids else "names", separator)


def _marks(labels: Sequence[str]) -> list[str]:
    """What may stand between names, the likeliest first: what parts most labels; where some have two marks, ``|``
    before ``;`` before ``,``, of which the later ones are then part of names.
    """  # noqa: D205
    counts = {mark: sum(mark in label for label in labels) for mark in "|;,"}
    nested = any(sum(mark in label for mark in counts) > 1 for label in labels)
    marks = [mark for mark, count in counts.items() if count] or [","]
    return marks if nested else sorted(marks, key=lambda mark: -counts[mark])


def pieces(label: Any, separator: str | None) -> list[str]:
    """The parts of a label set as strings; `separator` None: whatever stands between flags."""
    if isinstance(label, str):
        text = label.strip()
        if text.startswith("[") and text.endswith("]"):
            try:
                return pieces(json.loads(text), separator)
            except ValueError:
                pass
        if separator is None:
            return SEPARATORS.split(text.replace(SPLIT, ",")) if text else []
        return [part.strip() for part in text.split(separator) if part.strip()]
    label = plain(label)
    parts = label if isinstance(label, list | tuple | set | frozenset) else [label]
    return [str(int(part)) if isinstance(part, bool | float) and part == part // 1 else str(part) for part in parts]


def parsed(label: Any, form: Form, index: Mapping[str, int]) -> npt.NDArray[np.uint8]:
    """Which labels a label set holds: 0 or 1, uint8 ``[labels]``.

    Args:
        label: As the row has it.
        form: How it is written.
        index: Label → its place.

    Raises:
        DataError: None, another number of flags, or a label that is not known.
    """
    found = np.zeros(len(index), np.uint8)
    if label is None:
        raise DataError("no labels", expected='names joined by ",", flags, or a list', fix="fill them in")
    if isinstance(label, str) and label in index and form.kind == "names":
        found[index[label]] = 1
        return found
    parts = pieces(label, None if form.kind == "flags" else form.separator)
    if form.kind == "flags":
        if len(parts) != len(index) or not {*parts} <= {"0", "1"}:
            raise DataError(
                f"the flags are {label!r:.60}", expected=f"{len(index)} values in 0 and 1, a flag for each label"
            )
        return np.array(parts, np.uint8)
    for part in parts:
        place = (int(part) if part.isdecimal() else -1) if form.kind == "ids" else index.get(part, -1)
        if not 0 <= place < len(index):
            raise DataError(
                f"label {part!r:.60} is not known",
                expected=f"ids from 0 to {len(index) - 1}"
                if form.kind == "ids"
                else f"one of {', '.join(map(repr, list(index)[:20]))}",
                fix=did_you_mean(part, index) + "correct the row; or name all labels: label_list=[…]",
            )
        found[place] = 1
    return found
