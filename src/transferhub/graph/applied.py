"""``hub.apply``: any ``nn.Module`` as a layer of a network."""

import copy
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from transferhub.errors import ConfigError
from transferhub.graph.programs import common_program
from transferhub.graph.randomness import seeded
from transferhub.graph.variable import Node, Program, Source, Variable, mask_of

Shape = tuple[int, ...]
USUAL_LENGTH = 32  # tokens that a network is tried on where the length is not known


class Applied(nn.Module):
    """A module of the user's, whose outputs are given names: tensors ``x0, x1, …`` → ``{"out": …}``.

    A tuple's are ``out_0``, ``out_1``, …, those inside of an item (an LSTM's states) ``out_1_0``; a dictionary's are
    its own. What is no tensor is left out.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, **inputs: Tensor) -> dict[str, Tensor]:
        """Run the module on the tensors in order; where its weights are bf16, fp32 tensors come as bf16 too."""
        given = [inputs[f"x{place}"] for place in range(len(inputs))]
        if any(parameter.dtype == torch.bfloat16 for parameter in self.module.parameters()):
            given = [each.bfloat16() if each.dtype == torch.float32 else each for each in given]
        return named(self.module(*given))


def named(made: Any) -> dict[str, Tensor]:
    """The tensors in what a module gave, by name."""
    if isinstance(made, Tensor):
        return {"out": made}
    if isinstance(made, Mapping):
        return {str(name): value for name, value in made.items() if isinstance(value, Tensor)}
    if not isinstance(made, list | tuple):
        return {}
    found: dict[str, Tensor] = {}
    for place, item in enumerate(made):
        found.update({f"out_{place}{name.removeprefix('out')}": value for name, value in named(item).items()})
    return found


class AppliedSource(Source):
    """Gives each network a copy of a module of the user's, with the weights it has then.

    Args:
        module: The user's.
        weights: A name for it.
        lr_scale: How many times the strategy's rate its parameters move at.
        trainable: False: they stay as they are.
    """

    def __init__(self, module: nn.Module, weights: str, lr_scale: float = 1.0, trainable: bool = True) -> None:
        self.module, self.weights, self.lr_scale, self.trainable = module, weights, float(lr_scale), trainable
        self._frozen = {name for name, values in module.named_parameters() if not values.requires_grad}

    def build(self, seed: int) -> nn.Module:
        """Copy the module, so that networks are independent; what was frozen in it is frozen in the copy."""
        return Applied(copy.deepcopy(self.module))

    def moves(self, name: str) -> bool:
        """Not what the user froze in the module."""
        return self.trainable and name.removeprefix("module.") not in self._frozen

    def description(self) -> dict[str, Any]:
        """Which class it was, and what its weights look like: enough to refuse another one."""
        kind = type(self.module)
        return {
            "kind": "apply",
            "class": f"{kind.__module__}:{kind.__qualname__}",
            "state": {name: list(values.shape) for name, values in self.module.state_dict().items()},
            "weights": self.weights,
            "trainable": self.trainable,
            "lr_scale": self.lr_scale,
        }


def apply(
    module: nn.Module,
    *variables: Variable,
    lr_scale: float = 1.0,
    output_shape: Sequence[int] | None = None,
    trainable: bool = True,
    fixed_length: bool | None = None,
    name: str | None = None,
) -> Any:
    """Put a module of your own on Variables: ``hub.apply(net, outputs["sequence_output"])``.

    Its ``forward`` is given the tensors in order: ids and masks int64 ``[B, L]``, sequences ``[B, L, width]``. A
    network trains a copy; the same module applied twice in a program shares its weights.

    Args:
        module: The module, with the weights to start from.
        *variables: What it reads. A sequence's mask is `hub.layers.mask_of(sequence)`; give it to modules that need it.
        lr_scale: How many times the strategy's rate its parameters move at.
        output_shape: Of its one output, -1 for the batch and an unknown length. None: found by a trial run.
        trainable: False: its parameters stay as they are.
        fixed_length: Whether its output depends on how far rows are padded. None: yes, if it reads a sequence without
            its mask or only works at one length.
        name: Of the output; of several, the first part of their names.

    Returns:
        A Variable; for a module that returns a tuple, a tuple of them; for a dictionary, a dictionary.

    Raises:
        ConfigError: No module, no Variable, of two programs, or the trial run failed.
    """
    if not isinstance(module, nn.Module):
        raise ConfigError(
            f"apply({module!r:.60})", expected="an nn.Module", fix="Net() instead of Net, if it is a class"
        )
    if not variables or not all(isinstance(variable, Variable) for variable in variables):
        raise ConfigError(f"apply({type(module).__name__}) on {variables!r:.80}", expected="Variables after the module")
    program = common_program(variables)
    stem = type(module).__name__.lower()
    first = name or program.unique(stem)
    mask = next((found for variable in variables if (found := mask_of(variable)) is not None), None)
    blind = mask is not None and all(variable.name != mask.name for variable in variables)
    if output_shape is None:
        shapes, one_length = _trial(module, variables, blind if fixed_length is None else fixed_length)
    else:
        shapes, one_length = {"out": (tuple(output_shape), torch.float32)}, False
    source = _source(program, module, first, lr_scale, trainable)
    node = Node(
        source,
        {f"x{place}": variable for place, variable in enumerate(variables)},
        fixed_length=(one_length or blind) if fixed_length is None else fixed_length,
    )
    made = {}
    for output, (shape, dtype) in shapes.items():
        full = first if output == "out" else f"{first}_{output.removeprefix('out_')}"
        follows = len(shape) == 3 and mask is not None and shape[0] == -1 and shape[1] in (-1, mask.length)
        if follows and mask is not None:
            shape = (shape[0], mask.length, shape[2])
        kind = str(dtype).removeprefix("torch.")
        made[output] = program.add(Variable(full, shape, kind, node, output, mask=mask if follows else None))
    if list(made) == ["out"]:
        return made["out"]
    return tuple(made.values()) if all(output.startswith("out_") for output in made) else made


def _source(program: Program, module: nn.Module, weights: str, lr_scale: float, trainable: bool) -> AppliedSource:
    for known in program.shared.values():
        if isinstance(known, AppliedSource) and known.module is module:
            if (known.lr_scale, known.trainable) != (lr_scale, trainable):
                raise ConfigError(
                    f"{type(module).__name__} is applied twice, with lr_scale {known.lr_scale:g} and {lr_scale:g}, "
                    f"trainable {known.trainable} and {trainable}",
                    expected="the same both times: the weights are shared",
                )
            return known
    source = AppliedSource(module, weights, lr_scale, trainable)
    program.shared[f"apply:{weights}"] = source
    return source


def _trial(
    module: nn.Module, variables: Sequence[Variable], fixed: bool
) -> tuple[dict[str, tuple[Shape, torch.dtype]], bool]:
    """Shapes and types by output, -1 where they follow the batch or the length; whether there is only one length.

    A vector a row that grows with the length (``nn.Flatten``) has the size that it has at the full length, if rows are
    all padded to that (`fixed`) and it is known.
    """
    fixed = fixed and all(variable.length > 0 for variable in variables if variable.is_sequence)
    faults: list[Exception] = []
    for run in (_on_meta, _for_real):
        try:
            small, large = (_shapes(run(module, variables, batch, 0)) for batch in (2, 3))
        except Exception as error:  # whatever the user's code raises
            faults.append(error)
            continue
        try:
            shorter, one_length = _shapes(run(module, variables, 2, 1)), False
        except Exception:
            shorter, one_length = small, True
        if not any(variable.is_sequence or variable.dtype == "int64" for variable in variables):
            one_length = False
        return {
            output: (
                _varying(shape, large[output][0], shape if fixed and len(shape) == 2 else shorter[output][0]),
                dtype,
            )
            for output, (shape, dtype) in small.items()
        }, one_length
    said = "; ".join(map(str, variables))
    raise ConfigError(
        f"{type(module).__name__} failed on a trial with {said}: {type(faults[-1]).__name__}: {faults[-1]}",
        expected="a forward that takes these tensors in order; ids and masks are [B, L]",
        fix="output_shape=[-1, size] leaves the trial out",
    ) from faults[-1]


def _varying(shape: Shape, larger: Shape, shorter: Shape) -> Shape:
    return tuple(a if a == b == c else -1 for a, b, c in itertools.zip_longest(shape, larger, shorter, fillvalue=-1))


def _shapes(outputs: dict[str, Tensor]) -> dict[str, tuple[Shape, torch.dtype]]:
    if not outputs:
        raise ConfigError("it returned no tensor", expected="a tensor, or a tuple or dictionary of them")
    return {name: (tuple(values.shape), values.dtype) for name, values in outputs.items()}


def _on_meta(module: nn.Module, variables: Sequence[Variable], batch: int, less: int) -> dict[str, Tensor]:
    """Shapes alone: no number is computed."""
    state = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    hollow = {name: values.detach().to("meta") for name, values in state.items()}
    inputs = [_tensor(variable, batch, less, "meta") for variable in variables]
    return _in_eval_mode(module, lambda: torch.func.functional_call(module, hollow, tuple(inputs)))


def _for_real(module: nn.Module, variables: Sequence[Variable], batch: int, less: int) -> dict[str, Tensor]:
    """On a copy, for modules that look at numbers."""
    inputs = [_tensor(variable, batch, less, "cpu") for variable in variables]
    trial = copy.deepcopy(module).cpu()
    return _in_eval_mode(trial, lambda: trial(*inputs))


def _in_eval_mode(module: nn.Module, run: Callable[[], Any]) -> dict[str, Tensor]:
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        with torch.no_grad(), seeded(0, "trial"):
            return named(run())
    finally:
        for part, mode in modes.items():
            part.training = mode


def _tensor(variable: Variable, batch: int, less: int, device: str) -> Tensor:
    """A tensor as the network will give it, `less` tokens shorter than it may be."""
    is_mask = variable.name.startswith("input_mask")
    if variable.is_ids or is_mask:
        shape: Shape = (batch, (variable.length if variable.length > 0 else USUAL_LENGTH) - less)
        return torch.ones(shape, dtype=torch.int64, device=device)
    sizes = [size if size > 0 else USUAL_LENGTH for size in variable.shape]
    sizes[0] = batch
    if len(sizes) == 3:
        sizes[1] -= less
    return torch.zeros(sizes, dtype=getattr(torch, variable.dtype), device=device)
