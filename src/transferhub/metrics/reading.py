"""Reading comprehension by the official definitions of SQuAD 1.1, SQuAD 2.0, CMRC2018 and DRCD, in percent.

Each class counts question by question: what was answered, and the answers that are right.
"""

import copy
import re
import string
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from transferhub.metrics.kept import Kept

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
# CMRC2018's list; it also names "……", which no single character is equal to.
_CHINESE_SIGNS = frozenset("-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
_NO_CHINESE_SIGNS = {ord(sign): None for sign in _CHINESE_SIGNS}
_CHINESE = re.compile("[\u4e00-\u9fa5]")
_APART = re.compile(r"""\.\.\.|[;@#$%&?!"()\[\]{}<>]|,(?!\d)|\.(?=\s*$)""")
_CLITIC = re.compile(r"(?<=\w)(?:n't|'(?:s|re|ve|ll|d|m))\b")


class QuestionScores:
    """What official definitions share: some figures are kept of each question, 8 bytes each."""

    figures: ClassVar[int]

    def __init__(self) -> None:
        self._kept = Kept((np.float64, (self.figures,)))

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, *figures: float) -> None:
        """Keep a question's."""
        self._kept.append(np.array([figures]))

    def rows(self) -> npt.NDArray[np.float64]:
        """All questions' figures, float64 ``[questions, figures]``."""
        return self._kept.rows()

    def scores(self) -> dict[str, float]:
        """The official scores."""
        raise NotImplementedError

    def drawn(self, questions: npt.NDArray[np.int64]) -> Self:
        """The scores of these questions, by number, with repetition."""
        made = copy.copy(self)
        made._kept = Kept((np.float64, (self.figures,)))
        made._kept.append(self.rows()[questions])
        return made

    def state(self) -> Any:
        """What is kept of each question, as JSON."""
        return self.rows().tolist()

    def restore(self, state: Any) -> None:
        """Go on from questions."""
        self._kept = Kept((np.float64, (self.figures,)))
        self._kept.append(np.asarray(state, np.float64).reshape(-1, self.figures))


class SquadScores(QuestionScores):
    """SQuAD 1.1: ``exact_match`` and ``f1``, the mean over questions of the best right answer's."""

    figures = 2  # of each question: exact, f1

    def update(self, answer: str | None, right: Sequence[str]) -> None:
        """Count a question; `answer` None: it was not answered, which counts as wrong."""
        right = [] if answer is None else right
        exact = max((float(squad_exact(answer or "", each)) for each in right), default=0.0)
        self.keep(exact, max((squad_f1(answer or "", each) for each in right), default=0.0))

    def scores(self) -> dict[str, float]:
        """``exact_match`` and ``f1``."""
        rows = self.rows()
        exact, f1 = rows.sum(axis=0).tolist()
        return {"exact_match": _percent(exact, len(rows)), "f1": _percent(f1, len(rows))}


class Squad2Scores(QuestionScores):
    """SQuAD 2.0, where some questions have no answer: the empty one is right for them.

    ``exact``, ``f1``, ``total``; the same of the questions that have an answer (``HasAns_exact`` …) and that have none
    (``NoAns_exact`` …), where there are any; ``best_exact`` and ``best_f1`` are what the best threshold of the null
    score would give, ``best_exact_thresh`` and ``best_f1_thresh`` that threshold. As in the official script, the
    threshold is tried after each question in the order of null scores, equal ones in the order they were counted.

    Args:
        threshold: A question whose null score is above it counts as answered by nothing, whatever its answer was. None:
            answers count as they are.
    """

    figures = 5  # of each question: exact, f1, whether there is an answer, whether one was given, null score

    def __init__(self, threshold: float | None = None) -> None:
        super().__init__()
        self._threshold = threshold

    def update(self, answer: str, right: Sequence[str], null_score: float = 0.0) -> None:
        """Count a question.

        Args:
            answer: Empty: none.
            right: Empty: the question has no answer.
            null_score: The higher, the surer that there is none: ``Answered.null_score_diff``.
        """
        known = [each for each in right if squad_normalized(each)] or [""]
        exact = max(float(squad_exact(answer, each)) for each in known)
        f1 = max(_squad2_f1(answer, each) for each in known)
        self.keep(exact, f1, bool(right), bool(answer), null_score)

    def scores(self) -> dict[str, float]:
        """The official scores, ``exact`` first."""
        rows = self.rows()
        has = rows[:, 2] > 0
        counted = rows[:, :2].copy()
        if self._threshold is not None:
            none = rows[:, 4] > self._threshold
            counted[none] = ~has[none, None]
        found = _part("", counted)
        for name, part in (("HasAns_", counted[has]), ("NoAns_", counted[~has])):
            found.update(_part(name, part) if len(part) else {})
        for column, name in enumerate(("exact", "f1")):
            found[f"best_{name}"], found[f"best_{name}_thresh"] = _best_threshold(rows, column)
        return found


class ChineseReadingScores(QuestionScores):
    """CMRC2018's script, which DRCD's results are reported by too: ``AVERAGE F1 EM TOTAL SKIP``.

    EM compares without punctuation; F1 is of the longest stretch that both answers have, in characters of Chinese and
    words of anything else; AVERAGE is the mean of both. A question without an answer counts as wrong, and in SKIP.

    The official script cuts words with NLTK's ``word_tokenize``; here its rules for signs, numbers and clitics (``'s``,
    ``n't``) do it, which agree but for rare abbreviations and quotation marks.
    """

    figures = 3  # of each question: f1, exact, whether it was not answered

    def update(self, answer: str | None, right: Sequence[str]) -> None:
        """Count a question; `answer` None: it was not answered."""
        right = [] if answer is None else right
        f1 = max((chinese_f1(answer or "", each) for each in right), default=0.0)
        exact = max((float(chinese_exact(answer or "", each)) for each in right), default=0.0)
        self.keep(f1, exact, answer is None)

    def scores(self) -> dict[str, float]:
        """``AVERAGE``, ``F1``, ``EM`` in percent; ``TOTAL`` and ``SKIP`` are numbers of questions."""
        rows = self.rows()
        questions = len(rows)
        f1, exact, skipped = rows.sum(axis=0).tolist()
        percent = _percent(f1, questions), _percent(exact, questions)
        return {
            "AVERAGE": sum(percent) / 2,
            "F1": percent[0],
            "EM": percent[1],
            "TOTAL": questions,
            "SKIP": int(skipped),
        }


def squad_normalized(text: str) -> str:
    """Lower case, without ASCII punctuation and the articles a, an, the; one space between words."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def squad_exact(answer: str, right: str) -> bool:
    """Whether both are the same once normalised."""
    return squad_normalized(answer) == squad_normalized(right)


def squad_f1(answer: str, right: str) -> float:
    """F1 of the words that both have, as often as both have them; 0 without any (Rajpurkar et al. 2016, §6.1)."""
    return _f1(squad_normalized(answer).split(), squad_normalized(right).split())


def chinese_exact(answer: str, right: str) -> bool:
    """Whether both are the same, lower case, without punctuation."""
    return _without_signs(answer) == _without_signs(right)


def chinese_f1(answer: str, right: str) -> float:
    """F1 of the longest stretch of segments that both have (not of a subsequence)."""
    given, known = chinese_segments(answer), chinese_segments(right)
    common = _longest_common(given, known)
    return 2 * common / (len(given) + len(known)) if common else 0.0


def chinese_segments(text: str) -> list[str]:
    """Chinese character by character, the rest in words; punctuation is dropped, and what it parted is joined."""
    segments: list[str] = []
    rest = ""
    for character in _without_signs(text):
        if _CHINESE.match(character):
            segments += [*_words(rest), character]
            rest = ""
        else:
            rest += character
    return segments + _words(rest)


def _without_signs(text: str) -> str:
    return text.lower().strip().translate(_NO_CHINESE_SIGNS)


def _words(text: str) -> list[str]:
    return _CLITIC.sub(r" \g<0>", _APART.sub(r" \g<0> ", text)).split()


def _longest_common(first: Sequence[str], second: Sequence[str]) -> int:
    longest, before = 0, [0] * (len(second) + 1)
    for one in first:
        row = [0, *(length + 1 if one == two else 0 for two, length in zip(second, before, strict=False))]
        longest, before = max(longest, *row), row
    return longest


def _f1(given: list[str], known: list[str]) -> float:
    common = sum((Counter(given) & Counter(known)).values())
    return 2 * common / (len(given) + len(known)) if common else 0.0


def _squad2_f1(answer: str, right: str) -> float:
    given, known = squad_normalized(answer).split(), squad_normalized(right).split()
    return _f1(given, known) if given and known else float(given == known)


def _part(name: str, rows: npt.NDArray[np.float64]) -> dict[str, float]:
    exact, f1 = rows.sum(axis=0).tolist()
    total = len(rows)
    return {f"{name}exact": _percent(exact, total), f"{name}f1": _percent(f1, total), f"{name}total": total}


def _best_threshold(rows: npt.NDArray[np.float64], column: int) -> tuple[float, float]:
    """The best score in percent, and the null score up to which answers are given."""
    ordered = rows[np.argsort(rows[:, 4], kind="stable")]
    has, said = ordered[:, 2] > 0, ordered[:, 3] > 0
    gains = np.where(has, ordered[:, column], np.where(said, -1.0, 0.0))  # of giving its answer, not the empty one
    reached = np.cumsum(gains)
    place = int(reached.argmax()) if len(reached) else 0
    if not len(reached) or reached[place] <= 0:
        return _percent(float((~has).sum()), len(rows)), 0.0
    return _percent(float((~has).sum() + reached[place]), len(rows)), float(ordered[place, 4])


def _percent(part: float, of: float) -> float:
    return 100.0 * part / of if of else 0.0
