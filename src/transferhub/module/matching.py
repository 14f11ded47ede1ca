"""Matching: up to three texts, each as the sum of its words' vectors, read by the same weights."""

import torch
from torch import Tensor, nn

from transferhub.graph import Node, Program, Variable
from transferhub.module.module import Context
from transferhub.module.word_vectors import (
    WordEmbedding,
    WordVectorsModule,
    WordVectorsSource,
    checked_slots,
    text_inputs,
)


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
