"""Which official scores are meant, and how a split's answers come to them."""

import numpy as np
import pytest

from transferhub.dataset import BaseDataset, ReadingExample
from transferhub.errors import ConfigError
from transferhub.task.answers import Answer, Answered
from transferhub.task.reading_scores import SUB_TASKS, ReadingMeter, scores_chosen, sub_task_of


def questions(*answers, impossible=()):
    dataset = BaseDataset()
    texts = [ReadingExample(n, "?", text, [(text, 0)]) for n, text in enumerate(answers)]
    dataset.train_examples = [*texts, *(ReadingExample(text, "?", text, [], True) for text in impossible)]
    return dataset


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        (questions("good", "bad"), "squad"),
        (questions("good", impossible=["bad"]), "squad2.0"),
        (questions("很好", "房间", "ok"), "cmrc2018"),
        (None, "squad"),
    ],
)
def test_rows_of_ones_own_are_scored_as_what_they_look_like(dataset, name):
    assert sub_task_of(None, dataset).name == name


def test_built_in_sets_know_their_definition(real_data):
    from transferhub.dataset import CMRC2018, DRCD, SQUAD

    real_data("cmrc2018")
    found = [sub_task_of(None, made) for made in (SQUAD(), SQUAD(version_2_with_negative=True), CMRC2018(), DRCD())]
    assert [sub_task.name for sub_task in found] == ["squad", "squad2.0", "cmrc2018", "drcd"]


def test_scores_are_chosen_by_name_in_order():
    squad = SUB_TASKS["squad"]
    assert scores_chosen("default", squad) == ["exact_match", "f1"]
    assert scores_chosen(["f1"], squad) == ["f1"]
    for wrong in ("acc", [], ["f1", "f1"], ["F1"], 3):
        with pytest.raises(ConfigError, match="metrics_choices"):
            scores_chosen(wrong, squad)
    with pytest.raises(ConfigError, match=r"did you mean 'squad2\.0'|squad2"):
        sub_task_of("squad2", None)


def answer(text, null=None):
    best = Answer(text, 0, len(text), 1.0, 1.0)
    return Answered(best, [best], null)


def test_a_splits_scores_are_those_of_its_answers_whatever_order_they_come_in():
    rows = [ReadingExample(n, "?", "the food was good", [(text, 0)]) for n, text in enumerate(["food", "good", "was"])]
    found = {0: answer("the food"), 1: answer("was good"), 2: answer("film")}
    meter = ReadingMeter(SUB_TASKS["squad"], ["f1", "exact_match"], rows, lambda o, b, n: [found[each] for each in n])
    for batch in ([2, 0], [1]):
        meter.update({}, {}, np.array(batch))
    # exact: "the food" is "food" once normalised; f1: 1, 2/3 and 0
    assert list(meter.scores().items()) == [("f1", pytest.approx(500 / 9)), ("exact_match", pytest.approx(100 / 3))]
    again = ReadingMeter(SUB_TASKS["squad"], ["f1"], rows, lambda o, b, n: [])
    again.restore(meter.state())
    assert again.scores() == {"f1": pytest.approx(500 / 9)}


def test_impossible_questions_are_right_without_an_answer():
    rows = questions("food", impossible=["x", "y"]).train_examples
    found = [answer("food", -3.0), answer("", 2.0), answer("x", -1.0)]
    meter = ReadingMeter(SUB_TASKS["squad2.0"], SUB_TASKS["squad2.0"].scores, rows, lambda o, b, n: found)
    meter.update({}, {}, np.arange(3))
    scores = meter.scores()
    assert next(iter(scores)) == "exact"
    assert scores["exact"] == pytest.approx(200 / 3)
    assert (scores["HasAns_exact"], scores["NoAns_exact"]) == (100.0, 50.0)
    assert (scores["best_exact"], scores["best_exact_thresh"]) == (100.0, -3.0)
    assert SUB_TASKS["squad2.0"].is_right("", [])
    assert not SUB_TASKS["squad2.0"].is_right("x", [])
