"""Which column of a table is the text, the second text, the label: named, told from the header, or asked for."""

from transferhub.dataset.table import Table
from transferhub.errors import DataError, did_you_mean

TEXT_NAMES = (
    "text_a",
    "text",
    "sentence",
    "sentence1",
    "review",
    "comment",
    "comment_text",
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
KIND_TEXTS = {"tags": ("tokens", "words", "chars", *TEXT_NAMES)}
KIND_LABELS = {  # tried before LABEL_NAMES
    "classes": (),
    "labels": ("labels", "tags", "emotions", "categories", "genres"),
    "value": ("score", "value", "similarity", "rating", "similarity_score", "relatedness_score", "分数"),
    "tags": ("tags", "ner_tags", "pos_tags", "chunk_tags", "ner", "labels"),
}
USUAL = frozenset((*TEXT_NAMES, *PAIR_NAMES, *LABEL_NAMES))
FLAGS = {"text": "--text-column", "text_pair": "--text-pair-column", "label": "--label-column"}
WORDS = {"text": "text", "text_pair": "second text", "label": "label"}

Given = dict[str, str | int | None]  # role → what the caller says of it


def usual_names(kind: str) -> frozenset[str]:
    """Names of columns by which a header is known."""
    return USUAL | {*KIND_TEXTS.get(kind, ()), *KIND_LABELS.get(kind, ())}


def choose(table: Table, given: Given, *, labelled: bool, paired: bool | None, kind: str = "classes") -> dict[str, int]:
    """Role (``text``, ``text_pair``, ``label``) → number of its column.

    Args:
        table: With its header, or with a sample of its rows.
        given: The columns that are named: by name, or by number from 0.
        labelled: Whether a label must be there; else it is not looked for.
        paired: Whether a second text must (or must not) be. None: it is looked for where no text is named.
        kind: Of the labels; each kind's columns have usual names of their own.

    Raises:
        DataError: A column that is not there, is there twice, or cannot be told.
    """
    found = {role: column_of(table, role, name) for role, name in given.items() if name is not None}
    if not labelled:
        found.pop("label", None)
    if table.names is None:
        found = _by_place(table, found, labelled=labelled, paired=paired, kind=kind)
    else:
        looked_for = PAIR_NAMES if paired or (paired is None and "text" not in found) else ()
        _look_for(table, found, "text", KIND_TEXTS.get(kind, TEXT_NAMES), needed=True)
        _look_for(table, found, "text_pair", looked_for, needed=bool(paired))
        usual = (*KIND_LABELS[kind], *LABEL_NAMES) if labelled else ()
        _look_for(table, found, "label", usual, needed=labelled, kind=kind)
    _refuse_doubles(table, found)
    return {role: found[role] for role in WORDS if role in found}


def column_of(table: Table, role: str, name: str | int) -> int:
    """The number of a column that is named, or numbered from 0.

    Raises:
        DataError: It is not there.
    """
    names = table.names or []
    if isinstance(name, str) and name in names:
        return names.index(name)
    number = int(name) if isinstance(name, int) or (not table.names and name.isdecimal()) else None
    if number is not None and 0 <= number < table.width:
        return number
    there = (
        f"the header has {', '.join(map(repr, names))}" if names else f"there is no header, but {table.width} columns"
    )
    known = names if names else [str(number) for number in range(table.width)]
    near = did_you_mean(name, names) if isinstance(name, str) else ""
    raise DataError(
        f"{_top(table)}: no column {name!r}; {there}",
        expected=None if names else f"a number from 0 to {table.width - 1}",
        fix=f"{near}name the {WORDS[role]} column with {role}=… ({FLAGS[role]}): {', '.join(known[:20])}",
    )


def _look_for(
    table: Table, found: dict[str, int], role: str, usual: tuple[str, ...], *, needed: bool, kind: str = "classes"
) -> None:
    if role in found:
        return
    lower = [name.lower() for name in table.names or []]
    free = [name for name in usual if name in lower and lower.index(name) not in found.values()]
    if free:
        found[role] = lower.index(free[0])
    elif needed:
        names = ", ".join(map(repr, table.names or []))
        first_line = "header" in table.said
        many = "; a column of 0 and 1 for each label: label=[…] (--label-column one,two,three)"
        raise DataError(
            f"{_top(table)}: cannot tell which column is the {WORDS[role]}: "
            + (f"the header has {names}" if first_line else f"the columns are {names}"),
            expected="a first line that names the columns" if first_line else f"one called {', '.join(usual[:4])} …",
            fix=f"name the column with {role}=… ({FLAGS[role]})"
            + (many if role == "label" and kind == "labels" else "")
            + ("; if the first row is a row already: header=False" if first_line else ""),
        )


def _top(table: Table) -> str:
    """Where the columns are named."""
    return f"{table.source}:1" if "header" in table.said else table.source


def _by_place(table: Table, found: dict[str, int], *, labelled: bool, paired: bool | None, kind: str) -> dict[str, int]:
    """Columns without a header: the label is the one of clearly the fewest values, else the last; values, tags: last.

    Two texts are a pair where they stand first, as in PaddleHub's files; a text and something else is asked about.
    """
    free = [column for column in range(table.width) if column not in found.values()]
    if labelled and "label" not in found:
        if not free or table.width < 2:
            raise DataError(
                f"{table.source} only has one column: a text, no label",
                expected="text and label, or text, second text and label",
                fix='check the separator; spaces are no separator: delimiter="\\t"',
            )
        counts = {column: len({row[column] for row in table.sample if column < len(row)}) for column in free}
        fewest = min(free, key=lambda column: counts[column])
        others = [counts[column] for column in free if column != fewest]
        clear = kind in ("classes", "labels") and bool(others) and 2 * counts[fewest] <= min(others)
        found["label"] = fewest if clear else free[-1]
        free.remove(found["label"])
    if "text" not in found:
        texts = [column for column in free if not _is_numbers(table, column)] or free
        pair_first = (
            table.width - labelled == 2 == len(texts) and found.get("label", table.width - 1) == table.width - 1
        )
        wanted = 2 if paired or (paired is None and pair_first) else 1
        if paired and table.width - labelled < 2:
            raise DataError(
                f"{table.source} has no second text: {table.width} column{'s' if table.width > 1 else ''}",
                expected="pairs of texts, in two columns",
            )
        if len(texts) != wanted:
            raise DataError(
                f"{table.source} has no header and {table.width} columns: cannot tell which one is the text",
                fix="name the columns by number, from 0: text=0, label=1 (--text-column 0), or add a header line",
            )
        found["text"] = texts[0]
        if len(texts) == 2 and "text_pair" not in found:
            found["text_pair"] = texts[1]
    if paired and "text_pair" not in found:
        raise DataError(f"{table.source} has no second text", expected="pairs of texts", fix="text_pair=…")
    return found


def _is_numbers(table: Table, column: int) -> bool:
    return all(row[column].strip().isdecimal() for row in table.sample if column < len(row))


def _refuse_doubles(table: Table, found: dict[str, int]) -> None:
    for role, column in found.items():
        if table.names and table.names.count(table.names[column]) > 1:
            places = [str(place) for place, name in enumerate(table.names) if name == table.names[column]]
            raise DataError(
                f"{table.source}: {len(places)} columns are called {table.names[column]!r}: number "
                f"{' and '.join(places)}, counted from 0",
                expected="a name of its own for each column that is used",
                fix=f"rename one, or give the number: {role}={places[0]}",
            )
    if len(set(found.values())) < len(found):
        said = ", ".join(f"{role}={table.called(column)}" for role, column in found.items())
        raise DataError(f"{table.source}: one column for two things: {said}", expected="a column each")
