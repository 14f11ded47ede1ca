"""Scores of predicted numbers over a whole split."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from transferhub.errors import ConfigError
from transferhub.metrics.kept import Kept

Floats = npt.NDArray[np.float32]
NAMES = ("spearman", "pearson", "corr", "mse", "rmse", "mae", "r2")


class RegressionScores:
    """Keeps the true and the predicted number of each row, float32, and nothing else.

    ``spearman`` (ties have their mean rank) and ``pearson`` are scipy's, ``corr`` their mean, as GLUE reports STS-B;
    ``mse``, ``rmse``, ``mae`` and ``r2`` are computed in float64. A correlation with numbers that are all the same is
    not defined: it is 0, and `notes` says so; likewise ``r2`` where the true numbers are all the same.
    """

    def __init__(self) -> None:
        self._kept = Kept((np.float32, (2,)))

    def update(self, true: Floats, predicted: Floats) -> None:
        """Keep a batch: two arrays ``[B]``.

        Raises:
            ConfigError: Not two arrays of one length.
        """
        if true.ndim != 1 or true.shape != predicted.shape:
            raise ConfigError(
                f"true numbers {list(true.shape)}, predicted ones {list(predicted.shape)}",
                expected="one of each for a row, [B]",
            )
        self._kept.append(np.stack([true, predicted], axis=1))

    def scores(self, names: Sequence[str] = ("spearman", "pearson", "mse", "mae")) -> dict[str, float]:
        """The scores with these names of `NAMES`, in this order; NaN only where a number is one."""
        true, predicted = self._both()
        return {name: _score(name, true, predicted) if len(true) else 0.0 for name in names}

    def __len__(self) -> int:
        return len(self._kept)

    def drawn(self, rows: npt.NDArray[np.int64]) -> "RegressionScores":
        """The scores of these rows, by number, with repetition."""
        made = RegressionScores()
        made._kept.append(self._kept.rows()[rows])
        return made

    def notes(self) -> list[str]:
        """What is not defined, as sentences."""
        both = zip(("true", "predicted"), self._both(), strict=True)
        still = [whose for whose, values in both if _constant(values)]
        return [f"all {len(self._kept):,} {whose} numbers are the same: correlations are given as 0" for whose in still]

    def state(self) -> Any:
        """The numbers, as JSON."""
        return self._kept.rows().tolist()

    def restore(self, state: Any) -> None:
        """Go on from numbers."""
        self._kept = Kept((np.float32, (2,)))
        self._kept.append(np.asarray(state, np.float32).reshape(-1, 2))

    def _both(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        true, predicted = self._kept.rows().astype(np.float64).T
        return true, predicted


def _constant(values: npt.NDArray[np.float64]) -> bool:
    return len(values) > 0 and bool((values == values[0]).all())


def _score(name: str, true: npt.NDArray[np.float64], predicted: npt.NDArray[np.float64]) -> float:
    error = predicted - true
    match name:
        case "mse":
            return float(np.mean(error**2))
        case "rmse":
            return math.sqrt(np.mean(error**2))
        case "mae":
            return float(np.mean(np.abs(error)))
        case "r2":
            return 0.0 if _constant(true) else float(1 - np.sum(error**2) / np.sum((true - true.mean()) ** 2))
        case "corr":
            return (_score("pearson", true, predicted) + _score("spearman", true, predicted)) / 2
    if _constant(true) or _constant(predicted):
        return 0.0
    from scipy import stats

    function = {"pearson": stats.pearsonr, "spearman": stats.spearmanr}[name]
    return float(function(true, predicted).statistic)
