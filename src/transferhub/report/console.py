"""A progress bar on a terminal; nothing where the output goes into a file."""

import sys
from typing import Any


class ProgressBar:
    """Follows a run step by step. Log lines appear above it.

    Args:
        total: Steps in all.
        done: Steps that were done before.
    """

    def __init__(self, total: int, done: int = 0) -> None:
        self._bar: Any = None
        if not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._bar = Progress(
            TextColumn("fine-tuning"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("", total=total, completed=done)
        self._bar.start()

    def advance(self) -> None:
        """One step more."""
        if self._bar is not None:
            self._bar.advance(self._task)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
