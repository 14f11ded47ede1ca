"""Convolutions over a sequence of vectors."""

from torch import Tensor, nn

from transferhub.graph.dense import activated
from transferhub.graph.initial import fill
from transferhub.graph.pooling import pooled


class ConvPool(nn.Module):
    """Windows around each place, an activation, and the pool over all places.

    A text is surrounded by zeros, whether padding follows it or not.

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
        if input_mask is not None:
            input = input.masked_fill((input_mask == 0).unsqueeze(2), 0.0)
        windows = self.conv(nn.functional.pad(input.transpose(1, 2), self._around)).transpose(1, 2)
        values = activated(windows, self._act)
        return {"out": values if self._pool is None else pooled(values, input_mask, self._pool)}


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
