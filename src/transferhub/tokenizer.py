"""``hub.tokenizer``: PaddleHub 1.8's tokenizers, text → a record of ids, padded.

    tokenizer = hub.BertTokenizer(module.get_vocab_path())
    tokenizer.encode("great room", "rude staff", max_seq_len=16)["input_ids"]

Readers cut texts the same way, row by row and cached, without records: tasks for matching take a tokenizer in the place
of a reader.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transferhub.errors import ConfigError, DataError
from transferhub.log import logger
from transferhub.reader import ClassifyReader, LACClassifyReader, TextReader
from transferhub.reader import long_text as long_text_ways
from transferhub.reader.tokenizer import tokenizer_for
from transferhub.text import tokenizers

__all__ = ["BertTokenizer", "CustomTokenizer", "ErnieTinyTokenizer"]

STRATEGIES = ("longest_first", "only_first", "only_second", "do_not_truncate")
Given = str | Sequence[str] | Sequence[int]
Record = dict[str, Any]


class _Encoder:
    """What all tokenizers share: tokens ↔ ids.

    Args:
        vocab_file: Where the vocabulary is.
        vocab: Token → id.
    """

    def __init__(self, vocab_file: str | Path, vocab: Mapping[str, int]) -> None:
        self.vocab_file, self.vocab = str(vocab_file), dict(vocab)
        self.ids_to_tokens = {number: token for token, number in self.vocab.items()}

    @property
    def vocab_size(self) -> int:
        """How many tokens there are."""
        return len(self.vocab)

    def get_vocab(self) -> dict[str, int]:
        """Token → id, a copy."""
        return dict(self.vocab)

    def tokenize(self, text: str) -> list[str]:
        """The tokens of a text."""
        raise NotImplementedError

    def convert_tokens_to_ids(self, tokens: str | Sequence[str]) -> Any:
        """The id of a token, or those of several."""
        raise NotImplementedError

    def _ids(self, text: Given) -> list[int]:
        given: Any = text
        if isinstance(given, str):
            given = self.tokenize(given)
        if isinstance(given, list | tuple) and all(isinstance(token, str) for token in given):
            return list(self.convert_tokens_to_ids(given))
        if isinstance(given, list | tuple) and all(isinstance(number, int) for number in given):
            return list(given)
        raise DataError(f"{text!r:.80} cannot be encoded", expected="a text, a list of tokens, or a list of ids")


class BertTokenizer(_Encoder):
    """Tokens of a transformer's vocabulary; the tokenizer beside a module's ``vocab.txt`` is used where there is one.

    Args:
        vocab_file: ``module.get_vocab_path()``, or a file with a token a line.
        do_lower_case: For a vocabulary that stands alone; a tokenizer of a module knows by itself.
        model_max_length: Tokens that are read, and padded to, where ``encode`` is not told.
        tokenize_chinese_chars: True: each Chinese character is a word, as in all models of the catalogue.

    Raises:
        ConfigError: No such vocabulary, one without ``[CLS] [SEP] [PAD] [UNK]`` or their like, or
            ``tokenize_chinese_chars=False``.
    """

    def __init__(
        self,
        vocab_file: str | Path,
        do_lower_case: bool = True,
        model_max_length: int = 512,
        tokenize_chinese_chars: bool = True,
    ) -> None:
        if not tokenize_chinese_chars:
            raise ConfigError(
                "tokenize_chinese_chars=False", expected="True", fix="a module with a tokenizer.json that says so"
            )
        self._open(vocab_file, model_max_length, do_lower_case)

    def _open(
        self,
        vocab_file: str | Path,
        model_max_length: int,
        do_lower_case: bool = True,
        spm_path: str | Path | None = None,
        word_dict_path: str | Path | None = None,
    ) -> None:
        self.do_lower_case, self.model_max_length = do_lower_case, model_max_length
        self.spm_path, self.word_dict_path = spm_path, word_dict_path
        self._backend = tokenizer_for(vocab_file, do_lower_case, spm_path, word_dict_path)
        super().__init__(vocab_file, self._backend.get_vocab())
        names = ("cls_token", "sep_token", "pad_token", "unk_token")
        missing = [name for name in names if getattr(self._backend, name) not in self.vocab]
        if missing:
            raise ConfigError(f"{vocab_file} has no {', '.join(missing)}", expected="a transformer's vocabulary")
        self.cls_token, self.sep_token, self.pad_token, self.unk_token = (
            str(getattr(self._backend, name)) for name in names
        )
        self.cls_token_id, self.sep_token_id, self.pad_token_id, self.unk_token_id = (
            self.vocab[token] for token in (self.cls_token, self.sep_token, self.pad_token, self.unk_token)
        )

    def reader(self, max_seq_len: int, long_text: str = "truncate") -> TextReader:
        """A reader of texts that reads them as this tokenizer does, without a data set."""
        return ClassifyReader(
            self.vocab_file,
            max_seq_len=max_seq_len,
            do_lower_case=self.do_lower_case,
            sp_model_path=None if self.spm_path is None else str(self.spm_path),
            word_dict_path=None if self.word_dict_path is None else str(self.word_dict_path),
            long_text=long_text,
        )

    def tokenize(self, text: str) -> list[str]:
        """The sub-tokens of a text, without special ones."""
        return list(self._backend.tokenize(text))

    def convert_tokens_to_ids(self, tokens: str | Sequence[str]) -> Any:
        """The id of a token, or those of several; that of "unknown" for one that is not in the vocabulary."""
        if isinstance(tokens, str):
            return self.vocab.get(tokens, self.unk_token_id)
        return [self.vocab.get(token, self.unk_token_id) for token in tokens]

    def convert_ids_to_tokens(self, ids: int | Sequence[int], skip_special_tokens: bool = False) -> Any:
        """The token of an id, or those of several."""
        if isinstance(ids, int):
            return self.ids_to_tokens.get(ids, self.unk_token)
        special = {self.cls_token_id, self.sep_token_id, self.pad_token_id} if skip_special_tokens else set()
        return [self.ids_to_tokens.get(int(number), self.unk_token) for number in ids if int(number) not in special]

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        """The tokens as a text."""
        return str(self._backend.convert_tokens_to_string(list(tokens)))

    def encode(
        self,
        text: Given,
        text_pair: Given | None = None,
        max_seq_len: int | None = None,
        pad_to_max_seq_len: bool = True,
        truncation_strategy: str = "longest_first",
        return_position_ids: bool = True,
        return_segment_ids: bool = True,
        return_input_mask: bool = True,
        return_length: bool = True,
        return_overflowing_tokens: bool = False,
        return_special_tokens_mask: bool = False,
    ) -> Record:
        """``[CLS] a [SEP]``, or ``[CLS] a [SEP] b [SEP]``, as ids.

        Args:
            text: A text, its tokens, or their ids.
            text_pair: Likewise, the second.
            max_seq_len: Tokens that are read, special ones included. None: `model_max_length`.
            pad_to_max_seq_len: Fill up to that with the padding's id.
            truncation_strategy: Which text gives way: ``longest_first``, ``only_first``, ``only_second``,
                ``do_not_truncate`` (a longer one is an error).
            return_position_ids: Whether the record has them; those of padding are the padding's id.
            return_segment_ids: Whether it has them: 0 for the first text, 1 for the second.
            return_input_mask: Whether it has it: 1 for tokens, 0 for padding.
            return_length: Whether it has ``seq_len``, the tokens without padding.
            return_overflowing_tokens: Whether it has the ids that were cut off, and ``num_truncated_tokens``.
            return_special_tokens_mask: Whether it has it: 1 for special tokens and padding.

        Returns:
            ``input_ids segment_ids input_mask position_ids seq_len``.

        Raises:
            ConfigError: No such strategy, or no room beside the special tokens.
            DataError: What cannot be encoded, or is too long and may not be cut.
        """
        first, second = self._ids(text), None if text_pair is None else self._ids(text_pair)
        special, limit = 2 if second is None else 3, max_seq_len or self.model_max_length
        first, second, lost = _cut(first, second, limit - special, truncation_strategy)
        ids, segments = [self.cls_token_id, *first, self.sep_token_id], [0] * (len(first) + 2)
        marks = [1, *[0] * len(first), 1]
        if second is not None:
            ids, segments = [*ids, *second, self.sep_token_id], segments + [1] * (len(second) + 1)
            marks += [*[0] * len(second), 1]
        length, fill = len(ids), limit - len(ids) if pad_to_max_seq_len else 0
        record: Record = {"input_ids": ids + [self.pad_token_id] * fill}
        if return_segment_ids:
            record["segment_ids"] = segments + [0] * fill
        if return_input_mask:
            record["input_mask"] = [1] * length + [0] * fill
        if return_position_ids:
            record["position_ids"] = [*range(length), *[self.pad_token_id] * fill]
        if return_length:
            record["seq_len"] = length
        if return_special_tokens_mask:
            record["special_tokens_mask"] = marks + [1] * fill
        if return_overflowing_tokens and lost:
            record.update(overflowing_tokens=lost, num_truncated_tokens=len(lost))
        return record

    def decode(
        self,
        token_ids: Record | Sequence[int],
        only_convert_to_tokens: bool = True,
        skip_pad_token: bool = False,
        skip_special_tokens: bool = False,
    ) -> list[str] | str:
        """The tokens of ids or of a record; with ``only_convert_to_tokens=False`` as a text."""
        ids = token_ids["input_ids"] if isinstance(token_ids, Mapping) else token_ids
        kept = [number for number in ids if not (skip_pad_token and number == self.pad_token_id)]
        tokens: list[str] = self.convert_ids_to_tokens(kept, skip_special_tokens)
        return tokens if only_convert_to_tokens else self.convert_tokens_to_string(tokens)


class ErnieTinyTokenizer(BertTokenizer):
    """Ernie_tiny's: a dictionary's longest words, lower-cased, then sentencepiece, then the vocabulary's ids.

    Args:
        vocab_file: ``module.get_vocab_path()``.
        spm_path: ``module.get_spm_path()``.
        word_dict_path: ``module.get_word_dict_path()``.
        model_max_length: Tokens that are read, and padded to, where ``encode`` is not told.

    Raises:
        ConfigError: A file that is not there or not what it should be.
    """

    def __init__(
        self,
        vocab_file: str | Path,
        spm_path: str | Path,
        word_dict_path: str | Path,
        model_max_length: int = 512,
    ) -> None:
        self._open(vocab_file, model_max_length, True, spm_path, word_dict_path)


class CustomTokenizer(_Encoder):
    """Words of a vocabulary of word vectors.

    Args:
        vocab_file: ``module.get_vocab_path()``: a word a line.
        do_lower_case: Look for a word that is not there in lower case.
        pad_token: What fills up; where the vocabulary has no such word, its last one.
        tokenize_chinese_chars: Whether Chinese is cut, by `cut_function`; False: words are what stands between spaces
            and punctuation.
        cut_function: A function text → words, or a name as for `LACClassifyReader`. None: jieba where it is installed
            (1.8: LAC), else ``characters``.

    Raises:
        ConfigError: No vocabulary, or a cut that does not exist.
    """

    def __init__(
        self,
        vocab_file: str | Path,
        do_lower_case: bool = True,
        pad_token: str = "[PAD]",
        tokenize_chinese_chars: bool = True,
        cut_function: tokenizers.Cut | str | None = None,
    ) -> None:
        self.do_lower_case, self.tokenize_chinese_chars = do_lower_case, tokenize_chinese_chars
        self._cut = cut_function if tokenize_chinese_chars else "words_and_signs"
        words = LACClassifyReader(vocab_file, cut=self._cut, do_lower_case=do_lower_case)
        super().__init__(vocab_file, words.vocabulary)
        self.cut_function = words.cut
        last = words.pad.values["word_ids"]
        self.pad_token_id = self.vocab.get(pad_token, last)
        self.pad_token = self.ids_to_tokens[self.pad_token_id]

    def reader(self, max_seq_len: int, long_text: str = "truncate") -> TextReader:
        """A reader of texts that reads them as this tokenizer does, without a data set."""
        return LACClassifyReader(
            self.vocab_file, max_len=max_seq_len, cut=self._cut, do_lower_case=self.do_lower_case, long_text=long_text
        )

    def tokenize(self, text: str) -> list[str]:
        """The words of a text, whether or not the vocabulary has them."""
        return self.cut_function(text)

    def convert_tokens_to_ids(self, tokens: str | Sequence[str]) -> Any:
        """The id of a word, None where it has none; or those of several, without the words that have none."""
        if isinstance(tokens, str):
            number = self.vocab.get(tokens)
            return self.vocab.get(tokens.lower()) if number is None and self.do_lower_case else number
        found = (self.convert_tokens_to_ids(token) for token in tokens)
        return [number for number in found if number is not None]

    def convert_ids_to_tokens(self, ids: int | Sequence[int], skip_pad_token: bool = False) -> Any:
        """The word of an id, None where there is none; or those of several."""
        if isinstance(ids, int):
            return self.ids_to_tokens.get(ids)
        kept = (int(number) for number in ids if not (skip_pad_token and int(number) == self.pad_token_id))
        return [self.ids_to_tokens.get(number) for number in kept]

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        """The words as a text: without spaces where Chinese is cut."""
        return ("" if self.tokenize_chinese_chars else " ").join(tokens).strip()

    def encode(
        self,
        text: Given,
        text_pair: Given | None = None,
        max_seq_len: int | None = None,
        pad_to_max_seq_len: bool = True,
        truncation_strategy: str = "longest_first",
        return_length: bool = True,
        return_overflowing_tokens: bool = False,
    ) -> Record:
        """The ids of a text's words; `text_pair` is accepted for scripts of 1.8 and not read.

        Returns:
            ``text`` and ``seq_len``; empty, and said, where the vocabulary has none of the words.

        Raises:
            ConfigError: No such strategy.
            DataError: What cannot be encoded, or is too long and may not be cut.
        """
        ids = self._ids(text)
        if not ids:
            logger.warning("No word of %.60r is in the vocabulary: its record is empty", text)
            return {}
        lost: list[int] = []
        if max_seq_len is not None:
            ids, _, lost = _cut(ids, None, max_seq_len, truncation_strategy)
        fill = (max_seq_len or 0) - len(ids) if pad_to_max_seq_len else 0
        record: Record = {"text": ids + [self.pad_token_id] * fill}
        if return_length:
            record["seq_len"] = len(ids)
        if return_overflowing_tokens and lost:
            record.update(overflowing_tokens=lost, num_truncated_tokens=len(lost))
        return record

    def decode(
        self, token_ids: Record | Sequence[int], only_convert_to_tokens: bool = True, skip_pad_token: bool = False
    ) -> list[str] | str:
        """The words of ids or of a record; with ``only_convert_to_tokens=False`` as a text."""
        ids = token_ids["text"] if isinstance(token_ids, Mapping) else token_ids
        words: list[str] = self.convert_ids_to_tokens(list(ids), skip_pad_token)
        return words if only_convert_to_tokens else self.convert_tokens_to_string(words)


def _cut(
    first: list[int], second: list[int] | None, room: int, strategy: str
) -> tuple[list[int], list[int] | None, list[int]]:
    """Both texts as far as there is room, and what was cut off."""
    if strategy not in STRATEGIES:
        raise ConfigError(f"truncation_strategy={strategy!r}", expected=f"one of {', '.join(STRATEGIES)}")
    if room < 1:
        raise ConfigError("max_seq_len leaves no room beside the special tokens", expected="a larger one")
    both = [first, second or []]
    over = len(both[0]) + len(both[1]) - room
    if over <= 0:
        return first, second, []
    giving = {"only_first": 0, "only_second": 1}.get(strategy)
    if strategy == "do_not_truncate" or (giving is not None and len(both[giving]) <= over):
        raise DataError(
            f"{over} tokens too many for truncation_strategy={strategy!r}", fix="a larger max_seq_len, or longest_first"
        )
    if giving is None:
        kept = long_text_ways.pieces([0] * len(both[0]) + [1] * len(both[1]), room, "truncate")[0]
        ends = [sum(place < len(first) for place in kept), sum(place >= len(first) for place in kept)]
    else:
        ends = [len(ids) - over * (place == giving) for place, ids in enumerate(both)]
    lost = [number for ids, end in zip(both, ends, strict=True) for number in ids[end:]]
    return both[0][: ends[0]], None if second is None else both[1][: ends[1]], lost
