"""LACClassifyReader: words, ids, and what becomes of words and rows that no vocabulary has."""

import copy

import numpy as np
import pytest

import transferhub as hub
from transferhub import paths
from transferhub.dataset import BaseDataset, InputExample
from transferhub.errors import ConfigError, DataError
from transferhub.reader import LACClassifyReader
from transferhub.text import tokenizers

WORDS = ["the", "room", "good", "bad", "very", "房间", "干净", "<unk>", "<pad>"]
UNK, PAD = 7, 8


@pytest.fixture
def vocab(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def reader(vocab):
    return LACClassifyReader(vocab, cut="whitespace")


def ids(columns):
    flat = columns.ragged["word_ids"]
    return [flat[a:b].tolist() for a, b in zip(columns.offsets[:-1], columns.offsets[1:], strict=True)]


def test_known_words_become_ids_and_unknown_ones_are_left_out(reader, lines):
    assert ids(reader.encode(["the room", "what a good room", "bad"])) == [[0, 1], [2, 1], [3]]
    assert any("rows: 2 of 7 words are not in the vocabulary and left out" in line for line in lines)


def test_a_row_with_no_known_word_stays_where_it_is_and_is_said(reader, lines):
    assert ids(reader.encode(["nothing here", "good", ""])) == [[UNK], [2], [UNK]]
    assert any("2 of 3 rows have no word of the vocabulary; they are kept" in line for line in lines)


def test_without_a_word_for_the_unknown_such_a_row_is_padding(tmp_path):
    (tmp_path / "vocab.txt").write_text("a\nb\n")
    assert ids(LACClassifyReader(tmp_path / "vocab.txt", cut="whitespace").encode(["x"])) == [[1]]


def test_unknown_words_may_be_kept_and_stay_so_in_a_saved_reader(vocab, tmp_path):
    reader = LACClassifyReader(vocab, cut="whitespace", max_len=4, keep_unknown=True)
    rows = ["what a good room", "The x", "y z", "a b c good"]
    assert ids(reader.encode(rows)) == [[UNK, UNK, 2, 1], [0, UNK], [UNK, UNK], [UNK, UNK, UNK, 2]]
    (tmp_path / "saved").mkdir()
    reader.save(tmp_path / "saved")
    opened = LACClassifyReader.reopened(tmp_path / "saved", reader.settings())
    assert ids(opened.encode(rows)) == ids(reader.encode(rows))
    assert reader.fingerprint != LACClassifyReader(vocab, cut="whitespace", max_len=4).fingerprint
    (tmp_path / "bare.txt").write_text("a\nb\n")
    with pytest.raises(ConfigError, match="no word for the unknown"):
        LACClassifyReader(tmp_path / "bare.txt", cut="whitespace", keep_unknown=True)


def test_capitals_are_looked_for_as_they_are_and_then_in_lower_case(vocab):
    assert ids(LACClassifyReader(vocab, cut="whitespace").encode(["The ROOM"])) == [[0, 1]]
    exact = LACClassifyReader(vocab, cut="whitespace", do_lower_case=False)
    assert ids(exact.encode(["The room"])) == [[1]]


def test_max_len_is_honoured_and_counts_known_words(vocab, lines):
    reader = LACClassifyReader(vocab, cut="whitespace", max_len=3)
    assert ids(reader.encode(["x the room x very good", "bad"])) == [[0, 1, 4], [3]]
    assert any("1 of 2 rows are longer than 3 tokens: 1 of 5 tokens" in line for line in lines)
    assert LACClassifyReader(vocab, cut="whitespace").max_seq_len == 500
    long = LACClassifyReader(vocab, cut="whitespace").encode(["good " * 700])
    assert long.lengths.tolist() == [500]
    assert LACClassifyReader(vocab, cut="whitespace", max_seq_len=2).max_seq_len == 2


def test_windows_read_all_words(vocab):
    reader = LACClassifyReader(vocab, cut="whitespace", max_len=3, long_text="window")
    columns = reader.encode(["the room very good bad", "good"])
    assert len(columns) == 2
    pieces, row_of = columns.pieces_of([0, 1])
    assert row_of.tolist() == [0] * (len(pieces) - 1) + [1]
    assert set().union(*ids(columns)[:-1]) == {0, 1, 2, 3, 4}


def test_batches_are_padded_with_the_last_id_and_have_a_mask(reader):
    rows = BaseDataset(label_list=["no", "yes"])
    rows.test_examples = [InputExample(None, "the room", label="yes"), InputExample(None, "good", label="no")]
    batch = reader.columns("test", rows, keep=False).batch([0, 1], reader.pad)
    assert batch["word_ids"].tolist() == [[0, 1], [2, PAD]]
    assert batch["input_mask"].tolist() == [[1, 1], [1, 0]]
    assert batch["labels"].tolist() == [1, 0]
    assert batch["word_ids"].dtype == np.int64


@pytest.mark.parametrize("shape", [lambda t: t, lambda t: [t], lambda t: (t,), lambda t: InputExample(None, t)])
def test_rows_in_any_form_are_read_and_never_changed(reader, shape):
    rows = [shape("the room"), shape("nothing"), shape("good")]
    before = copy.deepcopy(rows)
    first = ids(reader.encode(rows))
    assert rows == before
    assert ids(reader.encode(rows)) == first == [[0, 1], [UNK], [2]]


def test_pairs_are_refused(reader):
    with pytest.raises(DataError, match="row 0 is a pair"):
        reader.encode([["a", "b"]])


@pytest.fixture
def dataset(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("text,label\nthe good room,1\nbad,0\nvery bad,0\n", encoding="utf-8")
    return hub.dataset.load(path, path, path)


def test_a_split_is_read_once_and_kept_until_something_changes(vocab, dataset, monkeypatch):
    reader = LACClassifyReader(vocab, dataset, cut="whitespace")
    first = reader.columns("train")
    assert ids(first) == [[0, 2, 1], [3], [4, 3]]
    assert len(list((paths.cache() / "columns").iterdir())) == 1
    monkeypatch.setattr(reader, "_pieces", None)
    assert ids(reader.columns("train")) == ids(first)
    assert ids(LACClassifyReader(vocab, dataset, cut="whitespace", max_len=1).columns("train")) == [[0], [3], [4]]
    vocab.write_text("bad\ngood\n<pad>\n")
    assert ids(LACClassifyReader(vocab, dataset, cut="whitespace").columns("train")) == [[1], [0], [0]]


def test_1xs_generator_gives_ids_lengths_and_labels(vocab, dataset):
    reader = LACClassifyReader(dataset=dataset, vocab_path=str(vocab), cut="whitespace")
    ((words, lengths, labels),) = next(reader.data_generator(batch_size=2, phase="dev")())
    assert words.shape == (2, 3, 1)
    assert lengths.tolist() == [[3], [1]]
    assert labels.shape == (2, 1)
    (words, _) = next(reader.data_generator(2, "predict", data=["good", "bad"], return_list=False)())
    assert words[..., 0].tolist() == [[2], [3]]


def test_jieba_cuts_where_it_is_installed_and_it_is_said(vocab, lines):
    pytest.importorskip("jieba")
    reader = LACClassifyReader(vocab)
    assert ids(reader.encode(["房间很干净，very good"])) == [[5, 6, 4, 2]]
    assert any("words are cut by jieba" in line for line in lines)


def test_without_jieba_characters_are_read_and_it_is_said(vocab, lines, monkeypatch):
    monkeypatch.setattr(tokenizers, "jieba_is_here", lambda: False)
    vocab.write_text("房\n间\ngood\n<pad>\n", encoding="utf-8")
    assert ids(LACClassifyReader(vocab).encode(["房间很 good"])) == [[0, 1, 2]]
    assert any("cut by characters (jieba is not installed" in line for line in lines)


def test_words_of_the_users_own_are_known_and_saved_with_the_reader(vocab, tmp_path):
    pytest.importorskip("jieba")
    (tmp_path / "own.txt").write_text("迁移枢纽工具 9999\n", encoding="utf-8")
    vocab.write_text("迁移枢纽工具\n<pad>\n", encoding="utf-8")
    reader = LACClassifyReader(vocab, user_dict=tmp_path / "own.txt")
    assert ids(reader.encode(["迁移枢纽工具真好"])) == [[0]]
    (tmp_path / "saved").mkdir()
    reader.save(tmp_path / "saved")
    again = LACClassifyReader.reopened(tmp_path / "saved", reader.settings())
    assert ids(again.encode(["迁移枢纽工具真好"])) == [[0]]


def test_a_function_of_the_users_is_needed_again_where_the_reader_is_opened(vocab, tmp_path):
    def commas(text):
        return text.split(",")

    reader = LACClassifyReader(vocab, cut=commas, max_len=7)
    assert ids(reader.encode(["the,good"])) == [[0, 2]]
    (tmp_path / "saved").mkdir()
    reader.save(tmp_path / "saved")
    with pytest.raises(ConfigError, match=r"commas(?s:.)*cut=…"):
        LACClassifyReader.reopened(tmp_path / "saved", reader.settings())
    again = LACClassifyReader.reopened(tmp_path / "saved", reader.settings(), commas)
    assert ids(again.encode(["the,good"])) == [[0, 2]]
    assert again.fingerprint == reader.fingerprint
    with pytest.raises(DataError, match=r"row 0: the cut .*lambda.* gave 'the'"):
        LACClassifyReader(vocab, cut=lambda text: text).encode(["the"])


@pytest.mark.parametrize("wrong", [{"max_len": 0}, {"cut": "jeiba"}, {"cut": "whitespace", "user_dict": "x.txt"}])
def test_settings_that_cannot_be_are_refused(vocab, wrong):
    with pytest.raises(ConfigError):
        LACClassifyReader(vocab, **wrong)


def test_a_vocabulary_that_is_missing_or_empty_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no vocabulary"):
        LACClassifyReader(tmp_path / "none.txt")
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(ConfigError, match="is empty"):
        LACClassifyReader(tmp_path / "empty.txt")
    with pytest.raises(ConfigError, match="without vocab_path"):
        LACClassifyReader()
