"""One plain ``nn.Module`` from the Variables that are asked for."""

import re
from collections.abc import Collection, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from transferhub.graph.stack import HasStack, Stack
from transferhub.graph.variable import Source, Variable, walk_back

BELOW = "below"  # the argument that a part which can be cut takes
CUT = re.compile(r"parts\.(\d+) below block (\d+)")  # names of what its lowest blocks give


@dataclass(frozen=True)
class Parameter:
    """What a strategy may know of a parameter.

    Args:
        name: Its name in the network.
        size: How many numbers it holds.
        role: ``backbone`` (pretrained) or ``head`` (new).
        depth: Distance from the output: 0 is the head, 1 the layer below it, and so on.
        trainable: False where ``context(trainable=False)`` froze it.
        dims: Of its shape; biases and the parameters of normalisation layers have one.
        lr_scale: How many times the strategy's rate it moves at.
    """

    name: str
    size: int
    role: str
    depth: int
    trainable: bool
    dims: int = 2
    lr_scale: float = 1.0


@dataclass(frozen=True)
class Settled:
    """A Variable at which a network can be cut, because nothing below it moves; or what a part's lowest blocks give.

    Args:
        name: The Variable's.
        place: Of the part that computes it, in ``Network.parts``.
        output: Its key among the part's outputs.
        arguments: The part's arguments → names of Variables.
        reads: Names of those of the part's parameters that it depends on; None: all.
    """

    name: str
    place: int
    output: str
    arguments: Mapping[str, str]
    reads: frozenset[str] | None = None


class Network(nn.Module):
    """Runs the nodes that `outputs` need, in order, and nothing else.

    ``forward`` takes a dictionary input name → Tensor and returns a dictionary output name → Tensor. Inputs that are
    not given are left to the node that would take them (a transformer makes its own positions). Where the value of a
    Variable further up is given too, what would compute it does not run.

    Args:
        outputs: The Variables to compute.
        seed: Of the weights that are not read from disk.
        built: Modules by source, used in place of new ones; those that are new are added. None: all are new.
        given: Variables that are always given, so that nothing below them is built.
    """

    def __init__(
        self,
        outputs: Sequence[Variable],
        seed: int = 0,
        built: MutableMapping[Source, nn.Module] | None = None,
        given: Collection[Variable] = (),
    ) -> None:
        super().__init__()
        self._outputs = [variable.name for variable in outputs]
        self._plan: list[tuple[int, dict[str, str], dict[str, str]]] = []
        self.sources: list[Source] = []
        self.parts = nn.ModuleList()
        nodes = walk_back(outputs, given)
        built = {} if built is None else built
        for node in nodes:
            if node.source not in self.sources:
                self.sources.append(node.source)
                if node.source not in built:
                    built[node.source] = node.source.build(seed)
                self.parts.append(built[node.source])
        produced: dict[int, dict[str, str]] = {id(node): {} for node in nodes}
        for variable in [*outputs, *(each for node in nodes for each in node.inputs.values())]:
            if variable.node in nodes and variable not in given:
                produced[id(variable.node)][variable.output] = variable.name
        for node in nodes:
            feeds = {argument: given.name for argument, given in node.inputs.items()}
            self._plan.append((self.sources.index(node.source), feeds, produced[id(node)]))
        for source, part in zip(self.sources, self.parts, strict=True):
            source.settle(part, self.parts)
            if not source.trainable:
                part.requires_grad_(False)

    def forward(self, feeds: dict[str, Tensor]) -> dict[str, Tensor]:
        """Compute the outputs from the inputs, both by name."""
        return self.compute(feeds, self._outputs)

    def compute(self, feeds: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
        """Compute the Variables `names`; `feeds` are values of inputs and of any other Variables.

        What a part's lowest blocks give is asked for and given by the name that `split` says.
        """
        values, names = dict(feeds), list(names)
        for place, arguments, produced in self._needed(names, values):
            given = {argument: values[name] for argument, name in arguments.items() if name in values}
            part: Any = self.parts[place]
            made = {BELOW: part.lowest(_cut(produced[BELOW])[1], **given)} if BELOW in produced else part(**given)
            values.update({name: made[output] for output, name in produced.items() if name not in values})
        return {name: values[name] for name in names}

    def _needed(self, names: Iterable[str], given: Collection[str]) -> list[tuple[int, dict[str, str], dict[str, str]]]:
        """What has to run for the Variables `names`, in order."""
        wanted, needed = {name for name in names if name not in given}, []
        cuts = {_cut(name)[0]: name for name in wanted if CUT.fullmatch(name)}
        resting = {_cut(name)[0]: name for name in given if CUT.fullmatch(name)}
        for place, arguments, produced in reversed(self._plan):
            ways = [(arguments, {BELOW: cuts[place]})] if place in cuts else []
            if wanted.intersection(produced.values()):
                ways.append((arguments | ({BELOW: resting[place]} if place in resting else {}), produced))
            for reads, makes in ways:
                needed.append((place, reads, makes))
                wanted.update(name for name in reads.values() if name not in given)
        return needed[::-1]

    def places_of(self, names: Iterable[str]) -> set[int]:
        """Places of the parts that have to run for the Variables `names`."""
        return {place for place, _, _ in self._needed(names, ())}

    def split(self, still: Collection[int], blocks: Mapping[int, int] | None = None) -> list[Settled]:
        """The Variables that are computed from inputs by parts in `still` alone, and read by others or given out.

        Args:
            still: Places of parts that do not move.
            blocks: Places of other parts, that `stack_of` knows → how many of their lowest blocks do not move.
        """
        settled: dict[str, Settled] = {}
        produced_by_any = {name for _, _, produced in self._plan for name in produced.values()}
        read, blocks = set(self._outputs), blocks or {}
        for place, arguments, produced in self._plan:
            on_inputs = all(name in settled or name not in produced_by_any for name in arguments.values())
            if place in still and on_inputs:
                settled.update({name: Settled(name, place, key, arguments) for key, name in produced.items()})
                continue
            read.update(arguments.values())
            stack = self.stack_of(place) if place in blocks and on_inputs else None
            if stack is not None:
                name = f"parts.{place} below block {blocks[place]}"
                settled[name] = Settled(name, place, BELOW, arguments, stack.reads[blocks[place] - 1])
                read.add(name)
        return [each for name, each in settled.items() if name in read]

    def stack_of(self, place: int) -> Stack | None:
        """The blocks of a part that can be cut between them; None: it cannot, or several texts go through it."""
        part = self.parts[place]
        once = sum(each == place for each, _, _ in self._plan) == 1
        return part.stack() if once and isinstance(part, HasStack) else None

    def train(self, mode: bool = True) -> "Network":
        """Set training mode; what is frozen whole stays in eval mode (no dropout, statistics still)."""
        super().train(mode)
        if mode:
            _rest_what_is_frozen(self)
        return self

    def described_parameters(self) -> list[Parameter]:
        """Every parameter with its name, size, role and depth, in the network's own order."""
        found: dict[str, Parameter] = {}
        below = 0
        for place in range(len(self.parts) - 1, -1, -1):
            source, part = self.sources[place], self.parts[place]
            depths, new = source.depths(part), source.new_parameters(part)
            for name, parameter in part.named_parameters():
                full, role = f"parts.{place}.{name}", "head" if name in new else source.role
                found[full] = Parameter(
                    full,
                    parameter.numel(),
                    role,
                    below + depths[name],
                    source.moves(name),
                    parameter.dim(),
                    source.lr_scale,
                )
            below += max(depths.values(), default=-1) + 1
        return [found[name] for name, _ in self.named_parameters()]


def _cut(name: str) -> tuple[int, int]:
    """Place and number of blocks in a name that `CUT` matches."""
    found = CUT.fullmatch(name)
    assert found is not None
    return int(found[1]), int(found[2])


def train_what_moves(network: nn.Module) -> None:
    """Training mode for a network, eval mode for those of its modules that are frozen whole."""
    network.train()
    _rest_what_is_frozen(network)


def _rest_what_is_frozen(network: nn.Module) -> None:
    for module in network.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()
