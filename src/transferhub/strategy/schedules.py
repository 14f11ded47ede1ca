"""Learning-rate schedules: step → fraction of the peak rate.

A schedule is a function of the step (from 0) and the total number of steps; it has no state, so a run that is gone on
with sees the same rates.
"""

import math
from collections.abc import Callable

Schedule = Callable[[int], float]


def constant(total: int, warmup_proportion: float = 0.0) -> Schedule:
    """Linear rise over the warm-up, then 1."""
    rise = warm_up_steps(total, warmup_proportion)
    return lambda step: step / rise if step < rise else 1.0


def warm_up_steps(total: int, proportion: float) -> int:
    """How many steps a warm-up over a proportion of them takes, rounded up as in transformers.

    A single step has none: its rate would be 0, and the run would learn nothing.
    """
    return math.ceil(total * proportion) if total > 1 else 0


def linear(total: int, warmup_proportion: float, start_point: float = 0.0, end: float = 0.0) -> Schedule:
    """Linear rise from 0 to 1 over the warm-up, then linear fall to `end` at `total`.

    The fall starts where the rise ends, or at `start_point` of all steps if that is later (1.x measured it from step
    0, so its rate jumped there). With the defaults, the same table as transformers'
    ``get_linear_schedule_with_warmup``.
    """
    rise = warm_up_steps(total, warmup_proportion)
    fall = max(rise, int(total * start_point))

    def rate(step: int) -> float:
        if step < rise:
            return step / max(1, rise)
        if step < fall:
            return 1.0
        return max(0.0, (total - step) / max(1, total - fall)) * (1 - end) + end

    return rate


def cosine(total: int, warmup_proportion: float) -> Schedule:
    """Linear rise over the warm-up, then half a cosine wave down to 0 (Loshchilov and Hutter 2017, eq. 5).

    The same table as transformers' ``get_cosine_schedule_with_warmup``.
    """
    rise = warm_up_steps(total, warmup_proportion)

    def rate(step: int) -> float:
        if step < rise:
            return step / max(1, rise)
        return max(0.0, 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, total - rise))))

    return rate


def noam(total: int, warmup_proportion: float) -> Schedule:
    """Linear rise over the warm-up of ``w`` steps, then fall with ``sqrt(w / t)`` (Vaswani et al. 2017, eq. 3).

    Without a warm-up the rate stays constant, as in 1.x.
    """
    rise = warm_up_steps(total, warmup_proportion)
    if rise == 0:
        return constant(total)
    return lambda step: min((step + 1) / rise, math.sqrt(rise / (step + 1)))


def slanted_triangle(total: int, cut_fraction: float, ratio: float) -> Schedule:
    """A short rise and a long fall, both from and to ``1 / ratio`` (Howard and Ruder 2018, eq. 3).

    Where ``cut_fraction * total`` is less than a step there is no rise, only the fall (1.x divided by zero there).

    Args:
        total: Steps.
        cut_fraction: The part of them in which the rate rises.
        ratio: How much smaller the lowest rate is than the highest.
    """
    cut = int(total * cut_fraction)

    def rate(step: int) -> float:
        p = step / cut if step < cut else 1 - (step - cut) / max(1, total - cut)
        return (1 + max(0.0, p) * (ratio - 1)) / ratio

    return rate
