import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given
from hypothesis import strategies as st

from transferhub.errors import ConfigError
from transferhub.metrics.classification import NAMES, ConfusionMatrix, chosen


@st.composite
def labelled(draw):
    classes = draw(st.integers(2, 5))
    rows = draw(st.lists(st.tuples(st.integers(0, classes - 1), st.integers(0, classes - 1)), min_size=1, max_size=60))
    return classes, np.array([row[0] for row in rows]), np.array([row[1] for row in rows])


@given(labelled(), st.integers(1, 7))
@pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.UndefinedMetricWarning", "ignore:A single label was found:UserWarning"
)
def test_scores_are_scikit_learns_however_the_split_is_batched(rows, size):
    classes, labels, predicted = rows
    matrix = ConfusionMatrix(classes)
    for start in range(0, len(labels), size):
        matrix.update(labels[start : start + size], predicted[start : start + size])
    average = {"average": "binary" if classes == 2 else "macro", "zero_division": 0}
    expected = {
        "acc": reference.accuracy_score(labels, predicted),
        "f1": reference.f1_score(labels, predicted, **average),
        "precision": reference.precision_score(labels, predicted, **average),
        "recall": reference.recall_score(labels, predicted, **average),
        "matthews": reference.matthews_corrcoef(labels, predicted),
    }
    assert matrix.scores(NAMES) == pytest.approx(expected, abs=1e-12)


def test_the_choice_of_metrics_keeps_its_order():
    assert chosen("default", ["acc"]) == ["acc"]
    assert chosen(None, ["acc"]) == ["acc"]
    assert chosen("f1", ["acc"]) == ["f1"]
    assert chosen(["f1", "acc"], []) == ["f1", "acc"]
    with pytest.raises(ConfigError, match="no 'accuracy'"):
        chosen(["accuracy"], [])
