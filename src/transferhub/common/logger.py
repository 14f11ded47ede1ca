"""1.x's path of the logger."""

from transferhub.log import logger

__all__ = ["logger"]
