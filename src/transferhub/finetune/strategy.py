"""1.x's path of the strategies."""

from transferhub.strategy import (
    AdamWeightDecayStrategy,
    CombinedStrategy,
    DefaultFinetuneStrategy,
    DefaultStrategy,
    L2SPFinetuneStrategy,
    ULMFiTStrategy,
)

__all__ = [
    "AdamWeightDecayStrategy",
    "CombinedStrategy",
    "DefaultFinetuneStrategy",
    "DefaultStrategy",
    "L2SPFinetuneStrategy",
    "ULMFiTStrategy",
]
