"""Tokens without offsets, found in their text."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from transferhub.reader.alignment import aligned


def cut(text, tokens, unknown=None):
    """What the text says at the places that were found."""
    offsets = aligned(text, tokens, unknown)
    return None if offsets is None else [text[start:stop] for start, stop in offsets]


def test_case_accents_and_width_do_not_hide_a_token():
    assert cut("Café  ＡＢＣ１", ["cafe", "ab", "##c1"]) == ["Café", "ＡＢ", "Ｃ１"]


def test_marks_of_sentencepiece_are_not_of_the_text():
    assert cut("今天 天气", ["▁", "今天", "▁天气"]) == ["", "今天", "天气"]


def test_an_unknown_token_is_what_lies_between_its_neighbours():
    assert cut("I 😀😀 you 𝄞", ["i", "[UNK]", "you", "[UNK]"], "[UNK]") == ["I", "😀😀", "you", "𝄞"]


def test_tokens_of_another_text_are_not_found():
    assert aligned("the room", ["the", "food"]) is None


def test_a_text_without_tokens():
    assert aligned("", []).shape == (0, 2)
    assert cut("  ", ["[UNK]"], "[UNK]") == [""]


@given(st.lists(st.text(st.characters(categories=["Ll", "Nd", "Lo"]), min_size=1, max_size=5), max_size=8))
def test_words_are_found_where_they_stand(words):
    text, places = "", []
    for word in words:
        places.append((len(text), len(text) + len(word)))
        text += word + "  "
    found = aligned(text, [word.lower() for word in words])
    letters = [word for word in words if aligned(word, [word])[0].tolist() == [0, len(word)]]
    if len(letters) == len(words):  # all have letters that count, at both ends
        np.testing.assert_array_equal(found, np.array(places, np.int64).reshape(-1, 2))
