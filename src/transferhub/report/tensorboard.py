"""Curves as TensorBoard events, under 1.x's tags, such as ``Loss_train`` and ``acc_dev``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Scalars:
    """Writes the entries of a run's curves into ``visualization/``.

    Args:
        run: The run's folder.
        step: Where the run goes on; events after it, of a start that was killed, are hidden.
    """

    def __init__(self, run: Path, step: int = 0) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        self._writer = SummaryWriter(str(run / "visualization"), purge_step=step + 1 if step else None)

    def write(self, entry: Mapping[str, Any]) -> None:
        """Write one entry: ``{"split", "step", "loss", "scores", "rate"}``."""
        split, step = entry["split"], entry["step"]
        self._add(f"Loss_{split}", entry["loss"], step)
        for name, value in entry["scores"].items():
            self._add(f"{name}_{split}", value, step)
        if entry["rate"] is not None:
            self._add("learning_rate", entry["rate"], step)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()

    def _add(self, tag: str, value: float, step: int) -> None:
        self._writer.add_scalar(tag, value, step)
