"""Which metrics are asked for: names of ours, and functions of one's own."""

import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Real

import numpy as np
import numpy.typing as npt

from transferhub.errors import ConfigError, did_you_mean
from transferhub.metrics import classification, ranking, top
from transferhub.metrics.classification import AVERAGED

NAMES = (*classification.NAMES, *top.NAMES, *ranking.NAMES)  # the last by question, of two classes
Ids = npt.NDArray[np.int64]
# (labels, predictions) of a whole split, int64 ``[rows]`` in the rows' order → a score; higher is better.
Metric = Callable[[Ids, Ids], float]
Choice = Mapping[str, Metric | None]  # name → a function, or None for a name of `NAMES`


def chosen(
    choices: str | Metric | Sequence[str | Metric] | None,
    default: Sequence[str],
    names: Sequence[str] = NAMES,
    *,
    functions: bool = True,
) -> dict[str, Metric | None]:
    """The metrics that ``metrics_choices`` asks for, in its order; the first chooses the best model.

    Args:
        choices: Names and functions; None or ``default``: the default ones.
        default: Names.
        names: Those that there are.
        functions: Whether functions of one's own may be among them.

    Raises:
        ConfigError: An unknown name, a function without a name of its own, or where none may be.
    """
    if choices is None or choices == "default":
        return dict.fromkeys(default)
    given = [choices] if isinstance(choices, str) or callable(choices) else list(choices)
    if not given:
        raise ConfigError("metrics_choices is empty", expected="at least one metric: the first chooses the best model")
    found: dict[str, Metric | None] = {}
    for metric in given:
        if callable(metric):
            if not functions:
                raise ConfigError("metrics_choices: functions", expected=f"names, of {', '.join(names)}")
            name = _name_of(metric)
        elif metric in names:
            name = metric
        else:
            own = "; or a function (labels, predictions) -> float" if functions else ""
            raise ConfigError(
                f"metrics_choices: there is no {metric!r}",
                expected=f"of {', '.join(names)}{own}",
                fix=did_you_mean(str(metric), names) or None,
            )
        if name in found:
            raise ConfigError(f"metrics_choices: {name!r} is there twice")
        found[name] = metric if callable(metric) else None
    return found


def measure(name: str, metric: Metric, labels: Ids, predictions: Ids) -> float:
    """The score that a function gives.

    Raises:
        ConfigError: It raises, or what it returns is not a finite number.
    """
    try:
        score: object = metric(labels, predictions)
    except Exception as error:
        raise ConfigError(
            f"the metric {name!r} failed on {len(labels)} rows: {type(error).__name__}: {error}",
            expected="a function of two int64 arrays, labels and predictions, that returns a float",
        ) from error
    if not isinstance(score, Real) or not math.isfinite(score):
        raise ConfigError(f"the metric {name!r} returned {score!r:.60}", expected="a finite number")
    return float(score)


def meanings(choice: Choice, labels: Sequence[str]) -> list[str]:
    """What f1, precision and recall are of, as sentences; nothing for metrics whose names say all."""
    names = [name for name in choice if name in AVERAGED]
    if not names:
        return []
    many, verb = (", ".join(names[:-1]) + " and " if names[1:] else "") + names[-1], "are" if names[1:] else "is"
    if len(labels) == 2:
        return [f"{many} {verb} of the class {labels[1]!r}"]
    return [f"{many} {verb} the mean over the classes that occur, of {len(labels)} (macro)"]


def _name_of(metric: Metric) -> str:
    name = getattr(metric, "__name__", "")
    if not name.isidentifier():
        raise ConfigError(f"metrics_choices: {metric!r:.60} has no name", fix="def my_metric(labels, predictions): …")
    if name in NAMES or name == "loss":
        raise ConfigError(f"metrics_choices: a function called {name!r}", fix="another name: that one is taken")
    return str(name)
