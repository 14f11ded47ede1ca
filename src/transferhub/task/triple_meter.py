"""Scores of triples: which of two texts is nearer, and rankings by query."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from transferhub.dataset import InputExample
from transferhub.metrics import ConfusionMatrix, ranking
from transferhub.metrics.choices import Ids
from transferhub.metrics.interval import Sample
from transferhub.reader.slots import slot_texts
from transferhub.task.class_rows import ClassRows, mean_of_drawn

COUNTED = ("acc", "f1", "precision", "recall")


class TripleMeter:
    """Scores of triples.

    Args:
        names: Of the scores.
        outputs: Names of the similarities, left and right.
        examples: The rows of the split, for scores by query.
    """

    def __init__(self, names: Sequence[str], outputs: Sequence[str], examples: Sequence[InputExample] = ()) -> None:
        self._names, self._outputs, self._examples = list(names), list(outputs), examples
        self._matrix, self._ranks = ConfusionMatrix(2), ranking.RankingScores()
        self._ranking = [name for name in names if name in ranking.NAMES]
        self._seen: set[int] = set()  # candidates that more than one triple of a query has are ranked once
        self._rows: ClassRows | None = None

    def keep_rows(self) -> None:
        """Keep labels and predictions, from which `sample` can be drawn."""
        self._rows = ClassRows()

    def update(
        self,
        outputs: Mapping[str, Tensor],
        batch: Mapping[str, Tensor],
        rows: npt.NDArray[np.int64] | None = None,
    ) -> None:
        """Count a batch; left is predicted where it is nearer than right."""
        labels = batch["labels"].cpu().numpy()
        left, right = (outputs[name][:, 0].float().cpu().numpy() for name in self._outputs)
        predicted = (left > right).astype(np.int64)
        self._matrix.update(labels, predicted)
        if rows is not None and self._rows is not None:
            queries = [slot_texts(self._examples[row], f"row {row}", 3)[0] for row in rows.tolist()]
            keys = np.array([ranking.key_of(query) for query in queries], np.int64)
            self._rows.append(rows, labels, predicted, questions=keys)
        if rows is None or not self._ranking:
            return
        for place, row in enumerate(rows.tolist()):
            query, *texts = slot_texts(self._examples[row], f"row {row}", 3)
            for text, near, side in ((texts[0], left[place], 1), (texts[1], right[place], 0)):
                key = hash((query, text))
                if key not in self._seen:
                    self._seen.add(key)
                    self._ranks.update([query], np.array([labels[place] == side]), np.array([near]))

    def scores(self) -> dict[str, float]:
        """The scores, in their order; those by query of whole splits only."""
        found = self._matrix.scores(self._counted)
        if len(self._examples):
            found.update(self._ranks.scores(self._ranking))
        return {name: found[name] for name in self._names if name in found}

    def sample(self) -> Sample:
        """What `keep_rows` kept; queries with all their texts where there are scores by query."""
        assert self._rows is not None
        labels, predicted = self._rows.in_order("label"), self._rows.in_order("predicted")
        by_query = {name: self._ranks.of_questions(name) for name in self._ranking}

        def scores(times: Ids, of_units: Ids) -> dict[str, float]:
            matrix = ConfusionMatrix(2)
            matrix.update(labels, predicted, times)
            found = matrix.scores(self._counted)
            found.update({name: mean_of_drawn(figures, of_units) for name, figures in by_query.items()})
            return {name: found[name] for name in self._names}

        return self._rows.sample(scores, self._ranks.questions() if self._ranking else None)

    @property
    def _counted(self) -> list[str]:
        return [name for name in self._names if name in COUNTED]

    def state(self) -> Any:
        """The counts."""
        return self._matrix.counts.tolist()

    def restore(self, state: Any) -> None:
        """Go on from counts."""
        self._matrix.counts = np.asarray(state, np.int64)
