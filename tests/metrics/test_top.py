"""Top-K accuracy."""

import numpy as np
import pytest
import torch
from sklearn.metrics import top_k_accuracy_score

from transferhub.errors import ConfigError
from transferhub.metrics.top import TopScores
from transferhub.task.class_meter import ClassMeter


def test_it_is_scikit_learns_however_a_split_is_cut():
    draw = np.random.default_rng(0)
    labels, logits = draw.integers(0, 9, 50), draw.normal(size=(50, 9)).astype(np.float32)
    meter = TopScores(["top_5", "top_3"], 9)
    for part in np.array_split(np.arange(50), 4):
        meter.update(labels[part], logits[part])
    assert list(meter.scores()) == ["top_5", "top_3"]
    for name, k in (("top_3", 3), ("top_5", 5)):
        assert meter.scores()[name] == pytest.approx(top_k_accuracy_score(labels, logits, k=k))


def test_the_same_logit_for_all_or_none_at_all_earns_nothing():
    meter = TopScores(["top_3"], 6)
    meter.update(np.array([0, 5]), np.array([[1.0] * 6, [np.nan] * 6], np.float32))
    assert meter.scores() == {"top_3": 0.0}


def test_too_few_classes_are_refused():
    with pytest.raises(ConfigError, match="top_5 of 5 labels is 1 whatever is predicted"):
        ClassMeter(5, {"acc": None, "top_5": None})


def test_a_meter_goes_on_from_its_state():
    draw = torch.Generator().manual_seed(0)
    batches = [
        ({"logits": torch.randn(7, 8, generator=draw)}, {"labels": torch.randint(0, 8, (7,), generator=draw)})
        for _ in range(2)
    ]
    whole, first, second = (ClassMeter(8, {"top_3": None, "acc": None}) for _ in range(3))
    for batch in batches:
        whole.update(*batch)
    first.update(*batches[0])
    second.restore(first.state())
    second.update(*batches[1])
    assert second.scores() == whole.scores()
    assert list(whole.scores()) == ["top_3", "acc"]
