"""Learning-rate schedules: step → fraction of the peak rate.

A schedule is a function of the step (from 0) and the total number of steps; it has no state, so a run that is gone on
with sees the same rates.
"""

import math
from collections.abc import Callable

Schedule = Callable[[int], float]


def constant(total: int) -> Schedule:
    """1 at every step."""
    return lambda step: 1.0


def warm_up_steps(total: int, proportion: float) -> int:
    """How many steps a warm-up over a proportion of them takes, rounded up as in transformers."""
    return math.ceil(total * proportion)


def linear(total: int, warmup_proportion: float) -> Schedule:
    """Linear rise from 0 to 1 over the warm-up, then linear fall to 0 at `total`.

    The fall starts where the rise ends (1.x measured it from step 0, so its rate jumped there). The same table as
    transformers' ``get_linear_schedule_with_warmup``.
    """
    rise = warm_up_steps(total, warmup_proportion)

    def rate(step: int) -> float:
        if step < rise:
            return step / max(1, rise)
        return max(0.0, (total - step) / max(1, total - rise))

    return rate


def noam(total: int, warmup_proportion: float) -> Schedule:
    """Linear rise over the warm-up of ``w`` steps, then fall with ``sqrt(w / t)`` (Vaswani et al. 2017, eq. 3).

    Without a warm-up the rate stays constant, as in 1.x.
    """
    rise = warm_up_steps(total, warmup_proportion)
    if rise == 0:
        return constant(total)
    return lambda step: min((step + 1) / rise, math.sqrt(rise / (step + 1)))
