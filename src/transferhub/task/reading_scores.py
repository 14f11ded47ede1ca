"""Which official definition answers are scored by, and the meters of reading comprehension."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from transferhub.dataset import BaseDataset, ReadingExample
from transferhub.errors import ConfigError, did_you_mean
from transferhub.metrics.interval import Sample
from transferhub.metrics.reading import (
    ChineseReadingScores,
    Squad2Scores,
    SquadScores,
    chinese_exact,
    squad_exact,
    squad_normalized,
)
from transferhub.task.reading_windows import Answering, windows_right

CHINESE = re.compile("[\u4e00-\u9fff]")
LOOKED_AT = 200  # questions, to tell the language


@dataclass(frozen=True)
class SubTask:
    """An official definition.

    Args:
        name: As 1.x has it.
        definition: Whose it is, in words.
        scores: Names, the main one first.
        exact: Whether an answer is the right one.
        has_impossible: Whether questions may have no answer.
        of_chinese: Whether it counts characters in place of words.
    """

    name: str
    definition: str
    scores: tuple[str, ...]
    exact: Callable[[str, str], bool]
    has_impossible: bool = False
    of_chinese: bool = False

    def new(self) -> "SquadScores | Squad2Scores | ChineseReadingScores":
        """A fresh count."""
        if self.has_impossible:
            return Squad2Scores()
        return ChineseReadingScores() if self.of_chinese else SquadScores()

    def is_right(self, answer: str, right: Sequence[str]) -> bool:
        """Whether an answer is exactly one of the right ones; where none is right, the empty one is."""
        if self.has_impossible:
            right = [each for each in right if squad_normalized(each)] or [""]
        return any(self.exact(answer, each) for each in right)


_SQUAD = ("exact_match", "f1")
_SQUAD2 = (
    "exact",
    "f1",
    "total",
    *(f"{part}_{name}" for part in ("HasAns", "NoAns") for name in ("exact", "f1", "total")),
    "best_exact",
    "best_exact_thresh",
    "best_f1",
    "best_f1_thresh",
)
_CHINESE = ("AVERAGE", "F1", "EM", "TOTAL", "SKIP")
SUB_TASKS = {
    each.name: each
    for each in (
        SubTask("squad", "SQuAD 1.1's", _SQUAD, squad_exact),
        SubTask("squad2.0", "SQuAD 2.0's", _SQUAD2, squad_exact, has_impossible=True),
        SubTask("cmrc2018", "CMRC2018's", _CHINESE, chinese_exact, of_chinese=True),
        SubTask("drcd", "CMRC2018's", _CHINESE, chinese_exact, of_chinese=True),
    )
}
_OF_SETS = {"SQUAD": "squad", "SQUAD2": "squad2.0", "CMRC2018": "cmrc2018", "DRCD": "drcd"}


def sub_task_of(name: object, dataset: BaseDataset | None) -> SubTask:
    """The definition of this name; None: the data set's own.

    Rows of one's own are scored as SQuAD 2.0 where questions are marked as impossible, as CMRC2018 where answers are
    Chinese, else as SQuAD 1.1.

    Raises:
        ConfigError: No such name.
    """
    if name is None:
        card = getattr(dataset, "card", None)
        name = _OF_SETS.get(getattr(card, "name", "")) or _told_from(dataset)
    if name not in SUB_TASKS:
        raise ConfigError(
            f"sub_task={name!r:.60}",
            expected=f"one of {', '.join(SUB_TASKS)}; or None: as the data set is",
            fix=did_you_mean(str(name), SUB_TASKS) or None,
        )
    return SUB_TASKS[str(name)]


def _told_from(dataset: BaseDataset | None) -> str:
    splits = [] if dataset is None else [dataset.train_examples, dataset.dev_examples, dataset.test_examples]
    lists = [split for split in splits if isinstance(split, list)]  # rows of files of another kind are no lists
    questions = [row for split in lists for row in split if isinstance(row, ReadingExample)]
    if any(row.is_impossible for row in questions):
        return "squad2.0"
    answers = [row.answers[0][0] for row in questions[:LOOKED_AT] if row.answers]
    return "cmrc2018" if sum(bool(CHINESE.search(answer)) for answer in answers) > len(answers) / 2 else "squad"


def scores_chosen(choices: object, sub_task: SubTask) -> list[str]:
    """The scores that ``metrics_choices`` asks for, in its order; the first chooses the best model.

    Raises:
        ConfigError: One that this definition does not have, or none.
    """
    if choices is None or choices == "default" or choices == ["default"]:
        return list(sub_task.scores)
    given = [choices] if isinstance(choices, str) else list(choices) if isinstance(choices, list | tuple) else []
    wrong = [name for name in given if name not in sub_task.scores]
    if wrong or not given or len(set(given)) < len(given):
        raise ConfigError(
            f"metrics_choices={choices!r:.80}",
            expected=f"of {', '.join(sub_task.scores)} ({sub_task.name}), each once; the first chooses the best model",
            fix=did_you_mean(str(wrong[0]), sub_task.scores) or None if wrong else None,
        )
    return given


class WindowMeter:
    """Cheap, for log lines: ``windows_right``, the part of windows whose first and last token are the right ones."""

    def __init__(self) -> None:
        self._right, self._of = 0, 0

    def update(
        self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor], rows: npt.NDArray[np.int64] | None = None
    ) -> None:
        """Count a batch."""
        right = windows_right(outputs, batch)
        self._right, self._of = self._right + int(right.sum()), self._of + len(right)

    def scores(self) -> dict[str, float]:
        """``windows_right``, from 0 to 1."""
        return {"windows_right": self._right / max(1, self._of)}

    def state(self) -> Any:
        """Both counts."""
        return [self._right, self._of]

    def restore(self, state: Any) -> None:
        """Go on from counts."""
        self._right, self._of = state


class ReadingMeter:
    """The official scores of a split, counted answer by answer: nothing of a batch is kept.

    Args:
        sub_task: Their definition.
        names: Those that are shown, in their order.
        examples: The split's questions.
        answer: Outputs, batch and rows' numbers → answers.
    """

    def __init__(
        self,
        sub_task: SubTask,
        names: Sequence[str],
        examples: Sequence[ReadingExample],
        answer: Answering,
    ) -> None:
        self._scores, self._names, self._examples, self._answer = sub_task.new(), names, examples, answer

    def update(
        self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor], rows: npt.NDArray[np.int64] | None = None
    ) -> None:
        """Count a batch; `rows` are the rows' numbers in the split."""
        assert rows is not None
        for row, found in zip(rows.tolist(), self._answer(outputs, batch, rows), strict=True):
            right = [text for text, _ in self._examples[row].answers]
            if isinstance(self._scores, Squad2Scores):
                self._scores.update(found.best.text, right, found.null_score_diff or 0.0)
            else:
                self._scores.update(found.best.text, right)

    def keep_rows(self) -> None:
        """Nothing: figures of each question are kept anyway."""

    def sample(self) -> Sample:
        """The questions, to draw from; without what only counts questions, and thresholds."""
        names = [name for name in self._names if not re.search("(?i)total|skip|thresh", name)]

        def scores(drawn: npt.NDArray[np.int64]) -> dict[str, float]:
            named = self._scores.drawn(drawn).scores()
            return {name: named[name] for name in names if name in named}

        return Sample("questions", len(self._scores), scores)

    def scores(self) -> dict[str, float]:
        """The chosen ones."""
        named = self._scores.scores()
        return {name: named[name] for name in self._names if name in named}

    def state(self) -> Any:
        """What was counted."""
        return self._scores.state()

    def restore(self, state: Any) -> None:
        """Go on from there."""
        self._scores.restore(state)
