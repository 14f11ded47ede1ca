"""json and jsonl → a table: an array of objects, an object of lists, or an object a line; read as a stream."""

import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from transferhub.dataset import raw
from transferhub.dataset.encodings import encoding_of
from transferhub.dataset.table import Cells, Table
from transferhub.errors import DataError

FORMS = 'an array of objects [{"text": …, "label": …}, …], an object of lists {"text": […], …}, or an object a line'
STEP = 1 << 20  # characters read at a time
Objects = Iterator[tuple[int, dict[str, Any]]]


def json_table(path: Path, *, encoding: str | None = None) -> Table:
    """Open a json or jsonl file; the names are those of its first object.

    Raises:
        DataError: Nothing in it, another form than those three, or JSON that is broken there.
    """
    seen = raw.survey(path)
    encoding = encoding_of(path, seen, encoding)
    start = seen.head.decode(encoding, "ignore").lstrip("\ufeff \t\r\n")
    if not start:
        raise DataError(f"{path} is empty", expected=FORMS)
    if start[0] == "[":
        form, place = _array, "{source}:{line}"
    elif raw.suffix_of(path) != ".json" or _is_lines(start):
        form, place = _lines, "{source}:{line}"
    else:
        form, place = _lists, "{source}, row {line}"
    first = next(form(path, encoding), None)
    if first is None:
        raise DataError(f"{path} has no rows", expected=FORMS)
    names = list(first[1])

    def read(columns: Sequence[int]) -> Iterator[Cells]:
        wanted = [names[column] for column in columns]
        for line, row in form(path, encoding):
            yield line, [row.get(name) for name in wanted]

    kind = {_array: "array of objects", _lines: "json lines", _lists: "object of lists"}[form]
    digest = hashlib.sha256(f"{seen.digest} {encoding} {kind}".encode()).hexdigest()
    return Table(str(path), names, len(names), read, [encoding, kind], [], digest, seen.size, place)


def _is_lines(start: str) -> bool:
    """Whether the first line is an object of its own: one of many, or a single row."""
    first, _, rest = start.partition("\n")
    try:
        value = json.loads(first)
    except (ValueError, RecursionError):
        return False
    if not isinstance(value, dict):
        return False
    return bool(rest.strip()) or not any(isinstance(inner, list | dict) for inner in value.values())


def _lines(path: Path, encoding: str) -> Objects:
    with raw.reading(path), raw.open_text(path, encoding) as file:
        for line, text in enumerate(file, 1):
            text = text.removeprefix("\ufeff") if line == 1 else text
            if not text.strip():
                continue
            try:
                yield line, _object(path, line, json.loads(text))
            except (ValueError, RecursionError) as error:
                cut = "" if text.endswith(("\n", "\r")) else "; the file seems to be cut off here"
                raise DataError(
                    f"{path}:{line}: not JSON: {error}{cut}", expected="one whole JSON object on each line"
                ) from None


def _array(path: Path, encoding: str) -> Objects:
    """The objects of an array one by one, so that a large file is never in memory."""
    decoder, step, number = json.JSONDecoder(), STEP, 0
    with raw.reading(path), raw.open_text(path, encoding) as file:
        text = file.read(step).removeprefix("\ufeff")
        place, line, done = text.index("[") + 1, 1 + text[: text.index("[")].count("\n"), False
        while True:
            while True:  # to the next value
                blank = _skip(text, place)
                line += text.count("\n", place, blank)
                place = blank
                if place < len(text):
                    break
                text, place = file.read(STEP), 0
                if not text:
                    raise DataError(
                        f"{path}:{line}: the file ends after row {number}, inside of the array",
                        expected="a closing ]",
                        fix="the file is cut off: save or copy it again",
                    )
            if text[place] == "]" and not number:
                break
            if done:  # a value was read: now a comma, or the end
                if text[place] not in ",]":
                    _broken(path, line, number + 1, f"{text[place]!r} after an object, where a comma belongs")
                if text[place] == "]":
                    break
                place, done = place + 1, False
                continue
            try:
                value, end = decoder.raw_decode(text, place)
            except RecursionError as error:
                _broken(path, line, number + 1, str(error))
            except json.JSONDecodeError as error:
                more = ""
                if error.msg.startswith("Unterminated") or error.pos > len(text) - 16:
                    more, step = file.read(step), 2 * step
                if not more:
                    cut = "; the file seems to be cut off here" if not file.read(1) else ""
                    at = line + text.count("\n", place, error.pos)
                    _broken(path, at, number + 1, f"{error.msg}{cut}")
                text, place = text[place:] + more, 0
                continue
            except ValueError as error:  # a number of too many digits
                _broken(path, line, number + 1, str(error))
            number += 1
            yield line, _object(path, line, value)
            line += text.count("\n", place, end)
            place, done, step = end, True, STEP
            if place > STEP:
                text, place = text[place:], 0
        if (text[place + 1 :] + file.read(100)).strip():
            _broken(path, line, number + 1, "text after the closing ]")


def _lists(path: Path, encoding: str) -> Objects:
    with raw.reading(path), raw.open_text(path, encoding) as file:
        try:
            value = json.loads(file.read().removeprefix("\ufeff"))
        except json.JSONDecodeError as error:
            _broken(path, error.lineno, None, error.msg)
        except (ValueError, RecursionError) as error:
            _broken(path, 1, None, str(error))
    columns = dict(value) if isinstance(value, dict) else {}
    if columns and all(isinstance(column, dict) for column in columns.values()):  # what pandas writes
        columns = {name: list(column.values()) for name, column in columns.items()}
    wrong = [name for name, column in columns.items() if not isinstance(column, list)]
    nested = [name for name, column in columns.items() if isinstance(column, list) and _holds_objects(column)]
    if not columns or wrong or nested:
        hint = f"; the rows seem to be inside of {nested[0]!r}" if nested else ""
        raise DataError(f"{path}: {f'{wrong[0]!r} is no list' if wrong else 'no list of rows'}{hint}", expected=FORMS)
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"{path}: lists of different lengths: {lengths}", expected="one value a row in each list")
    names = list(columns)
    for number, cells in enumerate(zip(*columns.values(), strict=True), 1):
        yield number, dict(zip(names, cells, strict=True))


def _holds_objects(column: list[Any]) -> bool:
    return any(isinstance(value, dict) for value in itertools.islice(column, 10))


def _object(path: Path, line: int, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        raise DataError(f"{path}:{line}: {repr(value)[:60]} is no row", expected='an object: {"text": …, "label": …}')
    return value


def _skip(text: str, place: int) -> int:
    while place < len(text) and text[place] in " \t\r\n":
        place += 1
    return place


def _broken(path: Path, line: int, row: int | None, said: str) -> NoReturn:
    where = f" (row {row})" if row else ""
    raise DataError(f"{path}:{line}: not JSON{where}: {said}", expected=FORMS) from None
