"""Several columns of 0 and 1, a label each → one column of flags."""

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from functools import partial

from transferhub.dataset.kinds import flags_text
from transferhub.dataset.roles import column_of
from transferhub.dataset.table import Cells, Table

NAME = "label flags"


def with_flags(table: Table, columns: Sequence[str | int]) -> tuple[Table, list[str], list[int]]:
    """The table with one more column, last, of the flags of these columns as ``1,0,0``.

    Args:
        table: Opened.
        columns: Names or numbers of the flag columns, in the order of the labels' ids.

    Returns:
        The table, what the columns are called, and their numbers.

    Raises:
        DataError: A column that is not there; and, when the rows are read, a cell that is neither 0 nor 1.
    """
    places = [column_of(table, "label", column) for column in columns]
    names = [str(table.called(place)) for place in places]

    def read(wanted: Sequence[int]) -> Iterator[Cells]:
        others = [column for column in wanted if column < table.width]
        flags = len(others) < len(wanted)
        for line, cells in table.read([*others, *places] if flags else others):
            taken = dict(zip(others, cells, strict=False))
            if flags:
                taken[table.width] = flags_text(cells[len(others) :], partial(table.where, line), names)
            yield line, [taken[column] for column in wanted]

    digest = table.digest and hashlib.sha256(f"{table.digest} flags {places}".encode()).hexdigest()
    header = [*table.names, NAME] if table.names is not None else None
    wider = dataclasses.replace(table, names=header, width=table.width + 1, read=read, digest=digest)
    return wider, names, places
