"""Word vectors on disk: ``vocab.txt``, a word a line, and ``vectors.npy``, float32 ``[words, dim]``, memory-mapped."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from transferhub.errors import ModuleError
from transferhub.log import logger

VOCABULARY = "vocab.txt"
VECTORS = "vectors.npy"
PADDING = "<pad>"

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Written:
    """What came of a file of vectors.

    Args:
        words: Lines of the vocabulary, and rows of the matrix.
        dim: Numbers of a vector.
        repeated: Words that came again; their first vector was kept.
        unusable: Words that no vocabulary file can hold: not UTF-8, empty, or with a line break.
    """

    words: int
    dim: int
    repeated: int = 0
    unusable: int = 0


class VectorWriter:
    """Takes words and vectors as they come and writes the two files; holds the words, and no vector.

    Args:
        folder: Where the files go.
        dim: Numbers of a vector.
        padding: Append a word `PADDING` with a vector of zeros, the last one; a word of that name is left out.
    """

    def __init__(self, folder: Path, dim: int, *, padding: bool = False) -> None:
        self._folder, self._dim, self._padding = folder, dim, padding
        self._words: dict[str, None] = {PADDING: None} if padding else {}
        self._repeated = self._unusable = self._rows = 0
        self._file: IO[bytes] = open(folder / VECTORS, "w+b")  # noqa: SIM115  closed by `close`
        self._header(0)

    def add(self, words: Sequence[bytes], vectors: Floats) -> None:
        """Take some words, UTF-8, with their vectors ``[len(words), dim]``."""
        kept = []
        for place, word in enumerate(words):
            name = _decoded(word)
            if name is None:
                self._unusable += 1
            elif name in self._words:
                self._repeated += 1
            else:
                self._words[name] = None
                kept.append(place)
        rows = vectors if len(kept) == len(words) else vectors[kept]
        self._file.write(np.ascontiguousarray(rows, np.float32).tobytes())
        self._rows += len(kept)

    def finish(self) -> Written:
        """Write the vocabulary and the number of rows."""
        words = list(self._words)
        if self._padding:
            words = [*words[1:], PADDING]
            self._file.write(np.zeros(self._dim, np.float32).tobytes())
            self._rows += 1
        self._file.seek(0)
        self._header(self._rows)
        self.close()
        with open(self._folder / VOCABULARY, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(word + "\n" for word in words)
        return Written(len(words), self._dim, self._repeated, self._unusable)

    def close(self) -> None:
        """Close the file of vectors; once is enough."""
        self._file.close()

    def _header(self, rows: int) -> None:
        # NumPy leaves room in the header, so that it can be written again with the count that was not known before.
        header = {"descr": "<f4", "fortran_order": False, "shape": (rows, self._dim)}
        np.lib.format.write_array_header_1_0(self._file, header)


def write(folder: Path, words: Iterable[str], vectors: npt.ArrayLike, *, padding: bool = False) -> Written:
    """Write vectors that are in memory, say a gensim ``KeyedVectors``: ``write(folder, kv.index_to_key, kv.vectors)``.

    Args:
        folder: Where the two files go.
        words: A word a row.
        vectors: ``[words, dim]``, finite.
        padding: As for `VectorWriter`.

    Raises:
        ModuleError: No words, another number of rows, or a number that is not finite.
    """
    matrix, names = np.asarray(vectors, np.float32), [word.encode("utf-8", "surrogatepass") for word in words]
    if matrix.ndim != 2 or not matrix.size or len(matrix) != len(names):
        raise ModuleError(
            f"vectors of shape {list(matrix.shape)} for {len(names)} words", expected=f"[{len(names)}, dim], not empty"
        )
    wrong = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
    if len(wrong):
        raise ModuleError(f"the vector of word {wrong[0]} is not finite", expected="finite numbers")
    writer = VectorWriter(folder, matrix.shape[1], padding=padding)
    try:
        writer.add(names, matrix)
        return writer.finish()
    finally:
        writer.close()


def read_words(folder: Path) -> list[str]:
    """The vocabulary of a folder, in the order of its rows.

    Raises:
        ModuleError: It cannot be read.
    """
    try:
        return (folder / VOCABULARY).read_text(encoding="utf-8").split("\n")[:-1]
    except (OSError, UnicodeDecodeError) as error:
        raise ModuleError(f"{folder / VOCABULARY} is damaged: {error}", fix="bring the folder here again") from error


def read_vectors(folder: Path) -> Floats:
    """Map the vectors of a folder, ``[words, dim]``. Writing to them changes this process's memory, not the file.

    Raises:
        ModuleError: The file is no matrix of float32.
    """
    try:
        # Not "r": torch warns of arrays that it must not write to.
        vectors: npt.NDArray[Any] = np.load(folder / VECTORS, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ModuleError(f"{folder / VECTORS} is damaged: {error}", fix="bring the folder here again") from error
    if vectors.ndim != 2 or vectors.dtype != np.float32 or not vectors.size:
        raise ModuleError(
            f"{folder / VECTORS} holds {vectors.dtype} of shape {list(vectors.shape)}",
            expected="float32 of shape [words, dim]",
        )
    return vectors


def look_up(words: Sequence[str], numbers: Mapping[str, int], vectors: Floats) -> Floats:
    """The vectors of some words, float32 ``[len(words), dim]``; zeros for those without one, whose number is said."""
    found = np.zeros((len(words), vectors.shape[1]), np.float32)
    places = [(place, numbers[word]) for place, word in enumerate(words) if word in numbers]
    if places:
        here, there = map(list, zip(*places, strict=True))
        found[here] = vectors[there]
    if len(words) > len(places):
        logger.info("There are %d oov words.", len(words) - len(places))
    return found


def _decoded(word: bytes) -> str | None:
    try:
        name = word.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if not name or any(break_ in name for break_ in "\n\r\t") else name
