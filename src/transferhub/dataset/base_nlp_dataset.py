"""Text data sets from tab-separated files, with every argument of PaddleHub 1.x."""

import hashlib
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transferhub import atomic
from transferhub.dataset import store
from transferhub.dataset.base_dataset import BaseDataset
from transferhub.dataset.examples import Examples, InputExample
from transferhub.dataset.rows import read_table
from transferhub.errors import ConfigError, DataError
from transferhub.log import logger

COLUMNS = {1: ("text_a",), 2: ("text_a", "label"), 3: ("text_a", "text_b", "label")}
PREDICT_COLUMNS = {1: ("text_a",), 2: ("text_a", "text_b")}


class BaseNLPDataset(BaseDataset):
    """A text data set: subclass it, or give it the files.

    Files are UTF-8, tab-separated; quotes are data (a file named ``.csv`` has commas and quoted cells). Two columns
    are text and label, three are text, second text and label; a predict file has a text or a pair. Files are read
    when the data set is built.

    Args:
        base_path: The folder of the files.
        train_file: Rows to train on, relative to `base_path`.
        dev_file: Rows on which the best model is chosen.
        test_file: Rows that are looked at once, at the end.
        predict_file: Rows without labels.
        label_file: A file with a label name a line, in the order of their ids.
        label_list: Label names in the order of their ids; goes before `label_file`.
        train_file_with_header: Whether the first line names the columns; likewise for the other three.
        dev_file_with_header: See above.
        test_file_with_header: See above.
        predict_file_with_header: See above.
        tokenizer: Accepted for scripts of PaddleHub 1.8; the reader's tokenizer is used.
        max_seq_len: Accepted for scripts of PaddleHub 1.8; the reader's length is used.

    Raises:
        ConfigError: None of train, dev and test file is given.
        DataError: A file that is missing, empty, ragged, or has too many columns.
    """

    columns: tuple[str, ...] | None = None  # a subclass whose files have other columns names them here

    def __init__(
        self,
        base_path: str | Path | None,
        train_file: str | None = None,
        dev_file: str | None = None,
        test_file: str | None = None,
        predict_file: str | None = None,
        label_file: str | None = None,
        label_list: Sequence[Any] | None = None,
        train_file_with_header: bool = False,
        dev_file_with_header: bool = False,
        test_file_with_header: bool = False,
        predict_file_with_header: bool = False,
        tokenizer: Any = None,
        max_seq_len: int | None = None,
    ) -> None:
        if not (train_file or dev_file or test_file):
            raise ConfigError("a data set without files", expected="train_file, dev_file or test_file")
        folder = Path(base_path or ".")
        if label_file and label_list:
            logger.warning("label_list is used; label_file %s is not looked at", label_file)
        elif label_file:
            label_list = _read_labels(folder / label_file)
        super().__init__(str(folder), label_list)
        self.train_file, self.dev_file, self.test_file, self.predict_file = (
            train_file,
            dev_file,
            test_file,
            predict_file,
        )
        self._with_header = {
            "train": train_file_with_header,
            "dev": dev_file_with_header,
            "test": test_file_with_header,
            "predict": predict_file_with_header,
        }
        for phase, name in (("train", train_file), ("dev", dev_file), ("test", test_file), ("predict", predict_file)):
            if name:
                setattr(self, f"{phase}_examples", self._read_file(str(folder / name), phase))

    def _read_file(self, input_file: str, phase: str | None = None) -> Sequence[InputExample]:
        """Read one file; subclasses with a format of their own override this and return a list of `InputExample`."""
        path, predict = Path(input_file), phase == "predict"
        with_header = self._with_header.get(phase or "", False)
        notes: list[str] = []
        rows = read_table(path, with_header=with_header, notes=notes)
        header = next(rows, None) if with_header else None
        first = next(rows, None)
        if first is None:
            what = "has a header and no rows" if header else "is empty"
            raise DataError(f"{path} {what}", expected="a row a line")
        names = self._columns_of(path, len(first.cells), predict)
        text, pair, label = (names.index(name) if name in names else None for name in ("text_a", "text_b", "label"))
        assert text is not None
        label = None if predict else label
        lines = (
            (
                row.cells[text],
                None if pair is None else row.cells[pair],
                None if label is None else row.cells[label],
                row.line,
            )
            for row in itertools.chain([first], rows)
        )
        if path.stat().st_size < store.BIG:
            stored = store.in_memory(lines, notes)
        else:
            key = f"{store.VERSION} {atomic.sha256(path)} {path.suffixes} {with_header} {names} {predict}"
            stored = store.kept(hashlib.sha256(key.encode()).hexdigest(), lines, notes)
        for note in stored.facts.notes:
            logger.info("%s", note)
        return Examples(stored, str(path))

    def _columns_of(self, path: Path, width: int, predict: bool) -> tuple[str, ...]:
        if self.columns and width == len(self.columns):
            return self.columns
        known = PREDICT_COLUMNS if predict else COLUMNS
        if width == 1 and not predict:
            raise DataError(
                f"{path} only has one column but it is not a predict file",
                expected="text and label, or text, second text and label, separated by a tab",
                fix="check the separator; spaces are not tabs",
            )
        if width not in known:
            raise DataError(
                f"{path} has {width} columns", expected=" or ".join(", ".join(names) for names in known.values())
            )
        return known[width]


TextClassificationDataset = BaseNLPDataset  # 1.8's name for this form of it


def _read_labels(path: Path) -> list[str]:
    if not path.is_file():
        raise DataError(f"there is no label file {path}", expected="a label name a line")
    return [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line]
