"""ernie_tiny's cut: a dictionary's longest words, lower-cased, then sentencepiece, then a vocabulary's ids."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transferhub import atomic
from transferhub.errors import ConfigError
from transferhub.module.files import SENTENCEPIECE, WORDS

LONGEST_WORD = 5  # characters, as in PaddleHub


class WordCutTokenizer:
    """Cuts as PaddleHub cuts for ernie_tiny; called and asked like a tokenizer of transformers.

    Args:
        vocabulary: Token → id, with ``[PAD] [UNK] [CLS] [SEP] [MASK]``.
        vocab_path: Where it was read from.
        sp_model_path: A sentencepiece model.
        word_dict_path: A word a line; what follows a tab is not looked at.

    Raises:
        ConfigError: A file that is not there or not what it should be.
    """

    def __init__(
        self,
        vocabulary: dict[str, int],
        vocab_path: str | Path,
        sp_model_path: str | Path,
        word_dict_path: str | Path,
    ) -> None:
        import sentencepiece
        from tokenizers import Tokenizer, models, pre_tokenizers, processors
        from transformers import PreTrainedTokenizerFast

        self.files = [Path(vocab_path), Path(sp_model_path), Path(word_dict_path)]
        self.words = _words(Path(word_dict_path))
        try:
            self._pieces = sentencepiece.SentencePieceProcessor(model_file=str(sp_model_path))
        except (OSError, RuntimeError) as error:
            raise ConfigError(
                f"{sp_model_path} is no sentencepiece model: {error}", fix="install the module again"
            ) from None
        absent = [token for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]") if token not in vocabulary]
        if absent:
            raise ConfigError(f"{vocab_path} has no {', '.join(absent)}", expected="ernie_tiny's vocab.txt")
        ids = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
        ids.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        ids.post_processor = processors.BertProcessing(("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"]))
        self._ids = PreTrainedTokenizerFast(
            tokenizer_object=ids, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
        )

    def __call__(self, texts: Sequence[str], pairs: Sequence[str] | None = None, **options: Any) -> Any:
        """Ids and segments of texts or pairs, as a tokenizer of transformers gives them."""
        cut = [" ".join(self.tokenize(text)) for text in texts]
        second = None if pairs is None else [" ".join(self.tokenize(text)) for text in pairs]
        return self._ids(cut, second, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ids, name)

    def tokenize(self, text: str) -> list[str]:
        """The pieces of a text."""
        words = (word.lower() for word in self.cut(text) if not word.isspace())
        pieces: list[str] = self._pieces.encode(" ".join(words), out_type=str)
        return pieces

    def cut(self, text: str) -> list[str]:
        """The dictionary's words, the longest first from the left; else single characters."""
        found, start = [], 0
        while start < len(text):
            for size in range(LONGEST_WORD, 0, -1):
                if size == 1 or text[start : start + size] in self.words:
                    break
            found.append(text[start : start + size])
            start += size
        return found

    def save_pretrained(self, folder: Path) -> None:
        """Copy the three files, so that a reader on that folder cuts alike."""
        for path, name in zip(self.files, ("vocab.txt", SENTENCEPIECE, WORDS), strict=True):
            if path.resolve() != (folder / name).resolve():
                shutil.copyfile(path, folder / name)

    def describe(self) -> str:
        """What the cut depends on."""
        return " ".join(atomic.sha256(path) for path in self.files)


def _words(path: Path) -> frozenset[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise ConfigError(f"there is no word dictionary {path}", expected="module.get_word_dict_path()") from None
    except UnicodeDecodeError:
        raise ConfigError(
            f"{path} is not UTF-8 text",
            expected="a word a line",
            fix="PaddleHub's dict.wordseg.pickle is converted by `hub install ernie_tiny --from DIR --allow-pickle "
            "dict.wordseg.pickle`",
        ) from None
    return frozenset(line.split("\t")[0] for line in lines if line.strip())
