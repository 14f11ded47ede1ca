"""A task trains on, evaluates and predicts files of any kind, whether or not they have a header."""

import json

import pytest

import transferhub as hub
from transferhub.dataset import Examples
from transferhub.errors import DataError

ROWS = [
    ("good, clean room", "positive"),
    ("bad food", "negative"),
    ("lovely staff", "positive"),
    ("rude, slow", "negative"),
]


def semicolons(path, header=None):
    lines = [*([header] if header else []), *ROWS]
    path.write_text("".join(f"{text};{label}\n" for text, label in lines))
    return path


@pytest.fixture
def trained(tiny, in_tmp):
    dataset = hub.dataset.load(semicolons(in_tmp / "bare.csv"), semicolons(in_tmp / "dev.csv"))
    config = hub.RunConfig(num_epoch=1, batch_size=2, precision="fp32", checkpoint_dir="run")
    hub.TextClassifierTask(module=hub.Module(directory=tiny), dataset=dataset, config=config).finetune()
    return hub.load("run/best_model")


def test_files_of_other_kinds_give_the_same_predictions(trained, in_tmp):
    texts = [text for text, _ in ROWS]
    expected = trained.predict(texts).records()
    (in_tmp / "new.txt").write_text("".join(f"{text}\n" for text in texts))
    (in_tmp / "new.jsonl").write_text("".join(json.dumps({"n": 1, "text": text}) + "\n" for text in texts))
    semicolons(in_tmp / "named.csv", ("text", "label"))
    for name in ("new.txt", "new.jsonl", "named.csv", "bare.csv"):
        predictions = trained.predict(name)
        assert predictions.records() == expected, name
        assert isinstance(predictions._rows, Examples), "the rows of a file are not copied into lists"


def test_evaluation_reads_what_training_read(trained, in_tmp):
    scores = trained.evaluate("bare.csv")
    (in_tmp / "a.json").write_text(json.dumps([{"text": text, "label": label} for text, label in ROWS]))
    assert trained.evaluate("a.json") == scores
    (in_tmp / "b.json").write_text(json.dumps([{"text": "x", "label": "positive"}, {"text": "y", "label": "odd"}]))
    with pytest.raises(DataError, match=r"b\.json:1: label 'odd' is not known"):
        trained.evaluate("b.json")
