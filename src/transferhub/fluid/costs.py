"""``fluid.layers``: losses and figures, by Paddle's names.

`mean` keeps rows apart: the engine takes the mean over them, so that a step may be cut in parts without changing it.
"""

from typing import Any

from transferhub.graph import Variable
from transferhub.graph.build import add_layer


def cross_entropy(input: Variable, label: Variable, soft_label: bool = False, ignore_index: int = -100) -> Variable:
    """Minus the logarithm of the label's probability, of probabilities ``[B, classes]`` and ids ``[B, 1]``."""
    shape = (*input.shape[:-1], 1)
    return _cost("cross_entropy", {"input": input, "label": label}, shape, from_logits=False, soft=soft_label)


def softmax_with_cross_entropy(logits: Variable, label: Variable, soft_label: bool = False) -> Variable:
    """Likewise of logits."""
    shape = (*logits.shape[:-1], 1)
    return _cost("cross_entropy", {"input": logits, "label": label}, shape, from_logits=True, soft=soft_label)


def sigmoid_cross_entropy_with_logits(x: Variable, label: Variable) -> Variable:
    """Cross-entropy of independent yes-or-no labels, ``[B, labels]`` each."""
    return _cost("sigmoid_cross_entropy", {"input": x, "label": label}, x.shape)


def square_error_cost(input: Variable, label: Variable) -> Variable:
    """``(input - label)²``."""
    return _cost("squared_error", {"input": input, "label": label}, input.shape)


def mean(x: Variable, name: str | None = None) -> Variable:
    """The mean of each row."""
    return _cost("row_mean", {"input": x}, (-1,), name=name)


def accuracy(input: Variable, label: Variable, k: int = 1) -> Variable:
    """Whether the label is among the `k` highest; the metric is the mean over a whole split."""
    return _cost("accuracy", {"input": input, "label": label}, (-1, 1), k=k)


def cos_sim(X: Variable, Y: Variable) -> Variable:
    """The cosine of two vectors, ``[B, 1]``."""
    return _cost("cosine", {"input": X, "label": Y}, (-1, 1))


def _cost(
    kind: str, inputs: dict[str, Variable], shape: tuple[int, ...], name: str | None = None, **arguments: Any
) -> Variable:
    return add_layer(kind, arguments, inputs, shape, stem=kind, name=name)
