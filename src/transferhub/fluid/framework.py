"""Programs by Paddle's names."""

import contextlib
from collections.abc import Iterator

from transferhub.graph import Program, Variable, programs

__all__ = [
    "Program",
    "Variable",
    "default_main_program",
    "default_startup_program",
    "program_guard",
    "switch_main_program",
]


def default_main_program() -> Program:
    """The program that ``fluid.layers.data`` adds inputs to; layers go to that of the Variables they stand on."""
    return programs.current_program()


def default_startup_program() -> Program:
    """An empty program: weights are made at first use. ``exe.run(fluid.default_startup_program())`` does nothing."""
    return Program()


def switch_main_program(program: Program) -> Program:
    """Make `program` the default one and return the one before."""
    return programs.switch_program(program)


@contextlib.contextmanager
def program_guard(main_program: Program, startup_program: Program | None = None) -> Iterator[None]:
    """Make `main_program` the default one inside; `startup_program` has nothing to do."""
    with programs.program_guard(main_program):
        yield
