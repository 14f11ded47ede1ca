"""The result of a run, and its page."""

import csv
import dataclasses
import datetime
import io
import resource
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from transferhub import atomic
from transferhub.dataset import BaseDataset, InputExample
from transferhub.dataset.examples import where
from transferhub.engine.run_state import RunState
from transferhub.engine.tokens import TokenCount
from transferhub.engine.training import Training
from transferhub.metrics import ConfusionMatrix
from transferhub.metrics.classification import NAMES
from transferhub.report.html import Confusion, Mistake, Report, write_report
from transferhub.task.predictions import probability_names

if TYPE_CHECKING:
    from transferhub.task.base_task import BaseTask

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
        notes: What must be known to read the figures: which loss was minimised, what a score is the mean of.
        stopped_early: Whether `RunConfig(early_stopping=…)` ended the run before its last epoch.
        tokens: Split → the fields of `engine.tokens.TokenCount`: ``rows tokens in_batches longest``.
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
    notes: Sequence[str] = ()
    stopped_early: bool = False
    tokens: Mapping[str, Mapping[str, int]] = dataclasses.field(default_factory=dict)

    @classmethod
    def from_record(cls, record: Mapping[str, Any], run: Path) -> "RunResult":
        """From ``run.json``; a run that was moved since says its new place."""
        places = {"best_model": str(run / "best_model"), "checkpoint_dir": str(run), "report": str(run / "report.html")}
        return cls(**{**record["result"], **places})


def peak_rss_mb() -> int:
    """The most memory that this process held, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1 << 20) if sys.platform == "darwin" else peak // (1 << 10)


@dataclasses.dataclass(frozen=True)
class ScoredSplit:
    """A split with what the best model says of it.

    Args:
        name: ``dev`` or ``test``.
        examples: The rows.
        ids: Their label ids, int64 ``[rows]``.
        probabilities: Float32 ``[rows, classes]``.
        state: Loss and scores.
    """

    name: str
    examples: Sequence[InputExample]
    ids: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float32]
    state: RunState


def write_predictions(path: Path, split: ScoredSplit, label_names: Sequence[str]) -> None:
    """Write a split's rows with label, prediction and probabilities as csv."""
    pairs = any(example.text_b is not None for example in split.examples)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    header = ["text", *(["text_pair"] if pairs else []), "label", "predicted"]
    writer.writerow([*header, *probability_names(label_names, header)])
    for example, label, values in zip(split.examples, split.ids, split.probabilities, strict=True):
        texts = [example.text_a, *([example.text_b] if pairs else [])]
        numbers = (f"{value:.6f}" for value in values)
        writer.writerow([*texts, label_names[label], label_names[values.argmax()], *numbers])
    atomic.write_text(path, table.getvalue())


def write_page(
    task: "BaseTask",
    dataset: BaseDataset,
    training: Training,
    result: RunResult,
    scored: Sequence[ScoredSplit],
    settings: Mapping[str, Any],
    seconds: float,
) -> None:
    """Write the run's ``report.html``."""
    plan, steps = training.plan, _sampled(training.total_steps)
    metric = task.metrics[0]
    report = Report(
        title=f"{task.module_name} on {dataset.name}",
        subtitle=f"{type(task).__name__}, {datetime.datetime.now():%Y-%m-%d %H:%M}, {result.checkpoint_dir}",
        headline=[(f"{metric} on {s.name}", _large(metric, s.state.run_scores[metric])) for s in scored],
        summary=[
            *((split, TokenCount(**counted).line) for split, counted in result.tokens.items()),
            ("labels", ", ".join(task.labels)),
            *(("note", note) for note in result.notes),
            ("best step", f"{result.best_step} of {result.steps}"),
            ("speed", f"{result.examples_per_second} examples a second in training steps, {result.precision}"),
            ("time", f"{seconds:.0f} s since this start"),
            ("memory", f"{result.peak_rss_mb} MB at most"),
            ("best model", result.best_model),
        ],
        curves=training.progress.curves,
        rates={group.name: [(step, group.rate(step)) for step in steps] for group in plan.groups},
        plan=str(plan),
        confusions=[_confusion(split, task.labels) for split in scored],
        mistakes=_worst_mistakes(scored[0], task.labels) if scored else [],
        mistakes_split=scored[0].name if scored else "",
        settings={name: value for name, value in settings.items() if name != "modules"},
    )
    write_report(Path(result.report), report)


def _confusion(split: ScoredSplit, label_names: Sequence[str]) -> Confusion:
    matrix = ConfusionMatrix(len(label_names))
    matrix.update(split.ids, split.probabilities.argmax(axis=1))
    return Confusion(split.name, label_names, matrix.counts.tolist())


def _worst_mistakes(split: ScoredSplit, label_names: Sequence[str]) -> list[Mistake]:
    """The wrongly predicted rows of which the model was most sure."""
    predicted = split.probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != split.ids)
    sure = split.probabilities[wrong, predicted[wrong]]
    mistakes = []
    for row in wrong[np.argsort(-sure, kind="stable")][:WORST].tolist():
        example, chosen = split.examples[row], int(predicted[row])
        mistakes.append(
            Mistake(
                label_names[split.ids[row]],
                label_names[chosen],
                float(split.probabilities[row, chosen]),
                (example.text_a if example.text_b is None else f"{example.text_a} ‖ {example.text_b}")[:400],
                where(split.examples, row, split.name),
            )
        )
    return mistakes


def _large(metric: str, score: float) -> str:
    return f"{100 * score:.1f} %" if metric in NAMES else f"{score:.4g}"


def _sampled(total: int) -> list[int]:
    return sorted({*range(0, total, max(1, total // 200)), total - 1})
