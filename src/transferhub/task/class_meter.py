"""Scores of a classifier, from its logits."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from transferhub.dataset import InputExample
from transferhub.errors import ConfigError
from transferhub.metrics import ranking, top
from transferhub.metrics.choices import Choice, Ids, Metric, measure
from transferhub.metrics.classification import ConfusionMatrix
from transferhub.metrics.interval import Sample
from transferhub.task.class_rows import ClassRows, mean_of_drawn


class ClassMeter:
    """Counts predictions against labels; keeps both, of a split, where there are functions to be given them.

    Scores by question rank its candidates by how far the second class's logit is above the first's.

    Between log lines of the training only counts are kept: functions are for whole splits.

    Args:
        classes: How many classes there are.
        choice: The metrics.
        output: The name of the logits among the network's outputs.
        examples: The rows of the split, for scores by question: rows are of one where ``text_a`` is the same.
    """

    def __init__(
        self, classes: int, choice: Choice, output: str = "logits", examples: Sequence[InputExample] = ()
    ) -> None:
        self._matrix, self._choice, self._output = ConfusionMatrix(classes), choice, output
        self._ranking = [name for name, metric in choice.items() if metric is None and name in ranking.NAMES]
        self._ranks, self._examples = ranking.RankingScores(), examples
        self._tops = top.TopScores(
            [name for name, metric in choice.items() if metric is None and name in top.NAMES], classes
        )
        self._functions = {name: metric for name, metric in choice.items() if metric is not None}
        self._rows = ClassRows() if self._functions else None

    def keep_rows(self) -> None:
        """Keep labels and predictions, from which `sample` can be drawn."""
        self._rows = self._rows or ClassRows()

    def update(
        self,
        outputs: Mapping[str, Tensor],
        batch: Mapping[str, Tensor],
        rows: npt.NDArray[np.int64] | None = None,
    ) -> None:
        """Count a batch; `rows` are the rows' numbers in the split that is evaluated."""
        labels, predicted = batch["labels"].cpu().numpy(), outputs[self._output].argmax(dim=-1).cpu().numpy()
        self._matrix.update(labels, predicted)
        above = keys = None
        if self._tops.hits:
            above = top.above(labels, outputs[self._output].float().cpu().numpy())
            self._tops.count(above)
        if rows is not None and self._ranking:
            logits = outputs[self._output].float()
            questions = [self._examples[row].text_a for row in rows.tolist()]
            self._ranks.update(questions, labels == 1, (logits[:, 1] - logits[:, 0]).cpu().numpy())
            keys = np.array([ranking.key_of(question) for question in questions], np.int64)
        if rows is not None and self._rows is not None:
            self._rows.append(rows, labels, predicted, above, keys)

    def scores(self) -> dict[str, float]:
        """The task's metrics, in their order; without the functions' in training."""
        named = {**self._matrix.scores(self._counted), **self._tops.scores()}
        if self._ranking and self._examples:
            named.update(self._ranks.scores(self._ranking))
        if self._rows is not None and len(self._rows) and self._functions:
            labels, predicted = self._rows.in_order("label"), self._rows.in_order("predicted")
            for name, metric in self._functions.items():
                named[name] = measure(name, metric, labels, predicted)
        return {name: named[name] for name in self._choice if name in named}

    def sample(self) -> Sample:
        """What `keep_rows` kept; questions with all their candidates where there are scores by question."""
        assert self._rows is not None
        labels, predicted, above = (self._rows.in_order(name) for name in ("label", "predicted", "above"))
        by_question = {name: self._ranks.of_questions(name) for name in self._ranking}

        def scores(times: Ids, of_units: Ids) -> dict[str, float]:
            classes, drawn = len(self._matrix.counts), np.repeat(np.arange(len(labels)), times)
            matrix, tops = ConfusionMatrix(classes), top.TopScores([*self._tops.hits], classes)
            matrix.update(labels, predicted, times)
            tops.count(above[drawn])
            named = {**matrix.scores(self._counted), **tops.scores()}
            named.update({name: mean_of_drawn(figures, of_units) for name, figures in by_question.items()})
            for name, metric in self._functions.items():
                named[name] = _of_own(metric, labels[drawn], predicted[drawn])
            return {name: named[name] for name in self._choice}

        return self._rows.sample(scores, self._ranks.questions() if self._ranking else None)

    @property
    def _counted(self) -> list[str]:
        apart = (*self._ranking, *self._tops.hits)
        return [name for name, metric in self._choice.items() if metric is None and name not in apart]

    def state(self) -> Any:
        """The counts."""
        counts = self._matrix.counts.tolist()
        return {"counts": counts, "tops": self._tops.hits, "rows": self._tops.rows} if self._tops.hits else counts

    def restore(self, state: Any) -> None:
        """Go on from counts."""
        if self._tops.hits:
            self._tops.hits, self._tops.rows, state = dict(state["tops"]), state["rows"], state["counts"]
        self._matrix.counts = np.asarray(state, np.int64)


def _of_own(metric: Metric, labels: Ids, predicted: Ids) -> float:
    """A function's score of drawn rows; NaN where it has none, such as of rows of one class."""
    try:
        return measure("", metric, labels, predicted)
    except ConfigError:
        return math.nan
