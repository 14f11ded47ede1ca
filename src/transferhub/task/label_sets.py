"""What tasks share that give rows any number of labels: loss, metrics, thresholds, figures of each label."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from transferhub.dataset.examples import where
from transferhub.engine.evaluation import Answers
from transferhub.engine.run_state import RunState
from transferhub.errors import ConfigError
from transferhub.metrics.choices import chosen
from transferhub.metrics.multilabel import NAMES, MultiLabelScores
from transferhub.reader import Columns, Reader
from transferhub.report.html import Mistake, Table
from transferhub.task.base_task import BaseTask
from transferhub.task.class_task import known_labels
from transferhub.task.predictions import Predictions, probability_names
from transferhub.task.score_meter import ScoreMeter
from transferhub.task.scored import WORST, ScoredSplit, Shown, shortly

Floats = npt.NDArray[np.float32]


class LabelSetPredictions(Predictions):
    """``state.run_results`` is, as in 1.x, for each label float32 ``[batch, 2]``: without it, and with it.

    Args:
        states: The batches.
        rows: What was predicted.
        reader: Shows a row to a person.
        label_names: In the order of their ids.
        thresholds: Float32 ``[labels]``: a row has a label from this probability on.
    """

    main = "labels"

    def __init__(
        self,
        states: Sequence[RunState],
        rows: Sequence[Any],
        reader: Reader,
        label_names: Sequence[str],
        thresholds: Floats,
    ) -> None:
        super().__init__(states, rows, reader)
        self.label_names, self.thresholds = list(label_names), thresholds

    @property
    def probabilities(self) -> Floats:
        """Float32 ``[rows, labels]``, of each label by itself."""
        if not self:
            return np.empty((0, len(self.label_names)), np.float32)
        return np.concatenate([_with(state) for state in self])

    @property
    def labels(self) -> list[list[str]]:
        """The labels of each row, the most probable first."""
        return [self._names(values) for state in self for values in _with(state)]

    def fields(self) -> Iterator[dict[str, Any]]:
        """``labels``, joined by ``;``, and one probability for each label name."""
        names = probability_names(self.label_names)
        for state in self:
            for values in _with(state):
                yield {self.main: ";".join(self._names(values)), **dict(zip(names, values.tolist(), strict=True))}

    @property
    def field_names(self) -> list[str]:
        """``labels`` and the label names."""
        return [self.main, *probability_names(self.label_names)]

    def _names(self, values: Floats) -> list[str]:
        order = np.argsort(-values, kind="stable")
        return [self.label_names[place] for place in order.tolist() if values[place] >= self.thresholds[place]]


def _with(state: RunState) -> Floats:
    return np.stack([pair[:, 1] for pair in state.run_results], axis=1)


class LabelSetTask(BaseTask):
    """Any number of labels a row: a yes-or-no decision for each, from ``logits`` ``[B, labels]``.

    A class that stands on it calls `learn_label_sets` in its constructor.
    """

    kind: ClassVar[str] = "labels"

    def learn_label_sets(self, num_classes: object, metrics_choices: str | Sequence[str] | None) -> None:
        """Settle labels and metrics.

        Args:
            num_classes: None: as many as there are labels.
            metrics_choices: Of ``auc auc_LABEL subset_acc f1_micro f1_macro`` (and so for precision and recall).

        Raises:
            ConfigError: Another number of classes than labels, a metric that does not exist.
        """
        self.label_list = known_labels(num_classes, self.label_list, least=1)
        known = [*NAMES, *(f"auc_{label}" for label in self.label_list)]
        self.metrics_choices = list(chosen(metrics_choices, ("auc", "f1_micro", "f1_macro"), known, functions=False))
        self.thresholds: Floats = np.full(len(self.label_list), 0.5, np.float32)
        self._scored: MultiLabelScores | None = None  # of the split that was evaluated last

    def prepare(self, train: Columns) -> list[str]:
        """Begin with thresholds of one half, and say what those of the best model have seen."""
        self.thresholds, self._predictor = np.full(len(self.label_list), 0.5, np.float32), None
        return [
            "from which probability on a row has a label is chosen on dev, for the best f1: f1 on dev has seen them"
        ]

    def losses(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        """The binary cross-entropy of each row, the mean over its labels."""
        logits = outputs["logits"].float()
        each = nn.functional.binary_cross_entropy_with_logits(logits, batch["labels"].float(), reduction="none")
        return each.mean(dim=1)

    def meter(self, columns: Columns | None = None) -> ScoreMeter:
        """Keeps flags and probabilities; between log lines only what needs no sorting is computed of them."""
        scores, whole = MultiLabelScores(self.label_list, self.thresholds), columns is not None
        names = [name for name in self.metrics_choices if whole or not name.startswith("auc")]
        if whole:
            self._scored = scores
        return ScoreMeter(scores, names, self.probabilities_of, whole=whole)

    def probabilities_of(self, outputs: Mapping[str, Tensor]) -> Floats:
        """The probability of each label, float32 ``[B, labels]``."""
        values: Floats = torch.sigmoid(outputs["logits"].float()).cpu().numpy()
        return values

    def answers(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Floats:
        """What `probabilities_of` gives."""
        return self.probabilities_of(outputs)

    def run_results(self, answers: Answers) -> list[Any]:
        """For each label float32 ``[B, 2]``."""
        assert isinstance(answers, np.ndarray)
        return [np.stack([1 - column, column], axis=1) for column in answers.T]

    def predictions(
        self,
        answers: Answers,
        rows: Sequence[Any],
        columns: Columns | None = None,
        label_list: Sequence[str] | None = None,
    ) -> LabelSetPredictions:
        """With label names and the thresholds of the best model."""
        names = label_list or self.label_list
        return LabelSetPredictions(self.run_states(answers), rows, self.reader, names, self.thresholds)

    def _postprocessing(self, run_states: Sequence[RunState]) -> list[dict[str, int]]:
        """1.8's form: name → 0 or 1, for each row."""
        assert isinstance(run_states, LabelSetPredictions)
        return [{name: int(name in found) for name in run_states.label_names} for found in run_states.labels]

    def shown(self, split: ScoredSplit) -> Shown:
        """Figures of each label, and the rows with the decisions that the model was most sure of and wrong about."""
        predictions, true = split.predictions, split.columns.labels
        assert isinstance(predictions, LabelSetPredictions)
        assert true is not None
        probabilities = predictions.probabilities
        scores = MultiLabelScores(self.label_list, self.thresholds)
        scores.update(true, probabilities)
        surprise = np.abs(probabilities - true).max(axis=1)
        named, mistakes = predictions.labels, []
        for row in np.argsort(-surprise, kind="stable")[:WORST].tolist():
            right = {name for name, flag in zip(self.label_list, true[row], strict=True) if flag}
            if right == set(named[row]):
                continue
            mistakes.append(
                Mistake(
                    ", ".join(sorted(right)) or "none",
                    ", ".join(named[row]) or "none",
                    float(surprise[row]),
                    shortly(split.examples[row], row, self.reader),
                    where(split.examples, row, split.name),
                )
            )
        return Shown(mistakes=mistakes, tables=[Table.of(f"Labels on {split.name}", scores.table())])

    def settings(self) -> dict[str, Any]:
        """The base's, without what a run learns."""
        return {name: value for name, value in super().settings().items() if name != "thresholds"}

    def description(self) -> dict[str, Any]:
        """The base's, and the threshold of each label: the best on the split that was evaluated last."""
        thresholds = self.thresholds  # which stay while a run trains: what it scores by is no state
        if self.training is not None and self._scored is not None:
            thresholds = self._scored.best_thresholds()
        named = dict(zip(self.label_list, (float(value) for value in thresholds), strict=True))
        return {**super().description(), "thresholds": named}

    def recall(self, description: Mapping[str, Any]) -> None:
        """The thresholds of the best model."""
        named = description["thresholds"]
        if set(named) != set(self.label_list):
            raise ConfigError(f"the saved thresholds are of {', '.join(named)}", expected=", ".join(self.label_list))
        self.thresholds = np.array([named[label] for label in self.label_list], np.float32)
