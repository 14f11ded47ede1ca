"""Scores, exact over whole splits."""

from transferhub.metrics.classification import ConfusionMatrix
from transferhub.metrics.interval import Interval, Sample, bootstrap, intervals
from transferhub.metrics.multilabel import MultiLabelScores, best_thresholds
from transferhub.metrics.ranking import RankingScores
from transferhub.metrics.reading import ChineseReadingScores, Squad2Scores, SquadScores
from transferhub.metrics.regression import RegressionScores
from transferhub.metrics.spans import SpanScores

__all__ = [
    "ChineseReadingScores",
    "ConfusionMatrix",
    "Interval",
    "MultiLabelScores",
    "RankingScores",
    "RegressionScores",
    "Sample",
    "SpanScores",
    "Squad2Scores",
    "SquadScores",
    "best_thresholds",
    "bootstrap",
    "intervals",
]
