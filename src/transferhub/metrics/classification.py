"""Classification scores over a whole split, from counts that are exact however the split was cut into batches."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

AVERAGED = ("f1", "precision", "recall")
AVERAGES = ("macro", "micro", "weighted")
NAMES = (
    *("acc", "f1", "precision", "recall", "matthews", "balanced_acc"),  # the first five are PaddleHub's
    *(f"{name}_{average}" for name in AVERAGED for average in AVERAGES),
)


class ConfusionMatrix:
    """Counts of (true label, predicted label).

    Precision, recall and F1 are of class 1 where there are two classes, as in PaddleHub and GLUE, and the unweighted
    mean over classes (macro) where there are more; ``f1_macro``, ``f1_micro``, ``f1_weighted`` (and so on) name an
    average. A ratio with nothing below the line is 0. The scores are scikit-learn's to the last digit (tests hold them
    against it); computing them from counts spares its import.

    Args:
        classes: How many classes there are.
    """

    def __init__(self, classes: int) -> None:
        self.counts: npt.NDArray[np.int64] = np.zeros((classes, classes), np.int64)

    def update(
        self,
        labels: npt.NDArray[np.int64],
        predicted: npt.NDArray[np.int64],
        times: npt.NDArray[np.int64] | None = None,
    ) -> None:
        """Count a batch: two int64 arrays ``[B]``; `times` is how often each row counts, once by default."""
        np.add.at(self.counts, (labels, predicted), 1 if times is None else times)

    def scores(self, names: Sequence[str]) -> dict[str, float]:
        """The scores with these names of `NAMES`, in this order."""
        return {name: self._score(name) for name in names}

    def acc(self) -> float:
        """The part of rows whose label was predicted."""
        return _ratio(np.trace(self.counts), self.counts.sum())

    def balanced_acc(self) -> float:
        """The mean of the classes' recalls, over the classes that have rows."""
        rows = self.counts.sum(axis=1)
        return float(np.mean(self._ratios("recall")[rows > 0])) if rows.any() else 0.0

    def matthews(self) -> float:
        """Matthews' correlation, for any number of classes (Gorodkin 2004)."""
        counts = self.counts.astype(np.float64)
        rows, columns, total = counts.sum(axis=1), counts.sum(axis=0), counts.sum()
        above = np.trace(counts) * total - rows @ columns
        below = math.sqrt(float((total**2 - columns @ columns) * (total**2 - rows @ rows)))
        return _ratio(above, below)

    def averaged(self, name: str, average: str | None = None) -> float:
        """``precision``, ``recall`` or ``f1``, their harmonic mean.

        Args:
            name: Of `AVERAGED`.
            average: ``macro``: the mean over classes that occur as label or prediction; ``micro``: from the sums over
                classes; ``weighted``: the mean over rows of their label's score; None: of class 1 where there are two
                classes, else macro.
        """
        rows, predictions = self.counts.sum(axis=1), self.counts.sum(axis=0)
        if average == "micro":
            return self.acc()  # each row has one label and one prediction: both sums are the number of rows
        ratios = self._ratios(name)
        if average is None and len(ratios) == 2:
            return float(ratios[1])
        weights = rows if average == "weighted" else (rows + predictions > 0)
        return float(np.average(ratios, weights=weights)) if weights.any() else 0.0

    def _ratios(self, name: str) -> npt.NDArray[np.float64]:
        """Precision, recall or F1 of each class."""
        rows, predictions = self.counts.sum(axis=1), self.counts.sum(axis=0)
        below = {"precision": predictions, "recall": rows, "f1": (rows + predictions) / 2}[name]
        return np.array([_ratio(self.counts[c, c], below[c]) for c in range(len(self.counts))])

    def _score(self, name: str) -> float:
        base, _, average = name.partition("_")
        if base in AVERAGED:
            return self.averaged(base, average or None)
        return float(getattr(self, name)())


def _ratio(above: float, below: float) -> float:
    return float(above / below) if below else 0.0


def ratio(name: str, right: int, predicted: int, true: int) -> float:
    """``precision``, ``recall`` or ``f1`` of counts: what is right of what was predicted, and of what is true."""
    return _ratio(right, {"precision": predicted, "recall": true, "f1": (predicted + true) / 2}[name])
