"""Every ``--task``: finetune, evaluate, predict, from files as users have them."""

import csv
import dataclasses
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
    "pointwise-text-matching": lambda text, label: (text, "the room was good", label),
    "pairwise-text-matching": lambda text, label: ("good room", text, "the shop", str(int(label == "positive"))),
}
HEADERS = {
    "text-classification": ("text", "label"),
    "text-matching": ("text_a", "text_b", "label"),
    "multi-label": ("text", "good", "bad"),
    "regression": ("text", "score"),
    "sequence-labeling": ("tokens", "tags"),
    "reading-comprehension": ("question", "context", "answers"),
    "pointwise-text-matching": ("text_a", "text_b", "label"),
    "pairwise-text-matching": ("query", "left", "right", "label"),
}
FLAGS = {
    "multi-label": ["--label-column", "good,bad"],
    "regression": ["--label-column", "score"],
    "reading-comprehension": [
        *("--max-seq-len", 24, "--doc-stride", 6, "--max-query-length", 8, "--sub-task", "squad2.0"),
        *("--null-score-diff-threshold", -1.5, "--max-answer-length", 3, "--n-best-size", 4),
    ],
    "pointwise-text-matching": ["--network", "bow", "--label-list", "positive,negative"],
}
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
    "reading-comprehension": "exact",
    "pointwise-text-matching": "acc",
    "pairwise-text-matching": "acc",
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


def test_flags_of_reading_reach_the_task_and_its_reader(tiny, in_tmp, capsys):
    import transferhub

    train = write_csv(
        in_tmp / "train.csv",
        [ROWS["reading-comprehension"](*row) for row in reviews(30, 1)],
        HEADERS["reading-comprehension"],
    )
    asked = [
        "--task",
        "reading-comprehension",
        *FLAGS["reading-comprehension"],
        "--num-epoch",
        1,
        "--precision",
        "fp32",
    ]
    assert hub("finetune", "--module", tiny, "--train", train, *asked, "--checkpoint-dir", "run") == 0
    task = transferhub.load("run")
    assert (task.reader.max_seq_len, task.reader.doc_stride, task.reader.max_query_length) == (24, 6, 8)
    assert (task.sub_task.name, task.null_score_diff_threshold) == ("squad2.0", -1.5)
    assert (task.max_answer_length, task.n_best_size) == (3, 4)


@pytest.mark.parametrize("written", ["a,b,c", '["a", "b", "c"]', "names.txt"])
def test_labels_are_named_on_the_command_line(written, tiny, in_tmp, capsys):
    """Rows hold ids, the training rows not all of them."""
    (in_tmp / "names.txt").write_text("a\nb\nc\n")
    train = write_csv(
        in_tmp / "train.csv", [(text, "2" if label == "positive" else "0") for text, label in reviews(40, 1)]
    )
    flags = ["--module", tiny, "--train", train, "--num-epoch", 1, "--precision", "fp32", "--checkpoint-dir", "run"]
    assert hub("finetune", *flags, "--label-list", written) == 0
    capsys.readouterr()
    assert hub("evaluate", "run/best_model", train, "--json") == 0
    acc = json.loads(capsys.readouterr().out)["acc"]
    assert hub("predict", "run/best_model", train) == 0
    table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert list(table[0]) == ["text", "label", "a", "b", "c"]
    right = [
        label == ("c" if wanted == "positive" else "a")
        for (_, wanted), label in zip(reviews(40, 1), (row["label"] for row in table), strict=True)
    ]
    assert sum(right) / len(right) == pytest.approx(acc)


@pytest.mark.parametrize(
    ("task", "flag", "for_tasks"),
    [
        ("text-classification", ["--doc-stride", 8], "reading-comprehension"),
        ("regression", ["--sub-task", "squad"], "reading-comprehension"),
        ("multi-label", ["--null-score-diff-threshold", 1], "reading-comprehension"),
        ("text-classification", ["--add-crf"], "sequence-labeling"),
        ("text-classification", ["--network", "bow"], "pointwise-text-matching or pairwise-text-matching"),
        ("regression", ["--label-list", "a,b"], "text-classification or text-matching or multi-label"),
    ],
)
def test_a_flag_of_another_task_is_refused_with_the_task_that_has_it(task, flag, for_tasks, tiny, in_tmp, capsys):
    train = write_csv(in_tmp / "train.csv", [ROWS[task](*row) for row in reviews(20, 1)], HEADERS[task])
    assert hub("finetune", "--module", tiny, "--train", train, "--task", task, *FLAGS.get(task, []), *flag) == 2
    said = capsys.readouterr().err
    assert f"{flag[0]} with --task {task}" in said
    assert f"it is for --task {for_tasks}" in " ".join(said.split())


def test_a_rate_is_searched_for_any_task(tiny, in_tmp, capsys, monkeypatch):
    from transferhub.task import lr_find

    tasks = []

    def find(task, *given):
        tasks.append(task)
        found = search(task, *given)
        return dataclasses.replace(found, suggestion=0.00123)

    search = lr_find.find_rate
    monkeypatch.setattr(lr_find, "find_rate", find)
    train = write_csv(in_tmp / "train.csv", [ROWS["regression"](*row) for row in reviews(40, 1)], HEADERS["regression"])
    flags = ["lr-find", "--module", tiny, "--train", train, "--task", "regression", *FLAGS["regression"]]
    assert hub(*flags, "--batch-size", 8, "--steps", 12, "--metrics", "mse") == 0
    printed = capsys.readouterr().out.splitlines()
    flags = "--task regression --label-column score --batch-size 8 --learning-rate 0.0012 --metrics mse"
    assert printed[-1] == f"next        hub finetune --module {tiny} --train {train} {flags}"
    assert (type(tasks[0]).__name__, tasks[0].metrics_choices) == ("RegressionTask", ["mse"])
    assert hub("lr-find", "--module", tiny, "--train", train, "--learning-rate", "1e-3") == 2
    assert "is what is searched" in capsys.readouterr().err


def test_what_a_task_cannot_use_is_said(tiny, in_tmp, capsys):
    train = write_csv(in_tmp / "train.csv", [ROWS["regression"](*row) for row in reviews(20, 1)], HEADERS["regression"])
    flags = ["finetune", "--module", tiny, "--train", train]
    assert hub(*flags, "--task", "regression", "--label-column", "score", "--loss", "focal") == 2
    assert "--loss with --task regression" in capsys.readouterr().err
    assert hub(*flags, "--task", "text-matching", "--label-column", "score") == 2
    assert "are texts, not pairs" in capsys.readouterr().err


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


def test_confidence_intervals_are_printed(tiny, in_tmp, capsys):
    train = write_csv(in_tmp / "train.csv", reviews(60, 1))
    test = write_csv(in_tmp / "test.csv", reviews(20, 2))
    flags = ["--module", tiny, "--train", train, "--test", test, "--precision", "fp32", "--num-epoch", 1]
    assert hub("finetune", *flags, "--checkpoint-dir", "run", "--confidence-interval", 0.95) == 0
    printed = capsys.readouterr().out
    assert "95 % confidence intervals" in printed
    assert printed.splitlines()[1].count("[") == 2, "acc and f1; none of the loss"
    assert hub("evaluate", "run/best_model", test, "--confidence-interval", 0.95) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[0].startswith("acc ")
    assert "[" in printed.splitlines()[0]
    assert hub("evaluate", "run/best_model", test, "--confidence-interval", 0.95, "--json") == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["intervals"]["acc"].keys() == {"score", "low", "high", "level", "undefined"}
    assert hub("evaluate", "run/best_model", test, "--confidence-interval", 95) == 2
    assert "0.95 for 95 %" in capsys.readouterr().err
