"""Picture data sets from list files, with every argument of PaddleHub 1.x."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from transferhub.dataset import picture_checks, targets
from transferhub.dataset.base_dataset import PHASES, BaseDataset
from transferhub.dataset.base_nlp_dataset import _read_labels as read_labels
from transferhub.dataset.kind_checks import check_known
from transferhub.dataset.kinds import known_kind
from transferhub.dataset.picture_lists import read_list
from transferhub.dataset.pictures import Pictures, fingerprint
from transferhub.errors import ConfigError, DataError
from transferhub.log import logger

FILES = {"train": "train_list_file", "dev": "validate_list_file", "test": "test_list_file"}


class PictureDataset(BaseDataset):
    """Four splits of ``(path, label id)`` rows, assignable as lists, and an ordered list of label names.

    In a list that is assigned a label is an id, or a name of `label_list`. Where `kind` is ``labels``, it is a label
    set: a list of names, or what `targets.label_sets` reads.
    """

    def label_ids(self, phase: str) -> npt.NDArray[np.int64]:
        """The label ids of a split, int64 ``[rows]``.

        Raises:
            ConfigError: The rows have label sets.
            DataError: A row without a label, or with one that `label_list` does not hold.
        """
        if self.kind != "classes":
            return super().label_ids(phase)
        examples: Any = self.get_examples(phase)
        count = self.num_labels
        if isinstance(examples, Pictures):
            ids = examples.ids.astype(np.int64)
        else:
            index = self.label_index
            ids = np.fromiter((_id_of(row, index) for row in examples), np.int64, len(examples))
        wrong = np.flatnonzero((ids < 0) | (ids >= count))
        if len(wrong):
            row = int(wrong[0])
            example = examples[row]
            label = example[1] if isinstance(example, list | tuple) and len(example) == 2 else None
            raise DataError(
                f"{examples.where(row) if isinstance(examples, Pictures) else f'{phase}_examples[{row}]'}: "
                + ("no label" if label is None else f"label {label!r:.80} is not known"),
                expected=f"an id from 0 to {count - 1}: {', '.join(map(repr, self.label_list[:20]))}"
                + (" …" if count > 20 else ""),
                fix="correct the row, or name every label in label_list=[…]",
            )
        return ids

    @property
    def label_list(self) -> list[str]:
        """Label names in the order of their ids; without any, the ids of the training rows up to the highest."""
        if self.kind != "classes":
            return super().label_list
        if self._label_list is None:
            rows: Any = self.train_examples
        if self._label_list is None:  # reading the rows did not bring it
            ids = rows.ids if isinstance(rows, Pictures) else [row[1] for row in rows if row[1] is not None]
            if len(ids) and all(isinstance(label, int | np.integer) for label in ids):
                self._label_list = [str(number) for number in range(int(max(ids)) + 1)]
            else:
                self._label_list = sorted({str(label) for label in ids})
        return list(self._label_list)

    def relabelled(self, label_list: Sequence[str]) -> "PictureDataset":
        """A copy whose ids count in another list of the same names: that of a trained model, say.

        Args:
            label_list: Every name that occurs in the rows, in any order; it may have more.

        Raises:
            ConfigError: Label sets that are written as ids or flags, in another order.
            DataError: A name that it does not have; a row without a label.
        """
        if self.kind == "labels":
            named = targets.with_labels(self, label_list, self.kind)
            assert isinstance(named, PictureDataset)
            return named
        index = {str(name): number for number, name in enumerate(label_list)}
        if missing := [name for name in self.label_list if name not in index]:
            raise DataError(
                f"{self.name}: label {missing[0]!r:.80} is not known", expected=f"one of {', '.join(index)!s:.200}"
            )
        turned = copy.copy(self)
        turned.set_labels(label_list)
        order = np.array([index[name] for name in self.label_list], np.int32)
        for phase in ("train", "dev", "test"):
            rows: Any = self.get_examples(phase)
            if not isinstance(rows, Pictures):
                names, ids = self.label_list, self.label_ids(phase).tolist()
                rows = [(row[0], names[label]) for row, label in zip(rows, ids, strict=True)]
            elif rows.ids.max(initial=-1) >= 0:
                rows = rows.relabelled(order)
            setattr(turned, f"{phase}_examples", rows)
        return turned

    def fingerprint(self, phase: str) -> str:
        """The sha256 of a split's names, sizes and labels; see `pictures.fingerprint`."""
        return fingerprint(self.get_examples(phase))

    def with_dev(self, seed: int, proportion: float = 0.1, kind: str | None = None) -> "PictureDataset":
        """As `BaseDataset.with_dev`; a picture that is in both splits then, and a label with none to train on, is said.

        The files of up to `picture_checks.MOST` pictures are looked at for that.
        """
        if len(self.dev_examples):
            return self
        held = self._held(seed, proportion, kind)
        picture_checks.check_split_off(held, "dev")
        return held

    def with_test(self, seed: int, proportion: float) -> "PictureDataset":
        """A copy in which a part of the training rows are the test rows; drawn and looked at as by `with_dev`."""
        whole = copy.copy(self)
        whole.dev_examples = []
        held = whole._held(seed, proportion, None)
        held.test_examples, held.dev_examples = held.dev_examples, self.dev_examples
        picture_checks.check_split_off(held, "test")
        return held

    def _held(self, seed: int, proportion: float, kind: str | None) -> "PictureDataset":
        held = super().with_dev(seed, proportion, kind)
        assert isinstance(held, PictureDataset)
        return held

    def without_broken(self) -> "PictureDataset":
        """A copy without the pictures that cannot be decoded; they are named in the log. Every picture is decoded.

        Raises:
            DataError: No picture of a split is left.
        """
        whole = copy.copy(self)
        whole._label_list = self.label_list
        for phase in PHASES:
            rows = self.get_examples(phase)
            kept = picture_checks.whole_rows(rows, phase) if len(rows) else rows
            if kept is not rows:
                setattr(whole, f"{phase}_examples", kept)
        return whole


class BaseCVDataset(PictureDataset):
    """A picture data set from list files: subclass it, or give it the files.

    A line of a list is ``path label``: the label after the last space, an id from 0 (or a name of the label list); the
    path relative to `base_path`, spaces and all. A label set stands there without spaces: ``a.jpg joy,anger``. Lists
    are UTF-8 and read when the data set is built; every picture in them must be there. Subclasses of PaddleHub up to
    1.4, which set ``base_path``, ``train_list_file`` … and ``num_labels`` as attributes, work as well: their lists are
    read when they are first asked for.

    Args:
        base_path: The folder of the lists and pictures.
        train_list_file: Rows to train on, relative to `base_path`.
        validate_list_file: Rows on which the best model is chosen.
        test_list_file: Rows that are looked at once, at the end.
        predict_list_file: Paths without labels.
        label_list_file: A file with a label name a line, in the order of their ids.
        label_list: Label names in the order of their ids; goes before `label_list_file`.
        predict_file: An older name of `predict_list_file`.
        kind: ``classes``, one label a row, or ``labels``, label sets. None: the class's own.

    Raises:
        ConfigError: None of train, validate and test list is given; both names of the predict list.
        DataError: A list that is missing or empty; a label outside the list of labels, a picture that is not there
            (with file:line).
    """

    def __init__(
        self,
        base_path: str | Path | None = None,
        train_list_file: str | None = None,
        validate_list_file: str | None = None,
        test_list_file: str | None = None,
        predict_list_file: str | None = None,
        label_list_file: str | None = None,
        label_list: Sequence[Any] | None = None,
        predict_file: str | None = None,
        *,
        kind: str | None = None,
    ) -> None:
        super().__init__(None if base_path is None else str(base_path))
        self.kind = known_kind(kind or self.kind)
        if predict_file and predict_list_file and predict_file != predict_list_file:
            raise ConfigError(f"predict_file={predict_file!r} and predict_list_file={predict_list_file!r}", fix="one")
        given = (base_path, train_list_file, validate_list_file, test_list_file, predict_list_file, predict_file)
        if not any((*given, label_list, label_list_file)):
            for phase in PHASES:
                del self.__dict__[f"{phase}_examples"]  # 1.4's form: the attributes are set after this; see __getattr__
            return
        self.train_list_file, self.validate_list_file, self.test_list_file = (
            train_list_file,
            validate_list_file,
            test_list_file,
        )
        self.predict_list_file, self.label_list_file = predict_list_file or predict_file, label_list_file
        self.read_lists(label_list)

    def read_lists(self, label_list: Sequence[Any] | None = None) -> None:
        """Read the lists that the attributes name; the constructor does, where it is given them."""
        for phase in PHASES:
            self.__dict__.setdefault(f"{phase}_examples", [])
        lists = {phase: getattr(self, name, None) for phase, name in FILES.items()}
        if not any(lists.values()):
            raise ConfigError(
                f"{type(self).__name__} without lists", expected="train_list_file, validate_list_file or test_list_file"
            )
        folder, label_file = Path(self.base_path or "."), getattr(self, "label_list_file", None)
        if label_list is not None and label_file:
            logger.warning("label_list is used; label_list_file %s is not looked at", label_file)
        elif label_file:
            label_list = read_labels(folder / label_file)
        if label_list is not None:
            self.set_labels(label_list)
        names, sets = self._label_list, self.kind == "labels"
        for phase, file in lists.items():
            if file:
                self.__dict__[f"{phase}_examples"] = read_list(folder / file, folder, names, sets=sets)
        predict = getattr(self, "predict_list_file", None) or getattr(self, "predict_file", None)
        if predict:
            self.__dict__["predict_examples"] = read_list(folder / predict, folder, names, labelled=False)
        for phase in ("train", "dev", "test"):
            if len(self.__dict__[f"{phase}_examples"]):
                check_known(self, phase)
        picture_checks.check(self)

    def __getattr__(self, name: str) -> Any:
        if name.removesuffix("_examples") in PHASES and name.endswith("_examples"):
            self.read_lists()
            return self.__dict__[name]
        raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")

    @property
    def num_labels(self) -> int:
        """How many labels there are; subclasses of PaddleHub up to 1.4 set it."""
        return len(self.label_list)

    @num_labels.setter
    def num_labels(self, count: int) -> None:
        if self._label_list is None:
            self.set_labels(range(count))


ImageClassificationDataset = BaseCVDataset  # 1.8's name for this form of it


def _id_of(row: Any, index: dict[str, int]) -> int:
    label = row[1] if isinstance(row, list | tuple) and len(row) == 2 else None
    if isinstance(label, bool) or label is None:
        return -1
    if isinstance(label, int | np.integer):
        return int(label)
    text = str(label)
    return index.get(text, int(text) if text.isdecimal() else -1)
