"""Fine-tuned, frozen, from scratch: what the pretrained weights are worth, on the same rows with the same budget."""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transferhub import atomic
from transferhub.engine import checkpoint
from transferhub.log import logger
from transferhub.report.charts import Line, line_chart, svg_file
from transferhub.task.confidence import bounds_of, legend
from transferhub.task.result import RunResult

if TYPE_CHECKING:
    from transferhub.task.base_task import BaseTask

WAYS = ("fine-tuned", "frozen", "from scratch")


@dataclasses.dataclass(frozen=True)
class Compared:
    """What the ways came to.

    Args:
        results: Way → its run's result.
        folder: Where the runs, ``compare.json`` and ``compare.svg`` lie.
        best: The way with the best model, as the task ranks scores: the lowest where the first is an error.
    """

    results: Mapping[str, RunResult]
    folder: Path
    best: str

    def table(self) -> list[list[str]]:
        """A header, and a row for each way: its scores with intervals, examples a second, the best step."""
        splits = [split for split in ("dev", "test") if all(getattr(each, split) for each in self.results.values())]
        first = next(iter(self.results.values()))
        names = [(split, name) for split in splits for name in getattr(first, split)]
        rows = [["", *(f"{split} {name}" for split, name in names), "examples/s", "best step"]]
        for way, result in self.results.items():
            scores = [
                f"{getattr(result, split)[name]:.4f}{bounds_of(result.intervals.get(split, {}), name)}"
                for split, name in names
            ]
            rows.append([way, *scores, f"{result.examples_per_second:g}", f"{result.best_step} of {result.steps}"])
        return rows

    def lines(self) -> list[str]:
        """The table, ready to be printed, and what the intervals in it are."""
        rows = self.table()
        widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
        table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return table + legend(result.intervals for result in self.results.values())

    def picture(self) -> str:
        """The main score on dev over the steps, a line a way, as an SVG file's text."""
        lines = []
        for way, result in self.results.items():
            curves = [entry for entry in _curves(Path(result.checkpoint_dir)) if entry["split"] == "dev"]
            points = [(float(e["step"]), float(next(iter(e["scores"].values()), e["loss"]))) for e in curves]
            lines.append(Line(way, points))
        return svg_file(line_chart(lines))


def compare(make: Callable[[str, Path], "BaseTask"], folder: Path, ways: Sequence[str] = WAYS) -> Compared:
    """Train a task in several ways, each in a run's folder of its own; what was stopped goes on.

    Args:
        make: Way and its run's folder → the task.
        folder: Of the whole.
        ways: Of `WAYS`.
    """
    results, ranks = {}, {}
    for way in ways:
        logger.info("Compare: %s", way)
        task = make(way, folder / way.replace(" ", "-"))
        results[way] = task.finetune_and_eval()
        scores = dict(results[way].dev or {})
        loss = scores.pop("loss", 0.0)
        ranks[way] = task.rank(scores, loss)
    compared = Compared(results, folder, max(ranks, key=lambda way: ranks[way]))
    record = {way: dataclasses.asdict(result) for way, result in results.items()}
    atomic.write_json(folder / "compare.json", record)
    atomic.write_text(folder / "compare.svg", compared.picture())
    return compared


def _curves(run: Path) -> list[dict[str, Any]]:
    found = checkpoint.latest_whole(run)
    if found is None:
        return []
    return list(json.loads((found / "state.json").read_text(encoding="utf-8"))["curves"])
