"""Matching: up to three texts, each as the sum of its words' vectors, read by the same weights."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from transferhub.errors import ConfigError, DataError
from transferhub.graph import Node, Program, Variable
from transferhub.module.module import Context
from transferhub.module.word_vectors import (
    WordEmbedding,
    WordVectorsModule,
    WordVectorsSource,
    checked_slots,
    text_inputs,
)
from transferhub.text import tokenizers


class MatchingModule(WordVectorsModule):
    """A bag of words: ``context()`` gives ``text text_2 text_3`` → ``emb emb_2 emb_3`` ``[B, dim]``.

    The words' own vectors ``[B, L, dim]`` are ``word_embs word_embs_2 word_embs_3``, for a network on top of them.
    """

    def context(self, trainable: bool = False, max_seq_len: int | None = None, num_slots: int = 1) -> Context:
        """Describe the texts as a graph; see `WordVectorsModule.context`.

        Beside ``text`` and ``input_mask`` a slot has ``seq_len`` int64 ``[B]``, 1.x's way to say how many words are no
        padding; nobody need feed it.

        Raises:
            ConfigError: `max_seq_len` or `num_slots` out of range.
        """
        length = 128 if max_seq_len is None else max_seq_len
        program, source = Program(), BagOfWordsSource(self, trainable)
        inputs: dict[str, Variable] = {}
        outputs: dict[str, Variable] = {}
        for suffix in checked_slots(length, num_slots):
            text, mask = text_inputs(program, inputs, suffix, length)
            sizes = inputs[f"seq_len{suffix}"] = program.add(Variable(f"seq_len{suffix}", (-1,), "int64"))
            node = Node(source, {"word_ids": text, "input_mask": mask, "seq_len": sizes})
            shapes = {"emb": (-1, self.dim), "word_embs": (-1, length, self.dim)}
            for name, shape in shapes.items():
                outputs[name + suffix] = program.add(Variable(name + suffix, shape, "float32", node, name))
        return inputs, outputs, program

    def similarity(
        self,
        texts: Sequence[Sequence[str]] | None = None,
        data: Mapping[str, Sequence[str]] | None = None,
        use_gpu: bool = False,
        batch_size: int = 1,
    ) -> list[dict[str, Any]]:
        """How alike pairs of texts are: the cosine of the sums of their words' vectors.

        Words are cut by jieba where it is installed, else character by character; those that the vocabulary does not
        have are not read.

        Args:
            texts: ``[first texts, second texts]``.
            data: ``{"text_1": first texts, "text_2": second texts}``, in the place of `texts`.
            use_gpu: Accepted for scripts of 1.x: a sum of rows needs none.
            batch_size: Pairs computed together.

        Returns:
            For each pair ``{"text_1", "text_2", "similarity"}``, rounded to 4 decimals; 0.0 where a text has no word of
            the vocabulary.

        Raises:
            DataError: Not two lists of texts of one length.
            ConfigError: A batch size below 1.
        """
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise ConfigError(f"batch_size={batch_size!r}", expected="a whole number of at least 1")
        first, second = _two_lists(texts, data)
        found: list[dict[str, Any]] = []
        for start in range(0, len(first), batch_size):
            pairs = list(zip(first[start : start + batch_size], second[start : start + batch_size], strict=True))
            sums = np.stack([[self._sum(text) for text in pair] for pair in pairs])
            lengths = np.linalg.norm(sums, axis=2).prod(axis=1)
            products = (sums[:, 0] * sums[:, 1]).sum(axis=1)
            cosines = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
            for (one, other), cosine in zip(pairs, cosines.tolist(), strict=True):
                found.append({"text_1": one, "text_2": other, "similarity": round(cosine, 4)})
        return found

    @functools.cached_property
    def _cut(self) -> tokenizers.Cut:
        return tokenizers.get_tokenizer("jieba" if tokenizers.jieba_is_here() else "characters")

    def _sum(self, text: str) -> Any:
        """The sum of a text's words, float64 ``[dim]``; the last word is the padding, which is no word."""
        numbers = [self.numbers.get(word, self.numbers.get(word.lower())) for word in self._cut(text)]
        known = [number for number in numbers if number is not None and number != self.padding]
        return np.asarray(self.vectors[known], np.float64).sum(axis=0)


def _two_lists(
    texts: Sequence[Sequence[str]] | None, data: Mapping[str, Sequence[str]] | None
) -> tuple[Sequence[str], Sequence[str]]:
    given: Any = texts
    if data is not None and texts is None:
        missing = [name for name in ("text_1", "text_2") if name not in data]
        if missing:
            raise DataError(f"data has no {' and no '.join(missing)}", expected='{"text_1": […], "text_2": […]}')
        given = [data["text_1"], data["text_2"]]
    lists = given if isinstance(given, list | tuple) else []
    if len(lists) != 2 or any(isinstance(each, str) or not isinstance(each, Sequence) for each in lists):
        raise DataError(f"similarity of {given!r:.60}", expected="texts=[first texts, second texts], or data=…")
    if len(lists[0]) != len(lists[1]):
        raise DataError(f"{len(lists[0])} first texts and {len(lists[1])} second ones", expected="as many of each")
    for place, pair in enumerate(zip(*lists, strict=True)):
        if not all(isinstance(text, str) for text in pair):
            raise DataError(f"pair {place}: {pair!r:.80}", expected="two texts")
    return lists[0], lists[1]


class BagOfWordsSource(WordVectorsSource):
    """The vectors of a module, as a layer that sums them."""

    def build(self, seed: int) -> nn.Module:
        """Map the vectors, or draw them from (seed, "backbone") for ``pretrained=False``."""
        return BagOfWords(self.weight(seed))


class BagOfWords(WordEmbedding):
    """Word ids → the sum of their vectors."""

    def forward(
        self, word_ids: Tensor, input_mask: Tensor | None = None, seq_len: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Ids int64 ``[B, L]`` → ``emb`` ``[B, dim]``, ``word_embs`` ``[B, L, dim]``.

        Args:
            word_ids: Filled up with the last id of the vocabulary, which adds nothing.
            input_mask: ``[B, L]``, 1 for words; None: all are read.
            seq_len: ``[B]``; words from there on are not read. None: all are.
        """
        words = super().forward(word_ids)["word_embs"]
        read = words
        if input_mask is not None:
            read = read * input_mask.unsqueeze(-1).to(words.dtype)
        if seq_len is not None:
            places = torch.arange(words.shape[1], device=words.device)
            read = read * (places < seq_len.reshape(-1, 1)).unsqueeze(-1).to(words.dtype)
        return {"emb": read.sum(dim=1), "word_embs": words}
