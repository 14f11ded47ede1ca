"""``hub.dataset.load``: a file of one's own → a data set, columns guessed from its header and said."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transferhub.dataset.base_dataset import BaseDataset
from transferhub.dataset.examples import Examples
from transferhub.dataset.rows import Row, read_table
from transferhub.errors import DataError, did_you_mean
from transferhub.log import logger

TEXT_NAMES = (
    "text_a",
    "text",
    "sentence",
    "sentence1",
    "review",
    "comment",
    "content",
    "body",
    "title",
    "question",
    "question1",
    "premise",
    "query",
    "message",
    "tweet",
    "headline",
    "description",
    "document",
    "文本",
    "内容",
    "评论",
)
PAIR_NAMES = ("text_b", "text_pair", "sentence2", "question2", "hypothesis", "answer")
LABEL_NAMES = ("label", "labels", "class", "category", "target", "sentiment", "y", "gold_label", "标签", "类别")


def load(
    train: str | Path | None = None,
    dev: str | Path | None = None,
    test: str | Path | None = None,
    *,
    text: str | None = None,
    text_pair: str | None = None,
    label: str | None = None,
    label_list: Sequence[Any] | None = None,
) -> BaseDataset:
    """Load csv (commas, quoted cells) or tsv files (tabs, quotes are data) with a header line.

    Args:
        train: The rows to train on.
        dev: The rows on which the best model is chosen; without it a tenth of `train` is split off when needed.
        test: The rows that are looked at once, at the end.
        text: The name of the text column. None: guessed from the header, and said.
        text_pair: The name of the second text's column, for pairs.
        label: The name of the label column. None: guessed from the header, and said.
        label_list: Label names in the order of their ids. None: the sorted labels of the training rows.

    Raises:
        DataError: A missing, empty, header-only or ragged file (with file:line), a column that is not there or cannot
            be guessed, one label only.
    """
    dataset = BaseDataset(str(Path(train).parent) if train else None, label_list)
    dataset.name = str(train or dev or test)
    for phase, path in (("train", train), ("dev", dev), ("test", test)):
        if path:
            rows = read_examples(Path(path), text=text, text_pair=text_pair, label=label, labelled=True)
            setattr(dataset, f"{phase}_examples", rows)
    if train and dataset.num_labels < 2:
        raise DataError(
            f"{train}: every row has the label {dataset.label_list[0]!r}",
            expected="at least two labels to tell apart",
            fix="check that the label column is the one you mean: label=… (--label-column)",
        )
    return dataset


def read_examples(
    path: Path,
    *,
    text: str | None = None,
    text_pair: str | None = None,
    label: str | None = None,
    labelled: bool,
    paired: bool | None = None,
) -> Examples:
    """Read one file with a header line.

    `labelled` says whether a label column must be there; `paired` whether a second text must (or must not) be. None: a
    second text is looked for where neither text column is named.
    """
    rows = read_table(path, with_header=True)
    header = next(rows, None)
    if header is None:
        raise DataError(f"{path} is empty", expected="a header line that names the columns, then a row a line")
    body = list(rows)
    if not body:
        raise DataError(f"{path} has a header and no rows", expected="a row a line")
    names = [name.strip() for name in header.cells]
    text_at = _find(path, names, text, TEXT_NAMES, "text", "--text-column")
    looked_for = PAIR_NAMES if paired or (paired is None and text is None) else ()
    needed = bool(paired)
    pair_at = _find(path, names, text_pair, looked_for, "second text", "--text-pair-column", needed=needed)
    label_at = _find(path, names, label, LABEL_NAMES, "label", "--label-column", needed=labelled)
    if text_at is None:
        raise _unknown_columns(path, names, "text", "text=… (--text-column)")
    said = [f"text={names[text_at]}"]
    said += [f"second text={names[pair_at]}"] if pair_at is not None else []
    said += [f"label={names[label_at]}"] if label_at is not None and labelled else []
    logger.info("%s: %d rows, columns %s", path, len(body), ", ".join(said))
    examples = Examples.from_columns(
        _column(body, text_at),
        None if pair_at is None else _column(body, pair_at),
        _labels(path, body, label_at) if labelled and label_at is not None else None,
        [row.line for row in body],
        str(path),
    )
    places = {"text": text_at, "text_pair": pair_at, "label": label_at}
    examples.names = {what: names[place] for what, place in places.items() if place is not None}
    return examples


def header_of(path: Path) -> list[str]:
    """The names in the first line of a file."""
    rows = read_table(path, with_header=True)
    return [name.strip() for name in next(rows, Row(1, [])).cells]


def _find(
    path: Path, names: list[str], given: str | None, usual: tuple[str, ...], what: str, flag: str, needed: bool = True
) -> int | None:
    if given is not None:
        if given not in names:
            raise DataError(
                f"{path}:1: no column {given!r}; the header has {', '.join(map(repr, names))}",
                fix=f"{did_you_mean(given, names)}name the {what} column with {flag}",
            )
        return names.index(given)
    lower = [name.lower() for name in names]
    for name in usual:
        if name in lower:
            return lower.index(name)
    if needed:
        raise _unknown_columns(path, names, what, flag)
    return None


def _unknown_columns(path: Path, names: list[str], what: str, flag: str) -> DataError:
    return DataError(
        f"{path}:1: cannot tell which column is the {what}: the header has {', '.join(map(repr, names))}",
        expected="a first line that names the columns",
        fix=f"name the column with {flag}, or add a header line",
    )


def _column(body: list[Row], place: int) -> list[str]:
    return [row.cells[place] for row in body]


def _labels(path: Path, body: list[Row], place: int) -> list[str]:
    for row in body:
        if not row.cells[place].strip():
            raise DataError(f"{path}:{row.line}: the label is empty", fix="fill it in, or remove the row")
    return [row.cells[place].strip() for row in body]
