"""The tokenizer that belongs to a vocabulary."""

from pathlib import Path
from typing import Any

from transferhub.errors import ConfigError

OWN_VOCABULARY = "vocab.txt"  # what ``module.get_vocab_path()`` names, whether or not the tokenizer needs that file


def tokenizer_for(vocab_path: str | Path, do_lower_case: bool = True) -> Any:
    """The tokenizer beside a module's ``vocab.txt``; for a vocabulary that stands alone, WordPiece over it.

    Args:
        vocab_path: What ``module.get_vocab_path()`` gave, or a file with a token a line.
        do_lower_case: For a vocabulary that stands alone; a tokenizer of a module knows by itself.

    Raises:
        ConfigError: Neither a tokenizer nor a vocabulary there, or one that wants to run code of its folder.
    """
    path = Path(vocab_path)
    beside = any((path.parent / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json"))
    if path.name == OWN_VOCABULARY and beside:
        from transformers import AutoTokenizer

        try:
            return AutoTokenizer.from_pretrained(path.parent, local_files_only=True, trust_remote_code=False)
        except (OSError, ValueError) as error:
            raise ConfigError(f"the tokenizer in {path.parent} cannot be opened: {error}") from error
    if not path.is_file():
        raise ConfigError(
            f"there is no vocabulary {path}, and no tokenizer beside it",
            expected="module.get_vocab_path(), or a file with a token a line",
        )
    from transformers import BertTokenizer

    return BertTokenizer(vocab=str(path), do_lower_case=do_lower_case)
