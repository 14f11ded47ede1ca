"""A split with what the best model says of it, as a file of predictions and on the page."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from transferhub import atomic
from transferhub.dataset import ReadingExample
from transferhub.dataset.examples import where
from transferhub.dataset.kinds import SPLIT
from transferhub.engine.run_state import RunState
from transferhub.metrics import ConfusionMatrix
from transferhub.reader import Columns, Reader
from transferhub.report.html import Confusion, Mistake, Table
from transferhub.task.predictions import ClassPredictions, Predictions

WORST = 20


@dataclass(frozen=True)
class ScoredSplit:
    """A split with what the best model says of it.

    Args:
        name: ``dev`` or ``test``.
        examples: The rows.
        columns: What was made of them, with labels.
        predictions: One for each row.
        state: Loss and scores.
    """

    name: str
    examples: Sequence[Any]
    columns: Columns
    predictions: Predictions
    state: RunState


@dataclass(frozen=True)
class Shown:
    """What the page shows of a split beside its scores.

    Args:
        confusions: Tables of labels against predictions.
        mistakes: The worst first.
        tables: Other figures.
    """

    confusions: Sequence[Confusion] = ()
    mistakes: Sequence[Mistake] = ()
    tables: Sequence[Table] = ()


def write_predictions(path: Path, split: ScoredSplit, reader: Reader) -> None:
    """Write a split's rows as csv: the row, its label, what is ``predicted``, and what else is said of it."""
    main = split.predictions.main
    shown = [reader.shown(example, place) for place, example in enumerate(split.examples)]
    inputs = list(dict.fromkeys(name for row in shown for name in row))
    others = [name for name in split.predictions.field_names if name != main]
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow([*inputs, main, "predicted", *others])
    fields = zip(split.examples, shown, split.predictions.fields(), strict=True)
    for place, (example, row, field) in enumerate(fields):
        label = _picture_label(split, place) if isinstance(example, tuple | list) else label_of(example)
        found = [cell(field[name]) for name in (main, *others)]
        writer.writerow([*(row.get(name, "") for name in inputs), cell(label), *found])
    atomic.write_text(path, table.getvalue())


def label_of(example: Any) -> Any:
    """What a row is to be: its label, the texts of a question's answers."""
    if isinstance(example, ReadingExample):
        return " | ".join(dict.fromkeys(text for text, _ in example.answers))
    return getattr(example, "label", None)


def _picture_label(split: ScoredSplit, place: int) -> Any:
    """The label of ``(path, label)`` as a prediction names it: the row has an id, or a label set as it was written."""
    names, labels = getattr(split.predictions, "label_names", None), split.columns.labels
    if names is None or labels is None:
        return split.examples[place][1]
    label = labels[place]
    return names[label] if label.ndim == 0 else ";".join(names[each] for each in label.nonzero()[0])


def cell(value: Any) -> Any:
    """A value as csv has it: six digits, names of a list between spaces, any other list as JSON."""
    if isinstance(value, str):
        return value.replace(SPLIT, " ")
    if isinstance(value, list):
        names = all(isinstance(each, str) for each in value)
        return " ".join(value) if names and value else json.dumps(value, ensure_ascii=False)
    return f"{value:.6f}" if isinstance(value, float) else value


def show_classes(split: ScoredSplit, reader: Reader) -> Shown:
    """Of a classifier: which label was taken for which, and the rows in which it was most sure and wrong."""
    predictions, ids = split.predictions, split.columns.labels
    assert isinstance(predictions, ClassPredictions)
    assert ids is not None
    probabilities, names = predictions.probabilities, predictions.label_names
    predicted = probabilities.argmax(axis=1)
    matrix = ConfusionMatrix(len(names))
    matrix.update(ids, predicted)
    wrong = np.flatnonzero(predicted != ids)
    sure = probabilities[wrong, predicted[wrong]]
    mistakes = []
    for row in wrong[np.argsort(-sure, kind="stable")][:WORST].tolist():
        chosen = int(predicted[row])
        mistakes.append(
            Mistake(
                names[ids[row]],
                names[chosen],
                float(probabilities[row, chosen]),
                shortly(split.examples[row], row, reader),
                where(split.examples, row, split.name),
            )
        )
    return Shown([Confusion(split.name, names, matrix.counts.tolist())], mistakes)


def shortly(example: Any, place: int, reader: Reader) -> str:
    """The beginning of a row, on one line."""
    return " ‖ ".join(map(str, reader.shown(example, place).values()))[:400]
