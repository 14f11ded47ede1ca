"""Which program a Variable goes to, and what may stand in one together."""

import contextlib
from collections.abc import Iterable, Iterator

from transferhub.errors import ConfigError
from transferhub.graph.variable import Program, Variable

_current = [Program()]


def current_program() -> Program:
    """The program that `layers.data` adds inputs to; layers go to that of the Variables they stand on."""
    return _current[-1]


def switch_program(program: Program) -> Program:
    """Make `program` the current one and return the one before."""
    before, _current[-1] = _current[-1], program
    return before


@contextlib.contextmanager
def program_guard(program: Program) -> Iterator[Program]:
    """Make `program` the current one inside."""
    _current.append(program)
    try:
        yield program
    finally:
        _current.pop()


def common_program(variables: Iterable[Variable]) -> Program:
    """The one program that all `variables` are of; those of none become its own, or make a new one.

    Raises:
        ConfigError: They are of two: their inputs have the same names, so that they cannot be told apart.
    """
    given = list(variables)
    first: Variable | None = None
    for variable in given:
        if variable.block is None:
            continue
        if first is None:
            first = variable
        elif variable.block is not first.block:
            raise ConfigError(
                f"{variable.name!r} is of another program ({variable.block}) than {first.name!r} ({first.block})",
                expected="Variables of one context(…) call, or made from them",
                fix="call context() once and use its Variables in both places; num_slots=2 or 3 reads several texts",
            )
    program = Program() if first is None or first.block is None else first.block
    for variable in given:
        if variable.block is None:
            program.add(variable)
    return program
