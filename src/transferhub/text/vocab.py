"""Vocabularies and pretrained vectors with the names and the behaviour that torchtext had until 0.8."""

import functools
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from transferhub import cache as disk_cache
from transferhub.errors import ConfigError, ModuleError, did_you_mean
from transferhub.text import vector_files
from transferhub.text.vector_store import read_vectors, read_words

UNKNOWN = "<unk>"


class Numbers(dict[str, int]):
    """Word → number. A word that is not there is `unknown`, or a `KeyError` without one; asking adds no word."""

    def __init__(self, words: Iterable[str], unknown: int | None = None) -> None:
        super().__init__((word, number) for number, word in enumerate(words))
        self.unknown = unknown

    def __missing__(self, word: str) -> int:
        if self.unknown is None:
            raise KeyError(word)
        return self.unknown


class Vocab:
    """The words of a text, numbered: special ones first, then by how often they occur, then by alphabet.

    Args:
        counter: Word → how often it occurs; kept as ``freqs``.
        max_size: At most so many words beside the special ones. None: all.
        min_freq: Words that occur less often are left out.
        specials: Words that are always there. ``<unk>`` among them is the number of every word that is not.
        vectors: Something with ``stoi`` and ``vectors``, as `GloVe`; see `load_vectors`.
        specials_first: False: they come last.

    Attributes:
        freqs: The counter.
        itos: Number → word, a list.
        stoi: Word → number, a dictionary that gives unknown words ``<unk>``'s number and does not grow.
        vectors: float32 ``[len(vocab), dim]``, or None.

    Raises:
        ConfigError: No word would be left.
    """

    def __init__(
        self,
        counter: Mapping[str, int],
        max_size: int | None = None,
        min_freq: int = 1,
        specials: Sequence[str] = (UNKNOWN, "<pad>"),
        vectors: "GloVe | None" = None,
        specials_first: bool = True,
    ) -> None:
        self.freqs = counter if isinstance(counter, Counter) else Counter(counter)
        wanted = [word for word, count in counter.items() if count >= max(min_freq, 1) and word not in specials]
        words = sorted(wanted, key=lambda word: (-counter[word], word))[:max_size]
        if not words:
            raise ConfigError(
                f"an empty vocabulary: of {len(counter)} words none is left (min_freq={min_freq}, max_size={max_size})",
                expected="a Counter of words",
                fix="count the words of the training texts, or lower min_freq",
            )
        self.itos = [*specials, *words] if specials_first else [*words, *specials]
        self.stoi = Numbers(self.itos, self.itos.index(UNKNOWN) if UNKNOWN in specials else None)
        self.vectors: Tensor | None = None
        if vectors is not None:
            self.load_vectors(vectors)

    def __len__(self) -> int:
        return len(self.itos)

    def __getitem__(self, word: str) -> int:
        return self.stoi[word]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocab) and (self.freqs, self.itos) == (other.freqs, other.itos)

    __hash__ = None  # type: ignore[assignment]  # as a list: it may change

    def lookup_indices(self, words: Iterable[str]) -> list[int]:
        """The numbers of some words."""
        return [self.stoi[word] for word in words]

    def extend(self, other: "Vocab", sort: bool = False) -> None:
        """Append the words of another vocabulary that are not here, in its order or by alphabet."""
        for word in sorted(other.itos) if sort else other.itos:
            if word not in self.stoi:
                self.stoi[word] = len(self.itos)
                self.itos.append(word)

    def load_vectors(self, vectors: "GloVe | Sequence[GloVe]") -> None:
        """Set ``vectors`` to those of this vocabulary's words; of several, side by side. Zeros where there is none."""
        given = [vectors] if isinstance(vectors, GloVe) else list(vectors)
        self.vectors = torch.cat([each.get_vecs_by_tokens(self.itos) for each in given], dim=1)

    def set_vectors(self, stoi: Mapping[str, int], vectors: Tensor, dim: int) -> None:
        """Set ``vectors`` from a word's number in `stoi` and ``[N, dim]``; zeros where there is none."""
        self.vectors = torch.zeros(len(self), dim)
        for number, word in enumerate(self.itos):
            if word in stoi:
                self.vectors[number] = vectors[stoi[word]]


class GloVe:
    """Pretrained vectors from a file ``glove.NAME.DIMd.txt``, read once and then memory-mapped from the cache.

    Args:
        name: ``6B``, ``42B``, ``840B``, ``twitter.27B``.
        dim: Numbers of a vector.
        cache: The folder of the file. Nothing is written there. None: ``.vector_cache``, as torchtext had it.
        unk_init: Makes the vector of a word without one from zeros ``[dim]``. None: they stay zeros.

    Attributes:
        itos: Number → word, a list.
        stoi: Word → number, a dictionary; `KeyError` for a word that is not there.
        vectors: float32 ``[N, dim]``; writing to it changes this process's memory only.
        dim: Numbers of a vector.

    Raises:
        ModuleError: No such file (it is not downloaded), or one that is wrong, with the line.
    """

    def __init__(
        self,
        name: str = "6B",
        dim: int = 50,
        cache: str | Path | None = None,
        unk_init: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        folder = Path(cache if cache is not None else ".vector_cache").expanduser()
        path = folder / f"glove.{name}.{dim}d.txt"
        if not path.is_file():
            there = sorted(each.name for each in folder.glob("glove.*.txt"))
            raise ModuleError(
                f"there is no file {path}",
                expected="a file of https://nlp.stanford.edu/projects/glove, unpacked; it is not downloaded",
                fix=did_you_mean(path.name, there) + f"in that folder: {', '.join(there) or 'no vectors'}",
            )
        kept = disk_cache.entry(
            "vectors", _key(path), lambda part: void(vector_files.convert(path.resolve(), part, dim=dim))
        )
        self.dim, self._unknown = dim, unk_init or (lambda zeros: zeros)
        self.itos = read_words(kept)
        self.vectors = torch.from_numpy(read_vectors(kept))

    @functools.cached_property
    def stoi(self) -> Numbers:
        """Word → number."""
        return Numbers(self.itos)

    def __len__(self) -> int:
        return len(self.itos)

    def __getitem__(self, word: str) -> Tensor:
        return self.vectors[self.stoi[word]] if word in self.stoi else self._unknown(torch.zeros(self.dim))

    def get_vecs_by_tokens(self, tokens: str | Sequence[str], lower_case_backup: bool = False) -> Tensor:
        """The vector ``[dim]`` of a word, or ``[N, dim]`` of some.

        Args:
            tokens: A word or words.
            lower_case_backup: Look for a word that is not there in lower case.
        """
        if isinstance(tokens, str):
            return self.get_vecs_by_tokens([tokens], lower_case_backup)[0]
        found = [word if word in self.stoi or not lower_case_backup else word.lower() for word in tokens]
        return torch.stack([self[word] for word in found]) if found else torch.zeros(0, self.dim)


def void(_: object) -> None:
    """Drop a result."""


def _key(path: Path) -> str:
    about = path.stat()
    return hashlib.sha256(f"1 {path.resolve()} {about.st_size} {about.st_mtime_ns}".encode()).hexdigest()
