"""``fluid.ParamAttr``: what a script says of a layer's weights."""

from dataclasses import dataclass
from typing import Any

from transferhub.errors import ConfigError
from transferhub.fluid.initializer import Initializer


@dataclass(frozen=True)
class ParamAttr:
    """Traits of a layer's weights.

    Args:
        name: Layers of a program whose weights have the same name share them.
        initializer: One of `fluid.initializer`; None: Glorot's.
        learning_rate: How many times the strategy's rate they move at.
        regularizer: None: weight decay is the strategy's.
        trainable: False: they stay as they are.
    """

    name: str | None = None
    initializer: Initializer | None = None
    learning_rate: float = 1.0
    regularizer: None = None
    trainable: bool = True

    def __post_init__(self) -> None:
        if self.regularizer is not None:
            raise ConfigError(
                f"ParamAttr(regularizer={self.regularizer!r:.60})",
                expected="None",
                fix="the strategy's weight_decay is for all parameters",
            )


def options(param_attr: "ParamAttr | str | Initializer | bool | None", layer: str) -> dict[str, Any]:
    """The arguments of `hub.layers` that a ``param_attr`` means: an attribute, a name, or an initializer.

    Raises:
        ConfigError: False, or anything else.
    """
    if param_attr is None or param_attr is True:
        param_attr = ParamAttr()
    if isinstance(param_attr, str):
        param_attr = ParamAttr(name=param_attr)
    if isinstance(param_attr, dict):
        param_attr = ParamAttr(initializer=param_attr)
    if not isinstance(param_attr, ParamAttr):
        raise ConfigError(f"{layer}: param_attr={param_attr!r:.60}", expected="a fluid.ParamAttr")
    return {
        "share": param_attr.name,
        "initializer": param_attr.initializer,
        "lr_scale": param_attr.learning_rate,
        "trainable": param_attr.trainable,
    }


def has_bias(bias_attr: "ParamAttr | bool | None", weights: dict[str, Any], layer: str) -> bool:
    """Whether a layer has a bias; it moves with the weights, and starts from zeros.

    Raises:
        ConfigError: Traits of its own.
    """
    if bias_attr is None or isinstance(bias_attr, bool):
        return bias_attr is not False
    own = bias_attr.learning_rate not in (1.0, weights["lr_scale"]) or bias_attr.trainable != weights["trainable"]
    if own or bias_attr.initializer not in (None, {"kind": "constant", "value": 0.0}):
        raise ConfigError(
            f"{layer}: bias_attr={bias_attr}",
            expected="None, or False: no bias; it starts from zeros and moves with the layer's weights",
        )
    return True
