"""The head that an architecture itself has for a task, on outputs that its encoder already computed."""

import contextlib
from collections.abc import Iterable, Iterator

from torch import Tensor, nn

from transferhub.errors import ModuleError
from transferhub.graph import Source, seeded
from transferhub.module.encoder import Computed, Encoder, quietly
from transferhub.module.socket import Socket, given
from transferhub.module.transformer import TransformerModule


class ArchitectureHead(nn.Module):
    """The head that an architecture itself has for a task, so that the whole opens with ``AutoModelFor…``.

    Args:
        model: An ``AutoModelFor…`` with a `Socket` in its encoder's place.
        names: Of all weights that the whole has; an encoder may have more (a pooler that this head does not use).
    """

    def __init__(self, model: nn.Module, names: frozenset[str]) -> None:
        super().__init__()
        self.model, self.names = model, names
        self.prefix: str = model.base_model_prefix  # type: ignore[assignment]

    def forward(self, everything: Computed) -> dict[str, Tensor]:
        """Encoder outputs → ``logits``; ``start_logits`` and ``end_logits`` of a head that finds spans."""
        with given(everything.outputs):
            made = self.model(everything.input_ids, attention_mask=everything.input_mask)
        return {name: value for name, value in made.items() if name.endswith("logits")}

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
        problem_type: Written into the configuration: what transformers would train it by.
    """

    def __init__(
        self, module: TransformerModule, auto_class: str, labels: list[str], problem_type: str | None = None
    ) -> None:
        self.module, self.auto_class, self.labels, self.problem_type = module, auto_class, labels, problem_type

    def build(self, seed: int) -> nn.Module:
        """Make the head alone: the encoder's place stays empty, no second set of its weights exists."""
        import copy

        import torch
        import transformers

        config = copy.deepcopy(self.module.config)
        config.num_labels = len(self.labels)
        config.problem_type = self.problem_type
        config.id2label = dict(enumerate(self.labels))
        config.label2id = {name: index for index, name in enumerate(self.labels)}
        with quietly():
            with torch.device("meta"):
                try:
                    model = getattr(transformers, self.auto_class).from_config(config, trust_remote_code=False)
                except ValueError as error:
                    raise ModuleError(
                        f"{self.module.name}: transformers has no {self.auto_class} for {config.model_type!r}",
                        fix="hidden_units=[] gives a head of our own",
                    ) from error
            names = frozenset(model.state_dict())
            setattr(model, model.base_model_prefix, Socket())
            model.to_empty(device="cpu")
            with seeded(seed, "head"):
                for part in model.modules():  # what the architecture leaves to torch's own initialisation
                    if hasattr(part, "reset_parameters"):
                        part.reset_parameters()
                model.apply(model._init_weights)
        return ArchitectureHead(model.float(), names)

    def settle(self, part: nn.Module, others: Iterable[nn.Module]) -> None:
        """Let go of a pooler that this architecture's head does not look at."""
        assert isinstance(part, ArchitectureHead)
        for other in others:
            if isinstance(other, Encoder) and not any(f"{part.prefix}.pooler." in name for name in part.names):
                other.drop_pooler()
