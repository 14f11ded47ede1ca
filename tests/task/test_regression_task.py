"""RegressionTask: numbers of texts."""

import numpy as np
import pytest
import torch
import transformers
from scipy import stats

import transferhub as hub
from conftest import BAD, GOOD, WORDS, read_json, reviews, write_csv
from transferhub.errors import ConfigError, DataError


def value(text):
    return sum(word in GOOD for word in text.split()) - sum(word in BAD for word in text.split())


@pytest.fixture
def files(tmp_path):
    def write(scale=1.0, shift=0.0):
        made = {}
        for name, count, seed in (("train", 96, 1), ("dev", 32, 2), ("test", 32, 3)):
            rows = [(text, f"{scale * value(text) + shift:g}") for text, _ in reviews(count, seed)]
            made[name] = write_csv(tmp_path / f"{name}{scale:g}.csv", rows, ("text", "score"))
        return made

    return write


def task_of(files, tiny, run, **more):
    dataset = hub.dataset.load(files["train"], files["dev"], files["test"], label="score", kind="value")
    config = hub.RunConfig(
        num_epoch=10,
        batch_size=8,
        precision="fp32",
        eval_interval=12,
        checkpoint_dir=run,
        strategy=hub.AdamWeightDecayStrategy(learning_rate=5e-3),
    )
    return hub.RegressionTask(module=hub.Module(directory=tiny), dataset=dataset, config=config, **more)


def test_numbers_are_learnt_saved_and_opened_by_transformers(files, tiny, tmp_path):
    task = task_of(files(), tiny, tmp_path / "run")
    result = task.finetune_and_eval()
    assert list(result.test) == ["spearman", "pearson", "mse", "loss"]
    assert result.test["spearman"] > 0.7
    texts = [example.text_a for example in task.dataset.test_examples]
    predictions = task.predict(texts)
    values = np.array(predictions.labels)
    assert stats.spearmanr([value(text) for text in texts], values).statistic == pytest.approx(result.test["spearman"])
    assert [state.run_results[0].shape[1] for state in predictions] == [1] * len(predictions)
    assert predictions.records()[0].keys() == {"text", "value"}
    loaded = hub.load(result.best_model)
    assert loaded.predict(texts).labels == pytest.approx(values.tolist(), abs=1e-5)
    assert loaded.evaluate(task.dataset.test_examples)["mse"] == pytest.approx(result.test["mse"], abs=1e-6)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(result.best_model)
    tokenizer = transformers.AutoTokenizer.from_pretrained(result.best_model)
    assert model.config.problem_type == "regression"
    with torch.no_grad():
        logits = model(**tokenizer(texts[:3], padding=True, return_tensors="pt")).logits[:, 0]
    assert torch.allclose(logits, torch.tensor(predictions.labels[:3]), atol=1e-5)
    lines = (tmp_path / "run" / "predictions" / "test.csv").read_text().splitlines()
    assert lines[0] == "text,value,predicted"
    assert len(lines) == 33


def test_values_far_from_zero_are_learnt_as_well(files, tiny, tmp_path, lines):
    task = task_of(files(scale=1000, shift=5000), tiny, tmp_path / "run")
    result = task.finetune_and_eval()
    assert result.test["spearman"] > 0.7
    assert np.mean(task.predict(["great room", "awful food"]).labels) == pytest.approx(5000, abs=2500)
    assert hub.load(result.best_model).predict(["great room"]).labels == pytest.approx(
        task.predict(["great room"]).labels
    )
    assert task.scale == pytest.approx(np.std([1000.0 * value(text) for text, _ in reviews(96, 1)]), rel=1e-3)
    assert any("the network learns (value - " in line for line in lines)


@pytest.mark.parametrize(
    "more",
    [{}, {"hidden_units": [8]}, {"long_text": "window", "max_seq_len": 8}],
    ids=["architecture", "hidden", "windows"],
)
def test_the_head_begins_with_the_mean_of_the_rows_that_are_trained_on(files, tiny, tmp_path, more):
    task = task_of(files(), tiny, tmp_path / "run", **more)
    task.dataset.dev_examples = []  # a tenth of the training rows instead
    values = [float(example.label) for example in task.rows().train_examples]
    assert len(values) < len(task.dataset.train_examples)
    assert last_bias(task.build_network()).tolist() == pytest.approx([np.mean(values)], abs=1e-6)


def test_a_network_that_was_planned_with_other_rows_is_not_trained(files, tiny, tmp_path):
    task = task_of(files(), tiny, tmp_path / "run")
    task.plan()
    task.dataset.train_examples = [row for row in task.dataset.train_examples if float(row.label) > 0]
    values = [float(row.label) for row in task.dataset.train_examples]
    assert last_bias(task.take_network()).tolist() == pytest.approx([np.mean(values)], abs=1e-6)


def test_where_values_are_far_from_zero_the_head_begins_at_zero(files, tiny, tmp_path):
    task = task_of(files(shift=1e4), tiny, tmp_path / "run")
    assert last_bias(task.build_network()).tolist() == pytest.approx([0.0], abs=1e-5)


def last_bias(network):
    return [part for part in network.modules() if isinstance(part, torch.nn.Linear)][-1].bias


def test_of_an_error_the_lowest_is_the_best(files, tiny, tmp_path):
    task = task_of(files(), tiny, tmp_path / "run", metrics_choices=["mae", "spearman"])
    result = task.finetune_and_eval()
    kept = read_json(tmp_path / "run" / "best_model" / "best.json")
    assert kept["scores"]["mae"] == pytest.approx(result.dev["mae"], abs=1e-6)
    assert task.best_score == -kept["scores"]["mae"]
    assert task.rank({"mae": 0.1}, 0.0) > task.rank({"mae": 0.2}, 0.0)


def test_what_is_no_number_is_named(tiny, tmp_path):
    path = write_csv(tmp_path / "bad.csv", [(" ".join(WORDS[:4]), "1.5"), ("the room", "good")], ("text", "score"))
    with pytest.raises(DataError, match=r"bad\.csv:3: the value is 'good'"):
        hub.dataset.load(path, label="score", kind="value")
    with pytest.raises(ConfigError, match="there is no 'acc'"):
        hub.RegressionTask(module=hub.Module(directory=tiny), dataset=path, metrics_choices="acc")
