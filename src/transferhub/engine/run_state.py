"""RunState: what one batch, or the steps since the last log line, came to. PaddleHub's names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from transferhub.metrics.interval import Interval


@dataclass
class RunState:
    """One batch or several.

    Args:
        run_step: Steps counted.
        run_examples: Rows counted.
        run_loss: Mean loss over these rows.
        run_scores: Metric name → value over these rows.
        run_results: For a prediction what 1.x gave for this task: ``[probabilities]``, float32 ``[B, classes]``, for a
            classifier. For a metric of one's own what `BaseTask._add_metrics` gave, and the losses last.
        run_time_used: Seconds.
        run_time_begin: When it began, as ``time.time()`` says it.
        intervals: Metric name → its confidence interval, where these were asked for.
    """

    run_step: int = 0
    run_examples: int = 0
    run_loss: float = 0.0
    run_scores: dict[str, float] = field(default_factory=dict)
    run_results: list[Any] = field(default_factory=list)
    run_time_used: float = 0.0
    run_time_begin: float = 0.0
    intervals: Mapping[str, Interval] = field(default_factory=dict)

    @property
    def run_speed(self) -> float:
        """Steps a second."""
        return self.run_step / self.run_time_used if self.run_time_used else 0.0

    @property
    def line(self) -> str:
        """The figures as the documents' TRAIN and EVAL lines show them."""
        scores = "".join(f" {name}={value:.5f}" for name, value in self.run_scores.items())
        return f"loss={self.run_loss:.5f}{scores} [step/sec: {self.run_speed:.2f}]"
