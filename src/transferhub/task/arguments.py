"""Arguments that tasks of every kind take alike."""

from collections.abc import Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

from transferhub.errors import ConfigError
from transferhub.module import Module


def opened(module: Module | str | Path | None) -> Module | None:
    """The module, of itself, its name or its path; None stays None.

    Raises:
        ConfigError: Something else.
    """
    if isinstance(module, str | Path):
        module = Module(name=str(module))
    if module is not None and not isinstance(module, Module):
        raise ConfigError(f"module={module!r:.60}", expected="a module of transferhub, or its name or path")
    return module


def layer_sizes(hidden_units: Sequence[int] | None) -> list[int] | None:
    """The sizes of a head's hidden layers; None stays None.

    Raises:
        ConfigError: Not whole numbers above 0.
    """
    units: Any = hidden_units
    if units is not None and not (
        isinstance(units, list | tuple) and all(isinstance(size, Integral) and int(size) > 0 for size in units)
    ):
        raise ConfigError(f"hidden_units={units!r:.60}", expected="sizes of layers, such as [128, 32]; or None")
    return None if units is None else [int(size) for size in units]
