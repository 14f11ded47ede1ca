"""What tasks share that tell classes apart: loss, metrics, probabilities, confusions."""

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from transferhub import layers
from transferhub.engine.evaluation import Answers
from transferhub.engine.objective import Meter
from transferhub.errors import ConfigError
from transferhub.graph import Variable
from transferhub.log import logger
from transferhub.metrics.choices import NAMES, Choice, meanings
from transferhub.reader import Columns
from transferhub.task.base_task import BaseTask
from transferhub.task.class_meter import ClassMeter
from transferhub.task.losses import Criterion, cross_entropy
from transferhub.task.predictions import ClassPredictions
from transferhub.task.scored import ScoredSplit, Shown, show_classes


class ClassTask(BaseTask):
    """One of several labels a row, from ``logits`` ``[B, classes]``.

    A class that stands on it calls `learn_classes` in its constructor.
    """

    _choice: Choice
    criterion: Criterion

    def learn_classes(self, num_classes: object, choice: Choice, **criterion: Any) -> None:
        """Settle labels, metrics and loss.

        Args:
            num_classes: None: as many as there are labels.
            choice: The metrics.
            **criterion: Arguments of `Criterion`, without the labels.

        Raises:
            ConfigError: Another number of classes than labels, ``top_5`` of five labels, or what `Criterion` refuses.
        """
        self.label_list, self._choice = known_labels(num_classes, self.label_list), choice
        ClassMeter(self.num_classes, choice)  # refuses a metric that says nothing of so few classes
        self.criterion = Criterion(self.label_list, **criterion)
        self._weights: Tensor | None = None
        self._prepared = self.criterion.class_weight is None

    @property
    def num_classes(self) -> int:
        """How many labels there are."""
        return len(self.label_list)

    def _add_label(self) -> list[Variable]:
        """The labels' ids, ``[B, 1]``."""
        return [layers.data("label", (-1, 1), "int64")]

    def losses(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        """What training minimises, of each row; class weights are those of the rows of this task's run."""
        if self._overrides("_add_loss"):
            return super().losses(outputs, batch)
        if not self._prepared:
            self.prepare(self.reader.columns("train", self.rows()))
        logits = outputs["logits"]
        weights = None if self._weights is None else self._weights.to(logits.device)
        return self.criterion(logits, batch["labels"], weights)

    def evaluation_losses(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        """Cross-entropy of each row, whatever training minimises: so losses on dev compare between settings."""
        return cross_entropy(outputs["logits"], batch["labels"])

    def prepare(self, train: Columns) -> list[str]:
        """Weigh the classes by the training rows; say what the scores are of, and a loss that is not the plain one."""
        assert train.labels is not None
        weights = self.criterion.weights(train.labels)
        self._weights, self._prepared = None if weights is None else torch.from_numpy(weights), True
        said = self.criterion.sentence(weights)
        return [*meanings(self._choice, self.label_list), *([said] if said else [])]

    def settings(self) -> dict[str, Any]:
        """The base's, and the loss where it is not plain cross-entropy."""
        return {**super().settings(), **self.criterion.settings()}

    def meter(self, columns: Columns | None = None) -> Meter:
        """Counts for the chosen metrics; what a subclass has of its own, where its loss and metrics are Variables."""
        if self._overrides("_add_loss") and self._overrides("_add_metrics", "_calculate_metrics"):
            return super().meter(columns)
        return ClassMeter(self.num_classes, self._choice, examples=columns.examples if columns is not None else ())

    def answers(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> npt.NDArray[np.float32]:
        """The probability of each label, float32 ``[B, classes]``."""
        values: npt.NDArray[np.float32] = torch.softmax(outputs["logits"].float(), dim=-1).cpu().numpy()
        return values

    def predictions(
        self,
        answers: Answers,
        rows: Sequence[Any],
        columns: Columns | None = None,
        label_list: Sequence[str] | None = None,
    ) -> ClassPredictions:
        """With label names and probabilities."""
        return ClassPredictions(self.run_states(answers), rows, self.reader, label_list or self.label_list)

    def shown(self, split: ScoredSplit) -> Shown:
        """Confusions and the worst mistakes."""
        return show_classes(split, self.reader)

    @classmethod
    def saved_options(cls, description: Mapping[str, Any]) -> dict[str, Any]:
        """The metrics of a description by name; functions are not saved."""
        names = [name for name in description["metrics"] if name in NAMES]
        functions = [name for name in description["metrics"] if name not in NAMES]
        if functions:
            logger.warning(
                "The metrics %s are functions of a script, which are not saved: it is evaluated by %s",
                ", ".join(functions),
                ", ".join(names) or "acc",
            )
        return {"metrics_choices": names or "default"}


def known_labels(num_classes: object, label_list: Sequence[str], least: int = 2) -> list[str]:
    """The names of the labels: the data set's, or the numbers from 0 where it has none.

    Raises:
        ConfigError: Another number of classes than the data set has labels, or fewer than `least`.
    """
    if num_classes is not None and not isinstance(num_classes, Integral):
        raise ConfigError(f"num_classes={num_classes!r}", expected="a whole number, or None: the data set's")
    if num_classes is not None and label_list and num_classes != len(label_list):
        raise ConfigError(
            f"num_classes={num_classes}, but the data set has {len(label_list)} labels: "
            + ", ".join(map(repr, label_list[:10])),
            fix="num_classes=dataset.num_labels, or leave it out",
        )
    if not label_list and isinstance(num_classes, Integral):
        label_list = [str(index) for index in range(int(num_classes))]
    if len(label_list) < least:
        expected = "at least two to tell apart" if least == 2 else "at least one"
        raise ConfigError(f"{len(label_list)} labels: {list(label_list)}", expected=expected)
    return list(label_list)
