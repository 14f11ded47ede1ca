"""Precision, recall and F1 of chunks, from counts that are exact however the split was cut into batches."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from transferhub.errors import ConfigError
from transferhub.metrics.classification import AVERAGED, AVERAGES, ratio
from transferhub.text.tags import TagSet

Ids = npt.NDArray[np.int64]
NAMES = (*AVERAGED, "acc", *(f"{name}_{average}" for name in AVERAGED for average in AVERAGES))
_TRUE = 2  # of the counts' columns


class SpanScores:
    """Counts of chunks by type: those that are right (same type, first and last token), predicted, and true.

    ``precision``, ``recall`` and ``f1`` are of all chunks (micro), as conlleval prints them; ``f1_macro`` is the mean
    over the types that occur, ``f1_weighted`` weighted by their true chunks. A ratio with nothing below the line is
    0. The figures are seqeval's (``mode="strict"``, or its default mode where `strict` is False; tests hold them
    against it), without keeping a sequence.

    Args:
        labels: The tags' names in the order of their ids: see `TagSet` for the schemes.
        strict: Whether a run such as ``O I-PER`` is no chunk; False: it is repaired to one. Both are counted.

    Raises:
        ConfigError: Tags that mark no chunks.
    """

    def __init__(self, labels: Sequence[str], strict: bool = True) -> None:
        self.tags, self.strict = TagSet(labels), strict
        self.counts: Ids = np.zeros((len(self.tags.types), 3), np.int64)
        self.illegal: Ids = np.zeros(2, np.int64)
        """Illegal runs among the true and the predicted tags."""
        self._tokens: Ids = np.zeros(2, np.int64)  # right, all

    def update(self, true: Ids, predicted: Ids, lengths: Ids) -> None:
        """Count a batch.

        Args:
            true: int64 ``[tokens]``, the rows' tags one row behind the other, without padding.
            predicted: int64 ``[tokens]``.
            lengths: int64 ``[rows]``.
        """
        if not len(true) == len(predicted) == lengths.sum():
            raise ConfigError(
                f"{len(true)} true tags, {len(predicted)} predicted ones, rows of {lengths.sum()} tokens together",
                expected="a tag for each token",
            )
        found, illegal = self._chunks(true, predicted, lengths)
        for column, chunks in enumerate(found):
            self.counts[:, column] += np.bincount(chunks[:, 0], minlength=len(self.counts))
        self.illegal += illegal
        self._tokens += [int((true == predicted).sum()), len(true)]

    def row_counts(self, true: Ids, predicted: Ids, lengths: Ids) -> Ids:
        """Right, predicted and true chunks of each row, int64 ``[rows, types, 3]``, not counted here: for `bootstrap`.

        Their sum over rows is what `counts` would be. Arguments as in `update`.
        """
        found, _ = self._chunks(true, predicted, lengths)
        counts, stops = np.zeros((len(lengths), *self.counts.shape), np.int64), np.cumsum(lengths)
        for column, chunks in enumerate(found):
            np.add.at(counts[:, :, column], (np.searchsorted(stops, chunks[:, 1], side="right"), chunks[:, 0]), 1)
        return counts

    def scores(self, names: Sequence[str] = ("f1", "precision", "recall")) -> dict[str, float]:
        """The scores with these names of `NAMES`, in this order; ``acc`` is of tokens."""
        return {name: self._score(name) for name in names}

    def table(self) -> list[dict[str, Any]]:
        """A row for each type: ``type precision recall f1``, and ``support predicted right``: its true, predicted and
        right chunks.
        """  # noqa: D205
        rows = []
        for place, name in enumerate(self.tags.types):
            right, predicted, true = self.counts[place].tolist()
            ratios = {score: ratio(score, right, predicted, true) for score in ("precision", "recall", "f1")}
            rows.append({"type": name, **ratios, "support": true, "predicted": predicted, "right": right})
        return rows

    def notes(self) -> list[str]:
        """What was done with illegal tags, as sentences."""
        form = "that begin without B" + (" or end without E" if self.tags.scheme == "IOBES" else "")
        done = "do not count as chunks" if self.strict else "were repaired to chunks"
        return [
            f"{count:,} runs of {whose} tags {form} {done}"
            for count, whose in zip(self.illegal.tolist(), ("true", "predicted"), strict=True)
            if count
        ]

    def state(self) -> Any:
        """The counts, as JSON."""
        return [self.counts.tolist(), self.illegal.tolist(), self._tokens.tolist()]

    def restore(self, state: Any) -> None:
        """Go on from counts."""
        counts, illegal, tokens = state
        self.counts = np.asarray(counts, np.int64).reshape(-1, 3)
        self.illegal, self._tokens = np.asarray(illegal, np.int64), np.asarray(tokens, np.int64)

    def _chunks(self, true: Ids, predicted: Ids, lengths: Ids) -> tuple[list[Ids], Ids]:
        """Right, predicted and true chunks, ``[chunks, (type, start, stop)]`` each, and illegal runs of both tags."""
        found = [self.tags.chunks(tags, lengths, self.strict) for tags in (predicted, true)]
        keys = [np.stack([chunks.types, chunks.starts, chunks.stops], axis=1) for chunks in found]
        return [_common(*keys), *keys], np.array([found[1].illegal, found[0].illegal])

    def _score(self, name: str) -> float:
        if name == "acc":
            right, tokens = self._tokens.tolist()
            return right / tokens if tokens else 0.0
        base, _, average = name.partition("_")
        if average in ("", "micro"):
            return ratio(base, *self.counts.sum(axis=0).tolist())
        occurring = self.counts[self.counts[:, 1:].any(axis=1)]
        weights = occurring[:, _TRUE] if average == "weighted" else np.ones(len(occurring))
        ratios = [ratio(base, *row) for row in occurring.tolist()]
        return float(np.average(ratios, weights=weights)) if weights.any() else 0.0


def _common(first: Ids, second: Ids) -> Ids:
    """The rows that both arrays have; no row is twice in one of them."""
    together = np.concatenate([first, second])
    rows, times = np.unique(together, axis=0, return_counts=True)
    common: Ids = rows[times == 2]
    return common
