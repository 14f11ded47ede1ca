"""Scores of a split from one of `metrics`' classes, batch by batch."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from transferhub.log import logger
from transferhub.metrics.interval import Sample


class Scores(Protocol):
    """What gathers a split's numbers."""

    def update(self, true: npt.NDArray[Any], predicted: npt.NDArray[Any], /) -> None:
        """Keep a batch."""

    def scores(self, names: Sequence[str], /) -> dict[str, float]:
        """The scores with these names."""

    def drawn(self, rows: npt.NDArray[np.int64], /) -> "Scores":
        """The scores of these rows, with repetition."""

    def __len__(self) -> int:
        """How many rows there are."""

    def notes(self) -> list[str]:
        """What must be known to read them."""

    def state(self) -> Any:
        """What was gathered, as JSON."""

    def restore(self, state: Any, /) -> None:
        """Go on from what `state` gave."""


class ScoreMeter:
    """A meter of the engine's on such scores.

    Args:
        scores: Fresh ones.
        names: Which, in their order.
        predicted: The network's outputs → what is compared with the labels, an array ``[B, …]``.
        whole: Whether a split is scored, so that what must be known of its scores is said.
    """

    def __init__(
        self,
        scores: Scores,
        names: Sequence[str],
        predicted: Callable[[Mapping[str, Tensor]], npt.NDArray[Any]],
        *,
        whole: bool,
    ) -> None:
        self.kept, self._names, self._predicted, self._whole = scores, list(names), predicted, whole

    def keep_rows(self) -> None:
        """Nothing: they are kept anyway."""

    def sample(self) -> Sample:
        """What was kept, to draw from."""
        return Sample("rows", len(self.kept), lambda drawn: self.kept.drawn(drawn).scores(self._names))

    def update(
        self,
        outputs: Mapping[str, Tensor],
        batch: Mapping[str, Tensor],
        rows: npt.NDArray[np.int64] | None = None,
    ) -> None:
        """Keep a batch."""
        self.kept.update(batch["labels"].cpu().numpy(), self._predicted(outputs))

    def scores(self) -> dict[str, float]:
        """The scores, in their order."""
        for note in self.kept.notes() if self._whole else []:
            logger.info("%s", note)
        return self.kept.scores(self._names)

    def state(self) -> Any:
        """What was gathered."""
        return self.kept.state()

    def restore(self, state: Any) -> None:
        """Go on from that."""
        self.kept.restore(state)
