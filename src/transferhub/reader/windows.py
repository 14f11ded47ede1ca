"""Texts that are read in windows without losing a token: for answers in contexts, and for tags of long sentences.

Pure functions over numbers of tokens and their places in the text. A *window* is ``(start, stop)``: which of the tokens
it shows. A token's *context* in a window is how many tokens it sees on the side where it sees fewer.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from transferhub.errors import ConfigError

VERSION = 1  # part of the cache's key: a change to what this file chooses is another version
Ids = npt.NDArray[np.int64]
Window = tuple[int, int]


def question_windows(
    question: int, context: int, max_seq_len: int, doc_stride: int = 128, max_query_length: int = 64, special: int = 3
) -> tuple[int, list[Window]]:
    """How much of a question is read, and the windows of its context, as in BERT's run_squad.

    Windows start `doc_stride` tokens after each other and are as long as there is room; the last one ends with the
    context. A `doc_stride` longer than the room is shortened to it, so that every token is in a window. An empty
    context has one empty window.

    Args:
        question: Tokens of the question.
        context: Tokens of the context.
        max_seq_len: Tokens that may be read at once.
        doc_stride: Tokens between the starts of two windows.
        max_query_length: Tokens of the question that are read, from its beginning.
        special: Special tokens of a pair.

    Returns:
        The question's tokens that are read, and the windows.

    Raises:
        ConfigError: No room for the context, or a stride of less than a token.
    """
    kept = min(question, max_query_length)
    room = max_seq_len - kept - special
    if doc_stride < 1 or max_query_length < 0:
        raise ConfigError(f"doc_stride={doc_stride}, max_query_length={max_query_length}", expected="1 or more")
    if room < 1:
        raise ConfigError(
            f"max_seq_len={max_seq_len} leaves no room for the context beside {kept} tokens of the question and "
            f"{special} special ones",
            expected=f"at least {kept + special + 1}",
            fix="a longer max_seq_len, or a shorter max_query_length",
        )
    stride = min(doc_stride, room)
    starts = range(0, max(1, context - room + stride), stride)
    return kept, [(start, min(start + room, context)) for start in starts]


def sentence_windows(sizes: Sequence[int], room: int, overlap: float = 0.25) -> list[Window]:
    """Windows of a long sentence, over its words: none is cut, and neighbours see what is around their border.

    Each window takes as many words as there is room for; the next one starts with the words at its end that fill up to
    `overlap` of the room. A word that alone is longer than the room has a window of its own: its first sub-tokens are
    read, and the first is what a tag is predicted from.

    Args:
        sizes: Sub-tokens of each word (1 for characters). A word without any is carried along.
        room: Sub-tokens a window may have, without special ones.
        overlap: Part of the room that two windows may share.

    Returns:
        Windows in words; one for a sentence that fits, and for an empty one.
    """
    if room < 1 or not 0 <= overlap < 1:
        raise ConfigError(f"windows of {room} tokens, overlap={overlap}", expected="1 token or more, overlap in [0, 1)")
    ends = np.cumsum(sizes, dtype=np.int64)
    windows, start, before = [], 0, 0
    while True:
        stop = max(start + 1, int(np.searchsorted(ends, before + room, side="right")))
        windows.append((start, min(stop, len(ends))))
        if stop >= len(ends):
            return windows
        # The first word from which the rest of this window is no more than the overlap, and not this window again.
        shared = int(np.searchsorted(ends, ends[stop - 1] - int(room * overlap), side="left")) + 1
        start = min(max(start + 1, shared), stop)
        while start < stop and ends[stop] - ends[start - 1] > room:  # the next window must show a word more
            start += 1
        before = int(ends[start - 1])


def owners(windows: Sequence[Window], count: int, sizes: Sequence[int] | None = None) -> Ids:
    """The window whose prediction counts for each token: where it has most context, of equals the first.

    Args:
        windows: Which together show all tokens.
        count: How many tokens (or words) there are.
        sizes: Sub-tokens of each word, in which context is then measured; None: tokens count one each.

    Returns:
        int64 ``[count]``, places in `windows`.

    Raises:
        ConfigError: A token that is in no window.
    """
    sizes_of = np.ones(count, np.int64) if sizes is None else np.asarray(sizes, np.int64)
    places = np.concatenate([[0], np.cumsum(sizes_of)])
    best, owner = np.full(count, -1, np.int64), np.full(count, -1, np.int64)
    for number, (start, stop) in enumerate(windows):
        left, right = places[start:stop] - places[start], places[stop] - places[start + 1 : stop + 1]
        seen = np.minimum(left, right)
        better = seen > best[start:stop]
        best[start:stop][better], owner[start:stop][better] = seen[better], number
    if (owner < 0).any():
        raise ConfigError(f"token {int(np.flatnonzero(owner < 0)[0])} of {count} is in no window")
    return owner


def merged(windows: Sequence[Window], owner: Ids, values: Sequence[npt.NDArray[np.generic]]) -> npt.NDArray[np.generic]:
    """One value for each token, from the window that owns it.

    Args:
        windows: As given to `owners`.
        owner: What it returned.
        values: ``[stop - start, …]`` of each window.
    """
    chosen = np.empty((len(owner), *values[0].shape[1:]), values[0].dtype)
    for number, ((start, stop), found) in enumerate(zip(windows, values, strict=True)):
        mine = owner[start:stop] == number
        chosen[start:stop][mine] = found[mine]
    return chosen


def tokens_of_span(offsets: Ids, start: int, stop: int) -> Window | None:
    """The tokens that a stretch of the text touches, as (first, last), both included; None: there is none.

    Args:
        offsets: int64 ``[tokens, 2]``: where each token begins and ends in the text, in order; tokens without a
            character are passed over.
        start: Character that the stretch begins with.
        stop: Character behind it.
    """
    touched = np.flatnonzero((offsets[:, 0] < stop) & (offsets[:, 1] > start) & (offsets[:, 0] < offsets[:, 1]))
    return (int(touched[0]), int(touched[-1])) if len(touched) and start < stop else None


def positions_in(window: Window, answer: Window | None, context_at: int, nowhere: int = 0) -> Window:
    """Where an answer's first and last token stand in what is read of a window.

    Args:
        window: Of the context.
        answer: First and last token in the context; None: there is no answer.
        context_at: Where the window's tokens begin in what is read.
        nowhere: The place that stands for "no answer here", for both ends: that of ``[CLS]``. It is given where the
            window does not show the whole answer.
    """
    if answer is None or answer[0] < window[0] or answer[1] >= window[1]:
        return nowhere, nowhere
    return answer[0] - window[0] + context_at, answer[1] - window[0] + context_at
