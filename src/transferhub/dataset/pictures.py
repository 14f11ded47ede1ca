"""Rows of picture data sets: paths and label ids, flat in memory, as ``(path, label)`` when they are looked at."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from transferhub.errors import DataError

Row = tuple[str, int | str | None]
PLACE = "{source}:{line}"


class Pictures(Sequence[Row]):
    """``(path, label id)`` a row; a million of them cost their paths' bytes and twelve bytes each.

    Where rows have label sets, it is ``(path, label set as it was written)``, and `Pictures` has what `targets` asks of
    rows whose labels recur: ``coded codes label_names found_labels``.

    Args:
        folder: What the paths are relative to.
        names: The paths' bytes, one after another.
        ends: Where each path ends in `names`, int64 ``[rows + 1]``, the first 0.
        ids: Label ids, int32 ``[rows]``; -1: no label. Of label sets, places in `sets`.
        source: The file or folder that the rows come from, for messages.
        lines: The line of each row in `source`, int32 ``[rows]``; None: rows are named by their paths.
        sets: The label sets, as they were written, each once; None: each row has one label.
        place: How a row with a line is named, of ``source`` and ``line``.
    """

    def __init__(
        self,
        folder: str,
        names: bytes,
        ends: npt.NDArray[np.int64],
        ids: npt.NDArray[np.int32],
        source: str,
        lines: npt.NDArray[np.int32] | None = None,
        sets: Sequence[str] | None = None,
        place: str = PLACE,
    ) -> None:
        self.folder, self.source, self.ids, self.lines, self.sets = folder, source, ids, lines, sets
        self.place = place
        self._names, self._ends = names, ends

    @classmethod
    def of(
        cls,
        folder: str,
        names: Sequence[bytes],
        ids: npt.ArrayLike,
        source: str,
        lines: npt.ArrayLike | None = None,
        sets: Sequence[str] | None = None,
        place: str = PLACE,
    ) -> "Pictures":
        """Build from one path a row, as `os.fsencode` gives it."""
        ends = np.zeros(len(names) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, names), np.int64, len(names)), out=ends[1:])
        known = None if lines is None else np.asarray(lines, np.int32)
        return cls(folder, b"".join(names), ends, np.asarray(ids, np.int32), source, known, sets, place)

    @classmethod
    def with_sets(
        cls,
        folder: str,
        names: Sequence[bytes],
        written: Sequence[str],
        source: str,
        lines: npt.ArrayLike | None,
        place: str = PLACE,
    ) -> "Pictures":
        """Build from one path and one label set a row, as it was written."""
        codes: dict[str, int] = {}
        ids = [codes.setdefault(each, len(codes)) for each in written]
        return cls.of(folder, names, ids, source, lines, list(codes), place)

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> "Pictures": ...
    def __getitem__(self, index: int | slice) -> "Row | Pictures":
        if isinstance(index, slice):
            return self.take(np.arange(*index.indices(len(self))))
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        place = index % len(self)
        return self.path(place), self._label(int(self.ids[place]))

    def __iter__(self) -> Iterator[Row]:
        for place, label in enumerate(self.ids.tolist()):
            yield self.path(place), self._label(label)

    def _label(self, number: int) -> int | str | None:
        if number < 0:
            return None
        return number if self.sets is None else self.sets[number]

    @property
    def coded(self) -> bool:
        """Whether rows have label sets, for which `codes` stand."""
        return self.sets is not None

    @property
    def codes(self) -> npt.NDArray[np.int32]:
        """The place of each row's label set in `label_names`, int32 ``[rows]``; -1: none."""
        return self.ids

    @property
    def label_names(self) -> list[str]:
        """The label sets, as they were written."""
        return list(self.sets or ())

    @property
    def found_labels(self) -> list[str]:
        """The label sets that these rows have."""
        names = self.label_names
        return [names[code] for code in np.unique(self.ids).tolist() if code >= 0]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(other) == len(self) and all(a == b for a, b in zip(self, other))  # noqa: B905

    __hash__ = None  # type: ignore[assignment]

    def name(self, row: int) -> str:
        """The path of a row as it was given: relative to `folder`, or absolute."""
        return os.fsdecode(self._names[self._ends[row] : self._ends[row + 1]])

    def path(self, row: int) -> str:
        """The path of a row that can be opened."""
        return os.path.join(self.folder, self.name(row))

    def where(self, row: int) -> str:
        """``file:line`` of a row that a file lists, else its path."""
        if self.lines is None:
            return self.path(row)
        return self.place.format(source=self.source, line=int(self.lines[row]))

    def take(self, rows: npt.ArrayLike) -> "Pictures":
        """The rows with these numbers, in this order."""
        chosen = np.asarray(rows, np.int64)
        names = [self._names[begin:end] for begin, end in zip(self._ends[chosen], self._ends[chosen + 1], strict=True)]
        lines = None if self.lines is None else self.lines[chosen]
        return Pictures.of(self.folder, names, self.ids[chosen], self.source, lines, self.sets, self.place)

    def relabelled(self, ids: npt.NDArray[np.int32]) -> "Pictures":
        """The same rows with other label ids: `ids` by the old id."""
        turned = np.where(self.ids < 0, -1, np.append(ids, -1)[self.ids]).astype(np.int32)
        return Pictures(self.folder, self._names, self._ends, turned, self.source, self.lines, place=self.place)


class Paths(Sequence[str]):
    """The paths of `Pictures`, made when they are looked at: a million of them take no room of their own."""

    def __init__(self, rows: Pictures) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> "Paths": ...
    def __getitem__(self, index: int | slice) -> "str | Paths":
        return Paths(self._rows[index]) if isinstance(index, slice) else self._rows[index][0]


def paths_of(examples: Sequence[Any]) -> Sequence[str]:
    """The paths of rows: of `Pictures`, of ``(path, label)`` pairs, or plain paths.

    Raises:
        DataError: A row that is none of these.
    """
    if isinstance(examples, Pictures):
        return Paths(examples)
    return [path_of(row, place) for place, row in enumerate(examples)]


def path_of(row: Any, place: int) -> str:
    """The path of one row; `place` is for the message.

    Raises:
        DataError: Neither a path nor a pair that begins with one.
    """
    given = row[0] if isinstance(row, list | tuple) and len(row) in (1, 2) else row
    if not isinstance(given, str | os.PathLike):
        raise DataError(f"row {place}: {row!r:.80}", expected="a path, or (path, label)")
    return os.fsdecode(given)


def stamps(paths: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Size and time of change (ns) of each file: what tells whether it is still the same one.

    Raises:
        DataError: A file is not there.
    """
    for path in paths:
        try:
            said = os.stat(path)
        except (OSError, ValueError) as error:
            raise DataError(
                f"there is no picture {path}: {getattr(error, 'strerror', None) or error}",
                fix="check the path, and the folder that it is in",
            ) from None
        yield said.st_size, said.st_mtime_ns


def fingerprint(examples: Sequence[Any]) -> str:
    """The sha256 of the pictures' names in their folder, their sizes and labels, in order.

    The same for a copy of the folder elsewhere. Bytes are not read: a picture that is edited without a change of its
    size is not noticed.
    """
    digest, paths = hashlib.sha256(), paths_of(examples)
    for row, (path, (size, _)) in enumerate(zip(paths, stamps(paths), strict=True)):
        given = examples[row]
        name = examples.name(row) if isinstance(examples, Pictures) else os.path.basename(path)
        label = given[1] if isinstance(given, list | tuple) and len(given) == 2 else None
        digest.update(f"{name}\0{size}\0{label}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
