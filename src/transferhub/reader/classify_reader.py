"""ClassifyReader: texts and pairs → token ids, for transformers."""

import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from transferhub import atomic
from transferhub.dataset import BaseDataset, Examples, InputExample
from transferhub.errors import ConfigError, DataError
from transferhub.module.store import write_vocabulary
from transferhub.reader.columns import Chunk, Columns, Labels, Padding, cached
from transferhub.reader.tokenizer import OWN_VOCABULARY, tokenizer_for
from transferhub.reader.word_cut import WordCutTokenizer

CHUNK = 1000  # rows tokenised in one call

Row = str | Sequence[str] | InputExample


class ClassifyReader:
    """Reads a data set's rows for a transformer: ``[CLS] a [SEP]``, or ``[CLS] a [SEP] b [SEP]`` for pairs.

    Rows are tokenised in batches when they are first asked for, written to a disk cache as they come, by a fingerprint
    of texts, tokenizer and length, and memory-mapped from there.

    Args:
        vocab_path: ``module.get_vocab_path()``; the tokenizer beside it is used.
        dataset: Where the rows are. None: for prediction only.
        max_seq_len: Tokens a text or pair may have, special ones included; the longer text of a pair is cut first.
        max_seq_length: An older spelling of `max_seq_len`.
        do_lower_case: For a vocabulary that stands alone.
        sp_model_path: ``module.get_spm_path()``.
        word_dict_path: ``module.get_word_dict_path()``.
        label_map_config: Accepted for scripts of 1.x; the data set knows its labels.
        random_seed: Accepted for scripts of 1.x; ``RunConfig(seed=…)`` orders the batches.
        use_task_id: Accepted for scripts of 1.x.
        in_tokens: In `data_generator`, batch sizes count padded tokens.
    """

    feed_names = ("input_ids", "position_ids", "segment_ids", "input_mask")

    def __init__(
        self,
        vocab_path: str | Path | None = None,
        dataset: BaseDataset | None = None,
        label_map_config: Any = None,
        max_seq_len: int = 512,
        do_lower_case: bool = True,
        random_seed: int | None = None,
        use_task_id: bool = False,
        sp_model_path: str | None = None,
        word_dict_path: str | None = None,
        in_tokens: bool = False,
        max_seq_length: int | None = None,
    ) -> None:
        if vocab_path is None:
            raise ConfigError("a reader without vocab_path", expected="vocab_path=module.get_vocab_path()")
        self.vocab_path, self.dataset = str(vocab_path), dataset
        self.max_seq_len = max_seq_length or max_seq_len
        self.in_tokens = in_tokens
        self.tokenizer = tokenizer_for(vocab_path, do_lower_case, sp_model_path, word_dict_path)
        smallest = 1 + self.tokenizer.num_special_tokens_to_add(pair=False)
        if self.max_seq_len < smallest:
            raise ConfigError(
                f"max_seq_len={self.max_seq_len}", expected=f"at least {smallest}: a token and the special ones"
            )
        self.pad = Padding(
            {"input_ids": self.tokenizer.pad_token_id or 0, "segment_ids": self.tokenizer.pad_token_type_id or 0},
            left=self.tokenizer.padding_side == "left",
        )
        self.fingerprint = self._describe()

    @property
    def label_map(self) -> dict[str, int]:
        """Label name → id, as the data set has it."""
        return self.dataset.label_index if self.dataset else {}

    def columns(self, phase: str, dataset: BaseDataset | None = None) -> Columns:
        """The columns of a split, with labels except for ``predict``; cached on disk.

        Args:
            phase: ``train``, ``dev``, ``test`` or ``predict``.
            dataset: None: the reader's own.

        Raises:
            DataError: The split has no rows, or a row's label is not known.
        """
        dataset = dataset if dataset is not None else self.dataset
        if dataset is None:
            raise ConfigError("a reader without a data set has no splits", fix="ClassifyReader(dataset=…, …)")
        examples = dataset.get_examples(phase)
        if not len(examples):
            raise DataError(
                f"the data set has no {phase} rows", fix=f"give it a {phase} file, or assign {phase}_examples"
            )
        labels = None if phase == "predict" else dataset.label_ids(phase)
        digest, encoder = hashlib.sha256(self.fingerprint.encode()), json.JSONEncoder(ensure_ascii=False)
        for chunk in _chunks(examples):
            digest.update("".join(map(encoder.encode, chunk)).encode("utf-8", "surrogatepass"))
        return cached(digest.hexdigest(), labels, self._types, lambda: self._tokenise(examples))

    def encode(self, rows: Sequence[Row], labels: Labels | None = None) -> Columns:
        """Tokenise rows: texts, ``[text]``, ``[text_a, text_b]``, pairs as tuples, `InputExample`. Nothing is kept."""
        return Columns.from_chunks(self._tokenise(rows), self._types, labels)

    def save_tokenizer(self, folder: Path) -> None:
        """Write the tokenizer as it is used here, so that a reader on that folder reads alike."""
        self.tokenizer.save_pretrained(folder)
        if not (folder / OWN_VOCABULARY).is_file():
            write_vocabulary(folder / OWN_VOCABULARY, self.tokenizer.get_vocab())

    @functools.cached_property
    def _types(self) -> dict[str, Any]:
        """The narrowest numbers that hold the columns: a million rows then map 3 bytes a token, not 8."""
        return {"input_ids": np.min_scalar_type(max(self.tokenizer.get_vocab().values())), "segment_ids": np.uint8}

    def _tokenise(self, rows: Sequence[Row]) -> Iterator[Chunk]:
        for chunk in _chunks(rows):
            paired = chunk[0][1] is not None
            yield self._tokens(chunk if paired else [text for text, _ in chunk], paired)

    def _tokens(self, chunk: list[Any], paired: bool) -> Chunk:
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        if backend is not None:  # what the call below does, without the offsets and copies that nobody looks at
            backend.no_padding()
            backend.enable_truncation(self.max_seq_len, direction=self.tokenizer.truncation_side)
            encodings = backend.encode_batch_fast(chunk)
            return {"input_ids": [row.ids for row in encodings], "segment_ids": [row.type_ids for row in encodings]}
        encoded = self.tokenizer(
            [row[0] for row in chunk] if paired else chunk,
            [row[1] for row in chunk] if paired else None,
            truncation="longest_first",
            max_length=self.max_seq_len,
            return_token_type_ids=True,
            return_attention_mask=False,
        )
        return {"input_ids": encoded["input_ids"], "segment_ids": encoded["token_type_ids"]}

    def data_generator(
        self,
        batch_size: int = 1,
        phase: str = "train",
        shuffle: bool = True,
        data: Sequence[Row] | None = None,
        return_list: bool = True,
    ) -> Callable[[], Iterator[Any]]:
        """A callable that yields 1.x's batches, padded to `max_seq_len`.

        Yields:
            ``[token_ids, position_ids, segment_ids, input_mask, seq_lens, labels]``: int64 ``[B, L, 1]`` (the mask
            float32), seq_lens and labels int64 ``[B, 1]``; no labels in ``predict``.
        """
        columns = self.columns(phase) if data is None else self.encode(data)
        order = np.random.permutation(len(columns)) if shuffle and phase == "train" else np.arange(len(columns))
        size = max(1, batch_size // self.max_seq_len) if self.in_tokens else batch_size

        def batches() -> Iterator[Any]:
            for start in range(0, len(order), size):
                rows = order[start : start + size]
                batch = columns.batch(rows, self.pad, self.max_seq_len)
                positions = np.broadcast_to(np.arange(self.max_seq_len), batch["input_ids"].shape).copy()
                arrays = [
                    batch["input_ids"][..., None],
                    positions[..., None],
                    batch["segment_ids"][..., None],
                    batch["input_mask"][..., None].astype(np.float32),
                    columns.lengths[rows][:, None],
                ]
                if columns.labels is not None:
                    arrays.append(columns.labels[rows][:, None])
                yield [arrays] if return_list else arrays

        return batches

    def settings(self) -> dict[str, Any]:
        """What a saved model must know to read new rows as the training rows were read."""
        return {"reader": type(self).__name__, "max_seq_len": self.max_seq_len}

    def _describe(self) -> str:
        if isinstance(self.tokenizer, WordCutTokenizer):
            content = self.tokenizer.describe()
        elif (backend := getattr(self.tokenizer, "backend_tokenizer", None)) is not None:
            content = backend.to_str()
        else:
            content = atomic.sha256(Path(self.vocab_path))
        import tokenizers

        digest = hashlib.sha256(content.encode()).hexdigest()
        return f"{type(self).__name__} {self.max_seq_len} {tokenizers.__version__} {digest}"


def _chunks(rows: Sequence[Row]) -> Iterator[list[tuple[str, str | None]]]:
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
        return row, None
    if isinstance(row, InputExample):
        row = (row.text_a,) if row.text_b is None else (row.text_a, row.text_b)
    if isinstance(row, list | tuple) and len(row) in (1, 2) and all(isinstance(text, str) for text in row):
        return row[0], row[1] if len(row) == 2 else None
    raise DataError(f"row {place}: {row!r:.80}", expected="a text, [text], or [text_a, text_b]")
