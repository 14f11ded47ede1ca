"""Where the tokens of a tokenizer that does not say so stand in a text."""

import unicodedata
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

MARKS = ("##", "▁")  # that a tokenizer puts before a token, and that are not of the text
MOST_LOST = 32  # characters between two tokens that the tokenizer may have dropped


def aligned(text: str, tokens: Sequence[str], unknown: str | None = None) -> npt.NDArray[np.int64] | None:
    """Find tokens in a text, whatever case, accents, widths and white space the tokenizer changed.

    Args:
        text: That was cut.
        tokens: Its tokens in order.
        unknown: The token that stands for any word; it gets what lies between its neighbours.

    Returns:
        int64 ``[tokens, 2]``, where each begins and ends; empty ranges for tokens of no character. None: the tokens
        are not those of this text.
    """
    letters, places = _letters(text)
    offsets = np.zeros((len(tokens), 2), np.int64)
    at, waiting = 0, list[int]()  # waiting: unknown tokens whose end is not known yet
    for number, token in enumerate(tokens):
        if token == unknown:
            waiting.append(number)
            continue
        word = _letters(_bare(token))[0]
        if not word:
            offsets[number] = places[at]
            continue
        found = letters.find(word, at + bool(waiting))
        if found < 0 or (not waiting and found - at > MOST_LOST):
            return None
        offsets[waiting] = places[at], places[found - 1] + 1 if found else 0
        offsets[number] = places[found], places[found + len(word) - 1] + 1
        at, waiting = found + len(word), []
    if waiting and at < len(letters):
        offsets[waiting] = places[at], places[len(letters) - 1] + 1
    return offsets


def _letters(text: str) -> tuple[str, list[int]]:
    """A text's characters decomposed, lower case, without accents and white space; the place of each, and the end."""
    found: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        for part in unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).lower()):
            if not part.isspace() and unicodedata.category(part) not in ("Mn", "Cc", "Cf"):
                found.append(part)
                places.append(place)
    return "".join(found), [*places, len(text)]


def _bare(token: str) -> str:
    for mark in MARKS:
        if token != mark:
            token = token.removeprefix(mark)
    return token.replace("▁", " ")
