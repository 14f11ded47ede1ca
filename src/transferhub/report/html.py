"""``report.html``: a run on one page."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transferhub import atomic
from transferhub.report.charts import Line, line_chart


@dataclass(frozen=True)
class Mistake:
    """A row that was predicted wrongly."""

    label: str
    predicted: str
    probability: float | None
    text: str
    where: str


@dataclass(frozen=True)
class Confusion:
    """Counts of (true, predicted) labels of a split."""

    split: str
    labels: Sequence[str]
    counts: Sequence[Sequence[int]]

    @property
    def found(self) -> list[str]:
        """For each label the part of its rows that was found."""
        return [f"{100 * row[place] / sum(row):.1f} %" if sum(row) else "–" for place, row in enumerate(self.counts)]


@dataclass(frozen=True)
class Table:
    """Figures by row.

    Args:
        title: What it shows.
        header: The columns' names; the first is that of the rows.
        rows: As they are printed.
        note: A sentence below the title; empty: none.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    @classmethod
    def of(cls, title: str, records: Sequence[Mapping[str, Any]], note: str = "") -> "Table":
        """A table of records with the same keys; numbers are rounded, None is a dash."""
        header = list(records[0]) if records else []
        return cls(title, header, [[_printed(record[name]) for name in header] for record in records], note)


def _printed(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Report:
    """Everything the page shows.

    Args:
        title: What was trained on what.
        subtitle: When and where.
        headline: The few large figures: (name, value).
        summary: (name, value) rows.
        curves: As `engine.training.Progress.curves`.
        rates: Name of a group → (step, rate) points.
        plan: The printed Plan.
        confusions: Of dev and test.
        tables: Other figures of dev and test.
        mistakes: The worst first.
        mistakes_split: Which split they are from.
        pictures: A title and a PNG in base64 each.
        drawn: A title and an SVG each, beside the curves.
        settings: What determined the run.
    """

    title: str
    subtitle: str
    headline: Sequence[tuple[str, str]]
    summary: Sequence[tuple[str, str]]
    curves: Sequence[Mapping[str, Any]]
    rates: Mapping[str, Sequence[tuple[float, float]]]
    plan: str
    confusions: Sequence[Confusion] = ()
    tables: Sequence[Table] = ()
    mistakes: Sequence[Mistake] = ()
    mistakes_split: str = "dev"
    pictures: Sequence[tuple[str, str]] = ()
    drawn: Sequence[tuple[str, str]] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)


def write_report(path: Path, report: Report) -> None:
    """Write the page: one file, no script, nothing loaded from anywhere."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("transferhub.report", "."), autoescape=True, trim_blocks=True
    )
    page = environment.get_template("template.html").render(
        **{name: getattr(report, name) for name in report.__dataclass_fields__ if name != "settings"},
        charts=_charts(report),
        settings=json.dumps(report.settings, ensure_ascii=False, indent=2),
    )
    atomic.write_text(path, page)


def _charts(report: Report) -> list[tuple[str, str]]:
    names = list(dict.fromkeys(name for entry in report.curves for name in entry["scores"]))
    charts = [("loss", line_chart([_line(report, split, "loss") for split in ("train", "dev")]))]
    charts += [(name, line_chart([_line(report, split, name) for split in ("train", "dev")])) for name in names]
    charts.append(("learning rate", line_chart([Line(name, points) for name, points in report.rates.items()])))
    return [(name, svg) for name, svg in [*charts, *report.drawn] if svg]


def _line(report: Report, split: str, name: str) -> Line:
    entries = [entry for entry in report.curves if entry["split"] == split]
    values = [(entry["step"], entry["loss"] if name == "loss" else entry["scores"].get(name)) for entry in entries]
    return Line(split, [(step, value) for step, value in values if value is not None])
