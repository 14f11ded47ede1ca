"""Parameters with their traits → the groups of a Plan; the one place where groups are made."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from transferhub.errors import ConfigError
from transferhub.graph import Parameter
from transferhub.log import logger
from transferhub.strategy.plan import Group, Plan, Steps
from transferhub.strategy.schedules import Schedule
from transferhub.strategy.strategy import Strategy

NEVER = 1 << 62


class Traits(NamedTuple):
    """What a strategy decides for one parameter; parameters with equal traits are one group.

    Args:
        name: Of the group, for people.
        multiplier: Of the strategy's rate.
        weight_decay: As in `Group`.
        l2: As in `Group`.
        pull: As in `Group`.
        starts: As in `Group`; from `NEVER` on it is frozen.
    """

    name: str = "all"
    multiplier: float = 1.0
    weight_decay: float = 0.0
    l2: float = 0.0
    pull: float = 0.0
    starts: int = 0


def compose(
    strategy: Strategy,
    optimizer: str,
    parameters: Sequence[Parameter],
    steps: Steps,
    peak: float,
    schedule: Schedule,
    traits: Callable[[Parameter], Traits] = lambda parameter: Traits(),
    clip_norm: float | None = None,
    clip_each_norm: float | None = None,
) -> Plan:
    """A Plan in which each parameter moves at ``peak * multiplier * lr_scale * schedule(step)``.

    The multiplier is the strategy's, the scale the layer's own; groups of layers with one are named after it.

    Parameters that are not trainable, or would only start after the last step, are frozen.
    """
    members: dict[Traits, list[Parameter]] = {}
    frozen = []
    for parameter in parameters:
        decided = traits(parameter)
        if not parameter.trainable or decided.starts >= steps.total:
            frozen.append((parameter.name, decided.starts))
        else:
            members.setdefault(_scaled(decided, parameter.lr_scale), []).append(parameter)
    late = [name for name, start in frozen if steps.total <= start < NEVER]
    if late:
        logger.warning(
            "%d of %d tensors would only start to move after the last step (%d) and stay frozen: more epochs, or fewer "
            "blocks to unfreeze",
            len(late),
            len(parameters),
            steps.total,
        )
    ordered = sorted(members.items(), key=lambda item: min(parameter.depth for parameter in item[1]))
    groups = tuple(_group(decided, moving, peak, schedule) for decided, moving in ordered)
    still = tuple(name for name, _ in frozen)
    plan = Plan(str(strategy), optimizer, groups, still, steps.total, clip_norm, clip_each_norm)
    plan.check([parameter.name for parameter in parameters])
    return plan


def _scaled(traits: Traits, scale: float) -> Traits:
    if scale == 1.0:
        return traits
    return traits._replace(name=f"{traits.name} x{scale:g}", multiplier=traits.multiplier * scale)


def _group(traits: Traits, moving: Sequence[Parameter], peak: float, schedule: Schedule) -> Group:
    depths = [parameter.depth for parameter in moving]
    highest = peak * traits.multiplier
    return Group(
        traits.name,
        tuple(parameter.name for parameter in moving),
        sum(parameter.size for parameter in moving),
        (min(depths), max(depths)),
        lambda step: highest * schedule(step),
        highest,
        traits.weight_decay,
        traits.l2,
        traits.pull,
        traits.starts,
    )


def decays(parameter: Parameter) -> bool:
    """Whether weight decay is for a parameter: not for biases and the parameters of normalisation layers."""
    parts = parameter.name.lower().split(".")
    norm = any("norm" in part or part == "ln" for part in parts)
    return parameter.dims > 1 and not norm and parts[-1] != "bias"


def places(parameters: Iterable[Parameter]) -> dict[int, int]:
    """Depth → its place among the depths that can move, 0 nearest to the output."""
    found = sorted({parameter.depth for parameter in parameters if parameter.trainable})
    return {depth: place for place, depth in enumerate(found)}


def block(place: int, count: int, blocks: int) -> int:
    """Which of `blocks` equal blocks a place among `count` belongs to, 0 nearest to the output.

    All blocks have ``ceil(count / blocks)`` depths, but for the last (1.x gave the first one too many).
    """
    return place // math.ceil(count / blocks)


def unfreezing_epoch(place: int, count: int, blocks: int) -> int:
    """The epoch (from 0) in which a place among `count` starts to move, if a block more does in each epoch.

    By the end of epoch ``blocks - 1`` all move: in epoch e (from 1) the first ``count * e // blocks`` do, as in 1.x.
    """
    blocks = min(blocks, count)
    return math.ceil((place + 1) * blocks / count) - 1


def check_layers(name: str, layers: Mapping[str, int] | None, parameters: Iterable[Parameter]) -> None:
    """Refuse a ``params_layer`` that names no parameter of the network."""
    if layers and all(layer_of(parameter.name, layers) is None for parameter in parameters):
        raise ConfigError(
            f"{name} names no parameter of the network: {', '.join(list(layers)[:3])}",
            expected="names such as module.get_params_layer() gives",
        )


def layer_of(name: str, layers: Mapping[str, int]) -> int | None:
    """The layer that 1.x's ``params_layer`` gives a parameter, whose name may have more in front; None: not in it."""
    while name not in layers:
        _, dot, name = name.partition(".")
        if not dot:
            return None
    return layers[name]
