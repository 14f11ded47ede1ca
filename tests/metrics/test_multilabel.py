import json

import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given
from hypothesis import strategies as st

from transferhub.errors import ConfigError
from transferhub.metrics.multilabel import NAMES, MultiLabelScores, best_thresholds

LABELS = ["toxic", "insult", "threat"]
ROWS = st.lists(
    st.tuples(st.lists(st.booleans(), min_size=3, max_size=3), st.lists(st.integers(0, 8), min_size=3, max_size=3)),
    min_size=1,
    max_size=20,
)


def arrays(rows):
    return np.array([row[0] for row in rows]), np.array([row[1] for row in rows], np.float32) / 8


def kept(true, probabilities, size=3, thresholds=None):
    scores = MultiLabelScores(LABELS, thresholds)
    for start in range(0, len(true), size):
        scores.update(true[start : start + size], probabilities[start : start + size])
    return scores


@given(ROWS, st.integers(1, 5))
def test_scores_are_scikit_learns_however_the_split_is_batched(rows, size):
    true, probabilities = arrays(rows)
    thresholds = np.array([0.5, 0.25, 0.7], np.float32)
    scores, decided = kept(true, probabilities, size, thresholds), probabilities >= thresholds
    both = [place for place in range(3) if true[:, place].any() and not true[:, place].all()]
    expected = {f"auc_{LABELS[p]}": reference.roc_auc_score(true[:, p], probabilities[:, p]) for p in both}
    expected = {"auc": np.mean(list(expected.values())) if both else 0.0, **expected}
    assert scores.scores() == pytest.approx(expected)
    assert next(iter(scores.scores())) == "auc"
    for average in ("micro", "macro"):
        how = {"average": average, "zero_division": 0}
        for name in ("precision", "recall", "f1"):
            value = getattr(reference, f"{name}_score")(true, decided, **how)
            assert scores.scores([f"{name}_{average}"]) == {f"{name}_{average}": pytest.approx(value)}
    assert scores.scores(["subset_acc"])["subset_acc"] == pytest.approx(reference.accuracy_score(true, decided))
    for place, row in enumerate(scores.table()):
        columns = true[:, place], decided[:, place]
        assert row["label"] == LABELS[place]
        assert row["f1"] == pytest.approx(reference.f1_score(*columns, zero_division=0))
        assert row["precision"] == pytest.approx(reference.precision_score(*columns, zero_division=0))
        assert (row["support"], row["predicted"]) == (columns[0].sum(), columns[1].sum())
        assert row["auc"] == pytest.approx(expected.get(f"auc_{LABELS[place]}"))
    assert bool(scores.notes()) == (len(both) < 3)


@given(ROWS)
def test_no_threshold_has_a_better_f1_than_the_best(rows):
    true, probabilities = arrays(rows)
    best, places = best_thresholds(true, probabilities), np.arange(18) / 16
    assert best.dtype == np.float32
    for place in range(3):
        flags, values = true[:, place], probabilities[:, place]
        tried = [2 * (flags & (values >= at)).sum() / max(1, (values >= at).sum() + flags.sum()) for at in places]
        found = reference.f1_score(flags, values >= best[place], zero_division=0)
        assert found == pytest.approx(max(tried))
    assert (kept(true, probabilities).best_thresholds() == best).all()


def test_the_best_threshold_lies_in_the_middle_or_at_a_half():
    true = np.array([[1, 1, 0, 1], [0, 0, 0, 1]])
    probabilities = np.array([[0.4, 0.9, 0.7, 0.8], [0.2, 0.1, 0.1, 0.6]], np.float32)
    assert best_thresholds(true, probabilities).tolist() == pytest.approx([0.3, 0.5, 0.5, 0.5])
    neighbours = np.array([[np.nextafter(np.float32(0.1), np.float32(1))], [0.1]], np.float32)
    assert best_thresholds(np.array([[1], [0]]), neighbours).tolist() == neighbours[0].tolist()
    assert best_thresholds(np.array([[1], [1]]), np.zeros((2, 1), np.float32)).tolist() == [0.0]


def test_a_label_of_none_or_all_rows_is_left_out_and_named():
    true, probabilities = np.array([[1, 0, 1], [0, 0, 1]]), np.full((2, 3), 0.5, np.float32)
    scores = kept(true, probabilities)
    assert scores.scores() == {"auc": 0.5, "auc_toxic": 0.5}
    assert scores.scores(["auc_insult", "auc"]) == {"auc": 0.5}
    note = "2 of 3 labels have no AUC, as none or all of 2 rows have them: 'insult' (0), 'threat' (2)"
    assert scores.notes() == [note]
    assert scores.table()[1]["auc"] is None


def test_no_rows_have_scores():
    assert MultiLabelScores(LABELS).scores() == {"auc": 0.0}
    assert set(MultiLabelScores(LABELS).scores(NAMES).values()) == {0.0}


def test_what_was_kept_goes_through_json():
    first = kept(np.array([[1, 0, 1], [0, 1, 1]]), np.array([[0.3, 0.1, 0.9], [0.7, 0.2, 0.1]], np.float32))
    second = MultiLabelScores(LABELS)
    second.restore(json.loads(json.dumps(first.state())))
    assert second.scores(NAMES) == first.scores(NAMES)
    second.restore(MultiLabelScores(LABELS).state())
    assert second.scores() == {"auc": 0.0}


def test_wrong_shapes_and_names_are_refused():
    with pytest.raises(ConfigError, match=r"flags \[1, 2\]"):
        MultiLabelScores(LABELS).update(np.zeros((1, 2)), np.zeros((1, 3), np.float32))
    with pytest.raises(ConfigError, match="one a label"):
        MultiLabelScores(LABELS, np.zeros(2, np.float32))
    with pytest.raises(ConfigError, match="did you mean 'auc_toxic'"):
        MultiLabelScores(LABELS).scores(["auc_toxik"])
