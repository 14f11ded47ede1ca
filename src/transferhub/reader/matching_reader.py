"""TextMatchingReader: pairs and triples of texts, each text read by itself, for networks that compare them."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from transferhub.dataset import BaseDataset, Examples, TripleExample
from transferhub.dataset.examples import where
from transferhub.errors import ConfigError, RunError
from transferhub.graph.variable import MASK
from transferhub.reader.classify_reader import ClassifyReader
from transferhub.reader.columns import Chunk, Columns
from transferhub.reader.slots import ENDINGS, WORDS, SlotColumns, slot_texts
from transferhub.reader.text_reader import CHUNK, Row, TextReader
from transferhub.reader.word_reader import LACClassifyReader
from transferhub.text import tokenizers

OF_TEXTS: dict[str, type[LACClassifyReader] | type[ClassifyReader]] = {
    "LACClassifyReader": LACClassifyReader,
    "ClassifyReader": ClassifyReader,
}


class Tokenizer(Protocol):
    """What `hub.BertTokenizer`, `hub.ErnieTinyTokenizer` and `hub.CustomTokenizer` have for a reader."""

    def reader(self, max_seq_len: int, long_text: str = "truncate") -> TextReader:
        """A reader of single texts that reads them as the tokenizer does."""


class TextMatchingReader(TextReader):
    """Reads rows of two or three texts, each by itself: ``word_ids``, ``word_ids_2``, ``word_ids_3``, and their masks.

    Texts become word ids as in `LACClassifyReader`; with a transformer's tokenizer, ``input_ids`` and ``segment_ids``
    as in `ClassifyReader`. Rows are ``[query, title]``, ``[query, left, right]``, `InputExample` or `TripleExample`.
    Each of a row's texts is padded by itself.

    Args:
        vocab_path: ``module.get_vocab_path()`` of word vectors: a word a line.
        dataset: Where the rows are. None: for prediction only.
        num_slots: Texts a row has, 2 or 3. None: as the data set's training rows, else 2.
        max_seq_len: Words or tokens each text may have.
        cut: As for `LACClassifyReader`.
        user_dict: As for `LACClassifyReader`.
        do_lower_case: As for `LACClassifyReader`.
        long_text: What becomes of longer texts: ``truncate`` or ``head_tail``.
        tokenizer: `hub.BertTokenizer`, `hub.ErnieTinyTokenizer` or `hub.CustomTokenizer`, in place of a vocabulary.
        texts: A reader of single texts, in place of both.

    Raises:
        ConfigError: Neither vocabulary nor tokenizer, another number of slots, ``long_text="window"``.
    """

    feed_names = tuple(name + end for end in ENDINGS for kind in OF_TEXTS.values() for name in kind.feed_names)

    def __init__(
        self,
        vocab_path: str | Path | None = None,
        dataset: BaseDataset | None = None,
        num_slots: int | None = None,
        max_seq_len: int = 128,
        cut: tokenizers.Cut | str | None = None,
        user_dict: str | Path | Sequence[str | Path] = (),
        do_lower_case: bool = True,
        long_text: str = "truncate",
        *,
        tokenizer: Tokenizer | None = None,
        texts: TextReader | None = None,
    ) -> None:
        if texts is None and tokenizer is not None:
            texts = tokenizer.reader(max_seq_len, long_text)
        self.texts = texts or LACClassifyReader(
            vocab_path,
            max_len=max_seq_len,
            cut=cut,
            user_dict=user_dict,
            do_lower_case=do_lower_case,
            long_text=long_text,
        )
        super().__init__(self.texts.vocab_path, dataset, self.texts.max_seq_len, False, self.texts.long_text)
        if self.long_text == "window":
            raise ConfigError(
                'long_text="window" for texts that are compared', expected="truncate or head_tail: a text is one piece"
            )
        self.num_slots = _slots_of(dataset) if num_slots is None else num_slots
        if self.num_slots not in WORDS:
            raise ConfigError(f"num_slots={num_slots!r}", expected="2 (pairs) or 3 (triples)")
        self.pad = self.texts.pad
        self.fingerprint = f"{type(self).__name__} {self.num_slots} {self.texts.fingerprint}"

    @property
    def types(self) -> Mapping[str, npt.DTypeLike]:
        """The columns of a text."""
        return self.texts.types

    @property
    def unknown_id(self) -> int | None:
        """That of the texts' reader."""
        return self.texts.unknown_id

    @property
    def given(self) -> list[str]:
        """Names of what it gives of a row."""
        names = dict.fromkeys((*self.texts.feed_names, MASK))
        return [name + end for end in ENDINGS[: self.num_slots] for name in names]

    def read(self, rows: Sequence[Row]) -> Iterator[Chunk]:
        """Read rows chunk by chunk; a chunk has a piece for each text.

        Raises:
            DataError: A row with another number of texts, by its place.
        """
        for chunk in self._chunks(rows):
            yield from self.texts.read([text for texts in chunk for text in texts])

    def arranged(self, columns: Columns) -> Columns:
        """Rows of `num_slots` texts."""
        return SlotColumns(columns, self.num_slots)

    def content(self, examples: Sequence[Any], dataset: BaseDataset | None) -> str:
        """A digest of all texts."""
        digest, encoder = hashlib.sha256(), json.JSONEncoder(ensure_ascii=False)
        for chunk in self._chunks(examples):
            digest.update("".join(map(encoder.encode, chunk)).encode())
        return digest.hexdigest()

    def shown(self, row: Any, place: int = 0) -> dict[str, Any]:
        """``text`` and ``text_pair``; of a triple ``query``, ``left`` and ``right``."""
        texts = slot_texts(row, f"row {place}")
        names = ("text", "text_pair") if len(texts) == 2 else ("query", "left", "right")
        return dict(zip(names, texts, strict=True))

    def arrays(self, batch: Mapping[str, npt.NDArray[np.int64]], lengths: npt.NDArray[np.int64]) -> list[Any]:
        """For each slot its columns and its mask: int64 ``[B, L]``, L of the slot's longest text, the mask float32."""
        found: list[Any] = []
        for end in ENDINGS[: self.num_slots]:
            found += [batch[name + end] for name in self.types]
            found.append(batch[f"input_mask{end}"].astype(np.float32))
        return found

    @property
    def padded_length(self) -> int | None:
        """None: `data_generator` pads to the longest text of a slot."""
        return None

    def settings(self) -> dict[str, Any]:
        """Those of the texts' reader, its name, and how many texts a row has."""
        own = self.texts.settings()
        return {**own, "reader": type(self).__name__, "texts": own["reader"], "num_slots": self.num_slots}

    def save(self, folder: Path) -> None:
        """Write what the texts are read with."""
        self.texts.save(folder)

    @classmethod
    def reopened(cls, folder: Path, settings: Mapping[str, Any]) -> "TextMatchingReader":
        """The reader of a saved model, for prediction."""
        kind, slots = settings.get("texts"), settings.get("num_slots")
        if kind not in OF_TEXTS or slots not in WORDS:
            raise RunError(
                f"{folder}: texts are read by {kind!r:.40}, {slots!r:.40} a row", fix="copy the folder again"
            )
        return cls(texts=OF_TEXTS[str(kind)].reopened(folder, settings), num_slots=slots)

    def _chunks(self, rows: Sequence[Any]) -> Iterator[list[tuple[str, ...]]]:
        for start in range(0, len(rows), CHUNK):
            stop = min(start + CHUNK, len(rows))
            part = rows[start:stop] if isinstance(rows, Examples) else [rows[place] for place in range(start, stop)]
            found = []
            for place, row in enumerate(part, start):
                found.append(slot_texts(row, _Place(rows, place), self.num_slots))
            yield found


class _Place:
    """A row's name, made when it is looked at."""

    def __init__(self, rows: Sequence[Any], place: int) -> None:
        self._rows, self._place = rows, place

    def __str__(self) -> str:
        return where(self._rows, self._place, "rows")


def _slots_of(dataset: BaseDataset | None) -> int:
    rows = [] if dataset is None else dataset.train_examples
    return 3 if len(rows) and isinstance(rows[0], TripleExample) else 2
