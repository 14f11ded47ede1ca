"""The Plan: what a strategy decided, as plain data one can read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from transferhub.errors import ConfigError


@dataclass(frozen=True)
class Steps:
    """How long a run is.

    Args:
        total: Optimiser steps of the whole run.
        in_epoch: Steps in one pass over the training rows.
    """

    total: int
    in_epoch: int


@dataclass(frozen=True)
class Group:
    """Parameters that move alike.

    Args:
        name: For people.
        parameters: Their names in the network.
        size: How many numbers they hold together.
        depths: The lowest and the highest distance from the output.
        rate: Step (from 0) → learning rate.
        peak: The highest rate.
        weight_decay: Decoupled decay: each step takes ``rate * weight_decay`` of a value away (Loshchilov and Hutter
            2019, AdamW).
        l2: ``l2 * p`` is added to each gradient, after clipping.
        pull: ``pull * (p - p0)`` is added to each gradient, after clipping; p0 is the value before the first step.
        starts: The step from which the group moves; before it, its parameters are frozen: no gradient, and what is
            frozen whole is in eval mode.
    """

    name: str
    parameters: tuple[str, ...]
    size: int
    depths: tuple[int, int]
    rate: Callable[[int], float]
    peak: float
    weight_decay: float = 0.0
    l2: float = 0.0
    pull: float = 0.0
    starts: int = 0


@dataclass(frozen=True)
class Plan:
    """Which parameters move, how fast at each step, and what pulls them back.

    Args:
        strategy: The strategy's description of itself.
        optimizer: One of `optimizers.OPTIMIZERS`.
        groups: Disjoint; together with `frozen` they are all parameters.
        frozen: Names of parameters that never move.
        total_steps: For which the rates were made.
        clip_norm: Norm of all gradients together above which they are scaled down; None: never.
        clip_each_norm: Likewise for each parameter's gradient by itself.
    """

    strategy: str
    optimizer: str
    groups: tuple[Group, ...]
    frozen: tuple[str, ...]
    total_steps: int
    clip_norm: float | None = None
    clip_each_norm: float | None = None

    def check(self, names: list[str]) -> None:
        """Raise `ConfigError` unless every name is in one group or frozen, once."""
        planned = [name for group in self.groups for name in group.parameters] + list(self.frozen)
        if sorted(planned) != sorted(names):
            twice = {name for name in planned if planned.count(name) > 1}
            raise ConfigError(
                f"the plan of {self.strategy} is not complete and disjoint: "
                f"missing {sorted(set(names) - set(planned))[:5]}, twice {sorted(twice)[:5]}"
            )

    def moving(self, step: int) -> tuple[bool, ...]:
        """Which groups move at a step."""
        return tuple(step >= group.starts for group in self.groups)

    def __str__(self) -> str:
        head = f"{self.strategy}: {self.optimizer}, {self.total_steps} steps"
        head += f", gradients clipped at norm {self.clip_norm:g}" if self.clip_norm else ""
        head += f", each parameter's gradient clipped at norm {self.clip_each_norm:g}" if self.clip_each_norm else ""
        columns = ["group", "tensors", "numbers", "depth", "peak rate", "decay", "l2", "pull", "from step"]
        rows = [columns]
        for group in self.groups:
            rows.append(
                [
                    group.name,
                    str(len(group.parameters)),
                    f"{group.size:,}",
                    "-".join(str(depth) for depth in dict.fromkeys(group.depths)),
                    f"{group.peak:.3g}",
                    *(f"{value:g}" for value in (group.weight_decay, group.l2, group.pull)),
                    str(group.starts),
                ]
            )
        if self.frozen:
            rows.append(["frozen", str(len(self.frozen)), "", "", "0", "", "", "", "never"])
        # What no group has is not shown.
        shown = [
            place
            for place, column in enumerate(columns)
            if column not in ("l2", "pull") or any(row[place] not in ("0", "") for row in rows[1:])
        ]
        widths = {place: max(len(row[place]) for row in rows) for place in shown}
        lines = ["  ".join(row[place].ljust(widths[place]) for place in shown).rstrip() for row in rows]
        return "\n".join([head, *lines])
