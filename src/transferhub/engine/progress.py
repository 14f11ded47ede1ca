"""Where a run stands; with the weights and the optimiser it is the whole state."""

import dataclasses
from typing import Any

from transferhub.engine.run_state import RunState


@dataclasses.dataclass
class Progress:
    """What a checkpoint holds beside weights and optimiser, as JSON.

    Args:
        step: Optimiser steps done.
        seconds: Spent in training steps.
        examples: Rows seen in them.
        window_loss: Sum of losses since the last log line.
        window_examples: Rows since then.
        window_steps: Steps since then.
        window_seconds: Seconds since then.
        window_meter: What the meter counted since then.
        most_values: Values that a padded batch may hold before it is cut in parts; None: memory never ran out.
        curves: One entry for each log line and evaluation: ``{"split", "step", "loss", "scores", "rate"}``.
    """

    step: int = 0
    seconds: float = 0.0
    examples: int = 0
    window_loss: float = 0.0
    window_examples: int = 0
    window_steps: int = 0
    window_seconds: float = 0.0
    window_meter: Any = None
    most_values: int | None = None
    curves: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    @classmethod
    def of(cls, state: dict[str, Any]) -> "Progress":
        """From a checkpoint's state; what another version wrote there beside is left out."""
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in state.items() if name in known})

    def count(self, rows: int, loss: float, seconds: float) -> None:
        """A step is done: on so many rows, with this sum of losses."""
        self.step += 1
        self.seconds += seconds
        self.examples += rows
        self.window_loss += loss
        self.window_examples += rows
        self.window_steps += 1
        self.window_seconds += seconds

    def close_window(self, scores: dict[str, float], rate: float) -> RunState:
        """A log line: what was counted since the last one goes into the curves, and is returned."""
        state = RunState(
            self.window_steps,
            self.window_examples,
            self.window_loss / self.window_examples,
            scores,
            run_time_used=self.window_seconds,
        )
        self.add("train", state, rate)
        self.window_loss = self.window_seconds = 0.0
        self.window_examples = self.window_steps = 0
        return state

    def add(self, split: str, state: RunState, rate: float | None = None) -> None:
        """Add an entry to the curves."""
        self.curves.append(
            {"split": split, "step": self.step, "loss": state.run_loss, "scores": state.run_scores, "rate": rate}
        )

    @property
    def is_evaluated(self) -> bool:
        """Whether the weights of this step were evaluated on dev."""
        return any(entry["split"] == "dev" and entry["step"] == self.step for entry in self.curves)

    def evaluations_since(self, step: int) -> int:
        """Evaluations on dev after a step."""
        return sum(1 for entry in self.curves if entry["split"] == "dev" and entry["step"] > step)
