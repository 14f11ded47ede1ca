"""Rows in Arrow: written as they are read, in batches of one size, and memory-mapped; never all of them in memory."""

import dataclasses
import json
import math
import mmap
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from transferhub import atomic, cache, paths
from transferhub.dataset.kinds import CODED, SPLIT
from transferhub.errors import DataError

ROWS = 8192  # rows in a batch, so that the batch of a row is a division
BIG = 8 << 20  # files of more bytes than this are mapped from disk; smaller ones are held in memory
VERSION = 3  # of the files below; another version is another key
SCHEMA = pa.schema(
    [
        ("text_a", pa.large_string()),
        ("text_b", pa.large_string()),
        ("text_c", pa.large_string()),
        ("label", pa.int32()),
        ("target", pa.large_string()),  # the label itself, where labels do not recur
        ("line", pa.int32()),
    ]
)
FEW = 1000  # texts are told apart up to this many

Plain = tuple[str, str | None, str | None, int]  # text_a, text_b, label, line
StoredRow = Plain | tuple[str, str | None, str | None, int, str]  # and text_c, for triples


@dataclasses.dataclass
class Facts:
    """What was counted while rows were written.

    Args:
        rows: How many there are.
        labels: Label name → rows that have it, in the order of first appearance; of kinds whose labels recur.
        tags: Tag → tokens that have it; of rows of tags.
        tag_lines: Tag → the line of the first of them.
        low: The smallest value; of rows of values.
        high: The largest.
        kind: Of the labels.
        unlabelled: Rows without a label.
        paired: Whether rows have a second text.
        tripled: Whether they have a third.
        empty: Rows whose text is empty.
        first_empty: The line of the first of them.
        halves: Pairs of which the second text alone is empty.
        first_half: The line of the first of them.
        characters: Of all first texts together.
        texts: How many different first texts there are; counted up to `FEW`.
        notes: What was said while the rows were read.
    """

    rows: int = 0
    labels: dict[str, int] = dataclasses.field(default_factory=dict)
    tags: dict[str, int] = dataclasses.field(default_factory=dict)
    tag_lines: dict[str, int] = dataclasses.field(default_factory=dict)
    low: float = math.inf
    high: float = -math.inf
    kind: str = "classes"
    unlabelled: int = 0
    paired: bool = False
    tripled: bool = False
    empty: int = 0
    first_empty: int = 0
    halves: int = 0
    first_half: int = 0
    characters: int = 0
    texts: int = 0
    notes: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Stored:
    """Record batches of `SCHEMA`, `ROWS` rows each but the last, and what was counted."""

    batches: list[Any]
    facts: Facts
    mapping: mmap.mmap | None = None

    def release(self) -> None:
        """Give back the memory of pages that were looked at; they are read from the file when looked at again."""
        if self.mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
            self.mapping.madvise(mmap.MADV_DONTNEED)


def in_memory(rows: Iterable[StoredRow], notes: list[str] | None = None, kind: str = "classes") -> Stored:
    """Write rows into memory."""
    sink = pa.BufferOutputStream()
    facts = _write(rows, sink, notes, kind)
    return Stored(_open(sink.getvalue()), facts)


def in_passing(rows: Iterable[StoredRow], notes: list[str] | None = None, kind: str = "classes") -> Stored:
    """Write rows into a file without a name, which is gone when nobody looks at it any more."""
    with atomic.writing(paths.cache()):
        paths.cache().mkdir(parents=True, exist_ok=True)
    with atomic.writing(paths.cache()), tempfile.TemporaryFile(dir=paths.cache()) as file:
        facts = _write(rows, pa.PythonFile(file, mode="w"), notes, kind)
        file.flush()
        return _mapped(file.fileno(), facts)


def kept(key: str, rows: Iterable[StoredRow], notes: list[str] | None = None, kind: str = "classes") -> Stored:
    """Write rows into the cache, once for each `key`."""

    def fill(folder: Path) -> None:
        with open(folder / "rows.arrow", "wb") as file:
            facts = _write(rows, pa.PythonFile(file, mode="w"), notes, kind)
        atomic.write_json(folder / "facts.json", dataclasses.asdict(facts))

    folder = cache.entry("rows", key, fill)
    facts = Facts(**json.loads((folder / "facts.json").read_text(encoding="utf-8")))
    with open(folder / "rows.arrow", "rb") as file:
        return _mapped(file.fileno(), facts)


def _write(rows: Iterable[StoredRow], sink: Any, notes: list[str] | None, kind: str) -> Facts:
    facts, paired, labelled = Facts(kind=kind), None, 0
    codes: dict[str, int] = {}
    coded = kind in CODED
    seen: set[str] = set()
    with pa.ipc.new_file(sink, SCHEMA) as writer:
        batch = _Batch()
        for text, pair, label, line, *third in rows:
            if not text or text.isspace():
                facts.first_empty = facts.first_empty if facts.empty else line
                facts.empty += 1
            elif pair is not None and not pair.strip():
                facts.first_half = facts.first_half if facts.halves else line
                facts.halves += 1
            if paired is not None and paired != (pair is not None):
                raise DataError(f"row {facts.rows + len(batch.texts) + 1} (line {line}): pairs and single texts mixed")
            paired = pair is not None
            facts.characters += len(text)
            if len(seen) < FEW:
                seen.add(text)
            code = -1
            if label is not None:
                labelled, code = labelled + 1, 0
                if coded:
                    code = codes.setdefault(label, len(codes))
                    facts.labels[label] = facts.labels.get(label, 0) + 1
                else:
                    _look_at(label, line, facts)
            if third:
                facts.tripled = True
                batch.thirds.append(third[0])
            if not coded:
                batch.targets.append(label or "")
            batch.texts.append(text)
            batch.pairs.append(pair)
            batch.codes.append(code)
            batch.lines.append(line)
            if len(batch.texts) == ROWS:
                facts.rows += ROWS
                writer.write_batch(batch.arrow())
                batch = _Batch()
        if batch.texts:
            facts.rows += len(batch.texts)
            writer.write_batch(batch.arrow())
    facts.paired = bool(paired)
    facts.unlabelled, facts.texts = facts.rows - labelled, len(seen)
    facts.notes = list(notes or [])
    return facts


def _look_at(label: str, line: int, facts: Facts) -> None:
    """Count what is to be known of labels that are not counted themselves."""
    if facts.kind == "value":
        value = float(label)
        facts.low, facts.high = min(value, facts.low), max(value, facts.high)
    else:
        for tag in label.split(SPLIT):
            facts.tags[tag] = facts.tags.get(tag, 0) + 1
            facts.tag_lines.setdefault(tag, line)


class _Batch:
    def __init__(self) -> None:
        self.texts: list[str] = []
        self.pairs: list[str | None] = []
        self.thirds: list[str] = []
        self.targets: list[str] = []
        self.codes: list[int] = []
        self.lines: list[int] = []

    def arrow(self) -> Any:
        pairs = [pair for pair in self.pairs if pair is not None]
        return pa.RecordBatch.from_arrays(
            [
                self._strings(self.texts),
                self._all_or_none(pairs),
                self._all_or_none(self.thirds),
                _numbers(self.codes),
                self._all_or_none(self.targets),
                _numbers(self.lines),
            ],
            schema=SCHEMA,
        )

    def _all_or_none(self, values: list[str]) -> Any:
        count = len(self.texts)
        return self._strings(values) if len(values) == count else pa.nulls(count, pa.large_string())

    def _strings(self, values: list[str]) -> Any:
        """``pa.array`` does the same, but imports pandas: a second."""
        try:
            encoded = [value.encode("utf-8") for value in values]
        except UnicodeEncodeError as error:
            raise DataError(
                f"a text holds half a character ({error.object[error.start]!a}): {error.object[:60]!a}",
                expected="whole characters: a pair of \\ud8xx\\udcxx, or none",
            ) from None
        offsets = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum([len(value) for value in encoded], out=offsets[1:])
        return pa.LargeStringArray.from_buffers(len(encoded), pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded)))


def _numbers(values: list[int]) -> Any:
    return pa.Array.from_buffers(pa.int32(), len(values), [None, pa.py_buffer(np.asarray(values, np.int32))])


def _mapped(descriptor: int, facts: Facts) -> Stored:
    mapping = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    return Stored(_open(pa.py_buffer(mapping)), facts, mapping)


def _open(buffer: Any) -> list[Any]:
    reader = pa.ipc.open_file(pa.BufferReader(buffer))
    return [reader.get_batch(number) for number in range(reader.num_record_batches)]
