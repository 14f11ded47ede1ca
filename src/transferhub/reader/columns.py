"""Columns: the rows of a split as ragged arrays of numbers, memory-mapped, ready to be cut into batches."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from transferhub import atomic, paths

Ragged = npt.NDArray[np.int32]


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
        ragged: Column name → all rows' values one after another, int32.
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
        lengths = [len(row) for row in next(iter(rows.values()))]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        ragged = {
            name: np.fromiter((value for row in column for value in row), np.int32, count=int(offsets[-1]))
            for name, column in rows.items()
        }
        return cls(ragged, offsets, None if labels is None else np.asarray(labels, np.int64))

    def save(self, folder: Path) -> None:
        """Write the arrays as ``.npy`` files into a folder."""
        for name, array in self.ragged.items():
            np.save(folder / f"{name}.npy", array)
        np.save(folder / "offsets.npy", self.offsets)
        atomic.write_json(folder / "columns.json", {"ragged": list(self.ragged)})

    @classmethod
    def open(cls, folder: Path, labels: Sequence[int] | None) -> "Columns":
        """Map what `save` wrote; nothing is read until it is used."""
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


def cached(fingerprint: str, labels: Sequence[int] | None, make: Callable[[], Columns]) -> Columns:
    """Columns from the disk cache, made and written there if they are not in it yet."""
    folder = paths.cache() / "columns" / fingerprint
    if not (folder / atomic.MANIFEST).is_file():
        columns = make()
        with atomic.whole_folder(folder, replace=False) as part:
            columns.save(part)
    return Columns.open(folder, labels)
