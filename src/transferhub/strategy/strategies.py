"""The strategies: pure functions from parameters and number of steps to a Plan."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from transferhub.errors import ConfigError
from transferhub.graph import Parameter
from transferhub.strategy import schedules
from transferhub.strategy.optimizers import known
from transferhub.strategy.plan import Group, Plan


class Strategy(ABC):
    """Which parameters move, how fast, and what pulls them back."""

    @abstractmethod
    def plan(self, parameters: Sequence[Parameter], total_steps: int) -> Plan:
        """Decide, from what is known of the parameters and the number of optimiser steps."""

    def arguments(self) -> dict[str, object]:
        """The arguments it was built with, for `run.json` and for comparing runs."""
        return dict(vars(self))

    def __str__(self) -> str:
        said = ", ".join(f"{name}={value!r}" for name, value in self.arguments().items())
        return f"{type(self).__name__}({said})"

    __repr__ = __str__


class DefaultStrategy(Strategy):
    """One constant rate for all parameters.

    Args:
        learning_rate: The rate.
        optimizer_name: ``adam``, ``sgd``, ``momentum``, ``adagrad``, ``adamax``, ``rmsprop`` or ``adamw``.
    """

    def __init__(self, learning_rate: float = 1e-4, optimizer_name: str = "adam") -> None:
        self.learning_rate = _positive("learning_rate", learning_rate)
        self.optimizer_name = known(optimizer_name)

    def plan(self, parameters: Sequence[Parameter], total_steps: int) -> Plan:
        """All parameters in one group."""
        rate = schedules.constant(total_steps)
        groups = [_group("all", parameters, self.learning_rate, rate, 0.0)]
        return _plan(self, self.optimizer_name, groups, parameters, total_steps)


class DefaultFinetuneStrategy(DefaultStrategy):
    """One constant rate, and L2 regularisation: ``regularization_coeff * p`` is added to every gradient.

    Args:
        learning_rate: The rate.
        optimizer_name: As for `DefaultStrategy`.
        regularization_coeff: The L2 coefficient.
    """

    def __init__(
        self, learning_rate: float = 1e-4, optimizer_name: str = "adam", regularization_coeff: float = 1e-3
    ) -> None:
        super().__init__(learning_rate, optimizer_name)
        self.regularization_coeff = _not_negative("regularization_coeff", regularization_coeff)

    def plan(self, parameters: Sequence[Parameter], total_steps: int) -> Plan:
        """All parameters in one group with the L2 coefficient."""
        rate = schedules.constant(total_steps)
        groups = [_group("all", parameters, self.learning_rate, rate, self.regularization_coeff)]
        return _plan(self, self.optimizer_name, groups, parameters, total_steps)


class AdamWeightDecayStrategy(Strategy):
    """Adam with decoupled weight decay, warm-up and decay of the rate, gradients clipped at global norm 1.

    Biases and the parameters of normalisation layers are not decayed.

    Args:
        learning_rate: The peak rate.
        lr_scheduler: ``linear_decay`` (to 0 at the last step) or ``noam_decay``.
        warmup_proportion: The part of all steps in which the rate rises from 0; 0: none.
        weight_decay: Each step takes ``rate * weight_decay`` of a weight away.
        optimizer_name: ``adam``; others of `DefaultStrategy` treat the decay as L2.

    Raises:
        ConfigError: An argument out of range, or an unknown name.
    """

    def __init__(
        self,
        learning_rate: float = 1e-4,
        lr_scheduler: str = "linear_decay",
        warmup_proportion: float = 0.1,
        weight_decay: float = 0.01,
        optimizer_name: str = "adam",
    ) -> None:
        self.learning_rate = _positive("learning_rate", learning_rate)
        if lr_scheduler not in ("linear_decay", "noam_decay"):
            raise ConfigError(f"lr_scheduler={lr_scheduler!r}", expected="linear_decay or noam_decay")
        self.lr_scheduler = lr_scheduler
        if not 0 <= warmup_proportion < 1:
            raise ConfigError(f"warmup_proportion={warmup_proportion}", expected="at least 0 and less than 1")
        self.warmup_proportion = warmup_proportion
        self.weight_decay = _not_negative("weight_decay", weight_decay)
        self.optimizer_name = known(optimizer_name)

    def plan(self, parameters: Sequence[Parameter], total_steps: int) -> Plan:
        """Two groups: weights with decay; biases and normalisation without."""
        make = schedules.linear if self.lr_scheduler == "linear_decay" else schedules.noam
        rate = make(total_steps, self.warmup_proportion)
        decayed = [parameter for parameter in parameters if _decays(parameter.name)]
        rest = [parameter for parameter in parameters if not _decays(parameter.name)]
        groups = [
            _group("weights", decayed, self.learning_rate, rate, self.weight_decay),
            _group("biases, norms", rest, self.learning_rate, rate, 0.0),
        ]
        optimizer = "adamw" if self.optimizer_name == "adam" else self.optimizer_name
        return _plan(self, optimizer, groups, parameters, total_steps, clip_norm=1.0)


def _decays(name: str) -> bool:
    parts = name.lower().split(".")
    norm = any("norm" in part or part == "ln" for part in parts)
    return not norm and parts[-1] != "bias"


def _group(
    name: str, parameters: Sequence[Parameter], peak: float, rate: Callable[[int], float], decay: float
) -> Group:
    moving = [parameter for parameter in parameters if parameter.trainable]
    depths = [parameter.depth for parameter in moving] or [0]
    return Group(
        name,
        tuple(parameter.name for parameter in moving),
        sum(parameter.size for parameter in moving),
        (min(depths), max(depths)),
        lambda step: peak * rate(step),
        peak,
        decay,
    )


def _plan(
    strategy: Strategy,
    optimizer: str,
    groups: Sequence[Group],
    parameters: Sequence[Parameter],
    total_steps: int,
    clip_norm: float | None = None,
) -> Plan:
    frozen = tuple(parameter.name for parameter in parameters if not parameter.trainable)
    moving = tuple(group for group in groups if group.parameters)
    plan = Plan(str(strategy), optimizer, moving, frozen, total_steps, clip_norm)
    plan.check([parameter.name for parameter in parameters])
    return plan


def _positive(name: str, value: float) -> float:
    if not 0 < value < math.inf:
        raise ConfigError(f"{name}={value}", expected="a finite number greater than 0")
    return value


def _not_negative(name: str, value: float) -> float:
    if not 0 <= value < math.inf:
        raise ConfigError(f"{name}={value}", expected="0 or a number greater than 0")
    return value
