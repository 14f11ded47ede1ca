"""How new weights are drawn: a description as plain data, and the function that follows it."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from transferhub.errors import ConfigError, did_you_mean

Initial = Mapping[str, Any]

# Kind → what fills a tensor; the rest of the description are its arguments.
KINDS: dict[str, Callable[..., Tensor]] = {
    "uniform": lambda values, low=-1.0, high=1.0: nn.init.uniform_(values, low, high),
    "normal": lambda values, mean=0.0, std=1.0: nn.init.normal_(values, mean, std),
    "truncated_normal": lambda values, mean=0.0, std=1.0: nn.init.trunc_normal_(
        values, mean, std, mean - 2 * std, mean + 2 * std
    ),
    "constant": lambda values, value=0.0: nn.init.constant_(values, value),
    "xavier_uniform": lambda values: nn.init.xavier_uniform_(values),
    "xavier_normal": lambda values: nn.init.xavier_normal_(values),
}


def fill(values: Tensor, initial: Initial | None) -> None:
    """Draw `values` as described: ``{"kind": "uniform", "low": -0.1, "high": 0.1}``; None: Glorot and Bengio's uniform.

    Raises:
        ConfigError: A kind or an argument that does not exist.
    """
    described = dict(initial or {"kind": "xavier_uniform"})
    kind = str(described.pop("kind", None))
    if kind not in KINDS:
        raise ConfigError(
            f"initializer {dict(initial or {})}",
            expected=f"a kind of {', '.join(KINDS)}",
            fix=did_you_mean(kind, KINDS),
        )
    try:
        KINDS[kind](values, **described)
    except TypeError as error:
        raise ConfigError(f"initializer {dict(initial or {})}: {error}") from error
