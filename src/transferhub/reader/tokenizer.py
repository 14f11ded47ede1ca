"""The tokenizer that belongs to a vocabulary."""

import contextlib
from pathlib import Path
from typing import Any

from transferhub.errors import ConfigError


def tokenizer_for(vocab_path: str | Path, do_lower_case: bool = True) -> Any:
    """The tokenizer beside `vocab_path`; for a vocabulary that stands alone, WordPiece over it.

    Args:
        vocab_path: What ``module.get_vocab_path()`` gave, or a ``vocab.txt`` with a token a line.
        do_lower_case: For a vocabulary that stands alone; a tokenizer of a module knows by itself.

    Raises:
        ConfigError: No such file.
    """
    path = Path(vocab_path)
    if not path.is_file():
        raise ConfigError(
            f"there is no vocabulary {path}", expected="module.get_vocab_path(), or a file with a token a line"
        )
    if (path.parent / "tokenizer_config.json").is_file() or (path.parent / "tokenizer.json").is_file():
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(path.parent, local_files_only=True)
    from transformers import BertTokenizer

    with contextlib.suppress(AttributeError):
        return BertTokenizer.from_pretrained(str(path.parent), do_lower_case=do_lower_case, local_files_only=True)
    return BertTokenizer(str(path), do_lower_case=do_lower_case)
