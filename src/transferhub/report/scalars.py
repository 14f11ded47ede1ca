"""Curves under 1.x's tags, such as ``Loss_train`` and ``acc_dev``, for TensorBoard, and for VisualDL where it is there.

Both lie in one folder: neither reads the other's files.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from transferhub.log import logger

FOLDER = "visualization"
FOLDER_OF_1_0 = "vdllog"  # the same folder, as 1.0 and 1.1 called it

Entry = Mapping[str, Any]  # {"split", "step", "loss", "scores", "rate"}
Scalar = tuple[str, float, int]  # tag, value, step


class Scalars:
    """Writes the entries of a run's curves into ``visualization/``.

    The report draws the same curves: a run does not end because these cannot be written.

    Args:
        run: The run's folder.
        before: Entries of earlier starts.
        step: Where the run goes on; events after it, of a start that was killed, are hidden.
        as_1_0: Whether the folder can be found as ``vdllog`` too.
    """

    def __init__(self, run: Path, before: Sequence[Entry] = (), step: int = 0, *, as_1_0: bool = False) -> None:
        folder = run / FOLDER
        self._writers = [Writer("TensorBoard", lambda: _tensorboard(folder, step))]
        found = visualdl(folder, _scalars(before))
        if found is not None:
            self._writers.append(found)
        if as_1_0:
            link = run / FOLDER_OF_1_0
            with contextlib.suppress(OSError):  # it is there, or this file system has no links
                link.symlink_to(FOLDER)

    def write(self, entry: Entry) -> None:
        """Write one entry."""
        for writer in self._writers:
            writer.add(_scalars([entry]))

    def close(self) -> None:
        """Write what is left."""
        for writer in self._writers:
            writer.close()


class Writer:
    """One of the two libraries' writers, until the disk refuses it.

    Args:
        name: The library's.
        opened: Opens the writer, an object with ``add_scalar(tag, value, step)``, positional, and ``close()``.
    """

    def __init__(self, name: str, opened: Callable[[], Any]) -> None:
        self._name, self._writer = name, None
        with self._going_on():
            self._writer = opened()

    def add(self, scalars: Iterable[Scalar]) -> None:
        """Write scalars."""
        for tag, value, step in scalars:
            with self._going_on():
                if self._writer is not None:
                    self._writer.add_scalar(tag, value, step)

    def close(self) -> None:
        """Write what is left."""
        with self._going_on():
            if self._writer is not None:
                self._writer.close()

    @contextlib.contextmanager
    def _going_on(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._writer = None
            logger.warning("%s's curves cannot be written any more: %s", self._name, error)


def visualdl(folder: Path, before: Iterable[Scalar] = ()) -> Writer | None:
    """VisualDL's writer, if it is installed; of several files in a folder it reads the newest alone.

    Args:
        folder: Of the logs; what VisualDL wrote there earlier is replaced.
        before: The scalars to begin with.
    """
    try:
        from visualdl import LogWriter
    except ImportError as error:
        if error.name != "visualdl":
            logger.warning("VisualDL cannot be loaded, and draws no curves: %s", error)
        return None
    except Exception as error:  # whatever its dependencies raise: with some versions of protobuf a TypeError
        logger.warning("VisualDL cannot be loaded, and draws no curves: %s: %s", type(error).__name__, error)
        return None

    def opened() -> Any:
        for left in folder.glob("*vdlrecords*"):
            left.unlink()
        return _Renamed(LogWriter(logdir=str(folder)))

    made = Writer("VisualDL", opened)
    made.add(before)
    return made


class _Renamed:
    """A LogWriter that takes tags with a percent sign, which VisualDL refuses."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        self._writer.add_scalar(tag=tag.replace("%", "_"), value=float(value), step=step)

    def close(self) -> None:
        self._writer.close()


def _tensorboard(folder: Path, step: int) -> Any:
    from torch.utils.tensorboard.writer import SummaryWriter

    return SummaryWriter(str(folder), purge_step=step + 1 if step else None)


def _scalars(entries: Iterable[Entry]) -> Iterator[Scalar]:
    for entry in entries:
        values = {f"Loss_{entry['split']}": entry["loss"]}
        values |= {f"{name}_{entry['split']}": value for name, value in entry["scores"].items()}
        if entry["rate"] is not None:
            values["learning_rate"] = entry["rate"]
        for tag, value in values.items():
            yield tag, value, entry["step"]
