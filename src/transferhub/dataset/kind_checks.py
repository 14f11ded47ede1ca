"""What must hold of arguments and rows of a kind, before an hour of training."""

from collections.abc import Sequence
from typing import Any

from transferhub.dataset import targets
from transferhub.dataset.base_dataset import BaseDataset
from transferhub.dataset.examples import Examples, InputExample, where
from transferhub.dataset.kinds import known_kind
from transferhub.dataset.reading import ReadingExample
from transferhub.errors import ConfigError, DataError

LabelColumns = str | int | Sequence[str | int] | None


def checked_kind(kind: str, text_pair: str | int | None, label: LabelColumns) -> Sequence[str | int | None]:
    """The label columns, if they fit the kind.

    Raises:
        ConfigError: No such kind, several label columns, or a second text, that this kind does not have.
    """
    known_kind(kind)
    several = label is not None and not isinstance(label, str | int)
    if several and kind != "labels":
        raise ConfigError(
            f"label={label!r:.60} with kind={kind!r}", expected='one column; several are flags: kind="labels"'
        )
    if kind in ("tags", "answers") and text_pair is not None:
        raise ConfigError(f"text_pair={text_pair!r} with kind={kind!r}", expected="no second text")
    return list(label) if isinstance(label, Sequence) and not isinstance(label, str) else [label]


def label_columns(named: str | None, kind: str) -> str | list[str] | None:
    """The label column that a command line names; of label sets several, with commas between."""
    if named is None or kind != "labels" or "," not in named:
        return named
    return [name.strip() for name in named.split(",")]


def check_known(dataset: BaseDataset, split: str) -> None:
    """Refuse a split with labels that are not known, by file and line; and, of a list, those that are no labels."""
    if dataset.kind == "classes":
        dataset.label_ids(split)
    elif dataset.kind == "labels":
        targets.label_sets(dataset, split)
    elif dataset.kind == "value":
        if not isinstance(dataset.get_examples(split), Examples):
            targets.values(dataset, split)
    elif dataset.kind == "tags":
        rows, index = dataset.get_examples(split), dataset.label_index
        if isinstance(rows, Examples) and rows.stored.facts.tags.keys() <= index.keys():
            return
        for row, example in enumerate(rows):
            targets.tags(example, index, where(rows, row, f"{split}_examples"))


def checked_list(given: Sequence[Any], split: str, kind: str) -> list[InputExample]:
    """Examples that were assigned or given, if they are examples.

    Raises:
        DataError: One that is none, or not of this kind.
    """
    wanted = "InputExample(guid, text_a, text_b, label)"
    if kind == "answers":
        wanted = "ReadingExample(guid, question, context, [(text, start)])"
    for place, example in enumerate(given):
        fits = isinstance(example, ReadingExample if kind == "answers" else InputExample)
        text: Any = example.text_a if fits else None
        tokens = kind == "tags" and isinstance(text, list) and all(isinstance(token, str) for token in text)
        if not isinstance(text, str) and not tokens:
            raise DataError(f"{split}[{place}]: {example!r:.80}", expected=wanted)
        second = getattr(example, "text_b", None)
        if second is not None and not isinstance(second, str):
            raise DataError(f"{split}[{place}]: text_b is {second!r:.60}", expected="a text, or None")
    return list(given)
