"""What a search came to: the best model, its settings, a table of trials, and the page."""

import csv
import dataclasses
import datetime
import io
import json
import os
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transferhub import atomic
from transferhub.errors import RunError
from transferhub.log import logger
from transferhub.report.charts import Line, line_chart
from transferhub.report.html import Report, Table, write_report
from transferhub.tune.space import Value
from transferhub.tune.study import PLACE, Study
from transferhub.tune.trial import MakeTask

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

Command = Callable[[Mapping[str, Value]], str]
RESULT = "result.json"
ENOUGH = 4  # complete trials, before anything is said about importance


@dataclasses.dataclass(frozen=True)
class TuneResult:
    """What a search came to.

    Args:
        best: Settings of the best trial.
        trial: Its number.
        score: What was maximised: the first metric on dev.
        metric: Its name.
        dev: Scores and ``loss`` of the best model on dev.
        test: Likewise on test, which only the best model of a search that came to its end is evaluated on; else None.
        importance: Setting → its part in how far apart scores lie, the largest first (PED-ANOVA, arXiv:2304.10255).
        complete: Trials that were trained to their end.
        pruned: Trials that were stopped early.
        failed: Trials without a score.
        running: Trials that wait for the next start, or that another machine runs.
        best_model: Its folder; ``host:folder`` where it lies on another machine.
        checkpoint_dir: The search's folder.
        table: All trials, as csv.
        report: The page.
        command: What trains with the best settings again; empty where that is not known.
    """

    best: dict[str, Any]
    trial: int
    score: float
    metric: str
    dev: dict[str, float]
    test: dict[str, float] | None
    importance: dict[str, float]
    complete: int
    pruned: int
    failed: int
    running: int
    best_model: str
    checkpoint_dir: str
    table: str
    report: str
    command: str = ""


def conclude(study: Study, make_task: MakeTask, command: Command | None) -> TuneResult:
    """Keep the best model, score it on test if the search is over, and write table, page and result.

    Raises:
        RunError: No trial has a score.
    """
    trials = study.trials
    counts = {state: sum(1 for each in trials if each.state.name == state) for state in _STATES}
    best = best_of(trials)
    with study.locked():
        atomic.write_text(study.path / "trials.csv", _table(trials, study))
        if best is None:
            raise _without_score(study, trials)
        said = _read(study.path / RESULT)
        kept, model = study.path / "best_model", study.folder(best.number) / "best_model"
        atomic.recover(kept)
        if said.get("trial") != best.number or atomic.damage(kept) is not None:
            said = {}
            if model.is_dir():
                _keep(model, kept)
            else:
                shutil.rmtree(kept, ignore_errors=True)
                logger.warning("The best model lies on another machine: %s/best_model", best.user_attrs.get(PLACE, "?"))
        over, here = counts["RUNNING"] == 0, kept.is_dir()
        test = said.get("test")
        if over and here and test is None:
            test = _score_on_test(make_task, best.params, kept)
        result = TuneResult(
            best=dict(best.params),
            trial=best.number,
            score=float(best.value or 0.0),
            metric=best.user_attrs["metric"],
            dev=best.user_attrs["dev"],
            test=test,
            importance=_importance(study, counts["COMPLETE"]),
            complete=counts["COMPLETE"],
            pruned=counts["PRUNED"],
            failed=counts["FAIL"],
            running=counts["RUNNING"],
            best_model=str(kept) if here else f"{best.user_attrs.get(PLACE, '?')}/best_model",
            checkpoint_dir=str(study.path),
            table=str(study.path / "trials.csv"),
            report=str(study.path / "report.html"),
            command=command(best.params) if command else "",
        )
        _write_page(study, trials, result)
        atomic.write_json(study.path / RESULT, dataclasses.asdict(result))
        study.save(status="finished" if over and len(trials) >= study.total else "running")
    return result


_STATES = ("COMPLETE", "PRUNED", "FAIL", "RUNNING")


def best_of(trials: "Sequence[FrozenTrial]") -> "FrozenTrial | None":
    """The complete trial with the highest score, the first of equals."""
    scored = [each for each in trials if each.state.name == "COMPLETE" and each.value is not None]
    return max(scored, key=lambda each: (each.value, -each.number), default=None)


def shown(values: Mapping[str, Any]) -> str:
    """Settings on one line."""
    return ", ".join(f"{name} {_cell(value)}" for name, value in values.items())


def _without_score(study: Study, trials: "Sequence[FrozenTrial]") -> RunError:
    failed = [each for each in trials if each.state.name == "FAIL"]
    if failed:
        first = failed[0]
        return RunError(
            f"none of the {len(trials)} trials in {study.path} came to a score; trial {first.number}: "
            + first.user_attrs.get("error", "no reason is known"),
            fix="mend that and start again with --overwrite (overwrite=True), or in another checkpoint_dir",
        )
    return RunError(
        f"no trial in {study.path} was finished in time", fix="give the same command again: they go on where they are"
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def _keep(model: Path, kept: Path) -> None:
    with atomic.whole_folder(kept) as folder:
        for path in model.iterdir():
            if path.is_dir():
                shutil.copytree(path, folder / path.name, copy_function=_link)
            elif path.name != atomic.MANIFEST:
                _link(path, folder / path.name)


def _link(source: str | Path, target: str | Path) -> None:
    """The same file at two places, so that it takes its room once; a copy, where that is not possible."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _score_on_test(make_task: MakeTask, values: Mapping[str, Value], model: Path) -> dict[str, float] | None:
    task = make_task(dict(values))
    rows = task.rows()
    if not len(rows.test_examples) or not task.reader.columns("test", rows).has_labels:
        return None
    task.use_saved(model)
    state = task.eval("test")
    return {**state.run_scores, "loss": state.run_loss}


def _importance(study: Study, complete: int) -> dict[str, float]:
    from optuna.importance import get_param_importances

    if complete < ENOUGH:
        return {}
    try:
        with warnings.catch_warnings():  # it warns where scores tell nothing apart: then nothing is said of importance
            warnings.simplefilter("error", UserWarning)
            found = get_param_importances(study.optuna)
    except (ValueError, RuntimeError, UserWarning):
        return {}
    return {name: round(float(part), 4) for name, part in found.items()}


def _rows(trials: "Sequence[FrozenTrial]", study: Study) -> list[dict[str, Any]]:
    names = [each.name for each in study.space.dimensions]
    return [
        {
            "trial": each.number,
            "state": each.state.name.lower().replace("fail", "failed"),
            "score": each.value if each.state.name in ("COMPLETE", "PRUNED") else None,
            **{name: each.params.get(name) for name in names},
            "evaluations": len(each.intermediate_values),
            "seconds": each.user_attrs.get("seconds"),
            "error": each.user_attrs.get("error", "").partition("\n")[0],
        }
        for each in trials
    ]


def _table(trials: "Sequence[FrozenTrial]", study: Study) -> str:
    rows, table = _rows(trials, study), io.StringIO()
    if rows:
        writer = csv.DictWriter(table, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return table.getvalue()


def _write_page(study: Study, trials: "Sequence[FrozenTrial]", result: TuneResult) -> None:
    points, best = [], []
    for each in trials:
        if each.state.name == "COMPLETE" and each.value is not None:
            points.append((float(each.number), each.value))
            best.append((float(each.number), max(value for _, value in points)))
    rows = [{name: _cell(value) for name, value in row.items()} for row in _rows(trials, study)]
    parts = [{"setting": name, "importance": f"{part:.3f}"} for name, part in result.importance.items()]
    headline = [(f"{result.metric} on dev", f"{result.score:.4g}")]
    if result.test:
        headline.append((f"{result.metric} on test", f"{result.test.get(result.metric, result.test['loss']):.4g}"))
    counts = [(result.complete, "complete"), (result.pruned, "pruned"), (result.failed, "failed")]
    counts += [(result.running, "running")]
    report = Report(
        title=f"Search over {', '.join(each.name for each in study.space.dimensions)}",
        subtitle=f"{datetime.datetime.now():%Y-%m-%d %H:%M}, {study.path}",
        headline=headline,
        summary=[
            ("best settings", shown(result.best)),
            ("trials", ", ".join(f"{count} {state}" for count, state in counts)),
            ("best model", result.best_model),
            *([("again", result.command)] if result.command else []),
        ],
        curves=[],
        rates={},
        plan="",
        tables=[
            *([Table.of("Importance of settings", parts)] if parts else []),
            Table.of("Trials", sorted(rows, key=lambda row: str(row["trial"]).zfill(9))),
        ],
        drawn=[(f"{result.metric} on dev, by trial", line_chart([Line("trial", points), Line("best so far", best)]))],
        settings={"space": study.space.described(), "trials": study.total},
    )
    write_report(Path(result.report), report)


def _cell(value: Any) -> str:
    return "–" if value is None else f"{value:.5g}" if isinstance(value, float) else str(value)
