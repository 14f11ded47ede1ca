import numpy as np
import pytest

from transferhub.errors import ConfigError
from transferhub.metrics.classification import ratio
from transferhub.metrics.interval import bootstrap
from transferhub.metrics.spans import SpanScores


def accuracy(labels, predicted):
    return float((labels == predicted).mean())


def test_of_accuracy_it_is_the_binomials_interval():
    """80 of 100 right: mean 0.8, standard deviation of a draw sqrt(.8 * .2 / 100) = 0.04, so ±1.96 * 0.04."""
    labels = np.zeros(100)
    found = bootstrap(accuracy, labels, np.repeat([0, 1], [80, 20]), draws=4000)
    assert found.score == 0.8
    assert (found.low, found.high) == pytest.approx((0.8 - 0.0784, 0.8 + 0.0784), abs=0.012)
    assert str(found).startswith("0.8000 [0.7")


def test_the_seed_is_all_that_chance_depends_on():
    values = np.random.default_rng(1).normal(size=50)
    one, same, other = (bootstrap(np.mean, values, draws=100, seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one != other
    narrow = bootstrap(np.mean, values, draws=100, seed=1, level=0.5)
    assert one.low < narrow.low < narrow.high < one.high


def test_rows_stay_together():
    values = np.arange(30)
    assert bootstrap(lambda one, two: float((one == two).mean()), values, values, draws=20).low == 1.0


def test_chunk_scores_have_one_over_sentences():
    labels = ["B-X", "I-X", "O"]
    true, predicted, lengths = np.array([0, 1, 2, 0, 0]), np.array([0, 1, 2, 0, 2]), np.array([2, 1, 2])
    rows = SpanScores(labels).row_counts(true, predicted, lengths)
    assert rows.tolist() == [[[1, 1, 1]], [[0, 0, 0]], [[1, 1, 2]]]
    found = bootstrap(lambda counts: ratio("f1", *counts.sum(axis=(0, 1))), rows, draws=50)
    assert found.score == pytest.approx(2 * 2 / (2 + 3))
    assert found.low < found.score <= found.high == 1.0


def test_draws_without_a_score_are_left_out_and_counted():
    found = bootstrap(lambda values: 1.0 if values.any() else np.nan, np.array([1, 1, 0]), draws=200)
    assert 0 < found.undefined < 30
    assert found.low == 1.0
    with pytest.raises(ConfigError, match="not finite for 1 rows, or for half of 20 draws"):
        bootstrap(lambda values: np.nan, np.array([1.0]), draws=20)


@pytest.mark.parametrize("arrays", [[np.zeros(2), np.zeros(3)], [np.zeros(0)], []])
def test_arrays_that_are_no_rows_are_refused(arrays):
    with pytest.raises(ConfigError, match="an interval over arrays"):
        bootstrap(lambda *_: 1.0, *arrays)
