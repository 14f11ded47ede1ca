"""From the logits of a batch of windows to losses and answers of its questions."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from transferhub.reader.reading_reader import ELSEWHERE, FIRST, NO_ANSWER
from transferhub.task.answers import Answered, WindowLogits, best_answers

# Outputs, batch and rows' numbers → what is found for each of these questions.
Answering = Callable[[Mapping[str, Tensor], Mapping[str, Tensor], npt.NDArray[np.int64]], list[Answered]]


class Once:
    """Answers a batch once, however many ask one after the other.

    Args:
        answer: Does it.
    """

    def __init__(self, answer: Answering) -> None:
        self._answer = answer
        self._of: Mapping[str, Tensor] | None = None
        self._found: list[Answered] = []

    def __call__(
        self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor], rows: npt.NDArray[np.int64]
    ) -> list[Answered]:
        """The batch's answers."""
        if outputs is not self._of:
            self._of, self._found = outputs, self._answer(outputs, batch, rows)
        return self._found


def both_logits(outputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """The logits of an answer's first and last token, float32 ``[P, L]``, of either kind of head."""
    if "start_logits" in outputs:
        return outputs["start_logits"].float(), outputs["end_logits"].float()
    start, end = outputs["logits"].float().unbind(-1)
    return start, end


def question_losses(outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
    """The loss of each question, float32 ``[B]``: the mean over its windows of half the sum of both cross-entropies.

    An answer begins and ends in the passage or at ``[CLS]``, so that the softmax is over these tokens only: what the
    question and the padding say does not count. A window for which nothing is known to be right has a loss of 0.
    """
    places = batch["places"]
    start, end = (logits.masked_fill(places == ELSEWHERE, -torch.inf) for logits in both_logits(outputs))
    losses = (
        _cross_entropy(start, places, batch["start_places"]) + _cross_entropy(end, places, batch["end_places"])
    ) / 2
    # A product instead of a scattered sum, whose order would be left to chance on a GPU.
    belongs = torch.nn.functional.one_hot(batch["row_of"]).T.to(losses.dtype)
    return belongs @ losses / belongs.sum(dim=1)


def _cross_entropy(logits: Tensor, places: Tensor, right: Tensor) -> Tensor:
    found = places == right[:, None]
    return -torch.where(found, torch.log_softmax(logits, dim=-1), 0.0).sum(dim=-1)


def windows_right(outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
    """Of each window whether the best first and the best last token are the right ones, bool ``[P]``."""
    places, right = batch["places"], torch.ones(len(batch["places"]), dtype=torch.bool, device=batch["places"].device)
    for logits, wanted in zip(both_logits(outputs), (batch["start_places"], batch["end_places"]), strict=True):
        best = logits.masked_fill(places == ELSEWHERE, -torch.inf).argmax(dim=-1, keepdim=True)
        right &= places.gather(1, best)[:, 0] == wanted
    return right


def answered(
    outputs: Mapping[str, Tensor],
    batch: Mapping[str, Tensor],
    contexts: Sequence[str],
    n_best_size: int,
    max_answer_length: int,
    null_score_diff_threshold: float | None,
) -> list[Answered]:
    """The answers to a batch's questions.

    Args:
        outputs: Logits of the windows.
        batch: Their columns.
        contexts: The questions' passages, in the order of the batch.
        n_best_size: As for `best_answers`.
        max_answer_length: As for `best_answers`.
        null_score_diff_threshold: As for `best_answers`.
    """
    start, end = (logits.cpu().numpy() for logits in both_logits(outputs))
    columns = {name: batch[name].cpu().numpy() for name in ("places", "starts", "stops", "row_of")}
    first_of = np.searchsorted(columns["row_of"], np.arange(len(contexts) + 1))
    found = []
    for row, context in enumerate(contexts):
        pieces = range(int(first_of[row]), int(first_of[row + 1]))
        offsets = np.zeros((max(0, int(columns["places"][pieces].max()) + 1 - FIRST), 2), np.int64)
        windows = [_window(piece, columns, start, end, offsets) for piece in pieces]
        found.append(best_answers(context, offsets, windows, n_best_size, max_answer_length, null_score_diff_threshold))
    return found


def _window(
    piece: int,
    columns: Mapping[str, npt.NDArray[Any]],
    start: npt.NDArray[np.float32],
    end: npt.NDArray[np.float32],
    offsets: npt.NDArray[np.int64],
) -> WindowLogits:
    """A window's logits; its tokens' places in the passage go into `offsets`."""
    places = columns["places"][piece]
    shown, nowhere = np.flatnonzero(places >= FIRST), np.flatnonzero(places == NO_ANSWER)
    tokens = places[shown] - FIRST
    offsets[tokens, 0], offsets[tokens, 1] = columns["starts"][piece][shown], columns["stops"][piece][shown]
    null = float(start[piece][nowhere].sum() + end[piece][nowhere].sum())
    return WindowLogits(int(tokens[0]) if len(tokens) else 0, start[piece][shown], end[piece][shown], null)
