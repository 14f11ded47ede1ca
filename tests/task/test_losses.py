import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

import transferhub as hub
from transferhub.errors import ConfigError, RunError
from transferhub.task.losses import Criterion, balanced_weights, cross_entropy, focal

LABELS = ["negative", "neutral", "positive"]
NUMBER = st.floats(-40, 40, width=32)


@st.composite
def batches(draw):
    """Logits [B, C], labels [B], weights [C]."""
    rows, classes = draw(st.integers(1, 8)), draw(st.integers(2, 5))
    logits = draw(st.lists(st.lists(NUMBER, min_size=classes, max_size=classes), min_size=rows, max_size=rows))
    labels = draw(st.lists(st.integers(0, classes - 1), min_size=rows, max_size=rows))
    weights = draw(st.lists(st.floats(0, 20, width=32), min_size=classes, max_size=classes))
    return torch.tensor(logits), torch.tensor(labels), torch.tensor(weights)


def probabilities(logits):
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


@given(batches(), st.floats(0, 0.95))
def test_smoothed_and_weighted_cross_entropy_is_the_sum_over_classes(batch, smoothing):
    logits, labels, weights = batch
    p = probabilities(logits.double().numpy())
    q = np.eye(p.shape[1])[labels.numpy()] * (1 - smoothing) + smoothing / p.shape[1]
    expected = -(weights.double().numpy() * q * np.log(p)).sum(axis=1)
    np.testing.assert_allclose(cross_entropy(logits, labels, weights, smoothing), expected, rtol=1e-4, atol=1e-4)


@given(batches(), st.floats(0, 5))
def test_focal_loss_is_equation_5(batch, gamma):
    logits, labels, weights = batch
    p = probabilities(logits.double().numpy())[np.arange(len(labels)), labels.numpy()]
    expected = -weights.double().numpy()[labels.numpy()] * (1 - p) ** gamma * np.log(p)
    np.testing.assert_allclose(focal(logits, labels, weights, gamma), expected, rtol=1e-4, atol=1e-4)


@given(batches())
def test_focal_loss_with_gamma_0_is_cross_entropy(batch):
    logits, labels, weights = batch
    torch.testing.assert_close(focal(logits, labels, weights, 0.0), cross_entropy(logits, labels, weights))


def test_focal_losses_of_lin_et_al():
    """Section 3.2: with gamma 2, a row at p = 0.9 counts 100 times less than in cross-entropy, at 0.968 1000 times."""
    p = torch.tensor([0.9, 0.968])
    logits = torch.log(torch.stack([p, 1 - p], dim=1))
    ratio = cross_entropy(logits, torch.tensor([0, 0])) / focal(logits, torch.tensor([0, 0]), gamma=2.0)
    assert ratio[0].item() == pytest.approx(100, rel=1e-3)
    assert ratio[1].item() == pytest.approx(1000, rel=0.03)


@given(batches(), st.floats(0, 5))
def test_gradients_are_finite_however_sure_the_network_is(batch, gamma):
    logits, labels, weights = batch
    logits = (10 * logits).requires_grad_()
    focal(logits, labels, weights, gamma).sum().backward()
    assert torch.isfinite(logits.grad).all()


@given(batches(), st.integers(1, 7))
@pytest.mark.parametrize("options", [{}, {"loss": "focal"}, {"label_smoothing": 0.1}])
def test_a_step_cut_in_parts_has_the_same_gradient(options, batch, cut):
    logits, labels, weights = batch
    criterion = Criterion([str(n) for n in range(logits.shape[1])], **options)
    gradients = []
    for size in (len(labels), cut):
        given = logits.clone().requires_grad_()
        for start in range(0, len(labels), size):
            part = slice(start, start + size)
            (criterion(given[part], labels[part], weights).sum() / len(labels)).backward()
        gradients.append(given.grad)
    torch.testing.assert_close(*gradients)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60))
def test_balanced_weights_are_scikit_learns_and_their_mean_over_rows_is_1(ids):
    ids = np.array(ids)
    weights = balanced_weights(ids, 6)
    present = np.unique(ids)
    np.testing.assert_allclose(weights[present], compute_class_weight("balanced", classes=present, y=ids), rtol=1e-6)
    assert weights[ids].mean() == pytest.approx(1, rel=1e-5)
    assert set(weights[[c for c in range(6) if c not in present]]) <= {1.0}


def test_given_weights_follow_the_labels_not_the_dictionary():
    weights = Criterion(LABELS, {"positive": 3, "negative": 1, "neutral": 0.5}).weights(np.array([0]))
    assert weights.tolist() == [1, 0.5, 3]
    assert Criterion(["0", "1"], {0: 1, 1: 2}).weights(np.array([0])).tolist() == [1, 2]
    assert Criterion(LABELS).weights(np.array([0])) is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"loss": "focall"}, r"loss='focall'(?s:.)*cross_entropy, focal(?s:.)*did you mean 'focal'"),
        ({"loss": "focal", "focal_gamma": -1}, "focal_gamma=-1"),
        ({"loss": "focal", "focal_gamma": float("nan")}, "focal_gamma=nan"),
        ({"focal_gamma": 2}, "without the focal loss"),
        ({"label_smoothing": 1}, "label_smoothing=1"),
        ({"label_smoothing": "0.1"}, "label_smoothing='0.1'"),
        ({"label_smoothing": 0.1, "loss": "focal"}, "label_smoothing=0.1 with the focal loss"),
        ({"class_weight": "balance"}, "did you mean 'balanced'"),
        ({"class_weight": [1, 2, 3]}, r"class_weight=\[1, 2, 3\]"),
        ({"class_weight": {"positiv": 2}}, r"no label 'positiv'(?s:.)*did you mean 'positive'"),
        ({"class_weight": {"positive": 2, "negative": 1}}, "no weight for 'neutral'"),
        ({"class_weight": dict.fromkeys(LABELS, -1)}, "-1 for 'negative'"),
        ({"class_weight": dict.fromkeys(LABELS, float("inf"))}, "inf for 'negative'"),
        ({"class_weight": dict.fromkeys(LABELS, "2")}, "'2' for 'negative'"),
        ({"class_weight": dict.fromkeys(LABELS, 0)}, "all weights are 0"),
    ],
)
def test_what_has_no_meaning_is_refused(options, said):
    with pytest.raises(ConfigError, match=said):
        Criterion(LABELS, **options)


def test_only_what_differs_from_plain_cross_entropy_is_a_setting():
    assert Criterion(LABELS).settings() == {}
    assert Criterion(LABELS).sentence(None) is None
    assert Criterion(LABELS, "balanced", "focal").settings() == {
        "class_weight": "balanced",
        "loss": "focal",
        "focal_gamma": 2.0,
    }
    said = Criterion(["0", "1"], {"0": 1, "1": 9}, label_smoothing=0.1).sentence(np.array([1, 9], np.float32))
    assert "cross-entropy; label smoothing 0.1; class weights 0 1, 1 9." in said


@pytest.fixture
def rare(tmp_path, tiny):
    """A task over 44 rows of which 4 are positive; arguments go to the task."""

    def make(folder="run", texts=("bad room", "good room"), epochs=1, batch_size=11, **options):
        rows = [(texts[0], "negative")] * 40 + [(texts[1], "positive")] * 4
        path = tmp_path / "rare.csv"
        path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
        config = hub.RunConfig(
            checkpoint_dir=folder,
            num_epoch=epochs,
            precision="fp32",
            batch_size=batch_size,
            strategy=hub.AdamWeightDecayStrategy(2e-3),
        )
        dataset = hub.dataset.load(path, path)
        return hub.TextClassifierTask(module=hub.Module(directory=tiny), dataset=dataset, config=config, **options)

    return make


def test_balanced_weights_come_from_the_training_rows_and_are_said(rare, in_tmp, lines):
    task = rare(class_weight="balanced")
    logits, labels = torch.zeros(2, 2), torch.tensor([0, 1])
    expected = [np.log(2) * 44 / (2 * 40), np.log(2) * 44 / (2 * 4)]
    np.testing.assert_allclose(task.losses({"logits": logits}, {"labels": labels}), expected, rtol=1e-6)
    np.testing.assert_allclose(task.evaluation_losses({"logits": logits}, {"labels": labels}), np.log(2), rtol=1e-6)
    result = task.finetune_and_eval()
    (note,) = [line for line in lines if "training minimises" in line]
    assert "class weights negative 0.55, positive 5.5. The loss on dev and test is plain" in note
    assert note.endswith(result.notes[0])
    assert "positive 5.5" in (in_tmp / "run" / "report.html").read_text()
    probabilities = task.predict(["bad room"] * 40 + ["good room"] * 4).probabilities
    ids = [0] * 40 + [1] * 4
    assert result.dev["loss"] == pytest.approx(-np.log(probabilities[range(44), ids]).mean(), rel=1e-4)


def test_a_network_that_cannot_tell_the_rows_apart_learns_their_weighted_share(rare, in_tmp):
    shares = {}
    for name, weights in (("plain", None), ("weighed", {"negative": 1, "positive": 30})):
        task = rare(name, texts=("room", "room"), epochs=60, batch_size=44, class_weight=weights)
        task.finetune_and_eval()
        shares[name] = task.predict(["room"]).probabilities[0, 1]
    assert shares["plain"] == pytest.approx(4 / 44, abs=0.06)
    assert shares["weighed"] == pytest.approx(30 * 4 / (40 + 30 * 4), abs=0.1)


def test_the_loss_is_part_of_what_determines_a_run(rare, in_tmp):
    rare(class_weight={"negative": 1, "positive": 2}).finetune_and_eval()
    settings = json.loads((in_tmp / "run" / "run.json").read_text())["settings"]
    assert settings["class_weight"] == {"negative": 1, "positive": 2}
    rare(class_weight={"negative": 1, "positive": 2.0}).finetune_and_eval()
    with pytest.raises(RunError, match=r"class_weight\.positive: 2\.0 there, 3\.0 now"):
        rare(class_weight={"negative": 1, "positive": 3}).finetune_and_eval()
    with pytest.raises(RunError, match="loss: None there, 'focal' now"):
        rare(loss="focal").finetune_and_eval()
    assert "class_weight" not in json.loads((in_tmp / "run" / "best_model" / "task.json").read_text())
    assert hub.load("run").predict(["bad room"]).labels == ["negative"]


def test_the_weights_change_what_is_learnt(rare, in_tmp):
    scores = {name: rare(name, **options).finetune_and_eval().dev["loss"] for name, options in VARIANTS.items()}
    assert len({round(loss, 6) for loss in scores.values()}) == len(VARIANTS), scores


VARIANTS = {
    "plain": {},
    "balanced": {"class_weight": "balanced"},
    "focal": {"loss": "focal"},
    "sharper": {"loss": "focal", "focal_gamma": 4},
    "both": {"loss": "focal", "class_weight": "balanced"},
    "smoothed": {"label_smoothing": 0.1},
}
