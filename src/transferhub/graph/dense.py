"""Layers that look at each place by itself: linear, embedding, activations, joining, dropout."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from transferhub.errors import ConfigError, DataError
from transferhub.graph.initial import Initial, fill

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softmax": lambda values: torch.softmax(values, dim=-1),
    "gelu": nn.functional.gelu,
}


def activated(values: Tensor, act: str | None) -> Tensor:
    """Apply an activation by name; None: as they are."""
    return values if act is None else ACTIVATIONS[act](values)


class Dense(nn.Module):
    """A linear layer over the last axis, or over all that is behind the batch: ``[B, …]`` → ``[…, size]``.

    Args:
        inputs: Numbers it takes at a place.
        size: Numbers it gives.
        act: An activation's name.
        flatten: Whether everything behind the batch axis is one vector.
        bias: Whether to add one, zero at first.
        initial: How the weight is drawn.
    """

    def __init__(
        self,
        inputs: int,
        size: int,
        act: str | None = None,
        flatten: bool = False,
        bias: bool = True,
        initial: Initial | None = None,
    ) -> None:
        super().__init__()
        self._inputs, self._act, self._flatten = inputs, act, flatten
        self.linear = nn.Linear(inputs, size, bias=bias)
        fill(self.linear.weight, initial)
        if bias:
            nn.init.zeros_(self.linear.bias)

    def forward(self, input: Tensor) -> dict[str, Tensor]:
        """Return ``{"out": …}``."""
        if self._flatten:
            flat = input.flatten(1)
            if flat.shape[1] != self._inputs:
                raise ConfigError(
                    f"a layer that flattens its input was given {list(input.shape)}: {flat.shape[1]} numbers a row",
                    expected=f"{self._inputs} numbers a row",
                    fix="rows padded to the max_seq_len that context(max_seq_len=…) was given",
                )
            input = flat
        return {"out": activated(self.linear(input), self._act)}


class Embedding(nn.Module):
    """A row of a table for each number: ids ``[B, L]`` int64 → ``[B, L, dim]``.

    Args:
        rows: Of the table.
        dim: Numbers a row.
        padding_idx: A row that is zero and stays so.
        initial: How the table is drawn.
    """

    def __init__(self, rows: int, dim: int, padding_idx: int | None = None, initial: Initial | None = None) -> None:
        super().__init__()
        self.table = nn.Embedding(rows, dim, padding_idx=padding_idx)
        fill(self.table.weight, initial)
        if padding_idx is not None:
            with torch.no_grad():
                self.table.weight[padding_idx] = 0

    def forward(self, input: Tensor) -> dict[str, Tensor]:
        """Return ``{"out": [B, L, dim]}``.

        Raises:
            DataError: An id that the table does not have.
        """
        rows = self.table.num_embeddings
        if input.device.type != "meta" and input.numel():
            wrong = (input < 0) | (input >= rows)
            if bool(wrong.any()):
                place = wrong.nonzero()[0].tolist()
                raise DataError(
                    f"id {int(input[tuple(place)])} in row {place[0]} of a batch, place {place[-1]}: "
                    f"beyond the embedding of {rows} rows",
                    expected=f"0 to {rows - 1}",
                    fix="size=[rows, dim] with a row for each word of the vocabulary that the reader uses",
                )
        return {"out": self.table(input)}


class Activation(nn.Module):
    """An activation by name, any shape."""

    def __init__(self, act: str) -> None:
        super().__init__()
        self._act = act

    def forward(self, input: Tensor) -> dict[str, Tensor]:
        """Return ``{"out": …}`` of the input's shape."""
        return {"out": activated(input, self._act)}


class Dropout(nn.Module):
    """Zero a part of the values in training and scale up the rest."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.drop = nn.Dropout(p)

    def forward(self, input: Tensor) -> dict[str, Tensor]:
        """Return ``{"out": …}`` of the input's shape."""
        return {"out": self.drop(input)}


class Compare(nn.Module):
    """Two vectors, how far they are apart and their product: ``[B, width]`` each → ``[B, 4 × width]``.

    Source: Mou et al. 2016 (arXiv:1512.08422), section 3.2, with the distance as its absolute value.
    """

    def forward(self, input: Tensor, other: Tensor) -> dict[str, Tensor]:
        """Return ``{"out": …}``: input, other, ``|input - other|``, ``input * other``."""
        return {"out": torch.cat([input, other, (input - other).abs(), input * other], dim=-1)}


class Concat(nn.Module):
    """Features of several Variables side by side: ``[…, a]``, ``[…, b]`` → ``[…, a + b]``."""

    def forward(self, **inputs: Tensor) -> dict[str, Tensor]:
        """Return ``{"out": …}``; the arguments are in order."""
        return {"out": torch.cat(list(inputs.values()), dim=-1)}
