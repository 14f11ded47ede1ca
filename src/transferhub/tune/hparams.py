"""PaddleHub's file of hyperparameters: ``param_list`` with bounds and the value to begin with."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transferhub.errors import ConfigError, did_you_mean
from transferhub.tune import yaml_files

KEYS = ("name", "init_value", "type", "lower_than", "greater_than")
OURS = ("saved_params_dir", "model_path", "epochs")  # flags that the search itself gives


@dataclass(frozen=True)
class Hyperparameter:
    """A number that is searched, between two bounds.

    Args:
        name: The script's flag.
        low: The lower bound, ``greater_than``.
        high: The upper bound, ``lower_than``.
        initial: What the first trial has, ``init_value``.
        whole: Whether it is an int.
    """

    name: str
    low: float
    high: float
    initial: float
    whole: bool

    def value(self, place: float) -> int | float:
        """The value at a place in [-1, 1], linearly; ints are truncated, as in 1.x, and never leave the bounds."""
        value = self.low + (min(1.0, max(-1.0, place)) + 1) / 2 * (self.high - self.low)
        if not self.whole:
            return float(f"{value:.12g}")  # so that a place made of a value gives that value again
        nearest = round(value)
        whole = nearest if abs(value - nearest) < 1e-9 * max(1.0, abs(value)) else math.trunc(value)
        return min(math.floor(self.high), max(math.ceil(self.low), whole))

    def place(self, value: float) -> float:
        """The place of a value in [-1, 1]."""
        return 2 * (value - self.low) / (self.high - self.low) - 1


def read_param_file(path: Path) -> list[Hyperparameter]:
    """The hyperparameters of a file, in its order.

    Raises:
        DataError: There is no such file.
        ConfigError: It is not of this form; all faults in one message.
    """
    given = yaml_files.read(path)
    items = given.get("param_list") if isinstance(given, Mapping) else None
    if not isinstance(items, list) or not items:
        raise ConfigError(
            f"{path} has no param_list",
            expected="param_list: with items of " + ", ".join(KEYS),
            fix="param_list:\n    - {name: learning_rate, init_value: 0.001, type: float, "
            "greater_than: 0.00005, lower_than: 0.05}",
        )
    faults: list[str] = []
    found = [_item(item, place, faults) for place, item in enumerate(items, start=1)]
    names = [item.get("name") for item in items if isinstance(item, Mapping)]
    faults += [f"{name!r} is there twice" for name in dict.fromkeys(names) if name and names.count(name) > 1]
    if faults:
        raise ConfigError(f"{path}: " + "; ".join(faults))
    return [each for each in found if each is not None]


def check_extra(given: Sequence[str], parameters: Sequence[Hyperparameter]) -> dict[str, str]:
    """The flags of ``key value …`` after a command.

    Raises:
        ConfigError: A key without a value, a key that is searched or given twice.
    """
    if len(given) % 2:
        raise ConfigError(f"{' '.join(given)}: the last key has no value", expected="pairs: batch_size 32")
    searched = {parameter.name for parameter in parameters}
    options: dict[str, str] = {}
    for key, value in zip(given[::2], given[1::2], strict=True):
        name = key.lstrip("-")
        if name in searched or name in OURS or name in options:
            why = "is searched" if name in searched else "is given twice" if name in options else "is the search's own"
            raise ConfigError(f"{key} {value}: {name} {why}", expected="other flags of the script")
        options[name] = value
    return options


def _item(item: Any, place: int, faults: list[str]) -> Hyperparameter | None:
    if not isinstance(item, Mapping):
        faults.append(f"item {place} is {item!r:.40}: expected {', '.join(KEYS)}")
        return None
    name, kind = item.get("name"), item.get("type", "float")
    called = name if isinstance(name, str) else f"item {place}"
    before = len(faults)
    for key in item:
        if key not in KEYS:
            faults.append(f"{called}: unknown key {key!r}; {did_you_mean(str(key), KEYS)}expected {', '.join(KEYS)}")
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_][\w-]*", name):
        faults.append(f"{called}: name is {name!r:.40}, expected a flag's name")
    elif name in OURS:
        faults.append(f"{name}: the search itself gives this flag")
    if kind not in ("int", "float"):
        faults.append(f"{called}: type is {kind!r:.40}, expected int or float")
    numbers = {key: yaml_files.number(item.get(key)) for key in ("greater_than", "lower_than", "init_value")}
    for key, value in numbers.items():
        if value is None:
            faults.append(f"{called}: {key} is {item.get(key)!r:.40}, expected a number")
    low, high, initial = numbers.values()
    if low is None or high is None or initial is None:
        return None
    if low >= high:
        faults.append(f"{called}: greater_than {low:g} is not below lower_than {high:g}")
    elif kind == "int" and math.ceil(low) > math.floor(high):
        faults.append(f"{called}: no int lies between {low:g} and {high:g}")
    elif not low <= initial <= high:
        faults.append(f"{called}: init_value {initial:g} is not between {low:g} and {high:g}")
    elif kind == "int" and initial != int(initial):
        faults.append(f"{called}: init_value {initial:g} is no int")
    return Hyperparameter(str(name), low, high, initial, kind == "int") if len(faults) == before else None
