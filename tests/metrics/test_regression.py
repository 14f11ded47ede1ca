import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from transferhub.errors import ConfigError
from transferhub.metrics.regression import NAMES, RegressionScores

NUMBERS = st.integers(-8, 8).map(lambda number: number / 4)  # ties, and differences that float32 holds exactly


def kept(true, predicted, size=2):
    scores = RegressionScores()
    for start in range(0, len(true), size):
        scores.update(*(np.array(values[start : start + size], np.float32) for values in (true, predicted)))
    return scores


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=2, max_size=20), st.integers(1, 5))
def test_scores_are_those_of_the_definitions_however_the_split_is_batched(rows, size):
    true, predicted = (np.array(values) for values in zip(*rows, strict=True))
    scores = kept(true, predicted, size).scores(NAMES)
    assert scores["mse"] == pytest.approx(reference.mean_squared_error(true, predicted))
    assert scores["rmse"] == pytest.approx(math.sqrt(scores["mse"]))
    assert scores["mae"] == pytest.approx(reference.mean_absolute_error(true, predicted))
    if np.ptp(true):
        assert scores["r2"] == pytest.approx(reference.r2_score(true, predicted))
    if np.ptp(true) and np.ptp(predicted):
        # Pearson's by numpy; Spearman's is Pearson's of the mean ranks.
        both = true, predicted
        ranks = [[(values < value).sum() + (values == value).sum() / 2 for value in values] for values in both]
        assert scores["pearson"] == pytest.approx(np.corrcoef(true, predicted)[0, 1])
        assert scores["spearman"] == pytest.approx(np.corrcoef(*ranks)[0, 1])
        assert scores["corr"] == pytest.approx((scores["pearson"] + scores["spearman"]) / 2)


@pytest.mark.parametrize(("true", "predicted", "whose"), [([1, 2], [3, 3], "predicted"), ([2, 2], [1, 5], "true")])
def test_what_never_changes_correlates_with_nothing_and_it_is_said(true, predicted, whose):
    scores = kept(true, predicted)
    assert scores.scores(["spearman", "pearson", "corr"]) == {"spearman": 0.0, "pearson": 0.0, "corr": 0.0}
    assert scores.notes() == [f"all 2 {whose} numbers are the same: correlations are given as 0"]


def test_one_row_and_no_row_have_scores():
    assert kept([2], [5]).scores() == {"spearman": 0.0, "pearson": 0.0, "mse": 9.0, "mae": 3.0}
    assert set(kept([], []).scores().values()) == {0.0}
    assert kept([], []).notes() == []


def test_a_prediction_that_is_no_number_is_not_hidden():
    assert math.isnan(kept([1, 2, 3], [1, math.nan, 2]).scores(["pearson"])["pearson"])


def test_what_was_kept_goes_through_json():
    first = kept([0.1, 2.7, 3], [1.3, 2, 5.9])
    second = kept([7], [8])
    second.restore(json.loads(json.dumps(first.state())))
    assert second.scores() == first.scores()


def test_columns_in_place_of_rows_are_refused():
    with pytest.raises(ConfigError, match=r"\[2, 1\]"):
        RegressionScores().update(np.zeros(2, np.float32), np.zeros((2, 1), np.float32))
