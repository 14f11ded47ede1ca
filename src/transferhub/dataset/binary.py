"""parquet files, pandas DataFrames, ``datasets.Dataset`` → tables; no library is imported before its use."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from transferhub.dataset import raw
from transferhub.dataset.table import Cells, Table
from transferhub.errors import DataError

CHUNK = 4096


def parquet(path: Path) -> Table:
    """Open a parquet file.

    Raises:
        DataError: A file that is no parquet, or a damaged one.
    """
    import pyarrow as pa
    from pyarrow import parquet as library

    damage = (pa.ArrowException, OSError, ValueError, OverflowError, NotImplementedError)
    seen = raw.survey(path)
    if not seen.size:
        raise DataError(f"{path} is empty", expected="a parquet file")

    def opened() -> Any:
        try:
            return library.ParquetFile(path)
        except damage as error:
            raise _no_parquet(path, error) from None

    def read(columns: Sequence[int]) -> Iterator[Cells]:
        file, number = opened(), 0
        batches = file.iter_batches(CHUNK, columns=[names[column] for column in columns])
        while True:
            try:
                batch = next(batches, None)
                cells = [] if batch is None else [batch.column(names[column]).to_pylist() for column in columns]
            except KeyError as error:
                raise DataError(f"{path}: the column {error} cannot be read", expected="a column of text") from None
            except damage as error:
                raise _no_parquet(path, error, number) from None
            if batch is None:
                return
            yield from enumerate(zip(*cells, strict=True), number + 1)
            number += batch.num_rows

    file = opened()
    names = [str(name) for name in file.schema_arrow.names]
    return Table(
        str(path), names, len(names), read, ["parquet"], [], seen.digest, 4 * seen.size, "{source}, row {line}"
    )


def _no_parquet(path: Path, error: BaseException, row: int | None = None) -> DataError:
    said = " ".join(str(error).split())[:200]
    where = "" if row is None else f", after row {row}"
    return DataError(
        f"{path}{where}: not a parquet file, or a damaged one: {said}",
        expected="what pandas' to_parquet or datasets' to_parquet writes",
    )


def is_frame(given: object) -> bool:
    """Whether it is a pandas DataFrame."""
    return type(given).__name__ == "DataFrame" and type(given).__module__.split(".")[0] == "pandas"


def frame(given: Any) -> Table:
    """A pandas DataFrame as a table; its rows are called by their place, from 0."""

    def read(columns: Sequence[int]) -> Iterator[Cells]:
        for start in range(0, len(given), CHUNK):
            part = given.iloc[start : start + CHUNK]
            cells = [part.iloc[:, column].tolist() for column in columns]
            yield from enumerate(zip(*cells, strict=True), start)

    names = [str(name) for name in given.columns]
    place = "{source}.iloc[{line}]"
    return Table("DataFrame", names, len(names), read, ["pandas"], size=128 * len(given), place=place)


def is_hub_dataset(given: object) -> bool:
    """Whether it is a ``datasets.Dataset``."""
    return hasattr(given, "column_names") and type(given).__module__.split(".")[0] == "datasets"


def hub_dataset(given: Any, name: str) -> Table:
    """A ``datasets.Dataset`` as a table; class labels are their names.

    Raises:
        DataError: One that is streamed, whose rows cannot be counted.
    """
    if not hasattr(given, "num_rows"):
        raise DataError(
            f"{name} is a {type(given).__name__}", expected="a datasets.Dataset", fix="load it without streaming=True"
        )
    names = list(given.column_names)
    rows = given.with_format(None)

    def read(columns: Sequence[int]) -> Iterator[Cells]:
        chosen = rows.select_columns([names[column] for column in columns])
        for start in range(0, len(rows), CHUNK):
            part = chosen[start : start + CHUNK]
            yield from enumerate(zip(*(part[names[column]] for column in columns), strict=True), start)

    labels = {
        place: list(feature.names)
        for place, column in enumerate(names)
        for feature in [getattr(given.features[column], "feature", given.features[column])]  # a list's is its items'
        if type(feature).__name__ == "ClassLabel"
    }
    place = "{source}[{line}]"
    size = 128 * len(rows)
    return Table(name, names, len(names), read, ["datasets"], size=size, place=place, label_names=labels)
