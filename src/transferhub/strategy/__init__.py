"""Strategies and the Plans they make. A new strategy is one class with `plan` and one line below."""

from transferhub.strategy.plan import Group, Plan
from transferhub.strategy.strategies import (
    AdamWeightDecayStrategy,
    DefaultFinetuneStrategy,
    DefaultStrategy,
    Strategy,
)

__all__ = ["AdamWeightDecayStrategy", "DefaultFinetuneStrategy", "DefaultStrategy", "Group", "Plan", "Strategy"]
