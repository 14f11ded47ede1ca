"""What gensim's ``KeyedVectors.save`` writes, a pickle: opened only where it is allowed, and without running its code.

gensim itself would run whatever the pickle names. Here arrays and plain values are made, gensim's own classes become
empty shells, and anything else is refused; so gensim need not be installed.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from transferhub.errors import ModuleError
from transferhub.text.vector_store import Floats

_ARRAYS = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    *((f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
    *((f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")),
}
_SHELLS = "gensim.models."


class _Shell:
    """Stands for an object of gensim's: its attributes, and no code."""

    def __init__(self, *_: Any) -> None:
        pass


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _ARRAYS:
            return super().find_class(module, name)
        if module.startswith(_SHELLS) or (module, name) == ("builtins", "object"):
            return _Shell
        if (module, name) == ("copyreg", "_reconstructor"):
            return lambda kind, base, state: kind()
        raise pickle.UnpicklingError(f"it wants {module}.{name}")


def read(path: Path, *, allowed: bool) -> tuple[list[str], Floats]:
    """Words and vectors ``[words, dim]`` of saved ``KeyedVectors``; large ones lie beside it in ``.vectors.npy``.

    Raises:
        ModuleError: It is not allowed, damaged, holds something else, or would run code.
    """
    if not allowed:
        raise ModuleError(
            f"{path} is a pickle: opening it could run code",
            expected="vectors as text or in word2vec's binary form",
            fix="where gensim is: `keyed_vectors.save_word2vec_format('vectors.bin', binary=True)`; or, if you know "
            f"where it comes from: `hub install NAME --from {path} --allow-pickle {path.name}` takes arrays and words "
            "only, so that none of its code runs",
        )
    try:
        with open(path, "rb") as file:
            saved = _Unpickler(file).load()
        inside = vars(saved) if isinstance(saved, _Shell) else {}
        inside = vars(inside["wv"]) if isinstance(inside.get("wv"), _Shell) else inside  # a whole Word2Vec
        words = inside.get("index_to_key") or inside.get("index2word")  # the second: gensim 3
        vectors = inside.get("vectors")
        if vectors is None and words:
            beside = [path.with_name(path.name + ending) for ending in (".vectors.npy", ".wv.vectors.npy")]
            vectors = np.load(next(each for each in beside if each.is_file()), mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a damaged pickle raises nearly anything
        raise ModuleError(
            f"{path} was refused: {str(error) or type(error).__name__}",
            expected="KeyedVectors of gensim (and the .npy files beside it); none of its code was run",
        ) from error
    if (
        not isinstance(words, list)
        or not all(isinstance(word, str) for word in words)
        or not isinstance(vectors, np.ndarray)
    ):
        raise ModuleError(f"{path} holds no word vectors", expected="KeyedVectors of gensim")
    return words, vectors
