"""LACClassifyReader: texts → words → ids of a module's vocabulary, for word vectors, ELMo and networks over them."""

import functools
import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from transferhub import atomic
from transferhub.dataset import BaseDataset
from transferhub.errors import ConfigError, DataError
from transferhub.log import logger
from transferhub.reader import long_text as long_text_ways
from transferhub.reader.columns import Chunk, Padding
from transferhub.reader.long_text import Cut
from transferhub.reader.text_reader import Row, TextReader, chunks_of
from transferhub.reader.tokenizer import OWN_VOCABULARY, read_vocabulary
from transferhub.text import tokenizers

UNKNOWN = ("<unk>", "[UNK]", "unk", "UNK", "</s>")  # names under which vocabularies keep a word for all others
USER_WORDS = "user_words.txt"


class LACClassifyReader(TextReader):
    """Reads a data set's texts as word ids: ``word_ids``, of any length, and the mask of what is no padding.

    Words that the vocabulary does not have are left out, as in 1.x, unless `keep_unknown` asks for them. A text of
    which nothing is left stays, as the one word "unknown" (or the padding, where the vocabulary has no such word), so
    that no result moves to another row; both are counted and said. Rows that are given in are never changed.

    Args:
        vocab_path: ``module.get_vocab_path()``: a word a line. The last word is the padding.
        dataset: Where the rows are. None: for prediction only.
        in_tokens: In `data_generator`, batch sizes count padded words.
        max_len: Words a text may have, of those that the vocabulary has.
        cut: A function text → words, or a name (``jieba characters whitespace basic_english``). None: jieba where it is
            installed, else ``characters``; which, is said.
        user_dict: A file of words, or several, that jieba is to know.
        do_lower_case: Look for a word that is not there in lower case.
        long_text: What becomes of longer texts: ``truncate``, ``head_tail`` or ``window``.
        max_seq_len: Another name of `max_len`.
        keep_unknown: Read a word that the vocabulary does not have as its "unknown" (``<unk>``, ``[UNK]`` …).
        label_map_config: Accepted for scripts of 1.x.
        random_seed: Accepted for scripts of 1.x.
        use_task_id: Accepted for scripts of 1.x.

    Raises:
        ConfigError: No vocabulary, or an empty one; a cut that does not exist; `keep_unknown` without such a word.
    """

    feed_names = ("word_ids",)
    record_names: ClassVar[Mapping[str, str]] = {"text": "word_ids"}

    def __init__(
        self,
        vocab_path: str | Path | BaseDataset | None = None,
        dataset: BaseDataset | str | Path | None = None,
        in_tokens: bool = False,
        max_len: int = 500,
        cut: tokenizers.Cut | str | None = None,
        user_dict: str | Path | Sequence[str | Path] = (),
        do_lower_case: bool = True,
        long_text: str = "truncate",
        max_seq_len: int | None = None,
        label_map_config: Any = None,
        random_seed: int | None = None,
        use_task_id: bool = False,
        *,
        keep_unknown: bool = False,
    ) -> None:
        if isinstance(vocab_path, BaseDataset):  # 1.2's order
            vocab_path, dataset = dataset, vocab_path
        if vocab_path is None or isinstance(vocab_path, BaseDataset):
            raise ConfigError("a reader without vocab_path", expected="vocab_path=module.get_vocab_path()")
        if isinstance(dataset, str | Path):
            raise ConfigError(f"dataset={dataset!r}", expected="a data set: hub.dataset.load(…)")
        length = max_len if max_seq_len is None else max_seq_len
        if length < 1:
            raise ConfigError(f"max_len={length}", expected="at least 1")
        super().__init__(vocab_path, dataset, length, in_tokens, long_text)
        self.vocabulary = read_vocabulary(Path(vocab_path))
        if not self.vocabulary:
            raise ConfigError(f"the vocabulary {vocab_path} is empty", expected="a word a line")
        last = max(self.vocabulary.values())
        self.unknown = next((self.vocabulary[name] for name in UNKNOWN if name in self.vocabulary), last)
        self.keep_unknown = keep_unknown
        if keep_unknown and self.unknown == last:
            raise ConfigError(
                f"keep_unknown=True, but {vocab_path} has no word for the unknown ones",
                expected=f"one of {', '.join(UNKNOWN)} in it, before the last word, which is the padding",
            )
        self.pad = Padding({"word_ids": last}, rounded_to=length)
        self.do_lower_case = do_lower_case
        dictionaries = [user_dict] if isinstance(user_dict, str | Path) else list(user_dict)
        self.cut, self.cut_name = _chosen(cut, dictionaries)
        about = [str(length), long_text, str(do_lower_case), tokenizers.describe(self.cut)]
        about += ["keep_unknown"] if keep_unknown else []
        digest = hashlib.sha256(atomic.sha256(Path(vocab_path)).encode()).hexdigest()
        self.fingerprint = " ".join([type(self).__name__, *about, digest])

    @functools.cached_property
    def types(self) -> dict[str, Any]:
        """The narrowest numbers that hold a word's id."""
        return {"word_ids": np.min_scalar_type(self.pad.values["word_ids"])}

    @property
    def last_id(self) -> int:
        """The last id of the vocabulary, which is the padding's."""
        return int(self.pad.values["word_ids"])

    def text_of(self, ids: Sequence[int]) -> str:
        """The words of ids."""
        words = {number: word for word, number in self.vocabulary.items()}
        return " ".join(words.get(number, "") for number in ids)

    def read(self, rows: Sequence[Row]) -> Iterator[Chunk]:
        """Cut rows into words and look these up.

        Raises:
            DataError: A row is a pair, or `cut` gives something else than words.
        """
        done = 0
        for chunk in chunks_of(rows):
            ids: list[list[int]] = []
            counts: list[int] = []
            cut = Cut()
            for place, (text, second) in enumerate(chunk, done):
                if second is not None:
                    raise DataError(
                        f"row {place} is a pair of texts",
                        expected=f"one text a row: {type(self).__name__} reads no pairs",
                    )
                pieces, lost = self._pieces(text, place)
                ids += pieces
                counts.append(len(pieces))
                cut += lost
            done += len(chunk)
            yield Chunk({"word_ids": ids}, counts if self.long_text == "window" else None, cut)

    def _pieces(self, text: str, place: int) -> tuple[list[list[int]], Cut]:
        """The ids of a text, in one piece or in windows, and what was not read."""
        words: Any = self.cut(text)
        if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
            raise DataError(
                f"row {place}: the cut {self.cut_name} gave {words!r:.60}", expected="a list of words, each a str"
            )
        numbers = [self.vocabulary.get(word) for word in words]
        if self.do_lower_case:
            numbers = [
                self.vocabulary.get(word.lower()) if number is None else number
                for word, number in zip(words, numbers, strict=True)
            ]
        if self.keep_unknown:
            numbers = [self.unknown if number is None else number for number in numbers]
        ids = [number for number in numbers if number is not None]
        if not ids:
            return [[self.unknown]], Cut(unknown=len(words), bare=1)
        whole = [0] * len(ids)
        chosen = long_text_ways.pieces(whole, self.max_seq_len, self.long_text)
        lost = len(ids) - len(set().union(*chosen))
        cut = Cut(int(lost > 0), lost, len(ids), int(len(chosen) > 1), len(words) - len(ids))
        return [[ids[each] for each in piece] for piece in chosen], cut

    def arrays(self, batch: Mapping[str, npt.NDArray[np.int64]], lengths: npt.NDArray[np.int64]) -> list[Any]:
        """``[word_ids, seq_lens]``: int64 ``[B, L, 1]``, L of the longest row, and ``[B, 1]``."""
        return [batch["word_ids"][..., None], lengths[:, None]]

    @property
    def padded_length(self) -> int | None:
        """None: `data_generator` pads to the longest row of the batch."""
        return None

    def settings(self) -> dict[str, Any]:
        """What a saved model must know; `reopened` takes it."""
        own = {"cut": self.cut_name, "do_lower_case": self.do_lower_case, "keep_unknown": self.keep_unknown}
        return {**super().settings(), **own}

    def save(self, folder: Path) -> None:
        """Write the vocabulary and the user's words, so that `reopened` on that folder reads alike."""
        target = folder / OWN_VOCABULARY
        if Path(self.vocab_path).resolve() != target.resolve():
            shutil.copyfile(self.vocab_path, target)
        if isinstance(self.cut, tokenizers.Jieba) and self.cut.user_dicts:
            lines = [line for each in self.cut.user_dicts for line in each.read_text("utf-8-sig").splitlines()]
            atomic.write_text(folder / USER_WORDS, "".join(line + "\n" for line in lines if line.strip()))

    @classmethod
    def reopened(
        cls, folder: Path, settings: Mapping[str, Any], cut: Callable[[str], list[str]] | None = None
    ) -> "LACClassifyReader":
        """The reader of a saved model, for prediction.

        Args:
            folder: Where `save` wrote.
            settings: What `settings` gave.
            cut: The user's own function, where there was one.

        Raises:
            ConfigError: There was one, and it is not given.
        """
        name = str(settings["cut"])
        if cut is None and name not in tokenizers.TOKENIZERS:
            raise ConfigError(
                f"the model in {folder} reads words cut by a function of the user's, {name}",
                fix="give that function: cut=…",
            )
        dictionaries = [folder / USER_WORDS] if (folder / USER_WORDS).is_file() else []
        return cls(
            folder / OWN_VOCABULARY,
            max_len=int(settings["max_seq_len"]),
            cut=cut or name,
            user_dict=dictionaries,
            do_lower_case=bool(settings["do_lower_case"]),
            long_text=str(settings.get("long_text", "truncate")),
            keep_unknown=bool(settings.get("keep_unknown", False)),
        )


def _chosen(cut: tokenizers.Cut | str | None, dictionaries: Sequence[str | Path]) -> tuple[tokenizers.Cut, str]:
    """The cut and its name; for a function of the user's its module and name."""
    if dictionaries and cut not in (None, "jieba"):
        raise ConfigError("user_dict with a cut that is not jieba", fix="leave out one of the two")
    if cut is None and not dictionaries:
        cut = "jieba" if tokenizers.jieba_is_here() else "characters"
        missing = "" if cut == "jieba" else " (jieba is not installed: pip install 'transferhub[words]')"
        logger.info("LACClassifyReader: words are cut by %s%s", cut, missing)
    if cut is None or cut == "jieba":
        return tokenizers.Jieba(dictionaries), "jieba"
    chosen = tokenizers.get_tokenizer(cut)
    own = f"{getattr(chosen, '__module__', '')}:{getattr(chosen, '__qualname__', type(chosen).__qualname__)}"
    return chosen, cut if isinstance(cut, str) else own
