"""Rows: the examples of one split, behind them batches in Arrow."""

import functools
import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from transferhub.dataset.kinds import CODED
from transferhub.dataset.store import ROWS, Stored, in_memory

RELEASE = 1 << 17  # after so many rows in passing, their pages are given back


class InputExample:
    """One labelled text or pair of texts, with PaddleHub's names.

    Args:
        guid: Any name for the row.
        text_a: The text, or the first of a pair.
        text_b: The second text of a pair.
        label: The label's name; None where there is none.
    """

    __slots__ = ("guid", "label", "text_a", "text_b")

    def __init__(self, guid: Any = None, text_a: str = "", text_b: str | None = None, label: Any = None) -> None:
        self.guid, self.text_a, self.text_b, self.label = guid, text_a, text_b, label

    def __eq__(self, other: object) -> bool:
        return isinstance(other, InputExample) and all(
            getattr(self, name) == getattr(other, name) for name in ("text_a", "text_b", "label")
        )

    def __hash__(self) -> int:
        return hash((self.text_a, self.text_b, self.label))

    def __repr__(self) -> str:
        pair = "" if self.text_b is None else f", text_b={self.text_b!r}"
        return f"InputExample(text_a={self.text_a!r}{pair}, label={self.label!r})"


class TripleExample(InputExample):
    """A query and two texts, for pairwise matching: is the left one (`text_b`) nearer, or the right one (`text_c`)?

    Args:
        guid: Any name for the row.
        text_a: The query.
        text_b: The left text.
        text_c: The right text.
        label: ``1`` where the left text fits the query better, ``0`` where the right one does.
    """

    __slots__ = ("text_c",)

    def __init__(
        self, guid: Any = None, text_a: str = "", text_b: str = "", text_c: str = "", label: Any = None
    ) -> None:
        super().__init__(guid, text_a, text_b, label)
        self.text_c = text_c

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TripleExample) and super().__eq__(other) and self.text_c == other.text_c

    def __hash__(self) -> int:
        return hash((self.text_a, self.text_b, self.text_c, self.label))

    def __repr__(self) -> str:
        texts = f"text_a={self.text_a!r}, text_b={self.text_b!r}, text_c={self.text_c!r}"
        return f"TripleExample({texts}, label={self.label!r})"


class Examples(Sequence[InputExample]):
    """The rows of a file as `InputExample`s, made when they are looked at; behind them batches in Arrow.

    Args:
        stored: The rows.
        source: The file the rows come from, for messages.
        place: How a row is named, of ``source`` and ``line``; or the names themselves, by ``line``.
        rows: Numbers of the stored rows that these are, int64; None: all.
    """

    def __init__(
        self,
        stored: Stored,
        source: str,
        place: str | Sequence[str] = "{source}:{line}",
        rows: npt.NDArray[np.int64] | None = None,
    ) -> None:
        self.stored, self.source, self.place = stored, source, place
        self.columns: dict[str, int] = {}  # role (text, text_pair, label) → number of its column in the file
        self.names: dict[str, Any] = {}  # role → name of its column, or number where there is no header
        self._rows = rows

    @classmethod
    def from_columns(
        cls, text_a: list[str], text_b: list[str] | None, label: list[str] | None, line: list[int], source: str
    ) -> "Examples":
        """Build from plain lists of equal length; `text_b` and `label` may be left out."""
        nothing = [None] * len(text_a)
        return cls(in_memory(zip(text_a, text_b or nothing, label or nothing, line, strict=True)), source)

    def __len__(self) -> int:
        return self.stored.facts.rows if self._rows is None else len(self._rows)

    @overload
    def __getitem__(self, index: int) -> InputExample: ...
    @overload
    def __getitem__(self, index: slice) -> "Examples": ...
    def __getitem__(self, index: int | slice) -> "InputExample | Examples":
        if isinstance(index, slice):
            return self.take(np.arange(*index.indices(len(self))))
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        place = index % len(self)
        return next(self._made(place, place + 1))

    def __iter__(self) -> Iterator[InputExample]:
        for start in range(0, len(self), 1024):
            yield from self._made(start, min(start + 1024, len(self)))

    def _made(self, start: int, stop: int) -> Iterator[InputExample]:
        lines = self._numbers("line", start, stop).tolist()
        rows = zip(self.texts(start, stop), self.labels(start, stop), lines, strict=True)
        if self.stored.facts.tripled:
            for row, third in zip(rows, self._strings("text_c", start, stop), strict=True):
                (text_a, text_b), label, line = row
                yield TripleExample(line, text_a, text_b or "", third, label)
            return
        for (text_a, text_b), label, line in rows:
            yield InputExample(line, text_a, text_b, label)

    def take(self, rows: npt.ArrayLike) -> "Examples":
        """The rows with these numbers, in this order; no text is copied."""
        chosen = np.asarray(rows, np.int64)
        taken = Examples(self.stored, self.source, self.place, chosen if self._rows is None else self._rows[chosen])
        taken.columns, taken.names = self.columns, self.names
        return taken

    def texts(self, start: int, stop: int) -> list[tuple[str, str | None]]:
        """The texts of some rows: ``(text_a, text_b)``."""
        if stop // RELEASE > start // RELEASE:
            self.stored.release()
        first = self._strings("text_a", start, stop)
        return list(
            zip(first, self._strings("text_b", start, stop) if self.paired else [None] * len(first), strict=True)
        )

    def labels(self, start: int, stop: int) -> list[str | None]:
        """The labels of some rows, as they are kept; None: no label."""
        codes = self.codes[start:stop].tolist()
        if self.coded:
            names = [*self.label_names, None]  # code -1: no label
            return [names[code] for code in codes]
        return [
            None if code < 0 else text for code, text in zip(codes, self._strings("target", start, stop), strict=True)
        ]

    @property
    def coded(self) -> bool:
        """Whether labels recur, so that `codes` stand for `label_names`."""
        return self.stored.facts.kind in CODED

    @property
    def paired(self) -> bool:
        """Whether the rows are pairs of texts."""
        return self.stored.facts.paired

    @functools.cached_property
    def label_names(self) -> list[str]:
        """The labels of the file, in the order of first appearance: `codes` count in it."""
        return list(self.stored.facts.labels)

    @functools.cached_property
    def codes(self) -> npt.NDArray[np.int32]:
        """The place of each row's label in `label_names`, int32 ``[rows]``; -1: no label.

        Where labels do not recur (not `coded`), 0 stands for any label.
        """
        return np.ascontiguousarray(self._numbers("label", 0, len(self)))

    @functools.cached_property
    def found_labels(self) -> list[str]:
        """The labels that these rows have."""
        return [self.label_names[code] for code in np.unique(self.codes) if code >= 0]

    def line(self, row: int) -> int:
        """The line (or number) of a row in its file."""
        return int(self._numbers("line", row, row + 1)[0])

    def where(self, row: int) -> str:
        """``file:line`` of a row."""
        line = self.line(row)
        return self.place.format(source=self.source, line=line) if isinstance(self.place, str) else self.place[line]

    def _parts(self, start: int, stop: int) -> Iterator[tuple[Any, npt.NDArray[np.int64] | slice]]:
        """Batches and the rows in them that together are the rows from `start` to `stop`."""
        if self._rows is None:
            for number in range(start // ROWS, -(-stop // ROWS)):
                first = number * ROWS
                yield self.stored.batches[number], slice(max(start - first, 0), min(stop - first, ROWS))
            return
        rows = self._rows[start:stop]
        numbers = rows // ROWS
        for part in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(numbers)) + 1):
            if len(part):
                yield self.stored.batches[numbers[part[0]]], rows[part] % ROWS

    def _numbers(self, column: str, start: int, stop: int) -> npt.NDArray[np.int32]:
        parts = [
            np.frombuffer(batch.column(column).buffers()[1], np.int32, batch.num_rows)[inside]
            for batch, inside in self._parts(start, stop)
        ]
        return np.concatenate(parts) if parts else np.empty(0, np.int32)

    def _strings(self, column: str, start: int, stop: int) -> list[str]:
        found: list[str] = []
        for batch, inside in self._parts(start, stop):
            _, offsets, data = batch.column(column).buffers()
            bounds = np.frombuffer(offsets, np.int64, batch.num_rows + 1)
            begins, ends = bounds[:-1][inside].tolist(), bounds[1:][inside].tolist()
            view = memoryview(b"" if data is None else data)
            found += [str(view[begin:end], "utf-8") for begin, end in zip(begins, ends, strict=True)]
        return found


def fingerprint(examples: Sequence[InputExample]) -> str:
    """The sha256 of all texts and labels, in order; the same for equal rows wherever they come from."""
    digest, encoder = hashlib.sha256(), json.JSONEncoder(ensure_ascii=False)
    for example in examples:
        third = [example.text_c] if isinstance(example, TripleExample) else []
        line = encoder.encode([example.text_a, example.text_b, str(example.label), *third])
        digest.update(line.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def where(examples: Sequence[InputExample], row: int, name: str = "examples") -> str:
    """Name a row for a message: ``file:line`` where it came from a file, its own ``place``, else ``name[row]``."""
    named = getattr(examples, "where", None)  # Examples and Pictures; lists have none
    if named is not None:
        return str(named(row))
    return getattr(examples[row], "place", "") or f"{name}[{row}]"
