"""What is known of the built-in data sets (`sets.toml`), and where they are found, under PaddleHub's own names."""

import functools
import re
import tomllib
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from transferhub.errors import DataError
from transferhub.paths import dataset_roots

ROLES = {"text": "text_a", "pair": "text_b", "third": "text_c", "label": "label"}


@dataclass(frozen=True)
class Card:
    """A built-in set, as `sets.toml` has it: where its rows are, how they are written, and whose they are.

    Args:
        name: As users write it.
        summary: One line.
        folder: Below any of the roots.
        files: Split → file.
        separator: Between cells: ``tab``, ``csv``, ``_!_``; or ``json``.
        header: Whether the first line names the columns; or the splits where it does.
        columns: Role → number of its column, or numbers of the columns of flags.
        predict: The same for the predict file.
        labels: In the order of their ids; None: there are none, or a file has them.
        labels_file: A file with a label a line.
        aliases: Other spellings of labels.
        kind: Of the labels.
        metric: The usual ones, the main one first.
        licence: Of the data.
        citation: Of the data.
        variant_of: The class that this is a part of.
    """

    name: str
    summary: str
    folder: str
    files: dict[str, str]
    licence: str
    citation: str
    metric: tuple[str, ...]
    separator: str = "tab"
    header: bool | list[str] = True
    columns: dict[str, Any] = field(default_factory=dict)
    predict: dict[str, Any] = field(default_factory=dict)
    labels: list[str] | None = None
    labels_file: str | None = None
    aliases: dict[str, str] = field(default_factory=dict)
    kind: str = "classes"
    variant_of: str | None = None

    def has_header(self, phase: str) -> bool:
        """Whether the file of a split begins with the columns' names."""
        return self.header if isinstance(self.header, bool) else phase in self.header

    def names(self, width: int, *, predict: bool) -> tuple[str, ...]:
        """What each of so many columns is: ``text_a text_b text_c label``, or nothing.

        Raises:
            IndexError: There are not so many.
        """
        names = [""] * width
        for role, places in (self.predict if predict else self.columns).items():
            for place in places if isinstance(places, list) else [places]:
                names[place] = ROLES[role]
        return tuple(names)


@functools.cache
def cards() -> dict[str, Card]:
    """Every built-in set by name."""
    known = tomllib.loads(resources.files("transferhub.dataset").joinpath("sets.toml").read_text(encoding="utf-8"))
    found = {}
    for name, entry in known.items():
        entry = {**known[entry["same_as"]], **entry} if "same_as" in entry else entry
        entry = {key: value for key, value in entry.items() if key != "same_as"}
        if span := re.fullmatch(r"(\d+)\.\.(\d+)", str(entry.get("labels"))):
            entry["labels"] = [str(number) for number in range(int(span[1]), int(span[2]) + 1)]
        found[name] = Card(**{**entry, "name": name, "metric": tuple(entry["metric"])})
    return found


def dataset_folder(folder: str, name: str) -> Path:
    """Find a built-in set's folder.

    Raises:
        DataError: It is in none of `paths.dataset_roots`.
    """
    for root in dataset_roots():
        if (root / folder).is_dir():
            return root / folder
    looked = ", ".join(str(root / folder) for root in dataset_roots())
    raise DataError(
        f"the data set {name} is not downloaded: looked for {looked}",
        fix=f"put its folder {folder}/ into one of these, or set TRANSFERHUB_DATASETS to the folder that holds it",
    )
