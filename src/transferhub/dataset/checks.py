"""What can be wrong with rows that could all be read: errors where nothing can be learnt, else warnings."""

import re
import unicodedata
from collections.abc import Iterable, Mapping

from transferhub.dataset.store import FEW, Facts
from transferhub.errors import DataError, did_you_mean
from transferhub.log import logger

ENOUGH = 20  # rows from which on an almost unique label column is refused
SHOWN = 5
CHUNK_TAG = re.compile(r"[BIESLUM]-.+|.+-[BIESLUM]", re.DOTALL)


def check_rows(source: str, facts: Facts, header: bool) -> None:
    """Refuse a split in which there is nothing to read; count empty texts, and pairs with an empty half.

    Args:
        source: What messages call it.
        facts: Of its rows.
        header: Whether it has a header line, so that there is more than nothing in it.

    Raises:
        DataError: No rows, or empty texts only.
    """
    if not facts.rows:
        raise DataError(f"{source} has {'a header and ' if header else ''}no rows", expected="at least a row")
    if facts.empty == facts.rows:
        raise DataError(
            f"{source}: the text is empty in all {facts.rows} rows",
            fix="name the column that holds the text: text=… (--text-column)",
        )
    if facts.empty:
        logger.warning(
            "%s: %d of %d texts are empty (the first in row or line %d); they are kept",
            source,
            facts.empty,
            facts.rows,
            facts.first_empty,
        )
    if facts.halves:
        logger.warning(
            "%s: the second text is empty in %d of %d pairs (the first in row or line %d); they are kept",
            source,
            facts.halves,
            facts.rows,
            facts.first_half,
        )


def check_targets(source: str, facts: Facts, *, column: str, text: str, given: bool, outside: str = "O") -> None:
    """Refuse labels, of whatever kind, from which nothing can be learnt; see `check_labels`.

    Args:
        source: The training file.
        facts: Of its rows.
        column: What the label column is called.
        text: What the text column is called.
        given: Whether the caller listed the labels.
        outside: The tag of no entity.

    Raises:
        DataError: One value, one tag or one label only; a tag that marks no chunk among tags that do; of classes, what
            `check_labels` refuses.
    """
    if facts.kind == "classes":
        check_labels(source, facts, column=column, text=text, given=given)
    elif facts.kind == "value" and facts.low == facts.high and facts.rows > 1:
        raise DataError(
            f"{source}: every row has the value {facts.low:g}",
            expected="values that differ",
            fix="check that the column is the one you mean: label=… (--label-column)",
        )
    elif facts.kind == "tags" and len(facts.tags) < 2 and not given:
        raise DataError(
            f"{source}: every token has the tag {next(iter(facts.tags))!r}",
            expected=f"at least a tag beside {outside!r}",
            fix="check that the column is the one you mean: label=… (--label-column)",
        )
    elif facts.kind == "tags" and not given:
        _refuse_odd_tags(source, facts, outside)
    elif facts.kind == "labels" and len(facts.labels) < 2 and facts.rows > 1:
        raise DataError(
            f"{source}: every row has the labels {next(iter(facts.labels))!r:.60}",
            expected="rows that differ in their labels",
            fix="check that the column is the one you mean: label=… (--label-column)",
        )


def _refuse_odd_tags(source: str, facts: Facts, outside: str) -> None:
    """One misspelt tag would turn scores of chunks into scores of single words."""
    chunks = [tag for tag in facts.tags if CHUNK_TAG.fullmatch(tag)]
    odd = [tag for tag in facts.tags if tag != outside and tag not in chunks]
    if not odd or sum(facts.tags[tag] for tag in odd) >= sum(facts.tags[tag] for tag in chunks):
        return
    tag, count = odd[0], facts.tags[odd[0]]
    near = did_you_mean(tag.upper().replace("0", outside[:1]), [outside, *chunks])
    raise DataError(
        f"{source}: the tag {tag!r:.60} ({count} times, the first in row or line {facts.tag_lines[tag]}) marks no "
        f"chunk, as {', '.join(map(repr, chunks[:4]))} do",
        expected=f"{outside!r} and tags such as B-X and I-X throughout",
        fix=f"{near}correct the rows; or name all tags: label_list=[…]",
    )


def check_labels(source: str, facts: Facts, *, column: str, text: str, given: bool) -> None:
    """Refuse labels that cannot be labels, and show those that look like one another.

    Args:
        source: The training file.
        facts: Of its rows.
        column: What the label column is called.
        text: What the text column is called.
        given: Whether the caller listed the labels: then any number of them is meant.

    Raises:
        DataError: Text and label swapped, a label a row, one label only.
    """
    labels = facts.labels
    if not given:
        _refuse_unique(source, facts, column, text)
        if len(labels) < 2:
            raise DataError(
                f"{source}: every row has the label {next(iter(labels))!r}",
                expected="at least two labels to tell apart",
                fix="check that the label column is the one you mean: label=… (--label-column)",
            )
    say_look_alikes(source, labels)


def say_look_alikes(source: str, labels: Mapping[str, int]) -> None:
    """Warn of labels that differ only by case, spaces or form.

    Args:
        source: What messages call the rows.
        labels: Name → rows.
    """
    for alike in _look_alikes(labels)[:SHOWN]:
        counted = ", ".join(f"{name!r} ({labels[name]} rows)" for name in alike[:SHOWN])
        logger.warning(
            "%s: %s; kept as they are: if they mean the same, make them the same in the file",
            source,
            f"labels that differ only by case, spaces or form: {counted}"
            if len(alike) > 1
            else f"a label with spaces around it: {counted}",
        )


def _refuse_unique(source: str, facts: Facts, column: str, text: str) -> None:
    names, rows = len(facts.labels), facts.rows
    if names <= rows / 2 or rows < 8:
        return
    length = sum(len(name) * count for name, count in facts.labels.items())
    if facts.texts < FEW and facts.texts <= rows / 2 and length > 2 * facts.characters:
        raise DataError(
            f"{source}: {names} different labels, {facts.texts} different texts in {rows} rows: "
            "the columns seem swapped",
            expected="many texts, few labels",
            fix=f"text={column!r}, label={text!r} (--text-column {column} --label-column {text})",
        )
    if rows >= ENOUGH:
        some = ", ".join(repr(name[:40]) for name in list(facts.labels)[:3])
        raise DataError(
            f"{source}: num labels = {names} of {rows} rows ({some} …): is {column!r} the id column?",
            expected="few labels, each in many rows",
            fix="label=… (--label-column) names another column; label_list=[…] says that these are the labels",
        )


def _look_alikes(labels: Iterable[str]) -> list[list[str]]:
    groups: dict[str, list[str]] = {}
    for name in labels:
        key = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
        groups.setdefault(re.sub(r"(?<=[0-9])\.0+$", "", key), []).append(name)
    return [names for names in groups.values() if len(names) > 1 or names[0] != names[0].strip()]
