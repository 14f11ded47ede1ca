"""Curves as TensorBoard events, under 1.x's tags, such as ``Loss_train`` and ``acc_dev``."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from transferhub.log import logger


class Scalars:
    """Writes the entries of a run's curves into ``visualization/``.

    The report draws the same curves: a run does not end because these cannot be written.

    Args:
        run: The run's folder.
        step: Where the run goes on; events after it, of a start that was killed, are hidden.
    """

    def __init__(self, run: Path, step: int = 0) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        self._writer: Any = None
        with self._going_on():
            self._writer = SummaryWriter(str(run / "visualization"), purge_step=step + 1 if step else None)

    def write(self, entry: Mapping[str, Any]) -> None:
        """Write one entry: ``{"split", "step", "loss", "scores", "rate"}``."""
        values = {f"Loss_{entry['split']}": entry["loss"]}
        values |= {f"{name}_{entry['split']}": value for name, value in entry["scores"].items()}
        if entry["rate"] is not None:
            values["learning_rate"] = entry["rate"]
        with self._going_on():
            for tag, value in values.items():
                if self._writer is not None:
                    self._writer.add_scalar(tag, value, entry["step"])

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
            logger.warning("TensorBoard events cannot be written any more: %s", error)
