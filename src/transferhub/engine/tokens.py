"""How many tokens a split has, and how many places its batches compute in their stead."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transferhub.reader import Columns, Padding


@dataclass(frozen=True)
class TokenCount:
    """Rows and tokens of a split, once through.

    Args:
        rows: How many.
        tokens: Of all rows, special ones included.
        in_batches: Places that are computed, padding included.
        longest: What a fixed length would pad each row to.
        windows: What the rows are read in: as many as rows, or more where long texts are read in windows.
    """

    rows: int
    tokens: int
    in_batches: int
    longest: int
    windows: int

    @property
    def padding(self) -> float:
        """The part of the computed places that is padding."""
        return 1 - self.tokens / self.in_batches

    @property
    def padding_if_fixed(self) -> float:
        """The part that would be padding if each row were padded to `longest`."""
        return 1 - self.tokens / (self.windows * self.longest)

    @property
    def line(self) -> str:
        """The figures in words."""
        each = self.tokens / self.rows
        windows = f" in {self.windows} windows" if self.windows > self.rows else ""
        return (
            f"{self.rows} rows{windows}, {self.tokens:,} tokens, {each:.0f} a row; {100 * self.padding:.0f} % padding "
            f"in length-grouped batches ({100 * self.padding_if_fixed:.0f} % if all were padded to {self.longest})"
        )


def count(columns: Columns, batches: Sequence[npt.NDArray[np.int64]], pad: Padding, longest: int) -> TokenCount:
    """Count a split with at least one row.

    Args:
        columns: Of the split.
        batches: Row numbers, each row in one of them.
        pad: How their rows are padded.
        longest: ``max_seq_len``.
    """
    computed, whole = sum(columns.padded(rows, pad) for rows in batches), longest * columns.slots
    return TokenCount(len(columns), int(columns.offsets[-1]), computed, whole, len(columns.offsets) - 1)
