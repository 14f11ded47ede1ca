"""A stand-in for VisualDL that keeps what it is given."""

import sys
from pathlib import Path

import pytest


class Recorded:
    """A stand-in for ``visualdl``: its LogWriter makes a file in its folder, and keeps what it is given."""

    def __init__(self):
        self.__name__, self.written = "visualdl", []
        recorded = self

        class LogWriter:
            def __init__(self, logdir=None):
                self.file = Path(logdir) / f"vdlrecords.{len(recorded.written):010}.log"
                self.file.parent.mkdir(exist_ok=True)
                self.file.write_text("")
                self.closed, self.scalars = False, []
                recorded.written.append(self)

            def add_scalar(self, tag, value, step, walltime=None):
                assert "%" not in tag, "VisualDL raises a RuntimeError"
                assert isinstance(value, float)
                self.scalars.append((tag, value, step))

            def close(self):
                self.closed = True

        self.LogWriter = LogWriter


@pytest.fixture
def visualdl(monkeypatch):
    module = Recorded()
    monkeypatch.setitem(sys.modules, "visualdl", module)
    return module
