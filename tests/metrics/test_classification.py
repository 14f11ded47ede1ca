import functools

import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given
from hypothesis import strategies as st

from transferhub.errors import ConfigError
from transferhub.metrics.choices import chosen, meanings, measure
from transferhub.metrics.classification import AVERAGED, AVERAGES, NAMES, ConfusionMatrix


@st.composite
def labelled(draw):
    classes = draw(st.integers(2, 5))
    rows = draw(st.lists(st.tuples(st.integers(0, classes - 1), st.integers(0, classes - 1)), min_size=1, max_size=60))
    return classes, np.array([row[0] for row in rows]), np.array([row[1] for row in rows])


@given(labelled(), st.integers(1, 7))
@pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.UndefinedMetricWarning",
    "ignore:A single label was found:UserWarning",
    "ignore:y_pred contains classes not in y_true:UserWarning",
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
        "balanced_acc": reference.balanced_accuracy_score(labels, predicted),
        **{
            f"{name}_{how}": getattr(reference, f"{name}_score")(labels, predicted, average=how, zero_division=0)
            for name in AVERAGED
            for how in AVERAGES
        },
    }
    assert matrix.scores(NAMES) == pytest.approx(expected, abs=1e-12)


def test_no_rows_and_absent_classes_give_0_and_no_warning():
    assert set(ConfusionMatrix(3).scores(NAMES).values()) == {0.0}
    matrix = ConfusionMatrix(2)
    matrix.update(np.array([0, 0]), np.array([0, 0]))
    scores = matrix.scores(NAMES)
    assert (scores["f1"], scores["recall"], scores["f1_macro"], scores["balanced_acc"]) == (0, 0, 1, 1)


def mine(labels, predictions):
    return 0.5


def test_the_choice_of_metrics_keeps_its_order():
    assert chosen("default", ["acc"]) == {"acc": None}
    assert chosen(None, ["acc"]) == {"acc": None}
    assert chosen("f1", ["acc"]) == {"f1": None}
    assert list(chosen(["f1", mine, "acc"], [])) == ["f1", "mine", "acc"]
    assert chosen(mine, []) == {"mine": mine}


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        (["accuracy"], "no 'accuracy'"),
        (["f1_marco"], "did you mean 'f1_macro'"),
        ([], "is empty"),
        ([5], "no 5"),
        ([lambda labels, predictions: 1.0], "has no name"),
        ([functools.partial(mine, 1)], "has no name"),
        ([mine, mine], "'mine' is there twice"),
        (["acc", "acc"], "'acc' is there twice"),
    ],
)
def test_what_is_no_metric_is_refused(choices, said):
    with pytest.raises(ConfigError, match=said):
        chosen(choices, [])


@pytest.mark.parametrize("taken", ["acc", "loss", "f1_macro"])
def test_a_function_may_not_take_a_name_of_ours(taken):
    def other(labels, predictions):
        return 1.0

    other.__name__ = taken
    with pytest.raises(ConfigError, match=f"a function called '{taken}'"):
        chosen([other], [])


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (float("nan"), "returned nan"),
        (float("inf"), "returned inf"),
        ("0.5", "returned '0.5'"),
        (None, "returned None"),
        (np.zeros(2), r"returned array\(\[0\., 0\.\]\)"),
    ],
)
def test_a_function_must_return_a_number(returned, said):
    with pytest.raises(ConfigError, match=f"the metric 'mine' {said}"):
        measure("mine", lambda labels, predictions: returned, np.array([0]), np.array([0]))


def test_a_function_that_fails_is_named_with_its_error():
    with pytest.raises(ConfigError, match="the metric 'mine' failed on 1 rows: ZeroDivisionError"):
        measure("mine", lambda labels, predictions: 1 / 0, np.array([0]), np.array([0]))
    score = measure("mine", lambda labels, predictions: np.float32(0.25), np.array([0]), np.array([0]))
    assert (score, type(score)) == (0.25, float)


def test_what_f1_is_of_is_said():
    assert meanings({"acc": None, "f1": None}, ["no", "yes"]) == ["f1 is of the class 'yes'"]
    assert meanings({"f1": None}, list("abcde")) == ["f1 is the mean over the classes that occur, of 5 (macro)"]
    said = meanings({"precision": None, "recall": None, "f1": None, "mine": mine}, ["0", "1"])
    assert said == ["precision, recall and f1 are of the class '1'"]
    assert meanings({"acc": None, "f1_macro": None}, ["0", "1"]) == []
