"""Folders → tables: ``train/pos/*.txt`` and the like, a text a file, its folder the label."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from transferhub.dataset import raw
from transferhub.dataset.encodings import decode
from transferhub.dataset.table import Cells, Table
from transferhub.errors import DataError

SPLITS = {"train": ("train", "training"), "dev": ("dev", "val", "valid", "validation"), "test": ("test", "testing")}
UNLABELLED = ("unsup", "unlabeled", "unlabelled")  # IMDB's reviews without a label lie in such a folder
ENDINGS = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".parquet", ".pq")
SAID = "train/LABEL/*.txt (and dev/, test/), LABEL/*.txt, or files train.csv, dev.csv, test.csv (.tsv, .jsonl …)"


def splits_of(folder: Path) -> dict[str, Path]:
    """The files or folders of the splits in a data folder; ``{"train": folder}`` where it holds label folders itself.

    Raises:
        DataError: Neither, or two files for one split.
    """
    with raw.reading(folder):
        inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    found: dict[str, Path] = {}
    for split, names in SPLITS.items():
        fits = [path for path in inside if _stem(path).lower() in names and (_is_data(path) or path.is_dir())]
        if len(fits) > 1:
            raise DataError(
                f"{folder} has {len(fits)} for {split}: {', '.join(path.name for path in fits)}",
                expected="one file or folder a split",
                fix=f"name the one: load({{{split!r}: …}})",
            )
        if fits:
            found[split] = fits[0]
    if "train" in found or "test" in found:
        return found
    if _label_folders(folder):
        return {"train": folder}
    raise DataError(
        f"{folder} is a folder, but not one of data: " + (", ".join(path.name for path in inside[:8]) or "it is empty"),
        expected=SAID,
        fix="name the file in it, or the splits: load({'train': …, 'dev': …, 'test': …})",
    )


def text_folder(folder: Path, *, encoding: str | None = None) -> Table:
    """A folder of label folders of text files, in the order of their names.

    Raises:
        DataError: No label folders, a file that is not text.
    """
    labels, notes = _label_folders(folder), []
    if not labels:
        raise DataError(f"{folder} holds no folders of .txt files", expected=SAID)
    files: list[tuple[Path, str]] = []
    for label in labels:
        with raw.reading(label):
            inside = [path for path in label.iterdir() if not path.name.startswith(".")]
        texts = sorted(path for path in inside if path.suffix.lower() == ".txt" and not path.is_dir())
        if label.name in UNLABELLED:
            notes.append(f"{label}: {len(texts)} texts without a label are left out")
            continue
        if len(texts) < len(inside):
            notes.append(f"{label}: {len(inside) - len(texts)} entries that are no .txt files are left out")
        files += [(path, label.name) for path in texts]

    def read(columns: Sequence[int]) -> Iterator[Cells]:
        for number, (path, label) in enumerate(files):
            with raw.reading(path), raw.open_bytes(path) as file:
                cells = decode(file.read(), path, encoding), label
            yield number, [cells[column] for column in columns]

    with raw.reading(folder):
        size = sum(path.stat().st_size for path, _ in files)
    said = [f"{len(labels)} folders of texts", encoding or "utf-8"]
    places = [str(path) for path, _ in files]
    return Table(str(folder), ["text", "label"], 2, read, said, [], None, size, places, notes=notes)


def _label_folders(folder: Path) -> list[Path]:
    with raw.reading(folder):
        inside = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        return [path for path in inside if any(file.suffix.lower() == ".txt" for file in path.iterdir())]


def _stem(path: Path) -> str:
    return path.name.split(".")[0]


def _is_data(path: Path) -> bool:
    return path.is_file() and raw.suffix_of(path) in ENDINGS
