"""Pickles that the user or the catalogue allowed by name, opened so that no code of theirs runs, and converted."""

import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from transferhub import atomic
from transferhub.errors import ModuleError
from transferhub.log import logger

WORD_DICTIONARY_BYTES = 256 * 2**20  # ernie_tiny's has a few MB
_PLAIN = {"str", "int", "dict", "set", "frozenset", "list", "tuple"}


def weights_to_safetensors(sources: Iterable[Path], target: Path) -> None:
    """Write the tensors of pickled checkpoints as one safetensors file.

    They are read with ``torch.load(weights_only=True)``: tensors and plain values, anything else is refused. A tensor
    that a checkpoint holds under two names (tied weights) is written once, under the first.

    Raises:
        ModuleError: A checkpoint is damaged, holds something else than named tensors, or would run code.
    """
    import torch
    from safetensors.torch import save_file

    tensors: dict[str, torch.Tensor] = {}
    for source in sources:
        try:
            loaded: Any = torch.load(source, map_location="cpu", weights_only=True)
        except Exception as error:  # pickle's, zipfile's and torch's own kinds
            raise ModuleError(
                f"{source} was refused: {str(error).strip().splitlines()[0] if str(error).strip() else error!r}",
                expected="a checkpoint of tensors and plain values; none of its code was run",
                fix="take the module from another source, one with model.safetensors",
            ) from error
        if not isinstance(loaded, dict) or not loaded:
            raise ModuleError(f"{source} holds a {type(loaded).__name__}", expected="tensors by name (a state_dict)")
        for name, value in loaded.items():
            if not isinstance(name, str) or not isinstance(value, torch.Tensor):
                raise ModuleError(
                    f"{source} holds a {type(value).__name__} under {name!r}",
                    expected="tensors by name (a state_dict); "
                    "of a training checkpoint save the network's state_dict alone",
                )
            tensors[name] = value
    save_file(_once(tensors), target, metadata={"format": "pt"})


def words_to_text(source: Path, target: Path) -> None:
    """Write PaddleHub's pickled word dictionary as text: ``word`` or ``word<TAB>count``, a word a line.

    Raises:
        ModuleError: It is damaged, holds anything but words, or would run code.
    """
    if source.stat().st_size > WORD_DICTIONARY_BYTES:
        raise ModuleError(f"{source} has {source.stat().st_size} bytes", expected="a word dictionary of a few MB")
    try:
        with open(source, "rb") as file:
            words = _PlainValues(file, encoding="utf-8").load()
    except Exception as error:  # a damaged pickle raises nearly anything
        raise ModuleError(
            f"{source} was refused: {error}",
            expected="a dictionary, set or list of words; none of its code was run",
            fix=f"write its words into {target.name} beside it, a word a line",
        ) from error
    if not isinstance(words, dict | set | frozenset | list | tuple):
        raise ModuleError(f"{source} holds a {type(words).__name__}", expected="a dictionary, set or list of words")
    counts = words if isinstance(words, dict) else {}
    lines, skipped = [], 0
    for word in words if isinstance(words, dict | list | tuple) else sorted(words, key=repr):
        if not isinstance(word, str):
            raise ModuleError(f"{source} holds {word!r}", expected="words, that is strings")
        if not word or len(word.splitlines()) != 1 or "\t" in word:
            skipped += 1  # cannot be written on a line
            continue
        count = counts.get(word)
        lines.append(f"{word}\t{count}\n" if type(count) is int else f"{word}\n")
    atomic.write_text(target, "".join(lines))
    logger.info("%s: %d words written as text, %d with a tab or a line break left out", source, len(lines), skipped)


class _PlainValues(pickle.Unpickler):
    """Opens strings, numbers and collections of them; every other class or function is refused."""

    def find_class(self, module: str, name: str) -> Any:
        """Refuse whatever a pickle wants to import, but for the plain collections (Python 2 calls them __builtin__)."""
        if module in ("builtins", "__builtin__") and name in _PLAIN:
            return {"str": str, "int": int, "dict": dict, "set": set, "frozenset": frozenset, "list": list}.get(
                name, tuple
            )
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def _once(tensors: dict[str, Any]) -> dict[str, Any]:
    """Each memory once: safetensors writes no tensor twice, and no part of a larger memory."""
    seen: set[tuple[Any, ...]] = set()
    storages: set[int] = set()
    kept = {}
    for name, tensor in tensors.items():
        key = (tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype)
        if tensor.numel() and key in seen:
            continue
        storage = tensor.untyped_storage()
        alone = storage.data_ptr() not in storages and storage.nbytes() == tensor.numel() * tensor.element_size()
        kept[name] = tensor if alone and tensor.is_contiguous() else tensor.contiguous().clone()
        seen.add(key)
        storages.add(storage.data_ptr())
    return kept
