"""Every ``--task``: finetune, evaluate, predict, from files as users have them."""

import csv
import io
import json

import pytest
from test_cli import hub

from conftest import BAD, GOOD, reviews, write_csv


def value(text):
    return sum(word in GOOD for word in text.split()) - sum(word in BAD for word in text.split())


def flag(name, text):
    return str(int(name in text.split()))


def tags(text):
    return " ".join("B-GOOD" if word in GOOD else "B-BAD" if word in BAD else "O" for word in text.split())


def asked(text):
    """A passage, and its first word of praise or blame."""
    word = next(word for word in text.split() if word in GOOD + BAD)
    return text, word


ROWS = {
    "text-classification": lambda text, label: (text, label),
    "text-matching": lambda text, label: (text, "the room was good", label),
    "multi-label": lambda text, label: (text, flag("good", text), flag("bad", text)),
    "regression": lambda text, label: (text, str(value(text))),
    "sequence-labeling": lambda text, label: (text, tags(text)),
    "reading-comprehension": lambda text, label: ("what was it", *asked(text)),
}
HEADERS = {
    "text-classification": ("text", "label"),
    "text-matching": ("text_a", "text_b", "label"),
    "multi-label": ("text", "good", "bad"),
    "regression": ("text", "score"),
    "sequence-labeling": ("tokens", "tags"),
    "reading-comprehension": ("question", "context", "answers"),
}
FLAGS = {"multi-label": ["--label-column", "good,bad"], "regression": ["--label-column", "score"]}
PREDICTED = {
    "text-classification": ["text", "label", "negative", "positive"],
    "text-matching": ["text", "text_pair", "label", "negative", "positive"],
    "multi-label": ["text", "labels", "good", "bad"],
    "regression": ["text", "value"],
}
METRIC = {
    "text-classification": "acc",
    "text-matching": "acc",
    "multi-label": "auc",
    "regression": "spearman",
    "sequence-labeling": "f1",
    "reading-comprehension": "exact_match",
}


@pytest.mark.parametrize("task", ROWS)
def test_a_task_from_file_to_prediction(task, tiny, in_tmp, capsys):
    rows = [ROWS[task](*row) for row in reviews(60, 1)]
    train = write_csv(in_tmp / "train.csv", rows[:44], HEADERS[task])
    test = write_csv(in_tmp / "test.csv", rows[44:], HEADERS[task])
    run = ["--precision", "fp32", "--num-epoch", 2, "--batch-size", 8, "--learning-rate", "5e-3"]
    flags = ["--module", tiny, "--train", train, "--task", task, "--checkpoint-dir", "run", *FLAGS.get(task, []), *run]
    assert hub("finetune", *flags, "--json") == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert next(iter(result["dev"])) == METRIC[task]
    assert hub("evaluate", result["best_model"], test, "--json") == 0
    scores = json.loads(capsys.readouterr().out)
    assert METRIC[task] in scores
    assert hub("predict", result["best_model"], test) == 0
    table = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert table[0] == PREDICTED.get(task, table[0])
    assert len(table) == 17
    assert hub("lr-find", *flags, "--steps", 12, "--json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]).keys() == {"suggestion", "steepest", "picture"}


def test_what_a_task_cannot_use_is_said(tiny, in_tmp, capsys):
    train = write_csv(in_tmp / "train.csv", [ROWS["regression"](*row) for row in reviews(20, 1)], HEADERS["regression"])
    flags = ["finetune", "--module", tiny, "--train", train]
    assert hub(*flags, "--task", "regression", "--label-column", "score", "--loss", "focal") == 2
    assert "--loss with --task regression" in capsys.readouterr().err
    assert hub(*flags, "--task", "text-matching", "--label-column", "score") == 2
    assert "are texts, not pairs" in capsys.readouterr().err


def test_compare_puts_three_ways_beside_each_other(tiny, in_tmp, capsys):
    train = write_csv(in_tmp / "train.csv", reviews(40, 1))
    flags = ["--module", tiny, "--train", train, "--precision", "fp32", "--num-epoch", 2, "--batch-size", 8]
    assert hub("compare", *flags, "--checkpoint-dir", "ways") == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split()[:4] == ["dev", "acc", "dev", "f1"]
    assert [line.split("  ")[0] for line in printed[1:4]] == ["fine-tuned", "frozen", "from scratch"]
    assert (in_tmp / "ways" / "compare.svg").read_text().count("<polyline") == 3
    assert hub("compare", *flags, "--checkpoint-dir", "ways", "--json") == 0  # finished: nothing is trained again
    again = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(again) == {"fine-tuned", "frozen", "from scratch", "checkpoint_dir"}


def test_compare_recommends_the_lowest_where_the_score_is_an_error(tiny, in_tmp, capsys):
    rows = [ROWS["regression"](*row) for row in reviews(40, 1)]
    train = write_csv(in_tmp / "train.csv", rows, HEADERS["regression"])
    flags = ["--module", tiny, "--train", train, "--precision", "fp32", "--num-epoch", 1, "--batch-size", 8]
    asked = [*flags, "--task", "regression", *FLAGS["regression"], "--metrics", "mse", "--checkpoint-dir", "ways"]
    assert hub("compare", *asked) == 0
    printed = capsys.readouterr().out.splitlines()
    errors = {line.split("  ")[0]: float(line.split()[-6]) for line in printed[1:4]}
    lowest = min(errors, key=lambda way: errors[way]).replace(" ", "-")
    assert printed[-1] == f"next        hub predict ways/{lowest}/best_model FILE"
