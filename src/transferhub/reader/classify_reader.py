"""ClassifyReader: texts and pairs → token ids, for transformers."""

import functools
import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from transferhub import atomic
from transferhub.dataset import BaseDataset, Examples, InputExample
from transferhub.errors import ConfigError, DataError
from transferhub.log import logger
from transferhub.module.store import write_vocabulary
from transferhub.reader import long_text as long_text_ways
from transferhub.reader.columns import Chunk, Columns, Labels, Padding, cached
from transferhub.reader.long_text import Cut
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
        long_text: What becomes of texts with more tokens: ``truncate`` (the end is cut off), ``head_tail`` (the middle
            is left out) or ``window`` (read piece by piece; a task takes the mean of the pieces' outputs).
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
        long_text: str = "truncate",
    ) -> None:
        if vocab_path is None:
            raise ConfigError("a reader without vocab_path", expected="vocab_path=module.get_vocab_path()")
        self.vocab_path, self.dataset = str(vocab_path), dataset
        self.max_seq_len = max_seq_length or max_seq_len
        self.in_tokens, self.long_text = in_tokens, long_text_ways.known(long_text)
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
        columns = cached(digest.hexdigest(), labels, self._types, lambda: self._tokenise(examples))
        self.say_cut(phase, columns)
        return columns

    def encode(self, rows: Sequence[Row], labels: Labels | None = None) -> Columns:
        """Tokenise rows: texts, ``[text]``, ``[text_a, text_b]``, pairs as tuples, `InputExample`. Nothing is kept."""
        columns = Columns.from_chunks(self._tokenise(rows), self._types, labels)
        self.say_cut("rows", columns)
        return columns

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
            ids, segments, texts_of_tokens = self._tokens(chunk if paired else [text for text, _ in chunk], paired)
            yield self._within_limit(ids, segments, texts_of_tokens)

    def _tokens(self, chunk: list[Any], paired: bool) -> tuple[list[Any], list[Any], Callable[[int], list[int | None]]]:
        """Ids and segments of whole rows, however long; and for a row the text that each of its tokens is of."""
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        if backend is not None and not isinstance(self.tokenizer, WordCutTokenizer):
            # What the call below does, without the offsets and copies that nobody looks at.
            backend.no_padding()
            backend.no_truncation()
            encodings = backend.encode_batch_fast(chunk)
            ids, segments = [row.ids for row in encodings], [row.type_ids for row in encodings]
            return ids, segments, lambda place: list(encodings[place].sequence_ids)
        encoded = self.tokenizer(
            [row[0] for row in chunk] if paired else chunk,
            [row[1] for row in chunk] if paired else None,
            return_token_type_ids=True,
            return_attention_mask=False,
            return_special_tokens_mask=True,
            verbose=False,
        )
        special = encoded["special_tokens_mask"]
        return encoded["input_ids"], encoded["token_type_ids"], lambda place: _texts_between(special[place])

    def _within_limit(
        self, ids: list[Any], segments: list[Any], texts_of_tokens: Callable[[int], list[int | None]]
    ) -> Chunk:
        cut = Cut(of=sum(map(len, ids)))
        long = [place for place, row in enumerate(ids) if len(row) > self.max_seq_len]
        counts = [1] * len(ids)
        from_left = self.tokenizer.truncation_side == "left"
        for place in long:
            room = self.max_seq_len - sum(text is None for text in texts_of_tokens(place))
            if room < 1:
                raise ConfigError(
                    f"max_seq_len={self.max_seq_len} leaves no room beside the special tokens of a pair",
                    expected=f"at least {self.max_seq_len - room + 2}",
                )
            texts, row, kinds = texts_of_tokens(place), ids[place], segments[place]
            chosen = long_text_ways.pieces(texts, self.max_seq_len, self.long_text, from_left)
            lost = len(row) - len(set().union(*chosen))
            cut += Cut(rows=int(lost > 0), tokens=lost, windowed=int(len(chosen) > 1))
            counts[place] = len(chosen)
            ids[place] = [[row[token] for token in piece] for piece in chosen]
            segments[place] = [[kinds[token] for token in piece] for piece in chosen]
        if long:
            whole = set(range(len(ids))) - set(long)
            ids, segments = (
                list(
                    itertools.chain.from_iterable([row] if place in whole else row for place, row in enumerate(column))
                )
                for column in (ids, segments)
            )
        return Chunk({"input_ids": ids, "segment_ids": segments}, counts if self.long_text == "window" else None, cut)

    def say_cut(self, name: str, columns: Columns) -> None:
        """Say how much of a split's texts is not read, or read in windows; silence: nothing."""
        cut = columns.cut
        if cut.windowed:
            logger.info(
                "%s: %d of %d rows are longer than %d tokens and read in windows",
                name,
                cut.windowed,
                len(columns),
                self.max_seq_len,
            )
        if cut.tokens:
            logger.info(
                "%s: %d of %d rows are longer than %d tokens: %s of %s tokens (%.1f %%) are not read (long_text=%r)",
                name,
                cut.rows,
                len(columns),
                self.max_seq_len,
                f"{cut.tokens:,}",
                f"{cut.of:,}",
                100 * cut.tokens / cut.of,
                self.long_text,
            )

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
        way = {} if self.long_text == "truncate" else {"long_text": self.long_text}
        return {"reader": type(self).__name__, "max_seq_len": self.max_seq_len, **way}

    def _describe(self) -> str:
        if isinstance(self.tokenizer, WordCutTokenizer):
            content = self.tokenizer.describe()
        elif (backend := getattr(self.tokenizer, "backend_tokenizer", None)) is not None:
            content = backend.to_str()
        else:
            content = atomic.sha256(Path(self.vocab_path))
        import tokenizers

        digest = hashlib.sha256(content.encode()).hexdigest()
        way = f"{self.long_text} {self.tokenizer.truncation_side} {long_text_ways.VERSION}"
        return f"{type(self).__name__} {self.max_seq_len} {way} {tokenizers.__version__} {digest}"


def _texts_between(special: Sequence[int]) -> list[int | None]:
    """The text that each token is of, where only the special tokens are known: those between texts part them."""
    texts: list[int | None] = []
    number, seen = 0, False
    for is_special in special:
        if is_special and seen:
            number, seen = number + 1, False
        seen = seen or not is_special
        texts.append(None if is_special else min(number, 1))
    return texts


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
