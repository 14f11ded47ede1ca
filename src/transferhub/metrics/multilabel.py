"""Scores of rows that may have several labels, over a whole split."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from transferhub.errors import ConfigError, did_you_mean
from transferhub.metrics.classification import AVERAGED, ratio
from transferhub.metrics.kept import Kept

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[Any]  # bool or 0/1
NAMES = ("auc", "subset_acc", *(f"{name}_{average}" for name in AVERAGED for average in ("micro", "macro")))


class MultiLabelScores:
    """Area under the ROC curve, and precision, recall and F1 at thresholds.

    ``auc`` is the mean over labels of scikit-learn's ``roc_auc_score``; ``auc_LABEL`` is that of a label. A label that
    all rows have, or none, has no ROC curve: it is left out of the mean, its own ``auc_LABEL`` is not there, and
    `notes` names it. ``f1_micro`` is of all decisions, ``f1_macro`` the mean over all labels (a label without true
    or predicted rows has 0); ``subset_acc`` is the part of rows whose labels are all right.

    The probabilities of all rows are kept, float32, on disk where they are many; flags are counted.

    Args:
        labels: The labels' names.
        thresholds: float32 ``[labels]``: a row has a label from this probability on. None: 0.5.
    """

    def __init__(self, labels: Sequence[str], thresholds: Floats | None = None) -> None:
        self.labels = list(labels)
        self.thresholds = np.full(len(self.labels), 0.5, np.float32) if thresholds is None else thresholds
        if self.thresholds.shape != (len(self.labels),):
            raise ConfigError(
                f"thresholds {list(self.thresholds.shape)}", expected=f"[{len(self.labels)}], one a label"
            )
        self._true, self._probabilities = self._nothing_kept()

    def update(self, true: Flags, probabilities: Floats) -> None:
        """Keep a batch.

        Args:
            true: bool or 0/1 ``[B, labels]``.
            probabilities: float32 ``[B, labels]``.
        """
        shape = (len(true), len(self.labels))
        if true.shape != shape or probabilities.shape != shape:
            raise ConfigError(
                f"flags {list(true.shape)}, probabilities {list(probabilities.shape)}",
                expected=f"[rows, {len(self.labels)}] both",
            )
        self._true.append(true != 0)
        self._probabilities.append(probabilities)

    def scores(self, names: Sequence[str] | None = None) -> dict[str, float]:
        """The scores with these names, in this order. None: ``auc``, then ``auc_LABEL`` of the labels that have one.

        Raises:
            ConfigError: A name that is neither of `NAMES` nor ``auc_LABEL``.
        """
        areas: dict[str, float] = {}
        if names is None or any(name.startswith("auc") for name in names):
            areas = self._areas()
            areas = {"auc": float(np.mean(list(areas.values()))) if areas else 0.0, **areas}
        if names is None:
            return areas
        known = [*NAMES, *(f"auc_{label}" for label in self.labels)]
        for name in names:
            if name not in known:
                raise ConfigError(
                    f"there is no score {name!r} of several labels",
                    expected=f"of {', '.join(NAMES)}, auc_LABEL",
                    fix=did_you_mean(name, known) or None,
                )
        others = self._of_counts([name for name in names if name in NAMES and name != "auc"])
        found = {**areas, **others}
        return {name: found[name] for name in names if name in found}

    def __len__(self) -> int:
        return len(self._true)

    def drawn(self, rows: npt.NDArray[np.int64]) -> "MultiLabelScores":
        """The scores of these rows, by number, with repetition, at the same thresholds."""
        made = MultiLabelScores(self.labels, self.thresholds)
        made.update(self._true.rows()[rows], self._probabilities.rows()[rows])
        return made

    def table(self) -> list[dict[str, Any]]:
        """A row for each label: ``label auc precision recall f1 threshold support predicted``; ``auc`` may be None."""
        areas, counts = self._areas(), self._counts()
        return [
            {
                "label": label,
                "auc": areas.get(f"auc_{label}"),
                **{name: ratio(name, *counts[place].tolist()) for name in ("precision", "recall", "f1")},
                "threshold": float(self.thresholds[place]),
                "support": int(counts[place, 2]),
                "predicted": int(counts[place, 1]),
            }
            for place, label in enumerate(self.labels)
        ]

    def best_thresholds(self) -> Floats:
        """`best_thresholds` of the rows kept, float32 ``[labels]``."""
        both = zip(self._true.columns(), self._probabilities.columns(), strict=True)
        return np.array([_best_threshold(true, probabilities) for true, probabilities in both], np.float32)

    def notes(self) -> list[str]:
        """Which labels have no ROC curve here, as a sentence."""
        rows = len(self._true)
        have = [int(true.sum()) for true in self._true.columns()]
        left = [f"{label!r} ({count:,})" for label, count in zip(self.labels, have, strict=True) if count in (0, rows)]
        if not left:
            return []
        some = ", ".join(left[:10]) + (", …" if len(left) > 10 else "")
        return [f"{len(left)} of {len(have)} labels have no AUC, as none or all of {rows:,} rows have them: {some}"]

    def state(self) -> Any:
        """The rows, as JSON."""
        return [self._true.rows().tolist(), self._probabilities.rows().tolist()]

    def restore(self, state: Any) -> None:
        """Go on from rows."""
        self._true, self._probabilities = self._nothing_kept()
        if state[0]:
            self.update(np.asarray(state[0], np.bool_), np.asarray(state[1], np.float32))

    def _nothing_kept(self) -> tuple[Kept, Kept]:
        return Kept((np.bool_, (len(self.labels),))), Kept((np.float32, (len(self.labels),)))

    def _areas(self) -> dict[str, float]:
        both = zip(self.labels, self._true.columns(), self._probabilities.columns(), strict=True)
        return {
            f"auc_{label}": _area(true, probabilities)
            for label, true, probabilities in both
            if true.any() and not true.all()
        }

    def _counts(self) -> npt.NDArray[np.int64]:
        """Right, predicted and true rows of each label."""
        both = zip(self._true.columns(), self._probabilities.columns(), self.thresholds, strict=True)
        return np.array(
            [((true & (values >= at)).sum(), (values >= at).sum(), true.sum()) for true, values, at in both],
            np.int64,
        ).reshape(-1, 3)

    def _of_counts(self, names: Sequence[str]) -> dict[str, float]:
        if not names:
            return {}
        counts = self._counts()
        found = {}
        for name in names:
            base, _, average = name.partition("_")
            if name == "subset_acc":
                found[name] = self._subset_acc()
            elif average == "micro":
                found[name] = ratio(base, *counts.sum(axis=0).tolist())
            else:
                found[name] = float(np.mean([ratio(base, *row) for row in counts.tolist()])) if len(counts) else 0.0
        return found

    def _subset_acc(self) -> float:
        wrong = np.zeros(len(self._true), np.bool_)
        for true, values, at in zip(self._true.columns(), self._probabilities.columns(), self.thresholds, strict=True):
            wrong |= true != (values >= at)
        return float(1 - wrong.mean()) if len(wrong) else 0.0


def _area(true: npt.NDArray[np.bool_], probabilities: Floats) -> float:
    """The area under the ROC curve as the Mann-Whitney statistic: scikit-learn's figure, and many times as fast."""
    from scipy.stats import rankdata

    right = int(true.sum())
    above = float(rankdata(probabilities)[true].sum()) - right * (right + 1) / 2
    return above / (right * (len(true) - right))


def best_thresholds(true: Flags, probabilities: Floats) -> Floats:
    """The threshold of each label with the best F1: a row has the label where its probability is at least that.

    Between two probabilities all thresholds are alike; the middle is taken, or 0.5 where it is as good. Of several such
    places the one nearest to 0.5 is taken. A label that no row has keeps 0.5: its F1 is 0 at any threshold.

    Args:
        true: bool or 0/1 ``[rows, labels]``.
        probabilities: float32 ``[rows, labels]``.

    Returns:
        float32 ``[labels]``.
    """
    return np.array(
        [_best_threshold(true[:, place] != 0, probabilities[:, place]) for place in range(true.shape[1])], np.float32
    )


def _best_threshold(true: npt.NDArray[np.bool_], probabilities: Floats) -> float:
    if not true.any():
        return 0.5
    order = np.argsort(-probabilities, kind="stable")
    values, right = probabilities[order].astype(np.float64), np.cumsum(true[order])
    last = np.append(values[1:] != values[:-1], True)  # where a threshold can lie: behind equal values
    f1 = 2 * right[last] / (np.flatnonzero(last) + 1 + true.sum())
    highest = values[last]
    lowest = np.append(highest[1:], min(0.0, highest[-1]))
    middles = np.where((lowest < 0.5) & (highest >= 0.5), 0.5, (lowest + highest) / 2).astype(np.float32)
    middles = np.where(middles > lowest, middles, highest)  # rounding to float32 may have brought it down
    best = np.flatnonzero(f1 == f1.max())
    return float(middles[best[np.argmin(np.abs(middles[best] - 0.5))]])
