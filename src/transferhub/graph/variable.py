"""Variables, nodes and programs: a network as named outputs, before any weight exists."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import nn

from transferhub.errors import ConfigError
from transferhub.graph.depth import depths_by_order

MASK = "input_mask"


class Source(ABC):
    """Where a node's weights come from; two nodes with the same source share them."""

    role: ClassVar[str] = "head"
    """``backbone`` for pretrained parts, ``head`` for new ones; strategies look at it."""
    trainable: bool = True
    lr_scale: float = 1.0
    """How many times the strategy's rate its parameters move at."""

    @abstractmethod
    def build(self, seed: int) -> nn.Module:
        """Make the module: pretrained weights read from disk, new ones drawn from the seed alone."""

    def depths(self, module: nn.Module) -> dict[str, int]:
        """Depth of each parameter inside this module, 0 nearest to its output. Default: `depths_by_order`."""
        return depths_by_order(module)

    def new_parameters(self, module: nn.Module) -> frozenset[str]:
        """Names of what was not pretrained inside a pretrained part: strategies treat it as a head's."""
        return frozenset()

    def moves(self, name: str) -> bool:
        """Whether a strategy may move this parameter of the module."""
        return self.trainable

    def settle(self, part: nn.Module, others: Iterable[nn.Module]) -> None:  # noqa: B027  most have nothing to say
        """Called when all parts of a network are built: let go of what no part needs."""

    def description(self) -> dict[str, Any] | None:
        """``{"kind": …, "arguments": …}`` as JSON where a saved network is rebuilt from them; None: by its module."""
        return None

    def __deepcopy__(self, memo: object) -> Source:
        """A source only describes where weights come from: copies of a network share it."""
        return self


@dataclass(eq=False)
class Node:
    """A module applied to Variables.

    Args:
        source: Where its weights come from.
        inputs: The arguments of its ``forward`` → Variables. One called ``input_mask`` is the mask of its sequences.
        fixed_length: Whether its output depends on how far rows are padded, so that a reader has to pad all of them
            to ``max_seq_len``.
    """

    source: Source
    inputs: dict[str, Variable]
    fixed_length: bool = False


@dataclass(eq=False)
class Program:
    """The Variables that one ``context()`` call made and the layers on top of them, by name.

    Args:
        variables: By name.
        shared: Sources of weights that more than one layer may use, by the name they were given.
    """

    variables: dict[str, Variable] = field(default_factory=dict)
    shared: dict[str, Source] = field(default_factory=dict)

    def add(self, variable: Variable) -> Variable:
        """Register a Variable under its name.

        Raises:
            ConfigError: The program has another one of this name.
        """
        if self.variables.get(variable.name, variable) is not variable:
            raise ConfigError(f"two Variables of one program are called {variable.name!r}", fix="another name=")
        self.variables[variable.name] = variable
        variable.block = self
        return variable

    def unique(self, stem: str) -> str:
        """``stem_0``, or with the first number that is free."""
        number = 0
        while f"{stem}_{number}" in self.variables:
            number += 1
        return f"{stem}_{number}"

    def __repr__(self) -> str:
        return f"<{self}, {len(self.variables)} Variables>"

    def __str__(self) -> str:
        names = [name for name, variable in self.variables.items() if variable.node is None]
        return "the program of " + (", ".join(names[:4]) or "no inputs") + (", …" if len(names) > 4 else "")

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
        block: The program it belongs to.
        mask: Of a sequence ``[B, L, width]``: the input ``[B, L]``, 1 for tokens and 0 for padding. None: the Variable
            that its node reads as ``input_mask``, if there is one.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    node: Node | None = None
    output: str = ""
    block: Program | None = None
    mask: Variable | None = None

    def __post_init__(self) -> None:
        if self.mask is None and self.node is not None and len(self.shape) > 2:
            self.mask = self.node.inputs.get(MASK)

    def __str__(self) -> str:
        return f"{self.name} {list(self.shape)} {self.dtype}"

    def __repr__(self) -> str:  # not the whole graph behind it
        return f"<Variable {self}>"

    @property
    def is_ids(self) -> bool:
        """Whether it is an input of token or word numbers, ``[B, L]`` or, as 1.x declared them, ``[B, L, 1]``."""
        rank = len(self.shape)
        return self.dtype == "int64" and (rank == 2 or (rank == 3 and self.shape[-1] == 1))

    @property
    def is_sequence(self) -> bool:
        """Whether it has one number or vector a token."""
        return self.is_ids or len(self.shape) == 3

    @property
    def length(self) -> int:
        """Tokens of a sequence, at most; -1: not known (1.x declared ``[-1, 1]`` for such ids)."""
        return -1 if self.shape[1:] == (1,) else self.shape[1]


def mask_of(variable: Variable) -> Variable | None:
    """The mask of a sequence; for ids without one, the program's ``input_mask`` (``input_mask_2`` for ``text_2``)."""
    if variable.mask is not None or not variable.is_sequence:
        return variable.mask
    if variable.node is not None:
        found = [mask for given in variable.node.inputs.values() if (mask := mask_of(given)) is not None]
        return found[0] if found else None
    if not variable.is_ids:
        return None
    stem, _, slot = variable.name.rpartition("_")
    name = f"{MASK}_{slot}" if stem and slot.isdigit() else MASK
    program = variable.block
    if program is not None and name in program.variables:
        variable.mask = program.variables[name]
    else:
        variable.mask = Variable(name, (-1, variable.length, 1), "float32")
        if program is not None:
            program.add(variable.mask)
    return variable.mask


def needs_fixed_length(outputs: Iterable[Variable]) -> bool:
    """Whether a reader has to pad every row to ``max_seq_len`` for the network of `outputs`."""
    return any(node.fixed_length for node in walk_back(outputs))


def walk_back(features: Iterable[Variable], given: Collection[Variable] = ()) -> list[Node]:
    """The nodes that `features` need, each after those it depends on; the Variables `given` need none."""
    ordered: list[Node] = []

    def visit(variable: Variable) -> None:
        node = variable.node
        if node is None or node in ordered or variable in given:
            return
        for needed in node.inputs.values():
            visit(needed)
        ordered.append(node)

    for feature in features:
        visit(feature)
    return ordered
