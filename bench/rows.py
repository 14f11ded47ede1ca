"""The rows that both sides of a benchmark train on, as tsv files with a header."""

import csv
import os
import random
from pathlib import Path

csv.field_size_limit(1 << 24)
# Name → (folder, column of text, of second text, of label, rows to train on, how they are chosen).
SETS = {
    "chnsenticorp": ("chnsenticorp", 1, None, 0, 2000, "first"),
    "sst2": ("glue_data/SST-2", 0, None, 1, 8000, "random"),
    "mrpc": ("glue_data/MRPC", 3, 4, 0, 0, "all"),
}


def datasets() -> Path:
    """The folder of data sets: ``$TRANSFERHUB_DATASETS``, else ``../shared/data`` beside the checkout."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("TRANSFERHUB_DATASETS") or default)
    if not folder.is_dir():
        raise SystemExit(f"no data sets in {folder}: set TRANSFERHUB_DATASETS")
    return folder


def write(name: str, target: Path) -> tuple[Path, Path]:
    """Write ``train.tsv`` and ``dev.tsv`` of a set into a folder: ``text_a [text_b] label``."""
    folder, text, pair, label, count, how = SETS[name]
    target.mkdir(parents=True, exist_ok=True)
    paths = []
    for split in ("train", "dev"):
        with open(datasets() / folder / f"{split}.tsv", encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if len(row) > 1][1:]
        if split == "train" and how != "all":
            rows = rows[:count] if how == "first" else random.Random(42).sample(rows, count)
        columns = [text, *([] if pair is None else [pair]), label]
        header = ["text_a", *([] if pair is None else ["text_b"]), "label"]
        path = target / f"{split}.tsv"
        path.write_text(
            "".join("\t".join(cells) + "\n" for cells in [header, *([row[c] for c in columns] for row in rows)]),
            encoding="utf-8",
        )
        paths.append(path)
    return paths[0], paths[1]
