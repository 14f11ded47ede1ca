"""The kinds of labels, and each kind's label as the one string that a row keeps of it."""

import functools
import json
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from transferhub.errors import ConfigError, DataError, did_you_mean

KINDS = ("classes", "labels", "value", "tags", "answers")
SPLIT = "\x02"  # between the tokens of a row, and between their tags, as PaddleHub writes them
CODED = ("classes", "labels")  # kinds whose labels recur: a row stores a number
SEPARATORS = re.compile(r"[,;|\s]+")

Place = Callable[[], str]  # names a row, when there is something to say of it


@functools.cache
def known_kind(kind: str) -> str:
    """The kind, if it is one.

    Raises:
        ConfigError: It is none of `KINDS`.
    """
    if kind not in KINDS:
        raise ConfigError(
            f"kind={kind!r}", expected=f"one of {', '.join(KINDS)}", fix=did_you_mean(str(kind), KINDS) or None
        )
    return kind


def plain(value: Any) -> Any:
    """A numpy scalar or array as Python's own number or list; anything else as it is."""
    return value.tolist() if hasattr(value, "tolist") and not isinstance(value, str) else value


def label_name(value: Any) -> str:
    """A label's name: whole numbers are the same label however they are written, 1, 1.0 and numpy's."""
    value = plain(value)
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def number(value: Any, place: Place) -> float:
    """A finite number.

    Raises:
        DataError: Something else, with the row and the value.
    """
    value = plain(value)
    try:
        found = math.nan if isinstance(value, str) and "_" in value else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if math.isfinite(found):
        return found
    what = "there is no value" if value is None or value == "" else f"the value is {value!r:.60}"
    raise DataError(
        f"{place()}: {what}",
        expected="a finite number, such as 4.5",
        fix="correct or remove the row; label=… (--label-column) names another column",
    )


def names_text(value: Any, place: Place) -> str:
    """A set of labels as one string: as it was written, or a list as JSON; nothing is the empty set.

    Raises:
        DataError: Something else, or a list that holds something else than names and numbers.
    """
    value = plain(value)
    if isinstance(value, str):
        return value.strip()
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, list | tuple | set | frozenset):
        parts = [plain(part) for part in (sorted(value, key=str) if isinstance(value, set | frozenset) else value)]
        if all(isinstance(part, str | int | float) for part in parts):
            return json.dumps([_whole(part) for part in parts], ensure_ascii=False)
    if isinstance(value, int | float):
        return str(_whole(value))
    raise DataError(
        f"{place()}: the labels are {value!r:.60}",
        expected='names joined by "," ";" or "|", a list of names or ids, or flags such as "1,0"',
    )


def _whole(part: str | float) -> str | int:
    """Numbers are the same label however they are written: 1, 1.0 and True."""
    if isinstance(part, str):
        return part
    return int(part) if float(part).is_integer() else str(part)


def tokens_of(text: Any, tags: Any, place: Place, split_char: str | None = None) -> tuple[list[str], list[str]]:
    r"""Tokens and their tags, as many of the one as of the other.

    Args:
        text: A list of tokens, or a string of them.
        tags: Likewise.
        place: Names the row.
        split_char: What joins them in a string. None: ``\\x02`` where one of the two has it, else spaces.

    Raises:
        DataError: A row without tokens, another number of tags than tokens, or what is neither list nor string.
    """
    text, tags = plain(text), plain(tags)
    if split_char is None and any(isinstance(given, str) and SPLIT in given for given in (text, tags)):
        split_char = SPLIT
    tokens, names = _parts(text, split_char, place, "text"), _parts(tags, split_char, place, "tags")
    if len(tokens) != len(names) or not tokens:
        raise DataError(
            f"{place()}: {len(tokens)} tokens, {len(names)} tags"
            + (f" ({' '.join(tokens)[:40]!r} … {' '.join(names)[:40]!r})" if tokens or names else ""),
            expected="a tag for each token",
            fix=r"tokens are joined by \x02 or spaces, tags alike; or both are lists",
        )
    return tokens, names


def _parts(given: Any, split_char: str | None, place: Place, what: str) -> list[str]:
    if isinstance(given, str):
        return given.split(split_char) if given else []
    if isinstance(given, list | tuple) and all(isinstance(part, str | int) for part in given):
        return [str(part) for part in given]
    raise DataError(
        f"{place()}: the {what} {'are' if what == 'tags' else 'is'} {given!r:.60}",
        expected="tokens, each with a tag: two lists, or joined",
        fix="correct or remove the row",
    )


def tags_text(text: Any, tags: Any, place: Place, split_char: str | None = None) -> tuple[str, str]:
    r"""Tokens and tags as a row keeps them: joined by ``\\x02``; raises what `tokens_of` does."""
    tokens, names = tokens_of(text, tags, place, split_char)
    joined = SPLIT.join(tokens)
    if joined.count(SPLIT) >= len(tokens):
        raise DataError(rf"{place()}: a token holds \x02, which stands between tokens", fix="take it out of the token")
    return joined, SPLIT.join(names)


def flag(value: Any, place: Place, column: str) -> str:
    """``0`` or ``1``, of a column that says whether a row has a label.

    Raises:
        DataError: Anything else, with the row, the column and the value.
    """
    value = plain(value)
    text = value.strip() if isinstance(value, str) else value
    known = {"0": "0", "1": "1", "0.0": "0", "1.0": "1", "false": "0", "true": "1"}
    found = known.get(str(text).lower())
    if found is None:
        raise DataError(
            f"{place()}: the label column {column!r} holds {value!r:.60}",
            expected="0 or 1",
            fix="correct the row, or leave the column out of label=[…]",
        )
    return found


def flags_text(values: Sequence[Any], place: Place, columns: Sequence[str]) -> str:
    """The flags of a row as one string, ``1,0,0``; raises what `flag` does."""
    return ",".join(flag(value, place, column) for value, column in zip(values, columns, strict=True))
