"""Fine-tuned, frozen, from scratch: what the pretrained weights are worth, on the same rows with the same budget."""

import dataclasses
import datetime
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transferhub import atomic
from transferhub.engine import checkpoint
from transferhub.engine.run_folder import RECORD, RunFolder, program, read_record
from transferhub.errors import RunError
from transferhub.log import logger
from transferhub.report.charts import Line, line_chart, svg_file
from transferhub.task.confidence import bounds_of, legend
from transferhub.task.finetuning import run_settings
from transferhub.task.result import RunResult

if TYPE_CHECKING:
    from transferhub.task.base_task import BaseTask

WAYS = ("fine-tuned", "frozen", "from scratch")
RESULTS = "compare.json"  # written last: a comparison without it is unfinished


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


def unfinished(make: Callable[[str, Path], "BaseTask"], ways: Sequence[str] = WAYS) -> Path | None:
    """An unfinished comparison of these settings, by this program, in the working folder that nobody is at.

    Args:
        make: As for `compare`.
        ways: Likewise.
    """
    for folder in sorted(Path().glob("compare_*"), reverse=True):
        places = {way: _place(folder, way) for way in ways if (_place(folder, way) / RECORD).is_file()}
        if (folder / RESULTS).is_file() or not places:
            continue
        try:
            if all(_is_same(make(way, place), place) for way, place in places.items()):
                logger.info("Going on with the unfinished comparison in %s (name a checkpoint_dir for another)", folder)
                return folder
        except RunError as error:  # damaged, or another process is at it
            logger.warning("%s; %s is passed over", error.what, folder)
    return None


def new_folder() -> Path:
    """``compare_<time>``, which is not there yet."""
    moment = datetime.datetime.now()
    while (path := Path(f"compare_{moment:%Y%m%d%H%M%S}")).exists():
        moment += datetime.timedelta(seconds=1)
    return path


def _is_same(task: "BaseTask", place: Path) -> bool:
    record, settings = read_record(place), run_settings(task, do_eval=True)
    if record is None or record["program"] != program() or record["settings"] != settings:
        return False
    RunFolder(place, settings, record["environment"]).close()
    return True


def _place(folder: Path, way: str) -> Path:
    return folder / way.replace(" ", "-")


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
        task = make(way, _place(folder, way))
        results[way] = task.finetune_and_eval()
        scores = dict(results[way].dev or {})
        loss = scores.pop("loss", 0.0)
        ranks[way] = task.rank(scores, loss)
    compared = Compared(results, folder, max(ranks, key=lambda way: ranks[way]))
    record = {way: dataclasses.asdict(result) for way, result in results.items()}
    atomic.write_text(folder / "compare.svg", compared.picture())
    atomic.write_json(folder / RESULTS, record)
    return compared


def _curves(run: Path) -> list[dict[str, Any]]:
    found = checkpoint.latest_whole(run)
    if found is None:
        return []
    return list(json.loads((found / "state.json").read_text(encoding="utf-8"))["curves"])
