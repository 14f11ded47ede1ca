"""How weights are drawn, by Paddle's names; each is a description as plain data."""

from typing import Any

Initializer = dict[str, Any]

# Paddle's arguments have these names; `seed` is the run's own here, so that runs can be repeated.


def Uniform(low: float = -1.0, high: float = 1.0, seed: int = 0) -> Initializer:
    """Evenly from `low` to `high`."""
    return {"kind": "uniform", "low": low, "high": high}


def Normal(loc: float = 0.0, scale: float = 1.0, seed: int = 0) -> Initializer:
    """A normal distribution around `loc`."""
    return {"kind": "normal", "mean": loc, "std": scale}


def TruncatedNormal(loc: float = 0.0, scale: float = 1.0, seed: int = 0) -> Initializer:
    """A normal distribution without what is more than two `scale` from `loc`."""
    return {"kind": "truncated_normal", "mean": loc, "std": scale}


def Constant(value: float = 0.0) -> Initializer:
    """The same number everywhere."""
    return {"kind": "constant", "value": value}


def Xavier(uniform: bool = True, seed: int = 0) -> Initializer:
    """Glorot and Bengio 2010."""
    return {"kind": "xavier_uniform" if uniform else "xavier_normal"}


UniformInitializer, NormalInitializer, ConstantInitializer = Uniform, Normal, Constant
TruncatedNormalInitializer, XavierInitializer = TruncatedNormal, Xavier
