"""Which rows make up which step: a function of seed and epoch, so that any step can be returned to."""

import numpy as np
import numpy.typing as npt

from transferhub.graph import derive

POOL = 50  # batches that are sorted by length together
NOISE = 0.1  # lengths are blurred by up to this part before sorting, so that neighbours change between epochs


def steps_in_epoch(rows: int, batch_size: int) -> int:
    """How many batches `rows` give; the last may be smaller."""
    return -(-rows // batch_size)


def epoch_batches(
    lengths: npt.NDArray[np.int64], batch_size: int, seed: int, epoch: int
) -> list[npt.NDArray[np.int64]]:
    """The batches of one epoch, each row in one of them: rows of similar length together, batches in random order.

    Args:
        lengths: Of the rows, int64 ``[rows]``.
        batch_size: Rows in a batch.
        seed: With `epoch` it determines the result.
        epoch: From 0.
    """
    random = np.random.default_rng(derive(seed, "batches", epoch))
    order = random.permutation(len(lengths))
    blurred = lengths[order] * random.uniform(1 - NOISE, 1 + NOISE, len(order))
    pool = POOL * batch_size
    pools = [np.arange(start, min(start + pool, len(order))) for start in range(0, len(order), pool)]
    grouped = np.concatenate([places[np.argsort(blurred[places], kind="stable")] for places in pools])
    order = order[grouped]
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    return [batches[place] for place in random.permutation(len(batches))]


def ordered_batches(lengths: npt.NDArray[np.int64], batch_size: int) -> list[npt.NDArray[np.int64]]:
    """All rows once, longest first (so that too little memory shows at once), for evaluation and prediction."""
    order = np.argsort(-lengths, kind="stable")
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
