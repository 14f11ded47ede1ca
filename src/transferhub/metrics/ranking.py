"""Scores of candidates ranked for a question, over a whole split."""

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from transferhub.errors import ConfigError
from transferhub.metrics.kept import Kept

NAMES = ("mrr", "map", "recall_at_1", "recall_at_5", "recall_at_10")  # and recall_at_K for any other K
_ROW = np.dtype([("question", "<i8"), ("score", "<f4"), ("right", "?")])


class RankingScores:
    """MRR, MAP and recall among the first K, means over the questions that have a right candidate.

    Rows are of one question where its text is the same, wherever they stand in the split. Candidates are ranked by
    score, highest first; **of equal scores the wrong candidates come first**, so that the figures do not depend on the
    rows' order, and a network that gives all the same score earns nothing by it. A score that is no number comes last.
    Questions without a right candidate have no rank to take a mean of: they are left out, and `notes` counts them.

    Source: Manning, Raghavan & Schütze 2008, §8.4; Voorhees 1999 (MRR).
    """

    def __init__(self) -> None:
        self._kept = Kept(_ROW)

    def update(self, questions: Sequence[str], right: npt.NDArray[Any], scores: npt.NDArray[np.floating[Any]]) -> None:
        """Keep a batch, 13 bytes a row.

        Args:
            questions: The rows' questions; what counts is whether they are equal.
            right: bool or 0/1 ``[B]``, whether the row's candidate answers its question.
            scores: float ``[B]``; logits tell more candidates apart than probabilities, which round to 1.
        """
        if not len(questions) == len(right) == len(scores):
            raise ConfigError(f"{len(questions)} questions, {len(right)} labels, {len(scores)} scores")
        rows = np.empty(len(questions), _ROW)
        rows["question"] = [key_of(text) for text in questions]
        rows["right"], rows["score"] = right, np.nan_to_num(scores, nan=-np.inf, posinf=np.inf, neginf=-np.inf)
        self._kept.append(rows)

    def scores(self, names: Sequence[str] = ("mrr", "map")) -> dict[str, float]:
        """The scores with these names of `NAMES`, in this order; 0 where no question has a right candidate.

        Raises:
            ConfigError: No such name.
        """
        found = {name: self.by_question(name) for name in names}
        return {name: float(values.mean()) if len(values) else 0.0 for name, values in found.items()}

    def by_question(self, name: str) -> npt.NDArray[np.float64]:
        """One score of each question that has a right candidate: `scores` has their means.

        Raises:
            ConfigError: No such name.
        """
        found = re.fullmatch(r"recall_at_([1-9]\d*)", name)
        if name not in NAMES and not found:
            raise ConfigError(
                f"there is no ranking score {name!r}", expected=f"{', '.join(NAMES)}, or another recall_at_K"
            )
        question, ranks, nth, totals = self._right_ones()
        if found:
            parts = (ranks <= int(found[1])) / totals
        else:
            parts = (nth == 1) / ranks if name == "mrr" else nth / ranks / totals
        return np.bincount(question, weights=parts).astype(np.float64, copy=False)

    def questions(self) -> npt.NDArray[np.int64]:
        """The keys of all questions, sorted; `key_of` has that of a question."""
        keys: npt.NDArray[np.int64] = np.unique(self._kept.rows()["question"])
        return keys

    def of_questions(self, name: str) -> npt.NDArray[np.float64]:
        """`by_question`, in the order of `questions`; NaN where there is no right candidate."""
        rows = self._kept.rows()
        found = np.full(len(self.questions()), np.nan)
        found[np.isin(self.questions(), rows["question"][rows["right"]])] = self.by_question(name)
        return found

    def counts(self) -> tuple[int, int]:
        """How many questions there are, and how many of them have no right candidate."""
        rows = self._kept.rows()
        asked = len(np.unique(rows["question"]))
        return asked, asked - len(np.unique(rows["question"][rows["right"]]))

    def notes(self) -> list[str]:
        """How many questions are left out, as a sentence."""
        asked, without = self.counts()
        return [f"{without:,} of {asked:,} questions have no right candidate and are left out"] if without else []

    def state(self) -> Any:
        """The rows, as JSON: scores as text, since infinity is no JSON."""
        rows = self._kept.rows()
        return [rows["question"].tolist(), [repr(score) for score in rows["score"].tolist()], rows["right"].tolist()]

    def restore(self, state: Any) -> None:
        """Go on from rows."""
        questions, scores, right = state
        rows = np.empty(len(questions), _ROW)
        rows["question"], rows["score"], rows["right"] = questions, [float(score) for score in scores], right
        self._kept = Kept(_ROW)
        self._kept.append(rows)

    def _right_ones(self) -> tuple[npt.NDArray[np.int64], ...]:
        """Of each right candidate: its question's number, its rank from 1, which right one of its question it is from
        1, and how many those are. Questions are numbered without those that have no right one.
        """  # noqa: D205
        rows = self._kept.rows()
        rows = rows[np.lexsort((rows["right"], -rows["score"], rows["question"]))]
        _, begins, place = np.unique(rows["question"], return_index=True, return_inverse=True)
        ranks = np.arange(len(rows)) - begins[place] + 1 if len(rows) else np.empty(0, np.int64)
        right = rows["right"]
        _, firsts, question, totals = np.unique(
            place[right], return_index=True, return_inverse=True, return_counts=True
        )
        nth = np.arange(len(question)) - firsts[question] + 1 if len(question) else np.empty(0, np.int64)
        return question, ranks[right], nth, totals[question]


def key_of(question: str) -> int:
    """64 bits of the question: two of a million different ones are taken for one with a chance of 3 in 10⁸."""
    digest = hashlib.blake2b(question.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)
