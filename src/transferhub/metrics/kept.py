"""Numbers of every row of a split, for scores that no counts can give: in memory while they are few, then on disk."""

import tempfile
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from transferhub.errors import StorageError

IN_MEMORY = 64 * 1024 * 1024  # bytes; what is more lies in an unnamed temporary file


class Kept:
    """Rows of one dtype, appended batch by batch.

    Args:
        dtype: Of a row: plain, structured, or with a shape, ``(np.float32, (5,))``.
    """

    def __init__(self, dtype: npt.DTypeLike) -> None:
        self._dtype = np.dtype(dtype)
        self._bytes, self._length = bytearray(), 0
        self._file: Any = None

    def __len__(self) -> int:
        return self._length

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Keep ``[B]`` rows, or ``[B, …]`` where the dtype has a shape.

        Raises:
            StorageError: The temporary folder is full.
        """
        self._length += len(rows)
        self._bytes += np.ascontiguousarray(rows, self._dtype.base).tobytes()
        if len(self._bytes) > IN_MEMORY:
            try:
                if self._file is None:
                    self._file = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as this does
                    weakref.finalize(self, self._file.close)
                self._file.write(self._bytes)
                self._file.flush()
            except OSError as error:
                raise StorageError(
                    f"the scores of {self._length:,} rows do not fit into {tempfile.gettempdir()}: {error}",
                    fix="free space there, or set TMPDIR",
                ) from error
            self._bytes = bytearray()

    def rows(self) -> npt.NDArray[Any]:
        """All rows in the order they came: an array, or a map of the file."""
        if self._file is None:
            return np.frombuffer(bytes(self._bytes), self._dtype.base).reshape(self._shape)
        self._file.write(self._bytes)
        self._file.flush()
        self._bytes = bytearray()
        return np.memmap(self._file, self._dtype.base, "r", shape=self._shape)

    def columns(self) -> Iterator[npt.NDArray[Any]]:
        """The columns of rows with a shape, ``[rows]`` each, in order; never all of them in memory at once."""
        rows = self.rows()
        group = max(1, IN_MEMORY // max(1, len(rows) * rows.itemsize))
        for start in range(0, rows.shape[1], group):
            yield from np.ascontiguousarray(rows[:, start : start + group].T)

    @property
    def _shape(self) -> tuple[int, ...]:
        return (self._length, *self._dtype.shape)
