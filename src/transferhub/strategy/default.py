"""One constant rate for all; with or without a pull back."""

from __future__ import annotations

from collections.abc import Sequence

from transferhub.graph import Parameter
from transferhub.strategy import schedules
from transferhub.strategy.compose import Traits, compose
from transferhub.strategy.optimizers import known
from transferhub.strategy.plan import Plan, Steps
from transferhub.strategy.strategy import Strategy, not_negative, positive


class DefaultStrategy(Strategy):
    """One constant rate for all parameters.

    Args:
        learning_rate: The rate.
        optimizer_name: One of `optimizers.OPTIMIZERS`: ``adam``, ``sgd``, ``momentum``, ``adagrad``, ``rmsprop`` …
    """

    def __init__(self, learning_rate: float = 1e-4, optimizer_name: str = "adam") -> None:
        self.learning_rate = positive("learning_rate", learning_rate)
        self.optimizer_name = known(optimizer_name)

    def plan(self, parameters: Sequence[Parameter], steps: Steps) -> Plan:
        """All parameters alike, as `traits` says."""
        rate = schedules.constant(steps.total)
        return compose(self, self.optimizer_name, parameters, steps, self.learning_rate, rate, self.traits)

    def traits(self, parameter: Parameter) -> Traits:
        """Nothing beside the rate."""
        return Traits()


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
        self.regularization_coeff = not_negative("regularization_coeff", regularization_coeff)

    def traits(self, parameter: Parameter) -> Traits:
        """The L2 coefficient."""
        return Traits(l2=self.regularization_coeff)


class L2SPFinetuneStrategy(DefaultStrategy):
    """A pull towards the pretrained values instead of towards zero (Li et al. 2018, L2-SP, eq. 2 and 3).

    The penalty is ``alpha/2 * |w - w0|²`` over pretrained weights and ``beta/2 * |w|²`` over the new ones, so that
    ``alpha * (w - w0)`` and ``beta * w`` are added to the gradients.

    Args:
        learning_rate: The rate.
        optimizer_name: As for `DefaultStrategy`.
        regularization_coeff: alpha.
        head_regularization_coeff: beta; None: as alpha. (1.x had none: 0.)
    """

    def __init__(
        self,
        learning_rate: float = 1e-4,
        optimizer_name: str = "adam",
        regularization_coeff: float = 1e-3,
        head_regularization_coeff: float | None = None,
    ) -> None:
        super().__init__(learning_rate, optimizer_name)
        self.regularization_coeff = not_negative("regularization_coeff", regularization_coeff)
        beta = regularization_coeff if head_regularization_coeff is None else head_regularization_coeff
        self.head_regularization_coeff = not_negative("head_regularization_coeff", beta)

    def traits(self, parameter: Parameter) -> Traits:
        """Pretrained weights are pulled to where they were, new ones to zero."""
        if parameter.role == "backbone":
            return Traits("pretrained", pull=self.regularization_coeff)
        return Traits("new", l2=self.head_regularization_coeff)
