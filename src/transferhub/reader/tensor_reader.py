"""TensorReader: rows that are tensors already, as plain PyTorch has them."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import TensorDataset, default_collate

from transferhub.dataset import BaseDataset
from transferhub.errors import ConfigError, DataError
from transferhub.reader.columns import Columns, Padding
from transferhub.reader.reader import Reader

SAMPLE = 256  # rows that stand for a data set that computes its rows, where it is told from another


class TensorReader(Reader):
    """Reads map-style data sets of ``(x, …, y)``: each row a tuple of tensors, arrays or numbers of one size.

    Args:
        dataset: With such rows in its splits.
        inputs: How many of a row's items are the network's inputs; the next is what is to be learnt.
    """

    feed_names: ClassVar[tuple[str, ...]] = ("x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7")
    max_seq_len = 1
    fingerprint = "TensorReader"

    def __init__(self, dataset: BaseDataset | None = None, inputs: int = 1) -> None:
        self.dataset, self.inputs, self.pad = dataset, inputs, Padding({})

    def columns(self, phase: str, dataset: BaseDataset | None = None, *, keep: bool = True) -> Columns:
        """The rows of a split; they are not copied."""
        dataset = dataset if dataset is not None else self.dataset
        if dataset is None:
            raise ConfigError("a reader without a data set has no splits", fix="TensorReader(dataset=…)")
        rows = dataset.get_examples(phase)
        if not len(rows):
            raise DataError(f"the data set has no {phase} rows", fix=f"give it {phase} rows")
        return TensorColumns(rows, self.inputs, labelled=phase != "predict")

    def encode(self, rows: Sequence[Any]) -> Columns:
        """The rows as they are."""
        return TensorColumns(rows, self.inputs, labelled=False)

    def save(self, folder: Path) -> None:
        """Nothing: rows come as numbers."""

    @classmethod
    def reopened(cls, folder: Path, settings: Mapping[str, Any]) -> "TensorReader":
        """The reader of a saved model."""
        return cls(inputs=int(settings["inputs"]))

    def settings(self) -> dict[str, Any]:
        """How many inputs a row has."""
        return {"reader": type(self).__name__, "max_seq_len": self.max_seq_len, "inputs": self.inputs}

    def shown(self, row: Any, place: int = 0) -> dict[str, Any]:
        """Its number."""
        return {"row": place}

    def digest_of(self, rows: Sequence[Any]) -> str:
        """Of all numbers; where rows are computed when they are asked for, of `SAMPLE` of them, evenly spread."""
        digest = hashlib.sha256(f"{type(rows).__qualname__} {len(rows)}".encode())
        if isinstance(rows, TensorDataset):
            for tensor in rows.tensors:
                digest.update(np.ascontiguousarray(tensor.numpy()).tobytes())
        else:
            for place in np.unique(np.linspace(0, len(rows) - 1, SAMPLE).astype(int)).tolist() if len(rows) else []:
                for item in _items(rows[place]):
                    digest.update(np.ascontiguousarray(np.asarray(item)).tobytes())
        return digest.hexdigest()


class TensorColumns(Columns):
    """Rows of tensors, stacked batch by batch; each counts as one value.

    Args:
        rows: A map-style data set.
        inputs: Items of a row that are inputs.
        labelled: Whether the item behind them is to be learnt.
    """

    def __init__(self, rows: Sequence[Any], inputs: int, *, labelled: bool) -> None:
        super().__init__({}, np.arange(len(rows) + 1, dtype=np.int64), None, examples=rows)
        self._inputs, self._labelled = inputs, labelled

    @property
    def has_labels(self) -> bool:
        """Whether there is something to compare predictions with."""
        return self._labelled

    @property
    def digest(self) -> str:
        """As `TensorReader.digest_of`."""
        return TensorReader().digest_of(self.examples)

    def batch(self, rows: npt.ArrayLike, pad: Padding, length: int | None = None) -> dict[str, npt.NDArray[Any]]:
        """``x0``, ``x1`` …: the inputs, stacked ``[B, …]``; ``labels``; ``input_mask``, ones ``[B, 1]``.

        Raises:
            DataError: Rows of different sizes, or with fewer items than the network has inputs.
        """
        numbers = np.asarray(rows, np.int64)
        if isinstance(self.examples, TensorDataset):
            items = [tensor[torch.from_numpy(numbers)] for tensor in self.examples.tensors]
        else:
            try:
                items = default_collate([_items(self.examples[row]) for row in numbers.tolist()])
            except (RuntimeError, TypeError) as error:
                raise DataError(
                    f"rows {numbers[:4].tolist()} … cannot be stacked: {error}",
                    expected="tensors of one size in all rows",
                    fix="pad them, or use a reader of texts or pictures",
                ) from error
        if len(items) < self._inputs + self._labelled:
            raise DataError(
                f"a row has {len(items)} items",
                expected=f"{self._inputs} inputs" + (" and what is to be learnt" if self._labelled else ""),
            )
        batch = {f"x{place}": item.numpy() for place, item in enumerate(items[: self._inputs])}
        batch["input_mask"] = np.ones((len(numbers), 1), np.int64)
        if self._labelled:
            batch["labels"] = items[self._inputs].numpy()
        return batch


def _items(row: Any) -> tuple[Any, ...]:
    return tuple(row) if isinstance(row, tuple | list) else (row,)
