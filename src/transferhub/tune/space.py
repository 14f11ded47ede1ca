"""What is searched: ranges and choices by name, from Python, from a yaml file, or the house's own."""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transferhub.errors import ConfigError, did_you_mean
from transferhub.tune import hparams, yaml_files

if TYPE_CHECKING:
    import optuna

Value = str | int | float | bool | None
KEYS = ("low", "high", "log", "type", "init", "only")


@dataclasses.dataclass(frozen=True)
class Dimension:
    """One setting that is searched: choices, or a range.

    Args:
        name: Of the setting.
        choices: What it may be; empty: a range.
        low: The lowest value of a range.
        high: The highest.
        log: Whether ratios count, not differences: learning rates.
        whole: Whether the range is of ints.
        initial: What the first trial has; None: drawn.
        only: It is searched only where these settings have one of these values: ``{"strategy": ["adamw"]}``.
    """

    name: str
    choices: tuple[Value, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False
    initial: Value = None
    only: Mapping[str, tuple[Value, ...]] = dataclasses.field(default_factory=dict)

    def has(self, value: Value) -> bool:
        """Whether a value lies in it."""
        if self.choices:
            return value in self.choices
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return self.low <= value <= self.high and (not self.whole or value == int(value))

    def suggest(self, trial: "optuna.Trial") -> Value:
        """Its value in a trial."""
        if self.choices:
            chosen: Value = trial.suggest_categorical(self.name, self.choices)
            return chosen
        if self.whole:
            return int(trial.suggest_int(self.name, int(self.low), int(self.high), log=self.log))
        return float(trial.suggest_float(self.name, self.low, self.high, log=self.log))

    def described(self) -> dict[str, Any]:
        """As JSON."""
        form: dict[str, Any] = {"choices": list(self.choices)}
        if not self.choices:
            form = {"low": self.low, "high": self.high, "log": self.log, "whole": self.whole}
        return {**form, **({"only": {name: list(values) for name, values in self.only.items()}} if self.only else {})}


class Space:
    """Dimensions, those that others depend on first.

    Raises:
        ConfigError: Nothing to search, a name that is there twice, or one that depends on what is not searched.
    """

    def __init__(self, dimensions: Iterable[Dimension]) -> None:
        self.dimensions = sorted(dimensions, key=lambda each: bool(each.only))
        names = [each.name for each in self.dimensions]
        faults = [f"{name!r} is there twice" for name in dict.fromkeys(names) if names.count(name) > 1]
        free = {each.name: each for each in self.dimensions if not each.only}
        for each in self.dimensions:
            for name, values in each.only.items():
                if name not in free:
                    faults.append(f"{each.name}: only: {name!r} is not searched, or depends on others itself")
                elif unknown := [value for value in values if not free[name].has(value)]:
                    faults.append(f"{each.name}: only: {name} is never {unknown[0]!r}")
        if not names:
            faults.append("nothing to search")
        if faults:
            raise ConfigError("the search space: " + "; ".join(faults))

    @classmethod
    def of(cls, given: Mapping[str, Any], where: str = "the search space") -> "Space":
        """From names and forms.

        A form is a list of choices; ``(low, high)``, whole where both are; ``(low, high, "log")``; or a mapping
        with ``low``, ``high`` and, if wanted, ``log``, ``type`` (int or float), ``init`` and ``only``, or ``choices``.

        Raises:
            ConfigError: Another form; all faults in one message.
        """
        if not isinstance(given, Mapping):
            raise ConfigError(f"{where}: {given!r:.60}", expected="names and ranges or choices")
        faults: list[str] = []
        found = [_dimension(str(name), form, faults) for name, form in given.items()]
        if faults:
            raise ConfigError(f"{where}: " + "; ".join(faults))
        return cls(each for each in found if each is not None)

    @classmethod
    def read(cls, path: Path) -> "Space":
        """From a yaml file: names and forms, or PaddleHub's ``param_list``.

        Raises:
            DataError: There is no such file.
            ConfigError: It is no yaml, or not of this form.
        """
        given = yaml_files.read(path)
        if isinstance(given, Mapping) and "param_list" in given:
            return cls(
                Dimension(
                    each.name,
                    low=math.ceil(each.low) if each.whole else each.low,
                    high=math.floor(each.high) if each.whole else each.high,
                    whole=each.whole,
                    initial=int(each.initial) if each.whole else each.initial,
                )
                for each in hparams.read_param_file(path)
            )
        return cls.of(given, str(path))

    def suggest(self, trial: "optuna.Trial") -> dict[str, Value]:
        """A trial's values of all that is searched in it."""
        values: dict[str, Value] = {}
        for each in self.dimensions:
            if all(values.get(name) in wanted for name, wanted in each.only.items()):
                values[each.name] = each.suggest(trial)
        return values

    def initial(self, more: Mapping[str, Value] | None = None) -> dict[str, Value]:
        """What the first trial has, where that is known; `more` goes before what the dimensions say."""
        known = {**{each.name: each.initial for each in self.dimensions if each.initial is not None}, **(more or {})}
        return {each.name: known[each.name] for each in self.dimensions if each.has(known.get(each.name))}

    def described(self) -> dict[str, Any]:
        """As JSON."""
        return {each.name: each.described() for each in self.dimensions}


def _dimension(name: str, form: Any, faults: list[str]) -> Dimension | None:
    before, kind, log, initial, only = len(faults), None, False, None, {}
    if isinstance(form, tuple) and len(form) in (2, 3) and (len(form) == 2 or form[2] == "log"):
        low, high, log = form[0], form[1], len(form) == 3
    elif isinstance(form, list | tuple):
        return _choices(name, form, None, {}, faults)
    elif isinstance(form, Mapping):
        known = ("choices", "init", "only") if "choices" in form else KEYS
        faults += [f"{name}: unknown key {key!r}; {did_you_mean(str(key), known)}" for key in form if key not in known]
        only = _only(name, form.get("only", {}), faults)
        initial = form.get("init")
        if "choices" in form:
            return _choices(name, form["choices"], initial, only, faults)
        low, high, log, kind = form.get("low"), form.get("high"), form.get("log", False), form.get("type")
    else:
        faults.append(f"{name}: {form!r:.40}, expected choices [a, b] or a range {{low: …, high: …}}")
        return None
    lowest, highest = yaml_files.number(low), yaml_files.number(high)
    if lowest is None or highest is None:
        faults.append(f"{name}: the range {low!r} to {high!r} is not of two numbers")
        return None
    if kind not in (None, "int", "float") or not isinstance(log, bool):
        faults.append(f"{name}: type {kind!r}, log {log!r}; expected int or float, true or false")
    whole = kind == "int" or (kind is None and isinstance(low, int) and isinstance(high, int))
    if lowest >= highest:
        faults.append(f"{name}: {lowest:g} is not below {highest:g}")
    elif whole and math.ceil(lowest) > math.floor(highest):
        faults.append(f"{name}: no int lies between {lowest:g} and {highest:g}")
    elif log and lowest <= 0:
        faults.append(f"{name}: log needs a range above 0, not from {lowest:g}")
    if whole:
        lowest, highest = math.ceil(lowest), math.floor(highest)
    if initial is not None:
        initial = yaml_files.number(initial)
        if initial is None or not lowest <= initial <= highest:
            faults.append(f"{name}: init is not between {lowest:g} and {highest:g}")
        elif whole:
            initial = int(initial)
    made = Dimension(name, (), lowest, highest, bool(log), whole, initial, only)
    return made if len(faults) == before else None


def _choices(
    name: str, form: Any, initial: Any, only: Mapping[str, tuple[Value, ...]], faults: list[str]
) -> Dimension | None:
    if not isinstance(form, list | tuple) or not form:
        faults.append(f"{name}: {form!r:.40}, expected at least one choice")
        return None
    for place, each in enumerate(form):
        if each is not None and not isinstance(each, str | int | float):
            faults.append(f"{name}: {each!r:.40} cannot be a choice; expected texts, numbers, true, false")
        elif each in form[:place]:
            faults.append(f"{name}: {each!r} is there twice")
    if initial is not None and initial not in form:
        faults.append(f"{name}: init {initial!r} is not one of the choices")
    return Dimension(name, tuple(form), initial=initial, only=only)


def _only(name: str, given: Any, faults: list[str]) -> dict[str, tuple[Value, ...]]:
    if not isinstance(given, Mapping):
        faults.append(f"{name}: only is {given!r:.40}, expected names and values")
        return {}
    return {str(key): tuple(value) if isinstance(value, list | tuple) else (value,) for key, value in given.items()}


def default_space(*, family: str, parameters: int, rows: int, classes: bool) -> Space:
    """What `hub tune` searches where nothing else is said.

    Rates fall as networks grow: BERT base took 2e-5 to 5e-5 (Devlin et al. 2019, A.3), ELECTRA small 3e-4, base 1e-4
    and large 5e-5 with a lower rate in lower layers (Clark et al. 2020, table 7). Few rows are seen more often.

    Args:
        family: The module's: ``transformer`` …
        parameters: Of the module.
        rows: To train on; they decide how often each is seen, and in how large batches.
        classes: Whether each row has one label of several.
    """
    if family != "transformer":
        low, high = 1e-4, 1e-2
    elif parameters < 50e6:
        low, high = 2e-5, 1e-3
    elif parameters < 200e6:
        low, high = 1e-5, 2e-4
    else:
        low, high = 5e-6, 5e-5
    epochs = (3, 10) if rows < 2_000 else (2, 5) if rows < 20_000 else (1, 3)
    sizes = (8, 16, 32) if rows < 5_000 else (16, 32, 64)
    adamw: dict[str, tuple[Value, ...]] = {"strategy": ("adamw",)}
    found = [
        Dimension("strategy", ("adamw", "l2sp", *(("ulmfit",) if family == "transformer" else ())), initial="adamw"),
        Dimension("learning_rate", low=low, high=high, log=True, initial=5e-5 if low <= 5e-5 else 1e-3),
        Dimension("batch_size", sizes),
        Dimension("num_epoch", low=epochs[0], high=epochs[1], whole=True),
        Dimension("weight_decay", (0.0, 0.01, 0.1), initial=0.01, only=adamw),
        Dimension("warmup_proportion", low=0.0, high=0.3, initial=0.1, only=adamw),
    ]
    if family == "transformer":
        found.append(Dimension("layerwise_decay", (1.0, 0.9, 0.8), initial=1.0, only=adamw))
    if classes:
        found.append(Dimension("label_smoothing", (0.0, 0.1), initial=0.0))
    return Space(found)
