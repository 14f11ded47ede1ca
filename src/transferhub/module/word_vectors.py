"""Pretrained word vectors: word ids → a vector each."""

import functools
import hashlib
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from transferhub import atomic
from transferhub.errors import ConfigError, DataError, ModuleError
from transferhub.graph import Node, Program, Source, Variable, seeded
from transferhub.module.files import CONFIG, VECTORS, json_object
from transferhub.module.module import Context, Module
from transferhub.text import vector_store

SLOTS = ("", "_2", "_3")


class WordVectorsModule(Module):
    """A matrix of vectors and the words that they belong to; the last word is the padding, whose vector is zero."""

    @functools.cached_property
    def words(self) -> list[str]:
        """The vocabulary, in the order of the ids."""
        return vector_store.read_words(self.directory)

    @functools.cached_property
    def numbers(self) -> dict[str, int]:
        """Word → id."""
        return {word: number for number, word in enumerate(self.words)}

    @functools.cached_property
    def vectors(self) -> vector_store.Floats:
        """The matrix, float32 ``[words, dim]``, memory-mapped."""
        return vector_store.read_vectors(self.directory)

    @property
    def dim(self) -> int:
        """How many numbers a vector has."""
        dim = json_object(self.directory / CONFIG).get("dim")
        if not isinstance(dim, int) or dim < 1:
            raise ModuleError(f"{self.directory / CONFIG}: dim is {dim!r}", expected="how many numbers a vector has")
        return dim

    @property
    def padding(self) -> int:
        """The id of what fills up short texts: the last of the vocabulary."""
        return len(self.words) - 1

    def vectors_for(self, words: Sequence[str]) -> Tensor:
        """The vectors of the words of another vocabulary, say to begin a new embedding with.

        Says "There are N oov words." if some have none.

        Args:
            words: The vocabulary, in the order of its ids.

        Returns:
            float32 ``[len(words), dim]``; zeros for words without a vector.
        """
        return torch.from_numpy(vector_store.look_up(words, self.numbers, self.vectors))

    def get_vocab_path(self) -> str:
        """The vocabulary file, a word a line: line i is id i."""
        return str(self.directory / vector_store.VOCABULARY)

    def fingerprint(self) -> str:
        """The sha256 over vocabulary and vectors."""
        digest = hashlib.sha256(b"pretrained" if self.pretrained else b"random")
        for name in (CONFIG, vector_store.VOCABULARY, *([VECTORS] if self.pretrained else [])):
            digest.update(f"{name}\0{atomic.sha256(self.directory / name)}\0".encode())
        return digest.hexdigest()

    def context(self, trainable: bool = False, max_seq_len: int | None = None, num_slots: int = 1) -> Context:
        """Describe the vectors as a graph; they are mapped when a task is built.

        Args:
            trainable: False: the vectors stay as they are.
            max_seq_len: Words a text may have. None: 128.
            num_slots: 1 to 3 texts read with the same vectors; names of the second and third end in ``_2`` and ``_3``.

        Returns:
            ``(inputs, outputs, program)``. ``inputs``: ``word_ids`` int64 ``[B, L]``, also as ``text``, and
            ``input_mask`` float32 ``[B, L]``. ``outputs``: ``word_embs`` float32 ``[B, L, dim]``, also as ``emb``.

        Raises:
            ConfigError: `max_seq_len` or `num_slots` out of range.
        """
        length = 128 if max_seq_len is None else max_seq_len
        program, source = Program(), WordVectorsSource(self, trainable)
        inputs: dict[str, Variable] = {}
        outputs: dict[str, Variable] = {}
        for suffix in checked_slots(length, num_slots):
            text, mask = text_inputs(program, inputs, suffix, length)
            outputs[f"emb{suffix}"] = outputs[f"word_embs{suffix}"] = program.add(
                Variable(
                    f"word_embs{suffix}",
                    (-1, length, self.dim),
                    "float32",
                    Node(source, {"word_ids": text, "input_mask": mask}),
                    "word_embs",
                )
            )
        return inputs, outputs, program


def checked_slots(length: int, num_slots: int) -> tuple[str, ...]:
    """The endings of the slots' names.

    Raises:
        ConfigError: A length or a number of slots that cannot be.
    """
    if length < 1:
        raise ConfigError(f"max_seq_len={length}", expected="at least 1")
    if num_slots not in (1, 2, 3):
        raise ConfigError(f"num_slots={num_slots}", expected="1, 2 or 3")
    return SLOTS[:num_slots]


def text_inputs(program: Program, inputs: dict[str, Variable], suffix: str, length: int) -> tuple[Variable, Variable]:
    """A slot's ids and mask, ``[B, L]``, put into `inputs` under 1.x's names: ``word_ids`` and ``text`` are one."""
    text = program.add(Variable(f"word_ids{suffix}", (-1, length), "int64"))
    mask = program.add(Variable(f"input_mask{suffix}", (-1, length), "float32"))
    inputs.update({f"word_ids{suffix}": text, f"text{suffix}": text, f"input_mask{suffix}": mask})
    return text, mask


class WordVectorsSource(Source):
    """The vectors of a module, as a layer."""

    role: ClassVar[str] = "backbone"

    def __init__(self, module: WordVectorsModule, trainable: bool) -> None:
        self.module, self.trainable = module, trainable

    def build(self, seed: int) -> nn.Module:
        """Map the vectors, or draw them from (seed, "backbone") for ``pretrained=False``."""
        return WordEmbedding(self.weight(seed))

    def weight(self, seed: int) -> Tensor:
        """The matrix ``[words, dim]``: in memory of its own where it is trained, else mapped; the padding is zero."""
        if not self.module.pretrained:
            with seeded(seed, "backbone"):
                weight = torch.empty(len(self.module.words), self.module.dim).uniform_(-0.1, 0.1)
        else:
            weight = torch.from_numpy(vector_store.read_vectors(self.module.directory))
            weight = weight.clone() if self.trainable else weight
        if weight[-1].any():
            weight[-1] = 0
        return weight


class WordEmbedding(nn.Module):
    """Word ids → vectors. The last id is the padding: zero, and never trained.

    Args:
        weight: ``[words, dim]``.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.embedding = nn.Embedding(len(weight), weight.shape[1], padding_idx=len(weight) - 1, _weight=weight)

    def forward(self, word_ids: Tensor, input_mask: Tensor | None = None) -> dict[str, Tensor]:
        """Ids int64 ``[B, L]`` → ``word_embs`` ``[B, L, dim]``. The mask changes nothing: padding is zero.

        Raises:
            DataError: An id that no word has.
        """
        return {"word_embs": embedded(self.embedding, word_ids)}


def embedded(embedding: nn.Embedding, ids: Tensor) -> Tensor:
    """Look ids ``[B, L]`` up.

    Raises:
        DataError: An id that no word has (on a GPU the library stops the program instead).
    """
    try:
        found: Tensor = embedding(ids)
    except IndexError:
        wrong = ids[(ids < 0) | (ids >= embedding.num_embeddings)][0].item()
        raise DataError(
            f"word id {wrong} in an embedding of {embedding.num_embeddings} words",
            expected=f"0 to {embedding.num_embeddings - 1}",
            fix="give the reader the vocabulary of this module: vocab_path=module.get_vocab_path()",
        ) from None
    return found
