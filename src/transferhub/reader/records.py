"""Rows that one of 1.8's tokenizers has encoded already: records of ids, as their ``encode`` gives them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from transferhub.errors import DataError
from transferhub.reader.columns import Chunk


def are_records(rows: Sequence[Any]) -> bool:
    """Whether rows are records, by the first of them."""
    return len(rows) > 0 and isinstance(rows[0], Mapping)


def read(
    rows: Sequence[Any],
    names: Mapping[str, str],
    optional: Sequence[str],
    longest: int,
    highest: int,
    windows: bool = False,
) -> Iterator[Chunk]:
    """Columns of records; their padding is left out.

    Args:
        rows: The records.
        names: What a record calls a column → the column.
        optional: Names of those that may be missing; then they are zeros.
        longest: Tokens that the model reads.
        highest: The last id of its vocabulary.
        windows: Whether the model reads long rows in windows; of these rows each is one.

    Raises:
        DataError: A row that is no such record, is empty or too long, or has an id that the vocabulary has not.
    """
    columns: dict[str, list[list[int]]] = {column: [] for column in names.values()}
    main = next(iter(names))
    for place, row in enumerate(rows):
        ids = _ids(row, main, place)
        if not ids or len(ids) > longest:
            raise DataError(
                f"row {place} is a record of {len(ids)} ids",
                expected=f"1 to {longest}, as many as the model reads",
                fix=f"tokenizer.encode(…, max_seq_len={longest})",
            )
        if min(ids) < 0 or max(ids) > highest:
            raise DataError(
                f"row {place} has the id {min(ids) if min(ids) < 0 else max(ids)}",
                expected=f"0 to {highest}: ids of the model's own vocabulary",
            )
        for name, column in names.items():
            zeros = name in optional and name not in row
            columns[column].append([0] * len(ids) if zeros else _ids(row, name, place)[: len(ids)])
    yield Chunk(columns, [1] * len(rows) if windows else None)


def is_pair(row: Mapping[str, Any]) -> bool | None:
    """Whether a record is of two texts; None: it does not say."""
    return any(row["segment_ids"]) if "segment_ids" in row else None


def _ids(row: Any, name: str, place: int) -> list[int]:
    values: Any = row.get(name) if isinstance(row, Mapping) else None
    if not isinstance(values, Sequence) or not all(isinstance(value, int) for value in values):
        said = "empty: it holds no known word" if row == {} else f"{row!r:.60}"
        raise DataError(f"row {place} is {said}", expected=f"a record of tokenizer.encode, with {name}")
    return list(values[: row.get("seq_len", len(values))])
