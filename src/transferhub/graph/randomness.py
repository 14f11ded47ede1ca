"""Randomness as a function of (seed, purpose, place), never of what was drawn before.

A run that is stopped anywhere and started again draws the same numbers as one that was not, because no generator
outlives the step, epoch or purpose that it was made for.
"""

import contextlib
import hashlib
from collections.abc import Iterator

import torch


def derive(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed for one purpose: ``derive(42, "dropout", step)``."""
    text = "\0".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


@contextlib.contextmanager
def seeded(seed: int, *purpose: str | int) -> Iterator[None]:
    """Torch's CPU generator starts from ``derive(seed, *purpose)`` inside, and is as before afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, *purpose))
        yield
