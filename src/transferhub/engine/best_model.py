"""The best model of a run: which scores it has is what its folder says, so that score and weights are one."""

import json
import math
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from transferhub import atomic
from transferhub.engine.objective import Objective
from transferhub.log import logger

BEST = "best_model"
SAID = "best.json"


class BestModel:
    """A run's ``best_model/``.

    Args:
        run: The run's folder.
        objective: Ranks scores.
        save: Fills a folder with the current model, given its scores.
    """

    def __init__(self, run: Path, objective: Objective, save: Callable[[Path, Mapping[str, float]], None]) -> None:
        self.folder, self._objective, self._save = run / BEST, objective, save

    @property
    def said(self) -> dict[str, Any] | None:
        """``{"step", "scores", "loss"}``; None: there is none yet."""
        try:
            best: dict[str, Any] = json.loads((self.folder / SAID).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return best

    def recover(self) -> None:
        """Undo what a crash left; a damaged model is removed, and said."""
        atomic.recover(self.folder)
        fault = atomic.damage(self.folder, only=(".safetensors", SAID)) if self.folder.exists() else None
        if fault is not None:
            logger.warning(
                "The best model so far is damaged (%s): it is removed, the next evaluation keeps a new one", fault
            )
            shutil.rmtree(self.folder, ignore_errors=True)

    def is_beaten_by(self, scores: Mapping[str, float], loss: float) -> bool:
        """Whether these scores on dev are better; the first ones always are."""
        best = self.said
        return best is None or self._rank(scores, loss) > self._rank(best["scores"], best["loss"])

    def replace(self, step: int, scores: Mapping[str, float], loss: float) -> None:
        """Keep the current model as the best one."""
        with atomic.whole_folder(self.folder) as folder:
            self._save(folder, scores)
            atomic.write_json(folder / SAID, {"step": step, "scores": scores, "loss": loss})

    def _rank(self, scores: Mapping[str, float], loss: float) -> float:
        """As the task ranks it; not a number never wins."""
        rank = self._objective.rank(scores, loss)
        return float("-inf") if math.isnan(rank) else rank
