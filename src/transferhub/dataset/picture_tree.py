"""Folders of pictures: the splits, the labels and the pictures that lie in them."""

import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path

from transferhub.dataset import raw
from transferhub.dataset.folders import SPLITS
from transferhub.errors import DataError
from transferhub.image import SUFFIXES
from transferhub.log import logger

SAID = "train/LABEL/*.jpg (and val/, test/), LABEL/*.jpg, or PaddleHub's lists (train_list.txt …)"
NAMED = {name: split for split, names in SPLITS.items() for name in names}
NEARLY = re.compile(f"({'|'.join(NAMED)}|eval|evaluation|predict)[^a-z]*")
ENDINGS = tuple(suffix.encode() for suffix in SUFFIXES)


def splits_in(folder: Path, labels: Sequence[str] = (), *, to_train: bool = True) -> dict[str, Path]:
    """The folders of the splits that a folder holds; ``{"train": folder}`` where it holds label folders itself.

    Where a folder is called as a split is, and others are not, it is a label like them if the pictures lie directly in
    it; what is decided, and what is left out, is said.

    Args:
        folder: Of splits, or of labels.
        labels: Those that are known; where all folders are called so, they are labels.
        to_train: Whether there must be training pictures.

    Raises:
        DataError: Two folders for one split; splits without ``train``; folders that are all called nearly as splits.
    """
    with raw.reading(folder):
        inside = sorted(each for each in folder.iterdir() if not each.name.startswith("."))
        folders = [each for each in inside if each.is_dir()]
    if {each.name for each in folders} <= set(labels):
        return {"train": folder}
    found: dict[str, Path] = {}
    for each in folders:
        split = NAMED.get(each.name.lower())
        if split in found:
            raise DataError(
                f"{folder} has two folders for {split}: {found[split].name}, {each.name}",
                fix=f"name the one: load_images({{{split!r}: …}})",
            )
        if split is not None:
            found[split] = each
    others = [each for each in folders if each not in found.values()]
    odd = [each for each in others if NEARLY.fullmatch(each.name.lower())]
    if not found and len(odd) < max(1, len(folders)):
        return {"train": folder}
    if others and not odd and len(found) == 1 and _holds_pictures_only(next(iter(found.values()))):
        logger.warning(
            "%s: %s is taken for a label, as %s: pictures lie in it, and no label folders; if it is a split, put "
            "the label folders into train/",
            folder,
            _listed(found.values()),
            _listed(others),
        )
        return {"train": folder}
    if to_train and "train" not in found:
        raise DataError(
            f"{folder} holds {_listed([*found.values(), *others])}: splits without train/",
            expected=SAID,
            fix="name the splits: load_images({'train': FOLDER, 'test': FOLDER}) (--train FOLDER --test FOLDER); "
            f"{_if_labels(folder, folders)}",
        )
    others += [each for each in inside if each.suffix.lower() in SUFFIXES and each not in folders]
    if others:
        logger.warning(
            "%s: %s beside %s: no splits, left out; a split of another name: load_images(…, dev=FOLDER) (--dev "
            "FOLDER); %s",
            folder,
            _listed(others),
            _listed(found.values()),
            _if_labels(folder, folders),
        )
    return found


def _if_labels(folder: Path, folders: Sequence[Path]) -> str:
    names = ",".join(each.name for each in folders[:5]) + (",…" if len(folders) > 5 else "")
    return f"if these are labels: load_images({{'train': {str(folder)!r}}}) (--label-list {names})"


def _holds_pictures_only(folder: Path) -> bool:
    """Whether pictures lie in a folder, and none in folders inside it."""
    with raw.reading(folder):
        found, _ = below(os.fsencode(folder))
    return bool(found) and not any(b"/" in name for name in found)


def _listed(paths: Collection[Path]) -> str:
    names = [f"{each.name}/" if each.is_dir() else each.name for each in paths]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


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
                is_picture = entry.name.lower().endswith(ENDINGS)
                loose, others = loose + is_picture, others + (not is_picture)
                continue
            found, strange = below(entry.path, entry.name + b"/", (_place(folder),))
            others += strange
            if not found:
                empty.append(os.fsdecode(entry.name))
            names += found
            labels += [os.fsdecode(entry.name)] * len(found)
    if not names:
        raise DataError(
            f"{folder} holds no label folders with pictures" + (f", but {loose + others} files" if loose else ""),
            expected=SAID,
            fix="put the pictures of each label into a folder of its name",
        )
    if empty:
        logger.warning("%s: no pictures in the label folders %s: left out", folder, ", ".join(empty))
    if loose:
        logger.warning("%s: %d pictures lie in no label folder and are left out", folder, loose)
    say_others(folder, others)
    return names, labels


def _place(folder: Path | bytes) -> tuple[int, int]:
    said = os.stat(folder)
    return said.st_dev, said.st_ino


def say_others(folder: Path, count: int) -> None:
    """Log how many files are no pictures, by their endings."""
    if count:
        logger.info("%s: %d files that are no pictures (%s) are left out", folder, count, " ".join(SUFFIXES))


def below(folder: bytes, prefix: bytes = b"", above: Collection[tuple[int, int]] = ()) -> tuple[list[bytes], int]:
    """The pictures in a folder and the folders inside it, sorted; and how many other files there are.

    What begins with a dot is no part of it; links to folders are followed.

    Args:
        folder: Where to look.
        prefix: Before each name.
        above: The folders that this one lies in.

    Raises:
        DataError: A link to a folder that it lies in.
        OSError: A folder cannot be read; for `raw.reading`.
    """
    found: list[bytes] = []
    folders: list[bytes] = []
    others = 0
    this = _place(folder)
    if this in above:
        raise DataError(f"{os.fsdecode(folder)} is a link to a folder that it lies in", fix="remove the link")
    with os.scandir(folder) as inside:
        for entry in inside:
            name = entry.name
            if name.startswith(b"."):
                continue
            if entry.is_dir():  # known from the listing, but for links
                folders.append(name)
            elif name.lower().endswith(ENDINGS):
                found.append(prefix + name)
            else:
                others += 1
    found.sort()
    for name in sorted(folders):
        deeper, strange = below(folder + b"/" + name, prefix + name + b"/", (*above, this))
        found += deeper
        others += strange
    return found, others
