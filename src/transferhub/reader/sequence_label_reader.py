"""SequenceLabelReader: words or characters with a tag each → token ids, and the way back to the words."""

import dataclasses
import hashlib
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from transferhub.dataset import BaseDataset, InputExample, targets
from transferhub.dataset.examples import fingerprint, where
from transferhub.dataset.kinds import SPLIT
from transferhub.errors import ConfigError, DataError
from transferhub.reader import windows
from transferhub.reader.classify_reader import ClassifyReader
from transferhub.reader.columns import Chunk
from transferhub.reader.long_text import Cut
from transferhub.reader.text_reader import CHUNK, texts_of
from transferhub.reader.word_cut import WordCutTokenizer
from transferhub.text.tokenizers import Cut as Cutter
from transferhub.text.tokenizers import characters, is_character

NO_TAG = -100  # what torch's losses pass over
NO_WORD = -1
LOOKED_AT = 1000  # training rows from which `words` is told
KNOWN = 1 << 17  # words whose sub-tokens are remembered

# How a text that is not cut yet is cut into the units that get a tag.
WORDS: Mapping[str, Cutter] = {
    "characters": re.compile(r"\S").findall,
    "whitespace": str.split,
    "mixed": characters,
}


@dataclass(frozen=True)
class Sentence:
    """A row, cut into what gets a tag.

    Args:
        text: As a person is shown it.
        words: Its words or characters.
        places: Where each begins and ends in `text`.
    """

    text: str
    words: Sequence[str]
    places: Sequence[tuple[int, int]]


class SequenceLabelReader(ClassifyReader):
    r"""Reads rows of tagged words (or characters) for a transformer: ``[CLS] sub-tokens [SEP]``, and a tag a word.

    A row's text and tags are lists, or joined by ``\\x02`` (or spaces) in `InputExample.text_a` and ``label``. To
    predict, a row is a list of words, a ``\\x02``-joined string, ``[text]``, or a plain text, which is cut as `words`
    says.

    A word's tag is learnt and read at its *first sub-token*, as in BERT's experiments (Devlin et al. 2019, §5.3): so
    each word has one tag, counts once however the vocabulary cuts it, and nothing has to be voted on. (1.x gave the
    further sub-tokens I-X; `data_generator` still does.) A word that the tokenizer makes nothing of, say a lone control
    character, is read as the unknown token. A sentence with more sub-tokens than fit is read in windows that overlap
    by a quarter; each word's tag is learnt and read in the one window where it has most context. Nothing is cut.

    Args:
        arguments: As for `ClassifyReader`; ``long_text`` does not apply.
        words: What a plain text is cut into: ``characters``, ``whitespace``, or ``mixed`` (Chinese, Japanese and Korean
            by character, the rest by white space). None: told from the data set's training rows. It is saved with the
            model.
        split_char: What joins words, and tags, in a string. None: ``\\x02`` where there is one.
        named: As for `ClassifyReader`.

    Raises:
        ConfigError: ``long_text``, or `words` that is none of the three.
    """

    record_names: ClassVar[Mapping[str, str]] = {}  # a record does not say where words stand

    def __init__(self, *arguments: Any, words: str | None = None, split_char: str | None = None, **named: Any) -> None:
        super().__init__(*arguments, **named)
        if self.long_text != "truncate":
            raise ConfigError(
                f"long_text={self.long_text!r}", expected="nothing: long sentences are read in windows, none is cut"
            )
        if words is not None and words not in WORDS:
            raise ConfigError(f"words={words!r}", expected=f"one of {', '.join(WORDS)}")
        self._words, self.split_char = words, split_char
        self._known: dict[str, list[int]] = {}
        self._frame = self._frame_of(self.tokenizer)
        self.pad = dataclasses.replace(self.pad, values={**self.pad.values, "labels": NO_TAG, "words": NO_WORD})
        self.fingerprint += f" {windows.VERSION}"

    @classmethod
    def reopened(cls, folder: Path, settings: Mapping[str, Any]) -> "SequenceLabelReader":
        """The reader of a saved model, for prediction."""
        reader = super().reopened(folder, settings)
        assert isinstance(reader, cls)
        reader._words, reader.split_char = settings["words"], settings["split_char"]
        return reader

    def settings(self) -> dict[str, Any]:
        """`ClassifyReader`'s, and how texts are cut into words."""
        return {**super().settings(), "words": self.words, "split_char": self.split_char}

    @property
    def words(self) -> str:
        """What a plain text is cut into; without training rows ``mixed``."""
        if self._words is None and self.dataset is not None and len(self.dataset.train_examples):
            self._words = self._told(self.dataset)
        return self._words or "mixed"

    def _told(self, dataset: BaseDataset) -> str:
        """Characters where all words of the training rows are single ones; mixed where the Chinese ones are."""
        rows = dataset.train_examples
        some = (rows[row] for row in range(min(len(rows), LOOKED_AT)))
        seen = list(itertools.chain.from_iterable(self._given_words(row.text_a) for row in some))
        single = [len(word) == 1 for word in seen]
        chinese = [alone for word, alone in zip(seen, single, strict=True) if is_character(word[:1])]
        if chinese and np.mean(single) > 0.99:
            return "characters"
        return "mixed" if chinese and np.mean(chinese) > 0.5 else "whitespace"

    def _given_words(self, text: str | Sequence[str]) -> Sequence[str]:
        """The words of a row that is tagged: it is cut already."""
        if not isinstance(text, str):
            return text
        return text.split(self.split_char or (SPLIT if SPLIT in text else None))

    # --- rows

    def sentence(self, row: Any, place: int = 0) -> Sentence:
        """A row to predict, or of a data set, cut into what gets a tag.

        Raises:
            DataError: A pair, or something that is no text.
        """
        if isinstance(row, InputExample):
            if row.text_b is not None:
                raise _pair(row, place)
            if row.label is not None:
                return self._joined(list(self._given_words(row.text_a)))
            row = row.text_a
        if isinstance(row, tuple) and len(row) == 2:
            raise _pair(row, place)
        if isinstance(row, list | tuple) and len(row) != 1:
            if not all(isinstance(word, str) for word in row):
                raise DataError(f"row {place}: {row!r:.80}", expected="a text, or a list of words")
            texts_of("".join(row), place)
            return self._joined(list(row))
        text, _ = texts_of(row, place)
        split_char = self.split_char if self.split_char and self.split_char in text else SPLIT
        if split_char in text:
            return self._joined(text.split(split_char))
        words, places, at = WORDS[self.words](text), [], 0
        for word in words:
            at = text.index(word, at)
            places.append((at, at + len(word)))
            at += len(word)
        return Sentence(text, words, places)

    def _joined(self, words: list[str]) -> Sentence:
        """Words as one text: with a space between two, but not beside a Chinese character."""
        parts: list[str] = []
        places, at = [], 0
        for number, word in enumerate(words):
            apart = number > 0 and self.words != "characters"
            if apart and (self.words == "whitespace" or not _touching(words[number - 1], word)):
                parts.append(" ")
                at += 1
            parts.append(word)
            places.append((at, at + len(word)))
            at += len(word)
        return Sentence("".join(parts), words, places)

    def shown(self, row: Any, place: int = 0) -> dict[str, Any]:
        """``text``."""
        return {"text": self.sentence(row, place).text}

    # --- columns

    def targets(self, dataset: BaseDataset, phase: str) -> None:
        """None: tags stand in the columns."""

    def types_of(self, dataset: BaseDataset | None) -> Mapping[str, npt.DTypeLike]:
        """With ``words`` (a word's number at its first sub-token, else -1); with ``labels`` where there are tags."""
        return {**self.types, "words": np.int32, **({} if dataset is None else {"labels": np.int16})}

    def content(self, examples: Sequence[InputExample], dataset: BaseDataset | None) -> str:
        """A digest of words and tags, the tags' order, and how texts are cut."""
        tags = None if dataset is None else targets.label_names(dataset, "tags")
        said = repr((fingerprint(examples), tags, None if tags else self.words, self.split_char))
        return hashlib.sha256(said.encode()).hexdigest()

    def chunks(self, examples: Sequence[InputExample], dataset: BaseDataset | None) -> Iterator[Chunk]:
        """As `read`, with the rows' tags where there is a data set that knows them."""
        if dataset is None:
            yield from self.read(examples)
            return
        index = {name: place for place, name in enumerate(targets.label_names(dataset, "tags"))}
        yield from self._chunks(self._tagged(example, examples, row, index) for row, example in enumerate(examples))

    def _tagged(
        self, example: InputExample, examples: Sequence[InputExample], row: int, index: Mapping[str, int]
    ) -> tuple[Sequence[str], list[int]]:
        place = where(examples, row)
        if example.text_b is not None:
            raise _pair(example, place)
        if example.label is None:
            raise DataError(f"{place}: no tags", expected="a tag for each word of the row")
        words, tags = targets.tags(example, index, place, self.split_char)
        texts_of("".join(words), row)
        return words, tags

    def read(self, rows: Sequence[Any]) -> Iterator[Chunk]:
        """Tokenise rows in batches."""
        return self._chunks((self.sentence(row, place).words, None) for place, row in enumerate(rows))

    def _chunks(self, rows: Iterable[tuple[Sequence[str], list[int] | None]]) -> Iterator[Chunk]:
        rows = iter(rows)
        while some := list(itertools.islice(rows, CHUNK)):
            self._learn(word for words, _ in some for word in words)
            yield self._chunk(some)

    def _chunk(self, rows: Sequence[tuple[Sequence[str], list[int] | None]]) -> Chunk:
        prefix, suffix, kinds = self._frame
        room = self.max_seq_len - len(prefix) - len(suffix)
        columns: dict[str, list[list[int]]] = {name: [] for name in ("input_ids", "segment_ids", "words", "labels")}
        counts, of, lost, cut_rows, windowed = [], 0, 0, 0, 0
        for words, tags in rows:
            pieces = [self._known[word] for word in words]
            sizes = [len(piece) for piece in pieces]
            shown = windows.sentence_windows(sizes, room)
            owner = windows.owners(shown, len(words), sizes).tolist()
            for number, (start, stop) in enumerate(shown):
                ids, numbers, labels = list(prefix), [NO_WORD] * len(prefix), [NO_TAG] * len(prefix)
                for word in range(start, stop):
                    ids += pieces[word]
                    more = sizes[word] - 1
                    numbers += [word if owner[word] == number else NO_WORD, *[NO_WORD] * more]
                    labels += [NO_TAG if tags is None else tags[word], *[NO_TAG] * more]
                last = len(prefix) + room  # only a word that alone is longer has sub-tokens behind it
                columns["input_ids"].append(ids[:last] + suffix)
                columns["words"].append(numbers[:last] + [NO_WORD] * len(suffix))
                columns["labels"].append(labels[:last] + [NO_TAG] * len(suffix))
                inside = min(len(ids), last) - len(prefix)
                columns["segment_ids"].append(kinds[0] + [kinds[1]] * inside + kinds[2])
            beyond = sum(size - room for size in sizes if size > room)
            lost, cut_rows, of = lost + beyond, cut_rows + (beyond > 0), of + sum(sizes)
            counts.append(len(shown))
            windowed += len(shown) > 1
        if rows and rows[0][1] is None:
            del columns["labels"]
        return Chunk(columns, counts, Cut(rows=cut_rows, tokens=lost, of=of, windowed=windowed))

    # --- sub-tokens

    def _learn(self, words: Iterable[str]) -> None:
        """Remember the sub-tokens of words: each is cut once, however often it occurs.

        They are those that the tokenizer gives with ``is_split_into_words=True``, where each word is cut by itself.
        """
        if len(self._known) > KNOWN:
            self._known = {}
        new = [word for word in dict.fromkeys(words) if word not in self._known]
        if not new:
            return
        given = [f" {word}" for word in new] if self._space_before else new
        encoded = self.tokenizer(given, add_special_tokens=False, verbose=False)["input_ids"]
        unknown = [self.tokenizer.unk_token_id or 0]
        self._known.update((word, list(ids) or unknown) for word, ids in zip(new, encoded, strict=True))

    @property
    def _space_before(self) -> bool:
        """Whether a word in a text begins with its space, and the tokenizer leaves it to others to put it there."""
        if isinstance(self.tokenizer, WordCutTokenizer):
            return False
        alone, inside = (self.tokenizer.tokenize(text)[:1] for text in ("a", " a"))
        return alone != inside and any(token.startswith("Ġ") for token in inside)

    @staticmethod
    def _frame_of(tokenizer: Any) -> tuple[list[int], list[int], tuple[list[int], int, list[int]]]:
        """The special tokens before and behind a text; and the segments of those, of the text, of these."""
        encoded = tokenizer(["a"], return_special_tokens_mask=True, return_token_type_ids=True, verbose=False)
        ids, special, kinds = (encoded[name][0] for name in ("input_ids", "special_tokens_mask", "token_type_ids"))
        first, stop = special.index(0), len(special) - special[::-1].index(0)
        return list(ids[:first]), list(ids[stop:]), (list(kinds[:first]), kinds[first], list(kinds[stop:]))

    # --- 1.x's batches

    def arrays(self, batch: Mapping[str, npt.NDArray[np.int64]], lengths: npt.NDArray[np.int64]) -> list[Any]:
        """``[token_ids, position_ids, segment_ids, input_mask, label_ids, seq_lens]``, the first five ``[B, L, 1]``.

        A line is a window where a sentence has several. As 1.x: special tokens and padding have the last label's id,
        further sub-tokens the tag I-X of their word's. Without label_ids to predict.
        """
        *inputs, _ = super().arrays(batch, lengths)
        seq_lens = batch["input_mask"].sum(axis=1, keepdims=True)
        if "labels" not in batch:
            return [*inputs, seq_lens]
        assert self.dataset is not None
        return [*inputs, self._of_all_tokens(batch["labels"], batch["input_mask"])[..., None], seq_lens]

    def _of_all_tokens(self, labels: npt.NDArray[np.int64], mask: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        assert self.dataset is not None
        names = targets.label_names(self.dataset, "tags")
        index = {name: place for place, name in enumerate(names)}
        inside = (f"I-{name[2:]}" if name.startswith("B-") else name for name in names)
        goes_on = np.array([index.get(name, place) for place, name in enumerate(inside)])
        has_tag = labels != NO_TAG
        columns = np.arange(labels.shape[1])
        before = np.maximum.accumulate(np.where(has_tag, columns, -1), axis=1)  # the word's first sub-token
        further = goes_on[np.take_along_axis(labels, np.maximum(before, 0), axis=1).clip(0)]
        filled = np.where(has_tag, labels, np.where(before >= 0, further, len(names) - 1))
        behind = np.cumsum(mask[:, ::-1], axis=1)[:, ::-1] <= len(self._frame[1])  # [SEP], and padding behind it
        return np.where(behind | (mask == 0), len(names) - 1, filled)


def _touching(left: str, right: str) -> bool:
    return is_character(left[-1:]) or is_character(right[:1])


def _pair(row: object, place: object) -> DataError:
    named = place if isinstance(place, str) else f"row {place}"
    return DataError(
        f"{named}: {row!r:.80} is a pair", expected="one sentence: a text, or a list of its words with a tag each"
    )
