"""What takes the place of an encoder inside a model of transformers, so that body and head are two nodes of a graph."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from torch import nn

_computed: ContextVar[Any] = ContextVar("what the encoder gave")  # of a thread's own: several may predict at once


class Socket(nn.Module):
    """Stands in the place of an encoder inside an ``AutoModelFor…`` and hands over what was already computed."""

    def forward(self, *_: Any, **__: Any) -> Any:
        """Give out what the encoder computed."""
        return _computed.get()


@contextlib.contextmanager
def given(outputs: Any) -> Iterator[None]:
    """Inside, sockets hand over these outputs of an encoder."""
    token = _computed.set(outputs)
    try:
        yield
    finally:
        _computed.reset(token)
