"""Cells of any kind of file → texts and label names; what is neither is named by its row."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from transferhub.dataset.kinds import SPLIT, Place, label_name, names_text, number, plain, tags_text
from transferhub.dataset.store import StoredRow
from transferhub.dataset.table import Table
from transferhub.errors import DataError


def stored_rows(table: Table, roles: dict[str, int], kind: str = "classes") -> Iterator[StoredRow]:
    """The rows of a table in the chosen columns: ``(text_a, text_b, label, line)``.

    A text that is missing is an empty text; what becomes of those is for the caller to say.

    Args:
        table: Opened.
        roles: Role → number of its column.
        kind: Of the labels, one of `kinds.KINDS`.

    Raises:
        DataError: A text that is no text, a label that is missing or is none of its kind: for classes no name, number
            or truth value.
    """
    if kind == "tags" and "label" in roles:
        yield from _tagged(table, roles)
        return
    order = [role for role in ("text", "text_pair", "label") if role in roles]
    pair_at = order.index("text_pair") if "text_pair" in order else None
    label_at = order.index("label") if "label" in order else None
    names = table.label_names.get(roles["label"]) if label_at is not None else None
    for line, cells in table.read([roles[role] for role in order]):
        text, pair, label = cells[0], None, None
        if type(text) is not str:
            listed = kind == "tags" and isinstance(plain(text), list)
            text = SPLIT.join(map(str, plain(text))) if listed else _text(table, line, text)
        if pair_at is not None:
            pair = cells[pair_at]
            pair = pair if type(pair) is str else _text(table, line, pair)
        if label_at is not None:
            label = cells[label_at]
            if kind == "value":
                value = number(label, partial(table.where, line))
                label = label.strip() if isinstance(label, str) else repr(value)
            elif kind == "labels":
                label = names_text(_named(label, names), partial(table.where, line))
            elif type(label) is not str or not label or label.isspace():
                label = class_name(label, partial(table.where, line), names)
        yield text, pair, label, line


def _tagged(table: Table, roles: dict[str, int]) -> Iterator[StoredRow]:
    names = table.label_names.get(roles["label"])
    for line, (text, tags) in table.read([roles["text"], roles["label"]]):
        tokens, joined = tags_text(text, _named(tags, names), partial(table.where, line))
        yield tokens, None, joined, line


def _named(given: Any, names: list[str] | None) -> Any:
    """A list of numbers that the file has names for, as these."""
    given = plain(given)
    if not names or not isinstance(given, list | tuple):
        return given
    return [names[part] if isinstance(part, int) and 0 <= part < len(names) else part for part in given]


def is_missing(value: Any) -> bool:
    """None, NaN, and what pandas has for them."""
    return (
        value is None or type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and value != value)
    )


def _text(table: Table, line: int, value: Any) -> str:
    if is_missing(value):
        return ""
    if isinstance(value, str):
        return str(value)
    raise DataError(
        f"{table.where(line)}: the text is {value!r:.60} ({type(value).__name__})",
        expected="a text",
        fix="name the column that holds the text: text=… (--text-column)",
    )


def class_name(value: Any, place: Place, names: Sequence[str] | None = None) -> str:
    """The name of a class, of a cell that says one label.

    Whole numbers are the same label however they are written: 1, 1.0 and numpy's; truth values are True, False.

    Args:
        value: The cell.
        place: Names the row.
        names: Of the numbers, where the file has them.

    Raises:
        DataError: A label that is missing or empty, or no name, number or truth value.
    """
    value = plain(value)
    if is_missing(value) or (names and value == -1):
        raise DataError(f"{place()}: the label is missing", fix="fill it in, or remove the row")
    if names and isinstance(value, int) and 0 <= value < len(names):
        return names[value]
    if isinstance(value, str | int | float):
        if not (text := label_name(value)) or text.isspace():
            raise DataError(f"{place()}: the label is empty", fix="fill it in, or remove the row")
        return text
    raise DataError(
        f"{place()}: the label is {value!r:.60} ({type(value).__name__})",
        expected="a name or a number",
        fix="name the column that holds the label: label=… (--label-column)",
    )
