"""1.x's path of RunConfig."""

from transferhub.engine.config import RunConfig

__all__ = ["RunConfig"]
