"""What every kind of file comes to before its columns are chosen: names, a sample, rows."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

Cells = tuple[int, Sequence[Any]]  # the line (or number) of a row, and its cells in the columns that were asked for


@dataclasses.dataclass
class Table:
    """A file, or something like one, opened but not read.

    Args:
        source: What messages call it.
        names: The columns' names, None where they have none and are called by number, from 0.
        width: How many columns there are.
        read: Yields the rows' cells in the columns of the given numbers.
        said: What was found out about it, for the log.
        sample: The first rows, where guesses need them.
        digest: Of the content and of how it is read; None: not to be kept between runs.
        size: Bytes, roughly.
        place: How a row is named, of ``source`` and ``line``; or the names themselves, by ``line``.
        label_names: Column → names of its numbers, where the file has them.
        chosen: Whether its columns were chosen when it was opened.
        notes: Filled while rows are read: what has to be said of them.
    """

    source: str
    names: list[str] | None
    width: int
    read: Callable[[Sequence[int]], Iterator[Cells]]
    said: list[str] = dataclasses.field(default_factory=list)
    sample: list[list[str]] = dataclasses.field(default_factory=list)
    digest: str | None = None
    size: int = 0
    place: str | Sequence[str] = "{source}:{line}"
    label_names: dict[int, list[str]] = dataclasses.field(default_factory=dict)
    chosen: bool = False
    notes: list[str] = dataclasses.field(default_factory=list)

    def called(self, column: int) -> str:
        """A column's name, or its number where it has none."""
        return self.names[column] if self.names else f"column {column}"

    def where(self, line: int) -> str:
        """Name a row for a message."""
        return self.place.format(source=self.source, line=line) if isinstance(self.place, str) else self.place[line]
