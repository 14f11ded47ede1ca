"""Convolutions over a sequence of vectors."""

from typing import Any

import torch
from torch import Tensor, nn

from transferhub.graph.dense import activated
from transferhub.graph.initial import fill
from transferhub.graph.pooling import pooled

RISING = (None, "relu", "tanh", "sigmoid")  # activations that may as well follow the maximum


class ConvPool(nn.Module):
    """Windows around each place, an activation, and the pool over all places.

    A text is surrounded by zeros, whether padding follows it or not. On a CPU the maximum has kernels of its own.

    Args:
        inputs: Numbers a place has.
        filters: Numbers it gets.
        window: Places in a window; for an even number there is one more after the place than before it.
        act: An activation's name.
        pool: One of `pooling.POOLS`; None: the sequence.
    """

    def __init__(
        self, inputs: int, filters: int, window: int, act: str | None = None, pool: str | None = "max"
    ) -> None:
        super().__init__()
        self._act, self._pool = act, pool
        self._around = ((window - 1) // 2, window // 2)
        self.conv = nn.Conv1d(inputs, filters, window)
        fill(self.conv.weight, None)
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, input: Tensor, input_mask: Tensor | None = None) -> dict[str, Tensor]:
        """``[B, L, inputs]`` → ``{"out": [B, filters]}``, or ``[B, L, filters]`` without a pool."""
        if self._pool == "max" and self._act in RISING and input.device.type == "cpu" and input.shape[1]:
            return {"out": self._highest(input, input_mask)}
        if input_mask is not None:
            input = input.masked_fill((input_mask == 0).unsqueeze(2), 0.0)
        windows = self.conv(nn.functional.pad(input.transpose(1, 2), self._around)).transpose(1, 2)
        values = activated(windows, self._act)
        return {"out": values if self._pool is None else pooled(values, input_mask, self._pool)}

    def _highest(self, input: Tensor, mask: Tensor | None) -> Tensor:
        padding = None if mask is None else mask == 0
        arguments = (input, self.conv.weight, self.conv.bias, padding, self._around)
        if torch.is_grad_enabled():
            highest: Tensor = _HighestWindow.apply(*arguments)
        else:
            highest = _windows(*arguments)[1].amax(dim=1)
        highest = activated(highest, self._act)
        return highest if padding is None else highest.masked_fill(padding.all(dim=1, keepdim=True), 0.0)


def _windows(
    input: Tensor, weight: Tensor, bias: Tensor | None, padding: Tensor | None, around: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """The surrounded input ``[B, L + k - 1, C]``, and the values of all windows ``[B, L, F]``, -inf at padding.

    As a picture of one line with its channels last, which oneDNN takes as it lies.
    """
    batch, length, channels = input.shape
    surrounded = input.new_zeros(batch, length + sum(around), channels)
    inside = surrounded[:, around[0] : around[0] + length]
    inside.copy_(input)
    padded = _padded_places(padding)  # few, where rows of similar length are together
    if padding is not None:
        inside[:, padded].masked_fill_(padding[:, padded].unsqueeze(2), 0.0)
    picture = surrounded.unsqueeze(1).permute(0, 3, 1, 2)
    values = nn.functional.conv2d(picture, weight.unsqueeze(2), bias).squeeze(2).transpose(1, 2)
    if padding is not None:
        values[:, padded].masked_fill_(padding[:, padded].unsqueeze(2), float("-inf"))
    return surrounded, values


def _padded_places(padding: Tensor | None) -> slice:
    """From the first to the last place that is padding in some row."""
    places = [] if padding is None else padding.any(dim=0).nonzero().flatten().tolist()
    return slice(places[0], places[-1] + 1) if places else slice(0, 0)


class _HighestWindow(torch.autograd.Function):
    """The highest value of each filter over a text, ``[B, L, C]`` → ``[B, F]``, -inf where all is padding.

    Each highest value comes from one window of `k` places, so its gradients are products with a matrix of ``B × F × k``
    numbers; the usual way back goes through all ``B × L × F × k``.
    """

    @staticmethod
    def forward(
        ctx: Any,
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        padding: Tensor | None,
        around: tuple[int, int],
    ) -> Tensor:
        surrounded, values = _windows(input, weight, bias, padding, around)
        highest, places = values.max(dim=1)
        ctx.save_for_backward(surrounded, weight, places, padding)
        ctx.first, ctx.length = around[0], input.shape[1]
        return highest

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        surrounded, weight, places, padding = ctx.saved_tensors
        gradient = gradients[0].float()
        (batch, length, channels), (filters, _, width) = surrounded.shape, weight.shape
        # A number for each place that a filter's highest window covers: which place, which tap of which filter.
        starts = torch.arange(batch)[:, None] * length + places
        covered = (starts[:, :, None] + torch.arange(width)).flatten()
        taps = torch.arange(filters)[:, None] + filters * torch.arange(width)
        taps = taps.expand(batch, filters, width).flatten()
        numbers = gradient[:, :, None].expand(batch, filters, width).flatten()

        def product(lines: Tensor, columns: Tensor, shape: tuple[int, int], dense: Tensor) -> Tensor:
            sparse = torch.sparse_coo_tensor(torch.stack([lines, columns]), numbers, shape, check_invariants=False)
            found: Tensor = torch.sparse.mm(sparse, dense)
            return found

        to_input = to_weight = to_bias = None
        shape = width * filters, batch * length
        if ctx.needs_input_grad[0]:
            by_tap = weight.permute(2, 0, 1).reshape(width * filters, channels).float()
            to_input = product(covered, taps, shape[::-1], by_tap).view(batch, length, channels)
            to_input = to_input[:, ctx.first : ctx.first + ctx.length]
            padded = _padded_places(padding)
            if padding is not None:
                to_input[:, padded].masked_fill_(padding[:, padded].unsqueeze(2), 0.0)
            to_input = to_input.to(surrounded.dtype)
        if ctx.needs_input_grad[1]:
            made = product(taps, covered, shape, surrounded.view(-1, channels).float())
            to_weight = made.view(width, filters, channels).permute(1, 2, 0).to(weight.dtype)
        if ctx.needs_input_grad[2]:
            to_bias = gradient.sum(0).to(weight.dtype)
        return to_input, to_weight, to_bias, None, None


class DeepPyramid(nn.Module):
    """A deep pyramid of convolutions (Johnson and Zhang 2017, DPCNN): ``[B, L, inputs]`` → ``[B, channels]``.

    A convolution, a residual block of two, and then as often as `blocks` says: halve the length, another block. It
    reads padding like text, as 1.x's network did: rows must all be padded to one length.

    Args:
        inputs: Numbers a place has.
        channels: Of all convolutions.
        blocks: How often the length is halved.
    """

    def __init__(self, inputs: int, channels: int = 250, blocks: int = 6) -> None:
        super().__init__()
        self.region = nn.Conv1d(inputs, channels, 3, padding=1)
        self.pairs = nn.ModuleList(
            nn.Sequential(
                nn.ReLU(),
                nn.Conv1d(channels, channels, 3, padding=1),
                nn.ReLU(),
                nn.Conv1d(channels, channels, 3, padding=1),
            )
            for _ in range(blocks + 1)
        )

    def forward(self, input: Tensor) -> dict[str, Tensor]:
        """Return ``{"out": [B, channels]}``: the highest value of each channel."""
        values = self.region(input.transpose(1, 2))
        for number, pair in enumerate(self.pairs):
            if number:
                values = nn.functional.max_pool1d(values, kernel_size=3, stride=2, padding=1)
            values = values + pair(values)
        return {"out": values.amax(dim=2)}
