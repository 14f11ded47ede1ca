"""What layers ask of their arguments; what does not fit is a `ConfigError` that names the layer."""

from collections.abc import Sequence

from transferhub.errors import ConfigError, did_you_mean
from transferhub.graph.dense import ACTIVATIONS
from transferhub.graph.pooling import POOLS
from transferhub.graph.variable import Variable


def check_numbers(variable: Variable, layer: str) -> None:
    """Refuse what is no Variable of numbers, a vector a row or a token."""
    if not isinstance(variable, Variable):
        raise ConfigError(f"{layer}: input={variable!r:.60}", expected="a Variable, say outputs['pooled_output']")
    if variable.dtype == "int64":
        raise ConfigError(f"{layer}: {variable} holds ids", expected="numbers, float32", fix="embedding(input, size=…)")
    if len(variable.shape) < 2:
        raise ConfigError(f"{layer}: {variable}", expected="[B, width] or [B, L, width]")


def check_like_vectors(variables: Sequence[Variable], layer: str) -> None:
    """Refuse what are not vectors of one width, one a row."""
    for variable in variables:
        check_numbers(variable, layer)
    if {len(variable.shape) for variable in variables} != {2} or len({each.shape[-1] for each in variables}) > 1:
        said = " and ".join(map(str, variables))
        raise ConfigError(f"{layer} of {said}", expected="vectors [B, width] of one width")


def check_sequence(variable: Variable, layer: str) -> None:
    """Refuse what is not one vector a token."""
    check_numbers(variable, layer)
    if len(variable.shape) != 3 or variable.shape[-1] < 1:
        raise ConfigError(
            f"{layer}: {variable} is no sequence of vectors",
            expected="[B, L, width], say outputs['sequence_output'] or embedding(…)",
        )


def known_count(number: int, layer: str, argument: str) -> int:
    """A whole number from 1 on."""
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ConfigError(f"{layer}: {argument}={number!r}", expected="a whole number from 1 on")
    return number


def known_act(act: str | None, layer: str) -> str | None:
    """The name of an activation, or None."""
    if act is not None and act not in ACTIVATIONS:
        raise ConfigError(
            f"{layer}: act={act!r}",
            expected=f"one of {', '.join(ACTIVATIONS)}",
            fix=did_you_mean(str(act), ACTIVATIONS),
        )
    return act


def known_pool(pool: str, layer: str) -> str:
    """The name of a way to pool, in lower case."""
    lower = str(pool).lower()  # 1.x took either case
    if lower not in POOLS:
        raise ConfigError(
            f"{layer}: pool {pool!r}", expected=f"one of {', '.join(POOLS)}", fix=did_you_mean(lower, POOLS)
        )
    return lower
