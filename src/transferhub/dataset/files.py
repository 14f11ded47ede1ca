"""``hub.dataset.load``: files, folders and tables of one's own → a data set; what was guessed of them is said."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transferhub.dataset import binary, conll, folders, raw, store, targets
from transferhub.dataset.base_dataset import BaseDataset
from transferhub.dataset.cells import stored_rows
from transferhub.dataset.checks import check_rows, check_targets
from transferhub.dataset.delimited import delimited
from transferhub.dataset.encodings import known
from transferhub.dataset.examples import Examples, InputExample
from transferhub.dataset.flag_columns import with_flags
from transferhub.dataset.json_rows import json_table
from transferhub.dataset.kind_checks import LabelColumns, check_known, checked_kind, checked_list
from transferhub.dataset.reading import ReadingExample, read_answers, table_answers
from transferhub.dataset.roles import choose, usual_names
from transferhub.dataset.table import Table
from transferhub.errors import ConfigError, DataError, did_you_mean
from transferhub.log import logger

JSON, PARQUET = (".json", ".jsonl", ".ndjson"), (".parquet", ".pq")
FOREIGN = (
    ".xls",
    ".xlsx",
    ".ods",
    ".pkl",
    ".pickle",
    ".npy",
    ".npz",
    ".pt",
    ".arrow",
    ".feather",
    ".zip",
    ".tar",
    ".doc",
)
SPLITS = {name: split for split, names in folders.SPLITS.items() for name in names}


def load(
    train: Any = None,
    dev: Any = None,
    test: Any = None,
    *,
    text: str | int | None = None,
    text_pair: str | int | None = None,
    label: LabelColumns = None,
    label_list: Sequence[Any] | None = None,
    kind: str = "classes",
    delimiter: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    quoted: bool | None = None,
) -> BaseDataset:
    r"""Load rows of one's own. What was guessed is said in one log line a file; the uncertain is an error that asks.

    Each split is a file: ``.csv .tsv .txt .json .jsonl .parquet``, the text ones also as ``.gz``; a folder
    (``pos/*.txt``, ``neg/*.txt``); a pandas DataFrame; a ``datasets.Dataset``; or a list of `InputExample`. All splits
    at once: a folder with ``train/pos/*.txt`` … or with files ``train.csv``, ``dev.csv``, ``test.csv``, a
    ``DatasetDict``, or ``{"train": …, "dev": …, "test": …}``.

    Args:
        train: The rows to train on, or all splits.
        dev: The rows on which the best model is chosen; without it a tenth of `train` is split off when needed.
        test: The rows that are looked at once, at the end.
        text: The name of the text column, or its number from 0 where there is no header. None: told from the header.
        text_pair: The second text's column, for pairs.
        label: The label column. None: told from the header. With ``kind="labels"`` also several columns of 0 and 1.
        label_list: Label names in the order of their ids. None: the sorted labels of the training rows.
        kind: What a label is. ``classes``: one name. ``labels``: any number of names, joined by ``,`` ``;`` or ``|`` or
            a list, or flags ``1,0,0``. ``value``: a number. ``tags``: one for each token, both joined by ``\x02`` or
            spaces, in lists, or in CoNLL columns (token first, tag last; `text` and `label` are their numbers).
            ``answers``: places in a passage, in SQuAD's form or in columns ``id question context answers``.
        delimiter: What stands between two cells. None: told from the rows.
        encoding: Of text files. None: UTF-8, or what byte order mark and bytes say.
        header: Whether the first row names the columns. None: told from the rows.
        quoted: Whether ``"…"`` encloses a cell. None: in csv files; in tsv files quotes are data.

    Raises:
        DataError: A missing, empty, header-only or ragged file (with file:line), a column that is not there or cannot
            be guessed, labels that cannot be labels of their kind.
    """
    several = checked_kind(kind, text_pair, label)
    splits = {name: given for name, given in (("train", train), ("dev", dev), ("test", test)) if given is not None}
    if list(splits) == ["train"]:
        splits = _all_splits(train)
    else:
        for given in splits.values():
            _refuse_splits(given)
    if not splits:
        raise DataError("no rows to load", expected="a file, a folder, a DataFrame, or {'train': …, 'dev': …}")
    first = next(iter(splits.values()))
    dataset = BaseDataset(str(Path(first).parent) if isinstance(first, str | Path) else None, label_list)
    dataset.kind = kind
    dataset.name = str(train if isinstance(train, str | Path) else first if isinstance(first, str | Path) else "rows")
    for split, given in splits.items():
        rows: Sequence[InputExample]
        if isinstance(given, list | tuple) and given and isinstance(given[0], InputExample):
            rows = checked_list(given, split, kind)
        elif kind == "answers":
            rows = read_questions(given, split, encoding)
        else:
            table = _table(given, split, (text, text_pair, *several), delimiter, encoding, header, quoted, kind)
            columns: dict[str, LabelColumns] = {"text": text, "text_pair": text_pair, "label": label}
            rows = _examples(table, columns, labelled=True, paired=None, kind=kind)
            if split == "train":
                names = _names_in(table, rows)
                if names and label_list is None:
                    dataset.set_labels(names)
                elif names and "flags" in rows.names and _is_other_order(names, dataset.label_list):
                    raise ConfigError(
                        f"label_list={dataset.label_list!r:.80}, but the columns of flags are {names!r:.80}",
                        expected="the same order, or names of which none is a column",
                        fix="leave label_list out",
                    )
                column, texts = (str(rows.names.get(role, role)) for role in ("label", "text"))
                given_labels = label_list is not None or names is not None
                check_targets(table.source, rows.stored.facts, column=column, text=texts, given=given_labels)
        setattr(dataset, f"{split}_examples", rows)
    if len(dataset.train_examples):
        for split in splits:
            check_known(dataset, split)  # labels that the training rows do not have are named now, not after an epoch
    return dataset


def _names_in(table: Table, rows: Examples) -> list[str] | None:
    """The labels that the file itself names, in their order: those of its numbers, or of its columns of flags."""
    flags: list[str] | None = rows.names.get("flags")
    names = flags or table.label_names.get(rows.columns["label"])
    return targets.sorted_tags(names) if names and rows.stored.facts.kind == "tags" else names


def _is_other_order(names: Sequence[str], given: Sequence[str]) -> bool:
    return bool(set(names) & set(given)) and list(names) != list(given)


def read_questions(
    given: Any, split: str = "test", encoding: str | None = None, *, labelled: bool = True
) -> list[ReadingExample]:
    """Questions on passages, of whatever `load` takes; `labelled` says whether a table must have answers.

    Raises:
        DataError: As `reading.read_answers` and `reading.table_answers`.
    """
    if isinstance(given, str | Path) and raw.suffix_of(Path(given)) == ".json":
        return read_answers(Path(given), encoding=encoding, labelled=labelled)
    table = _table(given, split, (), encoding=encoding)
    return table_answers(table, labelled=labelled)


def _refuse_splits(path: Any) -> None:
    """One split is asked for: a folder of several is not one."""
    if not isinstance(path, str | Path) or not Path(path).is_dir():
        return
    inside = {split: found for split, found in folders.splits_of(Path(path)).items() if found != Path(path)}
    if inside:
        names = ", ".join(str(found) for found in inside.values())
        raise DataError(f"{path} holds splits of a data set: {names}", fix="name the one that is meant")


def read_examples(
    path: Path,
    *,
    text: str | int | None = None,
    text_pair: str | int | None = None,
    label: LabelColumns = None,
    labelled: bool,
    paired: bool | None = None,
    kind: str = "classes",
    delimiter: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    quoted: bool | None = None,
) -> Examples:
    """Read one file, to predict or to evaluate; its rows are not kept on disk.

    `kind` is none of answers, which `reading.read_answers` reads. `labelled` says whether a label column must be there;
    `paired` whether a second text must (or must not) be. None: a second text is looked for where neither text column is
    named.
    """
    _refuse_splits(path)
    several = checked_kind(kind, text_pair, label)
    table = _table(path, "data", (text, text_pair, *several), delimiter, encoding, header, quoted, kind)
    table.digest = None
    columns: dict[str, LabelColumns] = {"text": text, "text_pair": text_pair, "label": label}
    return _examples(table, columns, labelled=labelled, paired=paired, kind=kind)


def header_of(
    path: Path,
    delimiter: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    quoted: bool | None = None,
) -> list[str | int]:
    """What the columns of a file are called: their names, or their numbers where there is no header."""
    _refuse_splits(path)
    table = _table(path, "data", (), delimiter, encoding, header, quoted)
    return list(table.names) if table.names is not None else list(range(table.width))


def _all_splits(given: Any) -> dict[str, Any]:
    """The splits that one argument stands for: a mapping of them, a folder of them, or the training rows alone."""
    if isinstance(given, str | Path):
        path = Path(given)
        with raw.reading(path):
            return dict(folders.splits_of(path)) if path.is_dir() else {"train": path}
    if not isinstance(given, Mapping):
        return {"train": given}
    splits: dict[str, Any] = {}
    for name, rows in given.items():
        split = SPLITS.get(str(name).lower())
        if split is None and binary.is_hub_dataset(given):
            logger.info("The split %r (%s rows) is left out: it is none of train, dev and test", name, len(rows))
        elif split is None or split in splits:
            raise DataError(
                f"there is no split {name!r}" if split is None else f"two splits for {split}",
                expected="'train', 'dev' (or 'validation') and 'test', each once",
                fix="a table of columns goes in as a DataFrame"
                if str(name).lower() in usual_names("classes") | usual_names("tags") | {"question", "context"}
                else did_you_mean(str(name), SPLITS) or "a table of columns goes in as a DataFrame",
            )
        elif rows is not None:
            splits[split] = rows
    return splits


def _table(
    given: Any,
    split: str,
    columns: Sequence[str | int | None],
    delimiter: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    quoted: bool | None = None,
    kind: str = "classes",
) -> Table:
    """Open whatever holds the rows of one split."""
    if binary.is_frame(given):
        return binary.frame(given)
    if binary.is_hub_dataset(given):
        return binary.hub_dataset(given, split)
    if not isinstance(given, str | Path):
        raise DataError(
            f"{split}: {type(given).__name__} {given!r:.60}",
            expected="a path, a DataFrame, a datasets.Dataset, or a list of InputExample",
        )
    path, encoding = Path(given), None if encoding is None else known(encoding)
    with raw.reading(path):
        if path.is_dir() and kind != "classes":
            raise DataError(f"{path} is a folder", expected=f"a file, for kind={kind!r}", fix="name the file in it")
        if path.is_dir():
            return folders.text_folder(path, encoding=encoding)
        path.stat()
    suffix = raw.suffix_of(path)
    if suffix in JSON:
        return json_table(path, encoding=encoding)
    if suffix in PARQUET:
        return binary.parquet(path)
    if suffix in FOREIGN:
        raise DataError(
            f"{path}: {suffix} files are not read",
            expected="csv, tsv, txt, json, jsonl or parquet",
            fix="save it as csv",
        )
    if kind == "tags" and header is not True and not _named(columns) and conll.is_conll(path, encoding):
        token, _, tag = (*columns, None, None, None)[:3]
        return conll.conll(path, token=token, tag=tag, delimiter=delimiter, encoding=encoding)
    given = [str(column) for column in columns if column is not None]
    names = usual_names(kind) | {name.lower() for name in given if not name.isdecimal()}
    numbered = any(name.isdecimal() for name in given)
    return delimited(path, names, numbered, delimiter=delimiter, encoding=encoding, header=header, quoted=quoted)


def _named(columns: Sequence[str | int | None]) -> bool:
    """Whether a column is asked for by name."""
    return any(isinstance(column, str) and not column.lstrip("-").isdecimal() for column in columns)


def _examples(
    table: Table, columns: dict[str, LabelColumns], *, labelled: bool, paired: bool | None, kind: str = "classes"
) -> Examples:
    """Read a table's rows in the columns that are named or told, and say what was found."""
    flags: list[str] | None = None
    used: list[int] = []
    named: dict[str, str | int | None] = {}
    for role, column in columns.items():
        if column is None or isinstance(column, str | int):
            named[role] = column
        elif labelled:
            table, flags, used = with_flags(table, column)
            named[role] = table.width - 1
    if table.chosen:
        named = {}
    roles = choose(table, named, labelled=labelled, paired=False if kind == "tags" else paired, kind=kind)
    rows = stored_rows(table, roles, kind)
    if table.size < store.BIG:
        stored = store.in_memory(rows, table.notes, kind)
    elif table.digest is None:
        stored = store.in_passing(rows, table.notes, kind)
    else:
        key = f"{store.VERSION} {table.digest} {sorted(roles.items())} {kind}"
        stored = store.kept(hashlib.sha256(key.encode()).hexdigest(), rows, table.notes, kind)
    facts = stored.facts
    check_rows(table.source, facts, "header" in table.said)
    said = [
        f"{'second text' if role == 'text_pair' else role}={table.called(column)}" for role, column in roles.items()
    ]
    unused = [table.called(column) for column in range(table.width) if column not in (*roles.values(), *used)]
    logger.info(
        "%s: %d rows, %s, columns %s%s",
        table.source,
        facts.rows,
        ", ".join(table.said),
        ", ".join(said),
        f" (not used: {', '.join(unused[:8])}{' …' if len(unused) > 8 else ''})" if unused else "",
    )
    for note in facts.notes:
        logger.info("%s", note)
    examples = Examples(stored, table.source, table.place)
    examples.columns = roles
    examples.names = {role: table.names[column] if table.names else column for role, column in roles.items()}
    if flags:
        examples.names["flags"] = flags
    return examples
