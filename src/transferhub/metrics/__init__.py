"""Scores, exact over whole splits."""

from transferhub.metrics.classification import ConfusionMatrix

__all__ = ["ConfusionMatrix"]
