"""Text encoders through transformers: token ids → one vector a text, one vector a token."""

import functools
import importlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from transferhub.errors import ConfigError, ModuleError
from transferhub.graph import Node, Program, Source, Variable, seeded
from transferhub.module.encoder import Encoder, quietly
from transferhub.module.files import SENTENCEPIECE, WORDS
from transferhub.module.module import Context, Module
from transferhub.module.pretrained import configuration_in, read_weights

if TYPE_CHECKING:
    from transformers import PretrainedConfig


# Architectures whose positions start after the padding token's id, so that they read fewer tokens than they have rows.
OFFSET_POSITIONS = ("roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet", "longformer", "data2vec-text")
UNLIMITED = 1 << 20  # tokens, for architectures without a table of positions


class TransformerModule(Module):
    """A pretrained encoder. ``context()`` gives ``input_ids position_ids segment_ids input_mask`` →
    ``pooled_output`` ``[B, H]``, ``sequence_output`` ``[B, L, H]``.
    """  # noqa: D205

    @functools.cached_property
    def config(self) -> "PretrainedConfig":
        """The architecture's configuration, as transformers reads it."""
        config = configuration_in(self.directory)
        if not _reads_both_ways(config):
            raise ModuleError(
                f"{self.name} is a {config.model_type!r}: a module of another family",
                expected="a text encoder: BERT, RoBERTa, ALBERT, ELECTRA, DistilBERT, DeBERTa, ERNIE, MPNet, XLNet …",
                fix="`hub list` shows the modules that work now",
            )
        return config

    @property
    def max_position(self) -> int:
        """The longest text, in tokens, that the network can read."""
        positions = int(getattr(self.config, "max_position_embeddings", None) or -1)
        if positions < 0:
            return UNLIMITED
        if self.config.model_type in OFFSET_POSITIONS:
            return positions - int(self.config.pad_token_id or 0) - 1
        return positions

    @property
    def usual_length(self) -> int:
        """The length that is taken where none is given: 128, or less if the network cannot read that."""
        return min(128, self.max_position)

    def get_vocab_path(self) -> str:
        """The vocabulary file, a token a line; a reader given it uses the tokenizer beside it."""
        return str(self.directory / "vocab.txt")

    def get_spm_path(self) -> str | None:
        """The sentencepiece model of ernie_tiny; None for all others."""
        return self._path_if_cut_in_words(SENTENCEPIECE)

    def get_word_dict_path(self) -> str | None:
        """The word dictionary of ernie_tiny; None for all others."""
        return self._path_if_cut_in_words(WORDS)

    def get_params_layer(self) -> dict[str, int]:
        """Parameter name → layer: 0 for the embeddings, 1 for the lowest layer, and so on; for ULMFiT's blocks."""
        from transformers import AutoModel

        with torch.device("meta"), quietly():
            network = AutoModel.from_config(self.config, trust_remote_code=False)
        depths = EncoderSource(self, True).depths(Encoder(network))
        deepest = max(depths.values())
        return {name: deepest - depth for name, depth in depths.items()}

    def _path_if_cut_in_words(self, name: str) -> str | None:
        both = all((self.directory / each).is_file() for each in (SENTENCEPIECE, WORDS))
        return str(self.directory / name) if both else None

    def save_skeleton(self, folder: Path) -> None:
        """The configuration; a reader writes its tokenizer itself."""
        self.config.save_pretrained(folder)

    def fingerprint(self) -> str:
        """The sha256 over configuration, weights and tokenizer."""
        kept = ("config.json", "tokenizer.json", "vocab.txt", SENTENCEPIECE, WORDS)
        names = (path.name for path in sorted(self.directory.glob("*")))
        return self.digest_of(
            name for name in names if name in kept or (name.endswith(".safetensors") and self.pretrained)
        )

    def features(
        self,
        texts: Sequence[Any],
        max_seq_len: int | None = None,
        output: str = "sequence_output",
        batch_size: int = 32,
        precision: str = "fp32",
    ) -> Any:
        """What the frozen encoder computes of texts, for a network of one's own to stand on.

        Texts of similar length are computed together, without dropout. The result is kept in the disk cache
        and memory-mapped: the same texts again, in another epoch, run or process, cost no forward pass.

        Args:
            texts: Texts, or pairs as ``(text_a, text_b)``.
            max_seq_len: Tokens a text may have, special ones included; longer ones are cut. None: `usual_length`.
            output: ``sequence_output``, a vector a token, or ``pooled_output``, one a text.
            batch_size: Texts computed together.
            precision: ``fp32``, or ``bf16``: twice as fast where the processor has it, right to two or three digits.

        Returns:
            float32, in the texts' order: a list of ``[L, H]`` without padding, special tokens included; or ``[N, H]``.
            Writing to it changes nothing on disk.

        Raises:
            ConfigError: `max_seq_len`, `output` or `batch_size` out of range.
            DataError: Something that is neither a text nor a pair, or both mixed.
        """
        # What computes and keeps stands further down the house, so it is opened by name, as families are.
        return importlib.import_module("transferhub.engine.text_features").text_features(
            self, texts, max_seq_len, output, batch_size, precision
        )

    @functools.cached_property
    def opened(self) -> dict[tuple[str, str], Any]:
        """What `features` uses, so that files are read once: (output, precision) → network and digest, and readers."""
        return {}

    def context(self, trainable: bool = True, max_seq_len: int | None = None, num_slots: int = 1) -> Context:
        """Describe the encoder as a graph; weights are read when a task is built.

        Args:
            trainable: False freezes every parameter of the encoder: no gradient, dropout off.
            max_seq_len: Tokens a text may have, at most the module's own limit. None: `usual_length`.
            num_slots: 1 to 3 texts read by the same weights; names of the second and third end in ``_2`` and ``_3``.

        Returns:
            ``(inputs, outputs, program)``. Inputs are int64 ``[B, L, 1]``, the mask float32, as 1.x has them.

        Raises:
            ConfigError: `max_seq_len` or `num_slots` out of range.
        """
        length = self.usual_length if max_seq_len is None else max_seq_len
        if not 1 <= length <= self.max_position:
            raise ConfigError(f"max_seq_len={length}", expected=f"1 to {self.max_position}, what {self.name} can read")
        if num_slots not in (1, 2, 3):
            raise ConfigError(f"num_slots={num_slots}", expected="1, 2 or 3")
        program, source = Program(), EncoderSource(self, trainable)
        inputs: dict[str, Variable] = {}
        outputs: dict[str, Variable] = {}
        for suffix in ("", "_2", "_3")[:num_slots]:
            slot = {
                name: program.add(
                    Variable(name + suffix, (-1, length, 1), "float32" if name == "input_mask" else "int64")
                )
                for name in ("input_ids", "position_ids", "segment_ids", "input_mask")
            }
            node, width = Node(source, slot), self.config.hidden_size
            shapes = {"pooled_output": (-1, width), "sequence_output": (-1, length, width)}
            for name, shape in shapes.items():
                outputs[name + suffix] = program.add(Variable(name + suffix, shape, "float32", node, name))
            inputs.update({name + suffix: variable for name, variable in slot.items()})
        return inputs, outputs, program


class EncoderSource(Source):
    """The encoder of a module, read from its files as fp32."""

    role = "backbone"

    def __init__(self, module: TransformerModule, trainable: bool) -> None:
        self.module, self.trainable = module, trainable

    def build(self, seed: int) -> nn.Module:
        """Read the weights, or draw them from (seed, "backbone") for ``pretrained=False``."""
        from transformers import AutoModel

        with seeded(seed, "backbone"), quietly():
            if self.module.pretrained:
                return self._read()
            network = AutoModel.from_config(self.module.config, trust_remote_code=False).float()
        return Encoder(network)

    def _read(self) -> "Encoder":
        # A checkpoint may come without a pooler (it was pretrained without one); of the rest nothing may be missing.
        network, missing = read_weights("AutoModel", self.module.directory, self.module.config, may_lack="pooler.")
        return Encoder(network, has_pooler=not missing)

    def new_parameters(self, module: nn.Module) -> frozenset[str]:
        """A pooler that the checkpoint did not bring."""
        assert isinstance(module, Encoder)
        names = (name for name, _ in module.named_parameters())
        return frozenset(name for name in names if not module.has_pooler and name.startswith("network.pooler."))

    def depths(self, module: nn.Module) -> dict[str, int]:
        """Pooler 0, the last layer 1, … the embeddings last."""
        names = [name for name, _ in module.named_parameters()]
        layers = max((number for name in names if (number := _layer(name)) is not None), default=-1) + 1
        depths = {}
        for name in names:
            layer = _layer(name)
            if layer is not None:
                depths[name] = layers - layer
            else:
                below = "emb" in name or "relative_attention_bias" in name  # read by all layers
                depths[name] = layers + 1 if below else 0
        return depths


def _reads_both_ways(config: "PretrainedConfig") -> bool:
    """Whether a configuration is of a text encoder: one that was pretrained on masked or permuted words."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    masked = config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES or config.model_type == "xlnet"
    return masked and not config.is_encoder_decoder


def _layer(name: str) -> int | None:
    """The number of the layer that a parameter belongs to: after ``layer.``, ``layers.``, ``albert_layer_groups.``."""
    found = re.search(r"(?:^|\.)\w*layer(?:s|_groups)?\.(\d+)\.", name)
    return int(found[1]) if found else None
