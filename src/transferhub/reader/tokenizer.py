"""The tokenizer that belongs to a vocabulary."""

from pathlib import Path
from typing import Any

from transferhub.errors import ConfigError

OWN_VOCABULARY = "vocab.txt"  # what ``module.get_vocab_path()`` names, whether or not the tokenizer needs that file


def tokenizer_for(
    vocab_path: str | Path,
    do_lower_case: bool = True,
    sp_model_path: str | Path | None = None,
    word_dict_path: str | Path | None = None,
) -> Any:
    """The tokenizer beside a module's ``vocab.txt``; for a vocabulary that stands alone, WordPiece over it.

    With a sentencepiece model and a word dictionary it is ernie_tiny's cut instead.

    Args:
        vocab_path: What ``module.get_vocab_path()`` gave, or a file with a token a line.
        do_lower_case: For a vocabulary that stands alone; a tokenizer of a module knows by itself.
        sp_model_path: ``module.get_spm_path()``.
        word_dict_path: ``module.get_word_dict_path()``.

    Raises:
        ConfigError: Neither a tokenizer nor a vocabulary there, or one that wants to run code of its folder.
    """
    path = Path(vocab_path)
    if (sp_model_path is None) != (word_dict_path is None):
        raise ConfigError(
            f"sp_model_path={sp_model_path!r}, word_dict_path={word_dict_path!r}",
            expected="both (ernie_tiny) or neither (all other modules)",
        )
    if sp_model_path is not None and word_dict_path is not None:
        from transferhub.reader.word_cut import WordCutTokenizer

        return WordCutTokenizer(read_vocabulary(path), path, sp_model_path, word_dict_path)
    beside = any((path.parent / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json"))
    if path.name == OWN_VOCABULARY and beside:
        from transformers import AutoTokenizer

        try:
            return AutoTokenizer.from_pretrained(path.parent, local_files_only=True, trust_remote_code=False)
        except Exception as error:  # a damaged file raises whatever the tokenizer's own code raises
            raise ConfigError(
                f"the tokenizer in {path.parent} cannot be opened: {error}", fix="copy or install the module again"
            ) from error
    vocabulary = read_vocabulary(path)
    from transformers import BertTokenizer

    return BertTokenizer(vocab=vocabulary, do_lower_case=do_lower_case)


def read_vocabulary(path: Path) -> dict[str, int]:
    """Token → id of a file with a token a line, or ``token<TAB>id``.

    Raises:
        ConfigError: No such file, or not such a file.
    """
    if not path.is_file():
        raise ConfigError(
            f"there is no vocabulary {path}, and no tokenizer beside it",
            expected="module.get_vocab_path(), or a file with a token a line",
        )
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8: {error.reason} at byte {error.start}") from None
    vocabulary: dict[str, int] = {}
    for number, line in enumerate(lines):
        token, _, said = line.rstrip("\r").partition("\t")
        if token and (not said or said.isdigit()):
            vocabulary[token] = int(said) if said else number
    return vocabulary
