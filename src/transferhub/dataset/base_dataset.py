"""The splits of a data set, and its labels."""

import copy
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from transferhub.dataset.examples import Examples, InputExample, where
from transferhub.errors import ConfigError, DataError

PHASES = ("train", "dev", "test", "predict")


class BaseDataset:
    """Four splits of rows and an ordered list of label names, with PaddleHub's attributes.

    ``train_examples``, ``dev_examples``, ``test_examples`` and ``predict_examples`` are sequences of `InputExample`
    that may be assigned; a reader looks at them when it is asked for batches.

    ``name`` is what reports call it.

    Args:
        base_path: The folder of the files, for messages.
        label_list: Label names in the order of their ids. None: the sorted labels of the training rows.
    """

    def __init__(self, base_path: str | None = None, label_list: Sequence[Any] | None = None) -> None:
        self.base_path = base_path
        self.name = type(self).__name__
        self._label_list: list[str] | None = None
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
        listed = [str(name) for name in names]
        if len(set(listed)) < len(listed):
            raise ConfigError(f"label_list={listed!r:.80} has a name twice", expected="each label once")
        self._label_list = listed

    @property
    def label_list(self) -> list[str]:
        """Label names in the order of their ids."""
        if self._label_list is None:
            rows = self.train_examples
            if isinstance(rows, Examples):
                self._label_list = sorted(rows.found_labels, key=_as_number)
            else:
                self._label_list = sorted({str(row.label) for row in rows if row.label is not None}, key=_as_number)
        return list(self._label_list)

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

        Raises:
            DataError: A row without a label, or with one that `label_list` does not hold.
        """
        index, examples = self.label_index, self.get_examples(phase)
        if isinstance(examples, Examples):
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
                fix="correct the row; every label must occur in the training rows, or in label_list=[…]",
            )
        return ids

    def with_dev(self, seed: int, proportion: float = 0.1) -> "BaseDataset":
        """This data set if it has dev rows; else a copy in which a tenth of the training rows are the dev rows.

        The same share of each label is taken (largest remainders decide where it is no whole number), drawn from the
        seed alone; this data set stays as it is.

        Raises:
            DataError: Too few rows to leave one for training and one for dev.
        """
        if len(self.dev_examples):
            return self
        ids = self.label_ids("train")
        if len(ids) < 2:
            raise DataError(
                f"{len(ids)} training rows: too few to split off a dev set", fix="give more rows, or a dev file"
            )
        random = np.random.default_rng(seed)
        shares = np.bincount(ids, minlength=self.num_labels) * proportion
        counts = np.floor(shares).astype(int)
        missing = max(1, round(len(ids) * proportion)) - int(counts.sum())
        order = random.permutation(len(counts))
        counts[order[np.argsort(-(shares - counts)[order], kind="stable")][:missing]] += 1
        held = np.sort(np.concatenate([random.permutation(np.flatnonzero(ids == c))[:n] for c, n in enumerate(counts)]))
        split = copy.copy(self)
        split._label_list = self.label_list
        split.dev_examples = _take(self.train_examples, held)
        split.train_examples = _take(self.train_examples, np.delete(np.arange(len(ids)), held))
        return split


def _as_number(label: str) -> tuple[bool, int, str]:
    """Whole numbers in their order, before all other names."""
    number = int(label) if re.fullmatch(r"[+-]?[0-9]+", label) else None
    return number is None, number or 0, label


def _take(examples: Sequence[InputExample], rows: npt.NDArray[np.int64]) -> Sequence[InputExample]:
    take = getattr(examples, "take", None)  # Examples and Pictures; lists have none
    return take(rows) if take else [examples[row] for row in rows.tolist()]
