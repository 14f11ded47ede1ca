"""What the engine asks of a task: a loss for each row, and scores."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from torch import Tensor

from transferhub.metrics.interval import Sample
from transferhub.reader import Columns


class Meter(Protocol):
    """Collects scores over batches, exactly."""

    def update(
        self,
        outputs: Mapping[str, Tensor],
        batch: Mapping[str, Tensor],
        rows: npt.NDArray[np.int64] | None = None,
    ) -> None:
        """Count a batch; in evaluation, `rows` are the rows' numbers in the split, in training None."""

    def scores(self) -> dict[str, float]:
        """The scores of all that was counted, the main one first."""

    def state(self) -> Any:
        """What was counted, as JSON."""

    def restore(self, state: Any) -> None:
        """Go on from what `state` gave."""


@runtime_checkable
class RowMeter(Meter, Protocol):
    """A meter that can keep what its scores come from row by row, for intervals."""

    def keep_rows(self) -> None:
        """Called before the first batch of a split: keep from now on what `sample` needs."""

    def sample(self) -> Sample:
        """What was kept, to draw from."""


class Objective(Protocol):
    """Loss and scores of a task."""

    def rank(self, scores: Mapping[str, float], loss: float) -> float:
        """What chooses the best model, of an evaluation's scores and loss: the higher, the better."""

    def losses(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        """The loss of each row that training minimises, float32 ``[B]``."""

    def evaluation_losses(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        """The loss of each row that evaluation shows, float32 ``[B]``."""

    def meter(self, columns: Columns | None = None) -> Meter:
        """A fresh meter: for a split that is evaluated as a whole, or for batches between two log lines (None)."""


def first_or_loss(scores: Mapping[str, float], loss: float) -> tuple[str, float]:
    """The main score by name; the loss where there is none."""
    return next(iter(scores.items()), ("loss", loss))
