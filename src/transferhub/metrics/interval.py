"""How sure a score is: bootstrap confidence intervals over rows."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from transferhub.errors import ConfigError

Array = npt.NDArray[Any]
Ids = npt.NDArray[np.int64]
DRAWS = 1000


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
        return f"{self.score:.4f} {self.bounds} ({100 * self.level:g} %)"

    @property
    def bounds(self) -> str:
        """Both ends, as they are printed behind the score."""
        return f"[{self.low:.4f}, {self.high:.4f}]"


@dataclass(frozen=True)
class Sample:
    """What a split's scores come from, so that they can be computed of other draws of it.

    Args:
        unit: What is drawn, in the plural: rows, sentences, questions.
        size: How many there are.
        scores: Numbers of units, int64 ``[size]``, with repetition → the scores of these. A score that is not defined
            for them is not there, or not finite.
    """

    unit: str
    size: int
    scores: Callable[[Ids], Mapping[str, float]]


def checked_level(level: object) -> float | None:
    """A level of confidence; None: no intervals are asked for.

    Raises:
        ConfigError: Not a number between 0 and 1.
    """
    if level is None:
        return None
    number = math.nan
    if not isinstance(level, bool) and isinstance(level, Real):
        number = float(level)
    if not 0 < number < 1:
        raise ConfigError(
            f"confidence_interval={level!r:.60}",
            expected="a level between 0 and 1",
            fix=f"{number / 100:g} for {number:g} %" if 1 < number < 100 else None,
        )
    return number


def intervals(sample: Sample, level: float = 0.95, draws: int = DRAWS, seed: int = 0) -> dict[str, Interval]:
    """The percentile bootstrap interval of each score (Efron & Tibshirani 1993, §13.3).

    A draw takes as many units as there are, with repetition; all scores are of the same draws. A score that is not
    finite for half of the draws has no interval and is left out.

    Args:
        sample: What is drawn from.
        level: Of confidence.
        draws: How many times.
        seed: Of the draws: the same arguments give the same intervals.

    Raises:
        ConfigError: Nothing to draw from, or a level or number of draws that is none.
    """
    if not sample.size or draws < 1:
        raise ConfigError(f"intervals over {sample.size} {sample.unit}, draws={draws}", expected="at least 1 of each")
    checked_level(level)
    generator, count = np.random.default_rng(seed), sample.size
    whole = sample.scores(np.arange(count))
    found = np.full((draws, len(whole)), np.nan)
    for draw in range(draws):
        scores = sample.scores(generator.integers(count, size=count))
        found[draw] = [scores.get(name, math.nan) for name in whole]
    made = {}
    for (name, score), values in zip(whole.items(), found.T, strict=True):
        finite = values[np.isfinite(values)]
        if math.isfinite(score) and len(finite) > draws / 2:
            low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
            made[name] = Interval(float(score), float(low), float(high), float(level), draws - len(finite))
    return made


def bootstrap(
    metric: Callable[..., float], *arrays: Array, draws: int = DRAWS, level: float = 0.95, seed: int = 0
) -> Interval:
    """The interval of a score of one's own, as `intervals`.

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
    count = rows.pop()
    sample = Sample("rows", count, lambda drawn: {"score": metric(*(array[drawn] for array in arrays))})
    found = intervals(sample, level, draws, seed)
    if not found:
        raise ConfigError(
            f"the score is not finite for {count} rows, or for half of {draws} draws of them",
            fix="more rows, or a score that is defined for few",
        )
    return found["score"]
