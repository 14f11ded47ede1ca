"""Rows of several texts that are read side by side, each padded by itself."""

import functools
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from transferhub.dataset import InputExample, TripleExample
from transferhub.errors import DataError
from transferhub.reader.columns import TO_LONGEST, Columns, Padding
from transferhub.reader.text_reader import texts_of

ENDINGS = ("", "_2", "_3")  # of the slots' names, as ``module.context(num_slots=3)`` has them
WORDS = {2: "a pair: [query, title]", 3: "a triple: [query, left, right]"}


class SlotColumns(Columns):
    """Columns in which a row is two or three texts; ``word_ids`` of the second text is ``word_ids_2``, and so on.

    Args:
        texts: All rows' texts one after another, each a row of its own; the labels are the rows'.
        slots: How many texts a row has.
    """

    def __init__(self, texts: Columns, slots: int) -> None:
        super().__init__(
            texts.ragged, texts.offsets[::slots], texts.labels, cut=texts.cut, examples=texts.examples, slots=slots
        )
        self._texts = Columns(texts.ragged, texts.offsets, None)

    @functools.cached_property
    def digest(self) -> str:
        """The sha256 of all texts' values and of how they make rows."""
        return hashlib.sha256(f"{self.slots} {self._texts.digest}".encode()).hexdigest()

    def padded(self, rows: npt.ArrayLike, pad: Padding = TO_LONGEST) -> int:
        """How many values a batch of these rows holds, padding included."""
        first = np.asarray(rows, np.int64) * self.slots
        return sum(self._texts.padded(first + slot, pad) for slot in range(self.slots))

    def batch(self, rows: npt.ArrayLike, pad: Padding, length: int | None = None) -> dict[str, npt.NDArray[Any]]:
        """Cut rows out; each slot is padded by itself, as the padding says, or to `length`.

        Returns:
            For each slot, with its ending: column name → int64 ``[B, L]``, and ``input_mask``; ``labels`` ``[B]`` if
            there are.
        """
        rows = np.asarray(rows, np.int64)
        batch: dict[str, npt.NDArray[Any]] = {}
        for slot, ending in enumerate(ENDINGS[: self.slots]):
            cut = self._texts.batch(rows * self.slots + slot, pad, length)
            batch.update({name + ending: values for name, values in cut.items()})
        if self.labels is not None:
            batch["labels"] = self.labels[rows]
        return batch


def slot_texts(row: Any, where: object, slots: int | None = None) -> tuple[str, ...]:
    """A row's texts.

    Args:
        row: ``[query, title]``, ``[query, left, right]``, or an `InputExample` or `TripleExample`.
        where: Names the row, as a string is made of it.
        slots: How many texts it must have. None: two or three.

    Raises:
        DataError: It has another number of texts, a text is missing, or it is no row of texts.
    """
    texts: Any = row
    if isinstance(row, InputExample):
        third = [row.text_c] if isinstance(row, TripleExample) else []
        texts = [row.text_a, row.text_b, *third]
    wanted = WORDS[slots] if slots else f"{WORDS[2]}, or {WORDS[3]}"
    if not isinstance(texts, list | tuple):
        raise DataError(f"{where}: {row!r:.80} is not several texts", expected=wanted)
    missing = [place for place, text in enumerate(texts) if text is None]
    if missing:
        raise DataError(f"{where}: text {missing[0] + 1} of {len(texts)} is missing: {row!r:.80}", expected=wanted)
    if not all(isinstance(text, str) for text in texts) or (len(texts) != slots if slots else len(texts) not in WORDS):
        raise DataError(f"{where}: {row!r:.80} is {_counted(texts)}", expected=wanted)
    try:
        return tuple(texts_of(text, 0)[0] for text in texts)
    except DataError as error:
        raise DataError(f"{where}: {error.what.split(' ', 2)[2]}", expected=error.expected) from None


def _counted(texts: Sequence[Any]) -> str:
    if not all(isinstance(text, str) for text in texts):
        return "not all text"
    return "1 text" if len(texts) == 1 else f"{len(texts)} texts"
