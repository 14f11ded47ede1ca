"""Classification scores over a whole split, from counts that are exact however the split was cut into batches."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from transferhub.errors import ConfigError, did_you_mean

NAMES = ("acc", "f1", "precision", "recall", "matthews")


class ConfusionMatrix:
    """Counts of (true label, predicted label).

    Precision, recall and F1 are of class 1 where there are two classes, as in PaddleHub and GLUE, and the unweighted
    mean over classes (macro) where there are more. A ratio with nothing below the line is 0. The scores are
    scikit-learn's to the last digit (tests hold them against it); computing them from counts spares its import.

    Args:
        classes: How many classes there are.
    """

    def __init__(self, classes: int) -> None:
        self.counts: npt.NDArray[np.int64] = np.zeros((classes, classes), np.int64)

    def update(self, labels: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64]) -> None:
        """Count a batch: two int64 arrays ``[B]``."""
        np.add.at(self.counts, (labels, predicted), 1)

    def scores(self, names: Sequence[str]) -> dict[str, float]:
        """The scores with these names, in this order."""
        return {name: getattr(self, name)() for name in names}

    def acc(self) -> float:
        """The part of rows whose label was predicted."""
        return _ratio(np.trace(self.counts), self.counts.sum())

    def precision(self) -> float:
        """Of the rows predicted as a class, the part that is."""
        return self._of_classes(self.counts.sum(axis=0))

    def recall(self) -> float:
        """Of the rows of a class, the part that was found."""
        return self._of_classes(self.counts.sum(axis=1))

    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return self._of_classes((self.counts.sum(axis=0) + self.counts.sum(axis=1)) / 2)

    def matthews(self) -> float:
        """Matthews' correlation, for any number of classes (Gorodkin 2004)."""
        counts = self.counts.astype(np.float64)
        rows, columns, total = counts.sum(axis=1), counts.sum(axis=0), counts.sum()
        above = np.trace(counts) * total - rows @ columns
        below = math.sqrt(float((total**2 - columns @ columns) * (total**2 - rows @ rows)))
        return _ratio(above, below)

    def _of_classes(self, below: npt.NDArray[np.generic]) -> float:
        ratios = [_ratio(self.counts[c, c], below[c]) for c in range(len(self.counts))]
        if len(ratios) == 2:
            return ratios[1]
        # Classes that occur neither as label nor as prediction do not count, as in scikit-learn.
        seen = self.counts.sum(axis=0) + self.counts.sum(axis=1) > 0
        return float(np.mean([ratio for ratio, there in zip(ratios, seen, strict=True) if there] or [0.0]))


def chosen(choices: str | Sequence[str] | None, default: Sequence[str]) -> list[str]:
    """The metric names that ``metrics_choices`` asks for; the first chooses the best model.

    Raises:
        ConfigError: An unknown name.
    """
    if choices is None or choices == "default":
        return list(default)
    names = [choices] if isinstance(choices, str) else list(choices)
    if not names:
        raise ConfigError("metrics_choices is empty", expected="at least one metric: the first chooses the best model")
    for name in names:
        if name not in NAMES:
            raise ConfigError(
                f"metrics_choices: there is no {name!r}",
                expected=f"of {', '.join(NAMES)}",
                fix=did_you_mean(name, NAMES) or None,
            )
    return names


def _ratio(above: float, below: float) -> float:
    return float(above / below) if below else 0.0
