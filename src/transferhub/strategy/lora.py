"""LoRA through peft: small adapters move, the pretrained weights stay."""

from __future__ import annotations

import copy
import importlib.util
from collections.abc import Sequence

from torch import nn

from transferhub.errors import ConfigError
from transferhub.graph import Network, Parameter, seeded
from transferhub.strategy.adamw import AdamWeightDecayStrategy
from transferhub.strategy.compose import NEVER, Traits, decays
from transferhub.strategy.plan import Plan, Steps
from transferhub.strategy.strategy import count, positive, proportion

MARK = "lora_"
ADAPTABLE = (nn.Linear, nn.Conv1d, nn.Conv2d)


class LoRAStrategy(AdamWeightDecayStrategy):
    """Low-rank adapters beside the encoder's layers, and the head; nothing else moves (Hu et al. 2022, eq. 3).

    ``h = W x + (alpha / rank) B A x`` with A drawn from the seed and B zero at the start. The best model is saved with
    the adapters added into W: it opens everywhere, without peft.

    Args:
        learning_rate: The peak rate.
        lr_scheduler: As for `AdamWeightDecayStrategy`.
        warmup_proportion: The part of all steps in which the rate rises from 0.
        weight_decay: Each step takes ``rate * weight_decay`` of a weight away.
        optimizer_name: ``adam``, or another of `optimizers.OPTIMIZERS`.
        rank: Of the adapters.
        alpha: Their weight is alpha / rank.
        dropout: Of their inputs.
        target_modules: Last parts of the names of the layers that get one, say ``query``; None: all linear and
            convolutional layers of the pretrained part.

    Raises:
        ConfigError: peft is not installed, or no layer has such a name.
    """

    def __init__(
        self,
        learning_rate: float = 5e-4,
        lr_scheduler: str = "linear_decay",
        warmup_proportion: float = 0.1,
        weight_decay: float = 0.01,
        optimizer_name: str = "adam",
        *,
        rank: int = 8,
        alpha: int = 16,
        dropout: float = 0.0,
        target_modules: str | Sequence[str] | None = None,
    ) -> None:
        super().__init__(learning_rate, lr_scheduler, warmup_proportion, weight_decay, optimizer_name)
        self.rank, self.alpha = count("rank", rank), count("alpha", alpha)
        for name in ("rank", "alpha"):
            positive(name, getattr(self, name))
        self.dropout = proportion("dropout", dropout)
        ends = [target_modules] if isinstance(target_modules, str) else target_modules
        if ends is not None and not (isinstance(ends, list | tuple) and all(isinstance(end, str) for end in ends)):
            raise ConfigError(f"target_modules={target_modules!r:.60}", expected="names, such as ['query', 'value']")
        self.target_modules = None if ends is None else list(ends)
        if importlib.util.find_spec("peft") is None:
            raise ConfigError("LoRAStrategy needs peft", fix="pip install 'transferhub[lora]'")

    def adapt(self, network: Network, seed: int) -> None:
        """Put adapters beside the linear layers of the network's pretrained parts."""
        from peft import LoraConfig, inject_adapter_in_model

        for part, source in zip(network.parts, network.sources, strict=True):
            if source.role != "backbone":
                continue
            layers = [name for name, module in part.named_modules() if isinstance(module, ADAPTABLE)]
            ends = self.target_modules
            chosen = [name for name in layers if ends is None or any(f".{name}".endswith(f".{end}") for end in ends)]
            if not chosen:
                raise ConfigError(
                    f"target_modules={ends}: no layer that can have an adapter has such a name",
                    expected="endings such as " + ", ".join(sorted({name.rpartition(".")[2] for name in layers})[:8]),
                )
            config = LoraConfig(r=self.rank, lora_alpha=self.alpha, lora_dropout=self.dropout, target_modules=chosen)
            with seeded(seed, "lora"):
                inject_adapter_in_model(config, part)

    def export(self, network: Network) -> Network:
        """A copy with the adapters added into the layers that they stand beside."""
        from peft.tuners.lora import LoraLayer

        merged = copy.deepcopy(network)
        for name, module in list(merged.named_modules()):
            if isinstance(module, LoraLayer):
                module.merge()
                place, _, last = name.rpartition(".")
                setattr(merged.get_submodule(place), last, module.get_base_layer())
        return merged

    def plan(self, parameters: Sequence[Parameter], steps: Steps) -> Plan:
        """Adapters and head move; all else is frozen."""

        def traits(parameter: Parameter) -> Traits:
            adapter = MARK in parameter.name
            if parameter.role == "backbone" and not adapter:
                return Traits(starts=NEVER)
            decay = self.weight_decay if decays(parameter) else 0.0
            return Traits(("adapters" if adapter else "head") + ("" if decay else ", not decayed"), 1.0, decay)

        return self.composed(parameters, steps, traits)

    def arguments(self) -> dict[str, object]:
        """Without those of AdamW that are not its own."""
        others = ("layerwise_decay", "head_multiple", "freeze", "head_first")
        return {name: value for name, value in vars(self).items() if name not in others}
