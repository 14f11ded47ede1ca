"""Too little memory: which errors say so, and how a batch is cut so that its parts fit."""

import gc

import numpy as np
import numpy.typing as npt
import torch

from transferhub.reader import Columns

SAID = ("out of memory", "can't allocate memory", "not enough memory", "could not allocate", "alloc_failed")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out, on whichever device."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in SAID)


def release() -> None:
    """Give back what the failed attempt left behind."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def halves(rows: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The first and the second half."""
    middle = (len(rows) + 1) // 2
    return rows[:middle], rows[middle:]


def most_within(rows: npt.NDArray[np.int64], columns: Columns, most: int | None) -> int | None:
    """`most`; where rows are read in windows no more than as many rows of one window would hold.

    So a batch of long texts, which length-grouped batches have together, takes no more memory than any other.
    """
    pieces, _ = columns.pieces_of(rows)
    if len(pieces) == len(rows):
        return most
    usual = columns.padded(rows) // len(pieces) * len(rows)
    return usual if most is None else min(most, usual)


def parts_within(rows: npt.NDArray[np.int64], columns: Columns, most: int | None) -> list[npt.NDArray[np.int64]]:
    """A batch cut in halves until no part holds more than `most` values when it is padded; single rows stay.

    Args:
        rows: Row numbers of the batch, int64 ``[B]``.
        columns: Of the split.
        most: None: no limit.
    """
    if most is None or len(rows) == 1 or columns.padded(rows) <= most:
        return [rows]
    return [part for half in halves(rows) for part in parts_within(half, columns, most)]
