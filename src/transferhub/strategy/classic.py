"""Two optimisers of 1.x that torch does not have."""

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


class Ftrl(torch.optim.Optimizer):
    """Follow the regularised leader, with Paddle's power -0.5 and no L1 or L2 (McMahan et al. 2013, alg. 1).

    ``n' = n + g²``, ``z = z + g - (sqrt(n') - sqrt(n)) / rate * p``, ``p = -z * rate / sqrt(n')``.

    Args:
        groups: As torch's optimisers take them.
        epsilon: Added to the first n, so that nothing is divided by 0.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], epsilon: float = 1e-10) -> None:
        super().__init__(groups, {"lr": 0.0, "epsilon": epsilon})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step along the gradients; none at a rate of 0."""
        for group in self.param_groups:
            rate = group["lr"]
            for parameter in group["params"]:
                if parameter.grad is None or rate == 0:
                    continue
                state = self.state[parameter]
                if not state:
                    state["squares"] = torch.full_like(parameter, group["epsilon"])
                    # So that the first step starts from the pretrained values, not from 0.
                    state["linear"] = -parameter * state["squares"].sqrt() / rate
                before = state["squares"].sqrt()
                state["squares"].addcmul_(parameter.grad, parameter.grad)
                after = state["squares"].sqrt()
                state["linear"].add_(parameter.grad).sub_((after - before) / rate * parameter)
                parameter.copy_(-state["linear"] * rate / after)
