"""An optimiser of 1.x that torch does not have."""

from collections.abc import Iterable
from typing import Any

import torch


class LarsMomentum(torch.optim.Optimizer):
    """Momentum whose rate follows the ratio of norms of each parameter (You et al. 2017, LARS, alg. 1).

    ``v = momentum * v + rate * coefficient * |p| / |g| * g``, ``p = p - v``; where a norm is 0 the factor is 1.

    Args:
        groups: As torch's optimisers take them.
        momentum: Of the velocity.
        coefficient: The trust coefficient.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], momentum: float = 0.9, coefficient: float = 0.001) -> None:
        super().__init__(groups, {"lr": 0.0, "momentum": momentum, "coefficient": coefficient})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step along the gradients."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["velocity"] = torch.zeros_like(parameter)
                size, slope = parameter.norm(), parameter.grad.norm()
                trust = torch.where((size > 0) & (slope > 0), group["coefficient"] * size / slope, 1.0)
                state["velocity"].mul_(group["momentum"]).add_(parameter.grad * (group["lr"] * trust))
                parameter.sub_(state["velocity"])
