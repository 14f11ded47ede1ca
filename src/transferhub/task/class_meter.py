"""Scores of a classifier, from its logits."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from transferhub.metrics.classification import ConfusionMatrix


class ClassMeter:
    """Counts predictions against labels."""

    def __init__(self, classes: int, names: Sequence[str]) -> None:
        self._matrix, self._names = ConfusionMatrix(classes), names

    def update(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> None:
        """Count a batch."""
        self._matrix.update(batch["labels"].cpu().numpy(), outputs["logits"].argmax(dim=-1).cpu().numpy())

    def scores(self) -> dict[str, float]:
        """The task's metrics."""
        return self._matrix.scores(self._names)

    def state(self) -> Any:
        """The counts."""
        return self._matrix.counts.tolist()

    def restore(self, state: Any) -> None:
        """Go on from counts."""
        self._matrix.counts = np.asarray(state, np.int64)
