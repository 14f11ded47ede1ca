import json

import numpy as np
import pytest
import seqeval.metrics as reference
from hypothesis import given
from hypothesis import strategies as st
from seqeval.scheme import IOB2, IOBES

from transferhub.errors import ConfigError
from transferhub.metrics.spans import SpanScores

BIO = ["B-PER", "I-PER", "B-LOC", "I-LOC", "O"]
IOBES_TAGS = ["O", *(f"{letter}-{kind}" for kind in ("PER", "LOC") for letter in "BIES")]


def counted(labels, true, predicted, strict, size=3):
    scores = SpanScores(labels, strict)
    for start in range(0, len(true), size):
        flat = [
            np.array([labels.index(tag) for row in rows[start : start + size] for tag in row], np.int64)
            for rows in (true, predicted)
        ]
        scores.update(*flat, np.array([len(row) for row in true[start : start + size]]))
    return scores


@st.composite
def tagged(draw, labels):
    lengths = draw(st.lists(st.integers(1, 7), min_size=1, max_size=6))
    row = [st.lists(st.sampled_from(labels), min_size=length, max_size=length) for length in lengths]
    return draw(st.tuples(*row)), draw(st.tuples(*row))


@pytest.mark.filterwarnings("ignore:Mean of empty slice:RuntimeWarning", "ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(("labels", "scheme"), [(BIO, IOB2), (IOBES_TAGS, IOBES)])
@given(data=st.data(), size=st.integers(1, 4))
def test_scores_are_seqevals_however_the_split_is_batched(labels, scheme, strict, data, size):
    true, predicted = data.draw(tagged(labels))
    scores = counted(labels, true, predicted, strict, size)
    how = {"mode": "strict", "scheme": scheme} if strict else {}
    functions = reference.precision_score, reference.recall_score, reference.f1_score
    for average in ("micro", "macro", "weighted"):
        expected = [score(list(true), list(predicted), average=average, zero_division=0, **how) for score in functions]
        names = [f"{name}_{average}" for name in ("precision", "recall", "f1")]
        assert list(scores.scores(names).values()) == pytest.approx(np.nan_to_num(expected), abs=1e-12)
    right = sum(a == b for rows in zip(true, predicted, strict=True) for a, b in zip(*rows, strict=True))
    assert scores.scores(["acc"])["acc"] == right / sum(map(len, true))


def test_what_is_illegal_counts_not_strictly_is_repaired_otherwise_and_is_said():
    true, predicted = [["B-PER", "I-PER", "O", "B-LOC"]], [["I-PER", "I-PER", "O", "B-LOC"]]
    strict, repaired = (counted(BIO, true, predicted, way) for way in (True, False))
    assert strict.scores() == {"f1": pytest.approx(2 / 3), "precision": 1.0, "recall": 0.5}
    assert repaired.scores()["f1"] == 1.0
    assert strict.notes() == ["1 runs of predicted tags that begin without B do not count as chunks"]
    assert "were repaired" in repaired.notes()[0]
    assert counted(BIO, true, true, True).notes() == []


def test_the_table_has_a_row_for_each_type():
    table = counted(BIO, [["B-PER", "O", "B-LOC", "B-LOC"]], [["B-PER", "O", "B-LOC", "O"]], True).table()
    loc = {"precision": 1, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2, "predicted": 1, "right": 1}
    per = {"precision": 1, "recall": 1, "f1": 1, "support": 1, "predicted": 1, "right": 1}
    assert table == [{"type": "LOC", **loc}, {"type": "PER", **per}]


def test_a_split_without_chunks_scores_nothing():
    assert SpanScores(BIO).scores() == {"f1": 0.0, "precision": 0.0, "recall": 0.0}
    assert SpanScores(["O"]).scores(["f1_macro", "f1_weighted", "acc"]) == {"f1_macro": 0, "f1_weighted": 0, "acc": 0}


def test_what_was_counted_goes_through_json():
    true, predicted = [["B-PER", "I-PER", "O"], ["O"]], [["B-PER", "I-LOC", "O"], ["I-LOC"]]
    first = counted(BIO, true, predicted, True)
    second = SpanScores(BIO)
    second.restore(json.loads(json.dumps(first.state())))
    assert second.table() == first.table()
    assert second.notes() == first.notes()
    assert second.scores(["acc"]) == first.scores(["acc"])


def test_tags_and_tokens_of_different_number_are_refused():
    with pytest.raises(ConfigError, match="2 true tags, 1 predicted"):
        SpanScores(BIO).update(np.array([0, 1]), np.array([0]), np.array([2]))
