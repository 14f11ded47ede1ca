"""The official definitions, by values worked out by hand."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transferhub.metrics.reading import (
    ChineseReadingScores,
    Squad2Scores,
    SquadScores,
    chinese_exact,
    chinese_f1,
    chinese_segments,
    squad_exact,
    squad_f1,
    squad_normalized,
)

WORDS = st.lists(st.sampled_from(["a", "the", "red", "dog", "Red!", "中", "国", ",", "，"]), max_size=6).map(" ".join)


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("The Denver Broncos!", "denver broncos"),
        ("  An\tapple,  a day ", "apple day"),
        ("don't", "dont"),  # punctuation goes before articles are looked for
        ("a-b", "ab"),
        ("banana", "banana"),
        ("“quoted”", "“quoted”"),  # ASCII punctuation only
        ("a", ""),
    ],
)
def test_normalisation(text, normalized):
    assert squad_normalized(text) == normalized


def test_squads_f1_counts_words_as_often_as_both_have_them():
    # [big red dog] and [red dog house]: 2 in common, precision 2/3, recall 2/3.
    assert squad_f1("the big red dog", "red dog house") == pytest.approx(2 / 3)
    # [dog dog dog] and [dog dog]: 2 in common, precision 2/3, recall 1: 2 * 2/3 / (5/3) = 4/5.
    assert squad_f1("dog dog dog", "dog dog") == pytest.approx(4 / 5)
    assert squad_f1("cat", "dog") == 0.0


def test_squad_takes_the_best_right_answer_and_counts_what_is_not_answered():
    scores = SquadScores()
    scores.update("the Broncos", ["Denver Broncos", "Broncos"])  # exact 1, f1 1
    scores.update("Denver", ["Denver Broncos", "Carolina"])  # exact 0, f1 2 * 1 * 1/2 / (3/2) = 2/3
    scores.update(None, ["Denver"])  # 0, 0
    assert scores.scores() == {"exact_match": pytest.approx(100 / 3), "f1": pytest.approx(100 * (1 + 2 / 3) / 3)}


def test_in_squad_1_an_answer_of_articles_has_no_f1_in_squad_2_it_has():
    assert squad_exact("the", "a")
    assert squad_f1("the", "a") == 0.0
    scores = Squad2Scores()
    scores.update("the", ["a"])
    assert (scores.scores()["exact"], scores.scores()["f1"]) == (100.0, 100.0)


QUESTIONS = [  # answer, right ones, null score: exact and F1 raw
    ("red dog", ["dog"], -3.0),  # 0, 2/3
    ("cat", ["cat", "a tom cat"], -1.0),  # 1, 1
    ("", [], 2.0),  # 1, 1
    ("house", [], 0.5),  # 0, 0
    ("", ["tree"], 4.0),  # 0, 0
]


def counted(questions, threshold=None):
    scores = Squad2Scores(threshold)
    for question in questions:
        scores.update(*question)
    return scores


def test_squad_2_by_hand():
    # Exact 2 of 5, F1 (2/3 + 1 + 1) / 5; of three with an answer 1 and 5/3, of two without 1 and 1.
    # Best thresholds: nothing answered gives the 2 without an answer. Answers in the order of null scores add
    # exact: +0, +1 (3), house -1 (2), "" to none +0, "" to tree +0: best 3 of 5 at -1.0.
    # F1: +2/3, +1 (11/3), -1, …: best 11/3 of 5 at -1.0.
    found = counted(QUESTIONS).scores()
    expected = {
        "exact": 40.0,
        "f1": 100 * (2 / 3 + 2) / 5,
        "total": 5,
        "HasAns_exact": 100 / 3,
        "HasAns_f1": 100 * (5 / 3) / 3,
        "HasAns_total": 3,
        "NoAns_exact": 50.0,
        "NoAns_f1": 50.0,
        "NoAns_total": 2,
        "best_exact": 60.0,
        "best_exact_thresh": -1.0,
        "best_f1": 100 * (11 / 3) / 5,
        "best_f1_thresh": -1.0,
    }
    assert list(found) == list(expected)
    assert found == pytest.approx(expected)


def test_a_threshold_takes_answers_back():
    found = counted(QUESTIONS, threshold=0.0).scores()  # house and both empty ones count as answered by nothing
    assert found["NoAns_exact"] == 100.0
    assert found["exact"] == pytest.approx(60.0)
    assert found["best_exact"] == pytest.approx(60.0)


def test_where_answers_only_harm_the_best_threshold_is_nothing():
    found = counted([("dog", [], 0.3), ("cat", ["tree"], 0.2)]).scores()
    assert (found["best_exact"], found["best_exact_thresh"]) == (50.0, 0.0)
    assert "HasAns_total" in found
    assert "HasAns_total" not in counted([("", [], 1.0)]).scores()
    assert counted([]).scores()["exact"] == 0.0


SAID = st.sampled_from(["red dog", "dog", "Red!", "a cat"])


@given(st.lists(st.tuples(st.just("") | SAID, st.lists(SAID, max_size=2), st.integers(-5, 5)), min_size=1, max_size=8))
def test_no_threshold_of_null_scores_is_better_than_the_best(questions):
    """Equal null scores cannot be told apart by a threshold: they are left out here."""
    questions = list({question[2]: question for question in questions}.values())
    found = counted(questions).scores()
    for name in ("exact", "f1"):
        tried = [counted(questions, at).scores()[name] for at in [-9, *(question[2] for question in questions)]]
        assert found[f"best_{name}"] == pytest.approx(max(tried))


def test_chinese_segments_are_characters_and_words():
    assert chinese_segments("使用Wii U手柄") == ["使", "用", "wii", "u", "手", "柄"]
    assert chinese_segments("ω-force开发，") == ["ωforce", "开", "发"]  # dropping a sign joins what it parted
    assert chinese_segments("它's 3.5%, ok.") == ["它", "'s", "3.5", "%", ",", "ok", "."]
    assert chinese_segments("约10,000人don't") == ["约", "10,000", "人", "do", "n't"]
    assert chinese_segments("《》") == []


def test_chinese_f1_is_of_the_longest_stretch():
    # 北京 of 北京的大学 (5) and 北京大学 (4): precision 2/5, recall 2/4: 2 * .4 * .5 / .9 = 4/9. A subsequence has 8/9.
    assert chinese_f1("北京的大学", "北京大学") == pytest.approx(4 / 9)
    # 光 荣 和 ωforce of 6 and 4 segments: precision 4/6, recall 1: 4/5.
    assert chinese_f1("光荣和ω-force开发", "光荣和ω-Force") == pytest.approx(4 / 5)
    assert chinese_f1("，", "，") == 0.0  # nothing is left of either
    assert chinese_exact("《战国无双3》", "战国无双3。")
    assert not chinese_exact("战国 无双", "战国无双")


@given(WORDS, WORDS)
def test_the_longest_stretch_is_that_of_all_stretches(first, second):
    one, two = chinese_segments(first), chinese_segments(second)
    stretches = [one[start:stop] for start, stop in itertools.combinations(range(len(one) + 1), 2)]
    common = [part for part in stretches if any(two[at : at + len(part)] == part for at in range(len(two)))]
    longest = max(map(len, common), default=0)
    assert chinese_f1(first, second) == pytest.approx(2 * longest / max(1, len(one) + len(two)))


def test_cmrcs_scores_by_hand():
    scores = ChineseReadingScores()
    scores.update("北京大学", ["北京大学。", "北大"])  # EM 1, F1 1
    scores.update("北京的大学", ["北京大学"])  # EM 0, F1 4/9
    scores.update(None, ["中国"])  # not answered
    f1, em = 100 * (1 + 4 / 9) / 3, 100 / 3
    expected = {"AVERAGE": (f1 + em) / 2, "F1": f1, "EM": em, "TOTAL": 3, "SKIP": 1}
    assert scores.scores() == pytest.approx(expected)
    assert list(scores.scores()) == list(expected)


@pytest.mark.parametrize("kind", [SquadScores, Squad2Scores, ChineseReadingScores])
def test_what_was_counted_goes_through_json(kind):
    first, second = kind(), kind()
    first.update("red dog", ["dog"])
    second.restore(json.loads(json.dumps(first.state())))
    assert second.scores() == first.scores()
    for scores in (first, second):
        scores.update("dog", ["dog"])
    assert second.scores() == first.scores()
    second.restore(kind().state())
    assert next(iter(second.scores().values())) == 0.0
