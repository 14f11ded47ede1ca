"""``hub.layers``: layers from Variables to a Variable, for networks of one's own on top of a module.

    inputs, outputs, program = module.context(max_seq_len=128)
    words = hub.layers.bilstm(outputs["sequence_output"], size=128)
    feature = hub.layers.max_over_time(words)                     # [B, 256], for TextClassifierTask(feature=feature)

A *sequence* has one number or vector a token, ``[B, L]`` ids or ``[B, L, width]``, and knows the mask of its padding:
what a layer gives does not depend on how far rows are padded. Where one does, `needs_fixed_length` says so and the
reader pads every row to ``max_seq_len``. All layers take ``name=`` (of the output), and those with weights ``share=``
(layers of a program with the same one have the same weights), ``trainable=`` and ``lr_scale=`` (how many times the
strategy's rate they move at).
"""

from collections.abc import Sequence
from typing import Any, Literal

import torch

from transferhub.errors import ConfigError
from transferhub.graph.arguments import (
    check_like_vectors,
    check_numbers,
    check_sequence,
    known_act,
    known_count,
    known_pool,
)
from transferhub.graph.build import add_layer
from transferhub.graph.initial import Initial
from transferhub.graph.programs import common_program, current_program
from transferhub.graph.variable import Variable, mask_of, needs_fixed_length

__all__ = [
    "bilstm",
    "compare",
    "concat",
    "conv_pool",
    "cosine",
    "data",
    "dropout",
    "embedding",
    "fc",
    "gelu",
    "gru",
    "lstm",
    "mask_of",
    "max_over_time",
    "needs_fixed_length",
    "projected_gru",
    "relu",
    "sequence_pool",
    "sigmoid",
    "softmax",
    "tanh",
]


def data(name: str, shape: Sequence[int] = (-1, -1), dtype: str = "int64") -> Variable:
    """An input of a network that stands on no module, say word numbers ``[B, L]``; one a name in the current program.

    Raises:
        ConfigError: The program has another Variable of this name.
    """
    program = current_program()
    known = program.variables.get(name)
    if known is not None and (known.node, known.shape, known.dtype) == (None, tuple(shape), dtype):
        return known
    return program.add(Variable(name, tuple(shape), dtype))


def fc(
    input: Variable,
    size: int,
    num_flatten_dims: int | None = None,
    act: str | None = None,
    *,
    bias: bool = True,
    initializer: Initial | None = None,
    name: str | None = None,
    share: str | None = None,
    trainable: bool = True,
    lr_scale: float = 1.0,
) -> Variable:
    """A linear layer, ``[B, width]`` → ``[B, size]``; of a sequence, ``[B, L, width]`` → ``[B, L, size]``.

    Args:
        input: A vector, a sequence of vectors, or a map of features ``[B, …]``, which is flattened.
        size: Numbers it gives.
        num_flatten_dims: How many axes are kept. None: batch and tokens of a sequence, else the batch. 1 flattens a
            sequence: the length becomes part of the features, so all rows are padded to its length.
        act: ``relu``, ``tanh``, ``sigmoid``, ``softmax`` or ``gelu``.
        bias: Whether to add one.
        initializer: How the weight is drawn: ``{"kind": "uniform", "low": -0.1, "high": 0.1}``; None: Glorot's.
        name: As for all layers.
        share: As for all layers.
        trainable: As for all layers.
        lr_scale: As for all layers.

    Raises:
        ConfigError: Ids, a size that is not known, more axes than there are.
    """
    check_numbers(input, "fc")
    rank = len(input.shape)
    kept = (2 if rank == 3 else 1) if num_flatten_dims is None else num_flatten_dims
    if not 1 <= kept < rank or (rank != 3 and kept != 1):
        raise ConfigError(
            f"fc: num_flatten_dims={num_flatten_dims} on {input}",
            expected="1, or 2 on a sequence [B, L, width]" if rank == 3 else "1",
        )
    inputs = 1
    for behind in input.shape[kept:]:
        inputs *= behind if behind > 0 else 0
    if inputs == 0:
        raise ConfigError(
            f"fc: {input} cannot be flattened from axis {kept} on: its size is not known",
            fix="context(max_seq_len=…) gives a length; without num_flatten_dims the layer reads token by token",
        )
    return add_layer(
        "fc",
        {
            "inputs": inputs,
            "size": known_count(size, "fc", "size"),
            "act": known_act(act, "fc"),
            "flatten": kept < rank - 1,
            "bias": bias,
            "initial": None if initializer is None else dict(initializer),
        },
        [input],
        (*input.shape[:kept], size),
        stem="fc",
        name=name,
        share=share,
        trainable=trainable,
        lr_scale=lr_scale,
        fixed_length=rank == 3 and kept == 1,
    )


def embedding(
    input: Variable,
    size: Sequence[int],
    *,
    padding_idx: int | None = None,
    initializer: Initial | None = None,
    weight: Any = None,
    name: str | None = None,
    share: str | None = None,
    trainable: bool = True,
    lr_scale: float = 1.0,
) -> Variable:
    """A table of vectors, ids ``[B, L]`` → ``[B, L, dim]``.

    Args:
        input: Ids, say ``inputs["word_ids"]``.
        size: ``[rows, dim]``.
        padding_idx: A row that is zero and stays so.
        initializer: How the table is drawn; None: Glorot's.
        weight: First values ``[rows, dim]``, an array or tensor, say of word vectors.
        name: As for all layers.
        share: As for all layers.
        trainable: As for all layers.
        lr_scale: As for all layers.

    Raises:
        ConfigError: No ids, another `size`. An id beyond the table is a DataError when the network runs.
    """
    if not isinstance(input, Variable) or not input.is_ids:
        raise ConfigError(f"embedding: input={input!s:.80}", expected="ids, int64 [B, L], say inputs['word_ids']")
    if len(size) != 2:
        raise ConfigError(f"embedding: size={list(size)}", expected="[rows, dim]")
    rows, dim = (known_count(number, "embedding", "size") for number in size)
    if padding_idx is not None and not 0 <= padding_idx < rows:
        raise ConfigError(f"embedding: padding_idx={padding_idx}", expected=f"0 to {rows - 1}")
    values = None
    if weight is not None:
        first = torch.as_tensor(weight, dtype=torch.float32)
        if first.shape != (rows, dim):
            raise ConfigError(f"embedding: weight {list(first.shape)}", expected=f"size: [{rows}, {dim}]")
        values = {"table.weight": first}
    return add_layer(
        "embedding",
        {
            "rows": rows,
            "dim": dim,
            "padding_idx": padding_idx,
            "initial": None if initializer is None else dict(initializer),
        },
        [input],
        (input.shape[0], input.length, dim),
        stem="embedding",
        name=name,
        share=share,
        trainable=trainable,
        lr_scale=lr_scale,
        values=values,
    )


def gru(input: Variable, size: int, is_reverse: bool = False, **options: Any) -> Variable:
    """A GRU with its input projection, ``[B, L, width]`` → ``[B, L, size]``; `is_reverse`: from the end.

    Args:
        input: A sequence of vectors.
        size: Of the state.
        is_reverse: Whether it reads from the end.
        **options: name, share, trainable, lr_scale.
    """
    return _recurrent("gru", input, size, "backward" if is_reverse else "forward", "gru", options)


def lstm(input: Variable, size: int, is_reverse: bool = False, **options: Any) -> Variable:
    """An LSTM with its input projection, ``[B, L, width]`` → ``[B, L, size]``; arguments as for `gru`."""
    return _recurrent("lstm", input, size, "backward" if is_reverse else "forward", "lstm", options)


def bilstm(input: Variable, size: int, **options: Any) -> Variable:
    """Two LSTMs, one from each end, side by side: ``[B, L, width]`` → ``[B, L, 2 × size]``; arguments as for `gru`."""
    return _recurrent("lstm", input, size, "both", "bilstm", options)


def projected_gru(
    input: Variable,
    size: int,
    is_reverse: bool = False,
    origin_mode: bool = False,
    initializer: Initial | None = None,
    **options: Any,
) -> Variable:
    """Paddle's ``dynamic_gru``: the input is already projected, ``[B, L, 3 × size]`` → ``[B, L, size]``.

    Args:
        input: ``fc(x, size=3 * size)``.
        size: Of the state.
        is_reverse: Whether it reads from the end.
        origin_mode: Whether the update gate is the part of the old state that is kept, as in Cho et al. 2014.
        initializer: How the weights are drawn; None: Glorot's.
        **options: name, share, trainable, lr_scale.
    """
    check_sequence(input, "projected_gru")
    if input.shape[-1] != 3 * size:
        raise ConfigError(
            f"projected_gru: {input} for size={size}",
            expected=f"a sequence of {3 * size} numbers a token",
            fix=f"fc(input, size={3 * size}) before it, or gru(input, size={size}), which projects itself",
        )
    arguments = {"size": size, "backward": is_reverse, "origin_mode": origin_mode, "initial": initializer}
    shape = (*input.shape[:2], size)
    return add_layer("projected_gru", arguments, [input], shape, stem="projected_gru", reads_mask=True, **options)


def conv_pool(
    input: Variable,
    num_filters: int,
    filter_size: int,
    act: str | None = None,
    pool: str | None = "max",
    **options: Any,
) -> Variable:
    """Windows over a sequence, pooled: ``[B, L, width]`` → ``[B, num_filters]``, each text surrounded by zeros.

    Args:
        input: A sequence of vectors.
        num_filters: Numbers it gives.
        filter_size: Tokens in a window.
        act: An activation before the pool.
        pool: As `sequence_pool`; None: no pool, ``[B, L, num_filters]``.
        **options: name, share, trainable, lr_scale.
    """
    check_sequence(input, "conv_pool")
    arguments = {
        "inputs": input.shape[-1],
        "filters": known_count(num_filters, "conv_pool", "num_filters"),
        "window": known_count(filter_size, "conv_pool", "filter_size"),
        "act": known_act(act, "conv_pool"),
        "pool": None if pool is None else known_pool(pool, "conv_pool"),
    }
    shape = (input.shape[0], num_filters) if pool is not None else (*input.shape[:2], num_filters)
    return add_layer("conv_pool", arguments, [input], shape, stem="conv_pool", reads_mask=True, **options)


def sequence_pool(input: Variable, pool_type: str = "max", name: str | None = None) -> Variable:
    """One vector of a sequence's real tokens, ``[B, L, width]`` → ``[B, width]``.

    Args:
        input: A sequence of vectors.
        pool_type: ``max``, ``sum``, ``average``, ``sqrt`` (the sum over the root of the count), ``last``, ``first``.
        name: Of the output.
    """
    check_sequence(input, "sequence_pool")
    how = {"how": known_pool(pool_type, "sequence_pool")}
    shape = (input.shape[0], input.shape[-1])
    return add_layer("sequence_pool", how, [input], shape, stem="sequence_pool", name=name, reads_mask=True)


def max_over_time(input: Variable, name: str | None = None) -> Variable:
    """The highest value of each feature over a sequence, ``[B, L, width]`` → ``[B, width]``."""
    return sequence_pool(input, "max", name)


def concat(inputs: Sequence[Variable], axis: int = -1, name: str | None = None) -> Variable:
    """Features side by side: vectors ``[B, a] [B, b]`` → ``[B, a + b]``, or sequences of the same tokens.

    Args:
        inputs: All vectors, or all sequences of one mask.
        axis: The features' axis: -1, 1 (as Paddle counts on sequences of different lengths too), or 2 of a sequence.
        name: Of the output.

    Raises:
        ConfigError: Vectors with sequences, sequences of other tokens, the axis of the batch.
    """
    given = list(inputs)
    if not given:
        raise ConfigError("concat of nothing", expected="Variables")
    for variable in given:
        check_numbers(variable, "concat")
    common_program(given)
    ranks = {len(variable.shape) for variable in given}
    said = "; ".join(map(str, given))
    if len(ranks) > 1 or not ranks <= {2, 3}:
        raise ConfigError(f"concat of {said}", expected="all vectors [B, width], or all sequences [B, L, width]")
    if axis not in (-1, 1, ranks.copy().pop() - 1):
        raise ConfigError(f"concat: axis={axis} of {said}", expected="-1 or 1: features")
    if ranks == {3}:
        lengths = {variable.length for variable in given} - {-1}
        masks = {mask.name for variable in given if (mask := mask_of(variable)) is not None}
        if len(lengths) > 1 or len(masks) > 1:
            raise ConfigError(
                f"concat of sequences of other tokens: {said}"
                + (f" (masks {', '.join(sorted(masks))})" if masks else ""),
                expected="sequences that are one text, token by token",
            )
    width = sum(variable.shape[-1] for variable in given)
    lengths_known = max(variable.shape[1] for variable in given)
    shape = (-1, width) if ranks == {2} else (-1, lengths_known, width)
    return add_layer("concat", {}, given, shape, stem="concat", name=name)


def compare(input: Variable, other: Variable, name: str | None = None) -> Variable:
    """What a layer can tell two texts' likeness from: ``[B, width]`` each → ``[B, 4 × width]``.

    Both vectors, their absolute difference and their product (Mou et al. 2016, arXiv:1512.08422, section 3.2). Of the
    two side by side alone a linear layer cannot tell whether they are alike.

    Args:
        input: A vector.
        other: Another of the same width.
        name: Of the output.

    Raises:
        ConfigError: Sequences, vectors of different widths, Variables of two programs.
    """
    check_like_vectors([input, other], "compare")
    shape = (-1, 4 * input.shape[-1])
    return add_layer("compare", {}, {"input": input, "other": other}, shape, stem="compare", name=name)


def cosine(input: Variable, other: Variable, name: str | None = None) -> Variable:
    """The cosine of two vectors, ``[B, width]`` each → ``[B, 1]``; 0 where one is zero. As `compare`."""
    check_like_vectors([input, other], "cosine")
    return add_layer("cosine", {}, {"input": input, "label": other}, (-1, 1), stem="cosine", name=name)


def dropout(input: Variable, p: float = 0.5, name: str | None = None) -> Variable:
    """Zero a part `p` of the values in training, and scale up the rest."""
    check_numbers(input, "dropout")
    if not 0 <= p < 1:
        raise ConfigError(f"dropout: p={p}", expected="0 to below 1")
    return add_layer("dropout", {"p": float(p)}, [input], input.shape, stem="dropout", name=name)


def relu(input: Variable, name: str | None = None) -> Variable:
    """``max(x, 0)``."""
    return activation(input, "relu", name)


def tanh(input: Variable, name: str | None = None) -> Variable:
    """Hyperbolic tangent."""
    return activation(input, "tanh", name)


def sigmoid(input: Variable, name: str | None = None) -> Variable:
    """``1 / (1 + exp(-x))``."""
    return activation(input, "sigmoid", name)


def softmax(input: Variable, name: str | None = None) -> Variable:
    """Over the last axis, the features."""
    return activation(input, "softmax", name)


def gelu(input: Variable, name: str | None = None) -> Variable:
    """Hendrycks and Gimpel's, exact."""
    return activation(input, "gelu", name)


def activation(input: Variable, act: str, name: str | None = None) -> Variable:
    """An activation by its name."""
    check_numbers(input, act)
    return add_layer("activation", {"act": known_act(act, "activation")}, [input], input.shape, stem=act, name=name)


def _recurrent(
    kind: Literal["gru", "lstm"], input: Variable, size: int, direction: str, stem: str, options: dict[str, Any]
) -> Variable:
    check_sequence(input, stem)
    arguments = {
        "kind": kind,
        "inputs": input.shape[-1],
        "size": known_count(size, stem, "size"),
        "direction": direction,
    }
    shape = (*input.shape[:2], size * (2 if direction == "both" else 1))
    return add_layer("recurrent", arguments, [input], shape, stem=stem, reads_mask=True, **options)
