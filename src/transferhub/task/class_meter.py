"""Scores of a classifier, from its logits."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from transferhub.dataset import InputExample
from transferhub.metrics import ranking, top
from transferhub.metrics.choices import Choice, Ids, measure
from transferhub.metrics.classification import ConfusionMatrix


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
        self._kept: list[tuple[Ids, Ids, Ids]] = []  # of each batch: rows' numbers, labels, predictions

    def update(
        self,
        outputs: Mapping[str, Tensor],
        batch: Mapping[str, Tensor],
        rows: npt.NDArray[np.int64] | None = None,
    ) -> None:
        """Count a batch; `rows` are the rows' numbers in the split that is evaluated."""
        labels, predicted = batch["labels"].cpu().numpy(), outputs[self._output].argmax(dim=-1).cpu().numpy()
        self._matrix.update(labels, predicted)
        if self._tops.hits:
            self._tops.update(labels, outputs[self._output].float().cpu().numpy())
        if rows is not None and self._ranking:
            logits = outputs[self._output].float()
            questions = [self._examples[row].text_a for row in rows.tolist()]
            self._ranks.update(questions, labels == 1, (logits[:, 1] - logits[:, 0]).cpu().numpy())
        if rows is not None and self._functions:
            self._kept.append((rows, labels, predicted))

    def scores(self) -> dict[str, float]:
        """The task's metrics, in their order; without the functions' in training."""
        apart = (*self._ranking, *self._tops.hits)
        counted = [name for name, metric in self._choice.items() if metric is None and name not in apart]
        named = {**self._matrix.scores(counted), **self._tops.scores()}
        if self._ranking and self._examples:
            named.update(self._ranks.scores(self._ranking))
        if self._kept:
            rows, labels, predicted = (np.concatenate(arrays) for arrays in zip(*self._kept, strict=True))
            order = np.argsort(rows)
            for name, metric in self._functions.items():
                named[name] = measure(name, metric, labels[order], predicted[order])
        return {name: named[name] for name in self._choice if name in named}

    def state(self) -> Any:
        """The counts."""
        counts = self._matrix.counts.tolist()
        return {"counts": counts, "tops": self._tops.hits, "rows": self._tops.rows} if self._tops.hits else counts

    def restore(self, state: Any) -> None:
        """Go on from counts."""
        if self._tops.hits:
            self._tops.hits, self._tops.rows, state = dict(state["tops"]), state["rows"], state["counts"]
        self._matrix.counts = np.asarray(state, np.int64)
