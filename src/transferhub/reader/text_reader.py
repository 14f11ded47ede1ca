"""What all readers of texts have in common: rows → columns, cached on disk, and what is said of them."""

import dataclasses
import hashlib
import json
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from transferhub.dataset import BaseDataset, Examples, InputExample
from transferhub.errors import ConfigError, DataError
from transferhub.log import logger
from transferhub.reader import long_text as long_text_ways
from transferhub.reader import records
from transferhub.reader.columns import Chunk, Columns, cached
from transferhub.reader.reader import Reader

CHUNK = 1000  # rows tokenised in one call
MANY_UNKNOWN = 0.1  # the part of unknown tokens that is warned of

Row = str | Sequence[str] | InputExample | Mapping[str, Any]


class TextReader(Reader):
    """Reads a data set's rows as columns of numbers.

    Rows are read when they are first asked for, written to a disk cache as they come, by a fingerprint of texts and
    settings, and memory-mapped from there. A reader of its own kind sets ``fingerprint`` and ``pad``.

    Args:
        vocab_path: The vocabulary of the module that the rows are for.
        dataset: Where the rows are. None: for prediction only.
        max_seq_len: Tokens a row may have.
        in_tokens: In `data_generator`, batch sizes count padded tokens.
        long_text: What becomes of longer rows: ``truncate``, ``head_tail`` or ``window``.
    """

    def __init__(
        self, vocab_path: str | Path, dataset: BaseDataset | None, max_seq_len: int, in_tokens: bool, long_text: str
    ) -> None:
        self.vocab_path, self.dataset = str(vocab_path), dataset
        self.max_seq_len, self.in_tokens = max_seq_len, in_tokens
        self.long_text = long_text_ways.known(long_text)

    @property
    @abstractmethod
    def types(self) -> Mapping[str, npt.DTypeLike]:
        """The columns, each with the narrowest numbers that hold it."""

    def types_of(self, dataset: BaseDataset | None) -> Mapping[str, npt.DTypeLike]:
        """`types` of what `chunks` gives for this data set; None: of rows to predict."""
        return self.types

    record_names: ClassVar[Mapping[str, str]] = {}
    """What a record of 1.8's tokenizers calls the columns, the one of ids first; empty: none can be read."""

    def text_of(self, ids: Sequence[int]) -> str:
        """What ids stand for, for a person."""
        return " ".join(map(str, ids))

    @abstractmethod
    def read(self, rows: Sequence[Row]) -> Iterator[Chunk]:
        """Make columns of rows, chunk by chunk."""

    @abstractmethod
    def arrays(self, batch: Mapping[str, npt.NDArray[np.int64]], lengths: npt.NDArray[np.int64]) -> list[Any]:
        """A batch as 1.x's readers give it, without labels."""

    def arranged(self, columns: Columns) -> Columns:
        """The columns as a network reads them, of what `read` gave."""
        return columns

    @property
    def label_map(self) -> dict[str, int]:
        """Label name → id, as the data set has it."""
        return self.dataset.label_index if self.dataset else {}

    def shown(self, row: Row, place: int = 0) -> dict[str, Any]:
        """``text``, and ``text_pair`` where there is one."""
        if isinstance(row, Mapping):
            ids = row[next(iter(self.record_names))]
            return {"text": self.text_of(ids[: row.get("seq_len", len(ids))])}
        text, pair = texts_of(row, place)
        return {"text": text} if pair is None else {"text": text, "text_pair": pair}

    def chunks(self, examples: Sequence[InputExample], dataset: BaseDataset | None) -> Iterator[Chunk]:
        """What `columns` is made of; `dataset` knows the labels, for readers that give each token one."""
        return self.read(examples)

    def content(self, examples: Sequence[InputExample], dataset: BaseDataset | None) -> str:
        """A digest of all that `chunks` looks at."""
        digest, encoder = hashlib.sha256(), json.JSONEncoder(ensure_ascii=False)
        for chunk in chunks_of(examples):
            digest.update("".join(map(encoder.encode, chunk)).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    def columns(self, phase: str, dataset: BaseDataset | None = None, *, keep: bool = True) -> Columns:
        """As `Reader.columns`, cached on disk."""
        dataset = dataset if dataset is not None else self.dataset
        if dataset is None:
            raise ConfigError("a reader without a data set has no splits", fix=f"{type(self).__name__}(dataset=…, …)")
        examples = dataset.get_examples(phase)
        if not len(examples):
            raise DataError(
                f"the data set has no {phase} rows", fix=f"give it a {phase} file, or assign {phase}_examples"
            )
        teacher = None if phase == "predict" else dataset
        labels = None if teacher is None else self.targets(teacher, phase)
        if keep:
            key = hashlib.sha256(f"{self.fingerprint} {self.content(examples, teacher)}".encode()).hexdigest()
            columns = cached(key, labels, self.types_of(teacher), lambda: self.chunks(examples, teacher))
        else:
            columns = Columns.from_chunks(self.chunks(examples, teacher), self.types_of(teacher), labels)
        columns.examples = examples
        columns = self.arranged(columns)
        self.say_cut(phase, columns)
        if phase == "train":
            self.say_unknown(phase, columns)
        return columns

    def encode(self, rows: Sequence[Row]) -> Columns:
        """Tokenise rows: texts, ``[text]``, ``[text_a, text_b]``, pairs as tuples, `InputExample`. Nothing is kept.

        Records of 1.8's tokenizers are taken as they are.
        """
        chunks = self._of_records(rows) if records.are_records(rows) else self.read(rows)
        columns = Columns.from_chunks(chunks, self.types_of(None), None)
        columns.examples = rows
        columns = self.arranged(columns)
        self.say_cut("rows", columns)
        return columns

    def _of_records(self, rows: Sequence[Row]) -> Iterator[Chunk]:
        if not self.record_names:
            raise DataError("these rows are records", expected=f"texts: {type(self).__name__} reads no records")
        windows = self.long_text == "window"
        return records.read(rows, self.record_names, ("segment_ids",), self.max_seq_len, self.last_id, windows)

    @property
    def last_id(self) -> int:
        """The last id of the vocabulary."""
        return 0

    def say_cut(self, name: str, columns: Columns) -> None:
        """Say how much of a split's texts is not read, or read in windows; silence: nothing."""
        cut, count = columns.cut, len(columns) * columns.slots
        what = "rows" if columns.slots == 1 else "texts"
        if cut.windowed:
            logger.info(
                "%s: %d of %d %s are longer than %d tokens and read in windows",
                name,
                cut.windowed,
                count,
                what,
                self.max_seq_len,
            )
        if cut.tokens:
            logger.info(
                "%s: %d of %d %s are longer than %d tokens: %s of %s tokens (%.1f %%) are not read (long_text=%r)",
                name,
                cut.rows,
                count,
                what,
                self.max_seq_len,
                f"{cut.tokens:,}",
                f"{cut.of:,}",
                100 * cut.tokens / cut.of,
                self.long_text,
            )
        if cut.unknown:
            logger.info(
                "%s: %s of %s words are not in the vocabulary and left out",
                name,
                f"{cut.unknown:,}",
                f"{cut.unknown + cut.of:,}",
            )
        if cut.bare:
            logger.info("%s: %d of %d %s have no word of the vocabulary; they are kept", name, cut.bare, count, what)

    @property
    def unknown_id(self) -> int | None:
        """The id that stands for whatever the vocabulary does not hold; None: there is none in the columns."""
        return None

    def say_unknown(self, name: str, columns: Columns) -> None:
        """Warn where much of the texts is unknown to the vocabulary, as with a module of another language."""
        ids = columns.ragged.get("input_ids")
        if self.unknown_id is None or ids is None or not len(ids):
            return
        count = int(np.count_nonzero(ids == self.unknown_id))
        if count > MANY_UNKNOWN * len(ids):
            logger.warning(
                "%s: %.0f %% of %s tokens are unknown to the module's vocabulary: all of them look alike to it. "
                "Is it a module of these texts' language? (hub list --all)",
                name,
                100 * count / len(ids),
                f"{len(ids):,}",
            )

    def data_generator(
        self,
        batch_size: int = 1,
        phase: str = "train",
        shuffle: bool = True,
        data: Sequence[Row] | None = None,
        return_list: bool = True,
    ) -> Callable[[], Iterator[Any]]:
        """A callable that yields 1.x's batches: what `arrays` makes; then labels ``[B, 1]``, not in ``predict``."""
        columns = self.columns(phase) if data is None else self.encode(data)
        order = np.random.permutation(len(columns)) if shuffle and phase == "train" else np.arange(len(columns))
        size = max(1, batch_size // self.max_seq_len) if self.in_tokens else batch_size
        pad = dataclasses.replace(self.pad, rounded_to=None)  # the longest row's own length, as in 1.x

        def batches() -> Iterator[Any]:
            for start in range(0, len(order), size):
                rows = order[start : start + size]
                arrays = self.arrays(columns.batch(rows, pad, self.padded_length), columns.lengths[rows])
                if columns.labels is not None:
                    labels = columns.labels[rows]
                    arrays.append(labels.astype(np.int64) if labels.ndim > 1 else labels[:, None])
                yield [arrays] if return_list else arrays

        return batches

    @property
    def padded_length(self) -> int | None:
        """The length that `data_generator` pads to; None: the longest row of the batch."""
        return self.max_seq_len

    def settings(self) -> dict[str, Any]:
        """What a saved model must know to read new rows as the training rows were read."""
        way = {} if self.long_text == "truncate" else {"long_text": self.long_text}
        return {"reader": type(self).__name__, "max_seq_len": self.max_seq_len, **way}


def chunks_of(rows: Sequence[Row]) -> Iterator[list[tuple[str, str | None]]]:
    """The rows as ``(text_a, text_b)``, `CHUNK` at a time.

    Raises:
        DataError: A row that is neither a text nor a pair, or texts and pairs mixed.
    """
    paired = None
    for start in range(0, len(rows), CHUNK):
        stop = min(start + CHUNK, len(rows))
        if isinstance(rows, Examples):
            yield rows.texts(start, stop)
            continue
        chunk = [texts_of(rows[place], place) for place in range(start, stop)]
        paired = chunk[0][1] is not None if paired is None else paired
        for place, (_, second) in enumerate(chunk, start):
            if (second is not None) != paired:
                raise DataError(
                    f"row {place} is a {'text' if second is None else 'pair'}, row 0 is not",
                    expected="texts only, or pairs only",
                )
        yield chunk


def texts_of(row: Row, place: int) -> tuple[str, str | None]:
    """A row as ``(text_a, text_b)``; `place` is for the message if it is neither a text nor a pair."""
    if isinstance(row, str):
        return _whole(row, place), None
    if isinstance(row, InputExample):
        row = (row.text_a,) if row.text_b is None else (row.text_a, row.text_b)
    if isinstance(row, list | tuple) and len(row) in (1, 2) and all(isinstance(text, str) for text in row):
        return _whole(row[0], place), _whole(row[1], place) if len(row) == 2 else None
    raise DataError(f"row {place}: {row!r:.80}", expected="a text, [text], or [text_a, text_b]")


def _whole(text: str, place: int) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise DataError(f"row {place} holds half a character: {text[:60]!a}", expected="whole characters") from None
    return text
