"""Layers by the name of their kind and plain arguments, so that a network can be written down as data."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from transferhub.errors import ConfigError, did_you_mean
from transferhub.graph.convolution import ConvPool, DeepPyramid
from transferhub.graph.costs import Accuracy, Cosine, CrossEntropy, RowMean, SigmoidCrossEntropy, SquaredError
from transferhub.graph.crf import CRF
from transferhub.graph.dense import Activation, Compare, Concat, Dense, Dropout, Embedding
from transferhub.graph.pooling import SequencePool
from transferhub.graph.randomness import seeded
from transferhub.graph.recurrent import ProjectedGRU, Recurrent
from transferhub.graph.variable import Source

# Kind → what makes the module from plain arguments; a new layer is one line here. The names are in saved networks.
KINDS: dict[str, Callable[..., nn.Module]] = {
    "fc": Dense,
    "embedding": Embedding,
    "activation": Activation,
    "dropout": Dropout,
    "concat": Concat,
    "compare": Compare,
    "sequence_pool": SequencePool,
    "conv_pool": ConvPool,
    "dpcnn": DeepPyramid,
    "recurrent": Recurrent,
    "projected_gru": ProjectedGRU,
    "cross_entropy": CrossEntropy,
    "sigmoid_cross_entropy": SigmoidCrossEntropy,
    "squared_error": SquaredError,
    "row_mean": RowMean,
    "accuracy": Accuracy,
    "cosine": Cosine,
    "crf": CRF,
}


class LayerSource(Source):
    """Builds a layer of a registered kind with weights drawn from (seed, "layer", `weights`).

    Args:
        kind: One of `KINDS`.
        arguments: Plain values.
        weights: The weights' name; layers of one program with the same one share them.
        trainable: False: the weights stay as they are.
        lr_scale: How many times the strategy's rate they move at.
        values: First values by parameter name, in place of drawn ones. They are not part of the description.
    """

    def __init__(
        self,
        kind: str,
        arguments: Mapping[str, Any],
        weights: str,
        trainable: bool = True,
        lr_scale: float = 1.0,
        values: Mapping[str, Tensor] | None = None,
    ) -> None:
        if kind not in KINDS:
            raise ConfigError(f"no layer of kind {kind!r}", expected=", ".join(KINDS), fix=did_you_mean(kind, KINDS))
        if not (lr_scale >= 0 and lr_scale < float("inf")):
            raise ConfigError(f"lr_scale={lr_scale} of {weights!r}", expected="a number of 0 or more")
        self.kind, self.arguments, self.weights = kind, dict(arguments), weights
        self.trainable, self.lr_scale, self.values = trainable, float(lr_scale), dict(values or {})

    def build(self, seed: int) -> nn.Module:
        """Make the layer."""
        with seeded(seed, "layer", self.weights):
            try:
                layer = KINDS[self.kind](**self.arguments)
            except (TypeError, ValueError, KeyError, RuntimeError) as error:
                raise ConfigError(f"{self.kind} {self.weights!r} with {self.arguments}: {error}") from error
        with torch.no_grad():
            for name, first in self.values.items():
                layer.get_parameter(name).copy_(first)
        return layer

    def description(self) -> dict[str, Any]:
        """Kind, arguments and how the weights move."""
        return {
            "kind": self.kind,
            "arguments": self.arguments,
            "weights": self.weights,
            "trainable": self.trainable,
            "lr_scale": self.lr_scale,
        }
