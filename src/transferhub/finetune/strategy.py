"""1.x's path of the strategies."""

from transferhub.strategy import AdamWeightDecayStrategy, DefaultFinetuneStrategy, DefaultStrategy

__all__ = ["AdamWeightDecayStrategy", "DefaultFinetuneStrategy", "DefaultStrategy"]
