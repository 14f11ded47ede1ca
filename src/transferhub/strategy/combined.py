"""1.8's CombinedStrategy: schedules, regularisation and clipping put together by name; and ULMFiT, one such."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from transferhub.errors import ConfigError, did_you_mean
from transferhub.graph import Parameter
from transferhub.strategy import schedules
from transferhub.strategy.compose import (
    Traits,
    block,
    check_layers,
    compose,
    decays,
    layer_of,
    places,
    unfreezing_epoch,
)
from transferhub.strategy.optimizers import known
from transferhub.strategy.plan import Plan, Steps
from transferhub.strategy.strategy import Strategy, count, not_negative, positive

# What there is, and what is off: 1.8's names and defaults.
SCHEDULER: dict[str, Any] = {
    "warmup": 0.0,
    "linear_decay": {"start_point": 1.0, "end_learning_rate": 0.0},
    "noam_decay": False,
    "discriminative": {"blocks": 0, "params_layer": None, "factor": 2.6},
    "gradual_unfreeze": {"blocks": 0, "params_layer": None},
    "slanted_triangle": {"cut_fraction": 0.0, "ratio": 32},
}
REGULARIZATION: dict[str, Any] = {"L2": 0.0, "L2SP": 0.0, "weight_decay": 0.0}
CLIP: dict[str, Any] = {"GlobalNorm": 0.0, "Norm": 0.0}


class CombinedStrategy(Strategy):
    """Schedules, regularisation and clipping of one's choice. What is left out is off.

    Args:
        optimizer_name: One of `optimizers.OPTIMIZERS`.
        learning_rate: The peak rate.
        scheduler: Of ``warmup`` (the part of all steps in which the rate rises), ``linear_decay`` (``start_point``, a
            part of all steps, and ``end_learning_rate``), ``noam_decay``, ``slanted_triangle`` (``cut_fraction``,
            ``ratio``; takes the place of the three before), ``discriminative`` (``blocks`` or ``params_layer``, and
            ``factor``: each block below has 1/factor of the rate), ``gradual_unfreeze`` (``blocks`` or
            ``params_layer``: a block more moves in each epoch).
        regularization: Coefficients of ``L2``, ``L2SP`` (towards the pretrained values, of those alone) and
            ``weight_decay`` (decoupled; not of biases and normalisation).
        clip: ``GlobalNorm`` of all gradients, ``Norm`` of each.

    Raises:
        ConfigError: An unknown name, or a value out of range.
    """

    def __init__(
        self,
        optimizer_name: str = "adam",
        learning_rate: float = 1e-4,
        scheduler: Mapping[str, Any] | None = None,
        regularization: Mapping[str, Any] | None = None,
        clip: Mapping[str, Any] | None = None,
    ) -> None:
        self.optimizer_name = known(optimizer_name)
        self.learning_rate = positive("learning_rate", learning_rate)
        self.scheduler, self.regularization, self.clip = map(copy.deepcopy, (SCHEDULER, REGULARIZATION, CLIP))
        for add, given in (
            (self.add_scheduler, scheduler),
            (self.add_regularization, regularization),
            (self.add_clip, clip),
        ):
            if given is not None and not isinstance(given, Mapping):
                raise ConfigError(f"{given!r:.60} as settings", expected="a dictionary: name → value")
            for name, value in (given or {}).items():
                add(name, **value) if isinstance(value, Mapping) else add(name, value)

    def add_scheduler(self, name: str = "warmup", value: Any = 0, **values: Any) -> None:
        """Set a schedule: one value, or several by name."""
        _set("scheduler", self.scheduler, name, value, values)

    def add_regularization(self, name: str = "L2", value: float = 1e-3, **values: Any) -> None:
        """Set a coefficient."""
        _set("regularization", self.regularization, name, value, values)

    def add_clip(self, name: str = "GlobalNorm", value: float = 1.0, **values: Any) -> None:
        """Set a norm."""
        _set("clip", self.clip, name, value, values)

    def plan(self, parameters: Sequence[Parameter], steps: Steps) -> Plan:
        """Groups of equal rate, decay, pull and start."""
        return combine(self, self.optimizer_name, self.learning_rate, parameters, steps, **self.parts())

    def parts(self) -> dict[str, dict[str, Any]]:
        """``scheduler``, ``regularization`` and ``clip``, complete."""
        return {"scheduler": self.scheduler, "regularization": self.regularization, "clip": self.clip}

    def arguments(self) -> dict[str, object]:
        """What differs from off."""
        off = {"scheduler": SCHEDULER, "regularization": REGULARIZATION, "clip": CLIP}
        changed = {
            kind: {name: value for name, value in values.items() if value != off[kind][name]}
            for kind, values in self.parts().items()
        }
        return {"optimizer_name": self.optimizer_name, "learning_rate": self.learning_rate, **changed}


class ULMFiTStrategy(Strategy):
    """Slanted triangular rates, discriminative rates and gradual unfreezing (Howard and Ruder 2018).

    Args:
        learning_rate: The peak rate of the uppermost block.
        optimizer_name: One of `optimizers.OPTIMIZERS`.
        cut_fraction: The part of all steps in which the rate rises; 0 switches the triangle off.
        ratio: How much smaller the lowest rate is than the highest.
        dis_blocks: Into so many blocks of equal depth the network is cut for its rates; 0: one rate for all.
        factor: Each block has 1/factor of the rate of the one above it.
        dis_params_layer: In place of `dis_blocks`: parameter name → layer, as ``module.get_params_layer()`` gives.
        frz_blocks: Into so many blocks for unfreezing, one more in each epoch, from the top; 0: all move at once.
        frz_params_layer: In place of `frz_blocks`.
    """

    def __init__(
        self,
        learning_rate: float = 1e-4,
        optimizer_name: str = "adam",
        cut_fraction: float = 0.1,
        ratio: float = 32,
        dis_blocks: int = 3,
        factor: float = 2.6,
        dis_params_layer: Mapping[str, int] | None = None,
        frz_blocks: int = 3,
        frz_params_layer: Mapping[str, int] | None = None,
    ) -> None:
        self.learning_rate = positive("learning_rate", learning_rate)
        self.optimizer_name = known(optimizer_name)
        self.cut_fraction, self.ratio = _fraction("cut_fraction", cut_fraction), _ratio("ratio", ratio)
        self.dis_blocks, self.factor = count("dis_blocks", dis_blocks), positive("factor", factor)
        self.dis_params_layer = _layers("dis_params_layer", dis_params_layer)
        self.frz_blocks = count("frz_blocks", frz_blocks)
        self.frz_params_layer = _layers("frz_params_layer", frz_params_layer)

    def plan(self, parameters: Sequence[Parameter], steps: Steps) -> Plan:
        """Groups of equal rate and start."""
        scheduler = {
            **SCHEDULER,
            "slanted_triangle": {"cut_fraction": self.cut_fraction, "ratio": self.ratio},
            "discriminative": {
                "blocks": self.dis_blocks,
                "params_layer": self.dis_params_layer,
                "factor": self.factor,
            },
            "gradual_unfreeze": {"blocks": self.frz_blocks, "params_layer": self.frz_params_layer},
        }
        return combine(
            self, self.optimizer_name, self.learning_rate, parameters, steps, scheduler, REGULARIZATION, CLIP
        )


def combine(
    strategy: Strategy,
    optimizer: str,
    peak: float,
    parameters: Sequence[Parameter],
    steps: Steps,
    scheduler: Mapping[str, Any],
    regularization: Mapping[str, Any],
    clip: Mapping[str, Any],
) -> Plan:
    """The Plan of settings in the form of `SCHEDULER`, `REGULARIZATION` and `CLIP`."""
    slower, later = scheduler["discriminative"], scheduler["gradual_unfreeze"]
    place_of = places(parameters)
    for name, layers in (("discriminative", slower["params_layer"]), ("gradual_unfreeze", later["params_layer"])):
        check_layers(f"params_layer of {name}", layers, parameters)

    def multiplier(parameter: Parameter) -> float:
        below = 0
        if slower["params_layer"]:
            layer = layer_of(parameter.name, slower["params_layer"])
            below = 0 if layer is None else max(slower["params_layer"].values()) - layer
        elif slower["blocks"]:
            below = block(place_of.get(parameter.depth, 0), len(place_of), slower["blocks"])
        return float((1 / slower["factor"]) ** below)

    def starts(parameter: Parameter) -> int:
        epoch = 0
        if later["params_layer"]:
            layer = layer_of(parameter.name, later["params_layer"])
            epoch = 0 if layer is None else max(later["params_layer"].values()) - layer
        elif later["blocks"]:
            epoch = unfreezing_epoch(place_of.get(parameter.depth, 0), len(place_of), later["blocks"])
        return epoch * steps.in_epoch

    def traits(parameter: Parameter) -> Traits:
        rate, start = multiplier(parameter), starts(parameter)
        decayed = regularization["weight_decay"] > 0 and decays(parameter)
        pulled = parameter.role == "backbone"
        names = [f"rate x {rate:.3g}"] if rate != 1 else ["full rate"]
        names += ["decayed"] if decayed else []
        return Traits(
            ", ".join(names),
            rate,
            regularization["weight_decay"] if decayed else 0.0,
            regularization["L2"],
            regularization["L2SP"] if pulled else 0.0,
            start,
        )

    return compose(
        strategy,
        optimizer,
        parameters,
        steps,
        peak,
        _schedule(scheduler, steps.total, peak),
        traits,
        clip_norm=clip["GlobalNorm"] or None,
        clip_each_norm=clip["Norm"] or None,
    )


def _schedule(scheduler: Mapping[str, Any], total: int, peak: float) -> schedules.Schedule:
    triangle, fall, warmup = scheduler["slanted_triangle"], scheduler["linear_decay"], scheduler["warmup"]
    if triangle["cut_fraction"]:
        return schedules.slanted_triangle(total, triangle["cut_fraction"], triangle["ratio"])
    if scheduler["noam_decay"]:
        return schedules.noam(total, warmup)
    return schedules.linear(total, warmup, fall["start_point"], fall["end_learning_rate"] / peak)


def _set(kind: str, settings: dict[str, Any], name: str, value: Any, values: Mapping[str, Any]) -> None:
    if name not in settings:
        raise ConfigError(
            f"{kind}: there is no {name!r}",
            expected=f"one of {', '.join(settings)}",
            fix=did_you_mean(name, settings) or None,
        )
    now = settings[name]
    if not isinstance(now, dict):
        if values:
            raise ConfigError(f"{kind} {name}: {dict(values)}", expected="one value")
        if isinstance(now, bool) and value not in (True, False):
            raise ConfigError(f"{kind} {name}={value!r}", expected="True or False")
        settings[name] = bool(value) if isinstance(now, bool) else _checked(f"{kind} {name}", name, value)
        return
    given = dict(values) or {next(iter(now)): value}
    unknown = [key for key in given if key not in now]
    if unknown:
        raise ConfigError(
            f"{kind} {name}: there is no {unknown[0]!r}",
            expected=f"of {', '.join(now)}",
            fix=did_you_mean(unknown[0], now) or None,
        )
    settings[name] = {**now, **{key: _checked(f"{kind} {name} {key}", key, given[key]) for key in given}}


def _checked(where: str, name: str, value: Any) -> Any:
    if name == "params_layer":
        return _layers(where, value)
    if name in ("warmup", "start_point", "cut_fraction"):
        return _fraction(where, value)
    if name == "blocks":
        return count(where, value)
    if name == "ratio":
        return _ratio(where, value)
    return positive(where, value) if name == "factor" else not_negative(where, value)


def _ratio(name: str, value: float) -> float:
    if positive(name, value) < 1:
        raise ConfigError(f"{name}={value}", expected="at least 1: how much smaller the lowest rate is")
    return value


def _layers(name: str, value: Mapping[str, int] | None) -> dict[str, int] | None:
    given: object = value
    if given is not None and not (isinstance(given, Mapping) and all(isinstance(n, int) for n in given.values())):
        raise ConfigError(
            f"{name}={value!r:.60}", expected="parameter name → layer, as module.get_params_layer() gives"
        )
    return None if value is None else dict(value)


def _fraction(name: str, value: float) -> float:
    if not_negative(name, value) > 1:
        raise ConfigError(f"{name}={value}", expected="a part of all steps: 0 to 1")
    return value
