"""Files of triples: a query, a left text, a right text, and a label that says which of the two is nearer."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from transferhub.dataset import store
from transferhub.dataset.base_dataset import BaseDataset
from transferhub.dataset.delimited import delimited
from transferhub.dataset.examples import Examples
from transferhub.errors import ConfigError, DataError

USUAL = {  # role → what its column is usually called
    "text_a": ("query", "text_a", "question"),
    "text_b": ("left", "text_b", "left_title"),
    "text_c": ("right", "text_c", "right_title"),
    "label": ("label",),
}


def load_triples(files: Mapping[str, Any], label_list: Sequence[str] | None = None, **form: Any) -> BaseDataset:
    """A data set of files of triples, by split; None: there is none of it.

    Args:
        files: ``{"train": file, "dev": file, "test": file}``.
        label_list: The names of "right is nearer" and "left is nearer".
        **form: As for `read_triples`.

    Raises:
        ConfigError: Other splits, or what is no path.
        DataError: As `read_triples`.
    """
    made = BaseDataset(label_list=label_list)
    for split, path in files.items():
        if split not in ("train", "dev", "test") or not isinstance(path, str | Path | None):
            raise ConfigError(
                f"dataset={dict(files)!r:.60}",
                expected='a data set of triples, a csv or tsv file of them, or {"train": file, "dev": file}',
            )
        if path is not None:
            setattr(made, f"{split}_examples", read_triples(path, labelled=True, two_labels=label_list is None, **form))
    return made


def read_triples(path: str | Path, *, labelled: bool, two_labels: bool = False, **form: Any) -> Examples:
    """Read the triples of a csv or tsv file.

    Columns are told by their names (``query left right label``, or ``text_a text_b text_c label``); else they are the
    first four, in this order.

    Args:
        path: The file.
        labelled: Whether rows must have a label; else none is read.
        two_labels: Whether a third label is refused, where nobody says which ones there are.
        **form: ``delimiter``, ``encoding``, ``header``, ``quoted``, as for `hub.dataset.load`.

    Raises:
        DataError: Columns that are missing, more than two labels, or what `hub.dataset.load` raises of such a file.
    """
    names = {name for usual in USUAL.values() for name in usual}
    table = delimited(Path(path), names, **form)
    wanted = list(USUAL) if labelled else list(USUAL)[:3]
    called = [name.lower() for name in table.names or ()]
    found = [next((called.index(name) for name in USUAL[role] if name in called), None) for role in wanted]
    if any(place is None for place in found) and not any(place is not None for place in found):
        found = list(range(len(wanted))) if table.width >= len(wanted) else found
    if any(place is None for place in found):
        missing = [role for role, place in zip(wanted, found, strict=True) if place is None]
        raise DataError(
            f"{table.source}: {table.width} columns{f' ({table.names})' if table.names else ''}, and none for "
            + ", ".join(USUAL[role][0] for role in missing),
            expected=", ".join(USUAL[role][0] for role in wanted),
        )
    columns = [place for place in found if place is not None]
    labels: dict[str, int] = {}  # with the line of each

    def rows() -> Iterator[store.StoredRow]:
        for line, cells in table.read(columns):
            label = cells[3] if labelled else None
            empty = [USUAL[role][0] for role, cell in zip(wanted, cells, strict=True) if not cell.strip()]
            if empty:
                raise DataError(f"{table.where(line)}: {', '.join(empty)} is empty", expected="a triple")
            if label is not None:
                labels.setdefault(label, line)
            if two_labels and len(labels) > 2:
                first = ", ".join(f"{name!r:.60} (line {place})" for name, place in list(labels.items())[:2])
                raise DataError(
                    f"{table.where(line)}: the label {label!r:.60} is a third one, after {first}",
                    expected="two labels: the right text is nearer, or the left one",
                    fix="correct the row; if the first row names the columns, header=True (--header) says so",
                )
            yield cells[0], cells[1], label, line, cells[2]

    stored = store.in_passing(rows(), table.notes) if table.size >= store.BIG else store.in_memory(rows(), table.notes)
    if not stored.facts.rows:
        raise DataError(f"{table.source} has no rows", expected="a triple a row")
    return Examples(stored, table.source, table.place)
