"""Rows: the examples of one split, behind them an Arrow table."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
import pyarrow as pa


class InputExample:
    """One labelled text or pair of texts, with PaddleHub's names.

    Args:
        guid: Any name for the row.
        text_a: The text, or the first of a pair.
        text_b: The second text of a pair.
        label: The label's name; None where there is none.
    """

    __slots__ = ("guid", "label", "text_a", "text_b")

    def __init__(self, guid: Any = None, text_a: str = "", text_b: str | None = None, label: Any = None) -> None:
        self.guid, self.text_a, self.text_b, self.label = guid, text_a, text_b, label

    def __eq__(self, other: object) -> bool:
        return isinstance(other, InputExample) and all(
            getattr(self, name) == getattr(other, name) for name in ("text_a", "text_b", "label")
        )

    def __hash__(self) -> int:
        return hash((self.text_a, self.text_b, self.label))

    def __repr__(self) -> str:
        pair = "" if self.text_b is None else f", text_b={self.text_b!r}"
        return f"InputExample(text_a={self.text_a!r}{pair}, label={self.label!r})"


class Examples(Sequence[InputExample]):
    """The rows of a file as `InputExample`s, made when they are looked at.

    Args:
        table: Columns ``text_a``, ``text_b``, ``label`` (strings, the last two may be null) and ``line`` (where the
            row starts in the file, from 1).
        source: The file the rows come from, for messages.
    """

    def __init__(self, table: pa.Table, source: str) -> None:
        self.table, self.source = table, source
        self.names: dict[str, str] = {}  # what the columns are called in the file, where it has a header

    @classmethod
    def from_columns(
        cls, text_a: list[str], text_b: list[str] | None, label: list[str] | None, line: list[int], source: str
    ) -> "Examples":
        """Build from plain lists of equal length; `text_b` and `label` may be left out."""
        strings = [_strings(column, len(text_a)) for column in (text_a, text_b, label)]
        lines = pa.Array.from_buffers(pa.int32(), len(line), [None, pa.py_buffer(np.asarray(line, np.int32))])
        return cls(pa.Table.from_arrays([*strings, lines], ["text_a", "text_b", "label", "line"]), source)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @overload
    def __getitem__(self, index: int) -> InputExample: ...
    @overload
    def __getitem__(self, index: slice) -> "Examples": ...
    def __getitem__(self, index: int | slice) -> "InputExample | Examples":
        if isinstance(index, slice):
            return self.take(list(range(*index.indices(len(self)))))
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return next(iter(Examples(self.table.slice(index % len(self), 1), self.source)))

    def __iter__(self) -> Iterator[InputExample]:
        for batch in self.table.to_batches(max_chunksize=1024):
            columns = batch.to_pydict()
            for line, text_a, text_b, label in zip(
                columns["line"], columns["text_a"], columns["text_b"], columns["label"], strict=True
            ):
                yield InputExample(line, text_a, text_b, label)

    def take(self, rows: Sequence[int]) -> "Examples":
        """The rows with these numbers, in this order."""
        places = pa.Array.from_buffers(pa.int64(), len(rows), [None, pa.py_buffer(np.asarray(rows, np.int64))])
        taken = Examples(self.table.take(places), self.source)
        taken.names = self.names
        return taken

    def where(self, row: int) -> str:
        """``file:line`` of a row."""
        return f"{self.source}:{self.table['line'][row].as_py()}"


def _strings(values: list[str] | None, rows: int) -> pa.Array:
    """An Arrow column of strings, or of nulls; ``pa.array`` does the same, but imports pandas: a second."""
    if values is None:
        return pa.nulls(rows, pa.large_string())
    encoded = [value.encode("utf-8") for value in values]
    offsets = np.concatenate([[0], np.cumsum([len(value) for value in encoded])]).astype(np.int64)
    return pa.LargeStringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded)))


def fingerprint(examples: Sequence[InputExample]) -> str:
    """The sha256 of all texts and labels, in order."""
    digest = hashlib.sha256()
    for example in examples:
        digest.update(
            json.dumps([example.text_a, example.text_b, str(example.label)], ensure_ascii=False).encode(
                "utf-8", "surrogatepass"
            )
        )
    return digest.hexdigest()


def where(examples: Sequence[InputExample], row: int, name: str = "examples") -> str:
    """Name a row for a message: ``file:line`` where it came from a file, else ``name[row]``."""
    return examples.where(row) if isinstance(examples, Examples) else f"{name}[{row}]"
