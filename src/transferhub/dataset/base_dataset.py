"""The splits of a data set, and its labels."""

import copy
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from transferhub.dataset import targets
from transferhub.dataset.examples import Examples, InputExample, where
from transferhub.dataset.kinds import known_kind, label_name
from transferhub.errors import ConfigError, DataError, did_you_mean
from transferhub.log import logger

WORDS = {
    "labels": "any number of labels a row",
    "value": "a number a row",
    "tags": "a tag for each token",
    "answers": "questions on passages",
}
PHASES = ("train", "dev", "test", "predict")


class BaseDataset:
    """Four splits of rows and an ordered list of label names, with PaddleHub's attributes.

    ``train_examples``, ``dev_examples``, ``test_examples`` and ``predict_examples`` are sequences of `InputExample`
    that may be assigned; a reader looks at them when it is asked for batches.

    ``name`` is what reports call it. ``kind`` says what a label is: ``classes`` (a name), ``labels`` (any number of
    names), ``value`` (a number), ``tags`` (one for each token) or ``answers`` (places in a passage); `targets` makes
    numbers of each. ``no_entity_label`` is the tag of tokens that are part of nothing.

    Args:
        base_path: The folder of the files, for messages.
        label_list: Label names in the order of their ids. None: the sorted labels of the training rows.
    """

    kind = "classes"
    no_entity_label = "O"
    drawn = "at random"  # how dev rows were drawn from the training rows, where they were

    def __init__(self, base_path: str | None = None, label_list: Sequence[Any] | None = None) -> None:
        self.base_path = base_path
        self.name = type(self).__name__
        self._label_list: list[str] | None = None
        self._named = False  # whether somebody listed the labels, in place of the rows
        self._said: set[str] = set()
        if label_list is not None:
            self.set_labels(label_list)
        self.train_examples: Sequence[InputExample] = []
        self.dev_examples: Sequence[InputExample] = []
        self.test_examples: Sequence[InputExample] = []
        self.predict_examples: Sequence[InputExample] = []

    def set_labels(self, names: Sequence[Any]) -> None:
        """Name the labels in the order of their ids.

        Raises:
            ConfigError: The same name twice.
        """
        listed = [label_name(name) for name in names]
        if len(set(listed)) < len(listed):
            raise ConfigError(f"label_list={listed!r:.80} has a name twice", expected="each label once")
        self._label_list, self._named = listed, True

    @property
    def label_list(self) -> list[str]:
        """Label names in the order of their ids; none of values and answers."""
        if self._label_list is None and self.kind not in ("value", "answers"):
            self._label_list = targets.label_names(self, self.kind)
        return list(self._label_list or ())

    @property
    def given_labels(self) -> list[str] | None:
        """The labels that are named already; None: they are told from the rows when they are first asked for."""
        return self._label_list

    def say_once(self, message: str, level: int = logging.INFO) -> None:
        """Log what was found out about the rows, the first time."""
        if message not in self._said:
            self._said.add(message)
            logger.log(level, "%s", message)

    @property
    def num_labels(self) -> int:
        """How many labels there are."""
        return len(self.label_list)

    @property
    def label_index(self) -> dict[str, int]:
        """Label name → id."""
        return {name: index for index, name in enumerate(self.label_list)}

    def get_labels(self) -> list[str]:
        """Label names in the order of their ids."""
        return self.label_list

    def label_dict(self) -> dict[int, str]:
        """Id → label name."""
        return dict(enumerate(self.label_list))

    def get_examples(self, phase: str) -> Sequence[InputExample]:
        """The rows of ``train``, ``dev`` (or ``val``), ``test`` or ``predict``."""
        phase = {"val": "dev", "validate": "dev", "inference": "predict"}.get(phase, phase)
        if phase not in PHASES:
            raise ConfigError(f"there is no split {phase!r}", expected=f"one of {', '.join(PHASES)}")
        rows: Sequence[InputExample] = getattr(self, f"{phase}_examples")
        return rows

    def get_train_examples(self) -> Sequence[InputExample]:
        """The rows to train on."""
        return self.train_examples

    def get_dev_examples(self) -> Sequence[InputExample]:
        """The rows on which the best model is chosen."""
        return self.dev_examples

    get_val_examples = get_dev_examples

    def get_test_examples(self) -> Sequence[InputExample]:
        """The rows that are looked at once, at the end."""
        return self.test_examples

    def get_predict_examples(self) -> Sequence[InputExample]:
        """Rows without labels."""
        return self.predict_examples

    def label_ids(self, phase: str) -> npt.NDArray[np.int64]:
        """The label ids of a split, int64 ``[rows]``.

        Where names are given and the split's labels are none of them but whole numbers below their count, these are
        ids: it is said.

        Raises:
            ConfigError: The labels of this data set are no classes.
            DataError: A row without a label, or with one that `label_list` does not hold.
        """
        if self.kind != "classes":
            raise ConfigError(
                f"{self.name} holds {WORDS[self.kind]}, not one label a row",
                expected="a data set of classes",
                fix="take the task and the reader that are for these rows",
            )
        examples = self.get_examples(phase)
        index = self._index_of(examples)
        if isinstance(examples, Examples) and examples.coded:
            known = np.array([*(index.get(name, -1) for name in examples.label_names), -1], np.int64)
            ids = known[examples.codes]  # code -1, no label, is the last of them
        else:
            labels = (-1 if row.label is None else index.get(str(row.label), -1) for row in examples)
            ids = np.fromiter(labels, np.int64, len(examples))
        wrong = np.flatnonzero(ids < 0)
        if len(wrong):
            row = int(wrong[0])
            label = examples[row].label
            raise DataError(
                f"{where(examples, row, phase + '_examples')}: "
                + ("no label" if label is None else f"label {str(label)!r:.80} is not known"),
                expected=f"one of {', '.join(map(repr, self.label_list[:20]))}"
                + (" …" if self.num_labels > 20 else ""),
                fix=("" if label is None else did_you_mean(str(label), self.label_list))
                + "correct the row; every label must occur in the training rows, or in label_list=[…]",
            )
        return ids

    def _index_of(self, examples: Sequence[InputExample]) -> dict[str, int]:
        """`label_index`; or, where these rows hold ids in place of names, of the ids."""
        index = self.label_index
        if not self._named or any(name.isdecimal() for name in index):
            return index
        written = targets.written_labels(examples)
        of_ids = {str(place): place for place in range(len(index))}
        if not written or written & index.keys() or not written <= of_ids.keys():
            return index
        self.say_once(f"{self.name}: labels are written as ids of {', '.join(map(repr, list(index)[:5]))} …")
        return of_ids

    def with_dev(self, seed: int, proportion: float = 0.1, kind: str | None = None) -> "BaseDataset":
        """This data set if it has dev rows; else a copy in which a tenth of the training rows are the dev rows.

        They are drawn from the seed alone; this data set stays as it is. Of classes, the same share of each is taken
        (largest remainders decide where it is no whole number); of label sets, nearly the same share of each label; of
        answers, whole passages with all their questions; of the other kinds, any rows. ``drawn`` says it in words.

        Args:
            seed: Of the draw.
            proportion: Of the training rows.
            kind: What the labels are read as; None: the data set's own.

        Raises:
            DataError: Too few rows to leave one for training and one for dev.
        """
        if len(self.dev_examples):
            return self
        rows, kind = len(self.train_examples), known_kind(kind or self.kind)
        if rows < 2:
            raise DataError(
                f"{rows} training rows: too few to split off a dev set", fix="give more rows, or a dev file"
            )
        random = np.random.default_rng(seed)
        held, drawn = None, "at random"
        if kind == "classes":
            held, drawn = _stratified(self.label_ids("train"), random, proportion), "the same share of each label"
        elif kind == "labels":
            held = _stratified_sets(targets.label_sets(self, "train"), random, proportion)
            drawn = "nearly the same share of each label"
        elif kind == "answers":
            held, drawn = _whole_passages(self.train_examples, random, proportion), "whole passages"
        if held is None:
            held, drawn = _stratified(np.zeros(rows, np.int64), random, proportion), "at random"
        split = copy.copy(self)
        split.drawn = drawn
        split._label_list = self.label_list if kind == self.kind else self._label_list
        split.dev_examples = _take(self.train_examples, held)
        split.train_examples = _take(self.train_examples, np.delete(np.arange(rows), held))
        return split


def _stratified(ids: npt.NDArray[np.int64], random: np.random.Generator, proportion: float) -> npt.NDArray[np.int64]:
    shares = np.bincount(ids) * proportion
    counts = np.floor(shares).astype(int)
    missing = max(1, round(len(ids) * proportion)) - int(counts.sum())
    order = random.permutation(len(counts))
    counts[order[np.argsort(-(shares - counts)[order], kind="stable")][:missing]] += 1
    taken = [random.permutation(np.flatnonzero(ids == c))[:n] for c, n in enumerate(counts)]
    return np.sort(np.concatenate(taken))


def _stratified_sets(
    flags: npt.NDArray[np.uint8], random: np.random.Generator, proportion: float
) -> npt.NDArray[np.int64] | None:
    """Rows of label sets by iterative stratification; None where that leaves a side without rows.

    Sechidis, Tsoumakas, Vlahavas 2011, On the Stratification of Multi-label Data, algorithm 1: of the label with the
    fewest rows left each row goes where most of that label are still wanted, else where most rows are.
    """
    rows, size = len(flags), max(1, round(len(flags) * proportion))
    share = np.array([1 - proportion, proportion])
    counts, side = flags.sum(axis=0, dtype=np.int64), np.full(rows, -1)
    wanted, of_label = rows * share, counts[:, None] * share
    order = random.permutation(rows)
    while counts.any():
        label = int(np.argmin(np.where(counts > 0, counts, rows + 1)))
        for row in order[(side[order] < 0) & (flags[order, label] > 0)]:
            ahead = of_label[label, 1] - of_label[label, 0] or wanted[1] - wanted[0] or random.random() - 0.5
            to = side[row] = int(ahead > 0)
            wanted[to] -= 1
            of_label[:, to] -= flags[row]
            counts -= flags[row]
    free = order[side[order] < 0]  # rows without labels
    side[free] = 0
    side[free[: max(0, size - int((side == 1).sum()))]] = 1
    missing = size - int((side == 1).sum())
    if abs(missing) > 0.1 * size:  # of labels in one or two rows each, all rows go to one side
        others = order[side[order] == int(missing < 0)]
        side[others[: abs(missing)]] = int(missing > 0)
    held = np.flatnonzero(side == 1)
    return held if 0 < len(held) < rows else None


def _whole_passages(
    examples: Sequence[InputExample], random: np.random.Generator, proportion: float
) -> npt.NDArray[np.int64] | None:
    """Questions of as many passages as give the proportion; None where all are of one passage."""
    number: dict[str, int] = {}
    passages = np.array([number.setdefault(example.text_b or "", len(number)) for example in examples])
    if len(number) < 2:
        return None
    order = random.permutation(len(number))
    reached = np.cumsum(np.bincount(passages)[order])
    enough = 1 + int(np.searchsorted(reached, max(1, round(len(examples) * proportion))))
    return np.flatnonzero(np.isin(passages, order[: min(enough, len(number) - 1)]))


def _take(examples: Sequence[InputExample], rows: npt.NDArray[np.int64]) -> Sequence[InputExample]:
    take = getattr(examples, "take", None)  # Examples and Pictures; lists have none
    return take(rows) if take else [examples[row] for row in rows.tolist()]
