"""Labels and predictions row by row, for functions of one's own and for intervals."""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from transferhub.metrics.interval import Sample
from transferhub.metrics.kept import Kept

Ids = npt.NDArray[np.int64]
_ROW = np.dtype([("row", "<i8"), ("label", "<i4"), ("predicted", "<i4"), ("above", "<i4"), ("question", "<i8")])


class ClassRows:
    """Of each row of a split its number, label and prediction, in memory while they are few: 28 bytes a row."""

    def __init__(self) -> None:
        self._kept = Kept(_ROW)

    def __len__(self) -> int:
        return len(self._kept)

    def append(
        self, rows: Ids, labels: Ids, predicted: Ids, above: Ids | None = None, questions: Ids | None = None
    ) -> None:
        """Keep a batch, int64 ``[B]`` each.

        Args:
            rows: Their numbers.
            labels: Ids.
            predicted: Ids.
            above: How many classes are above the label, as `metrics.top.above` says.
            questions: Keys of the questions that they are candidates of.
        """
        batch = np.zeros(len(rows), _ROW)
        columns = {"row": rows, "label": labels, "predicted": predicted, "above": above, "question": questions}
        for name, values in columns.items():
            if values is not None:
                batch[name] = values
        self._kept.append(batch)

    def in_order(self, name: str) -> Ids:
        """A column, int64 ``[rows]``, in the split's order."""
        rows = self._kept.rows()
        values: Ids = rows[name][np.argsort(rows["row"])].astype(np.int64)
        return values

    def sample(self, scores: Callable[[Ids, Ids], Mapping[str, float]], questions: Ids | None = None) -> Sample:
        """What to draw from.

        Args:
            scores: How often each row was drawn, in the split's order, and how often each unit was, int64 ``[rows]``
                and ``[units]`` → scores.
            questions: The keys of all questions, sorted, where whole questions are drawn; None: rows.
        """
        if questions is None:
            count = len(self)
            return Sample("rows", count, lambda drawn: scores(*2 * (np.bincount(drawn, minlength=count),)))
        of_row, count = np.searchsorted(questions, self.in_order("question")), len(questions)

        def of_questions(drawn: Ids) -> Mapping[str, float]:
            times = np.bincount(drawn, minlength=count)
            return scores(times[of_row], times)

        return Sample("questions", count, of_questions)


def mean_of_drawn(figures: npt.NDArray[np.float64], times: Ids) -> float:
    """The mean over those that are defined, as often as they were drawn; NaN without any."""
    there = ~np.isnan(figures)
    return float(np.average(figures[there], weights=times[there])) if times[there].any() else float("nan")
