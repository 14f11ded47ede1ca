"""From what a network says of sub-tokens to the words of a row: their logits, tags and scores."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from transferhub.errors import ConfigError
from transferhub.graph.crf import decode, log_likelihood
from transferhub.metrics import ConfusionMatrix
from transferhub.metrics.interval import Sample
from transferhub.metrics.kept import Kept
from transferhub.metrics.spans import SpanScores
from transferhub.reader import Columns
from transferhub.text.tags import TagSet

Ids = npt.NDArray[np.int64]


def by_word(values: Tensor, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Rows of words, of what a batch has for each sub-token of each window.

    A word's value is that of its first sub-token, in the window to which the word belongs.

    Args:
        values: ``[P, L, …]``.
        batch: With ``words`` ``[P, L]`` and ``row_of`` ``[P]``.

    Returns:
        ``[B, W, …]``, 0 behind a row's last word; and the mask, bool ``[B, W]``.
    """
    words, row_of = batch["words"], batch["row_of"]
    here = words >= 0
    rows, width = int(row_of[-1]) + 1, max(1, int(words.max()) + 1)
    lines = (row_of.unsqueeze(1) * width + words)[here]
    flat = values.new_zeros(rows * width, *values.shape[2:]).index_put((lines,), values[here])
    mask = torch.zeros(rows * width, dtype=torch.bool, device=words.device).index_fill(0, lines, True)
    return flat.view(rows, width, *values.shape[2:]), mask.view(rows, width)


def word_losses(logits: Tensor, transitions: Tensor | None, batch: Mapping[str, Tensor]) -> Tensor:
    """The loss of each row, float32 ``[B]``: the mean over its words.

    Without transitions, of each word's cross-entropy; with them, the negative log-likelihood of the row's tags under
    the CRF, divided by its words. So rows count alike, however long they are, and both are of the same size.

    Args:
        logits: ``[P, L, tags]``.
        transitions: A CRF's table, ``[tags + 2, tags]``.
        batch: With ``labels`` ``[P, L]`` and what `by_word` needs.
    """
    found, mask = by_word(logits.float(), batch)
    tags, _ = by_word(batch["labels"], batch)
    words = mask.sum(dim=1).clamp_min(1)
    if transitions is not None:
        return -log_likelihood(found, tags, mask, transitions) / words
    each = torch.nn.functional.cross_entropy(found.flatten(0, 1), tags.flatten(), reduction="none").view_as(mask)
    return each.masked_fill(~mask, 0.0).sum(dim=1) / words


@torch.no_grad()
def best_tags(
    logits: Tensor, transitions: Tensor | None, batch: Mapping[str, Tensor], legal: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Each row's tags, int64 ``[B, W]``, and the mask: the best legal path of a CRF, else each word's best tag."""
    found, mask = by_word(logits, batch)
    if transitions is None:
        return found.argmax(dim=-1), mask
    return decode(found, mask, transitions, None if legal is None else legal.to(found.device)), mask


def probabilities(logits: Tensor, transitions: Tensor | None, batch: Mapping[str, Tensor], tags: Tensor) -> Tensor:
    """How probable each word's tag is, float32 ``[B, W]``.

    Without transitions its softmax; with them its marginal among all paths, legal or not: 1 minus the gradient of the
    tags' log-likelihood in the tag's emission.
    """
    with torch.inference_mode(False), torch.enable_grad():
        found, mask = by_word(logits.detach().clone().float(), {name: each.clone() for name, each in batch.items()})
        chosen = tags.clone().clamp_min(0).unsqueeze(2)
        if transitions is None:
            return found.softmax(dim=-1).gather(2, chosen).squeeze(2)
        emissions = found.requires_grad_()
        likelihood = log_likelihood(emissions, chosen.squeeze(2), mask, transitions.detach().clone().float())
        (gradient,) = torch.autograd.grad(likelihood.sum(), emissions)
        return (1 - gradient.gather(2, chosen).squeeze(2)).clamp(0, 1)


def chunk_tags(labels: Sequence[str]) -> TagSet | None:
    """What the tags mark; None: no chunks, as parts of speech do not."""
    try:
        return TagSet(labels)
    except ConfigError:
        return None


def true_tags(columns: Columns) -> tuple[Ids, Ids]:
    """The tags of a split's words, int64 ``[words]``, row behind row; and the rows' numbers of words, ``[rows]``."""
    words = np.asarray(columns.ragged["words"], np.int64)
    ends = columns.offsets if columns.pieces is None else columns.offsets[columns.pieces]
    here = np.flatnonzero(words >= 0)
    rows = np.searchsorted(ends, here, side="right") - 1
    order = np.lexsort((words[here], rows))
    tags = np.asarray(columns.ragged["labels"], np.int64)[here[order]]
    return tags, np.bincount(rows, minlength=len(columns))


class TagMeter:
    """Counts tags against labels: chunks where they mark some, else single words.

    Args:
        labels: The tags' names.
        names: Of the scores, of `metrics.spans.NAMES`, or `metrics.classification.NAMES` where tags mark no chunks.
        find: Outputs and batch → tags and mask, as `best_tags`.
    """

    def __init__(self, labels: Sequence[str], names: Sequence[str], find: Any) -> None:
        self._names, self._find = list(names), find
        self._chunks = None if chunk_tags(labels) is None else SpanScores(labels)
        self._words = ConfusionMatrix(len(labels))
        self._labels = list(labels)
        self._rows: Kept | None = None
        self._flat = Kept((np.int32, (2,)))

    def keep_rows(self) -> None:
        """Keep figures of each sentence, from which `sample` can be drawn: counts of chunks, or its words' tags."""
        types = 0 if self._chunks is None else len(self._chunks.tags.types)
        self._rows = Kept((np.int32, (3 * types + 2,)))  # right, predicted and true chunks by type; right words, words

    def sample(self) -> Sample:
        """The sentences, to draw from."""
        assert self._rows is not None
        rows, flat = self._rows.rows(), self._flat.rows()

        def scores(drawn: Ids) -> dict[str, float]:
            times = np.bincount(drawn, minlength=len(rows))
            if self._chunks is None:
                words = ConfusionMatrix(len(self._labels))
                words.update(flat[:, 0], flat[:, 1], np.repeat(times, rows[:, -1]))
                return words.scores(self._names)
            counts, chunks = times @ rows, SpanScores(self._labels)
            chunks.restore([counts[:-2], [0, 0], counts[-2:]])
            return chunks.scores(self._names)

        return Sample("sentences", len(rows), scores)

    def update(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor], rows: Ids | None = None) -> None:
        """Count a batch."""
        predicted, mask = self._find(outputs, batch)
        tags, _ = by_word(batch["labels"], batch)
        true, found, lengths = (each.cpu().numpy() for each in (tags[mask], predicted[mask], mask.sum(dim=1)))
        if self._rows is not None:
            self._keep(true, found, lengths)
        if self._chunks is not None:
            self._chunks.update(true, found, lengths)
        else:
            self._words.update(true, found)

    def _keep(self, true: Ids, found: Ids, lengths: Ids) -> None:
        assert self._rows is not None
        of_word = np.repeat(np.arange(len(lengths)), lengths)
        words = np.stack([np.bincount(of_word[true == found], minlength=len(lengths)), lengths], axis=1)
        if self._chunks is None:
            self._flat.append(np.stack([true, found], axis=1))
            self._rows.append(words)
        else:
            chunks = self._chunks.row_counts(true, found, lengths)
            self._rows.append(np.concatenate([chunks.reshape(len(lengths), -1), words], axis=1))

    def scores(self) -> dict[str, float]:
        """The scores, in their order."""
        return (self._words if self._chunks is None else self._chunks).scores(self._names)

    def state(self) -> Any:
        """The counts."""
        return self._words.counts.tolist() if self._chunks is None else self._chunks.state()

    def restore(self, state: Any) -> None:
        """Go on from counts."""
        if self._chunks is None:
            self._words.counts = np.asarray(state, np.int64)
        else:
            self._chunks.restore(state)
