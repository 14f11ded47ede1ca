"""What can be wrong with pictures that are all there: errors where nothing can be learnt, else warnings with names."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from transferhub.dataset import targets
from transferhub.dataset.pictures import Pictures, paths_of, stamps
from transferhub.errors import DataError
from transferhub.log import logger

if TYPE_CHECKING:
    from transferhub.dataset.base_cv_dataset import PictureDataset

MOST = 200_000  # pictures of a data set that are looked at one by one when it is opened
SHOWN = 3
SPLITS = ("train", "dev", "test")


def check(dataset: "PictureDataset") -> None:
    """Look at the rows of a data set that was just read; no picture is decoded.

    Empty files, labels without a training picture, and the same picture in two splits are warned of. Files are
    compared by their size first, and by their bytes only where sizes are equal.

    Raises:
        DataError: One label only: there is nothing to tell apart.
    """
    if len(dataset.train_examples):
        names, sets = dataset.label_list, dataset.kind == "labels"
        if len(names) < 2 and not sets:
            raise DataError(
                f"{dataset.name}: every picture has the label {names[0]!r}",
                expected="at least two labels to tell apart",
                fix="a folder a label: train/LABEL/*.jpg",
            )
        if len(without := np.flatnonzero(_counts(dataset, "train") == 0)):
            logger.warning(
                "%s: %d of %d labels have no training picture: %s",
                dataset.name,
                len(without),
                len(names),
                _some([names[label] for label in without]),
            )
    paths = {split: paths_of(dataset.get_examples(split)) for split in SPLITS}
    total = sum(map(len, paths.values()))
    if total > MOST:
        logger.info("%s: %d pictures: empty and repeated ones are not looked for", dataset.name, total)
        return
    sizes = _sizes(paths)
    for split, found in paths.items():
        if len(empty := np.flatnonzero(sizes[split] == 0)):
            logger.warning(
                "%s: %d of %d pictures of %s are empty files: %s; broken='skip' leaves them out",
                dataset.name,
                len(empty),
                len(found),
                split,
                _some([found[row] for row in empty.tolist()]),
            )
    for one, other in (("train", "dev"), ("train", "test"), ("dev", "test")):
        _say_same(dataset, one, other, paths, sizes)


def check_split_off(dataset: "PictureDataset", split: str) -> None:
    """Look at a split that was drawn from the training rows: the same picture in both, labels that are in it alone."""
    names = dataset.label_list
    lost = np.flatnonzero((_counts(dataset, "train") == 0) & (_counts(dataset, split) > 0))
    if len(lost):
        dataset.say_once(
            f"{dataset.name}: {len(lost)} of {len(names)} labels have no training picture left, they went to {split}: "
            f"{_some([names[label] for label in lost])}; bring more pictures of these labels, or a {split} set",
            logging.WARNING,
        )
    paths = {name: paths_of(dataset.get_examples(name)) for name in SPLITS}
    if sum(map(len, paths.values())) <= MOST:
        sizes = _sizes(paths)
        for other in SPLITS:
            if other != split:
                _say_same(dataset, other, split, paths, sizes)


def _counts(dataset: "PictureDataset", split: str) -> npt.NDArray[np.int64]:
    """Pictures of each label."""
    if dataset.kind == "labels":
        counts: npt.NDArray[np.int64] = targets.label_sets(dataset, split).sum(axis=0, dtype=np.int64)
        return counts
    return np.bincount(dataset.label_ids(split), minlength=dataset.num_labels)


def _sizes(paths: Mapping[str, Sequence[str]]) -> dict[str, npt.NDArray[np.int64]]:
    return {split: np.array([size for size, _ in stamps(found)], np.int64) for split, found in paths.items()}


def _say_same(
    dataset: "PictureDataset",
    one: str,
    other: str,
    paths: Mapping[str, Sequence[str]],
    sizes: Mapping[str, npt.NDArray[np.int64]],
) -> None:
    """Name the pictures of a split that are in another one too."""
    if same := _same(paths[one], sizes[one], paths[other], sizes[other]):
        dataset.say_once(
            f"{dataset.name}: {len(same)} pictures of {other} are in {one} too, so the scores there say too much: "
            + _some([f"{b} = {a}" for a, b in same]),
            logging.WARNING,
        )


def _same(
    first: Sequence[str], sizes: npt.NDArray[np.int64], second: Sequence[str], others: npt.NDArray[np.int64]
) -> list[tuple[str, str]]:
    """Pairs of one file in each split with the same bytes; each file of the second once."""
    alike = np.intersect1d(sizes[sizes > 0], others)
    known: dict[bytes, str] = {}
    for row in np.flatnonzero(np.isin(sizes, alike)).tolist():
        known.setdefault(_digest(first[row]), first[row])
    pairs = [(known.get(_digest(second[row])), second[row]) for row in np.flatnonzero(np.isin(others, alike)).tolist()]
    return [(one, other) for one, other in pairs if one is not None]


def _digest(path: str) -> bytes:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def broken(examples: Sequence[Any]) -> dict[int, str]:
    """Row → what is wrong with its picture, for those that cannot be decoded; every picture is."""
    from transferhub.image import decode
    from transferhub.image.threads import in_order

    paths = paths_of(examples)

    def fault(row: int) -> str | None:
        try:
            decode(paths[row], (64, 64))
        except DataError as error:
            return error.what
        return None

    return {row: said for row, said in enumerate(in_order(fault, range(len(paths)))) if said is not None}


def whole_rows(examples: Sequence[Any], split: str) -> Sequence[Any]:
    """The rows whose pictures can be decoded; the others are named in the log. Every picture is decoded.

    Raises:
        DataError: None can.
    """
    found = broken(examples)
    if not found:
        return examples
    if len(found) == len(examples):
        raise DataError(f"none of the {len(examples)} pictures of {split} can be read: {next(iter(found.values()))}")
    say_broken(split, found, len(examples))
    kept = np.setdiff1d(np.arange(len(examples)), list(found))
    return examples.take(kept) if isinstance(examples, Pictures) else [examples[row] for row in kept]


def say_broken(split: str, found: Mapping[int, str], rows: int) -> None:
    """Name the pictures of a split that are left out."""
    logger.warning(
        "%d of %d pictures of %s cannot be read and are left out: %s",
        len(found),
        rows,
        split,
        _some(list(found.values())),
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
