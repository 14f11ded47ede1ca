"""1.x's path of the tasks."""

from transferhub.task.base_task import BaseTask
from transferhub.task.classifier import TextClassifierTask
from transferhub.task.image_classifier import ImageClassifierTask
from transferhub.task.multi_label import MultiLabelClassifierTask
from transferhub.task.pairwise_matching import PairwiseTextMatchingTask
from transferhub.task.pointwise_matching import PointwiseTextMatchingTask
from transferhub.task.reading_comprehension import ReadingComprehensionTask
from transferhub.task.regression import RegressionTask
from transferhub.task.sequence_label import SequenceLabelTask

__all__ = [
    "BaseTask",
    "ImageClassifierTask",
    "MultiLabelClassifierTask",
    "PairwiseTextMatchingTask",
    "PointwiseTextMatchingTask",
    "ReadingComprehensionTask",
    "RegressionTask",
    "SequenceLabelTask",
    "TextClassifierTask",
]
