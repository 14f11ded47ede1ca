"""``fluid.layers``: Paddle's names and arguments for `hub.layers`.

On a sequence axis 1 means features, as on Paddle's packed sequences: `fc` reads token by token, `concat` joins
features.
"""

from collections.abc import Sequence

from transferhub import layers
from transferhub.errors import ConfigError
from transferhub.fluid.costs import (
    accuracy,
    cos_sim,
    cross_entropy,
    mean,
    sigmoid_cross_entropy_with_logits,
    softmax_with_cross_entropy,
    square_error_cost,
)
from transferhub.fluid.initializer import Initializer
from transferhub.fluid.param_attr import ParamAttr, has_bias, options
from transferhub.graph import Variable
from transferhub.layers import gelu, relu, sigmoid, softmax, tanh

Attr = ParamAttr | str | Initializer | bool | None

__all__ = [
    "accuracy",
    "concat",
    "cos_sim",
    "cross_entropy",
    "data",
    "dropout",
    "dynamic_gru",
    "embedding",
    "fc",
    "gelu",
    "mean",
    "relu",
    "sequence_first_step",
    "sequence_last_step",
    "sequence_pool",
    "sigmoid",
    "sigmoid_cross_entropy_with_logits",
    "softmax",
    "softmax_with_cross_entropy",
    "square_error_cost",
    "tanh",
]


def data(
    name: str, shape: Sequence[int], dtype: str = "float32", lod_level: int = 0, append_batch_size: bool = True
) -> Variable:
    """An input; `shape` is without the batch, and of a packed sequence (`lod_level`) without its length."""
    sizes = [-1] * ((1 if append_batch_size else 0) + (1 if lod_level else 0)) + list(shape)
    return layers.data(name, sizes, dtype)


def concat(input: Sequence[Variable], axis: int = 0, name: str | None = None) -> Variable:
    """Features side by side; `axis` 1 means features of sequences too, and Paddle's default, the batch, is refused."""
    return layers.concat(input, axis, name)


def fc(
    input: Variable | Sequence[Variable],
    size: int,
    num_flatten_dims: int | None = None,
    param_attr: Attr = None,
    bias_attr: ParamAttr | bool | None = None,
    act: str | None = None,
    name: str | None = None,
) -> Variable:
    """A linear layer, token by token on a sequence.

    Args:
        input: A Variable, or several that are joined (the sum of their projections, as Paddle has it).
        size: Numbers it gives.
        num_flatten_dims: 2 is what a sequence has anyway. 1, where it is given, flattens a sequence of known length
            and means features where the length is not known.
        param_attr: Of the weights.
        bias_attr: False: no bias.
        act: An activation's name.
        name: Of the output.
    """
    given = input if isinstance(input, Variable) else concat(list(input), axis=-1)
    if isinstance(given, Variable) and given.is_sequence and given.length < 0 and num_flatten_dims == 1:
        num_flatten_dims = None
    weights = options(param_attr, "fc")
    bias = has_bias(bias_attr, weights, "fc")
    return layers.fc(given, size, num_flatten_dims, act, bias=bias, name=name, **weights)


def embedding(
    input: Variable,
    size: Sequence[int],
    is_sparse: bool = False,
    is_distributed: bool = False,
    padding_idx: int | None = None,
    param_attr: Attr = None,
    dtype: str = "float32",
) -> Variable:
    """A table of vectors; a negative `padding_idx` counts from its end. Sparse or not, the numbers are the same."""
    if padding_idx is not None and padding_idx < 0:
        padding_idx += size[0]
    return layers.embedding(input, size, padding_idx=padding_idx, **options(param_attr, "embedding"))


def dynamic_gru(
    input: Variable,
    size: int,
    param_attr: Attr = None,
    bias_attr: ParamAttr | bool | None = None,
    is_reverse: bool = False,
    gate_activation: str = "sigmoid",
    candidate_activation: str = "tanh",
    h_0: None = None,
    origin_mode: bool = False,
) -> Variable:
    """A GRU over an input that is already projected, ``[B, L, 3 × size]`` → ``[B, L, size]``; it starts from zeros.

    Raises:
        ConfigError: Other activations, no bias, a first state.
    """
    weights = options(param_attr, "dynamic_gru")
    usual = (gate_activation, candidate_activation, h_0) == ("sigmoid", "tanh", None)
    if not usual or not has_bias(bias_attr, weights, "dynamic_gru"):
        raise ConfigError(
            f"dynamic_gru: gate_activation={gate_activation!r}, candidate_activation={candidate_activation!r}, "
            f"h_0={h_0}, bias_attr={bias_attr}",
            expected="sigmoid, tanh, no first state, a bias",
            fix="hub.apply(module, …) takes any network of your own",
        )
    return layers.projected_gru(input, size, is_reverse, origin_mode, **weights)


def sequence_pool(input: Variable, pool_type: str = "max", is_test: bool = False, pad_value: float = 0.0) -> Variable:
    """One vector of a sequence's real tokens: max, sum, average, sqrt, last, first; `pad_value` has to be 0."""
    if pad_value:
        raise ConfigError(f"sequence_pool: pad_value={pad_value}", expected="0.0: what a text without tokens gives")
    return layers.sequence_pool(input, pool_type)


def sequence_last_step(input: Variable) -> Variable:
    """The last real token's vector."""
    return layers.sequence_pool(input, "last")


def sequence_first_step(input: Variable) -> Variable:
    """The first real token's vector."""
    return layers.sequence_pool(input, "first")


def dropout(
    x: Variable,
    dropout_prob: float,
    is_test: bool = False,
    seed: int | None = None,
    name: str | None = None,
    dropout_implementation: str = "upscale_in_train",
) -> Variable:
    """Zero a part of the values in training and scale up the rest; the seed is the run's own."""
    return x if is_test else layers.dropout(x, dropout_prob, name)
