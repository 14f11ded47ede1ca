"""How sure a score is: bootstrap confidence intervals over rows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from transferhub.errors import ConfigError

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Interval:
    """A score and where it might lie for other rows of the same kind.

    Args:
        score: Of the rows as they are.
        low: The interval's lower end.
        high: Its upper end.
        level: Of confidence, 0.95 for 95 %.
        undefined: Draws in which the score was not finite; they are left out.
    """

    score: float
    low: float
    high: float
    level: float
    undefined: int = 0

    def __str__(self) -> str:
        return f"{self.score:.4f} [{self.low:.4f}, {self.high:.4f}] ({self.level:.0%})"


def bootstrap(
    metric: Callable[..., float], *arrays: Array, draws: int = 1000, level: float = 0.95, seed: int = 0
) -> Interval:
    """The percentile bootstrap interval of a score (Efron & Tibshirani 1993, §13.3).

    Args:
        metric: Of the arrays, with other rows, to a score: ``lambda labels, predicted: …``.
        arrays: ``[rows, …]`` each; a draw takes as many rows as there are, with repetition, the same ones of each. What
            belongs together is one row: `SpanScores.row_counts` of sentences, `RankingScores.by_question`.
        draws: How many times.
        level: Of confidence.
        seed: Of the draws: the same arguments give the same interval.

    Raises:
        ConfigError: No rows, arrays of different length, or a score that is not finite for half of the draws.
    """
    rows = {len(array) for array in arrays}
    if len(rows) != 1 or not min(rows):
        raise ConfigError(f"an interval over arrays of {sorted(rows)} rows", expected="one number of rows, at least 1")
    if not 0 < level < 1 or draws < 1:
        raise ConfigError(f"level={level}, draws={draws}", expected="a level between 0 and 1, at least one draw")
    generator, count = np.random.default_rng(seed), rows.pop()
    drawn = (generator.integers(count, size=count) for _ in range(draws))
    found = np.array([metric(*(array[chosen] for array in arrays)) for chosen in drawn], np.float64)
    finite = found[np.isfinite(found)]
    if len(finite) <= draws / 2:
        raise ConfigError(
            f"the score is not finite in {draws - len(finite)} of {draws} draws of {count} rows",
            fix="more rows, or a score that is defined for few",
        )
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(metric(*arrays)), float(low), float(high), level, draws - len(finite))
