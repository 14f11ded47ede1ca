"""Tags of sequence labelling: what ``B-PER`` says, which tags may follow which, and the chunks that they mark."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from transferhub.errors import ConfigError

Ids = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

OUTSIDE = "O"
# Letters of other conventions for the same places: BILOU's last and unit, BMES's middle.
_LETTERS = {"B": "B", "I": "I", "E": "E", "S": "S", "L": "E", "U": "S", "M": "I"}
_BEFORE = re.compile(r"([BIESLUM])(?:-(.*))?", re.DOTALL)
_BEHIND = re.compile(r"(?:(.*)-)?([BIESLUM])", re.DOTALL)  # LAC writes n-B, n-I
_NO_TYPE = "_"  # seqeval's name for the type of a lone B


@dataclass(frozen=True)
class Chunks:
    """Chunks of sequences that stand one behind the other.

    Args:
        types: int64 ``[chunks]``, places in ``TagSet.types``.
        starts: int64 ``[chunks]``, of their first tokens, counted through all sequences.
        stops: int64 ``[chunks]``, behind their last tokens.
        illegal: How many runs of tags are no chunk as they stand: they begin without B, or end without E.
    """

    types: Ids
    starts: Ids
    stops: Ids
    illegal: int


class TagSet:
    """The tags of a data set, in the order of their ids.

    IOB2 (``B-PER I-PER O``), or IOBES where there is an E or S (BILOU and BMES are the same in other letters). The
    letter may stand behind the type (``PER-B``) if it does in all tags.

    Args:
        labels: The tags' names.

    Raises:
        ConfigError: A name that is neither ``O`` nor of this form.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = list(labels)
        marked = [label for label in self.labels if label != OUTSIDE]
        behind = bool(marked) and all(_BEHIND.fullmatch(label) for label in marked)
        self._behind = behind and not all(_BEFORE.fullmatch(label) for label in marked)
        parts = [self._parsed(label) for label in self.labels]
        self.types: list[str] = sorted({kind for _, kind in parts if kind is not None})
        self.letters = np.array([letter for letter, _ in parts] or [OUTSIDE])[: len(parts)]
        self.type_of: Ids = np.array([-1 if kind is None else self.types.index(kind) for _, kind in parts], np.int64)
        self.scheme = "IOBES" if np.isin(self.letters, ["E", "S"]).any() else "IOB2"

    def _parsed(self, label: str) -> tuple[str, str | None]:
        if label == OUTSIDE:
            return OUTSIDE, None
        found = (_BEHIND if self._behind else _BEFORE).fullmatch(label)
        if found is None:
            raise ConfigError(
                f"the tag {label!r} marks no chunk",
                expected="O, or tags such as B-PER and I-PER (S-PER and E-PER too), one form for all",
                fix="rename the tags; classes of single tokens, such as parts of speech, are measured by acc",
            )
        letter, kind = found.groups()[::-1] if self._behind else found.groups()
        return _LETTERS[letter], kind or _NO_TYPE

    def chunks(self, tags: Ids, lengths: Ids, strict: bool = True) -> Chunks:
        """The chunks of sequences.

        Strict, as seqeval's strict mode has it: a chunk of IOB2 begins with B and goes on with I of its type; one of
        IOBES is an S, or begins with B and ends with E. Otherwise what is not legal is repaired as conlleval does: a
        run of one type is a chunk, whatever it begins or ends with.

        Args:
            tags: int64 ``[tokens]``, the sequences one behind the other.
            lengths: int64 ``[sequences]``, their tokens.
            strict: Whether illegal runs are left out instead of repaired.
        """
        if not len(tags):
            nothing = np.empty(0, np.int64)
            return Chunks(nothing, nothing, nothing, 0)
        letters, types = self.letters[tags], self.type_of[tags]
        goes_on = self._goes_on(letters, types, lengths)
        starts = np.flatnonzero((letters != OUTSIDE) & ~goes_on)
        ends = np.append(~goes_on[1:], True)
        stops = np.flatnonzero((letters != OUTSIDE) & ends) + 1
        legal = letters[starts] == "B"
        if self.scheme == "IOBES":
            legal = (legal & (letters[stops - 1] == "E")) | (letters[starts] == "S")
        kept = legal if strict else np.ones_like(legal)
        return Chunks(types[starts[kept]], starts[kept], stops[kept], int((~legal).sum()))

    def repaired(self, tags: Sequence[str]) -> list[str]:
        """One sequence with its illegal runs made chunks: ``O I-PER I-PER`` becomes ``O B-PER I-PER``.

        A tag that the set does not have stays as it was: without S-PER, a lone E-PER is left.
        """
        index = {label: place for place, label in enumerate(self.labels)}
        ids = np.array([index[tag] for tag in tags], np.int64)
        by_look = {(str(letter), int(kind)): place for place, (letter, kind) in enumerate(self._looks)}
        found = self.chunks(ids, np.array([len(ids)]), strict=False)
        for kind, start, stop in zip(found.types.tolist(), found.starts.tolist(), found.stops.tolist(), strict=True):
            for place in range(start, stop):
                ids[place] = by_look.get((self._letter(place, start, stop), kind), ids[place])
        return [self.labels[tag] for tag in ids]

    @cached_property
    def legal_starts(self) -> Flags:
        """Bool ``[tags]``: which tags a sequence may begin with."""
        return ~np.isin(self.letters, ["I", "E"])

    @cached_property
    def legal_ends(self) -> Flags:
        """Bool ``[tags]``: which tags a sequence may end with."""
        return ~np.isin(self.letters, ["B", "I"]) if self.scheme == "IOBES" else np.ones(len(self.labels), np.bool_)

    @cached_property
    def legal_steps(self) -> Flags:
        """Bool ``[tags, tags]``: whether the second tag may follow the first."""
        same = self.type_of[:, None] == self.type_of[None, :]
        opened = np.isin(self.letters, ["B", "I"])
        inside = np.isin(self.letters, ["I", "E"])
        goes_on: Flags = opened[:, None] & inside[None, :] & same
        anew = ~inside[None, :] & (~opened[:, None] if self.scheme == "IOBES" else True)
        legal: Flags = goes_on | anew
        return legal

    @property
    def legal(self) -> Flags:
        """Bool ``[tags + 2, tags]``: `legal_steps`, then `legal_starts` and `legal_ends`, as a CRF takes them."""
        return np.concatenate([self.legal_steps, self.legal_starts[None], self.legal_ends[None]])

    @property
    def _looks(self) -> list[tuple[str, int]]:
        return list(zip(self.letters.tolist(), self.type_of.tolist(), strict=True))

    def _letter(self, place: int, start: int, stop: int) -> str:
        if self.scheme == "IOB2":
            return "B" if place == start else "I"
        if stop - start == 1:
            return "S"
        return "B" if place == start else "E" if place == stop - 1 else "I"

    @staticmethod
    def _goes_on(letters: npt.NDArray[np.str_], types: Ids, lengths: Ids) -> Flags:
        """Whether each token is of the same run as the one before it."""
        goes_on = np.zeros(len(letters), np.bool_)
        goes_on[1:] = np.isin(letters[:-1], ["B", "I"]) & np.isin(letters[1:], ["I", "E"]) & (types[:-1] == types[1:])
        firsts = np.cumsum(lengths)[:-1]
        goes_on[firsts[firsts < len(letters)]] = False
        return goes_on
