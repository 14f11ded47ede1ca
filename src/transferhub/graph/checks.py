"""What a task asks of the Variables that it is given."""

from collections.abc import Iterable

from torch import Tensor

from transferhub.errors import ConfigError
from transferhub.graph.programs import common_program
from transferhub.graph.variable import Variable

__all__ = ["check_logits", "check_output", "common_program"]


def check_output(variable: Variable, num_classes: int) -> None:
    """Refuse a network's output that is not ``[batch, num_classes]``, before anything runs.

    Raises:
        ConfigError: With both shapes and the Variable's name.
    """
    shape = tuple(variable.shape)
    if len(shape) != 2 or shape[0] != -1 or shape[1] not in (-1, num_classes):
        raise _wrong(variable.name, shape, num_classes)


def check_logits(logits: Tensor, name: str, rows: int, num_classes: int) -> None:
    """Refuse what a network really gave for a batch of `rows`, where its shape was not known before.

    Raises:
        ConfigError: As `check_output`.
    """
    if tuple(logits.shape) != (rows, num_classes):
        raise _wrong(name, tuple(logits.shape), num_classes, f" for a batch of {rows}")


def _wrong(name: str, shape: Iterable[int], num_classes: int, when: str = "") -> ConfigError:
    shape = list(shape)
    if len(shape) == 3:
        fix = "hub.layers.max_over_time or sequence_pool makes one vector of a sequence"
    else:
        fix = f"hub.layers.fc(…, size={num_classes}) as the last layer"
    return ConfigError(
        f"the network's output {name!r} is {shape}{when}",
        expected=f"[batch, num_classes]: [-1, {num_classes}]",
        fix=fix,
    )
