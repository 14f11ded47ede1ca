"""Variables, nodes and programs: a network as named outputs, before any weight exists."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

from torch import nn

from transferhub.graph.depth import depths_by_order


class Source(ABC):
    """Where a node's weights come from; two nodes with the same source share them."""

    role: ClassVar[str] = "head"
    """``backbone`` for pretrained parts, ``head`` for new ones; strategies look at it."""
    trainable: bool = True

    @abstractmethod
    def build(self, seed: int) -> nn.Module:
        """Make the module: pretrained weights read from disk, new ones drawn from the seed alone."""

    def depths(self, module: nn.Module) -> dict[str, int]:
        """Depth of each parameter inside this module, 0 nearest to its output. Default: `depths_by_order`."""
        return depths_by_order(module)

    def new_parameters(self, module: nn.Module) -> frozenset[str]:
        """Names of what was not pretrained inside a pretrained part: strategies treat it as a head's."""
        return frozenset()

    def settle(self, part: nn.Module, others: Iterable[nn.Module]) -> None:  # noqa: B027  most have nothing to say
        """Called when all parts of a network are built: let go of what no part needs."""

    def __deepcopy__(self, memo: object) -> Source:
        """A source only describes where weights come from: copies of a network share it."""
        return self


@dataclass(eq=False)
class Node:
    """A module applied to Variables. ``inputs`` maps the arguments of its ``forward`` to Variables."""

    source: Source
    inputs: dict[str, Variable]


@dataclass(eq=False)
class Program:
    """The Variables that one ``context()`` call made, by name."""

    variables: dict[str, Variable] = field(default_factory=dict)

    def add(self, variable: Variable) -> Variable:
        """Register a Variable under its name."""
        self.variables[variable.name] = variable
        variable.block = self
        return variable

    @property
    def program(self) -> Program:
        """The program itself: 1.x scripts write ``variable.block.program``."""
        return self


@dataclass(eq=False)
class Variable:
    """A named tensor that a network takes in or gives out.

    Args:
        name: Unique in its program.
        shape: -1 where the size is only known with the data: ``(-1, 128, 1)``.
        dtype: ``int64``, ``float32`` …
        node: What computes it; None for an input.
        output: Its key among the outputs of the node's module.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    node: Node | None = None
    output: str = ""
    block: Program | None = None


def walk_back(features: Iterable[Variable]) -> list[Node]:
    """The nodes that `features` need, each after those it depends on."""
    ordered: list[Node] = []

    def visit(variable: Variable) -> None:
        node = variable.node
        if node is None or node in ordered:
            return
        for given in node.inputs.values():
            visit(given)
        ordered.append(node)

    for feature in features:
        visit(feature)
    return ordered
