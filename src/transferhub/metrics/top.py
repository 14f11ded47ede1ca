"""Whether the right class is among the likeliest few, over a whole split."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from transferhub.errors import ConfigError

NAMES = {"top_3": 3, "top_5": 5}  # score → K


class TopScores:
    """Top-K accuracy: the part of rows whose label has one of the K highest logits (Russakovsky et al. 2015, §4.1).

    **Of equal logits the wrong classes come first**, so a network that gives all the same earns nothing; nor does a
    logit that is no number.

    Args:
        names: Of `NAMES`.
        classes: How many there are.

    Raises:
        ConfigError: So few classes that every prediction is among the K.
    """

    def __init__(self, names: Sequence[str], classes: int) -> None:
        for name in names:
            if classes <= NAMES[name]:
                raise ConfigError(
                    f"metrics_choices: {name} of {classes} labels is 1 whatever is predicted",
                    expected=f"more than {NAMES[name]} labels",
                    fix="acc, f1_macro, balanced_acc …",
                )
        self.hits = dict.fromkeys(names, 0)
        self.rows = 0

    def update(self, labels: npt.NDArray[np.int64], logits: npt.NDArray[np.float32]) -> None:
        """Count a batch: labels ``[B]``, logits ``[B, classes]``."""
        self.count(above(labels, logits))

    def count(self, others_above: npt.NDArray[np.int64]) -> None:
        """Count rows of which this many classes are above the right one, as `above` gives it."""
        self.rows += len(others_above)
        for name in self.hits:
            self.hits[name] += int((others_above < NAMES[name]).sum())

    def scores(self) -> dict[str, float]:
        """The scores, in their order; 0 without rows."""
        return {name: hits / self.rows if self.rows else 0.0 for name, hits in self.hits.items()}


def above(labels: npt.NDArray[np.int64], logits: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """How many classes have a logit at least as high as the label's, int64 ``[B]``."""
    own = np.take_along_axis(logits, labels[:, None], axis=1)
    others: npt.NDArray[np.int64] = (~(logits < own)).sum(axis=1) - 1
    return others
