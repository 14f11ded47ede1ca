"""How many of an encoder's lowest blocks stay as they are, and for how long: when they are computed once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from transferhub.graph import Network
from transferhub.log import logger
from transferhub.strategy import Plan
from transferhub.strategy.compose import NEVER


@dataclass(frozen=True)
class Stretch:
    """Steps in which the same number of lowest blocks is kept.

    Args:
        start: The first step.
        end: The step after the last.
        blocks: How many.
    """

    start: int
    end: int
    blocks: int


def blocks_frozen_until(network: Network, plan: Plan, place: int) -> list[int]:
    """Of each block of a part, from the lowest: the first step at which something moves that its output depends on.

    Empty where the part cannot be cut; it is only tried where some of it stays frozen.
    """
    starts = {name: group.starts for group in plan.groups for name in group.parameters}
    prefix = f"parts.{place}."
    own = {name: starts.get(prefix + name, NEVER) for name, _ in network.parts[place].named_parameters()}
    if not any(own.values()):
        return []
    stack = network.stack_of(place)
    if stack is None:
        return []
    until = [min(own[name] for name in reads) for reads in stack.reads]
    lowest = [name for name in own if name.startswith(f"{stack.path}.0.")]
    early = [name for name in stack.reads[0] if own[name] == until[0] and name not in lowest]
    if early and until[0] < min(own[name] for name in lowest):
        logger.info("Lower blocks move with what they read: %s", ", ".join(sorted(early)[:3]))
    return until


def stretches(until: Sequence[int], first: int, total: int, least: int) -> list[Stretch]:
    """When how many blocks are kept.

    What is computed for one epoch alone saves nothing, and each further number of blocks is computed from the ids. So
    at each step where one may begin, it is the number that saves the most runs of a block: blocks times the steps for
    which they stay still beyond `least`. Where blocks thaw one after another, that is a lower number for longer.

    Args:
        until: As `blocks_frozen_until` gives.
        first: The step from which it is worth a thought: before it the whole part is settled.
        total: Steps of the run.
        least: Blocks are kept for more steps than these: of an epoch; 0: however short.
    """
    found: list[Stretch] = []
    step = first
    while step < total:
        worth = [(count * (min(end, total) - step - least), count) for count, end in enumerate(until, 1)]
        worth = [each for each, end in zip(worth, until, strict=True) if end - step > least]
        if worth:
            blocks = max(worth)[1]
            end = min(until[blocks - 1], total)
            found.append(Stretch(step, end, blocks))
        else:
            end = min((end for end in until if end > step), default=total)
        step = end
    return found


def at(step: int, by_place: Mapping[int, Iterable[Stretch]]) -> dict[int, int]:
    """Place of a part → how many of its lowest blocks are kept at a step."""
    return {place: each.blocks for place, found in by_place.items() for each in found if each.start <= step < each.end}
