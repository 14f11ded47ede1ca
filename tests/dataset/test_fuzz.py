"""Small valid files, damaged in many ways: each ends in a data set or in an error of ours, never in something else."""

import csv
import gzip
import io
import json
import random
import shutil

import pyarrow as pa
import pyarrow.parquet
import pytest

import transferhub as hub
from transferhub.errors import HubError
from transferhub.log import logger

TEXTS = [
    "good room",
    'a "quoted" word',
    "two, cells; or | three",
    "naïve café",
    "房间很好，下次再来",
    "",
    "one\ttab",
    "line\nbreak",
]
ROWS = [(text, ("pos", "neg")[number % 2]) for number, text in enumerate(TEXTS * 2)]
PLAIN = [(" ".join(text.split()), label) for text, label in ROWS]
INSERTED = [
    b'"',
    b"'",
    b"\0",
    b"\r",
    b"\n",
    b"\r\n",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b",",
    b"\t",
    b";",
]
INSERTED += [
    b"[",
    b"]",
    b"{",
    b"}",
    b"\\",
    b"\\ud800",
    b":",
    b"-",
    b"1e999",
    b"NaN",
    b"null",
    b"9" * 400,
    b"[" * 200,
    "é".encode(),
    b"\xe9",
]


def as_csv(rows, mark=","):
    text = io.StringIO()
    csv.writer(text, delimiter=mark).writerows([("text", "label", "id"), *((*row, n) for n, row in enumerate(rows))])
    return text.getvalue().encode()


def as_parquet():
    sink = io.BytesIO()
    table = pa.table({"text": [text for text, _ in ROWS], "label": [label for _, label in ROWS]})
    pa.parquet.write_table(table, sink, compression="snappy", data_page_size=64)
    return sink.getvalue()


OBJECTS = [{"text": text, "label": label, "n": n} for n, (text, label) in enumerate(ROWS)]
IN_CHINESE = [(text, label) for text, label in ROWS if "ï" not in text]
SAMPLES = {
    "a.csv": as_csv(ROWS),
    "semicolon.csv": as_csv(ROWS, ";"),
    "chinese.csv": as_csv(IN_CHINESE).decode().encode("gb18030"),
    "wide.csv": as_csv(ROWS).decode().encode("utf-16"),
    "a.tsv": "".join(f"{text}\t{label}\n" for text, label in [("text", "label"), *PLAIN]).encode(),
    "bare.txt": "".join(f"{label}\t{text}\n" for text, label in PLAIN).encode(),
    "a.json": json.dumps(OBJECTS, ensure_ascii=False, indent=1).encode(),
    "lists.json": json.dumps({"text": [a for a, _ in ROWS], "label": [b for _, b in ROWS]}).encode(),
    "a.jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in OBJECTS).encode(),
    "a.parquet": as_parquet(),
    "a.csv.gz": gzip.compress(as_csv(ROWS), mtime=0),
}  # fmt: skip


def damaged(data: bytes, draw: random.Random) -> bytes:
    """One to three damages, one after another."""
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        place = draw.randrange(len(data) + 1)
        other = draw.randrange(len(data) + 1)
        how = draw.randrange(7)
        if how == 0 and data:
            at = min(place, len(data) - 1)
            data = data[:at] + bytes([data[at] ^ (1 << draw.randrange(8))]) + data[at + 1 :]
        elif how == 1:
            data = data[:place]
        elif how == 2:
            data = data[place:]
        elif how == 3:
            data = data[: min(place, other)] + data[max(place, other) :]
        elif how == 4:
            data = data[:place] + data[min(place, other) : max(place, other)] + data[place:]
        elif how == 5:
            data = without_a_column(data, draw)
        else:
            data = data[:place] + draw.choice(INSERTED) + data[place:]
    return data


def without_a_column(data: bytes, draw: random.Random) -> bytes:
    """Some or all lines lose a cell."""
    mark = draw.choice((b",", b"\t", b";"))
    column, share = draw.randrange(3), draw.choice((0.1, 1.0))
    lines = []
    for line in data.split(b"\n"):
        cells = line.split(mark)
        if column < len(cells) > 1 and draw.random() < share:
            del cells[column]
        lines.append(mark.join(cells))
    return b"\n".join(lines)


def outcome(path) -> str:
    """How loading ends, rows looked at."""
    try:
        dataset = hub.dataset.load(path)
        list(dataset.train_examples)
        dataset.label_ids("train")
    except HubError:
        return "error"
    return "rows"


@pytest.fixture
def quiet():
    """Without thousands of log lines."""
    logger.disabled = True
    yield
    logger.disabled = False


@pytest.mark.parametrize("name", SAMPLES)
def test_a_damaged_file_is_a_data_set_or_an_error_of_ours(tmp_path, quiet, name):
    path = tmp_path / name
    path.write_bytes(SAMPLES[name])
    assert outcome(path) == "rows", "the sample itself is whole"
    draw, seen = random.Random(f"damage {name}"), []
    for _ in range(300):
        path.write_bytes(damaged(SAMPLES[name], draw))
        seen.append(outcome(path))
    assert seen.count("error") >= 10, "the damages are real"
    assert seen.count("rows") >= (0 if name.endswith((".gz", ".parquet")) else 10), "and not all of them are fatal"


def test_a_damaged_folder_is_a_data_set_or_an_error_of_ours(tmp_path, quiet):
    draw, seen = random.Random("folder"), []
    for number in range(80):
        root = tmp_path / str(number)
        for place, (text, label) in enumerate(PLAIN):
            file = root / "train" / label / f"{place}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(damaged(text.encode(), draw) if draw.random() < 0.1 else text.encode())
        victim = root / "train" / "pos"
        how = draw.randrange(6)
        if how == 0:
            shutil.rmtree(victim)
        elif how == 1:
            shutil.rmtree(victim)
            victim.write_bytes(b"a file where a folder was")
        elif how == 2:
            (victim / "loop.txt").symlink_to(victim / "loop.txt")
        elif how == 3:
            (root / "train" / "more").symlink_to(root)
        elif how == 4:
            (victim / "deep.txt").mkdir()
        seen.append(outcome(root))
    assert {"error", "rows"} == set(seen)
