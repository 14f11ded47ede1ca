"""ELMo over words: a bidirectional language model whose layers are mixed with learned weights.

Peters et al. 2018, "Deep contextualized word representations" (arXiv:1802.05365). Words are read by their ids, not by
their characters. A folder holds ``config.json`` with ``"model_type": "elmo_words"``, ``vocab.txt`` (a word a line, the
last one is the padding) and ``model.safetensors``.
"""

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from transferhub import atomic
from transferhub.errors import ConfigError, ModuleError
from transferhub.graph import Node, Program, Source, Variable, seeded
from transferhub.module.files import CONFIG, ELMO, WEIGHTS, json_object
from transferhub.module.module import Context, Module
from transferhub.module.word_vectors import embedded, text_inputs
from transferhub.text.vector_store import PADDING, VOCABULARY, read_words


@dataclass(frozen=True)
class ElmoConfig:
    """The sizes of the network.

    Args:
        vocab_size: Words, padding included.
        dim: Numbers of a word's vector and of each direction's output.
        hidden: Cells of an LSTM; more than `dim` are projected to `dim`.
        layers: LSTMs of a direction, one above the other.
    """

    vocab_size: int
    dim: int = 128
    hidden: int = 128
    layers: int = 2

    def __post_init__(self) -> None:
        whole = all(isinstance(value, int) and value >= 1 for value in asdict(self).values())
        if not whole or self.hidden < self.dim:
            raise ModuleError(f"sizes of an ELMo: {asdict(self)}", expected="whole numbers from 1, hidden at least dim")


class ElmoModule(Module):
    """A bidirectional language model. ``context()`` gives ``word_ids`` → ``elmo_embed`` ``[B, L, 2 dim]``."""

    @functools.cached_property
    def config(self) -> ElmoConfig:
        """The sizes of the network."""
        said = json_object(self.directory / CONFIG)
        known = {field.name for field in fields(ElmoConfig)}
        if said.get("model_type") != ELMO or known - set(said):
            raise ModuleError(
                f"{self.directory / CONFIG} is not of an ELMo",
                expected=f'"model_type": "{ELMO}", {", ".join(sorted(known))}',
            )
        config = ElmoConfig(**{name: said[name] for name in known})  # type: ignore[arg-type]
        words = len(read_words(self.directory))
        if words != config.vocab_size:
            raise ModuleError(
                f"{self.directory}: vocab.txt has {words} words, config.json says {config.vocab_size}",
                fix="bring the folder here again, whole",
            )
        return config

    def get_vocab_path(self) -> str:
        """The vocabulary file, a word a line: line i is id i, the last one is the padding."""
        return str(self.directory / VOCABULARY)

    def fingerprint(self) -> str:
        """The sha256 over configuration, vocabulary and weights."""
        digest = hashlib.sha256(b"pretrained" if self.pretrained else b"random")
        for name in (CONFIG, VOCABULARY, *([WEIGHTS] if self.pretrained else [])):
            digest.update(f"{name}\0{atomic.sha256(self.directory / name)}\0".encode())
        return digest.hexdigest()

    def context(self, trainable: bool = True, max_seq_len: int | None = None, num_slots: int = 1) -> Context:
        """Describe the language model as a graph; weights are read when a task is built.

        Args:
            trainable: False freezes every parameter, the mixing weights among them.
            max_seq_len: Words a text may have. None: any number.
            num_slots: 1; more texts side by side are what the matching modules are for.

        Returns:
            ``(inputs, outputs, program)``. ``inputs``: ``word_ids`` int64 ``[B, L]``, also as ``text``, and
            ``input_mask`` float32 ``[B, L]``. ``outputs``: ``elmo_embed`` float32 ``[B, L, 2 dim]``.

        Raises:
            ConfigError: `max_seq_len` or `num_slots` out of range.
        """
        if num_slots != 1:
            raise ConfigError(f"num_slots={num_slots}", expected="1")
        if max_seq_len is not None and max_seq_len < 1:
            raise ConfigError(f"max_seq_len={max_seq_len}", expected="at least 1")
        length = -1 if max_seq_len is None else max_seq_len
        program = Program()
        inputs: dict[str, Variable] = {}
        text, mask = text_inputs(program, inputs, "", length)
        node = Node(ElmoSource(self, trainable), {"word_ids": text, "input_mask": mask})
        shape = (-1, length, 2 * self.config.dim)
        return (
            inputs,
            {"elmo_embed": program.add(Variable("elmo_embed", shape, "float32", node, "elmo_embed"))},
            program,
        )


class ElmoSource(Source):
    """The language model of a module, read from its files."""

    role: ClassVar[str] = "backbone"

    def __init__(self, module: ElmoModule, trainable: bool) -> None:
        self.module, self.trainable = module, trainable

    def build(self, seed: int) -> nn.Module:
        """Read the weights, or draw them from (seed, "backbone") for ``pretrained=False``.

        Raises:
            ModuleError: The weights are not those of this network.
        """
        with seeded(seed, "backbone"):
            network = Elmo(self.module.config)
        if self.module.pretrained:
            from safetensors.torch import load_file

            path = self.module.directory / WEIGHTS
            try:
                network.load_state_dict({name: value.float() for name, value in load_file(path).items()})
            except Exception as error:  # safetensors' and torch's own kinds
                raise ModuleError(
                    f"the weights in {path} cannot be read: {error}", fix="copy or install them again"
                ) from error
        return network

    def depths(self, module: nn.Module) -> dict[str, int]:
        """Mixing weights 0, the last layer of both directions 1, … the words' vectors last."""
        layers = self.module.config.layers
        depths = {}
        for name, _ in module.named_parameters():
            part = name.split(".")
            depths[name] = layers - int(part[1]) if part[0] in ("forwards", "backwards") else layers + 1
        return {**depths, "weights": 0, "gamma": 0}


class Elmo(nn.Module):
    """Two language models, one reading each way, over the same words; their layers are added with learned weights.

    The layers of a direction above the first add their input to their output, as in the paper.

    Args:
        config: The sizes.
    """

    def __init__(self, config: ElmoConfig) -> None:
        super().__init__()
        dim, hidden = config.dim, config.hidden
        self.padding = config.vocab_size - 1
        self.embedding = nn.Embedding(config.vocab_size, dim, padding_idx=self.padding)
        self.forwards, self.backwards = (
            nn.ModuleList(_Layer(dim, hidden) for _ in range(config.layers)) for _ in range(2)
        )
        self.weights = nn.Parameter(torch.zeros(config.layers + 1))
        self.gamma = nn.Parameter(torch.ones(1))

    def forward(self, word_ids: Tensor, input_mask: Tensor | None = None) -> dict[str, Tensor]:
        """Ids int64 ``[B, L]`` → ``elmo_embed`` ``[B, L, 2 dim]``; what is padding is zero.

        Args:
            word_ids: Padded at the end.
            input_mask: ``[B, L]``, 1 for words; None: all but the padding's id.
        """
        layers = self.layers(word_ids, input_mask)
        # Peters et al. 2018, eq. 1: gamma * sum_j s_j h_j, s softmax-normalised.
        shares = torch.softmax(self.weights, dim=0)
        mixed = self.gamma * sum(share * layer for share, layer in zip(shares, layers, strict=True))
        return {"elmo_embed": mixed * self._read(word_ids, input_mask).unsqueeze(-1).to(mixed.dtype)}

    def layers(self, word_ids: Tensor, input_mask: Tensor | None = None) -> list[Tensor]:
        """Every layer's vectors, each ``[B, L, 2 dim]``: the words' own twice, then both directions side by side."""
        words = embedded(self.embedding, word_ids)
        order = _turned(self._read(word_ids, input_mask))
        ahead, back = words, _taken(words, order)
        found = [torch.cat([words, words], dim=-1)]
        for place, (onwards, backwards) in enumerate(zip(self.forwards, self.backwards, strict=True)):
            one, other = onwards(ahead), backwards(back)
            ahead, back = (one, other) if place == 0 else (ahead + one, back + other)
            found.append(torch.cat([ahead, _taken(back, order)], dim=-1))
        return found

    def _read(self, word_ids: Tensor, input_mask: Tensor | None) -> Tensor:
        return word_ids != self.padding if input_mask is None else input_mask > 0


class _Layer(nn.Module):
    """An LSTM that reads one way; more cells than `dim` are projected to `dim`: ``[B, L, dim]`` → the same."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        # The projection stands above the LSTM, not inside it (the paper's is): that one has no fast kernel on a CPU.
        self.lstm = nn.LSTM(dim, hidden, batch_first=True)
        self.projection = nn.Identity() if hidden == dim else nn.Linear(hidden, dim)

    def forward(self, vectors: Tensor) -> Tensor:
        made: Tensor = self.projection(self.lstm(vectors)[0])
        return made


def _turned(read: Tensor) -> Tensor:
    """The places of each row's words from the last to the first, the padding where it is: int64 ``[B, L]``.

    So a row that is read backwards begins with its last word, however much padding follows. Applied twice it changes
    nothing.
    """
    places = torch.arange(read.shape[1], device=read.device).expand(read.shape)
    lengths = read.sum(dim=1, keepdim=True)
    return torch.where(places < lengths, lengths - 1 - places, places)


def _taken(vectors: Tensor, order: Tensor) -> Tensor:
    return vectors.gather(1, order.unsqueeze(-1).expand_as(vectors))


def save(folder: Path, network: Elmo, config: ElmoConfig, words: Sequence[str]) -> None:
    """Write a language model as a module's folder.

    Args:
        folder: Made if it is not there.
        network: The weights.
        config: Its sizes.
        words: A word an id, the padding last.

    Raises:
        ModuleError: Another number of words than `config` says, or one that no line can hold.
    """
    if len(set(words)) != config.vocab_size or any(not word or set(word) & set("\n\r\t") for word in words):
        raise ModuleError(
            f"{len(set(words))} different words for a vocabulary of {config.vocab_size}",
            expected="a word an id, none empty, none with a tab or a line break",
        )
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    state = {name: value.detach().contiguous() for name, value in network.state_dict().items()}
    with atomic.writing(folder):
        save_file(state, folder / WEIGHTS, metadata={"format": "pt"})
    atomic.write_text(folder / VOCABULARY, "".join(word + "\n" for word in words))
    atomic.write_json(folder / CONFIG, {"model_type": ELMO, **asdict(config)})


def write_random(
    folder: str | Path, words: Sequence[str], dim: int = 128, hidden: int | None = None, layers: int = 2, seed: int = 0
) -> Path:
    """Write an untrained language model, to try a flow with: ``hub install elmo --from FOLDER``.

    Args:
        folder: Where to.
        words: Its vocabulary; ``<unk>`` and the padding are added.
        dim: Numbers of a word's vector; ``elmo_embed`` has twice as many.
        hidden: Cells of an LSTM. None: `dim`.
        layers: LSTMs of a direction.
        seed: Of the weights.
    """
    special = ("<unk>", PADDING)
    vocabulary = [special[0], *(word for word in dict.fromkeys(words) if word not in special), PADDING]
    config = ElmoConfig(len(vocabulary), dim, dim if hidden is None else hidden, layers)
    with seeded(seed, "elmo"):
        network = Elmo(config)
    save(Path(folder), network, config, vocabulary)
    return Path(folder)
