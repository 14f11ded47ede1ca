import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from transferhub.errors import ConfigError
from transferhub.metrics.ranking import RankingScores

ROWS = st.lists(st.tuples(st.sampled_from("abcde"), st.booleans(), st.integers(0, 4)), max_size=25)


def kept(rows, size=3):
    scores = RankingScores()
    for start in range(0, len(rows), size):
        questions, right, values = zip(*rows[start : start + size], strict=True)
        scores.update(questions, np.array(right), np.array(values, np.float32))
    return scores


def by_hand(rows, k):
    reciprocal, precision, recall = [], [], []
    for question in sorted({row[0] for row in rows}):
        ranked = sorted((row for row in rows if row[0] == question), key=lambda row: (-row[2], row[1]))
        places = [place for place, row in enumerate(ranked, 1) if row[1]]
        if places:
            reciprocal.append(1 / places[0])
            precision.append(np.mean([nth / place for nth, place in enumerate(places, 1)]))
            recall.append(sum(place <= k for place in places) / len(places))
    return [np.mean(values) if values else 0.0 for values in (reciprocal, precision, recall)]


@given(ROWS, st.integers(1, 6), st.randoms())
def test_scores_are_those_counted_by_hand_whatever_the_rows_order(rows, k, chance):
    shuffled = chance.sample(rows, len(rows))
    assert list(kept(shuffled).scores(["mrr", "map", f"recall_at_{k}"]).values()) == pytest.approx(by_hand(rows, k))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 1000)), min_size=1, unique_by=lambda row: row[1]))
def test_without_ties_map_is_scikit_learns_average_precision(rows):
    right, values = zip(*rows, strict=True)
    if any(right):
        found = kept([("q", *row) for row in rows]).scores()["map"]
        assert found == pytest.approx(average_precision_score(right, values))


def test_the_textbook_example():
    # Voorhees 1999: first right answers at ranks 3, 2, 1: (1/3 + 1/2 + 1) / 3 = 11/18.
    rows = [
        *(("cat", right, score) for right, score in ((0, 3), (0, 2), (1, 1))),
        *(("torus", right, score) for right, score in ((0, 3), (1, 2), (0, 1))),
        *(("virus", right, score) for right, score in ((1, 3), (0, 2), (0, 1))),
    ]
    scores = kept(rows)
    assert scores.scores()["mrr"] == pytest.approx(11 / 18)
    assert sorted(scores.by_question("mrr")) == pytest.approx([1 / 3, 1 / 2, 1])


def test_equal_scores_earn_nothing():
    assert kept([("q", 1, 0.5), ("q", 0, 0.5), ("q", 0, 0.5)]).scores()["mrr"] == pytest.approx(1 / 3)


def test_a_score_that_is_no_number_comes_last():
    assert kept([("q", 1, np.nan), ("q", 0, -5)]).scores()["mrr"] == 0.5


def test_questions_without_a_right_candidate_are_left_out_and_counted():
    scores = kept([("q", 1, 1), ("r", 0, 1), ("q", 0, 0), ("s", 0, 2)])
    assert scores.counts() == (3, 2)
    assert scores.notes() == ["2 of 3 questions have no right candidate and are left out"]
    assert scores.scores()["map"] == 1.0
    assert kept([("q", 1, 1)]).notes() == []


def test_what_was_kept_goes_through_json():
    first, second = kept([("q", 1, 0.1), ("q", 0, np.nan), ("r", 1, 2)]), kept([("z", 1, 1)])
    second.restore(json.loads(json.dumps(first.state(), allow_nan=False)))
    assert second.scores() == first.scores()
    second.restore(RankingScores().state())
    assert second.scores() == {"mrr": 0.0, "map": 0.0}


@pytest.mark.parametrize("name", ["ndcg", "recall_at_0", "recall_at_"])
def test_an_unknown_score_is_refused(name):
    with pytest.raises(ConfigError, match=name):
        kept([("q", 1, 1)]).scores([name])
