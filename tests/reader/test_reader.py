import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import transferhub as hub
from transferhub import paths
from transferhub.dataset import BaseDataset, InputExample
from transferhub.errors import ConfigError, DataError
from transferhub.reader import ClassifyReader, Columns, Padding
from transferhub.reader.columns import Chunk, ColumnWriter


def dataset():
    rows = BaseDataset(label_list=["neg", "pos"])
    rows.train_examples = [InputExample(0, "the room was good", None, "pos"), InputExample(1, "bad", None, "neg")]
    rows.predict_examples = [InputExample(0, "food", None, None)]
    return rows


@pytest.fixture
def reader(tiny):
    return ClassifyReader(vocab_path=str(tiny / "vocab.txt"), dataset=dataset(), max_seq_len=16)


def test_rows_become_ids_with_special_tokens_and_labels(reader):
    columns = reader.columns("train")
    vocabulary = reader.tokenizer.get_vocab()
    batch = columns.batch([0, 1], reader.pad)
    words = ["[CLS]", "the", "room", "was", "good", "[SEP]"]
    assert batch["input_ids"][0].tolist() == [vocabulary[word] for word in words]
    assert batch["input_ids"][1].tolist() == [vocabulary["[CLS]"], vocabulary["bad"], vocabulary["[SEP]"], 0, 0, 0]
    assert batch["input_mask"].sum(axis=1).tolist() == [6, 3]
    assert batch["labels"].tolist() == [1, 0]


def test_a_pair_has_two_segments_and_the_longer_text_is_cut(reader):
    columns = reader.encode([["the room", " ".join(["good"] * 40)]])
    batch = columns.batch([0], reader.pad)
    assert columns.lengths.tolist() == [16]
    assert batch["segment_ids"][0].tolist() == [0] * 4 + [1] * 12


def test_texts_lists_tuples_and_examples_are_the_same_rows(reader):
    forms = ["the room", ["the room"], ("the room",), InputExample(0, "the room")]
    ids = [reader.encode([form]).batch([0], reader.pad)["input_ids"].tolist() for form in forms]
    assert all(row == ids[0] for row in ids)


@pytest.mark.parametrize("row", [7, ["a", "b", "c"], [], [None]])
def test_what_is_no_text_is_refused_by_its_number(reader, row):
    with pytest.raises((DataError), match="row 1"):
        reader.encode(["good", row])


def test_texts_and_pairs_do_not_mix(reader):
    with pytest.raises(DataError, match="row 1 is a pair, row 0 is not"):
        reader.encode(["good", ["a", "b"]])


def test_a_split_comes_from_the_disk_cache_the_second_time(reader, monkeypatch):
    first = reader.columns("train")
    monkeypatch.setattr(reader, "read", None)
    second = reader.columns("train")
    assert np.array_equal(first.ragged["input_ids"], second.ragged["input_ids"])
    assert isinstance(second.ragged["input_ids"], np.memmap)
    assert second.labels.tolist() == [1, 0]
    assert len(list((paths.cache() / "columns").iterdir())) == 1


def test_texts_to_predict_are_not_kept_on_disk(reader):
    reader.encode(["the room was good"])
    assert not paths.cache().exists()


def test_another_length_or_tokenizer_is_another_cache_entry(reader, tiny):
    other = ClassifyReader(vocab_path=str(tiny / "vocab.txt"), max_seq_len=4)
    assert reader.encode(["the room was good"]).lengths.tolist() == [6]
    assert other.encode(["the room was good"]).lengths.tolist() == [4]


def test_the_generator_yields_the_documents_batches(reader):
    batches = list(reader.data_generator(batch_size=2, phase="train", shuffle=False)())
    (arrays,) = batches[0]
    assert [array.shape for array in arrays] == [(2, 16, 1)] * 4 + [(2, 1), (2, 1)]
    assert arrays[3].dtype == np.float32
    assert arrays[4].ravel().tolist() == [6, 3]
    assert arrays[5].ravel().tolist() == [1, 0]
    (arrays,) = next(reader.data_generator(batch_size=1, phase="predict")())
    assert len(arrays) == 5, "no labels in predict"


def test_the_older_spelling_of_the_length_is_accepted(tiny):
    assert ClassifyReader(vocab_path=str(tiny / "vocab.txt"), max_seq_length=24).max_seq_len == 24


@pytest.mark.parametrize("name", ["vocab.txt", "words.txt"])
def test_a_vocabulary_alone_is_wordpiece(tiny, tmp_path, name):
    (tmp_path / name).write_text((tiny / "vocab.txt").read_text())
    reader = ClassifyReader(vocab_path=tmp_path / name, max_seq_len=16)
    ids = reader.encode(["The Rooms"]).batch([0], reader.pad)["input_ids"][0]
    assert reader.tokenizer.convert_ids_to_tokens(ids) == ["[CLS]", "the", "room", "##s", "[SEP]"]


def test_a_vocabulary_of_ones_own_beside_a_module_is_the_one_that_is_read(tiny, tmp_path):
    for path in tiny.glob("*.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "small.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nroom\n")
    reader = ClassifyReader(vocab_path=tmp_path / "small.txt", max_seq_len=16)
    assert len(reader.tokenizer) == 6


def test_case_is_kept_where_asked_and_in_the_saved_tokenizer(tmp_path):
    (tmp_path / "words.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nRoom\nroom\n")
    reader = ClassifyReader(vocab_path=tmp_path / "words.txt", max_seq_len=16, do_lower_case=False)
    reader.save(tmp_path / "saved")
    again = ClassifyReader(vocab_path=tmp_path / "saved" / "vocab.txt", max_seq_len=16)
    for one in (reader, again):
        assert one.encode(["Room room"]).ragged["input_ids"].tolist() == [2, 5, 6, 3]
    assert str(tmp_path) not in (tmp_path / "saved" / "tokenizer_config.json").read_text()


def test_a_module_without_a_vocabulary_file_is_read_by_the_tokenizer_beside(tiny, tmp_path):
    for path in tiny.glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    reader = ClassifyReader(vocab_path=tmp_path / "vocab.txt", max_seq_len=16)
    assert reader.encode(["the room"]).lengths.tolist() == [4]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "without vocab_path"),
        ({"vocab_path": "/nowhere/vocab.txt"}, "no vocabulary"),
        ({"max_seq_len": 2}, "max_seq_len=2"),
        ({"sp_model_path": "x"}, "sp_model_path='x'"),
    ],
)
def test_wrong_arguments_are_refused(tiny, arguments, said):
    arguments = {"vocab_path": str(tiny / "vocab.txt"), **arguments} if arguments else {}
    with pytest.raises(ConfigError, match=said):
        ClassifyReader(**arguments)


def test_a_split_without_rows_is_named(reader):
    with pytest.raises(DataError, match="no dev rows"):
        reader.columns("dev")


@given(st.lists(st.lists(st.integers(0, 1000), min_size=1, max_size=9), min_size=1, max_size=9))
def test_columns_give_back_every_row_in_any_batch(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("columns")
    chunks = (Chunk({"ids": rows[start : start + 3]}) for start in range(0, len(rows), 3))
    ColumnWriter(folder, {"ids": np.uint16}).write(chunks)
    in_memory = Columns.from_rows({"ids": rows}, None)
    assert np.array_equal(in_memory.offsets, np.load(folder / "offsets.npy"))
    assert np.array_equal(in_memory.ragged["ids"], np.load(folder / "ids.npy"))
    opened = Columns.open(folder, None)
    for order in (list(range(len(rows))), list(reversed(range(len(rows))))):
        batch = opened.batch(order, Padding({"ids": 7}))
        for place, row in enumerate(order):
            length = int(batch["input_mask"][place].sum())
            assert batch["ids"][place, :length].tolist() == rows[row]
            assert set(batch["ids"][place, length:].tolist()) <= {7}


def test_batches_have_few_lengths_and_none_beyond_the_readers(reader):
    pad = Padding({"ids": 0}, rounded_to=100)
    assert [pad.width(longest) for longest in (1, 15, 17, 31, 33, 97, 100)] == [1, 15, 18, 32, 36, 100, 100]
    assert len({pad.width(longest) for longest in range(1, 101)}) == 15 + 9 + 8 + 5
    assert Padding({}).width(17) == 17
    assert Padding({}, length=40, rounded_to=100).width(17) == 40
    columns = Columns.from_rows({"ids": [[5] * 17, [6] * 3]}, None)
    batch = columns.batch([0, 1], pad)
    assert batch["ids"].shape == (2, 18)
    assert batch["input_mask"].sum(axis=1).tolist() == [17, 3]
    assert reader.pad.rounded_to == 16


def test_the_reader_is_exported():
    assert hub.reader.ClassifyReader is ClassifyReader


def test_the_short_way_to_ids_is_the_tokenizers_own(reader):
    texts = ["The room, was GOOD!", "", "bad " * 40, "unheard-of wörds"]
    for rows, pairs in ((texts, None), (texts, texts[::-1])):
        ours = reader.encode(rows if pairs is None else list(zip(rows, pairs, strict=True)))
        theirs = reader.tokenizer(rows, pairs, truncation="longest_first", max_length=16, return_token_type_ids=True)
        for name, key in (("input_ids", "input_ids"), ("segment_ids", "token_type_ids")):
            assert ours.ragged[name].tolist() == [value for row in theirs[key] for value in row]


def test_texts_that_the_vocabulary_does_not_hold_are_warned_of(reader, lines):
    reader.columns("train")
    assert not any("unknown to the module's vocabulary" in line for line in lines)
    rows = dataset()
    rows.train_examples = [InputExample(0, "房间很好", None, "pos"), InputExample(1, "bad", None, "neg")]
    reader.columns("train", rows)
    assert any("train: 44 % of 9 tokens are unknown to the module's vocabulary" in line for line in lines)
