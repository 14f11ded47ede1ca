"""One more layer on top of Variables."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from transferhub.errors import ConfigError
from transferhub.graph.kinds import LayerSource
from transferhub.graph.programs import common_program
from transferhub.graph.variable import MASK, Node, Source, Variable, mask_of


def add_layer(
    kind: str,
    arguments: Mapping[str, Any],
    inputs: Sequence[Variable] | Mapping[str, Variable],
    shape: Sequence[int],
    *,
    stem: str,
    name: str | None = None,
    share: str | None = None,
    trainable: bool = True,
    lr_scale: float = 1.0,
    values: Mapping[str, Tensor] | None = None,
    reads_mask: bool = False,
    fixed_length: bool = False,
) -> Variable:
    """Put a layer of a registered kind on Variables and return its output, float32.

    Args:
        kind: One of `kinds.KINDS`.
        arguments: Of the kind.
        inputs: One for most kinds; with the layer's own names for them where it takes several.
        shape: Of the output, -1 where it is not known.
        stem: Of the output's name where none is given.
        name: The output's name.
        share: Layers of a program with the same `share` have the same weights.
        trainable: As in `LayerSource`.
        lr_scale: As in `LayerSource`.
        values: As in `LayerSource`.
        reads_mask: Whether the layer has to know what is padding.
        fixed_length: Whether its output depends on how far rows are padded.
    """
    named = dict(inputs) if isinstance(inputs, Mapping) else None
    inputs = list(inputs.values() if isinstance(inputs, Mapping) else inputs)
    for given in inputs:
        if not isinstance(given, Variable):
            raise ConfigError(f"{stem}: input={given!r:.60}", expected="a Variable, say outputs['sequence_output']")
    program = common_program(inputs)
    name = name or program.unique(stem)
    source: Source = LayerSource(kind, arguments, f"{stem}:{share}" if share else name, trainable, lr_scale, values)
    if share is not None:
        source = _shared(program.shared.setdefault(f"{stem}:{share}", source), source)
    if named is None:
        named = {"input": inputs[0]} if kind != "concat" else {f"x{place}": each for place, each in enumerate(inputs)}
    wired = named
    mask = next((found for given in inputs if (found := mask_of(given)) is not None), None)
    if reads_mask and mask is not None:
        wired[MASK] = mask
    node = Node(source, wired, fixed_length)
    variable = Variable(name, tuple(shape), "float32", node, "out", mask=mask if len(shape) == 3 else None)
    return program.add(variable)


def add_crf(
    emissions: Variable,
    legal: Sequence[Sequence[bool]] | None = None,
    name: str | None = None,
    lr_scale: float = 1.0,
) -> Variable:
    """Put a linear-chain CRF on emissions and return its table of weights, float32 ``[tags + 2, tags]``.

    Its likelihood and best paths are ``graph.crf.log_likelihood`` and ``decode`` of emissions and table.

    Args:
        emissions: ``[B, L, tags]``.
        legal: bool ``[tags + 2, tags]``, as ``TagSet.legal.tolist()`` has it: checked here, for `decode`.
        name: The table's name; None: ``transitions_0``.
        lr_scale: As in `LayerSource`.
    """
    program, tags = common_program([emissions]), emissions.shape[-1]
    name = name or program.unique("transitions")
    source = LayerSource("crf", {"tags": tags, "legal": legal}, name, lr_scale=lr_scale)
    return program.add(Variable(name, (tags + 2, tags), "float32", Node(source, {"input": emissions}), "transitions"))


def _shared(known: Source, wanted: Source) -> Source:
    if known.description() != wanted.description():
        raise ConfigError(
            f"two layers share weights and differ: {known.description()} and {wanted.description()}",
            expected="the same sizes and settings wherever weights are shared",
        )
    return known
