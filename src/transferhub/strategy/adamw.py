"""AdamW with warm-up and decay: what fine-tunes transformers well."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from transferhub.errors import ConfigError, did_you_mean
from transferhub.graph import Parameter
from transferhub.strategy import schedules
from transferhub.strategy.compose import NEVER, Traits, compose, decays, places
from transferhub.strategy.optimizers import known
from transferhub.strategy.plan import Plan, Steps
from transferhub.strategy.strategy import Strategy, count, not_negative, positive, proportion

SCHEDULERS: dict[str, Callable[[int, float], schedules.Schedule]] = {
    "linear_decay": schedules.linear,
    "noam_decay": schedules.noam,
    "cosine": schedules.cosine,
    "constant": schedules.constant,
}


class AdamWeightDecayStrategy(Strategy):
    """Adam with decoupled weight decay, warm-up and decay of the rate, gradients clipped at global norm 1.

    Biases and the parameters of normalisation layers are not decayed.

    Args:
        learning_rate: The peak rate.
        lr_scheduler: After the warm-up: ``linear_decay`` (to 0 at the last step), ``noam_decay``, ``cosine`` (to 0) or
            ``constant``.
        warmup_proportion: The part of all steps in which the rate rises from 0; 0: none.
        weight_decay: Each step takes ``rate * weight_decay`` of a weight away.
        optimizer_name: ``adam``, or another of `optimizers.OPTIMIZERS`.
        layerwise_decay: The uppermost pretrained block has this part of the rate, the one below it this part of that,
            and so on (Clark et al. 2020, ELECTRA).
        head_multiple: New layers have so many times the rate.
        freeze: So many of the lowest blocks never move; the embeddings are the first.
        head_first: The part of all steps in which only the new layers move (Kumar et al. 2022, LP-FT).

    Raises:
        ConfigError: An argument out of range, or an unknown name.
    """

    def __init__(
        self,
        learning_rate: float = 1e-4,
        lr_scheduler: str = "linear_decay",
        warmup_proportion: float = 0.1,
        weight_decay: float = 0.01,
        optimizer_name: str = "adam",
        *,
        layerwise_decay: float = 1.0,
        head_multiple: float = 1.0,
        freeze: int = 0,
        head_first: float = 0.0,
    ) -> None:
        self.learning_rate = positive("learning_rate", learning_rate)
        self.lr_scheduler = str(lr_scheduler)
        if self.lr_scheduler not in SCHEDULERS:
            raise ConfigError(
                f"lr_scheduler={lr_scheduler!r}",
                expected=f"one of {', '.join(SCHEDULERS)}",
                fix=did_you_mean(self.lr_scheduler, SCHEDULERS) or None,
            )
        self.warmup_proportion = proportion("warmup_proportion", warmup_proportion)
        self.weight_decay = not_negative("weight_decay", weight_decay)
        self.optimizer_name = known(optimizer_name)
        self.layerwise_decay = positive("layerwise_decay", layerwise_decay)
        self.head_multiple = positive("head_multiple", head_multiple)
        self.freeze = count("freeze", freeze)
        self.head_first = proportion("head_first", head_first)

    def plan(self, parameters: Sequence[Parameter], steps: Steps) -> Plan:
        """Weights with decay; biases and normalisation without; by depth where depths differ in rate."""
        place_of = places(parameter for parameter in parameters if parameter.role == "backbone")
        if self.freeze > len(place_of):
            raise ConfigError(f"freeze={self.freeze}", expected=f"at most {len(place_of)}: the network's blocks")
        waits = int(steps.total * self.head_first)

        def traits(parameter: Parameter) -> Traits:
            decay = self.weight_decay if decays(parameter) else 0.0
            kind = "weights" if decays(parameter) else "biases, norms"
            if parameter.role == "head":
                alone = self.head_multiple != 1 or self.layerwise_decay != 1 or waits
                return Traits(f"head {kind}" if alone else kind, self.head_multiple, decay)
            lowest = len(place_of) - place_of.get(parameter.depth, 0) <= self.freeze
            multiplier = self.layerwise_decay ** (place_of.get(parameter.depth, 0) + 1)
            name = f"depth {parameter.depth} {kind}" if multiplier != 1 else kind
            return Traits(name, multiplier, decay, starts=NEVER if lowest else waits)

        return self.composed(parameters, steps, traits)

    def composed(self, parameters: Sequence[Parameter], steps: Steps, traits: Callable[[Parameter], Traits]) -> Plan:
        """A Plan of these traits at this strategy's rates, with its optimiser and its clipping."""
        schedule = SCHEDULERS[self.lr_scheduler](steps.total, self.warmup_proportion)
        optimizer = "adamw" if self.optimizer_name == "adam" else self.optimizer_name
        return compose(self, optimizer, parameters, steps, self.learning_rate, schedule, traits, clip_norm=1.0)
