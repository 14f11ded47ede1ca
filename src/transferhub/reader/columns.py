"""Columns: the rows of a split as ragged arrays of numbers, memory-mapped, ready to be cut into batches."""

import contextlib
import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from transferhub import atomic, cache

Ragged = npt.NDArray[np.integer[Any]]
Labels = Sequence[int] | npt.NDArray[np.int64]


@dataclass(frozen=True)
class Padding:
    """How rows of different lengths become one array.

    Args:
        values: Column name → the value that fills up.
        left: Whether the filling stands before the row, as XLNet has it, instead of after it.
    """

    values: Mapping[str, int]
    left: bool = False


class Columns:
    """Ragged columns of equal row lengths, and one label a row.

    Args:
        ragged: Column name → all rows' values one after another, whole numbers of any width.
        offsets: int64 ``[rows + 1]``: row r is ``offsets[r]:offsets[r + 1]`` of each ragged column.
        labels: int64 ``[rows]``, or None where there are none.
    """

    def __init__(
        self, ragged: Mapping[str, Ragged], offsets: npt.NDArray[np.int64], labels: npt.NDArray[np.int64] | None
    ) -> None:
        self.ragged, self.offsets, self.labels = dict(ragged), offsets, labels
        self.lengths: npt.NDArray[np.int64] = np.diff(offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @classmethod
    def from_rows(cls, rows: Mapping[str, Sequence[Sequence[int]]], labels: Sequence[int] | None) -> "Columns":
        """Build from one list of lists a column, all with the same row lengths."""
        return cls.from_chunks([rows], dict.fromkeys(rows, np.int32), labels)

    @classmethod
    def from_chunks(
        cls, chunks: Iterable["Chunk"], types: Mapping[str, npt.DTypeLike], labels: "Labels | None"
    ) -> "Columns":
        """Build in memory from rows that come chunk by chunk; `types` are the numbers' types by column."""
        parts = [_flat(chunk, types) for chunk in chunks]
        ragged = {
            name: np.concatenate([np.empty(0, types[name]), *(flat[name] for _, flat in parts)]) for name in types
        }
        return cls(
            ragged,
            _offsets([lengths for lengths, _ in parts]),
            None if labels is None else np.asarray(labels, np.int64),
        )

    @classmethod
    def open(cls, folder: Path, labels: "Labels | None") -> "Columns":
        """Map what `ColumnWriter` wrote; nothing is read until it is used."""
        names = json.loads((folder / "columns.json").read_text(encoding="utf-8"))["ragged"]
        ragged = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in names}
        offsets = np.load(folder / "offsets.npy", allow_pickle=False)
        return cls(ragged, offsets, None if labels is None else np.asarray(labels, np.int64))

    def batch(self, rows: npt.ArrayLike, pad: Padding, length: int | None = None) -> dict[str, npt.NDArray[np.int64]]:
        """Cut rows out and pad them to the longest of them, or to `length`.

        Args:
            rows: Row numbers, in the order of the batch.
            pad: With what, and on which side.
            length: A fixed length ``L``; None: the longest row's.

        Returns:
            Column name → int64 ``[B, L]``; ``input_mask`` (1 where there is a value); ``labels`` ``[B]`` if there are.
        """
        rows = np.asarray(rows, np.int64)
        width = length or int(self.lengths[rows].max())
        batch = {name: np.full((len(rows), width), pad.values.get(name, 0), np.int64) for name in self.ragged}
        mask = np.zeros((len(rows), width), np.int64)
        for place, row in enumerate(rows):
            start, end = self.offsets[row], self.offsets[row + 1]
            filled = slice(width - (end - start), width) if pad.left else slice(0, end - start)
            for name, values in self.ragged.items():
                batch[name][place, filled] = values[start:end]
            mask[place, filled] = 1
        batch["input_mask"] = mask
        if self.labels is not None:
            batch["labels"] = self.labels[rows]
        return batch


Chunk = Mapping[str, Sequence[Sequence[int]]]  # column name → the values of some rows


class ColumnWriter:
    """Takes rows chunk by chunk and writes the files that `Columns.open` maps; holds one chunk at a time.

    Args:
        folder: Where the files go.
        types: Column name → type of its numbers.
    """

    def __init__(self, folder: Path, types: Mapping[str, npt.DTypeLike]) -> None:
        self._folder, self._types = folder, {name: np.dtype(kind) for name, kind in types.items()}
        self._lengths: list[npt.NDArray[np.int32]] = []

    def write(self, chunks: Iterable[Chunk]) -> None:
        """Write all rows."""
        with contextlib.ExitStack() as stack:
            files = {name: stack.enter_context(open(self._folder / f"{name}.npy", "w+b")) for name in self._types}
            for name, file in files.items():
                _write_header(file, self._types[name], 0)
            for chunk in chunks:
                lengths, flat = _flat(chunk, self._types)
                self._lengths.append(lengths)
                for name, values in flat.items():
                    files[name].write(values.tobytes())
            offsets = _offsets(self._lengths)
            for name, file in files.items():
                file.seek(0)
                _write_header(file, self._types[name], int(offsets[-1]))
        np.save(self._folder / "offsets.npy", offsets)
        atomic.write_json(self._folder / "columns.json", {"ragged": list(self._types)})


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
    lengths = np.fromiter(map(len, next(iter(chunk.values()))), np.int32)
    count = int(lengths.sum())
    together = itertools.chain.from_iterable
    return lengths, {name: np.fromiter(together(rows), types[name], count) for name, rows in chunk.items()}


def _offsets(lengths: Sequence[npt.NDArray[np.int32]]) -> npt.NDArray[np.int64]:
    offsets = np.zeros(sum(map(len, lengths)) + 1, np.int64)
    np.cumsum(np.concatenate([np.empty(0, np.int32), *lengths]), out=offsets[1:])
    return offsets


def _write_header(file: IO[bytes], kind: np.dtype[Any], count: int) -> None:
    """NumPy leaves room in the header, so that it can be written again with the count that was not known before."""
    header = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": (count,)}
    np.lib.format.write_array_header_1_0(file, header)
