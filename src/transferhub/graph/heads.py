"""The new layers of our own on top of a feature."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from transferhub.graph.randomness import seeded
from transferhub.graph.variable import Source


class FullyConnected(nn.Module):
    """Dropout, hidden layers with ReLU, a linear layer: feature ``[B, H]`` float → ``logits`` ``[B, outputs]``."""

    def __init__(self, inputs: int, outputs: int, hidden_units: Sequence[int], dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Dropout(dropout)]
        for units in hidden_units:
            layers += [nn.Linear(inputs, units), nn.ReLU()]
            inputs = units
        self.layers = nn.Sequential(*layers, nn.Linear(inputs, outputs))
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)  # PaddleHub 1.x's initialisation
                nn.init.zeros_(layer.bias)

    def forward(self, feature: Tensor) -> dict[str, Tensor]:
        """Return ``{"logits": [B, outputs]}``."""
        return {"logits": self.layers(feature)}


class FullyConnectedSource(Source):
    """Builds `FullyConnected` with weights drawn from (seed, "head")."""

    def __init__(self, inputs: int, outputs: int, hidden_units: Sequence[int] = (), dropout: float = 0.1) -> None:
        self.arguments = (inputs, outputs, tuple(hidden_units), dropout)

    def build(self, seed: int) -> nn.Module:
        """Make the layers."""
        with seeded(seed, "head"):
            return FullyConnected(*self.arguments)

    def description(self) -> dict[str, Any]:
        """Sizes and dropout."""
        inputs, outputs, hidden_units, dropout = self.arguments
        sizes = {"inputs": inputs, "outputs": outputs, "hidden_units": list(hidden_units), "dropout": dropout}
        return {"kind": "head", "arguments": sizes}


class MeanOfPieces(nn.Module):
    """Where rows are read in pieces, the mean of the pieces' logits: ``[P, classes]`` → ``[B, classes]``."""

    def forward(self, logits: Tensor, row_of: Tensor | None = None) -> dict[str, Tensor]:
        """``row_of`` int64 ``[P]`` is the row of each piece, from 0; None: each row is one piece."""
        if row_of is None:
            return {"logits": logits}
        # A product instead of a scattered sum, whose order would be left to chance on a GPU.
        belongs = nn.functional.one_hot(row_of).T.to(logits.dtype)
        return {"logits": belongs @ logits / belongs.sum(dim=1, keepdim=True)}


class MeanOfPiecesSource(Source):
    """Builds `MeanOfPieces`, which has no weights."""

    def build(self, seed: int) -> nn.Module:
        """Make the layer."""
        return MeanOfPieces()

    def description(self) -> dict[str, Any]:
        """Nothing but its kind."""
        return {"kind": "mean_of_pieces", "arguments": {}}
