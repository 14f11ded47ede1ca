"""The Plan: what a strategy decided, as plain data one can read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from transferhub.errors import ConfigError


@dataclass(frozen=True)
class Group:
    """Parameters that move alike.

    Args:
        name: For people.
        parameters: Their names in the network.
        size: How many numbers they hold together.
        depths: The lowest and the highest distance from the output.
        rate: Step (from 0) → learning rate. 0 at a step means that the group rests.
        peak: The highest rate.
        weight_decay: Decoupled decay (AdamW) or L2 coefficient, by the plan's optimiser.
    """

    name: str
    parameters: tuple[str, ...]
    size: int
    depths: tuple[int, int]
    rate: Callable[[int], float]
    peak: float
    weight_decay: float


@dataclass(frozen=True)
class Plan:
    """Which parameters move, how fast at each step, and what pulls them back.

    Args:
        strategy: The strategy's description of itself.
        optimizer: One of `optimizers.OPTIMIZERS`.
        groups: Disjoint; together with `frozen` they are all parameters.
        frozen: Names of parameters that do not move.
        total_steps: For which the rates were made.
        clip_norm: Global gradient norm above which gradients are scaled down; None: never.
    """

    strategy: str
    optimizer: str
    groups: tuple[Group, ...]
    frozen: tuple[str, ...]
    total_steps: int
    clip_norm: float | None = None

    def check(self, names: list[str]) -> None:
        """Raise `ConfigError` unless every name is in one group or frozen, once."""
        planned = [name for group in self.groups for name in group.parameters] + list(self.frozen)
        if sorted(planned) != sorted(names):
            twice = {name for name in planned if planned.count(name) > 1}
            raise ConfigError(
                f"the plan of {self.strategy} is not complete and disjoint: "
                f"missing {sorted(set(names) - set(planned))[:5]}, twice {sorted(twice)[:5]}"
            )

    def __str__(self) -> str:
        head = f"{self.strategy}: {self.optimizer}, {self.total_steps} steps"
        head += f", gradients clipped at norm {self.clip_norm:g}" if self.clip_norm else ""
        rows = [("group", "tensors", "numbers", "depth", "peak rate", "decay", "from step")]
        for group in self.groups:
            first = next((step for step in range(self.total_steps) if group.rate(step) > 0), 0)
            depth = "-".join(str(depth) for depth in dict.fromkeys(group.depths))
            rows.append(
                (
                    group.name,
                    str(len(group.parameters)),
                    f"{group.size:,}",
                    depth,
                    f"{group.peak:.3g}",
                    f"{group.weight_decay:g}",
                    str(first),
                )
            )
        if self.frozen:
            rows.append(("frozen", str(len(self.frozen)), "", "", "0", "", "never"))
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([head, *lines])
