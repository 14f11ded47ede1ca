"""What readers ask of a split: its label sets, values or tags as numbers; and what the labels are called."""

import collections
import copy
import functools
import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

import numpy as np
import numpy.typing as npt

from transferhub.dataset.examples import Examples, InputExample, where
from transferhub.dataset.kinds import number, plain, tokens_of
from transferhub.dataset.set_forms import Form, form_of, parsed, pieces
from transferhub.errors import ConfigError, DataError, did_you_mean

if TYPE_CHECKING:
    from transferhub.dataset.base_dataset import BaseDataset

PREFIXES = ("B", "I", "E", "S", "M", "L", "U")  # of BIO, BIOES, BMES, BILOU


class Coded(Protocol):
    """Rows whose labels recur: `Examples` of such a kind, and `Pictures` with label sets."""

    @property
    def codes(self) -> npt.NDArray[np.int32]:
        """The place of each row's label in `label_names`; -1: no label."""

    @property
    def label_names(self) -> list[str]:
        """The labels, each once."""

    @property
    def found_labels(self) -> list[str]:
        """Those that occur."""


def is_coded(examples: Any) -> TypeGuard[Coded]:
    """Whether rows say their labels as codes."""
    return bool(getattr(examples, "coded", False))


def values(dataset: "BaseDataset", phase: str) -> npt.NDArray[np.float32]:
    """The values of a split, float32 ``[rows]``.

    Raises:
        DataError: A label that is no finite number, by file and line.
    """
    examples = dataset.get_examples(phase)
    found = np.empty(len(examples), np.float32)
    for row, label in enumerate(_labels(examples)):
        found[row] = number(label, functools.partial(where, examples, row, f"{phase}_examples"))
    return found


def tags(
    example: InputExample, label_index: Mapping[str, int], where: str, split_char: str | None = None
) -> tuple[list[str], list[int]]:
    r"""The tokens of a row and the ids of their tags.

    Args:
        example: ``text_a`` and ``label`` are lists, or joined by ``\\x02``, or by spaces where neither has that.
        label_index: Tag → id.
        where: Names the row.
        split_char: What joins them, where it is another character.

    Raises:
        DataError: Another number of tags than tokens, or a tag that is not known.
    """
    tokens, names = tokens_of(example.text_a, example.label, lambda: where, split_char)
    try:
        return tokens, [label_index[name] for name in names]
    except KeyError as error:
        name = str(error.args[0])
        at = names.index(name)
        raise DataError(
            f"{where}: tag {name!r:.60} of token {at} ({tokens[at]!r:.40}) is not known",
            expected=f"one of {', '.join(map(repr, list(label_index)[:20]))}",
            fix=did_you_mean(name, label_index) + "correct the row; or name all tags: label_list=[…]",
        ) from None


def label_sets(dataset: "BaseDataset", phase: str) -> npt.NDArray[np.uint8]:
    """Which labels each row of a split has: 0 or 1, uint8 ``[rows, labels]``.

    A row's label is a string of names (joined by ``,`` ``;`` or ``|``, or a JSON list), a string of flags (``1,0``), a
    list of names, or a list of numbers: flags if every row has `num_labels` values in {0, 1}, else ids.

    Raises:
        DataError: A row without a label, or with a name that `label_list` does not hold, by file and line.
    """
    examples, names = dataset.get_examples(phase), label_names(dataset, "labels")
    form, index = label_form(dataset, phase), {name: place for place, name in enumerate(names)}

    def one(label: Any, row: int) -> npt.NDArray[np.uint8]:
        try:
            return parsed(label, form, index)
        except DataError as error:
            place = where(examples, row, f"{phase}_examples")
            raise DataError(f"{place}: {error.what}", expected=error.expected, fix=error.fix) from None

    if is_coded(examples):
        codes = examples.codes
        used, first = np.unique(codes, return_index=True)
        table = np.zeros((len(examples.label_names) + 1, len(names)), np.uint8)
        for code, row in sorted(zip(used.tolist(), first.tolist(), strict=True), key=lambda pair: pair[1]):
            table[code] = one(None if code < 0 else examples.label_names[code], row)
        return table[codes]
    found = np.zeros((len(examples), len(names)), np.uint8)
    for row, label in enumerate(_labels(examples)):
        found[row] = one(label, row)
    return found


def label_form(dataset: "BaseDataset", phase: str = "train") -> Form:
    """How the label sets are written; told from the training rows, or from `phase` where there are none."""
    examples = dataset.train_examples if len(dataset.train_examples) else dataset.get_examples(phase)
    given = dataset.given_labels
    form = form_of(_distinct(examples), given)
    if form.kind != "flags":
        _refuse_uneven_flags(examples, phase)
    if phase == "train":
        said = {"flags": "a flag for each label", "names": "names", "ids": "ids of labels"}[form.kind]
        dataset.say_once(f"{dataset.name}: label sets are written as {said}")
        if form.kind == "names":
            _say_other_marks(dataset, form.separator, examples)
    return form


def _say_other_marks(dataset: "BaseDataset", separator: str, examples: Sequence[InputExample]) -> None:
    """Say which names hold a mark that could stand between names too, where nobody listed the names."""
    if dataset.given_labels is not None:
        return
    parts = {part for label in _distinct(examples) if isinstance(label, str) for part in pieces(label, separator)}
    odd = sorted(part for part in parts if any(mark in part for mark in ("|", ";", ",", "，", "、", "；")))
    if odd:
        dataset.say_once(
            f"{dataset.name}: names of label sets are joined by {separator!r}; other signs are taken as part of the "
            f"name: {', '.join(map(repr, odd[:3]))}{' …' if len(odd) > 3 else ''}; label_list=[…] names the labels"
        )


def _refuse_uneven_flags(examples: Sequence[InputExample], phase: str) -> None:
    """Where every label set is of 0 and 1, and one of them twice in a row, flags are meant; a row has too few or many.

    Raises:
        DataError: With the row.
    """
    flags = [pieces(label, None) for label in _distinct(examples)]
    if not all({*row} <= {"0", "1"} for row in flags) or all(len({*row}) == len(row) for row in flags):
        return
    usual = collections.Counter(map(len, flags)).most_common(1)[0][0]
    for row, label in enumerate(_labels(examples)):
        if label is not None and len(pieces(label, None)) != usual:
            raise DataError(
                f"{where(examples, row, f'{phase}_examples')}: {len(pieces(label, None))} flags ({label!r:.60}), "
                f"other rows have {usual}",
                expected="a flag for each label in every row",
                fix="correct the row",
            )


def label_names(dataset: "BaseDataset", kind: str) -> list[str]:
    """The labels in the order of their ids, of a data set read as this kind.

    Given ones are in the order given. Else those of the training rows: sorted; tags in the order ``B-X I-X`` for each
    sorted ``X``, then the tag of no entity, so that 2k begins and 2k + 1 continues a chunk (PaddleHub's convention).
    """
    if kind in ("value", "answers"):
        return []
    if dataset.given_labels is not None:
        return list(dataset.given_labels)
    examples = dataset.train_examples
    if kind == "tags":
        return sorted_tags(_tag_names(examples), dataset.no_entity_label)
    if kind == "labels":
        distinct = _distinct(examples)
        form = form_of(distinct, None)
        if form.kind == "flags":
            return [str(place) for place in range(len(pieces(distinct[0], None)))]
        _refuse_uneven_flags(examples, "train")
        return sorted({part for label in distinct for part in pieces(label, form.separator)}, key=as_number)
    if is_coded(examples):
        return sorted(examples.found_labels, key=as_number)
    return sorted({str(label) for label in _labels(examples) if label is not None}, key=as_number)


def with_labels(dataset: "BaseDataset", names: Sequence[str], kind: str) -> "BaseDataset":
    """A data set whose labels have the order of `names`: itself, or a copy; other names are new ones for its labels.

    Raises:
        ConfigError: Names of which some are labels of the data set and some are not; new ones, of which there are
            others than labels, and these are no ids; or another order, where rows hold numbers or flags instead of
            names.
    """
    has, wanted = label_names(dataset, kind), [str(name) for name in names]
    if has == wanted or not has:
        return dataset
    if not set(has) & set(wanted):
        if len(has) == len(wanted):
            return dataset
        if not all(name.isdecimal() and int(name) < len(wanted) for name in has) or kind == "tags":
            raise ConfigError(
                f"label_list has {len(wanted)} names: {wanted!r:.80}",
                expected=f"a name for each of the {len(has)} labels: {', '.join(map(repr, has[:20]))}",
            )
        by_id = copy.copy(dataset)
        by_id.set_labels(wanted)
        return by_id
    missing = [name for name in has if name not in wanted]
    if missing:
        raise ConfigError(
            f"label_list={wanted!r:.80}, but the data set has the label {missing[0]!r} too",
            expected="all labels of the data set: " + ", ".join(map(repr, has[:20])),
            fix=did_you_mean(missing[0], wanted) or None,
        )
    rows = dataset.train_examples
    by_name = all(hasattr(row, "label") for row in itertools.islice(rows, 1))
    if label_form(dataset).kind != "names" if kind == "labels" else not by_name:
        raise ConfigError(
            f"label_list={wanted!r:.80}, but the rows hold numbers of {has!r:.80}, in this order",
            expected="the same order, or names of which none is a label of the data set",
            fix="leave label_list out",
        )
    ordered = copy.copy(dataset)
    ordered.set_labels(wanted)
    return ordered


def sorted_tags(names: Iterable[str], outside: str = "O") -> list[str]:
    """Tags in the order of their ids: by type, ``B-`` before ``I-``, that of no entity last.

    Where tags have these two prefixes only, each type has both tags, whether they occur or not.
    """
    found = set(names)
    plain_tags = sorted((name for name in found if name != outside and not _typed(name)), key=as_number)
    typed = [pair for name in found - {outside} if (pair := _typed(name))]
    whole = {prefix for prefix, _ in typed} <= {"B", "I"}
    ordered = [
        f"{prefix}-{kind}"
        for kind in sorted({kind for _, kind in typed})
        for prefix in PREFIXES
        if (prefix, kind) in typed or (whole and prefix in "BI")
    ]
    return [*plain_tags, *ordered, *([outside] if outside in found or typed else [])]


def as_number(label: str) -> tuple[bool, int, str]:
    """Order of names: whole numbers in theirs, before all others."""
    found = int(label) if re.fullmatch(r"[+-]?[0-9]+", label) else None
    return found is None, found or 0, label


def _typed(name: str) -> tuple[str, str] | None:
    prefix, dash, kind = name.partition("-")
    return (prefix, kind) if dash and kind and prefix in PREFIXES else None


def written_labels(examples: Sequence[InputExample]) -> set[str]:
    """The labels of a split, as its rows have them."""
    if isinstance(examples, Examples) and examples.coded:
        return set(examples.found_labels)
    return {str(label) for label in _labels(examples) if label is not None}


def _labels(examples: Sequence[InputExample]) -> Iterable[Any]:
    """The labels of all rows, without their texts where that can be."""
    if isinstance(examples, Examples):
        for start in range(0, len(examples), 1024):
            yield from examples.labels(start, min(start + 1024, len(examples)))
    else:
        rows: Iterable[Any] = examples
        for row in rows:
            yield row[1] if isinstance(row, list | tuple) else row.label  # (path, label) of a picture


def _distinct(examples: Sequence[InputExample]) -> list[Any]:
    if is_coded(examples):
        return list(examples.found_labels)
    found = {
        str(label) if isinstance(label, str) else json.dumps(plain(label), default=str): label
        for label in _labels(examples)
    }
    return [plain(label) for label in found.values() if label is not None]


def _tag_names(examples: Sequence[InputExample]) -> Iterable[str]:
    if isinstance(examples, Examples) and examples.stored.facts.kind == "tags":
        return examples.stored.facts.tags
    names: set[str] = set()
    for row, example in enumerate(examples):
        place = functools.partial(where, examples, row, "train_examples")
        names.update(tokens_of(example.text_a, example.label, place)[1])
    return names
