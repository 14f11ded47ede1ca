"""What every strategy is: a pure function from parameters and steps to a Plan."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from transferhub.errors import ConfigError
from transferhub.graph import Network, Parameter
from transferhub.strategy.plan import Plan, Steps


class Strategy(ABC):
    """Which parameters move, how fast, and what pulls them back."""

    @abstractmethod
    def plan(self, parameters: Sequence[Parameter], steps: Steps) -> Plan:
        """Decide, from what is known of the parameters and the number of steps."""

    def adapt(self, network: Network, seed: int) -> None:  # noqa: B027  most strategies leave the network alone
        """Add to a network with pretrained weights what this strategy trains beside them (adapters), in place."""

    def export(self, network: Network) -> Network:
        """The network as it is saved and used: without what `adapt` added, but with its effect."""
        return network

    def arguments(self) -> dict[str, object]:
        """The arguments it was built with, for `run.json` and for comparing runs."""
        return dict(vars(self))

    def __str__(self) -> str:
        said = ", ".join(f"{name}={value!r}" for name, value in self.arguments().items())
        return f"{type(self).__name__}({said})"

    __repr__ = __str__


def positive(name: str, value: float) -> float:
    """The value, if it is finite and greater than 0."""
    return _checked(name, value, lambda number: 0 < number < math.inf, "a finite number greater than 0")


def not_negative(name: str, value: float) -> float:
    """The value, if it is finite and not less than 0."""
    return _checked(name, value, lambda number: 0 <= number < math.inf, "0 or a finite number greater than 0")


def proportion(name: str, value: float) -> float:
    """The value, if it is at least 0 and less than 1."""
    return _checked(name, value, lambda number: 0 <= number < 1, "a number of at least 0 and less than 1")


def count(name: str, value: int) -> int:
    """The value, if it is a whole number, at least 0."""
    return int(_checked(name, value, lambda number: number >= 0 and number % 1 == 0, "a whole number, at least 0"))


def _checked(name: str, value: float, fits: Callable[[float], bool], expected: str) -> float:
    given: object = value  # from a command line or a file it may be anything
    if not isinstance(given, int | float) or isinstance(given, bool) or not fits(value):
        raise ConfigError(f"{name}={value!r}", expected=expected)
    return value
