"""Pretrained networks: the catalogue, the store of files, and the families that open them."""

from transferhub.module.module import Module

__all__ = ["Module"]
