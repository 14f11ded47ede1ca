"""Columns: the rows of a split as ragged arrays of numbers, memory-mapped, ready to be cut into batches."""

import contextlib
import functools
import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from transferhub import atomic, cache
from transferhub.reader.long_text import NOTHING_CUT, Cut

Ragged = npt.NDArray[np.integer[Any]]
Labels = Sequence[int] | npt.NDArray[Any]
BITS = 4  # of a rounded length, from the first that is set


@dataclass(frozen=True)
class Padding:
    """How rows of different lengths become one array.

    Args:
        values: Column name → the value that fills up.
        left: Whether the filling stands before the row, as XLNet has it, instead of after it.
        length: Fill up to this length, for networks that read length as features; None: the longest row of a batch.
        rounded_to: Of the longest row's length keep four bits (8 … 15, 16, 18, 20 … 60, 64, 72 …), rounding up, but
            no further than to this; None: its own length. On every device alike, so that runs are; on a CPU kernels
            are compiled for each size, and kept: those of 60 lengths of a small BERT take 440 MB.
    """

    values: Mapping[str, int]
    left: bool = False
    length: int | None = None
    rounded_to: int | None = None

    def width(self, longest: int) -> int:
        """How long the rows of a batch are of which the longest has so many values."""
        if self.length is not None:
            return self.length
        if self.rounded_to is None:
            return longest
        step = 1 << max(0, longest.bit_length() - BITS)
        return max(longest, min(-(-longest // step) * step, self.rounded_to))


TO_LONGEST = Padding({})


@dataclass(frozen=True)
class Chunk:
    """Some rows on their way into columns.

    Args:
        values: Column name → the values of each piece.
        pieces: How many pieces each row has; None: one.
        cut: How much of the rows was not read.
        by_piece: Column name → one number for each piece.
    """

    values: Mapping[str, Sequence[Sequence[int]]]
    pieces: Sequence[int] | None = None
    cut: Cut = NOTHING_CUT
    by_piece: Mapping[str, Sequence[int]] = field(default_factory=dict)


class Columns:
    """Ragged columns of equal row lengths, and one label a row: a number, or several.

    A row is one piece, a sequence of values; or several, the windows of a long text.

    Args:
        ragged: Column name → all pieces' values one after another, whole numbers of any width.
        offsets: int64 ``[pieces + 1]``: piece p is ``offsets[p]:offsets[p + 1]`` of each ragged column.
        labels: ``[rows, …]``: ids, int64 ``[rows]``; values, float32 ``[rows]``; or one column a label, float32
            ``[rows, labels]``. None where there are none, or where each token has one (the ragged column ``labels``).
        pieces: int64 ``[rows + 1]``: row r is the pieces ``pieces[r]:pieces[r + 1]``; None: each row is one.
        cut: How much of the rows was not read.
        by_piece: Column name → int64 ``[pieces]``: one number for each piece.
        examples: The rows that the columns were made of, for those who look at their texts.
        slots: How many texts of a row are read side by side, each padded by itself (`SlotColumns`).
    """

    def __init__(
        self,
        ragged: Mapping[str, Ragged],
        offsets: npt.NDArray[np.int64],
        labels: npt.NDArray[Any] | None,
        pieces: npt.NDArray[np.int64] | None = None,
        cut: Cut = NOTHING_CUT,
        by_piece: Mapping[str, npt.NDArray[np.int64]] | None = None,
        examples: Sequence[Any] = (),
        slots: int = 1,
    ) -> None:
        self.ragged, self.offsets, self.labels, self.pieces, self.cut = dict(ragged), offsets, labels, pieces, cut
        self.by_piece, self.examples, self.slots = dict(by_piece or {}), examples, slots
        self._of_pieces: npt.NDArray[np.int64] = np.diff(offsets)
        self.lengths: npt.NDArray[np.int64] = self._of_pieces if pieces is None else np.diff(offsets[pieces])

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def varies(self) -> bool:
        """Whether rows are others in each epoch: where chance decides what is read of them."""
        return False

    def at_epoch(self, epoch: int, seed: int) -> "Columns":
        """The same rows as this epoch of training sees them; `seed` is the run's."""
        return self

    def ahead(self, rows: npt.ArrayLike) -> None:
        """Begin to prepare the batch that is asked for next, where that takes time."""

    @property
    def has_labels(self) -> bool:
        """Whether there is something to compare predictions with."""
        return self.labels is not None or "labels" in self.ragged or bool(self.by_piece)

    @classmethod
    def from_rows(cls, rows: Mapping[str, Sequence[Sequence[int]]], labels: Sequence[int] | None) -> "Columns":
        """Build from one list of lists a column, all with the same row lengths."""
        return cls.from_chunks([Chunk(rows)], dict.fromkeys(rows, np.int32), labels)

    @classmethod
    def from_chunks(
        cls, chunks: Iterable[Chunk], types: Mapping[str, npt.DTypeLike], labels: "Labels | None"
    ) -> "Columns":
        """Build in memory from rows that come chunk by chunk; `types` are the numbers' types by column."""
        parts, ends = [], _Ends()
        for chunk in chunks:
            lengths, flat = _flat(chunk, types)
            ends.add(lengths, chunk)
            parts.append(flat)
        ragged = {name: np.concatenate([np.empty(0, types[name]), *(flat[name] for flat in parts)]) for name in types}
        return cls(ragged, ends.offsets, _array(labels), ends.pieces, ends.cut, ends.by_piece)

    @classmethod
    def open(cls, folder: Path, labels: "Labels | None") -> "Columns":
        """Map what `ColumnWriter` wrote; nothing is read until it is used."""
        said = json.loads((folder / "columns.json").read_text(encoding="utf-8"))
        ragged = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in said["ragged"]}
        offsets = np.load(folder / "offsets.npy", allow_pickle=False)
        pieces = np.load(folder / "pieces.npy", allow_pickle=False) if said["pieces"] else None
        by_piece = {name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in said["by_piece"]}
        return cls(ragged, offsets, _array(labels), pieces, Cut(**said["cut"]), by_piece)

    @functools.cached_property
    def digest(self) -> str:
        """The sha256 of the values and where rows and pieces end; labels are not in it."""
        digest = hashlib.sha256()
        read = {name: values for name, values in self.ragged.items() if name != "labels"}
        for name, values in {**read, "offsets": self.offsets, "pieces": self.pieces}.items():
            digest.update(f"{name} {None if values is None else values.dtype}\n".encode())
            if values is not None and len(values):
                digest.update(memoryview(values))  # type: ignore[arg-type]
        return digest.hexdigest()

    def pieces_of(self, rows: npt.ArrayLike) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The pieces of some rows, and for each piece the place of its row among `rows`; both int64."""
        rows = np.asarray(rows, np.int64)
        if self.pieces is None:
            return rows, np.arange(len(rows))
        first, last = self.pieces[rows], self.pieces[rows + 1]
        ranges = [np.arange(start, end) for start, end in zip(first, last, strict=True)]
        return np.concatenate([np.empty(0, np.int64), *ranges]), np.repeat(np.arange(len(rows)), last - first)

    def padded(self, rows: npt.ArrayLike, pad: Padding = TO_LONGEST) -> int:
        """How many values a batch of these rows holds, padding included."""
        pieces, _ = self.pieces_of(rows)
        return len(pieces) * pad.width(int(self._of_pieces[pieces].max()))

    def batch(self, rows: npt.ArrayLike, pad: Padding, length: int | None = None) -> dict[str, npt.NDArray[Any]]:
        """Cut rows out and pad their pieces, as the padding says or to `length`.

        Args:
            rows: Row numbers, in the order of the batch.
            pad: With what, on which side, and how far.
            length: A fixed length ``L``; None: as the padding says.

        Returns:
            Column name → int64 ``[P, L]``, a line a piece; ``input_mask`` (1 where there is a value); ``labels``
            ``[B, …]`` if there are; ``row_of`` ``[P]``, the place of each piece's row, where rows have several; what
            there is for each piece, ``[P]``.
        """
        rows = np.asarray(rows, np.int64)
        pieces, row_of = self.pieces_of(rows)
        width = length or pad.width(int(self._of_pieces[pieces].max()))
        batch = {name: np.full((len(pieces), width), pad.values.get(name, 0), np.int64) for name in self.ragged}
        mask = np.zeros((len(pieces), width), np.int64)
        for place, piece in enumerate(pieces):
            start, end = self.offsets[piece], self.offsets[piece + 1]
            filled = slice(width - (end - start), width) if pad.left else slice(0, end - start)
            for name, values in self.ragged.items():
                batch[name][place, filled] = values[start:end]
            mask[place, filled] = 1
        batch["input_mask"] = mask
        if self.pieces is not None:
            batch["row_of"] = row_of
        batch.update({name: values[pieces] for name, values in self.by_piece.items()})
        if self.labels is not None:
            batch["labels"] = self.labels[rows]
        return batch


class ColumnWriter:
    """Takes rows chunk by chunk and writes the files that `Columns.open` maps; holds one chunk at a time.

    Args:
        folder: Where the files go.
        types: Column name → type of its numbers.
    """

    def __init__(self, folder: Path, types: Mapping[str, npt.DTypeLike]) -> None:
        self._folder, self._types = folder, {name: np.dtype(kind) for name, kind in types.items()}

    def write(self, chunks: Iterable[Chunk]) -> None:
        """Write all rows."""
        ends = _Ends()
        with contextlib.ExitStack() as stack:
            files = {name: stack.enter_context(open(self._folder / f"{name}.npy", "w+b")) for name in self._types}
            for name, file in files.items():
                _write_header(file, self._types[name], 0)
            for chunk in chunks:
                lengths, flat = _flat(chunk, self._types)
                ends.add(lengths, chunk)
                for name, values in flat.items():
                    files[name].write(values.tobytes())
            for name, file in files.items():
                file.seek(0)
                _write_header(file, self._types[name], int(ends.offsets[-1]))
        np.save(self._folder / "offsets.npy", ends.offsets)
        if ends.pieces is not None:
            np.save(self._folder / "pieces.npy", ends.pieces)
        for name, numbers in ends.by_piece.items():
            np.save(self._folder / f"{name}.npy", numbers)
        said = {
            "ragged": list(self._types),
            "pieces": ends.pieces is not None,
            "by_piece": list(ends.by_piece),
            "cut": asdict(ends.cut),
        }
        atomic.write_json(self._folder / "columns.json", said)


def cached(
    fingerprint: str,
    labels: Labels | None,
    types: Mapping[str, npt.DTypeLike],
    chunks: Callable[[], Iterable[Chunk]],
) -> Columns:
    """Columns from the disk cache, made and written there chunk by chunk if they are not in it yet."""
    folder = cache.entry("columns", fingerprint, lambda part: ColumnWriter(part, types).write(chunks()))
    return Columns.open(folder, labels)


def _flat(
    chunk: Chunk, types: Mapping[str, npt.DTypeLike]
) -> tuple[npt.NDArray[np.int32], dict[str, npt.NDArray[Any]]]:
    lengths = np.fromiter(map(len, next(iter(chunk.values.values()))), np.int32)
    count = int(lengths.sum())
    together = itertools.chain.from_iterable
    return lengths, {name: np.fromiter(together(rows), types[name], count) for name, rows in chunk.values.items()}


class _Ends:
    """Where pieces and rows end, gathered chunk by chunk."""

    def __init__(self) -> None:
        self._lengths: list[npt.NDArray[np.int32]] = []
        self._pieces: list[npt.NDArray[np.int32]] | None = []
        self._by_piece: dict[str, list[npt.NDArray[np.int64]]] = {}
        self.cut = Cut()

    def add(self, lengths: npt.NDArray[np.int32], chunk: Chunk) -> None:
        self._lengths.append(lengths)
        self.cut += chunk.cut
        for name, numbers in chunk.by_piece.items():
            self._by_piece.setdefault(name, []).append(np.asarray(numbers, np.int64))
        if chunk.pieces is None:
            self._pieces = None
        elif self._pieces is not None:
            self._pieces.append(np.asarray(chunk.pieces, np.int32))

    @property
    def offsets(self) -> npt.NDArray[np.int64]:
        return _offsets(self._lengths)

    @property
    def pieces(self) -> npt.NDArray[np.int64] | None:
        return _offsets(self._pieces) if self._pieces else None

    @property
    def by_piece(self) -> dict[str, npt.NDArray[np.int64]]:
        return {name: np.concatenate(parts) for name, parts in self._by_piece.items()}


def _array(labels: Labels | None) -> npt.NDArray[Any] | None:
    if labels is None or isinstance(labels, np.ndarray):
        return labels
    return np.asarray(labels, np.int64)


def _offsets(lengths: Sequence[npt.NDArray[np.int32]]) -> npt.NDArray[np.int64]:
    offsets = np.zeros(sum(map(len, lengths)) + 1, np.int64)
    np.cumsum(np.concatenate([np.empty(0, np.int32), *lengths]), out=offsets[1:])
    return offsets


def _write_header(file: IO[bytes], kind: np.dtype[Any], count: int) -> None:
    """NumPy leaves room in the header, so that it can be written again with the count that was not known before."""
    header = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": (count,)}
    np.lib.format.write_array_header_1_0(file, header)
