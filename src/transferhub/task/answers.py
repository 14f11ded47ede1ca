"""Answers of reading comprehension: from what a network says of a question's windows to a stretch of its context."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from transferhub.errors import ConfigError

Floats = npt.NDArray[np.floating[Any]]
NOWHERE = -1


@dataclass(frozen=True)
class WindowLogits:
    """What the network says of one window of a context.

    Args:
        first: Which token of the context the window begins with.
        start: float ``[tokens]``, that the answer begins with the window's tokens; of the context's tokens alone.
        end: float ``[tokens]``, that it ends with them.
        null: That there is no answer: the sum of both logits at ``[CLS]``.
    """

    first: int
    start: Floats
    end: Floats
    null: float = 0.0


@dataclass(frozen=True)
class Answer:
    """A stretch of a context, or that there is none.

    Args:
        text: As it stands in the context; empty: no answer.
        start: Character of the context that it begins with, -1 without an answer.
        stop: Character behind it, -1 without an answer.
        score: The sum of its two logits.
        probability: Among the n best.
    """

    text: str
    start: int
    stop: int
    score: float
    probability: float


@dataclass(frozen=True)
class Answered:
    """What is found for one question.

    Args:
        best: The answer.
        n_best: The best ones, best first, with the null answer among them where there may be no answer.
        null_score_diff: By how much the null score is above that of the best text (SQuAD's ``null_odds``).
            None: every question has an answer here.
    """

    best: Answer
    n_best: list[Answer]
    null_score_diff: float | None


def best_answers(
    context: str,
    offsets: npt.NDArray[np.int64],
    windows: Sequence[WindowLogits],
    n_best_size: int = 20,
    max_answer_length: int = 30,
    null_score_diff_threshold: float | None = None,
) -> Answered:
    """The best stretches of one question's context.

    All stretches of up to `max_answer_length` tokens are looked at, not only those of the best starts with the best
    ends. One that several windows show has the score of the window that shows most around it: run_squad's rule for
    a token (the smaller of the contexts on both sides and a hundredth of the window's length), but for the whole
    stretch, so that none is lost between two windows. Of stretches with the same text the best one stays.

    Args:
        context: The text that offsets count in.
        offsets: int64 ``[tokens, 2]``, characters of the context's tokens.
        windows: In their order; together they show the whole context.
        n_best_size: How many answers are kept; the probabilities are among them.
        max_answer_length: Tokens an answer may have.
        null_score_diff_threshold: SQuAD 2.0: there is no answer where the null score, the least of all windows, is
            above that of the best text by more than this. None: each question has an answer, an empty one only where
            no token of the context has a character.

    Raises:
        ConfigError: No windows, windows beyond the context, or sizes of less than one.
    """
    if n_best_size < 1 or max_answer_length < 1:
        raise ConfigError(f"n_best_size={n_best_size}, max_answer_length={max_answer_length}", expected="1 or more")
    if not windows:
        raise ConfigError("a question without windows", expected="at least one, of an empty context too")
    scores = _scores(len(offsets), windows, max_answer_length)
    found = list(_best_texts(context, offsets, scores, n_best_size))
    null = float(min(window.null for window in windows))
    difference = None
    if null_score_diff_threshold is not None:
        difference = null - found[0].score if found else float("inf")
        found.append(Answer("", NOWHERE, NOWHERE, null, 0.0))
        found.sort(key=lambda answer: -answer.score)
    elif not found:
        found.append(Answer("", NOWHERE, NOWHERE, null, 0.0))
    n_best = _with_probabilities(found)
    with_text = (answer for answer in n_best if answer.text)
    without = next((answer for answer in n_best if not answer.text), None)
    if difference is not None and null_score_diff_threshold is not None and difference > null_score_diff_threshold:
        best = without
    else:
        best = next(with_text, without)
    assert best is not None
    return Answered(best, n_best, difference)


def _scores(tokens: int, windows: Iterable[WindowLogits], longest: int) -> npt.NDArray[np.float64]:
    """float64 ``[tokens, longest]``: of the stretch from a token on, of so many tokens less one; -inf: none."""
    scores = np.full((tokens, longest), -np.inf)
    seen = np.full((tokens, longest), -np.inf)
    for window in windows:
        count = len(window.start)
        if len(window.end) != count or window.first < 0 or window.first + count > tokens:
            raise ConfigError(
                f"a window of {count} start and {len(window.end)} end logits from token {window.first} on, "
                f"the context has {tokens} tokens",
                expected="a logit of each kind for each of the context's tokens that the window shows",
            )
        first, further = np.arange(count)[:, None], np.arange(longest)[None, :]
        last = first + further
        inside = last < count
        around = np.where(inside, np.minimum(first, count - 1 - last) + 0.01 * count, -np.inf)
        end = np.append(window.end, 0.0).astype(np.float64)  # what is outside is never better
        sums = np.asarray(window.start, np.float64)[:, None] + end[np.minimum(last, count)]
        mine = slice(window.first, window.first + count)
        better = around > seen[mine]
        seen[mine][better], scores[mine][better] = around[better], sums[better]
    return np.where(np.isnan(scores), -np.inf, scores)


def _best_texts(
    context: str, offsets: npt.NDArray[np.int64], scores: npt.NDArray[np.float64], count: int
) -> Iterable[Answer]:
    """The `count` best texts that differ, best first; of equal scores the earlier, then the shorter one."""
    flat, texts = scores.ravel(), set[str]()
    finite, looked_at, size = int(np.isfinite(flat).sum()), 0, 4 * count
    while looked_at < finite and len(texts) < count:
        size = min(size, finite)
        # All that are as good as the last of them, so that chance does not choose among equals.
        least = -np.partition(-flat, size - 1)[size - 1]
        best = np.flatnonzero(flat >= least)
        best = best[np.argsort(-flat[best], kind="stable")]
        for place in best[looked_at:]:
            first, further = divmod(int(place), scores.shape[1])
            start, stop = _trimmed(context, int(offsets[first, 0]), int(offsets[first + further, 1]))
            text = context[start:stop]
            if text and text not in texts:
                texts.add(text)
                yield Answer(text, start, stop, float(flat[place]), 0.0)
                if len(texts) == count:
                    return
        looked_at, size = len(best), 4 * len(best)


def _trimmed(context: str, start: int, stop: int) -> tuple[int, int]:
    """Without white space at the ends: tokens of SentencePiece may begin with it."""
    text = context[start:stop]
    return start + len(text) - len(text.lstrip()), stop - len(text) + len(text.rstrip())


def _with_probabilities(answers: list[Answer]) -> list[Answer]:
    scores = np.array([answer.score for answer in answers])
    weights = np.exp(scores - scores.max())
    return [
        Answer(answer.text, answer.start, answer.stop, answer.score, float(weight / weights.sum()))
        for answer, weight in zip(answers, weights, strict=True)
    ]
