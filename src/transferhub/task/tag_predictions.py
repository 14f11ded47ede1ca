"""What `predict` returns of sequence labelling: a tag for each word, and the stretches of text that tags mark."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from transferhub.dataset import Examples
from transferhub.engine.run_state import RunState
from transferhub.reader.sequence_label_reader import Sentence, SequenceLabelReader
from transferhub.task.predictions import Predictions
from transferhub.task.tagging import chunk_tags

TagAnswer = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]  # a row's tags, and how probable each is


class Span(NamedTuple):
    """A stretch that tags mark.

    Args:
        type: Say ``PER``.
        text: As it stands in the row's text.
        start: Character of the row's text that it begins with.
        stop: Character behind it.
        word_start: Word that it begins with.
        word_stop: Word behind it.
    """

    type: str
    text: str
    start: int
    stop: int
    word_start: int
    word_stop: int


class TagPredictions(Predictions):
    """One tag for each word of each row, however long it is.

    ``labels`` are the rows' lists of tags. ``state.run_results`` is what 1.x gave: ids, int64 ``[B * max_seq_len, 1]``,
    each row with ``[CLS]`` before and ``[SEP]`` behind it and padded with the last label, cut where it is longer; and
    the rows' lengths with these two, int64 ``[B]``.

    Spans are read as conlleval reads them: a run of one type is one, with or without a B before it.

    Args:
        states: The batches.
        rows: What was predicted.
        reader: Knows the rows' words.
        label_names: The tags' names.
        answers: Of each row.
    """

    main = "tags"

    def __init__(
        self,
        states: Iterable[RunState],
        rows: Sequence[Any],
        reader: SequenceLabelReader,
        label_names: Sequence[str],
        answers: Sequence[TagAnswer],
    ) -> None:
        super().__init__(states, rows, reader)
        self.label_names, self.answers, self._words = list(label_names), answers, reader
        self._tags = chunk_tags(self.label_names)
        # Rows of a file are cut again when they are looked at; a list of somebody's may change.
        self._cut = None if isinstance(rows, Examples) else [reader.sentence(row, at) for at, row in enumerate(rows)]

    @property
    def probabilities(self) -> list[npt.NDArray[np.float32]]:
        """How probable each row's tags are, float32 ``[words]`` each; with a CRF their marginals."""
        return [probable for _, probable in self.answers]

    @property
    def spans(self) -> list[list[Span]]:
        """What the tags of each row mark."""
        return [field["spans"] for field in self.fields()]

    @property
    def words(self) -> list[Sequence[str]]:
        """What the tags are of."""
        return [sentence.words for sentence in self._sentences()]

    def fields(self) -> Iterator[dict[str, Any]]:
        """``tags``, a list of names; ``spans``, a list of `Span`, where tags mark some."""
        for (ids, _), sentence in zip(self.answers, self._sentences(), strict=True):
            field: dict[str, Any] = {self.main: [self.label_names[tag] for tag in ids.tolist()]}
            if self._tags is not None:
                field["spans"] = self.spans_of(ids, sentence)
            yield field

    @property
    def field_names(self) -> list[str]:
        """``tags``, and ``spans`` where tags mark some."""
        return [self.main] if self._tags is None else [self.main, "spans"]

    def spans_of(self, ids: npt.NDArray[np.int64], sentence: Sentence) -> list[Span]:
        """The stretches that tags mark in a sentence; none where they mark no chunks."""
        if self._tags is None:
            return []
        found = self._tags.chunks(ids, np.array([len(ids)]), strict=False)
        spans = []
        for kind, first, stop in zip(found.types.tolist(), found.starts.tolist(), found.stops.tolist(), strict=True):
            begin, end = sentence.places[first][0], sentence.places[stop - 1][1]
            spans.append(Span(self._tags.types[kind], sentence.text[begin:end], begin, end, first, stop))
        return spans

    def _sentences(self) -> Iterable[Sentence]:
        return map(self._words.sentence, self._rows) if self._cut is None else self._cut


def as_of_1x(answers: Sequence[TagAnswer], max_seq_len: int, outside: int) -> list[npt.NDArray[np.int64]]:
    """Tags as 1.x gave them: ``[B * max_seq_len, 1]`` with special tokens and padding, and lengths ``[B]``."""
    ids = np.full((len(answers), max_seq_len), outside, np.int64)
    lengths = np.empty(len(answers), np.int64)
    for row, (tags, _) in enumerate(answers):
        kept = tags[: max_seq_len - 2]
        ids[row, 1 : 1 + len(kept)] = kept
        lengths[row] = len(kept) + 2
    return [ids.reshape(-1, 1), lengths]
