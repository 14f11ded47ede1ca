"""Files that cannot be used: each is an error that names the place, what was expected and the fix."""

import gzip
import json
import os
import random
from pathlib import Path

import pytest

import transferhub as hub
from transferhub.dataset import InputExample
from transferhub.dataset.files import read_examples
from transferhub.errors import ConfigError, DataError

load = hub.dataset.load
HEAD = "text,label\n"
GOOD = "good,pos\nbad,neg\n"


def made(path: Path, data: str | bytes) -> Path:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.csv", b"text,label\ngood,pos\nb\0d,neg\n", r"a\.csv:3: a NUL byte"),
        ("a.csv", (HEAD + GOOD).encode("utf-16-le"), r'NUL byte(?s:.)*encoding="utf-16-le"'),
        ("a.csv", (HEAD + GOOD).encode("utf-16")[:-1], r"a\.csv: not UTF-16 at line 3"),
        ("a.csv", HEAD.encode() + b"good,pos\nb\xffd,neg\n", r"not UTF-8 at line 3 \(byte 0xff\)"),
        ("a.csv", HEAD + 'good,pos\n"never closed,neg\nmore,pos\n', r"a\.csv:3: the quote that opens in this row"),
        ("a.csv", HEAD + 'good,pos\n"one" more,neg\n', r"a\.csv:3: text after a closing quote"),
        ("a.csv", HEAD + 'x,pos\n"open,neg\nok,pos\n"good, room",neg\n', r"a\.csv:3: text after a closing .* line 5"),
        ("a.csv", HEAD + "good,pos\nbad;neg\n", r"a\.csv:3: 1 columns.*with a semicolon it would have 2"),
        ("a.csv", HEAD + "good,pos\nbad,very,neg\n", r"a\.csv:3: 3 columns, the first row has 2"),
        ("a.csv", "text,label,label\na,1,2\nb,0,2\n", r"2 columns are called 'label': number 1 and 2(?s:.)*label=1"),
        ("a.csv", HEAD, "header and no rows"),
        ("a.csv", "\n\n  \n", "is empty"),
        ("a.csv", HEAD + ",pos\n  ,neg\n", "the text is empty in all 2 rows"),
        ("a.csv", HEAD + "a,pos\nb,pos\n", "every row has the label 'pos'"),
        ("a.tsv", "only one\nand two\n", "cannot tell which column is the text"),
        ("a.txt", "only one\nand two\n", "only has one column: a text, no label"),
        ("a.json", '[{"text": "a", "label": 1},\n{"text": "b", "la', r"a\.json:2: not JSON \(row 2\).*cut off"),
        ("a.json", '[{"text": "a", "label": 1},\n{"text": "b", "label": 0}', r"a\.json:2: the file ends after row 2"),
        ("a.json", '[{"text": "a", "label": 1}\n{"text": "b"}]', r"a\.json:2: not JSON.*where a comma belongs"),
        ("a.json", '[{"text": "a", "label": 1},]', r"a\.json:1: not JSON"),
        ("a.json", '[{"text": "a", "label": 1}] x', "text after the closing"),
        ("a.json", '["a", "b"]', r"a\.json:1: 'a' is no row"),
        ("a.json", "[]", "has no rows"),
        ("a.json", "", "is empty"),
        ("a.json", '{"text": ["a", "b"], "label": [1]}', "lists of different lengths"),
        ("a.json", '{"data": [{"text": "a"}], "version": 1}', "'version' is no list.*inside of 'data'"),
        ("a.json", "[" * 100_000, r"a\.json:1: not JSON"),
        ("a.json", '{"text": [' + "9" * 5000 + "]}", r"a\.json:1: not JSON"),
        ("a.json", '[{"text": "\\ud83d", "label": 1}]', "half a character"),
        ("a.jsonl", '{"text": "a", "label": 1}\n{"text": "b"', r"a\.jsonl:2: not JSON.*cut off here"),
        ("a.jsonl", '{"text": "a", "label": 1}\nnull\n', r"a\.jsonl:2: None is no row"),
        ("a.jsonl", '{"text": "a", "label": 1}\n{"text": "b"}\n', r"a\.jsonl:2: the label is missing"),
        ("a.jsonl", '{"text": ["a"], "label": 1}\n', r"a\.jsonl:1: the text is \['a'\] \(list\)"),
        ("a.parquet", HEAD + GOOD, r"a\.parquet: not a parquet file"),
        ("a.parquet", b"", "is empty"),
        ("a.csv.gz", HEAD + GOOD, "the gzip file is damaged"),
        ("a.csv.gz", gzip.compress((HEAD + GOOD * 99).encode(), mtime=0)[:-30], "the gzip file is damaged"),
        ("a.xlsx", b"PK", r"\.xlsx files are not read(?s:.)*save it as csv"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_says_where_and_why(tmp_path, name, data, said):
    with pytest.raises(DataError, match=said) as raised:
        load(made(tmp_path / name, data))
    assert raised.value.expected or raised.value.fix


def test_what_is_no_file_is_named(tmp_path):
    with pytest.raises(DataError, match="there is no file"):
        load(tmp_path / "none.csv")
    with pytest.raises(DataError, match=r"not one of data: it is empty(?s:.)*train/LABEL"):
        load(tmp_path)
    made(tmp_path / "readme.md", "x")
    with pytest.raises(DataError, match=r"not one of data: readme\.md"):
        load(tmp_path)
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    with pytest.raises(DataError, match=r"loop\.csv cannot be read: Too many levels of symbolic links"):
        load(tmp_path / "loop.csv")
    with pytest.raises(DataError, match="cannot be read: File name too long"):
        load(tmp_path / ("x" * 300 + ".csv"))
    with pytest.raises(DataError, match="is no path"):
        load("a\0b.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(DataError, match="is no ordinary file"):
        load(tmp_path / "pipe.csv")
    with pytest.raises(DataError, match="no rows to load"):
        load()
    with pytest.raises(DataError, match=r"train: int 7"):
        load(7)


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    path = made(tmp_path / "a.csv", HEAD + GOOD)

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)  # permissions do not hold for root
    with pytest.raises(DataError, match=r"a\.csv cannot be read: Permission denied(?s:.)*permissions"):
        load(path)


def test_a_split_of_a_folder_without_texts_is_named(tmp_path):
    (tmp_path / "train" / "pos").mkdir(parents=True)
    with pytest.raises(DataError, match=r"train holds no folders of \.txt files"):
        load(tmp_path)
    made(tmp_path / "train" / "pos" / "a.txt", b"caf\xe9")
    with pytest.raises(DataError, match=r"pos/a\.txt: not UTF-8 at line 1 \(byte 0xe9\)"):
        load(tmp_path)
    assert load(tmp_path, encoding="latin-1", label_list=["pos", "neg"]).train_examples[0].text_a == "café"


def test_empty_texts_are_kept_counted_and_said(tmp_path, lines):
    dataset = load(made(tmp_path / "a.csv", HEAD + "good,pos\n,neg\n  ,pos\n"))
    assert [row.text_a for row in dataset.train_examples] == ["good", "", "  "]
    assert any("2 of 3 texts are empty (the first in row or line 3)" in line for line in lines)


def test_swapped_columns_are_seen(tmp_path):
    rows = "".join(f'{"pos" if number % 2 else "neg"},"text number {number} of a few words"\n' for number in range(12))
    path = made(tmp_path / "a.csv", HEAD + rows)
    with pytest.raises(DataError, match=r"the columns seem swapped(?s:.)*text='label', label='text'"):
        load(path)
    assert load(path, text="label", label="text").label_list == ["neg", "pos"]


def test_an_id_column_as_label_is_seen_and_can_be_meant(tmp_path):
    rows = "".join(
        f"a room like any other {number % 7},id{number // 2 if number < 40 else number}\n" for number in range(500)
    )
    path = made(tmp_path / "a.csv", HEAD + rows)
    with pytest.raises(DataError, match=r"num labels = 480 of 500 rows \('id0', .*is 'label' the id column"):
        load(path)
    names = [f"id{number}" for number in range(500)]
    assert load(path, label_list=names).num_labels == 500
    with pytest.raises(ConfigError, match="has a name twice"):
        load(path, label_list=["a", "a"])


@pytest.mark.parametrize(("rows", "labels"), [(19, 19), (20, 10), (100, 50)])
def test_few_rows_or_labels_with_rows_enough_are_no_id_column(tmp_path, rows, labels):
    text = "".join(f"a text with some words in it {number},{number % labels}\n" for number in range(rows))
    assert load(made(tmp_path / "a.csv", HEAD + text)).num_labels == labels


def test_labels_that_look_alike_are_shown_and_not_merged(tmp_path, lines):
    path = made(tmp_path / "a.csv", HEAD + "a,Positive\nb,positive \nc,negative\nd,negative\ne, odd\nf,1\ng,1.0\n")
    dataset = load(path)
    assert dataset.label_list == ["1", " odd", "1.0", "Positive", "negative", "positive "]
    said = [line for line in lines if "WARNING" in line]
    assert any("'Positive' (1 rows), 'positive ' (1 rows); kept as they are" in line for line in said), said
    assert any("spaces around it: ' odd' (1 rows)" in line for line in said)
    assert any("'1' (1 rows), '1.0' (1 rows)" in line for line in said)
    assert not any("negative" in line for line in said)


def test_a_label_of_dev_that_train_lacks_is_named_at_once(tmp_path):
    train, dev = made(tmp_path / "a.csv", HEAD + GOOD), made(tmp_path / "b.csv", HEAD + "good,pos\nmeh,so-so\n")
    with pytest.raises(DataError, match=r"b\.csv:3: label 'so-so' is not known(?s:.)*one of 'neg', 'pos'"):
        load(train, dev)


def test_one_column_cannot_be_text_and_label(tmp_path):
    with pytest.raises(DataError, match="one column for two things"):
        load(made(tmp_path / "a.csv", HEAD + GOOD), text="label", label="label")


def test_a_parquet_file_that_is_damaged_in_the_middle_is_named(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet

    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefgh", k=12)) for _ in range(5000)]
    pa.parquet.write_table(pa.table({"text": words, "label": ["a", "b"] * 2500}), tmp_path / "a.parquet")
    data = bytearray((tmp_path / "a.parquet").read_bytes())
    data[200:20000] = bytes(19800)
    with pytest.raises(DataError, match=r"a\.parquet, after row \d+: not a parquet file, or a damaged one"):
        load(made(tmp_path / "a.parquet", bytes(data)))


def test_rows_of_examples_that_are_no_texts_are_named_by_the_reader(tiny):
    dataset = hub.dataset.BaseDataset(label_list=["a", "b"])
    dataset.train_examples = [InputExample(0, "x", None, "a"), InputExample(1, None, None, "b")]
    reader = hub.reader.ClassifyReader(tiny / "vocab.txt", dataset, max_seq_len=16)
    with pytest.raises(DataError, match=r"row 1: \(None,\)(?s:.)*a text"):
        reader.columns("train")


def test_a_wrong_row_deep_in_a_json_file_is_named_by_its_line(tmp_path):
    rows = [{"text": f"text {number}", "label": "a" if number % 2 else "b"} for number in range(300)]
    rows[200]["text"] = 5
    with pytest.raises(DataError, match=r"a\.json:802: the text is 5 \(int\)"):
        load(made(tmp_path / "a.json", json.dumps(rows, indent=1)))


def test_columns_in_a_dictionary_are_told_to_be_a_frame():
    with pytest.raises(DataError, match="there is no split 'text'") as caught:
        hub.dataset.load({"text": ["a", "b"], "label": ["x", "y"]})
    assert "a table of columns goes in as a DataFrame" in str(caught.value)


def test_one_column_is_no_pair(tmp_path):
    (tmp_path / "p.txt").write_text("so it is\nand so on\n", encoding="utf-8")
    with pytest.raises(DataError, match="has no second text: 1 column") as caught:
        read_examples(tmp_path / "p.txt", labelled=False, paired=True)
    assert "two columns" in str(caught.value)


def test_an_unknown_label_is_told_the_nearest(tmp_path):
    for name, rows in (("train", "a,good\nb,bad\n"), ("dev", "a,godo\n")):
        (tmp_path / f"{name}.csv").write_text(f"text,label\n{rows}", encoding="utf-8")
    with pytest.raises(DataError, match="label 'godo' is not known") as caught:
        hub.dataset.load(tmp_path / "train.csv", tmp_path / "dev.csv")
    assert "did you mean 'good'?" in str(caught.value)
