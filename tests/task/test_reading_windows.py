"""Losses and answers of questions, from the logits of their windows."""

import math

import numpy as np
import pytest
import torch

from transferhub.reader.reading_reader import FIRST, NO_ANSWER, UNKNOWN
from transferhub.task.reading_windows import answered, both_logits, question_losses, windows_right

CONTEXT = "the food was good"
WORDS = [(0, 3), (4, 8), (9, 12), (13, 17)]


def batch_of(*windows, row_of, right=None):
    """Windows as lists of places; each token of the passage has its word's offsets."""
    width = max(map(len, windows))
    places = torch.zeros(len(windows), width, dtype=torch.int64)
    offsets = torch.zeros(2, len(windows), width, dtype=torch.int64)
    for line, window in enumerate(windows):
        places[line, : len(window)] = torch.tensor(window)
        for place, token in enumerate(window):
            if token >= FIRST:
                offsets[:, line, place] = torch.tensor(WORDS[token - FIRST])
    batch = {"places": places, "starts": offsets[0], "stops": offsets[1], "row_of": torch.tensor(row_of)}
    if right is not None:
        batch["start_places"], batch["end_places"] = torch.tensor(right).T
    return batch


def outputs_of(batch, seed=0):
    start, end = torch.randn(2, *batch["places"].shape, generator=torch.Generator().manual_seed(seed))
    return {"start_logits": start, "end_logits": end}


# [CLS] question [SEP] passage [SEP]; the passage has four tokens
WHOLE = [NO_ANSWER, 0, 0, FIRST, FIRST + 1, FIRST + 2, FIRST + 3, 0]
LEFT, RIGHT = [NO_ANSWER, 0, 0, FIRST, FIRST + 1, 0], [NO_ANSWER, 0, 0, FIRST + 2, FIRST + 3, 0]


def test_a_questions_loss_is_the_mean_over_its_windows_of_half_of_both_cross_entropies():
    right = [(FIRST + 1, FIRST + 2), (NO_ANSWER, NO_ANSWER), (FIRST + 3, FIRST + 3)]
    batch = batch_of(WHOLE, LEFT, RIGHT, row_of=[0, 1, 1], right=right)
    outputs = outputs_of(batch)
    windows = []
    for line, (window, wanted) in enumerate(zip((WHOLE, LEFT, RIGHT), right, strict=True)):
        total = 0.0
        for name, place in zip(("start_logits", "end_logits"), wanted, strict=True):
            logits = outputs[name][line].tolist()
            allowed = [at for at, token in enumerate(window) if token]
            at = window.index(place)
            total += math.log(sum(math.exp(logits[each]) for each in allowed)) - logits[at]
        windows.append(total / 2)
    expected = [windows[0], (windows[1] + windows[2]) / 2]
    assert question_losses(outputs, batch).tolist() == pytest.approx(expected, abs=1e-6)


def test_what_is_not_known_to_be_right_is_no_loss_and_no_gradient():
    batch = batch_of(WHOLE, row_of=[0], right=[(UNKNOWN, UNKNOWN)])
    outputs = {name: values.requires_grad_() for name, values in outputs_of(batch).items()}
    losses = question_losses(outputs, batch)
    assert losses.tolist() == [0.0]
    losses.sum().backward()
    assert not outputs["start_logits"].grad.any()


def test_question_and_padding_count_neither_in_the_loss_nor_in_what_is_right():
    batch = batch_of(WHOLE, LEFT, row_of=[0, 1], right=[(FIRST, FIRST + 1), (NO_ANSWER, NO_ANSWER)])
    outputs = outputs_of(batch)
    spoiled = {name: values.masked_fill(batch["places"] == 0, 1e4) for name, values in outputs.items()}
    assert question_losses(spoiled, batch).tolist() == question_losses(outputs, batch).tolist()
    assert windows_right(spoiled, batch).tolist() == windows_right(outputs, batch).tolist()
    for name, place in (("start_logits", 3), ("end_logits", 4)):
        spoiled[name][0, place] = 50.0
    assert windows_right(spoiled, batch)[0]


def test_the_loss_of_one_whole_window_is_that_of_transformers_on_the_allowed_tokens():
    batch = batch_of(WHOLE, row_of=[0], right=[(FIRST + 1, FIRST + 2)])
    outputs = outputs_of(batch)
    kept = batch["places"][0] > 0
    pair = [
        torch.nn.functional.cross_entropy(outputs[name][:, kept], torch.tensor([at]))
        for name, at in (("start_logits", 2), ("end_logits", 3))
    ]
    assert float(question_losses(outputs, batch)[0]) == pytest.approx(float(sum(pair)) / 2, abs=1e-6)


def test_logits_of_a_head_of_ours_are_two_numbers_a_token():
    start, end = both_logits({"logits": torch.arange(12.0).reshape(1, 6, 2)})
    assert start.tolist() == [[0, 2, 4, 6, 8, 10]]
    assert end.tolist() == [[1, 3, 5, 7, 9, 11]]


def test_answers_of_a_passage_in_one_window_or_in_two_are_texts_with_their_places():
    batch = batch_of(LEFT, RIGHT, WHOLE, row_of=[0, 0, 1])
    outputs = {name: torch.full(batch["places"].shape, -5.0) for name in ("start_logits", "end_logits")}
    outputs["start_logits"][1, 3] = outputs["end_logits"][1, 4] = 4.0  # "was good" in the right window
    outputs["start_logits"][2, 4] = outputs["end_logits"][2, 4] = 4.0  # "food" in the whole one
    outputs["start_logits"][:, 1] = 99.0  # the question
    first, second = answered(outputs, batch, [CONTEXT, CONTEXT], 3, 30, None)
    assert (first.best.text, first.best.start, first.best.stop) == ("was good", 9, 17)
    assert (second.best.text, second.best.start, second.best.stop) == ("food", 4, 8)
    assert first.null_score_diff is None
    assert len(first.n_best) == 3
    outputs["start_logits"][:, 0] = outputs["end_logits"][:, 0] = 6.0
    for found in answered(outputs, batch, [CONTEXT, CONTEXT], 3, 30, 0.0):
        assert found.best.text == ""
        assert found.null_score_diff == pytest.approx(12 - 8)


def test_a_passage_of_no_token_has_the_empty_answer():
    batch = batch_of([NO_ANSWER, 0, 0, 0], row_of=[0])
    (found,) = answered(outputs_of(batch), batch, [""], 3, 30, None)
    assert (found.best.text, found.best.start) == ("", -1)
    assert np.isfinite(found.best.probability)
