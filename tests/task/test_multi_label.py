"""MultiLabelClassifierTask: any number of labels a text."""

import numpy as np
import pytest
import torch
import transformers
from sklearn.metrics import f1_score, roc_auc_score

import transferhub as hub
from conftest import crash_at, read_json, reviews, write_csv
from transferhub.dataset import BaseDataset, InputExample
from transferhub.errors import ConfigError, DataError

NAMES = ["clean", "good", "rude"]


def flags(text):
    return [int(name in text.split()) for name in NAMES]


def texts(count, seed):
    draw = np.random.default_rng(seed)
    rows = [text.split() for text, _ in reviews(count, seed)]
    return [" ".join([*row[:4], *(name for name in NAMES if draw.random() < 0.4)]) for row in rows]


@pytest.fixture
def dataset():
    made = BaseDataset(label_list=NAMES)
    made.train_examples, made.dev_examples, made.test_examples = (
        [InputExample(None, text, None, flags(text)) for text in texts(count, seed)]
        for count, seed in ((96, 1), (32, 2), (32, 3))
    )
    return made


def config(run, epochs=10):
    strategy = hub.AdamWeightDecayStrategy(learning_rate=5e-3)
    return hub.RunConfig(
        num_epoch=epochs, batch_size=8, precision="fp32", eval_interval=12, checkpoint_dir=run, strategy=strategy
    )


def test_labels_are_learnt_saved_and_opened_by_transformers(dataset, tiny, tmp_path):
    task = hub.MultiLabelClassifierTask(
        module=hub.Module(directory=tiny), dataset=dataset, config=config(tmp_path / "run")
    )
    result = task.finetune_and_eval()
    assert list(result.test) == ["auc", "f1_micro", "f1_macro", "loss"]
    assert result.test["auc"] > 0.8
    rows = [example.text_a for example in dataset.test_examples]
    predictions = task.predict(rows)
    true = np.array([flags(text) for text in rows])
    assert roc_auc_score(true, predictions.probabilities) == pytest.approx(result.test["auc"])
    decided = np.array([[int(name in found) for name in NAMES] for found in predictions.labels])
    assert f1_score(true, decided, average="micro") == pytest.approx(result.test["f1_micro"])
    # 1.x's forms
    first = predictions[0].run_results
    assert [pair.shape for pair in first] == [(8, 2)] * 3
    assert np.allclose(first[0].sum(axis=1), 1)
    assert task.predict(rows[:2], return_result=True) == [
        dict(zip(NAMES, row, strict=True)) for row in decided[:2].tolist()
    ]
    # thresholds are saved by name, and used again
    saved = read_json(tmp_path / "run" / "best_model" / "task.json")["thresholds"]
    assert list(saved) == NAMES
    assert [saved[name] for name in NAMES] == pytest.approx(predictions.thresholds.tolist())
    loaded = hub.load(result.best_model)
    assert loaded.predict(rows).labels == predictions.labels
    assert loaded.evaluate(dataset.test_examples)["f1_micro"] == pytest.approx(result.test["f1_micro"])
    model = transformers.AutoModelForSequenceClassification.from_pretrained(result.best_model)
    tokenizer = transformers.AutoTokenizer.from_pretrained(result.best_model)
    assert list(model.config.id2label.values()) == NAMES
    with torch.no_grad():
        logits = model(**tokenizer(rows[:3], padding=True, return_tensors="pt")).logits
    assert np.allclose(torch.sigmoid(logits).numpy(), predictions.probabilities[:3], atol=1e-5)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Labels on dev" in page


def test_thresholds_of_the_best_model_are_no_part_of_what_a_run_scores_by(dataset, tiny, tmp_path):
    def task(run):
        return hub.MultiLabelClassifierTask(
            module=hub.Module(directory=tiny),
            dataset=dataset,
            config=config(tmp_path / run, epochs=4),
            metrics_choices=["f1_micro"],
        )

    crash_at(task("stopped"), 30)
    whole, gone_on = task("whole").finetune_and_eval(), task("stopped").finetune_and_eval()
    assert gone_on.dev == whole.dev
    assert gone_on.test == whole.test


def test_a_file_of_names_goes_through_the_short_door(tiny, tmp_path):
    rows = [
        (text, ";".join(name for name, flag in zip(NAMES, flags(text), strict=True) if flag)) for text in texts(40, 1)
    ]
    path = write_csv(tmp_path / "train.csv", rows, ("text", "labels"))
    task = hub.MultiLabelClassifierTask(
        module=hub.Module(directory=tiny),
        dataset=path,
        config=config(tmp_path / "run", 1),
        metrics_choices=["f1_micro", "auc_rude"],
    )
    assert task.label_list == NAMES
    result = task.finetune_and_eval()
    assert next(iter(result.dev)) == "f1_micro"
    assert task.predict(["the room"]).to_frame().columns.tolist() == ["text", "labels", *NAMES]


def test_the_loss_is_the_mean_over_labels(dataset, tiny):
    task = hub.MultiLabelClassifierTask(module=hub.Module(directory=tiny), dataset=dataset)
    logits, true = torch.randn(4, 3), torch.randint(0, 2, (4, 3), dtype=torch.uint8)
    p = torch.sigmoid(logits)
    by_hand = -(true * p.log() + (1 - true.float()) * (1 - p).log()).mean(dim=1)
    assert torch.allclose(task.losses({"logits": logits}, {"labels": true}), by_hand, atol=1e-6)


def test_what_is_no_label_is_named(dataset, tiny, tmp_path):
    module = hub.Module(directory=tiny)
    with pytest.raises(ConfigError, match="num_classes=5, but the data set has 3 labels"):
        hub.MultiLabelClassifierTask(module=module, dataset=dataset, num_classes=5)
    dataset.dev_examples[3] = InputExample(None, "the room", None, ["clean", "dirty"])
    task = hub.MultiLabelClassifierTask(module=module, dataset=dataset, config=config(tmp_path / "run"))
    with pytest.raises(DataError, match=r"dev_examples\[3\]"):
        task.finetune_and_eval()
