"""A stack of blocks cut in two: what its lowest blocks give, and the rest of the network on top of that.

Nothing is known of an architecture. Where its blocks are, what they give and which parameters that depends on is seen
on a trial; whoever cuts compares with the whole network before relying on it.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from transferhub.graph.forms import Form


@dataclass(frozen=True)
class Stack:
    """The blocks of a network, each read by the next.

    Args:
        path: Name of their ``nn.ModuleList`` in the network.
        reads: Of each block, from the lowest: names of the network's parameters on which what it gives depends.
        items: How many things a block gives, the hidden states first; 0: these alone, not in a tuple.
        length_first: Whether the hidden states are ``[L, B, H]``; else ``[B, L, H]``.
    """

    path: str
    reads: tuple[frozenset[str], ...]
    items: int
    length_first: bool


@dataclass(frozen=True)
class Below:
    """What the lowest blocks of a stack gave.

    Args:
        hidden: ``[B, L, H]``.
        blocks: How many they are.
        stack: Theirs.
    """

    hidden: Tensor
    blocks: int
    stack: Stack

    @property
    def form(self) -> Form:
        """How it is kept: the hidden states of all tokens."""
        return Form(
            "hidden states", lambda value: value.hidden, lambda kept, arguments: Below(kept, self.blocks, self.stack)
        )


@runtime_checkable
class HasStack(Protocol):
    """A module that can be cut; its ``forward`` takes ``below``, a `Below`, in place of what computes that."""

    def stack(self) -> Stack | None:
        """Its blocks; None: it cannot be cut."""

    def lowest(self, blocks: int, **arguments: Tensor) -> Below:
        """What so many of its lowest blocks give for the arguments of ``forward``."""


def find(network: nn.Module, run: Callable[[], Any], shape: tuple[int, int]) -> Stack | None:
    """The blocks of a network: the largest list of modules of one class that run one after another, once each.

    Args:
        network: In any mode; it is left as it was.
        run: Runs it on a few rows.
        shape: Of these: rows and tokens, two different numbers.

    Returns:
        None: there is no such list, or what its modules give is not ``[B, L, H]``.
    """
    lists = [
        (name, module)
        for name, module in network.named_modules()
        if isinstance(module, nn.ModuleList) and len({type(block) for block in module}) == 1
    ]
    if not lists:
        return None
    path, blocks = max(lists, key=lambda item: sum(parameter.numel() for parameter in item[1].parameters()))
    seen: list[tuple[int, Any]] = []
    with contextlib.ExitStack() as hooks, _open_to_gradients(network):
        for place, block in enumerate(blocks):
            hooks.enter_context(
                block.register_forward_hook(lambda _, __, given, place=place: seen.append((place, given)))
            )
        try:
            run()
        except Exception:  # a network that needs more than it is given here is not cut
            return None
    given = [_first(each) for _, each in seen]
    if [place for place, _ in seen] != list(range(len(blocks))) or not all(isinstance(each, Tensor) for each in given):
        return None
    shapes, items = {tuple(each.shape[:2]) for each in given}, {_items(each) for _, each in seen}
    if len(items) != 1 or shapes not in ({shape}, {shape[::-1]}) or any(each.dim() != 3 for each in given):
        return None
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    reads: list[frozenset[str]] = []
    for place, (block, hidden) in enumerate(zip(blocks, given, strict=True)):
        own = {f"{path}.{place}.{name}" for name, _ in block.named_parameters()}
        reads.append(frozenset().union(own, _read_by(hidden, names), *reads[-1:]))
    return Stack(path, tuple(reads), items.pop(), shapes == {shape[::-1]})


def lowest(network: nn.Module, stack: Stack, blocks: int, run: Callable[[], Any]) -> Below:
    """What the lowest `blocks` of a network give while `run` runs it; the others compute nothing."""
    layers, given = list(network.get_submodule(stack.path).children()), []
    hook = layers[blocks - 1].register_forward_hook(lambda _, __, output: given.append(output))
    with hook, _answering(layers[blocks:], lambda: given[0]):
        run()
    return Below(_turned(_first(given[0]), stack), blocks, stack)


@contextlib.contextmanager
def resting_on(network: nn.Module, below: Below) -> Iterator[None]:
    """While it lasts, the network's lowest blocks compute nothing and give what `below` holds."""
    stack, hidden = below.stack, _turned(below.hidden, below.stack)
    answer = (hidden, *[None] * (stack.items - 1)) if stack.items else hidden
    layers = list(network.get_submodule(stack.path).children())
    with _answering(layers[: below.blocks], lambda: answer):
        yield


@contextlib.contextmanager
def _answering(blocks: Iterable[nn.Module], answer: Callable[[], Any]) -> Iterator[None]:
    """Blocks keep their class and attributes, which the network may look at; their ``forward`` gives the answer."""
    changed = list(blocks)
    for block in changed:
        block.forward = lambda *_, **__: answer()
    try:
        yield
    finally:
        for block in changed:
            del block.forward


@contextlib.contextmanager
def _open_to_gradients(network: nn.Module) -> Iterator[None]:
    """Eval mode, and a graph of all that is computed; afterwards modes and parameters are as they were."""
    modes = [(module, module.training) for module in network.modules()]
    moving = [(parameter, parameter.requires_grad) for parameter in network.parameters()]
    try:
        network.eval()
        for parameter, _ in moving:
            parameter.requires_grad_(parameter.is_floating_point())
        with torch.enable_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode
        for parameter, moves in moving:
            parameter.requires_grad_(moves)


def _read_by(value: Tensor, names: dict[int, str]) -> set[str]:
    """Names of the parameters that a value was computed from, by torch's own record of it."""
    found, seen, waiting = set(), set(), [value.grad_fn]
    while waiting:
        node: Any = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if (parameter := getattr(node, "variable", None)) is not None and id(parameter) in names:
            found.add(names[id(parameter)])
        waiting += [before for before, _ in node.next_functions]
    return found


def _first(given: Any) -> Any:
    return given[0] if isinstance(given, tuple) and given else given


def _items(given: Any) -> int:
    return len(given) if isinstance(given, tuple) else 0


def _turned(hidden: Tensor, stack: Stack) -> Tensor:
    return hidden.transpose(0, 1) if stack.length_first else hidden
