"""``fluid.Executor``: Variables evaluated on arrays, by their names."""

import inspect
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from transferhub.errors import ConfigError, DataError, did_you_mean
from transferhub.graph import Network, Program, Source, Variable
from transferhub.graph.programs import current_program
from transferhub.graph.variable import MASK, walk_back
from transferhub.log import logger


class CPUPlace:
    """The processor."""

    device = "cpu"


class CUDAPlace:
    """A GPU by its number; the processor, said, where there is none."""

    def __init__(self, id: int = 0) -> None:
        if not torch.cuda.is_available():
            logger.warning("CUDAPlace(%d): no GPU is available, the CPU is used", id)
        self.device = f"cuda:{id}" if torch.cuda.is_available() else "cpu"


class Executor:
    """Evaluates Variables without gradients and dropout.

    A program's weights are made when they are first needed, and kept for this executor's further runs.

    Args:
        place: A `CPUPlace` or a `CUDAPlace`.
    """

    def __init__(self, place: CPUPlace | CUDAPlace | None = None) -> None:
        self.place = place or CPUPlace()
        self._built: weakref.WeakKeyDictionary[Program, dict[Source, nn.Module]] = weakref.WeakKeyDictionary()

    def run(
        self,
        program: Program | None = None,
        feed: Mapping[str, Any] | None = None,
        fetch_list: Sequence[Variable | str] | None = None,
        return_numpy: bool = True,
        **ignored: Any,
    ) -> list[Any]:
        """Evaluate Variables.

        Args:
            program: What they are of; None: the default one.
            feed: Input name → array, ids ``[B, L]`` or as 1.x has them ``[B, L, 1]``. Inputs that a network can do
                without (positions, mask) may be left out.
            fetch_list: Variables, or their names; None or empty: nothing is done (a startup program).
            return_numpy: False: torch tensors.
            **ignored: Of Paddle: ``scope``, ``use_program_cache`` …

        Returns:
            An array for each of `fetch_list`.

        Raises:
            ConfigError: A Variable of another program or none of it, a feed that is missing or unknown.
            DataError: Arrays of another rank, other numbers of rows, ids beyond a table.
        """
        if not fetch_list:
            return []
        program = current_program() if program is None else program
        outputs = [_variable(program, wanted) for wanted in fetch_list]
        feeds = {name: self._tensor(_fed(program, name), values) for name, values in (feed or {}).items()}
        _refuse_different_rows(feeds)
        built = self._built.setdefault(program, {})
        network = Network(outputs, built=built).to(self.place.device).eval()
        _refuse_missing(outputs, built, feeds)
        try:
            with torch.inference_mode():
                made = network(feeds)
        except IndexError as error:
            highest = ", ".join(
                f"{name} up to {int(values.max())}"
                for name, values in feeds.items()
                if values.dtype == torch.int64 and values.numel()
            )
            raise DataError(
                f"a number beyond a table of the network: {highest}", expected="ids of the module's vocabulary"
            ) from error
        values = [made[variable.name].cpu() for variable in outputs]
        return [each.numpy() for each in values] if return_numpy else values

    def close(self) -> None:
        """Let go of all weights."""
        self._built.clear()

    def _tensor(self, variable: Variable, values: Any) -> Tensor:
        is_mask = variable.name.startswith(MASK)
        array = np.asarray(values)
        if (variable.is_ids or is_mask) and array.ndim == 3 and array.shape[2] == 1:
            array = array[:, :, 0]
        rank = 2 if variable.is_ids or is_mask else len(variable.shape)
        if array.ndim != rank or array.dtype.kind not in "biuf":
            raise DataError(
                f"feed {variable.name!r} is {list(np.shape(values))} {array.dtype}",
                expected=f"{list(variable.shape)} {variable.dtype}" + (" or [B, L]" if rank == 2 else ""),
            )
        kind = "int64" if variable.is_ids or is_mask else variable.dtype
        return torch.from_numpy(np.ascontiguousarray(array, dtype=kind)).to(self.place.device)


def _variable(program: Program, wanted: Variable | str) -> Variable:
    name = wanted if isinstance(wanted, str) else getattr(wanted, "name", None)
    found = program.variables.get(str(name))
    if isinstance(wanted, Variable) and found is not wanted:
        raise ConfigError(
            f"fetch_list: {wanted.name!r} is of another program ({wanted.block or 'none'}) than the one to run "
            f"({program})",
            fix="exe.run(program, …) with the program of the context() that the Variable is of",
        )
    if found is None:
        raise ConfigError(
            f"fetch_list: {program} has no {wanted!r:.60}",
            fix=did_you_mean(str(wanted), program.variables) + f"it has {', '.join(program.variables)}",
        )
    return found


def _fed(program: Program, name: str) -> Variable:
    inputs = [each for each, variable in program.variables.items() if variable.node is None]
    if name not in inputs:
        raise ConfigError(
            f"feed: {program} has no input {name!r}", expected=", ".join(inputs), fix=did_you_mean(name, inputs) or None
        )
    return program.variables[name]


def _refuse_different_rows(feeds: Mapping[str, Tensor]) -> None:
    rows = {name: len(values) for name, values in feeds.items()}
    if len(set(rows.values())) > 1:
        raise DataError(
            "feeds of different numbers of rows: " + ", ".join(f"{name} {count}" for name, count in rows.items())
        )


def _refuse_missing(
    outputs: Sequence[Variable], built: Mapping[Source, nn.Module], feeds: Mapping[str, Tensor]
) -> None:
    missing = {variable.name for variable in outputs if variable.node is None and variable.name not in feeds}
    for node in walk_back(outputs):
        arguments = inspect.signature(built[node.source].forward).parameters
        for argument, given in node.inputs.items():
            optional = argument in arguments and arguments[argument].default is not inspect.Parameter.empty
            if given.node is None and given.name not in feeds and not optional:
                missing.add(given.name)
    if missing:
        raise ConfigError(f"feed lacks {', '.join(sorted(missing))}", expected="arrays for all inputs that are needed")
