"""Pretrained networks: the catalogue, the store of files, and the families that open them.

`Module` is imported when it is used, so that listing the catalogue loads no torch.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transferhub.module.module import Module as Module

__all__ = ["Module"]


def __getattr__(name: str) -> Any:
    if name == "Module":
        from transferhub.module.module import Module

        return Module
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
