"""What `ReadingComprehensionTask.predict` returns, and the answers on the page that were wrong."""

import itertools
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from transferhub import atomic
from transferhub.dataset.examples import where
from transferhub.engine.run_state import RunState
from transferhub.errors import DataError
from transferhub.reader import Reader
from transferhub.report.html import Mistake
from transferhub.task.answers import Answer, Answered
from transferhub.task.predictions import Predictions
from transferhub.task.reading_scores import SubTask
from transferhub.task.scored import WORST, ScoredSplit, Shown, label_of

SHOWN = 300  # characters of a passage on the page
AROUND = 100  # of them before the answer


class AnswerPredictions(Predictions):
    """Answers to questions; ``state.run_results[0]`` is a list of `Answered`, one for each question of the batch.

    Args:
        states: The batches.
        rows: The questions.
        reader: Shows a row to a person.
        has_impossible: Whether questions may have no answer.
    """

    main = "answer"

    def __init__(self, states: Iterable[RunState], rows: Sequence[Any], reader: Reader, has_impossible: bool) -> None:
        super().__init__(states, rows, reader)
        self._has_impossible = has_impossible

    @property
    def answers(self) -> list[Answered]:
        """What is found for each question: ``.best``, ``.n_best``, ``.null_score_diff``."""
        return list(self._each())

    @property
    def labels(self) -> list[str]:
        """The texts of the answers; empty: there is none."""
        return [found.best.text for found in self._each()]

    @property
    def field_names(self) -> list[str]:
        """``answer``, ``start``, ``stop``, ``probability``; ``null_score_diff`` where there may be no answer."""
        return [self.main, "start", "stop", "probability", *(["null_score_diff"] if self._has_impossible else [])]

    def fields(self) -> Iterator[dict[str, Any]]:
        """The answer, the characters of the passage that it begins with and ends before, and how sure it is."""
        for found in self._each():
            best = found.best
            values = (best.text, best.start, best.stop, best.probability, found.null_score_diff)
            yield dict(zip(self.field_names, values, strict=False))

    def by_id(self) -> "OrderedDict[str, str]":
        """Question's id → text of its answer, as 1.x gave it and the official scripts read it.

        Raises:
            DataError: Two questions have one id.
        """
        return OrderedDict((name, found.best.text) for name, found in self._named())

    def write(self, path: str | Path, n_best: str | Path | None = None, null_odds: str | Path | None = None) -> None:
        """Write the file that the official evaluation scripts read: ``{id: answer}``.

        Args:
            path: The file.
            n_best: A file for the best answers of each question: ``{id: [{"text", "probability", "score", "start",
                "stop"}]}``.
            null_odds: A file for SQuAD 2.0's ``--na-prob-file``: ``{id: null score's lead}``.

        Raises:
            DataError: Two questions have one id, or `null_odds` where every question has an answer.
        """
        if null_odds is not None and not self._has_impossible:
            raise DataError("null_odds: every question has an answer here", expected='sub_task="squad2.0"')
        atomic.write_json(Path(path), self.by_id())
        if n_best is not None:
            listed = {name: [_shown(answer) for answer in found.n_best] for name, found in self._named()}
            atomic.write_json(Path(n_best), listed)
        if null_odds is not None:
            atomic.write_json(Path(null_odds), {name: found.null_score_diff for name, found in self._named()})

    def _each(self) -> Iterator[Answered]:
        return itertools.chain.from_iterable(state.run_results[0] for state in self)

    def _named(self) -> Iterator[tuple[str, Answered]]:
        seen = set[str]()
        for row, found in zip(self.shown_rows(), self._each(), strict=True):
            name = str(row["id"])
            if name in seen:
                raise DataError(f"two questions have the id {name!r}", expected="an id of its own for each question")
            seen.add(name)
            yield name, found


def _shown(answer: Answer) -> dict[str, Any]:
    return {
        "text": answer.text,
        "probability": answer.probability,
        "score": answer.score,
        "start": answer.start,
        "stop": answer.stop,
    }


def show_answers(split: ScoredSplit, sub_task: SubTask) -> Shown:
    """The questions whose answers were most sure and wrong."""
    predictions = split.predictions
    assert isinstance(predictions, AnswerPredictions)
    wrong = []
    for row, (example, found) in enumerate(zip(split.examples, predictions.answers, strict=True)):
        if not sub_task.is_right(found.best.text, [text for text, _ in example.answers]):
            wrong.append((-found.best.probability, row, example, found.best))
    wrong.sort(key=lambda each: each[:2])
    mistakes = [
        Mistake(
            label_of(example) or "(no answer)",
            best.text or "(no answer)",
            best.probability,
            f"{example.text_a} ‖ {_around(example)}",
            where(split.examples, row, split.name),
        )
        for _, row, example, best in wrong[:WORST]
    ]
    return Shown(mistakes=mistakes)


def _around(example: Any) -> str:
    """The part of a passage in which the right answer stands."""
    start = max(0, (example.span[1] if example.span else 0) - AROUND)
    text: str = example.text_b[start : start + SHOWN]
    return ("… " if start else "") + text + (" …" if start + SHOWN < len(example.text_b) else "")
