"""Confidence intervals: of every kind of task, drawn scores are those of the drawn rows."""

import numpy as np
import pytest
import torch

import transferhub as hub
from conftest import read_json
from transferhub.dataset import InputExample, ReadingExample
from transferhub.dataset.examples import TripleExample
from transferhub.errors import ConfigError
from transferhub.graph import derive
from transferhub.metrics import MultiLabelScores, RegressionScores, bootstrap
from transferhub.task.answers import Answer, Answered
from transferhub.task.class_meter import ClassMeter
from transferhub.task.graph_objective import GraphMeter, mean_metrics
from transferhub.task.reading_scores import SUB_TASKS, ReadingMeter
from transferhub.task.score_meter import ScoreMeter
from transferhub.task.tagging import TagMeter
from transferhub.task.triple_meter import TripleMeter

ROWS = 12
DRAW = np.random.default_rng(5)
LOGITS = torch.from_numpy(DRAW.normal(size=(ROWS, 6)).astype(np.float32))
LABELS = DRAW.integers(6, size=ROWS)
FLAGS = DRAW.integers(2, size=(ROWS, 6))
LENGTHS = DRAW.integers(1, 5, size=ROWS)
TAGS = [[DRAW.integers(3, size=length) for length in LENGTHS] for _ in "ab"]
ANSWERS = DRAW.choice(["food", "the food", "good food", "film", ""], size=ROWS)


def wrong_by(labels, predicted):
    return float(np.abs(labels - predicted).mean())


def of_classes():
    choice = {**dict.fromkeys(("acc", "f1", "f1_weighted", "matthews", "top_3")), "wrong_by": wrong_by}
    meter = ClassMeter(6, choice)
    return meter, lambda rows: ({"logits": LOGITS[rows]}, {"labels": torch.from_numpy(LABELS[rows])})


def of_values():
    meter = ScoreMeter(RegressionScores(), ["pearson", "mae"], lambda o: o["logits"][:, 0].numpy(), whole=False)
    return meter, lambda rows: ({"logits": LOGITS[rows]}, {"labels": LOGITS[rows, 1]})


def of_label_sets():
    scores, names = MultiLabelScores(list("abcdef")), ["auc", "auc_b", "f1_micro", "f1_macro", "subset_acc"]
    meter = ScoreMeter(scores, names, lambda o: o["logits"].sigmoid().numpy(), whole=False)
    return meter, lambda rows: ({"logits": LOGITS[rows]}, {"labels": torch.from_numpy(FLAGS[rows])})


def tags_of(labels, names):
    def batch(rows):
        true, found = ([TAGS[which][row] for row in rows] for which in (0, 1))
        width = max(map(len, true))

        def padded(rows, value=0):
            return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows])

        words = padded([range(len(row)) for row in true], -1)
        return {"found": padded(found)}, {"labels": padded(true), "words": words, "row_of": torch.arange(len(rows))}

    def find(outputs, batch):
        mask = batch["words"] >= 0
        return outputs["found"] * mask, mask

    return TagMeter(labels, names, find), batch


def of_chunks():
    return tags_of(["B-X", "I-X", "O"], ["f1", "precision", "recall", "f1_macro", "acc"])


def of_words():
    return tags_of(["noun", "verb", "sign"], ["acc", "f1_macro"])


def of_questions(name):
    rows = [ReadingExample(n, "?", "the good food", [("food", 9)] if n % 3 else [], not n % 3) for n in range(ROWS)]

    def answered(outputs, batch, numbers):
        best = [Answer(str(ANSWERS[row]), 0, 0, 1.0, 1.0) for row in batch["rows"]]
        return [Answered(each, [each], float(LOGITS[row, 0])) for each, row in zip(best, batch["rows"], strict=True)]

    meter = ReadingMeter(SUB_TASKS[name], list(SUB_TASKS[name].scores), rows, answered)
    return meter, lambda numbers: ({}, {"rows": numbers})


def of_figures():
    return GraphMeter(lambda o, b: [o["a"], o["b"]], lambda states: mean_metrics(["a"], states)), lambda rows: (
        {"a": LOGITS[rows, 0], "b": LOGITS[rows, 1]},
        {},
    )


MAKERS = {
    "classes": of_classes,
    "values": of_values,
    "label sets": of_label_sets,
    "chunks": of_chunks,
    "words": of_words,
    "squad": lambda: of_questions("squad"),
    "squad2.0": lambda: of_questions("squad2.0"),
    "cmrc2018": lambda: of_questions("cmrc2018"),
    "variables": of_figures,
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_drawn_scores_are_those_of_a_meter_that_saw_the_drawn_rows(make):
    meter, batch = make()
    meter.keep_rows()
    for rows in (np.array([7, 3, 11, 0]), np.array([5, 1, 2, 4, 6]), np.array([10, 8, 9])):
        meter.update(*batch(rows), rows)
    sample, seen = meter.sample(), np.array([7, 3, 11, 0, 5, 1, 2, 4, 6, 10, 8, 9])
    assert sample.size == ROWS
    number_of = np.arange(ROWS) if isinstance(meter, ClassMeter) else seen  # functions see rows in the split's order
    whole = meter.scores()
    at_once = sample.scores(np.arange(ROWS))
    assert at_once == pytest.approx({name: whole[name] for name in at_once})
    counts = ("total", "HasAns_total", "NoAns_total", "TOTAL", "SKIP", "best_exact_thresh", "best_f1_thresh")
    assert set(whole) - set(at_once) <= set(counts)
    for seed in range(5):
        drawn = np.random.default_rng(seed).integers(ROWS, size=ROWS)
        again, batch = make()
        again.update(*batch(number_of[drawn]), number_of[drawn])
        assert sample.scores(drawn) == pytest.approx({name: again.scores()[name] for name in at_once}, nan_ok=True)


def test_scores_by_question_draw_whole_questions():
    """Three questions; the third has no right candidate, and counts for acc only."""
    rows = [InputExample(None, question, "x", label) for question, label in zip("aabbbcc", "0101000", strict=True)]
    labels = torch.tensor([int(row.label) for row in rows])
    logits = torch.tensor([[0, 1.0], [0, 2.0], [0, 0.5], [0, 1.0], [0, 3.0], [0, -1.0], [0, 1.0]])
    meter = ClassMeter(2, dict.fromkeys(["mrr", "acc"]), examples=rows)
    meter.keep_rows()
    order = np.array([4, 0, 6, 2, 1, 5, 3])
    meter.update({"logits": logits[order]}, {"labels": labels[order]}, order)
    sample = meter.sample()
    assert (sample.unit, sample.size) == ("questions", 3)
    alone = [sample.scores(np.full(3, question)) for question in range(3)]
    found = sorted((each["acc"], str(each["mrr"])) for each in alone)
    assert found == [(1 / 3, "0.5"), (0.5, "1.0"), (0.5, "nan")], "b ranks its right one second"
    assert sample.scores(np.arange(3)) == pytest.approx(meter.scores())


def test_triples_are_drawn_by_query_where_scores_are():
    texts = [("q", "good", "bad"), ("q", "worse", "good"), ("p", "x", "y")]
    outputs = {"left": torch.tensor([[0.5], [0.9], [0.3]]), "right": torch.tensor([[0.1], [0.5], [0.2]])}
    for names, size, unit in ((["acc"], 3, "rows"), (["acc", "mrr"], 2, "questions")):
        meter = TripleMeter(names, ["left", "right"], [TripleExample(None, *each) for each in texts])
        meter.keep_rows()
        meter.update(outputs, {"labels": torch.tensor([1, 0, 1])}, np.arange(3))
        sample = meter.sample()
        assert (sample.size, sample.unit) == (size, unit)
        assert sample.scores(np.arange(size)) == pytest.approx(meter.scores())
    of_one = [sample.scores(np.array([n, n])) for n in (0, 1)]
    assert {(each["acc"], each["mrr"]) for each in of_one} == {(1.0, 1.0), (0.5, 0.5)}


def test_a_run_says_how_sure_its_scores_are(make_task, review_files, in_tmp, lines):
    task = make_task(num_epoch=1, checkpoint_dir="run", confidence_interval=0.9)
    result = task.finetune_and_eval()
    found = result.intervals["test"]["acc"]
    predictions = [row.split(",") for row in (in_tmp / "run/predictions/test.csv").read_text().splitlines()[1:]]
    right = np.array([row[1] == row[2] for row in predictions])
    brute = bootstrap(np.mean, right, level=0.9, seed=derive(42, "bootstrap"))
    assert (found["score"], found["low"], found["high"]) == pytest.approx((result.test["acc"], brute.low, brute.high))
    assert found["low"] < found["score"] < found["high"]
    assert read_json(in_tmp / "run/run.json")["result"]["intervals"] == result.intervals
    page = (in_tmp / "run/report.html").read_text()
    assert "Scores on test" in page
    assert "90 % confidence intervals (bootstrap, 1,000 draws)" in page
    assert any("90 % confidence intervals" in line and "of 24 rows" in line for line in lines)
    state = task.eval("test", confidence_interval=0.9)
    assert state.intervals["acc"].low == found["low"]
    assert task.eval("test", confidence_interval=0.5).intervals["acc"].low > found["low"]
    scores = hub.load("run").evaluate(review_files["test"], confidence_interval=0.9)
    assert scores == pytest.approx(result.test)
    assert scores.intervals["acc"].high == found["high"]
    assert hub.load("run").evaluate(review_files["test"]).intervals == {}


def test_intervals_change_no_run_and_wrong_levels_are_refused(make_task, in_tmp, lines):
    task = make_task(num_epoch=1, checkpoint_dir="run")
    task.finetune_and_eval()
    make_task(num_epoch=1, checkpoint_dir="run", confidence_interval=0.95).finetune_and_eval()
    assert any("finished without confidence intervals" in line for line in lines)
    for wrong in (95, 1, 0, "0.9", True, float("nan")):
        with pytest.raises(ConfigError, match="confidence_interval"):
            hub.RunConfig(confidence_interval=wrong)
    with pytest.raises(ConfigError, match=r"0\.95 for 95 %"):
        hub.RunConfig(confidence_interval=95)
    with pytest.raises(ConfigError, match="a level between 0 and 1"):
        task.eval("dev", confidence_interval=2.0)


def test_a_meter_of_ones_own_is_refused_before_training(make_task, in_tmp):
    task = make_task(confidence_interval=0.95, checkpoint_dir="run")

    class Meter:
        def update(self, outputs, batch, rows=None):
            pass

    task.meter = lambda columns=None: Meter()
    with pytest.raises(ConfigError, match=r"Meter of TextClassifierTask says nothing of single rows"):
        task.finetune_and_eval()
    assert not (in_tmp / "run").exists()


def test_each_answer_is_decoded_once_in_the_final_scores(monkeypatch, tiny, in_tmp):
    from transferhub.task import reading_comprehension

    seen = []
    decode = reading_comprehension.answered
    monkeypatch.setattr(reading_comprehension, "answered", lambda *a: seen.append(len(a[2])) or decode(*a))
    rows = [ReadingExample(n, "what was good", "the room was good", [("good", 13)]) for n in range(9)]
    dataset = hub.dataset.load({"train": rows, "dev": rows[:5], "test": rows[:4]}, kind="answers")
    config = hub.RunConfig(num_epoch=1, precision="fp32", checkpoint_dir="run", eval_interval=1 << 30)
    module = hub.Module(directory=tiny)
    task = hub.ReadingComprehensionTask(module=module, dataset=dataset, config=config, max_seq_len=24, doc_stride=8)
    task.config.confidence_interval = 0.95
    result = task.finetune(do_eval=False)
    assert sum(seen) == 5 + 5 + 4, "dev when the run ends and of the best model, test of the best model"
    assert set(result.intervals["dev"]) == {"exact_match", "f1"}
