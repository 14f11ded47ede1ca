"""The result of a run, and its page."""

import base64
import dataclasses
import datetime
import resource
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transferhub.dataset import BaseDataset
from transferhub.engine.tokens import TokenCount
from transferhub.engine.training import Training
from transferhub.metrics import classification, top
from transferhub.report.html import Report, Table, write_report
from transferhub.task.confidence import heading
from transferhub.task.scored import ScoredSplit

if TYPE_CHECKING:
    from transferhub.task.base_task import BaseTask

PARTS = (*classification.NAMES, *top.NAMES)  # scores that are shown as parts of a hundred


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
        intervals: Split → score → the fields of `metrics.Interval`, where `RunConfig` has a ``confidence_interval``.
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
    intervals: Mapping[str, Mapping[str, Mapping[str, Any]]] = dataclasses.field(default_factory=dict)
    tokens: Mapping[str, Mapping[str, int]] = dataclasses.field(default_factory=dict)

    @classmethod
    def from_record(cls, record: Mapping[str, Any], run: Path) -> "RunResult":
        """From ``run.json``; a run that was moved since says its new place."""
        places = {"best_model": str(run / "best_model"), "checkpoint_dir": str(run), "report": str(run / "report.html")}
        return cls(**{**record["result"], **places})


def peak_rss_mb() -> int:
    """The most memory that this process held, in MB; on Linux by /proc, as rusage's begins at the parent's."""
    status = Path("/proc/self/status")
    if status.is_file() and "VmHWM:" in (said := status.read_text()):
        return int(said.split("VmHWM:")[1].split()[0]) >> 10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1 << 20) if sys.platform == "darwin" else peak // (1 << 10)


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
    shown = [task.shown(split) for split in scored]
    report = Report(
        title=f"{task.module_name} on {dataset.name}",
        subtitle=f"{type(task).__name__}, {datetime.datetime.now():%Y-%m-%d %H:%M}, {result.checkpoint_dir}",
        headline=[_headline(split, in_percent=task.percent_scores) for split in scored],
        summary=[
            *((split, TokenCount(**counted).line) for split, counted in result.tokens.items()),
            *([("labels", ", ".join(task.label_list))] if task.label_list else []),
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
        confusions=[table for split in shown for table in split.confusions],
        tables=[*_intervals(result), *(table for split in shown for table in split.tables)],
        mistakes=shown[0].mistakes if shown else [],
        mistakes_split=scored[0].name if scored else "",
        pictures=[(title, base64.b64encode(png).decode()) for title, png in task.pictures()],
        settings={name: value for name, value in settings.items() if name != "modules"},
    )
    write_report(Path(result.report), report)


def _intervals(result: RunResult) -> list[Table]:
    """Scores between the ends of their intervals, a table a split."""
    tables = []
    for split, found in result.intervals.items():
        records = [
            {"score": name, "low": each["low"], "value": each["score"], "high": each["high"]}
            for name, each in found.items()
        ]
        tables.append(Table.of(f"Scores on {split}", records, heading(next(iter(found.values()))["level"])))
    return tables


def _headline(split: ScoredSplit, *, in_percent: bool) -> tuple[str, str]:
    metric, score = next(iter(split.state.run_scores.items()), ("loss", split.state.run_loss))
    return f"{metric} on {split.name}", f"{100 * score:.1f} %" if metric in PARTS and not in_percent else f"{score:.4g}"


def _sampled(total: int) -> list[int]:
    return sorted({*range(0, total, max(1, total // 200)), total - 1})
