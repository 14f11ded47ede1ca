"""A tagged split on the page: figures of each type, and the worst sentences."""

from typing import Any

import numpy as np
import numpy.typing as npt

from transferhub.dataset.examples import where
from transferhub.log import logger
from transferhub.metrics.spans import SpanScores
from transferhub.reader import SequenceLabelReader
from transferhub.reader.sequence_label_reader import Sentence
from transferhub.report.html import Mistake, Table
from transferhub.task.scored import WORST, ScoredSplit, Shown, shortly
from transferhub.task.tag_predictions import TagPredictions
from transferhub.task.tagging import chunk_tags, true_tags

LOGGED_TYPES = 20

Ids = npt.NDArray[np.int64]


def show_tags(split: ScoredSplit, reader: SequenceLabelReader) -> Shown:
    """A table of the types, which the log says too, and the sentences in which it was most sure and wrong."""
    predictions = split.predictions
    assert isinstance(predictions, TagPredictions)
    flat, lengths = true_tags(split.columns)
    true = np.split(flat, np.cumsum(lengths)[:-1])
    wrong = []
    for row, (ids, probable) in enumerate(predictions.answers):
        sure = probable[ids != true[row]]
        if len(sure):
            wrong.append((-float(sure.sum()), row, float(sure.max())))
    mistakes = []
    for _, row, surest in sorted(wrong)[:WORST]:
        sentence, example, found = (
            reader.sentence(split.examples[row], row),
            split.examples[row],
            predictions.answers[row][0],
        )
        said = [_said(ids, true[row] != found, sentence, predictions) for ids in (true[row], found)]
        place = where(split.examples, row, split.name)
        mistakes.append(Mistake(said[0], said[1], surest, shortly(example, row, reader), place))
    return Shown(mistakes=mistakes, tables=_tables(split.name, predictions, flat, lengths))


def _said(ids: Ids, wrong: npt.NDArray[np.bool_], sentence: Sentence, predictions: TagPredictions) -> str:
    """What tags say of a sentence: its spans, or the words that are wrong where tags mark none."""
    found = [f"{span.type} {span.text}" for span in predictions.spans_of(ids, sentence)]
    if chunk_tags(predictions.label_names) is None:
        places = np.flatnonzero(wrong)[:WORST]
        found = [f"{sentence.words[place]}/{predictions.label_names[ids[place]]}" for place in places]
    return ", ".join(found) or "–"


def _tables(name: str, predictions: TagPredictions, true: Ids, lengths: Ids) -> list[Table]:
    if chunk_tags(predictions.label_names) is None:
        return []
    scores = SpanScores(predictions.label_names)
    scores.update(true, np.concatenate([ids for ids, _ in predictions.answers]), lengths)
    rows = scores.table()
    for row in rows[:LOGGED_TYPES]:
        said = " ".join(f"{score}={row[score]:.5f}" for score in ("f1", "precision", "recall"))
        logger.info("%s: %s %s (%d chunks)", name, row["type"], said, row["support"])
    for note in scores.notes():
        logger.info("%s: %s", name, note)
    cells = [[_cell(value) for value in row.values()] for row in rows]
    return [Table(f"Types on {name}", list(rows[0]), cells, "; ".join(scores.notes()))] if rows else []


def _cell(value: Any) -> str:
    return f"{100 * value:.1f} %" if isinstance(value, float) else str(value)
