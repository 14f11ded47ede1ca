"""Readers of texts whose labels are something else than one class: a number, or any number of names."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from transferhub.dataset import BaseDataset
from transferhub.dataset import targets as rows_targets
from transferhub.reader.classify_reader import ClassifyReader


class RegressionReader(ClassifyReader):
    """Reads texts and pairs as `ClassifyReader` does, and labels as numbers, float32 ``[rows]``.

    Raises:
        DataError: A label that is no finite number, by file and line.
    """

    def targets(self, dataset: BaseDataset, phase: str) -> npt.NDArray[np.float32]:
        """The values, float32 ``[rows]``."""
        return rows_targets.values(dataset, phase)

    def arrays(self, batch: Mapping[str, npt.NDArray[np.int64]], lengths: npt.NDArray[np.int64]) -> list[Any]:
        """``[token_ids, position_ids, segment_ids, input_mask]``, ``[B, L, 1]`` each."""
        return super().arrays(batch, lengths)[:4]


class MultiLabelClassifyReader(ClassifyReader):
    """Reads texts and pairs as `ClassifyReader` does, and labels as a flag for each name, uint8 ``[rows, labels]``.

    A row's label is flags (``1,0,0``) if every row has as many values in {0, 1} as there are labels, else names or ids,
    joined by ``,`` ``;`` or ``|``, or a list; which, is said.

    Raises:
        DataError: A name that is no label, or another number of flags, by file and line.
    """

    def targets(self, dataset: BaseDataset, phase: str) -> npt.NDArray[np.uint8]:
        """The flags, uint8 ``[rows, labels]``."""
        return rows_targets.label_sets(dataset, phase)

    def arrays(self, batch: Mapping[str, npt.NDArray[np.int64]], lengths: npt.NDArray[np.int64]) -> list[Any]:
        """``[token_ids, position_ids, segment_ids, input_mask]``, ``[B, L, 1]`` each."""
        return super().arrays(batch, lengths)[:4]
