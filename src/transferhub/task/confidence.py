"""Scores of a trained network with confidence intervals, where these are asked for."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from transferhub.engine.evaluation import evaluate
from transferhub.engine.objective import Meter, RowMeter
from transferhub.engine.run_state import RunState
from transferhub.errors import ConfigError
from transferhub.graph import Network, derive
from transferhub.log import logger
from transferhub.metrics.interval import DRAWS, Interval, checked_level, intervals
from transferhub.reader import Columns

if TYPE_CHECKING:
    from transferhub.task.base_task import BaseTask


class Evaluated(dict[str, float]):
    """Scores by name, and ``loss``.

    Args:
        state: What evaluation gave.
    """

    intervals: Mapping[str, Interval]
    """Score's name → its confidence interval, where these were asked for."""

    def __init__(self, state: RunState) -> None:
        super().__init__(state.run_scores, loss=state.run_loss)
        self.intervals = state.intervals

    def __str__(self) -> str:
        return "\n".join(lines(self, self.intervals))


def scored(
    task: "BaseTask",
    network: Network,
    columns: Columns,
    level: float | None,
    see: Callable[..., None] | None = None,
    meter: Meter | None = None,
) -> RunState:
    """Loss and scores of a split and, at this level of confidence, their intervals, which the log says.

    Args:
        task: Whose.
        network: Trained.
        columns: The split, with labels.
        level: None: without intervals.
        see: As for `evaluate`.
        meter: As for `evaluate`.

    Raises:
        ConfigError: A level that is none, or scores that are not made of rows.
    """
    config, level = task.config, checked_level(level)
    meter = task.meter(columns) if meter is None else meter
    if level is not None:
        of_rows(task, meter).keep_rows()
    state = evaluate(network, task, columns, task.padding, config.batch_size, config.device, see, meter)
    if level is not None:
        sample = of_rows(task, meter).sample()
        found = state.intervals = intervals(sample, level, seed=derive(config.seed, "bootstrap"))
        said = "  ".join(f"{name} {interval.score:.4f} {interval.bounds}" for name, interval in found.items())
        logger.info("%s", f"{heading(level)}, draws of {sample.size:,} {sample.unit}: {said or 'none is defined'}")
        for name, interval in found.items():
            if interval.undefined:
                logger.info("%s is not defined in %d of %s draws: they are left out", name, interval.undefined, DRAWS)
        without = [name for name in state.run_scores if name not in found]
        if without:
            logger.info("without an interval: %s", ", ".join(without))
    return state


def of_rows(task: "BaseTask", meter: Meter) -> RowMeter:
    """The meter as one whose scores come from rows.

    Raises:
        ConfigError: It is none.
    """
    if not isinstance(meter, RowMeter):
        raise ConfigError(
            f"confidence_interval: {type(meter).__name__} of {type(task).__name__} says nothing of single rows",
            expected="a meter with keep_rows() and sample() beside update() and scores()",
            fix="leave confidence_interval out, or write both: engine.objective.RowMeter",
        )
    return meter


def heading(level: float) -> str:
    """What the figures in brackets are."""
    return f"{100 * level:g} % confidence intervals (bootstrap, {DRAWS:,} draws)"


def legend(found: Iterable[Mapping[str, Mapping[str, Mapping[str, Any]]]]) -> list[str]:
    """A line for each level among intervals by split, score and `as_json`: what the figures in brackets are."""
    levels = {each["level"] for splits in found for scores in splits.values() for each in scores.values()}
    return [f"[…]  {heading(level)}" for level in sorted(levels)]


def lines(scores: Mapping[str, float], found: Mapping[str, Interval]) -> list[str]:
    """Each score with its interval, a line each."""
    return [f"{name:10} {value:.5f}{_bounds(found.get(name))}" for name, value in scores.items()]


def in_line(scores: Mapping[str, float], found: Mapping[str, Mapping[str, Any]]) -> str:
    """All scores in one line, with their intervals, which are as `as_json` gives them."""
    return "  ".join(f"{name} {value:.4f}{bounds_of(found, name)}" for name, value in scores.items())


def bounds_of(found: Mapping[str, Mapping[str, Any]], name: str) -> str:
    """A blank and a score's interval, of those that `as_json` gives; nothing where it has none."""
    return _bounds(Interval(**found[name]) if name in found else None)


def as_json(found: Mapping[str, Interval]) -> dict[str, dict[str, Any]]:
    """Score's name → ``score low high level undefined``."""
    return {name: dataclasses.asdict(interval) for name, interval in found.items()}


def _bounds(interval: Interval | None) -> str:
    return "" if interval is None else f" {interval.bounds}"
