"""Every kind of file that `load` reads, and what it says of it."""

import csv
import gzip
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

import transferhub as hub
from transferhub.dataset import InputExample
from transferhub.dataset.examples import fingerprint
from transferhub.dataset.files import header_of, read_examples
from transferhub.errors import ConfigError, DataError

ROWS = [("good room", "pos"), ("bad, very bad", "neg"), ("it's “fine”", "pos"), ("nie wieder, öde", "neg")]
CHINESE = [("房间很好，服务也不错", "好评"), ("不会再来了，太差", "差评"), ("早餐很好吃", "好评"), ("又脏又吵", "差评")]
load = hub.dataset.load


def pairs(dataset, split="train"):
    return [(row.text_a, row.label) for row in dataset.get_examples(split)]


def delimited(rows, mark=",", header=("text", "label"), encoding="utf-8"):
    def cell(text):
        return f'"{text}"' if mark in text else text

    lines = [*([header] if header else []), *rows]
    return "".join(mark.join(map(cell, cells)) + "\n" for cells in lines).encode(encoding)


def as_json(rows):
    return [{"id": number, "text": text, "label": label} for number, (text, label) in enumerate(rows)]


def write_all(folder):
    """The same rows in every form; name → what to load."""
    table = pa.table({"text": [a for a, _ in ROWS], "label": [b for _, b in ROWS]})
    pa.parquet.write_table(table, folder / "rows.parquet")
    texts = {
        "rows.csv": delimited(ROWS),
        "rows.tsv": delimited(ROWS, "\t"),
        "rows.txt": delimited(ROWS, "\t"),
        "semicolon.csv": delimited(ROWS, ";"),
        "bar.csv": delimited(ROWS, "|"),
        "bom.csv": delimited(ROWS, encoding="utf-8-sig"),
        "wide.csv": delimited(ROWS, encoding="utf-16"),
        "dos.csv": delimited(ROWS).replace(b"\n", b"\r\n"),
        "packed.csv.gz": gzip.compress(delimited(ROWS)),
        "array.json": json.dumps(as_json(ROWS)).encode(),
        "pretty.json": json.dumps(as_json(ROWS), indent=2, ensure_ascii=False).encode(),
        "lines.json": b"".join(json.dumps(row).encode() + b"\n" for row in as_json(ROWS)),
        "rows.jsonl": b"\n\n".join(json.dumps(row).encode() for row in as_json(ROWS)),
        "packed.jsonl.gz": gzip.compress(b"\n".join(json.dumps(row).encode() for row in as_json(ROWS))),
        "lists.json": json.dumps({"text": [a for a, _ in ROWS], "label": [b for _, b in ROWS]}).encode(),
        "pandas.json": json.dumps(
            {"text": dict(enumerate(a for a, _ in ROWS)), "label": dict(enumerate(b for _, b in ROWS))}
        ).encode(),
    }
    for name, data in texts.items():
        (folder / name).write_bytes(data)
    return ["rows.parquet", *texts]


def test_the_same_rows_are_the_same_in_every_form(tmp_path):
    names = write_all(tmp_path)
    marks = {name: fingerprint(load(tmp_path / name).train_examples) for name in names}
    assert set(marks.values()) == {fingerprint([InputExample(0, text, None, label) for text, label in ROWS])}, marks
    assert pairs(load(tmp_path / "rows.csv")) == ROWS


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.csv", delimited(ROWS), "a.csv: 4 rows, utf-8, comma, header, columns text=text, label=label"),
        ("a.csv", delimited(ROWS, ";", None), "utf-8, semicolon, no header, columns text=column 0, label=column 1"),
        ("a.tsv", delimited(ROWS, "\t", None), "utf-8, tab, no header, columns text=column 0, label=column 1"),
        ("a.csv", delimited([row[::-1] for row in ROWS], ",", None), "header, columns text=column 1, label=column 0"),
        ("a.csv", delimited(CHINESE, encoding="gb18030"), "4 rows, gb18030, comma, header"),
        ("a.tsv", delimited(CHINESE, "\t", ("标签", "评论"), "gbk").replace(b"\n", b"\r\n"), "gb18030, tab, header"),
        ("a.csv", delimited(ROWS, encoding="cp1252"), "4 rows, cp1252, comma, header"),
        ("a.csv", delimited(ROWS[:2] + ROWS[3:], encoding="latin-1"), "3 rows, latin-1, comma, header"),
        ("a.csv", delimited(ROWS, encoding="utf-16"), "utf-16, comma, header"),
        ("a.csv", delimited(ROWS, encoding="utf-8-sig"), "utf-8-sig, comma, header"),
        ("a.jsonl", json.dumps(as_json(ROWS)).encode(), "4 rows, utf-8, array of objects, columns text=text"),
    ],
)  # fmt: skip
def test_what_is_told_from_a_file_is_said_in_one_line(tmp_path, lines, name, data, said):
    (tmp_path / name).write_bytes(data)
    columns = {"text": "评论", "label": "标签"} if "标签".encode("gbk") in data else {}
    load(tmp_path / name, **columns)
    assert sum(said in line for line in lines) == 1, lines


def test_a_western_encoding_is_called_a_guess(tmp_path, lines):
    (tmp_path / "a.csv").write_bytes(delimited(ROWS, encoding="cp1252"))
    load(tmp_path / "a.csv")
    assert any("WARNING" in line and "not UTF-8 at line 4" in line and "a guess" in line for line in lines), lines
    lines.clear()
    load(tmp_path / "a.csv", encoding="cp1252")
    assert not any("a guess" in line for line in lines)


@pytest.mark.parametrize("encoding", ["euc-kr", "euc-jp", "shift-jis", "cp1251", "big5", "iso8859-7"])
def test_other_encodings_are_asked_for_never_guessed(tmp_path, encoding):
    text = {
        "euc-kr": "방이 아주 좋았습니다",
        "euc-jp": "部屋はとても良かったです",
        "shift-jis": "部屋はとても良かったです",
        "cp1251": "Номер был очень хорошим",
        "big5": "房間很好，服務也不錯",
        "iso8859-7": "Το δωμάτιο ήταν πολύ καλό",
    }[encoding]
    rows = [(text * 4, "a"), (text * 3, "b")] * 10
    (tmp_path / "a.csv").write_bytes(delimited(rows, encoding=encoding))
    with pytest.raises(DataError, match=r"not UTF-8 at line 2(?s:.)*encoding="):
        load(tmp_path / "a.csv")
    assert pairs(load(tmp_path / "a.csv", encoding=encoding)) == rows


def test_utf8_with_a_bad_byte_is_not_another_encoding(tmp_path):
    (tmp_path / "a.csv").write_bytes(delimited(CHINESE * 9) + b"caf\xe9,\xe5\xa5\xbd\n")
    with pytest.raises(DataError, match=r"not UTF-8 at line 38 \(byte 0xe9\)(?s:.)*gb18030"):
        load(tmp_path / "a.csv")


def test_quotes_are_data_in_tsv_and_enclose_cells_in_csv_unless_said_otherwise(tmp_path, lines):
    for name in ("a.tsv", "a.csv"):
        mark = "\t" if name == "a.tsv" else ","
        (tmp_path / name).write_text(f'text{mark}label\n"one"{mark}1\n"two"{mark}0\n')
    assert pairs(load(tmp_path / "a.tsv"))[0] == ('"one"', "1")
    assert any("cells stand in quotes, which are data" in line for line in lines)
    assert pairs(load(tmp_path / "a.tsv", quoted=True))[0] == ("one", "1")
    assert pairs(load(tmp_path / "a.csv"))[0] == ("one", "1")
    assert pairs(load(tmp_path / "a.csv", quoted=False))[0] == ('"one"', "1")


def test_columns_by_number_where_there_is_no_header(tmp_path):
    (tmp_path / "a.csv").write_text("7,a,x,good room\n8,b,y,bad bed\n9,a,z,good soup\n1,b,w,bad plot\n")
    with pytest.raises(DataError, match="no header and 4 columns: cannot tell which one is the text"):
        load(tmp_path / "a.csv")
    dataset = load(tmp_path / "a.csv", text=3, label=1)
    assert pairs(dataset)[0] == ("good room", "a")
    assert dataset.train_examples.names == {"text": 3, "label": 1}
    assert pairs(load(tmp_path / "a.csv", text="3", label="1"))[0] == ("good room", "a")
    with pytest.raises(DataError, match=r"no column 9; there is no header, but 4 columns(?s:.)*from 0 to 3"):
        load(tmp_path / "a.csv", text=9)


def test_a_column_beside_the_text_is_no_second_text_by_its_place_alone(tmp_path, lines):
    (tmp_path / "a.tsv").write_text("".join(f"some text {n}\t{n % 2}\ted{n}x\n" for n in range(8)))
    with pytest.raises(DataError, match="no header and 3 columns: cannot tell which one is the text"):
        load(tmp_path / "a.tsv")
    load(tmp_path / "a.tsv", text=0)
    assert any("columns text=column 0, label=column 1 (not used: column 2)" in line for line in lines)
    (tmp_path / "b.tsv").write_text("".join(f"a {n}\tb {n}\t{n % 2}\n" for n in range(8)))
    assert load(tmp_path / "b.tsv").train_examples[3] == InputExample(0, "a 3", "b 3", "1")


def test_columns_asked_for_by_number_mean_that_there_is_no_header(tmp_path):
    (tmp_path / "a.csv").write_text("good room,fine\nbad bed,poor\n")
    assert pairs(load(tmp_path / "a.csv", text=0, label=1)) == [("good room", "fine"), ("bad bed", "poor")]
    (tmp_path / "b.csv").write_text("good,1\nbad,0\n")
    assert pairs(load(tmp_path / "b.csv", text="0", label="1")) == [("good", "1"), ("bad", "0")]
    (tmp_path / "c.csv").write_text("id,text,mood\n1,good,x\n2,bad,y\n")
    assert pairs(load(tmp_path / "c.csv", text=1, label=2)) == [("good", "x"), ("bad", "y")], "a known name is a header"


def test_a_header_can_be_denied_and_claimed(tmp_path):
    (tmp_path / "a.csv").write_text("text,1\nmore,0\n")
    assert len(load(tmp_path / "a.csv", header=False).train_examples) == 2
    (tmp_path / "b.csv").write_text("good,1\nbad,0\nfine,1\n")
    assert len(load(tmp_path / "b.csv").train_examples) == 3
    assert len(load(tmp_path / "b.csv", header=True, text="good", label="1").train_examples) == 2


def test_a_separator_that_is_not_certain_is_asked_for(tmp_path):
    (tmp_path / "a.csv").write_text("great;a|x\nbad;b|y\n")
    with pytest.raises(DataError, match=r"may be semicolon or bar(?s:.)*delimiter="):
        load(tmp_path / "a.csv")
    assert pairs(load(tmp_path / "a.csv", delimiter=";", header=False))[0] == ("great", "a|x")
    with pytest.raises(ConfigError, match="delimiter='ab'"):
        load(tmp_path / "a.csv", delimiter="ab")
    with pytest.raises(ConfigError, match="encoding='klingon'"):
        load(tmp_path / "a.csv", encoding="klingon")


def test_lines_of_text_with_commas_are_texts(tmp_path):
    (tmp_path / "a.txt").write_text("good, clean room\nbad food, rude staff\n")
    rows = read_examples(tmp_path / "a.txt", labelled=False, paired=False)
    assert [row.text_a for row in rows] == ["good, clean room", "bad food, rude staff"]
    assert header_of(tmp_path / "a.txt") == [0]


def test_folders_of_texts(tmp_path, lines):
    for split, label, name, text in (
        ("train", "pos", "b", "good"),
        ("train", "pos", "a", "great\nroom"),
        ("train", "neg", "a", "bad"),
        ("train", "unsup", "a", "?"),
        ("test", "neg", "x", "awful"),
        ("test", "pos", "x", "fun"),
    ):
        (tmp_path / split / label).mkdir(parents=True, exist_ok=True)
        (tmp_path / split / label / f"{name}.txt").write_text(text)
    (tmp_path / "train" / "pos" / "notes.md").write_text("not a text")
    dataset = load(tmp_path)
    assert pairs(dataset) == [("bad", "neg"), ("great\nroom", "pos"), ("good", "pos")]
    assert pairs(dataset, "test") == [("awful", "neg"), ("fun", "pos")]
    assert dataset.train_examples.where(1).endswith("train/pos/a.txt")
    assert any("unsup: 1 texts without a label are left out" in line for line in lines)
    assert any("pos: 1 entries that are no .txt files are left out" in line for line in lines)
    assert pairs(load(tmp_path / "train")) == pairs(dataset)


def test_a_folder_of_files_a_mapping_and_arguments_are_the_same_splits(tmp_path):
    for name in ("train.csv", "validation.csv", "test.csv"):
        (tmp_path / name).write_bytes(delimited(ROWS))
    train, dev, test = (tmp_path / name for name in ("train.csv", "validation.csv", "test.csv"))
    for dataset in (load(tmp_path), load({"train": train, "validation": dev, "test": test}), load(train, dev, test)):
        assert [len(dataset.get_examples(split)) for split in ("train", "dev", "test")] == [4, 4, 4]
    with pytest.raises(DataError, match=r"no split 'trian'(?s:.)*did you mean 'train'"):
        load({"trian": train})
    (tmp_path / "train.tsv").write_bytes(b"")
    with pytest.raises(DataError, match=r"has 2 for train: train\.csv, train\.tsv"):
        load(tmp_path)


def test_frames_and_their_numbers(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"text": ["a", "b", "c"], "label": [1.0, 0.0, 1.0]}, index=[7, 7, 9])
    assert pairs(load(frame)) == [("a", "1"), ("b", "0"), ("c", "1")]
    assert pairs(load({"train": frame, "dev": frame[:1]}), "dev") == [("a", "1")]
    frame.loc[9, "label"] = None
    with pytest.raises(DataError, match=r"DataFrame\.iloc\[2\]: the label is missing"):
        load(frame)
    with pytest.raises(DataError, match=r"no column 'txt'(?s:.)*did you mean 'text'"):
        load(frame, text="txt")
    with pytest.raises(DataError, match=r"DataFrame\.iloc\[0\]: the text is 1 \(int\)"):
        load(pandas.DataFrame({"text": [1, 2], "label": ["a", "b"]}))
    frame = pandas.DataFrame({"text": ["a", "b"], "label": pandas.Categorical(["x", "y"])})
    assert pairs(load(frame)) == [("a", "x"), ("b", "y")]


def test_data_sets_of_the_datasets_library():
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["pos", "neg"])})
    train = datasets.Dataset.from_dict({"text": ["a", "b", "c"], "label": [1, 0, 1]}, features=features)
    both = load(datasets.DatasetDict({"train": train.select([2, 1]), "validation": train, "unsupervised": train}))
    assert pairs(both) == [("c", "neg"), ("b", "pos")]
    assert both.label_list == ["pos", "neg"], "in the data set's own order"
    assert both.label_ids("dev").tolist() == [1, 0, 1]
    unlabelled = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [-1, 0]}, features=features)
    with pytest.raises(DataError, match=r"train\[0\]: the label is missing"):
        load(unlabelled)


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([1, 0, 1], ["0", "1"]),
        ([1.0, 0, 2.5], ["0", "1", "2.5"]),
        ([True, False, True], ["False", "True"]),
        (["1", 1, "x"], ["1", "x"]),
    ],
)
def test_labels_that_are_numbers_or_truth_values(tmp_path, values, labels):
    rows = [{"text": str(place), "label": value} for place, value in enumerate(values)]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    assert load(tmp_path / "a.json").label_list == labels


@pytest.mark.parametrize(
    ("value", "said"), [(None, "missing"), (float("nan"), "missing"), ("", "empty"), (" ", "empty"), ([1], r"\[1\] \(")]
)
def test_a_label_that_is_missing_is_named_by_its_row(tmp_path, value, said):
    (tmp_path / "a.jsonl").write_text('{"text": "a", "label": 1}\n' + json.dumps({"text": "b", "label": value}))
    with pytest.raises(DataError, match=rf"a\.jsonl:2: the label is {said}"):
        load(tmp_path / "a.jsonl")


def test_a_list_of_examples_is_checked():
    rows = [InputExample(0, "a", None, "x"), InputExample(1, "b", None, "y")]
    assert load(rows).label_list == ["x", "y"]
    with pytest.raises(DataError, match=r"train\[2\]: InputExample\(text_a=3"):
        load([*rows, InputExample(2, 3, None, "x")])
    with pytest.raises(DataError, match=r"dev\[0\]: text_b is 5"):
        load(rows, [InputExample(2, "a", 5, "x")])
    with pytest.raises(DataError, match=r"train: list \['a', 'b'\]"):
        load(["a", "b"])


def test_rows_of_a_large_array_are_read_one_by_one(tmp_path, monkeypatch):
    monkeypatch.setattr("transferhub.dataset.json_rows.STEP", 16)
    (tmp_path / "a.json").write_text(json.dumps(as_json(ROWS * 20), indent=1, ensure_ascii=False))
    dataset = load(tmp_path / "a.json")
    assert pairs(dataset) == ROWS * 20
    assert dataset.train_examples.where(1) == f"{tmp_path}/a.json:7"


def test_a_very_long_line_is_read_and_cut_by_the_reader(tmp_path, tiny):
    (tmp_path / "a.csv").write_text("text,label\n" + "good room " * 120_000 + ",pos\nbad,neg\n")
    dataset = load(tmp_path / "a.csv")
    assert len(dataset.train_examples[0].text_a) == 1_200_000
    reader = hub.reader.ClassifyReader(tiny / "vocab.txt", dataset, max_seq_len=16)
    assert reader.columns("train").lengths.tolist() == [16, 3]


def test_what_pythons_csv_writes_comes_back(tmp_path):
    rows = [('say "hi", twice', "a"), ("two\nlines", "b"), ("", "a"), ("plain", "b")]
    with open(tmp_path / "a.csv", "w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    assert pairs(load(tmp_path / "a.csv")) == rows


def test_label_ids_are_an_array():
    assert load([InputExample(0, "a", None, 1), InputExample(1, "b", None, 0)]).label_ids("train").dtype == np.int64
