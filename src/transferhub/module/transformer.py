"""Text encoders through transformers: token ids → one vector a text, one vector a token."""

import contextlib
import functools
import hashlib
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from torch import Tensor, nn

from transferhub import atomic
from transferhub.errors import ConfigError, ModuleError
from transferhub.graph import Node, Program, Source, Variable, seeded
from transferhub.module.module import Context, Module

if TYPE_CHECKING:
    from transformers import PretrainedConfig


class TransformerModule(Module):
    """A pretrained encoder. ``context()`` gives ``input_ids position_ids segment_ids input_mask`` →
    ``pooled_output`` ``[B, H]``, ``sequence_output`` ``[B, L, H]``.
    """  # noqa: D205

    @functools.cached_property
    def config(self) -> "PretrainedConfig":
        """The architecture's configuration, as transformers reads it."""
        from transformers import AutoConfig

        try:
            return AutoConfig.from_pretrained(self.directory, local_files_only=True, trust_remote_code=False)
        except (OSError, ValueError) as error:
            raise ModuleError(
                f"{self.directory / 'config.json'} is not one that transformers knows: {str(error).splitlines()[0]}",
                expected="an architecture of transformers; code that comes with a model is never run",
            ) from error

    @property
    def max_position(self) -> int:
        """The longest text, in tokens, that the network can read."""
        return int(getattr(self.config, "max_position_embeddings", 512))

    @property
    def usual_length(self) -> int:
        """The length that is taken where none is given: 128, or less if the network cannot read that."""
        return min(128, self.max_position)

    def get_vocab_path(self) -> str:
        """The vocabulary file, a token a line; a reader given it uses the tokenizer beside it."""
        return str(self.directory / "vocab.txt")

    def get_spm_path(self) -> str | None:
        """The sentencepiece model of ernie_tiny; None for all others."""
        return None

    def get_word_dict_path(self) -> str | None:
        """The word dictionary of ernie_tiny; None for all others."""
        return None

    def fingerprint(self) -> str:
        """The sha256 over configuration, weights and tokenizer."""
        digest = hashlib.sha256(b"pretrained" if self.pretrained else b"random")
        for path in sorted(self.directory.glob("*")):
            weights = path.suffix == ".safetensors" and self.pretrained
            if weights or path.name in ("config.json", "tokenizer.json", "vocab.txt"):
                digest.update(f"{path.name}\0{atomic.sha256(path)}\0".encode())
        return digest.hexdigest()

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
        import torch
        from transformers import AutoModel

        folder, config = self.module.directory, self.module.config
        with seeded(seed, "backbone"), quietly():
            if self.module.pretrained:
                try:
                    network = AutoModel.from_pretrained(
                        folder,
                        config=config,
                        dtype=torch.float32,
                        local_files_only=True,
                        use_safetensors=True,
                        trust_remote_code=False,
                    )
                except (OSError, ValueError, RuntimeError, SafetensorError) as error:
                    raise ModuleError(f"the weights in {folder} cannot be read: {error}") from error
            else:
                network = AutoModel.from_config(config, trust_remote_code=False).float()
        return Encoder(network)

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
                depths[name] = layers + 1 if "embed" in name else 0
        return depths


class Encoder(nn.Module):
    """An ``AutoModel`` that takes 1.x's feeds and gives out its outputs by 1.x's names."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        input_ids: Tensor,
        position_ids: Tensor | None = None,
        segment_ids: Tensor | None = None,
        input_mask: Tensor | None = None,
    ) -> dict[str, Any]:
        """Ids int64 ``[B, L]`` → ``pooled_output`` ``[B, H]``, ``sequence_output`` ``[B, L, H]``, ``everything``.

        ``position_ids`` that are not given are the network's own; the mask is 1 for tokens and 0 for padding.
        """
        given = {"position_ids": position_ids, "token_type_ids": segment_ids, "attention_mask": input_mask}
        outputs = self.network(
            input_ids=input_ids, **{name: value for name, value in given.items() if value is not None}
        )
        sequence = outputs.last_hidden_state
        pooled = getattr(outputs, "pooler_output", None)
        return {
            "pooled_output": sequence[:, 0] if pooled is None else pooled,
            "sequence_output": sequence,
            "everything": outputs,
        }


class Socket(nn.Module):
    """Stands in the place of an encoder inside an ``AutoModelFor…`` and hands over what was already computed."""

    outputs: Any = None

    def forward(self, *_: Any, **__: Any) -> Any:
        """Give out what the encoder computed."""
        return self.outputs


class ArchitectureHead(nn.Module):
    """The head that an architecture itself has for a task, so that the whole opens with ``AutoModelFor…``."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.prefix: str = model.base_model_prefix  # type: ignore[assignment]

    def forward(self, everything: Any) -> dict[str, Tensor]:
        """Encoder outputs → ``{"logits": …}``."""
        socket = getattr(self.model, self.prefix)
        socket.outputs = everything
        try:
            return {"logits": self.model(input_ids=everything.last_hidden_state[..., 0]).logits}
        finally:
            socket.outputs = None

    @contextlib.contextmanager
    def joined(self, encoder: Encoder) -> Iterator[nn.Module]:
        """The whole ``AutoModelFor…`` with the encoder in its place."""
        socket = getattr(self.model, self.prefix)
        setattr(self.model, self.prefix, encoder.network)
        try:
            yield self.model
        finally:
            setattr(self.model, self.prefix, socket)


class ArchitectureHeadSource(Source):
    """Builds the head of ``AutoModelFor<task>`` with weights drawn from (seed, "head"), on an encoder's outputs.

    Args:
        module: The encoder's module.
        auto_class: ``AutoModelForSequenceClassification`` …
        labels: Label names, written into ``id2label``.
    """

    def __init__(self, module: TransformerModule, auto_class: str, labels: list[str]) -> None:
        self.module, self.auto_class, self.labels = module, auto_class, labels

    def build(self, seed: int) -> nn.Module:
        """Make the head alone: the encoder's place stays empty, no second set of its weights exists."""
        import copy

        import torch
        import transformers

        config = copy.deepcopy(self.module.config)
        config.num_labels = len(self.labels)
        config.id2label = dict(enumerate(self.labels))
        config.label2id = {name: index for index, name in enumerate(self.labels)}
        with quietly():
            with torch.device("meta"):
                model = getattr(transformers, self.auto_class).from_config(config, trust_remote_code=False)
            setattr(model, model.base_model_prefix, Socket())
            model.to_empty(device="cpu")
            with seeded(seed, "head"):
                model.apply(model._init_weights)
        return ArchitectureHead(model.float())


def _layer(name: str) -> int | None:
    """The number after ``layer.`` or ``layers.`` in a parameter's name."""
    parts = name.split(".")
    for before, after in itertools.pairwise(parts):
        if before in ("layer", "layers") and after.isdigit():
            return int(after)
    return None


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Transformers shows a bar for each file and reports a new head as missing weights; here both are as intended."""
    from transformers.utils import logging

    before, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bar:
            logging.enable_progress_bar()
