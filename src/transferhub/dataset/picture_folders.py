"""``hub.dataset.load_images``: folders, lists and tables of pictures of one's own → a data set."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transferhub.dataset import binary, picture_checks, raw
from transferhub.dataset.base_cv_dataset import BaseCVDataset, PictureDataset
from transferhub.dataset.delimited import delimited
from transferhub.dataset.folders import SPLITS
from transferhub.dataset.pictures import Pictures, path_of
from transferhub.dataset.roles import LABEL_NAMES
from transferhub.dataset.table import Table
from transferhub.dataset.targets import as_number as natural
from transferhub.errors import ConfigError, DataError, did_you_mean
from transferhub.image import SUFFIXES
from transferhub.log import logger

PATH_NAMES = ("path", "image", "image_path", "img", "file", "filename", "file_name", "picture", "图片", "路径")
LISTS = ("train_list.txt", "validate_list.txt", "test_list.txt", "label_list.txt")  # PaddleHub's own names
SAID = "train/LABEL/*.jpg (and val/, test/), LABEL/*.jpg, or PaddleHub's lists (train_list.txt …)"
ENDINGS = tuple(suffix.encode() for suffix in SUFFIXES)

Found = tuple[list[bytes], list[str], list[int] | None]  # names, labels, lines


def load_images(
    train: Any = None,
    dev: Any = None,
    test: Any = None,
    *,
    path: str | int | None = None,
    label: str | int | None = None,
    label_list: Sequence[Any] | None = None,
    base_path: str | Path | None = None,
    test_part: float | None = None,
    seed: int = 0,
    broken: str = "refuse",
) -> PictureDataset:
    """Load pictures of one's own. What was guessed is said in one log line a split.

    Each split is a folder of label folders (``ants/*.jpg``, ``bees/*.jpg``; folders inside those belong to the label);
    a ``.csv``, ``.tsv`` or ``.parquet`` file or a pandas DataFrame with a column of paths and one of labels; or a list
    of ``(path, label)``. All splits at once: a folder with ``train/``, ``val/`` (or ``dev/``, ``valid/``) and
    ``test/``; a folder with PaddleHub's list files; or ``{"train": …, "dev": …, "test": …}``.

    A folder is listed, not opened: a million pictures take seconds, and their paths' bytes of memory.

    Args:
        train: The rows to train on, or all splits.
        dev: The rows on which the best model is chosen; without it a tenth of `train` is split off when needed.
        test: The rows that are looked at once, at the end.
        path: The column of paths, by name or number. None: told from the header; without one, the first.
        label: The column of labels, likewise; without a header, the last.
        label_list: Label names in the order of their ids. None: the sorted names of the training rows.
        base_path: What paths in tables are relative to. None: the folder of the file, for a frame the current one.
        test_part: The part of the training rows that becomes the test rows, the same of each label. None: none.
        seed: Draws them.
        broken: ``refuse``: a picture that cannot be decoded is an error when it is read. ``skip``: all pictures are
            decoded now, and those that cannot be are left out, with their names in the log.

    Raises:
        ConfigError: `broken` or `test_part` out of range.
        DataError: No pictures, a missing one (with file:line), a column that cannot be told, one label only.
    """
    if broken not in ("refuse", "skip"):
        raise ConfigError(f"broken={broken!r}", expected="'refuse' or 'skip'")
    if test_part is not None and not 0 < test_part < 1:
        raise ConfigError(f"test_part={test_part!r}", expected="a part of the training rows, above 0 and below 1")
    splits = {name: given for name, given in (("train", train), ("dev", dev), ("test", test)) if given is not None}
    if list(splits) == ["train"]:
        if lists := _lists_in(train):
            return _finished(lists, test_part, seed, broken)
        splits = _all_splits(train)
    if not splits:
        raise DataError("no pictures to load", expected=SAID)
    first = train if isinstance(train, str | Path) else next(iter(splits.values()))
    dataset = PictureDataset(str(first) if isinstance(first, str | Path) else None, label_list)
    dataset.name = str(first) if isinstance(first, str | Path) else "pictures"
    found = {split: _rows(given, split, path, label, base_path) for split, given in splits.items()}
    if label_list is None:
        naming = found.get("train", next(iter(found.values())))
        dataset.set_labels(sorted(set(naming[2]), key=natural))
    index = dataset.label_index
    for split, (folder, names, labels, lines, source) in found.items():
        for place, name in enumerate(labels):
            if name not in index:
                raise DataError(
                    f"{source if lines is None else f'{source}:{lines[place]}'}: label {name!r:.80} of "
                    f"{os.fsdecode(names[place])} is not known",
                    expected=f"one of {', '.join(map(repr, dataset.label_list[:20]))}",
                    fix="every label must have training pictures, or be named in label_list=[…]",
                )
        rows = Pictures.of(folder, names, [index[name] for name in labels], source, lines)
        logger.info("%s: %d pictures, %d labels (%s)", source, len(rows), len(set(labels)), split)
        setattr(dataset, f"{split}_examples", rows)
    picture_checks.check(dataset)
    return _finished(dataset, test_part, seed, broken)


def _finished(dataset: PictureDataset, test_part: float | None, seed: int, broken: str) -> PictureDataset:
    if broken == "skip":
        dataset = dataset.without_broken()
    if test_part is not None:
        if len(dataset.test_examples):
            raise ConfigError(f"test_part={test_part} and test pictures", fix="leave one out")
        dev, dataset.dev_examples = dataset.dev_examples, []
        split = dataset.with_dev(seed, test_part)
        split.test_examples, split.dev_examples = split.dev_examples, dev
        dataset = split
    return dataset


def _lists_in(given: Any) -> BaseCVDataset | None:
    """The data set of PaddleHub's list files, where a folder holds them."""
    if not isinstance(given, str | Path) or not (Path(given) / LISTS[0]).is_file():
        return None
    names = [name if (Path(given) / name).is_file() else None for name in LISTS]
    logger.info("%s: read by its lists %s", given, ", ".join(name for name in names if name))
    dataset = BaseCVDataset(given, names[0], names[1], names[2], label_list_file=names[3])
    dataset.name = str(given)
    return dataset


def _all_splits(given: Any) -> dict[str, Any]:
    """The splits that one argument stands for: a mapping of them, a folder of them, or the training rows alone."""
    named = {name: split for split, names in SPLITS.items() for name in names}
    if isinstance(given, str | Path) and Path(given).is_dir():
        found: dict[str, Any] = {}
        for folder in sorted(each for each in Path(given).iterdir() if each.is_dir()):
            split = named.get(folder.name.lower())
            if split is None:
                continue
            if split in found:
                raise DataError(
                    f"{given} has two folders for {split}: {found[split].name}, {folder.name}",
                    fix=f"name the one: load_images({{{split!r}: …}})",
                )
            found[split] = folder
        return found if "train" in found else {"train": given}
    if not isinstance(given, Mapping):
        return {"train": given}
    splits: dict[str, Any] = {}
    for name, rows in given.items():
        split = named.get(str(name).lower())
        if split is None or split in splits:
            raise DataError(
                f"there is no split {name!r}" if split is None else f"two splits for {split}",
                expected="'train', 'dev' (or 'val') and 'test', each once",
                fix=did_you_mean(str(name), named) or None,
            )
        if rows is not None:
            splits[split] = rows
    return splits


def _rows(
    given: Any, split: str, path: str | int | None, label: str | int | None, base_path: str | Path | None
) -> tuple[str, list[bytes], list[str], list[int] | None, str]:
    """Folder, names, label names, lines, source of a split."""
    if isinstance(given, list | tuple | Pictures):
        rows = list(given)
        for place, row in enumerate(rows):
            if not isinstance(row, list | tuple) or len(row) != 2:
                raise DataError(f"{split}[{place}]: {row!r:.80}", expected="(path, label)")
        names = [os.fsencode(path_of(row, place)) for place, row in enumerate(rows)]
        folder = os.path.abspath(base_path or ".")
        return folder, _there(folder, names, None, split), [str(row[1]) for row in rows], None, split
    if binary.is_frame(given):
        return _of_table(binary.frame(given), path, label, base_path or ".")
    if not isinstance(given, str | Path):
        raise DataError(f"{split}: {type(given).__name__} {given!r:.60}", expected=f"a path or a DataFrame: {SAID}")
    file = Path(given)
    with raw.reading(file):
        file.stat()
    if file.is_dir():
        return (os.path.abspath(file), *scan(file), None, str(file))
    if raw.suffix_of(file) in (".parquet", ".pq"):
        table = binary.parquet(file)
    else:
        asked = [str(name).lower() for name in (path, label) if name is not None]
        numbered = any(name.isdecimal() for name in asked)
        table = delimited(file, {*PATH_NAMES, *LABEL_NAMES, *asked}, numbered)
    return _of_table(table, path, label, base_path or file.parent)


def scan(folder: Path) -> tuple[list[bytes], list[str]]:
    """The pictures below a folder of label folders, by label and name: their names in the folder, their labels.

    Raises:
        DataError: No label folders, or no pictures in them.
    """
    names: list[bytes] = []
    labels: list[str] = []
    others, empty, loose = 0, [], 0
    with raw.reading(folder):
        with os.scandir(os.fsencode(folder)) as inside:
            entries = [entry for entry in inside if not entry.name.startswith(b".")]
        for entry in sorted(entries, key=lambda each: each.name):
            if not entry.is_dir():
                loose += 1
                continue
            found, strange = _below(entry.path, entry.name)
            others += strange
            if not found:
                empty.append(os.fsdecode(entry.name))
            names += found
            labels += [os.fsdecode(entry.name)] * len(found)
    if not names:
        raise DataError(
            f"{folder} holds no label folders with pictures" + (f", but {loose} files" if loose else ""),
            expected=SAID,
            fix="put the pictures of each label into a folder of its name",
        )
    if empty:
        logger.warning("%s: no pictures in the label folders %s: left out", folder, ", ".join(empty))
    if others + loose:
        logger.info("%s: %d files that are no pictures (%s) are left out", folder, others + loose, " ".join(SUFFIXES))
    return names, labels


def _below(folder: bytes, prefix: bytes) -> tuple[list[bytes], int]:
    """The pictures in a folder and the folders inside it, sorted; and how many other files there are."""
    found: list[bytes] = []
    folders: list[bytes] = []
    others = 0
    with os.scandir(folder) as inside:
        for entry in inside:
            name = entry.name
            if name.startswith(b"."):
                continue
            if name.lower().endswith(ENDINGS):
                found.append(prefix + b"/" + name)
            elif entry.is_dir():
                folders.append(name)
            else:
                others += 1
    found.sort()
    for name in sorted(folders):
        deeper, strange = _below(folder + b"/" + name, prefix + b"/" + name)
        found += deeper
        others += strange
    return found, others


def _of_table(
    table: Table, path: str | int | None, label: str | int | None, base_path: str | Path
) -> tuple[str, list[bytes], list[str], list[int], str]:
    columns = [
        _column(table, "path", path, PATH_NAMES, 0),
        _column(table, "label", label, LABEL_NAMES, table.width - 1),
    ]
    names, labels, lines = [], [], []
    for line, (name, value) in table.read(columns):
        if not isinstance(name, str | os.PathLike) or value is None or str(value) == "":
            raise DataError(f"{table.where(line)}: {name!r:.80}, {value!r:.80}", expected="a path and a label")
        names.append(os.fsencode(name))
        known = table.label_names.get(columns[1])
        labels.append(known[value] if known and isinstance(value, int) else str(value))
        lines.append(line)
    folder = os.path.abspath(base_path)
    return folder, _there(folder, names, (table, lines), table.source), labels, lines, table.source


def _column(table: Table, what: str, given: str | int | None, usual: Sequence[str], default: int) -> int:
    names = table.names or []
    if given is not None:
        if isinstance(given, str) and given in names:
            return names.index(given)
        if str(given).isdecimal() and int(given) < table.width:
            return int(given)
        raise DataError(
            f"{table.source}: no column {given!r}; there are "
            + (", ".join(map(repr, names)) or f"{table.width}, without a header"),
            fix=f"{did_you_mean(str(given), names)}{what}=…",
        )
    lower = [name.lower() for name in names]
    found = [lower.index(name) for name in usual if name in lower]
    if found or not names:
        if table.width < 2:
            raise DataError(f"{table.source} has one column", expected="a column of paths, one of labels")
        return found[0] if found else default
    raise DataError(
        f"{table.source}: cannot tell which column is the {what}: there are {', '.join(map(repr, names))}",
        fix=f"name it: {what}=…",
    )


def _there(folder: str, names: list[bytes], lines: tuple[Table, list[int]] | None, source: str) -> list[bytes]:
    """The names, if there is a file for each."""
    for place, name in enumerate(names):
        path = os.path.join(folder, os.fsdecode(name))
        if not os.path.isfile(path):
            where = f"{source}[{place}]" if lines is None else lines[0].where(lines[1][place])
            raise DataError(f"{where}: there is no picture {path}", fix=f"paths are relative to {folder}")
    return names
