import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transferhub.errors import ConfigError
from transferhub.reader.windows import question_windows
from transferhub.task.answers import WindowLogits, best_answers

CONTEXT = "the man went to the store and bought a gallon of milk"
LOGITS = st.integers(-40, 40).map(lambda number: number / 4)


def words_of(context):
    offsets, start = [], 0
    for word in context.split(" "):
        offsets.append((start, start + len(word)))
        start += len(word) + 1
    return np.array(offsets, np.int64)


def one_window(start, end, null=0.0):
    return [WindowLogits(0, np.array(start, np.float32), np.array(end, np.float32), null)]


def peak(place, count=12, height=5.0):
    values = np.zeros(count, np.float32)
    values[place] = height
    return values


def test_the_best_stretch_is_given_with_its_place_in_the_context():
    found = best_answers(CONTEXT, words_of(CONTEXT), one_window(peak(8), peak(9)))
    assert (found.best.text, found.best.score) == ("a gallon", 10.0)
    assert CONTEXT[found.best.start : found.best.stop] == "a gallon"
    assert found.null_score_diff is None
    assert len(found.n_best) == 20
    assert sum(answer.probability for answer in found.n_best) == pytest.approx(1)
    # Softmax of 10 against the best others, by hand: e^10 / (e^10 + n e^5 + …), the next score is 5.
    assert found.n_best[1].probability / found.best.probability == pytest.approx(math.exp(-5))


@given(
    st.lists(st.sampled_from(["a", "bc", "a\u0301", "中", "😀", "ש"]), min_size=1, max_size=8),
    st.integers(1, 4),
    st.integers(1, 6),
    st.data(),
)
def test_it_is_the_best_of_all_stretches_enumerated(words, longest, count, data):
    context, size = " ".join(words), len(words)
    start, end = (data.draw(st.lists(LOGITS, min_size=size, max_size=size)) for _ in range(2))
    offsets = words_of(context)
    found = best_answers(context, offsets, one_window(start, end), count, longest)
    by_text = {}
    for first in range(size):
        for last in range(first, min(size, first + longest)):
            text = context[offsets[first, 0] : offsets[last, 1]]
            by_text[text] = max(by_text.get(text, -np.inf), start[first] + end[last])
    best = sorted(by_text.values(), reverse=True)[:count]
    assert [answer.score for answer in found.n_best] == best
    for answer in found.n_best:
        assert by_text[answer.text] == answer.score
        assert context[answer.start : answer.stop] == answer.text


@given(st.integers(1, 30), st.integers(1, 12), st.integers(1, 12), st.integers(1, 6), st.integers(0, 999))
def test_each_stretch_counts_once_where_most_is_around_it(tokens, room, stride, longest, seed):
    context = " ".join(f"w{place}" for place in range(tokens))
    _, places = question_windows(0, tokens, room + 3, stride)
    draw = np.random.default_rng(seed)
    windows = [
        WindowLogits(start, *draw.integers(-9, 9, (2, stop - start)).astype(np.float32)) for start, stop in places
    ]
    expected = {}
    for first in range(tokens):
        for last in range(first, min(tokens, first + longest)):
            showing = [
                (min(first - start, stop - 1 - last) + 0.01 * (stop - start), -number)
                for number, (start, stop) in enumerate(places)
                if start <= first and last < stop
            ]
            if showing:
                window = windows[-max(showing)[1]]
                text = " ".join(f"w{place}" for place in range(first, last + 1))
                expected[text] = window.start[first - window.first] + window.end[last - window.first]
    found = best_answers(context, words_of(context), windows, len(expected), longest)
    assert {answer.text: answer.score for answer in found.n_best} == expected


def test_there_is_no_answer_where_the_null_score_is_above_by_more_than_the_threshold():
    def answered(null, threshold):
        return best_answers(CONTEXT, words_of(CONTEXT), one_window(peak(8), peak(9), null), 20, 30, threshold)

    assert answered(10.5, 0.0).null_score_diff == 0.5
    assert answered(10.5, 0.0).best.text == ""
    assert (answered(10.5, 0.0).best.start, answered(10.5, 0.0).best.stop) == (-1, -1)
    assert answered(10.5, 0.5).best.text == "a gallon"
    assert answered(10.0, 0.0).best.text == "a gallon"
    assert answered(9.0, -2.0).best.text == ""
    n_best = answered(10.5, 0.5).n_best
    assert [answer.text for answer in n_best[:2]] == ["", "a gallon"]
    assert n_best[0].probability == pytest.approx(math.exp(0.5) * n_best[1].probability)


def test_the_null_score_is_the_least_of_all_windows():
    windows = [WindowLogits(first, peak(0, 6), peak(0, 6), null) for first, null in ((0, 3.0), (6, -2.0))]
    found = best_answers(CONTEXT, words_of(CONTEXT), windows, null_score_diff_threshold=0.0)
    assert found.null_score_diff == -2.0 - 10.0


@pytest.mark.parametrize("threshold", [None, 0.0, 100.0])
def test_an_empty_context_has_the_empty_answer(threshold):
    nothing = one_window([], [], 1.0)
    found = best_answers("", np.empty((0, 2), np.int64), nothing, null_score_diff_threshold=threshold)
    assert (found.best.text, found.best.probability) == ("", 1.0)


def test_white_space_at_the_ends_and_tokens_without_text_are_no_answer():
    offsets = np.array([[0, 4], [4, 4], [4, 6], [6, 9]])  # "one ", "", " " twice, "two"
    found = best_answers("one   two", offsets, one_window([0, 5, 9, 0], [1, 5, 9, 0]))
    assert {answer.text for answer in found.n_best} == {"one", "two", "one   two"}
    assert [(answer.start, answer.stop) for answer in found.n_best if answer.text == "one"] == [(0, 3)]


def test_logits_that_are_no_numbers_are_no_answer():
    found = best_answers("one two", words_of("one two"), one_window([np.nan, 1], [0, 1]))
    assert found.best.text == "two"
    assert len(found.n_best) == 1


def test_windows_that_are_not_of_this_context_are_refused():
    with pytest.raises(ConfigError, match="3 start and 2 end logits"):
        best_answers("a b c", words_of("a b c"), one_window([1, 2, 3], [1, 2]))
    with pytest.raises(ConfigError, match="has 2 tokens"):
        best_answers("a b", words_of("a b"), one_window([1, 2, 3], [1, 2, 3]))
    with pytest.raises(ConfigError, match="without windows"):
        best_answers("a b", words_of("a b"), [])
    with pytest.raises(ConfigError, match="n_best_size=0"):
        best_answers("a b", words_of("a b"), one_window([1, 2], [1, 2]), 0)
