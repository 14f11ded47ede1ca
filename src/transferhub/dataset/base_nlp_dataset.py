"""Text data sets from tab-separated files, with every argument of PaddleHub 1.x."""

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from transferhub import atomic
from transferhub.dataset import store
from transferhub.dataset.examples import Examples, InputExample
from transferhub.dataset.kinds import SPLIT
from transferhub.dataset.nlp_rows import Damaged, Layout, stored_rows
from transferhub.dataset.reading import read_answers
from transferhub.dataset.records import RecordMode
from transferhub.dataset.rows import Row, read_table
from transferhub.errors import ConfigError, DataError
from transferhub.log import logger

Layouts = dict[int, tuple[str, ...]]  # number of columns → what they are


class BaseNLPDataset(RecordMode):
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
        tokenizer: Of 1.8's records (`get_train_records` …); tasks read rows with their reader's.
        max_seq_len: Of these records.

    Raises:
        ConfigError: None of train, dev and test file is given.
        DataError: A file that is missing, empty, ragged, or has too many columns.
    """

    columns: tuple[str, ...] | None = None  # a subclass whose files have other columns names them here
    is_pair_wise = False  # whether rows are a query and two texts
    lenient = False  # whether damaged rows are left out, counted and said; else the first one is an error
    split_char: str | None = None  # between tokens and between tags; None: \x02, or spaces

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
        self.tokenizer, self.max_seq_len = tokenizer, max_seq_len
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
        rows = self._rows(path, with_header, notes)
        header = next(rows, None) if with_header else None
        first = next(rows, None)
        if first is None:
            what = "has a header and no rows" if header else "is empty"
            raise DataError(f"{path} {what}", expected="a row a line")
        layout = self._layout(path, header or first, first, predict)
        damaged = Damaged() if self.lenient else None
        lines = stored_rows(itertools.chain([first], rows), layout, path, notes, damaged)
        if path.stat().st_size < store.BIG:
            stored = store.in_memory(lines, notes, layout.kind)
        else:
            key = f"{store.VERSION} {atomic.sha256(path)} {path.suffixes} {with_header} {layout} {predict}"
            key += f" {path}" if self.lenient else ""  # what is said of damaged rows names the file
            stored = store.kept(hashlib.sha256(key.encode()).hexdigest(), lines, notes, layout.kind)
        for note in stored.facts.notes:
            logger.info("%s", note)
        return Examples(stored, str(path))

    def _rows(self, path: Path, with_header: bool, notes: list[str]) -> Iterator[Row]:
        """The rows of a file as cells, its header among them."""
        return read_table(path, with_header=with_header, notes=notes)

    def _layout(self, path: Path, top: Row, first: Row, predict: bool) -> Layout:
        """Which columns are what, told from the top of the file and its first row."""
        names = self._columns_of(path, len(first.cells), predict)
        kind = self.kind
        if kind == "classes" and SPLIT in dict(zip(names, first.cells, strict=False)).get("label", ""):
            kind = self.kind = "tags"  # as 1.x's readers took it
        flags = names.count("label") > 1
        if predict:
            names = tuple(name if name != "label" else "" for name in names)
        return Layout(names, kind, self.split_char, tuple(self.given_labels or ()) if flags and not predict else ())

    def _known_widths(self, predict: bool) -> Layouts:
        if predict:
            return {1: ("text_a",), 2: ("text_a", "text_b")}
        return {2: ("text_a", "label"), 3: ("text_a", "text_b", "label")}

    def _columns_of(self, path: Path, width: int, predict: bool) -> tuple[str, ...]:
        if self.columns and width == len(self.columns):
            return self.columns
        known = self._known_widths(predict)
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


class RegressionDataset(BaseNLPDataset):
    """Texts or pairs with a number each, as `BaseNLPDataset` reads them; the label column is a finite number."""

    kind = "value"


class SeqLabelingDataset(BaseNLPDataset):
    r"""Texts with a tag for each token: two columns, tokens joined by `split_char`, and tags joined alike.

    Rows keep both joined by ``\\x02``, whatever joined them in the file.

    Args:
        base_path: The folder of the files.
        *args: As for `BaseNLPDataset`.
        split_char: What joins tokens, and tags.
        no_entity_label: The tag of tokens that are part of nothing.
        **kwargs: As for `BaseNLPDataset`.

    Raises:
        DataError: Another number of tags than tokens, by file and line.
    """

    kind = "tags"

    def __init__(
        self,
        base_path: str | Path | None,
        *args: Any,
        split_char: str = SPLIT,
        no_entity_label: str = "O",
        **kwargs: Any,
    ) -> None:
        self.split_char, self.no_entity_label = split_char, no_entity_label
        super().__init__(base_path, *args, **kwargs)


class MultiLabelDataset(BaseNLPDataset):
    """Texts with any number of labels: names or flags in one column, or a column of 0 and 1 for each of `label_list`.

    With columns of flags the text stands before them, and a row's id may stand before that.
    """

    kind = "labels"

    def _columns_of(self, path: Path, width: int, predict: bool) -> tuple[str, ...]:
        labels = len(self.given_labels or ())
        if labels > 1 and width in (labels + 1, labels + 2):
            return (*("", "text_a")[2 + labels - width :], *["label"] * labels)
        return super()._columns_of(path, width, predict)


class TextMatchingDataset(BaseNLPDataset):
    """Pairs of texts with a label; or, pairwise, a query and two texts: the label is 1 where the left one is nearer.

    Args:
        base_path: The folder of the files.
        is_pair_wise: Whether rows are query, left text, right text and label (`TripleExample`).
        *args: As for `BaseNLPDataset`.
        **kwargs: As for `BaseNLPDataset`.
    """

    def __init__(self, base_path: str | Path | None, is_pair_wise: bool = False, *args: Any, **kwargs: Any) -> None:
        self.is_pair_wise = is_pair_wise
        super().__init__(base_path, *args, **kwargs)

    def _known_widths(self, predict: bool) -> Layouts:
        texts = ("text_a", "text_b", "text_c") if self.is_pair_wise else ("text_a", "text_b")
        labelled = {len(texts) + 1: (*texts, "label")}
        return {len(texts): texts, **labelled} if predict else labelled


class MRCDataset(BaseNLPDataset):
    """Reading comprehension: files in SQuAD's form (1.1, 2.0, CMRC2018, DRCD); rows are `ReadingExample`."""

    kind = "answers"

    def _read_file(self, input_file: str, phase: str | None = None) -> Sequence[InputExample]:
        return read_answers(Path(input_file))


def _read_labels(path: Path) -> list[str]:
    if not path.is_file():
        raise DataError(f"there is no label file {path}", expected="a label name a line")
    return [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line]
