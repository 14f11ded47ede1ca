"""Functions of one's own as metrics of a task."""

import numpy as np
import pytest

import transferhub as hub
from transferhub.dataset import BaseDataset, InputExample
from transferhub.engine.run_folder import read_record
from transferhub.errors import ConfigError


class Seen:
    """A metric that remembers what it was given."""

    __name__ = "seen"

    def __init__(self):
        self.calls = []

    def __call__(self, labels, predictions):
        assert labels.dtype == predictions.dtype == np.int64
        self.calls.append((labels, predictions))
        return (labels == predictions).mean() - 1


def test_a_function_is_given_whole_splits_in_the_rows_order(make_task, in_tmp, lines):
    seen = Seen()
    task = make_task(metrics=("acc", seen), checkpoint_dir="run", num_epoch=6)
    result = task.finetune_and_eval()
    assert {len(labels) for labels, _ in seen.calls} == {24}, "dev and test, never a window of training"
    labels, predictions = seen.calls[-1]
    examples = list(task.dataset.test_examples)
    assert [task.label_list[place] for place in labels] == [example.label for example in examples]
    assert [task.label_list[place] for place in predictions] == task.predict([row.text_a for row in examples]).labels
    assert result.test["seen"] == pytest.approx(result.test["acc"] - 1)
    assert any("[dev dataset evaluation result] loss=" in line and " seen=-0." in line for line in lines)
    assert not any(" seen=" in line for line in lines if "TRAIN" in line)


def test_a_function_may_choose_the_best_model_and_stays_with_its_script(make_task, in_tmp, lines):
    def rows_right(labels, predictions):
        return int((labels == predictions).sum())

    task = make_task(metrics=(rows_right, "acc"), checkpoint_dir="run")
    result = task.finetune_and_eval()
    assert task.best_score == result.dev["rows_right"] == pytest.approx(24 * result.dev["acc"])
    page = (in_tmp / "run" / "report.html").read_text()
    assert f"<b>{result.dev['rows_right']:g}</b>rows_right on dev" in page
    lines.clear()
    loaded = hub.load("run")
    assert [
        line for line in lines if "rows_right are functions of a script" in line and line.endswith("evaluated by acc")
    ]
    assert set(loaded.evaluate([InputExample(0, "good", None, "positive")])) == {"acc", "loss"}


def test_with_functions_only_a_saved_model_evaluates_accuracy(make_task, in_tmp):
    make_task(metrics=(Seen(),), checkpoint_dir="run", num_epoch=1).finetune_and_eval()
    assert set(hub.load("run").evaluate([InputExample(0, "good", None, "positive")])) == {"acc", "loss"}


def test_a_function_that_fails_stops_the_run_with_its_name(make_task, in_tmp):
    def broken(labels, predictions):
        raise KeyError("weights")

    with pytest.raises(ConfigError, match="'broken' failed on 24 rows: KeyError: 'weights'"):
        make_task(metrics=("acc", broken), checkpoint_dir="run").finetune_and_eval()


def test_what_f1_is_of_is_in_log_result_and_report(make_task, in_tmp, lines):
    result = make_task(metrics=("f1", "recall"), checkpoint_dir="run", num_epoch=1).finetune_and_eval()
    said = "f1 and recall are of the class 'positive'"
    assert sum(said in line for line in lines) == 1
    assert result.notes == read_record(in_tmp / "run")["result"]["notes"] == [said]
    assert "f1 and recall are of the class" in (in_tmp / "run" / "report.html").read_text()


def test_a_question_s_candidates_are_ranked(tiny, tmp_path):
    draw = np.random.default_rng(0)
    rows = [
        InputExample(None, f"{word} room", f"{other} food", "yes" if place == 0 else "no")
        for word in ("good", "bad", "clean", "dull", "fast")
        for place, other in enumerate(draw.permutation(["tasty", "bland", "slow"]))
    ]
    dataset = BaseDataset(label_list=["no", "yes"])
    dataset.train_examples = dataset.dev_examples = rows
    config = hub.RunConfig(num_epoch=1, batch_size=4, precision="fp32", checkpoint_dir=tmp_path / "run")
    task = hub.TextClassifierTask(
        module=hub.Module(directory=tiny), dataset=dataset, config=config, metrics_choices=["mrr", "map", "acc"]
    )
    result = task.finetune_and_eval()
    scores = task.predict([(row.text_a, row.text_b) for row in rows]).probabilities[:, 1]
    ranks = []
    for first in range(0, len(rows), 3):
        right = next(place for place in range(3) if rows[first + place].label == "yes")
        mine = scores[first : first + 3]
        ranks.append(1 + int((mine > mine[right]).sum()))
    assert result.dev["mrr"] == pytest.approx(np.mean([1 / rank for rank in ranks]))
    assert result.dev["map"] == pytest.approx(result.dev["mrr"])  # one right candidate a question
