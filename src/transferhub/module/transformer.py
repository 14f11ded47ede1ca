"""Text encoders through transformers: token ids → one vector a text, one vector a token."""

import contextlib
import functools
import importlib
import inspect
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from transferhub.errors import ConfigError, ModuleError
from transferhub.graph import Node, Program, Source, Variable, seeded
from transferhub.graph import stack as stacks
from transferhub.graph.forms import Form
from transferhub.module.files import SENTENCEPIECE, WORDS
from transferhub.module.module import Context, Module

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


@dataclass(frozen=True)
class Computed:
    """What an encoder computed, and from what: all that a head of the same architecture may look at."""

    outputs: Any
    input_ids: Tensor
    input_mask: Tensor | None


class Encoder(nn.Module):
    """An ``AutoModel`` that takes 1.x's feeds and gives out its outputs by 1.x's names.

    Args:
        network: Its ``forward`` says which feeds the architecture takes; the others are not wired.
        has_pooler: False: what it calls ``pooler_output`` was not pretrained.
    """

    def __init__(self, network: nn.Module, has_pooler: bool = True) -> None:
        super().__init__()
        self.network, self.has_pooler = network, has_pooler
        config: Any = network.config
        takes = inspect.signature(network.forward).parameters
        self._takes_positions = "position_ids" in takes
        # Where there is one kind of segment or none, pairs are told apart by their separators alone.
        self._takes_segments = "token_type_ids" in takes and getattr(config, "type_vocab_size", 2) > 1
        # Left-to-right permutations (XLNet) gather a text in its last token.
        self._gathers_at = -1 if getattr(config, "summary_type", "first") == "last" else 0

    def forms(self, output: str, example: Any) -> list[Form]:
        """What may be kept of ``everything``: pooled, the first token, the last one, or all tokens; the smallest first.

        What a form leaves out is not a number when it is made again, so that whoever reads it notices. Of what the
        lowest blocks give there is one form.
        """
        if isinstance(example, stacks.Below):
            return [example.form]
        if not isinstance(example, Computed) or "last_hidden_state" not in example.outputs:
            return []
        pooled = ["pooler_output"] if "pooler_output" in example.outputs else []

        def form(name: str, keep: Callable[[Any], Tensor], shown: Callable[[Tensor], dict[str, Tensor]]) -> Form:
            def rebuild(kept: Tensor, arguments: Mapping[str, Tensor]) -> Computed:
                nothing = kept.new_full((1, 1), math.nan).expand(len(kept), kept.shape[-1])
                values = {"last_hidden_state": nothing[:, None], **dict.fromkeys(pooled, nothing), **shown(kept)}
                return Computed(type(example.outputs)(**values), arguments["input_ids"], arguments.get("input_mask"))

            return Form(name, lambda value: keep(value.outputs), rebuild)

        def as_sequence(kept: Tensor) -> dict[str, Tensor]:
            return {"last_hidden_state": kept if kept.dim() == 3 else kept[:, None]}

        return [
            *(
                form(name, lambda outputs: outputs.pooler_output, lambda kept: {"pooler_output": kept})
                for name in pooled
            ),
            form("first token", lambda outputs: outputs.last_hidden_state[:, 0], as_sequence),
            form("last token", lambda outputs: outputs.last_hidden_state[:, -1], as_sequence),
            form("all tokens", lambda outputs: outputs.last_hidden_state, as_sequence),
        ]

    def drop_pooler(self) -> None:
        """Do without the pooler, where there is one."""
        if getattr(self.network, "pooler", None) is not None:
            self.network.pooler = None  # type: ignore[assignment]

    def forward(
        self,
        input_ids: Tensor,
        position_ids: Tensor | None = None,
        segment_ids: Tensor | None = None,
        input_mask: Tensor | None = None,
        below: stacks.Below | None = None,
    ) -> dict[str, Any]:
        """Ids int64 ``[B, L]`` → ``pooled_output`` ``[B, H]``, ``sequence_output`` ``[B, L, H]``, ``everything``.

        ``position_ids`` that are not given are the network's own (RoBERTa's start at 2); the mask is 1 for tokens and
        0 for padding. ``pooled_output`` is the pretrained pooler's, else the first token's (XLNet: the last one's).
        With `below`, what the lowest blocks gave for these ids, they do not run.
        """
        with contextlib.nullcontext() if below is None else stacks.resting_on(self, below):
            outputs = self._run(input_ids, position_ids, segment_ids, input_mask)
        sequence = outputs.last_hidden_state
        pooled = getattr(outputs, "pooler_output", None) if self.has_pooler else None
        return {
            "pooled_output": sequence[:, self._gathers_at] if pooled is None else pooled,
            "sequence_output": sequence,
            "everything": Computed(outputs, input_ids, input_mask),
        }

    def stack(self) -> stacks.Stack | None:
        """Its blocks, found on a trial; None: it cannot be cut between them (ALBERT's are one block, run again)."""
        return self._stack

    def lowest(self, blocks: int, **arguments: Tensor) -> stacks.Below:
        """The hidden states after so many blocks, for the arguments of `forward`."""
        assert self._stack is not None
        return stacks.lowest(self, self._stack, blocks, lambda: self._run(**arguments))

    @functools.cached_property
    def _stack(self) -> stacks.Stack | None:
        ids = torch.tensor([[2, 3, 4], [4, 3, 2]], device=next(self.network.parameters()).device)
        segments = torch.zeros_like(ids)
        return stacks.find(self, lambda: self._run(ids, None, segments, torch.ones_like(ids)), (len(ids), ids.shape[1]))

    def _run(
        self,
        input_ids: Tensor,
        position_ids: Tensor | None = None,
        segment_ids: Tensor | None = None,
        input_mask: Tensor | None = None,
    ) -> Any:
        given = {"attention_mask": input_mask}
        if self._takes_positions:
            given["position_ids"] = position_ids
        if self._takes_segments:
            given["token_type_ids"] = segment_ids
        return self.network(input_ids=input_ids, **{name: value for name, value in given.items() if value is not None})


def configuration_in(folder: Path) -> "PretrainedConfig":
    """The configuration in a folder, as transformers reads it.

    Raises:
        ModuleError: It does not know it.
    """
    from transformers import AutoConfig

    try:
        config: PretrainedConfig = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # a damaged file raises whatever the architecture's own code raises
        reason = str(error).strip() or type(error).__name__
        raise ModuleError(
            f"{folder / 'config.json'} is not one that transformers knows: {reason.splitlines()[0]}",
            expected="an architecture of transformers; code that comes with a model is never run",
        ) from error
    return config


def read_weights(
    auto_class: str, folder: Path, config: "PretrainedConfig", may_lack: str | None = None
) -> tuple[Any, list[str]]:
    """The network of a folder with its weights as fp32, and the names of those that the folder does not have.

    Args:
        auto_class: ``AutoModel``, ``AutoModelForImageClassification`` …
        folder: The module's.
        config: What the network is built from.
        may_lack: What the names begin with that may be missing.

    Raises:
        ModuleError: Weights that cannot be read, or that lack others.
    """
    import transformers

    try:
        network, found = getattr(transformers, auto_class).from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except Exception as error:  # a damaged file raises whatever the architecture's own code raises
        raise ModuleError(
            f"the weights in {folder} cannot be read: {error}", fix="copy or install them again"
        ) from error
    lacking = sorted(found["missing_keys"])
    missing = [name for name in lacking if may_lack is None or not name.startswith(may_lack)]
    if missing:
        raise ModuleError(
            f"the weights in {folder} lack {len(missing)} of the network's {len(network.state_dict())} tensors: "
            + ", ".join(missing[:3]),
            expected=f"all weights of the {config.model_type} that config.json describes",
            fix="copy or install them again; pretrained=False gives the same architecture with random weights",
        )
    return network, lacking


def _reads_both_ways(config: "PretrainedConfig") -> bool:
    """Whether a configuration is of a text encoder: one that was pretrained on masked or permuted words."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    masked = config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES or config.model_type == "xlnet"
    return masked and not config.is_encoder_decoder


def _layer(name: str) -> int | None:
    """The number of the layer that a parameter belongs to: after ``layer.``, ``layers.``, ``albert_layer_groups.``."""
    found = re.search(r"(?:^|\.)\w*layer(?:s|_groups)?\.(\d+)\.", name)
    return int(found[1]) if found else None


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
