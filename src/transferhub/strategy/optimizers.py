"""Optimisers by 1.x's names, from torch."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from transferhub.errors import ConfigError, did_you_mean

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
}


def known(name: str) -> str:
    """The name in lower case.

    Raises:
        ConfigError: No such optimiser (1.x took Adam silently).
    """
    if name.lower() not in OPTIMIZERS:
        raise ConfigError(
            f"optimizer_name={name!r}",
            expected=f"one of {', '.join(OPTIMIZERS)}",
            fix=did_you_mean(name.lower(), OPTIMIZERS) or None,
        )
    return name.lower()


def make(name: str, groups: Iterable[tuple[list[nn.Parameter], float]]) -> torch.optim.Optimizer:
    """Build an optimiser over (parameters, weight decay) groups."""
    return OPTIMIZERS[name]([{"params": parameters, "weight_decay": decay} for parameters, decay in groups])
