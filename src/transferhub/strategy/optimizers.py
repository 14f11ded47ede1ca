"""Optimisers by 1.x's names, from torch."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from transferhub.errors import ConfigError, did_you_mean
from transferhub.strategy.lars import LarsMomentum
from transferhub.strategy.plan import Plan

Make = Callable[[Iterable[dict[str, Any]]], torch.optim.Optimizer]

# The rate of each group is set before every step; the one given here is never used.
OPTIMIZERS: dict[str, Make] = {
    "adamw": lambda groups: torch.optim.AdamW(groups, lr=0.0, fused=True),
    "adam": lambda groups: torch.optim.Adam(groups, lr=0.0, fused=True),
    "sgd": lambda groups: torch.optim.SGD(groups, lr=0.0),
    "momentum": lambda groups: torch.optim.SGD(groups, lr=0.0, momentum=0.9),
    "adagrad": lambda groups: torch.optim.Adagrad(groups, lr=0.0),
    "adamax": lambda groups: torch.optim.Adamax(groups, lr=0.0),
    "rmsprop": lambda groups: torch.optim.RMSprop(groups, lr=0.0),
    # Adagrad whose sum of squares fades: the same rule as RMSprop's, with Paddle's constants.
    "decayedadagrad": lambda groups: torch.optim.RMSprop(groups, lr=0.0, alpha=0.95, eps=1e-6),
    # Without L1 and L2, which Paddle leaves off, its steps are Adagrad's (McMahan et al. 2013, section 3.1).
    "ftrl": lambda groups: torch.optim.Adagrad(groups, lr=0.0, initial_accumulator_value=1e-10, eps=0.0),
    "larsmomentum": lambda groups: LarsMomentum(groups),
}
DECAYS_ITSELF = ("adamw",)


def known(name: str) -> str:
    """The name in lower case.

    Raises:
        ConfigError: No such optimiser (1.x took Adam silently).
    """
    lower = str(name).lower()
    if lower not in OPTIMIZERS:
        raise ConfigError(
            f"optimizer_name={name!r}",
            expected=f"one of {', '.join(OPTIMIZERS)}",
            fix=did_you_mean(lower, OPTIMIZERS) or None,
        )
    return lower


def make(plan: Plan, moving: Sequence[list[nn.Parameter]]) -> torch.optim.Optimizer:
    """Build the plan's optimiser over the parameters of its groups; what pulls on them is `Pulls`' part."""
    own = plan.optimizer in DECAYS_ITSELF
    groups = [
        {"params": parameters, "weight_decay": group.weight_decay if own else 0.0}
        for parameters, group in zip(moving, plan.groups, strict=True)
    ]
    return OPTIMIZERS[plan.optimizer](groups)


class Pulls:
    """Decay, L2 and the pull towards the first values, where the optimiser does not do it itself.

    Made before a checkpoint is read: the values at that time are those that ``pull`` goes back to.
    """

    def __init__(self, plan: Plan, moving: Sequence[list[nn.Parameter]]) -> None:
        self._plan, self._moving = plan, moving
        self._starts = [
            [parameter.detach().clone() for parameter in parameters] if group.pull else []
            for parameters, group in zip(moving, plan.groups, strict=True)
        ]

    @torch.no_grad()
    def apply(self, step: int) -> None:
        """Add to the gradients, and take the decay away, before the optimiser's step."""
        decays_itself = self._plan.optimizer in DECAYS_ITSELF
        for group, parameters, starts in zip(self._plan.groups, self._moving, self._starts, strict=True):
            if not (group.l2 or group.pull or (group.weight_decay and not decays_itself)):
                continue
            places = [place for place, parameter in enumerate(parameters) if parameter.grad is not None]
            values = [parameters[place].detach() for place in places]
            gradients: list[Tensor] = [parameters[place].grad for place in places]  # type: ignore[misc]
            if not places:
                continue
            if group.l2:
                torch._foreach_add_(gradients, values, alpha=group.l2)
            if group.pull:
                away = torch._foreach_sub(values, [starts[place] for place in places])
                torch._foreach_add_(gradients, away, alpha=group.pull)
            if group.weight_decay and not decays_itself:
                torch._foreach_mul_(values, 1 - group.rate(step) * group.weight_decay)
