import itertools

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from transferhub.errors import ConfigError
from transferhub.reader.windows import (
    merged,
    owners,
    positions_in,
    question_windows,
    sentence_windows,
    tokens_of_span,
)

SIZES = st.lists(st.integers(0, 5), max_size=40)


def test_the_windows_of_run_squads_own_example():
    # run_squad.py: "the man went to the store and bought a gallon of milk", windows of 6 words every 3.
    assert question_windows(0, 12, 9, doc_stride=3) == (0, [(0, 6), (3, 9), (6, 12)])
    assert question_windows(5, 300, 384) == (5, [(0, 300)])
    assert question_windows(100, 400, 384)[0] == 64


@given(st.integers(0, 80), st.integers(0, 300), st.integers(8, 90), st.integers(1, 100), st.integers(0, 70))
def test_windows_show_every_token_of_the_context_and_have_room(question, context, length, stride, longest):
    assume(length - min(question, longest) - 3 >= 1)
    kept, windows = question_windows(question, context, length, stride, longest)
    assert kept == min(question, longest)
    assert windows[0][0] == 0
    assert windows[-1][1] == context
    assert all(stop - start + kept + 3 <= length for start, stop in windows)
    for (start, stop), (further, behind) in itertools.pairwise(windows):
        assert start < further <= min(stop, start + stride)
        assert stop < behind


@pytest.mark.parametrize("settings", [{"max_seq_len": 8}, {"max_seq_len": 30, "doc_stride": 0}])
def test_no_room_and_no_stride_are_refused(settings):
    with pytest.raises(ConfigError, match=r"no room|doc_stride=0"):
        question_windows(5, 100, **settings)


@given(SIZES, st.integers(1, 12), st.floats(0, 0.9))
def test_a_long_sentence_is_read_whole_in_few_windows(sizes, room, overlap):
    windows = sentence_windows(sizes, room, overlap)
    assert windows[0][0] == 0
    assert windows[-1][1] == len(sizes)
    for start, stop in windows:
        assert sum(sizes[start:stop]) <= room or stop == start + 1
        assert start < stop or not sizes
    for (start, stop), (further, behind) in itertools.pairwise(windows):
        assert start < further <= stop < behind
        assert sum(sizes[further:stop]) <= room * overlap
    if sum(sizes) <= room:
        assert windows == [(0, len(sizes))]


@given(SIZES.filter(len), st.integers(1, 12), st.floats(0, 0.9))
def test_every_token_is_predicted_exactly_once_where_it_sees_most(sizes, room, overlap):
    windows = sentence_windows(sizes, room, overlap)
    owner = owners(windows, len(sizes), sizes)
    for word, chosen in enumerate(owner):
        seen = {
            number: min(sum(sizes[start:word]), sum(sizes[word + 1 : stop]))
            for number, (start, stop) in enumerate(windows)
            if start <= word < stop
        }
        assert seen[chosen] == max(seen.values())
        assert chosen == min(number for number, context in seen.items() if context == seen[chosen])
    numbered = [np.arange(start, stop) for start, stop in windows]
    assert (merged(windows, owner, numbered) == np.arange(len(sizes))).all()


def test_overlapping_windows_are_parted_in_the_middle():
    windows = sentence_windows([1] * 14, 8, overlap=0.25)
    assert windows == [(0, 8), (6, 14)]
    assert owners(windows, 14).tolist() == [0] * 7 + [1] * 7


def test_windows_that_leave_a_token_out_are_refused():
    with pytest.raises(ConfigError, match="token 2 of 4"):
        owners([(0, 2), (3, 4)], 4)
    with pytest.raises(ConfigError, match="windows of 0 tokens"):
        sentence_windows([1, 1], 0)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=20), st.data())
def test_an_answer_of_whole_tokens_maps_back_to_itself(sizes, data):
    """Tokens with a gap of a character after every second one, as between words."""
    starts = np.cumsum([0, *sizes[:-1]]) + np.arange(len(sizes)) // 2
    offsets = np.stack([starts, starts + sizes], axis=1)
    first = data.draw(st.integers(0, len(sizes) - 1))
    last = data.draw(st.integers(first, len(sizes) - 1))
    assert tokens_of_span(offsets, offsets[first, 0], offsets[last, 1]) == (first, last)
    start = data.draw(st.integers(0, int(offsets[-1, 1]) - 1))
    stop = data.draw(st.integers(start + 1, int(offsets[-1, 1])))
    found = tokens_of_span(offsets, start, stop)
    touched = [place for place, (one, two) in enumerate(offsets) if set(range(one, two)) & set(range(start, stop))]
    assert (found is None) == (not touched)
    if found:
        assert list(range(found[0], found[1] + 1)) == touched


def test_a_stretch_without_characters_touches_nothing():
    offsets = np.array([[0, 0], [0, 2], [2, 2], [2, 5]])
    assert tokens_of_span(offsets, 2, 2) is None
    assert tokens_of_span(offsets, 9, 12) is None
    assert tokens_of_span(offsets, 1, 3) == (1, 3)
    assert tokens_of_span(np.empty((0, 2), np.int64), 0, 5) is None


def test_an_answer_is_where_it_is_whole_and_nowhere_else():
    windows = [(0, 6), (3, 9), (6, 12)]
    assert [positions_in(window, (4, 7), context_at=10) for window in windows] == [(0, 0), (11, 14), (0, 0)]
    assert [positions_in(window, (4, 5), context_at=10) for window in windows] == [(14, 15), (11, 12), (0, 0)]
    assert positions_in((0, 6), None, 10, nowhere=3) == (3, 3)
