"""``hub.dataset.load_images``: folders, lists and tables of pictures of one's own → a data set."""

import collections
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from transferhub.dataset import binary, picture_checks, raw
from transferhub.dataset.base_cv_dataset import BaseCVDataset, PictureDataset
from transferhub.dataset.checks import say_look_alikes
from transferhub.dataset.kind_checks import LabelColumns, check_known, checked_kind
from transferhub.dataset.picture_tables import TABLES, Listed, label_text, of_table, opened, refuse_columns, there
from transferhub.dataset.picture_tree import NAMED, SAID, scan, splits_in
from transferhub.dataset.pictures import Pictures, path_of
from transferhub.dataset.targets import as_number as natural
from transferhub.errors import ConfigError, DataError, did_you_mean
from transferhub.log import logger

LISTS = ("train_list.txt", "validate_list.txt", "test_list.txt", "label_list.txt")  # PaddleHub's own names
PICTURE_KINDS = ("classes", "labels")
LOOKED_AT = ("test", "dev", "train")  # by an evaluation: the first that there is


def load_images(
    train: Any = None,
    dev: Any = None,
    test: Any = None,
    *,
    path: str | int | None = None,
    label: LabelColumns = None,
    label_list: Sequence[Any] | None = None,
    kind: str = "classes",
    base_path: str | Path | None = None,
    test_part: float | None = None,
    seed: int = 0,
    broken: str = "refuse",
) -> PictureDataset:
    """Load pictures of one's own. What was guessed is said in one log line a split.

    Each split is a folder of label folders (``ants/*.jpg``, ``bees/*.jpg``; folders inside those belong to the label);
    a ``.csv``, ``.tsv``, ``.jsonl`` or ``.parquet`` file or a pandas DataFrame with a column of paths and one of
    labels; or a list of ``(path, label)``. All splits at once: a folder with ``train/``, ``val/`` (or ``dev/``,
    ``valid/``) and ``test/``; a folder with PaddleHub's list files; or ``{"train": …, "dev": …, "test": …}``; `dev`
    and `test` go before those.

    A folder is listed, not opened: a million pictures take seconds, and their paths' bytes of memory.

    Args:
        train: The rows to train on, or all splits.
        dev: The rows on which the best model is chosen; without it a tenth of `train` is split off when needed.
        test: The rows that are looked at once, at the end.
        path: The column of paths, by name or number. None: told from the header; without one, the first.
        label: The column of labels, likewise; without a header, the last. With ``kind="labels"`` also several columns
            of 0 and 1.
        label_list: Label names in the order of their ids. None: the sorted names of the training rows.
        kind: ``classes``, one label a picture; or ``labels``, any number of them: names joined by ``,`` ``;`` or
            ``|``, a list (in JSON too), or flags ``1,0,0``, as `hub.dataset.load` has them.
        base_path: What paths in tables are relative to. None: the folder of the file, for a frame the current one.
        test_part: The part of the training rows that becomes the test rows, the same of each label. None: none.
        seed: Draws them.
        broken: ``refuse``: a picture that cannot be decoded is an error when it is read. ``skip``: all pictures are
            decoded now, and those that cannot be are left out, with their names in the log.

    Raises:
        ConfigError: `broken` or `test_part` out of range, another `kind`.
        DataError: No pictures, a missing one (with file:line), a column that cannot be told, one label only.
    """
    if broken not in ("refuse", "skip"):
        raise ConfigError(f"broken={broken!r}", expected="'refuse' or 'skip'")
    if test_part is not None and not 0 < test_part < 1:
        raise ConfigError(f"test_part={test_part!r}", expected="a part of the training rows, above 0 and below 1")
    if kind not in PICTURE_KINDS:
        raise ConfigError(f"kind={kind!r}", expected=" or ".join(map(repr, PICTURE_KINDS)))
    checked_kind(kind, None, label)
    apart = {name: given for name, given in (("dev", dev), ("test", test)) if given is not None}
    if lists := _lists_in(train, label_list, kind):
        for split, given in apart.items():
            setattr(lists, f"{split}_examples", labelled_rows(given, lists.label_list, path, label, kind))
        if apart:
            picture_checks.check(lists)
        else:
            refuse_columns(f"the lists of {train}", path, label)
        return _finished(lists, test_part, seed, broken)
    splits = {**({} if train is None else _all_splits(train, label_list)), **apart}
    if not splits:
        raise DataError("no pictures to load", expected=SAID)
    first = train if isinstance(train, str | Path) else next(iter(splits.values()))
    dataset = PictureDataset(str(first) if isinstance(first, str | Path) else None, label_list)
    dataset.name = str(first) if isinstance(first, str | Path) else "pictures"
    dataset.kind = kind
    found = {split: _rows(given, split, path, label, base_path, kind) for split, given in splits.items()}
    naming = found.get("train", next(iter(found.values())))
    for split, listed in found.items():  # an empty list or frame says that there is no such split, a file does not
        if not listed.names and (listed is naming or isinstance(splits[split], str | Path)):
            raise DataError(f"{listed.source} has no rows", expected="at least a row: a path and a label")
    if kind == "classes":
        say_look_alikes(naming.source, collections.Counter(naming.labels))
    if label_list is None and (kind == "classes" or naming.flags):
        dataset.set_labels(naming.flags or sorted(set(naming.labels), key=natural))
    for split, listed in found.items():
        rows = _with_sets(listed) if kind == "labels" else _with_ids(listed, dataset)
        setattr(dataset, f"{split}_examples", rows)
    for split, listed in found.items():
        if kind == "labels":
            check_known(dataset, split)
        named = dataset.num_labels if kind == "labels" else len(set(listed.labels))
        logger.info("%s: %d pictures, %d labels (%s)", listed.source, len(listed.names), named, split)
    picture_checks.check(dataset)
    return _finished(dataset, test_part, seed, broken)


def _with_sets(listed: Listed) -> Pictures:
    return Pictures.with_sets(listed.folder, listed.names, listed.labels, listed.source, listed.lines, listed.place)


def _with_ids(listed: Listed, dataset: PictureDataset) -> Pictures:
    """Rows whose label ids count in the data set's labels.

    Raises:
        DataError: A label that it does not have.
    """
    index, source = dataset.label_index, listed.source
    for place, name in enumerate(listed.labels):
        if name not in index:
            raise DataError(
                f"{_named(listed, place)}: label {name!r:.80} of {os.fsdecode(listed.names[place])} is not known",
                expected=f"one of {', '.join(map(repr, dataset.label_list[:20]))}",
                fix="every label must have training pictures, or be named in label_list=[…]",
            )
    ids = [index[name] for name in listed.labels]
    return Pictures.of(listed.folder, listed.names, ids, source, listed.lines, place=listed.place)


def _named(listed: Listed, row: int) -> str:
    if listed.lines is None:
        return listed.source
    return listed.place.format(source=listed.source, line=listed.lines[row])


def _finished(dataset: PictureDataset, test_part: float | None, seed: int, broken: str) -> PictureDataset:
    if broken == "skip":
        dataset = dataset.without_broken()
    if test_part is not None:
        if len(dataset.test_examples):
            raise ConfigError(f"test_part={test_part} and test pictures", fix="leave one out")
        return dataset.with_test(seed, test_part)
    return dataset


def labelled_rows(
    given: str | Path,
    label_list: Sequence[str],
    path: str | int | None = None,
    label: LabelColumns = None,
    kind: str = "classes",
) -> Sequence[Any]:
    """Rows to evaluate a trained model on, ``(path, label id)`` or ``(path, label set)``: of several splits test.

    Without test pictures those of dev, else of train.

    Args:
        given: What `load_images` takes.
        label_list: The model's label names in the order of their ids; ids of the rows are of these, in whatever order
            the rows' own list of labels is.
        path: As for `load_images`.
        label: As for `load_images`. None: of label sets, the columns of the model's labels where the table has all.
        kind: As for `load_images`.

    Raises:
        ConfigError: Several columns of labels that are not the model's.
        DataError: As `load_images`; a label that the model does not have.
    """
    dataset: PictureDataset | None = _lists_in(given, label_list, kind)
    if dataset is not None:
        refuse_columns(f"the lists of {given}", path, label)
    else:
        splits = _all_splits(given, label_list, to_train=False)
        chosen = next(splits[name] for name in LOOKED_AT if name in splits)
        label = _flags_of(chosen, label_list, label) if kind == "labels" else label
        dataset = load_images(test=chosen, path=path, label=label, label_list=label_list, kind=kind)
    there_are = {name: rows for name in LOOKED_AT if len(rows := dataset.get_examples(name))}
    split, rows = next(iter(there_are.items()))
    if len(there_are) > 1:
        logger.info("%s: of its splits %s is looked at: %d pictures", given, split, len(rows))
    return rows


def _flags_of(given: Any, label_list: Sequence[str], label: LabelColumns) -> LabelColumns:
    """The columns of labels in the model's order, where there is one for each."""
    if isinstance(label, Sequence) and not isinstance(label, str):
        if sorted(map(str, label)) != sorted(label_list):
            raise ConfigError(f"label={list(label)!r:.80}", expected=f"the model's labels: {', '.join(label_list)}")
        return list(label_list)
    if label is None and isinstance(given, str | Path) and raw.suffix_of(Path(given)) in TABLES:
        names = opened(Path(given), []).names or []
        return list(label_list) if set(label_list) <= set(names) else None
    return label


def _lists_in(given: Any, label_list: Sequence[Any] | None, kind: str) -> PictureDataset | None:
    """The data set of PaddleHub's list files, where a folder holds them; its ids are of `label_list`, if given."""
    if not isinstance(given, str | Path) or not (Path(given) / LISTS[0]).is_file():
        return None
    names = [name if (Path(given) / name).is_file() else None for name in LISTS]
    logger.info("%s: read by its lists %s", given, ", ".join(name for name in names if name))
    unnamed = label_list if names[3] is None else None
    dataset: PictureDataset = BaseCVDataset(
        given, names[0], names[1], names[2], label_list_file=names[3], label_list=unnamed, kind=kind
    )
    dataset.name = str(given)
    if label_list is not None and dataset.label_list != [str(name) for name in label_list]:
        dataset = dataset.relabelled(label_list)
    return dataset


def _all_splits(given: Any, labels: Sequence[Any] | None, *, to_train: bool = True) -> dict[str, Any]:
    """The splits that one argument stands for: a mapping of them, a folder of them, or the training rows alone."""
    if isinstance(given, str | Path) and Path(given).is_dir():
        return dict(splits_in(Path(given), [str(name) for name in labels or ()], to_train=to_train))
    if not isinstance(given, Mapping):
        return {"train": given}
    splits: dict[str, Any] = {}
    for name, rows in given.items():
        split = NAMED.get(str(name).lower())
        if split is None or split in splits:
            raise DataError(
                f"there is no split {name!r}" if split is None else f"two splits for {split}",
                expected="'train', 'dev' (or 'val') and 'test', each once",
                fix=did_you_mean(str(name), NAMED) or None,
            )
        if rows is not None:
            splits[split] = rows
    return splits


def _rows(
    given: Any, split: str, path: str | int | None, label: LabelColumns, base_path: str | Path | None, kind: str
) -> Listed:
    """The rows of a split."""
    if isinstance(given, list | tuple | Pictures):
        rows = list(given)
        for place, row in enumerate(rows):
            if not isinstance(row, list | tuple) or len(row) != 2:
                raise DataError(f"{split}[{place}]: {row!r:.80}", expected="(path, label)")
        names = [os.fsencode(path_of(row, place)) for place, row in enumerate(rows)]
        folder = os.path.abspath(base_path or ".")
        labels = [label_text(row[1], kind, partial("{}[{}]".format, split, place)) for place, row in enumerate(rows)]
        return Listed(folder, there(folder, names, None, split), labels, None, split)
    if binary.is_frame(given):
        return of_table(binary.frame(given), path, label, base_path or ".", kind)
    if not isinstance(given, str | Path):
        raise DataError(f"{split}: {type(given).__name__} {given!r:.60}", expected=f"a path or a DataFrame: {SAID}")
    file = Path(given)
    with raw.reading(file):
        file.stat()
    if file.is_dir():
        refuse_columns(f"the folder {file}", path, label)
        if kind == "labels":
            raise DataError(
                f"{file} is a folder, in which a picture has one label",
                expected="label sets: a table or a list of paths and labels",
                fix=f"a file of {', '.join(TABLES)}, or PaddleHub's {LISTS[0]} in the folder",
            )
        return Listed(os.path.abspath(file), *scan(file), None, str(file))
    asked = [path, *label] if isinstance(label, Sequence) and not isinstance(label, str) else [path, label]
    return of_table(opened(file, asked), path, label, base_path or file.parent, kind)
