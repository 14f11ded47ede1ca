"""Strategies and the Plans they make. A new strategy is one class with `plan` in a file here, and one line below."""

from transferhub.strategy.adamw import AdamWeightDecayStrategy
from transferhub.strategy.combined import CombinedStrategy, ULMFiTStrategy
from transferhub.strategy.default import DefaultFinetuneStrategy, DefaultStrategy, L2SPFinetuneStrategy
from transferhub.strategy.lora import LoRAStrategy
from transferhub.strategy.plan import Group, Plan, Steps
from transferhub.strategy.strategy import Strategy

# Short names, for ``hub finetune --strategy``.
STRATEGIES: dict[str, type[Strategy]] = {
    "default": DefaultFinetuneStrategy,
    "adamw": AdamWeightDecayStrategy,
    "l2sp": L2SPFinetuneStrategy,
    "ulmfit": ULMFiTStrategy,
    "combined": CombinedStrategy,
    "lora": LoRAStrategy,
}

__all__ = [
    "STRATEGIES",
    "AdamWeightDecayStrategy",
    "CombinedStrategy",
    "DefaultFinetuneStrategy",
    "DefaultStrategy",
    "Group",
    "L2SPFinetuneStrategy",
    "LoRAStrategy",
    "Plan",
    "Steps",
    "Strategy",
    "ULMFiTStrategy",
]
