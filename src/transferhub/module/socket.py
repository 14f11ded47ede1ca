"""What takes the place of an encoder inside a model of transformers, so that body and head are two nodes of a graph."""

from typing import Any

from torch import nn


class Socket(nn.Module):
    """Stands in the place of an encoder inside an ``AutoModelFor…`` and hands over what was already computed."""

    outputs: Any = None

    def forward(self, *_: Any, **__: Any) -> Any:
        """Give out what the encoder computed."""
        return self.outputs
