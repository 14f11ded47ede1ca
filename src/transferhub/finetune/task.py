"""1.x's path of the tasks."""

from transferhub.task.base_task import BaseTask
from transferhub.task.classifier import TextClassifierTask

__all__ = ["BaseTask", "TextClassifierTask"]
