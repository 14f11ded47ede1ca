import errno
import tempfile

import numpy as np
import pytest

from transferhub.errors import StorageError
from transferhub.metrics import kept
from transferhub.metrics.kept import Kept


@pytest.mark.parametrize("room", [0, 100, 10**9])
def test_what_comes_out_is_what_went_in_wherever_it_lay(monkeypatch, room):
    monkeypatch.setattr(kept, "IN_MEMORY", room)
    values = np.random.default_rng(0).random((50, 7)).astype(np.float32)
    rows = Kept((np.float32, (7,)))
    for start in range(0, 50, 9):
        rows.append(values[start : start + 9])
        assert (rows.rows() == values[: start + 9]).all()
    assert len(rows) == 50
    assert (np.stack(list(rows.columns()), axis=1) == values).all()


def test_nothing_kept_is_no_rows():
    assert Kept((np.float32, (3,))).rows().shape == (0, 3)
    assert [len(column) for column in Kept((np.float32, (3,))).columns()] == [0, 0, 0]


def test_a_full_disk_is_said(monkeypatch):
    class Full:
        def write(self, _):
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self):
            pass

    monkeypatch.setattr(kept, "IN_MEMORY", 3)
    monkeypatch.setattr(tempfile, "TemporaryFile", Full)
    with pytest.raises(StorageError, match="scores of 4 rows do not fit"):
        Kept(np.float32).append(np.zeros(4))
