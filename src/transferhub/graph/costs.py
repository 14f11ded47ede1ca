"""Costs and figures of a row: what a task's loss and metrics are made of. None has weights; each keeps rows apart."""

import torch
from torch import Tensor, nn

from transferhub.errors import ConfigError

EPSILON = 1e-12  # below which a probability is cut, so that its logarithm is finite


class CrossEntropy(nn.Module):
    """Minus the logarithm of the label's probability: ``[B, …, classes]`` and ids ``[B, …, 1]`` → ``[B, …, 1]``.

    Args:
        from_logits: Whether the input is logits, not probabilities.
        soft: Whether the label is a probability for each class.
    """

    def __init__(self, from_logits: bool = False, soft: bool = False) -> None:
        super().__init__()
        self._from_logits, self._soft = from_logits, soft

    def forward(self, input: Tensor, label: Tensor) -> dict[str, Tensor]:
        """Return ``{"out": …}``, float32."""
        values = input.float()
        logs = torch.log_softmax(values, dim=-1) if self._from_logits else values.clamp_min(EPSILON).log()
        if self._soft:
            return {"out": -(label.float() * logs).sum(dim=-1, keepdim=True)}
        ids = label if label.dim() == logs.dim() else label[..., None]
        return {"out": -logs.gather(-1, ids.long())}


class SigmoidCrossEntropy(nn.Module):
    """Cross-entropy of independent yes-or-no labels, from logits: both ``[B, labels]`` → ``[B, labels]``."""

    def forward(self, input: Tensor, label: Tensor) -> dict[str, Tensor]:
        """Return ``{"out": …}``, float32."""
        losses = nn.functional.binary_cross_entropy_with_logits(input.float(), label.float(), reduction="none")
        return {"out": losses}


class SquaredError(nn.Module):
    """``(input - label)²``, element by element."""

    def forward(self, input: Tensor, label: Tensor) -> dict[str, Tensor]:
        """Return ``{"out": …}``, float32."""
        if input.shape != label.shape:
            raise ConfigError(
                f"square_error_cost of {list(input.shape)} and {list(label.shape)}", expected="the same shape"
            )
        return {"out": (input.float() - label.float()) ** 2}


class RowMean(nn.Module):
    """The mean of each row, ``[B, …]`` → ``[B]``; over the rows the engine takes it."""

    def forward(self, input: Tensor) -> dict[str, Tensor]:
        """Return ``{"out": [B]}``, float32."""
        return {"out": input.float().reshape(len(input), -1).mean(dim=1)}


class Accuracy(nn.Module):
    """1 where the label is among the `k` highest: ``[B, classes]`` and ids ``[B, 1]`` → ``[B, 1]``."""

    def __init__(self, k: int = 1) -> None:
        super().__init__()
        self._k = k

    def forward(self, input: Tensor, label: Tensor) -> dict[str, Tensor]:
        """Return ``{"out": …}``, float32."""
        best = input.topk(min(self._k, input.shape[-1]), dim=-1).indices
        return {"out": (best == label.reshape(-1, 1)).any(dim=-1, keepdim=True).float()}


class Cosine(nn.Module):
    """The cosine of two vectors, ``[B, width]`` each → ``[B, 1]``."""

    def forward(self, input: Tensor, label: Tensor) -> dict[str, Tensor]:
        """Return ``{"out": …}``; 0 where one of them is zero."""
        return {"out": nn.functional.cosine_similarity(input, label, dim=-1)[:, None]}
