"""1.x's path of the tasks."""

from transferhub.task.base_task import BaseTask
from transferhub.task.classifier import TextClassifierTask
from transferhub.task.sequence_label import SequenceLabelTask

__all__ = ["BaseTask", "SequenceLabelTask", "TextClassifierTask"]
