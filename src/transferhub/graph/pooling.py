"""A sequence to one vector, by a mask that may leave out places anywhere."""

import torch
from torch import Tensor, nn

POOLS = ("max", "sum", "average", "sqrt", "last", "first")


def pooled(values: Tensor, mask: Tensor | None, how: str) -> Tensor:
    """``[B, L, H]`` → ``[B, H]`` over the places where the mask ``[B, L]`` is not 0 (None: all of them).

    ``sqrt`` is the sum over the square root of the number of places. A row without a place gives zeros.
    """
    batch, length = values.shape[:2]
    if length == 0:
        return values.new_zeros(batch, values.shape[2])
    real = values.new_ones(batch, length, dtype=torch.bool) if mask is None else mask != 0
    if how == "max":
        highest = values.masked_fill(~real.unsqueeze(2), float("-inf")).amax(dim=1)
        return highest.masked_fill(~real.any(dim=1, keepdim=True), 0.0)
    if how in ("last", "first"):
        order = torch.arange(1, length + 1, device=values.device)
        place = (real * (order if how == "last" else order.flip(0))).argmax(dim=1)
        chosen = values.gather(1, place[:, None, None].expand(-1, 1, values.shape[2])).squeeze(1)
        return chosen.masked_fill(~real.any(dim=1, keepdim=True), 0.0)
    total = values.masked_fill(~real.unsqueeze(2), 0.0).sum(dim=1)
    if how == "sum":
        return total
    count = real.sum(dim=1, keepdim=True).clamp(min=1).to(values.dtype)
    return total / (count if how == "average" else count.sqrt())


class SequencePool(nn.Module):
    """`pooled` as a layer.

    Args:
        how: One of `POOLS`.
    """

    def __init__(self, how: str) -> None:
        super().__init__()
        self._how = how

    def forward(self, input: Tensor, input_mask: Tensor | None = None) -> dict[str, Tensor]:
        """``[B, L, H]``, mask ``[B, L]`` → ``{"out": [B, H]}``."""
        return {"out": pooled(input, input_mask, self._how)}
