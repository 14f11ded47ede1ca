"""Texts with more tokens than may be read at once: cut at the end, kept at both ends, or read window by window."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass

from transferhub.errors import ConfigError, did_you_mean

WAYS = ("truncate", "head_tail", "window")
VERSION = 1  # part of the cache's key: a change to what this file chooses is another version
MOST_WINDOWS = 64  # of one text; what lies behind them is not read, and counted as cut
HEAD = 0.25  # of what is kept at both ends: Sun et al. 2019 keep 128 of 510 tokens at the head, 382 at the tail
OVERLAP = 0.25  # of a window lies in the one before it


@dataclass(frozen=True)
class Cut:
    """How much of some rows was not read.

    Args:
        rows: Rows that lost tokens.
        tokens: Tokens that they lost.
        of: Tokens of all rows.
        windowed: Rows that are read in more than one window.
        unknown: Words that the vocabulary does not have and that are left out (word readers only).
        bare: Rows of which no word was left.
    """

    rows: int = 0
    tokens: int = 0
    of: int = 0
    windowed: int = 0
    unknown: int = 0
    bare: int = 0

    def __add__(self, other: "Cut") -> "Cut":
        return Cut(*(mine + its for mine, its in zip(astuple(self), astuple(other), strict=True)))


NOTHING_CUT = Cut()


def known(way: str) -> str:
    """The way, if there is one of that name."""
    if way not in WAYS:
        raise ConfigError(
            f"long_text={way!r}", expected=f"one of {', '.join(WAYS)}", fix=did_you_mean(str(way), WAYS) or None
        )
    return way


def pieces(texts: Sequence[int | None], limit: int, way: str, from_left: bool = False) -> list[list[int]]:
    """Choose the places of a row's tokens that are read; one list, or several for windows.

    Special tokens are read always. Of a pair, the longer text gives way until both are equal, as in transformers
    (``longest_first``); in windows, it is the longer one that is read piece by piece.

    Args:
        texts: For each token the text it is of, 0 or 1, or None for special tokens.
        limit: How many tokens may be read at once.
        way: One of `WAYS`.
        from_left: ``truncate`` keeps the end instead of the beginning.
    """
    bodies = [[place for place, text in enumerate(texts) if text == number] for number in (0, 1)]
    special = [place for place, text in enumerate(texts) if text is None]
    room = limit - len(special)
    if sum(map(len, bodies)) <= room:
        return [list(range(len(texts)))]
    shares = _shares(len(bodies[0]), len(bodies[1]), room)
    if way == "window":
        return _windows(bodies, special, room, shares)
    kept = [_kept(body, share, way, from_left) for body, share in zip(bodies, shares, strict=True)]
    return [sorted(special + kept[0] + kept[1])]


def _kept(body: list[int], share: int, way: str, from_left: bool) -> list[int]:
    if len(body) <= share:
        return body
    head = int(share * HEAD) if way == "head_tail" else 0 if from_left else share
    return body[:head] + body[len(body) - (share - head) :]


def _windows(bodies: list[list[int]], special: list[int], room: int, shares: tuple[int, int]) -> list[list[int]]:
    longer = int(len(bodies[1]) > len(bodies[0]))
    body, other = bodies[longer], bodies[1 - longer][: shares[1 - longer]]
    size = room - len(other)
    step = max(1, size - int(size * OVERLAP))
    if size < 1:
        return [sorted(special + other)]
    starts = [*range(0, len(body) - size, step), len(body) - size][:MOST_WINDOWS]
    return [sorted(special + other + body[start : start + size]) for start in starts]


def _shares(first: int, second: int, room: int) -> tuple[int, int]:
    """How many tokens of each text stay: the shorter one whole if it can, else half each, the odd one to the longer."""
    shorter, longer = min(first, second), max(first, second)
    longer_stays = longer if shorter > room else max(shorter, room - shorter)
    if shorter + longer_stays > room:
        shorter, longer_stays = room // 2, room // 2 + room % 2
    return (longer_stays, shorter) if first > second else (shorter, longer_stays)
