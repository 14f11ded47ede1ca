"""The result of a run, and its page."""

import csv
import dataclasses
import io
import resource
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from transferhub import atomic
from transferhub.dataset import Examples, InputExample
from transferhub.dataset.examples import where
from transferhub.report.html import Confusion, Mistake

WORST = 20


@dataclasses.dataclass(frozen=True)
class RunResult:
    """What a finished run came to.

    Args:
        dev: Scores and ``loss`` of the best model on dev; None without dev rows.
        test: Likewise on test.
        best_step: The step at which the best model was saved.
        steps: Of the whole run.
        examples_per_second: In training steps only.
        precision: ``fp32`` or ``bf16``; scores are always computed in fp32.
        peak_rss_mb: The most memory that the process held, in MB.
        best_model: Its folder.
        checkpoint_dir: The run's folder.
        report: The page.
    """

    dev: dict[str, float] | None
    test: dict[str, float] | None
    best_step: int
    steps: int
    examples_per_second: float
    precision: str
    peak_rss_mb: int
    best_model: str
    checkpoint_dir: str
    report: str

    @classmethod
    def from_record(cls, record: Mapping[str, Any], run: Path) -> "RunResult":
        """From ``run.json``; a run that was moved since says its new place."""
        places = {"best_model": str(run / "best_model"), "checkpoint_dir": str(run), "report": str(run / "report.html")}
        return cls(**{**record["result"], **places})


def peak_rss_mb() -> int:
    """The most memory that this process held, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1 << 20) if sys.platform == "darwin" else peak // (1 << 10)


def write_predictions(
    path: Path,
    examples: Sequence[InputExample],
    label_names: Sequence[str],
    ids: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.float32],
) -> None:
    """Write a split's rows with label, prediction and probabilities as csv."""
    pairs = any(example.text_b is not None for example in examples)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["text", *(["text_pair"] if pairs else []), "label", "predicted", *label_names])
    for example, label, values in zip(examples, ids, probabilities, strict=True):
        texts = [example.text_a, *([example.text_b] if pairs else [])]
        writer.writerow(
            [*texts, label_names[label], label_names[values.argmax()], *(f"{value:.6f}" for value in values)]
        )
    atomic.write_text(path, table.getvalue())


def confusion(
    split: str, label_names: Sequence[str], ids: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float32]
) -> Confusion:
    """Counts of (true, predicted) labels."""
    counts = np.zeros((len(label_names), len(label_names)), np.int64)
    np.add.at(counts, (ids, probabilities.argmax(axis=1)), 1)
    return Confusion(split, label_names, counts.tolist())


def worst_mistakes(
    examples: Sequence[InputExample],
    label_names: Sequence[str],
    ids: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.float32],
) -> list[Mistake]:
    """The wrongly predicted rows of which the model was most sure."""
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != ids)
    order = wrong[np.argsort(-probabilities[wrong, predicted[wrong]], kind="stable")][:WORST]
    mistakes = []
    for row in order.tolist():
        example = examples[row]
        text = example.text_a if example.text_b is None else f"{example.text_a} ‖ {example.text_b}"
        place = where(examples, row, "row ") if isinstance(examples, Examples) else f"row {row}"
        mistakes.append(
            Mistake(
                label_names[ids[row]],
                label_names[predicted[row]],
                float(probabilities[row, predicted[row]]),
                text[:400],
                place,
            )
        )
    return mistakes
