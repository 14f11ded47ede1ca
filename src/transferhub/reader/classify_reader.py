"""ClassifyReader: texts and pairs → token ids, for transformers."""

import functools
import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from transferhub import atomic
from transferhub.dataset import BaseDataset
from transferhub.errors import ConfigError
from transferhub.module.files import SENTENCEPIECE, WORDS
from transferhub.module.store import write_vocabulary
from transferhub.reader import long_text as long_text_ways
from transferhub.reader.columns import Chunk, Padding
from transferhub.reader.long_text import Cut
from transferhub.reader.text_reader import Row, TextReader, chunks_of, texts_of
from transferhub.reader.tokenizer import OWN_VOCABULARY, tokenizer_for
from transferhub.reader.word_cut import WordCutTokenizer

__all__ = ["ClassifyReader", "Row", "texts_of"]


class ClassifyReader(TextReader):
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
    record_names: ClassVar[Mapping[str, str]] = {"input_ids": "input_ids", "segment_ids": "segment_ids"}

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
        super().__init__(vocab_path, dataset, max_seq_length or max_seq_len, in_tokens, long_text)
        self.tokenizer = tokenizer_for(vocab_path, do_lower_case, sp_model_path, word_dict_path)
        smallest = 1 + self.tokenizer.num_special_tokens_to_add(pair=False)
        if self.max_seq_len < smallest:
            raise ConfigError(
                f"max_seq_len={self.max_seq_len}", expected=f"at least {smallest}: a token and the special ones"
            )
        self.pad = Padding(
            {"input_ids": self.tokenizer.pad_token_id or 0, "segment_ids": self.tokenizer.pad_token_type_id or 0},
            left=self.tokenizer.padding_side == "left",
            rounded_to=self.max_seq_len,
        )
        self.fingerprint = self._describe()

    @classmethod
    def reopened(cls, folder: Path, settings: Mapping[str, Any]) -> "ClassifyReader":
        """The reader of a saved model, for prediction."""
        both = (folder / SENTENCEPIECE).is_file() and (folder / WORDS).is_file()
        return cls(
            vocab_path=folder / OWN_VOCABULARY,
            max_seq_len=settings["max_seq_len"],
            sp_model_path=str(folder / SENTENCEPIECE) if both else None,
            word_dict_path=str(folder / WORDS) if both else None,
            **cls.options_of(settings),
        )

    @classmethod
    def options_of(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Further arguments of the class, from what `settings` said."""
        return {"long_text": settings.get("long_text", "truncate")}

    def save(self, folder: Path) -> None:
        """Write the tokenizer as it is used here, so that a reader on that folder reads alike."""
        self.tokenizer.save_pretrained(folder)
        if not (folder / OWN_VOCABULARY).is_file():
            write_vocabulary(folder / OWN_VOCABULARY, self.tokenizer.get_vocab())

    @functools.cached_property
    def types(self) -> dict[str, Any]:
        """The narrowest numbers that hold the columns: a million rows then map 3 bytes a token, not 8."""
        return {"input_ids": np.min_scalar_type(self.last_id), "segment_ids": np.uint8}

    @functools.cached_property
    def last_id(self) -> int:
        """The last id of the vocabulary."""
        return int(max(self.tokenizer.get_vocab().values()))

    def text_of(self, ids: Sequence[int]) -> str:
        """The text of ids, without special tokens."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def read(self, rows: Sequence[Row]) -> Iterator[Chunk]:
        """Tokenise rows in batches."""
        for chunk in chunks_of(rows):
            paired = chunk[0][1] is not None
            ids, segments, texts_of_tokens = self._tokens(chunk if paired else [text for text, _ in chunk], paired)
            yield self._within_limit(ids, segments, texts_of_tokens)

    @property
    def unknown_id(self) -> int | None:
        """The tokenizer's, where it marks nothing else too."""
        others = {getattr(self.tokenizer, f"{name}_token_id", None) for name in ("pad", "cls", "sep", "bos", "eos")}
        found: int | None = getattr(self.tokenizer, "unk_token_id", None)
        return None if found in others else found

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

    def arrays(self, batch: Mapping[str, npt.NDArray[np.int64]], lengths: npt.NDArray[np.int64]) -> list[Any]:
        """``[token_ids, position_ids, segment_ids, input_mask, seq_lens]``: int64 ``[B, L, 1]`` (the mask float32),
        seq_lens int64 ``[B, 1]``.
        """  # noqa: D205
        positions = np.broadcast_to(np.arange(self.max_seq_len), batch["input_ids"].shape).copy()
        return [
            batch["input_ids"][..., None],
            positions[..., None],
            batch["segment_ids"][..., None],
            batch["input_mask"][..., None].astype(np.float32),
            lengths[:, None],
        ]

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
