"""Records that 1.8's tokenizers made are predicted as the texts that they are of."""

import numpy as np
import pytest

import transferhub as hub
from transferhub.errors import DataError

TEXTS = ["the room was great", "a dirty bed and rude staff", "fun"]


@pytest.fixture
def task(make_task, in_tmp):
    task = make_task(checkpoint_dir="run", num_epoch=1)
    task.finetune_and_eval()
    return task


@pytest.fixture
def tokenizer(tiny):
    return hub.BertTokenizer(hub.Module(directory=tiny).get_vocab_path())


def test_records_are_predicted_as_their_texts(task, tokenizer, in_tmp):
    expected = task.predict(TEXTS)
    for options in ({}, {"pad_to_max_seq_len": False}, {"return_segment_ids": False, "return_input_mask": False}):
        found = task.predict([tokenizer.encode(text, max_seq_len=16, **options) for text in TEXTS])
        np.testing.assert_array_equal(found.probabilities, expected.probabilities)
    assert [record["text"] for record in found.records()] == TEXTS
    assert hub.load("run/best_model").predict(data=[tokenizer.encode(TEXTS[0])], return_result=True) == [
        expected.labels[0]
    ]


def test_what_is_no_record_of_this_model_is_said(task, tokenizer, in_tmp):
    good = tokenizer.encode("fun", max_seq_len=8)
    long = tokenizer.encode("great " * 100, max_seq_len=102)
    for rows, said in (
        ([good, "a text"], "row 1 is 'a text'"),
        ([good, {}], "row 1 is empty: it holds no known word"),
        ([{**good, "input_ids": [10**6]}], "the id 1000000"),
        ([{"text": [1, 2]}], "with input_ids"),
        ([long], r"102 ids(.|\n)*1 to 64"),
        ([tokenizer.encode("fun", "great")], "these rows are pairs, the model was trained on texts"),
    ):
        with pytest.raises(DataError, match=said):
            task.predict(rows)


def test_records_of_words_are_read_by_the_reader_of_words(tmp_path):
    (tmp_path / "words.txt").write_text("great\nroom\n<pad>\n")
    tokenizer = hub.CustomTokenizer(tmp_path / "words.txt", cut_function="whitespace")
    reader = hub.reader.LACClassifyReader(tmp_path / "words.txt", cut="whitespace")
    columns = reader.encode([tokenizer.encode(text, max_seq_len=5) for text in ("great room", "room")])
    assert columns.ragged["word_ids"].tolist() == [0, 1, 1]
    assert columns.lengths.tolist() == [2, 1]
    assert reader.shown({"text": [0, 1, 2], "seq_len": 2}) == {"text": "great room"}


def test_readers_of_words_in_place_refuse_records(tiny, tokenizer):
    reader = hub.reader.SequenceLabelReader(vocab_path=hub.Module(directory=tiny).get_vocab_path())
    with pytest.raises(DataError, match="SequenceLabelReader reads no records"):
        reader.encode([tokenizer.encode("fun", max_seq_len=8)])
