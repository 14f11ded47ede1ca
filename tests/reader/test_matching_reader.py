"""Rows of two and three texts as columns: each text read and padded by itself, cached once."""

import numpy as np
import pytest

import transferhub as hub
from matching_rows import dataset, pairs, triples
from transferhub.dataset import InputExample, TripleExample
from transferhub.errors import ConfigError, DataError, RunError
from transferhub.reader import TextMatchingReader

WORDS = ["a", "b", "c", "d", "<pad>"]


@pytest.fixture
def vocab(tmp_path):
    (tmp_path / "words.txt").write_text("".join(word + "\n" for word in WORDS))
    return tmp_path / "words.txt"


def reader(vocab, slots=2, **more):
    return TextMatchingReader(vocab, num_slots=slots, cut="whitespace", **more)


def test_each_slot_is_padded_to_its_own_longest_text(vocab):
    made = reader(vocab)
    columns = made.encode([["a b c", "d"], ("b", "c d"), InputExample(None, "a", "b x")])
    assert len(columns) == 3
    assert columns.lengths.tolist() == [4, 3, 2]
    assert columns.padded([0, 1]) == 2 * 3 + 2 * 2
    batch = columns.batch([1, 0], made.pad)
    assert batch["word_ids"].tolist() == [[1, 4, 4], [0, 1, 2]]
    assert batch["word_ids_2"].tolist() == [[2, 3], [3, 4]]
    assert batch["input_mask"].tolist() == [[1, 0, 0], [1, 1, 1]]
    assert batch["input_mask_2"].tolist() == [[1, 1], [1, 0]]
    assert {name: values.shape for name, values in columns.batch([0], made.pad, 6).items()} == dict.fromkeys(
        ("word_ids", "input_mask", "word_ids_2", "input_mask_2"), (1, 6)
    )
    assert columns.cut.unknown == 1


def test_triples_have_a_third_slot(vocab):
    made = reader(vocab, 3)
    batch = made.encode([TripleExample(None, "a", "b", "c d"), ["a", "b", "d"]]).batch([0, 1], made.pad)
    assert batch["word_ids_3"].tolist() == [[2, 3], [3, 4]]
    assert made.given == ["word_ids", "input_mask", "word_ids_2", "input_mask_2", "word_ids_3", "input_mask_3"]
    assert made.shown(["a", "b", "c"]) == {"query": "a", "left": "b", "right": "c"}


def test_splits_come_from_the_cache_with_their_labels(vocab, monkeypatch):
    rows = dataset(triples(56))
    made = TextMatchingReader(vocab, rows, cut="whitespace")
    assert made.num_slots == 3, "as the data set has it"
    first = made.columns("train")
    monkeypatch.setattr(TextMatchingReader, "read", None)
    again = TextMatchingReader(vocab, rows, cut="whitespace").columns("train")
    assert again.digest == first.digest
    assert again.labels.tolist() == [int(row.label) for row in rows.train_examples]
    assert again.has_labels
    for name, values in first.batch(range(32), made.pad).items():
        np.testing.assert_array_equal(again.batch(range(32), made.pad)[name], values)


def test_where_one_text_ends_is_part_of_the_digest(vocab):
    made = reader(vocab)
    one, other = made.encode([["a b", "c"]]), made.encode([["a", "b c"]])
    assert one.digest != other.digest
    assert made.content([["a b", "c"]], None) != made.content([["a", "b c"]], None)


def test_third_texts_are_part_of_what_is_cached(vocab):
    made = reader(vocab, 3)
    one, other = ([TripleExample(None, "a", "b", text)] for text in "cd")
    assert made.content(one, None) != made.content(other, None)


def test_long_texts_are_cut_each_by_itself_and_said(vocab, lines):
    columns = reader(vocab, max_seq_len=2).encode([["a b c d", "a"], ["a", "b c d"]])
    assert columns.lengths.tolist() == [3, 3]
    assert any("2 of 4 texts are longer than 2 tokens: 3 of 9" in line for line in lines)


def test_batches_as_1x_gives_them(vocab):
    made = TextMatchingReader(vocab, dataset(pairs(56)), cut="whitespace")
    arrays = next(made.data_generator(4, "dev")())[0]
    assert [array.shape[0] for array in arrays] == [4] * 5
    assert arrays[1].dtype == np.float32
    assert arrays[4].tolist() == [[0], [1], [0], [1]]


def test_a_transformers_tokens_are_read_text_by_text(tiny):
    vocabulary = hub.Module(directory=tiny).get_vocab_path()
    made = TextMatchingReader(tokenizer=hub.BertTokenizer(vocabulary), num_slots=2, max_seq_len=8)
    batch = made.encode([["the room", "a"]]).batch([0], made.pad)
    single = hub.reader.ClassifyReader(vocabulary, max_seq_len=8)
    for name, text in (("input_ids", "the room"), ("input_ids_2", "a")):
        np.testing.assert_array_equal(batch[name], single.encode([text]).batch([0], single.pad)["input_ids"])


@pytest.mark.parametrize(
    ("slots", "row", "message"),
    [
        (2, ["a"], "1 text"),
        (2, "a", "not several texts"),
        (2, InputExample(None, "a"), "text 2 of 2 is missing"),
        (2, ["a", None], "text 2 of 2 is missing"),
        (2, ["a", "b", "c"], "3 texts"),
        (3, ["a", "b"], "2 texts"),
        (3, InputExample(None, "a", "b"), "2 texts"),
        (2, TripleExample(None, "a", "b", "c"), "3 texts"),
        (2, ["a", 1], "not all text"),
        (2, ["a", "\ud83d"], "holds half a character"),
    ],
)
def test_rows_with_another_number_of_texts_are_refused(vocab, slots, row, message):
    fine = ["a"] * slots
    with pytest.raises(DataError, match=rf"rows\[1\].*{message}"):
        reader(vocab, slots).encode([fine, row])


def test_it_is_reopened_as_it_was_saved(vocab, tmp_path):
    made = reader(vocab, 3, max_seq_len=7)
    (tmp_path / "saved").mkdir()
    made.save(tmp_path / "saved")
    again = TextMatchingReader.reopened(tmp_path / "saved", made.settings())
    assert (again.num_slots, again.max_seq_len, again.fingerprint) == (3, 7, made.fingerprint)
    with pytest.raises(RunError, match="read by"):
        TextMatchingReader.reopened(tmp_path / "saved", {**made.settings(), "texts": "Reader"})


def test_settings_that_cannot_be_are_refused(vocab):
    for wrong in ({"num_slots": 4}, {"long_text": "window"}, {"max_seq_len": 0}, {"vocab_path": None}):
        with pytest.raises(ConfigError):
            TextMatchingReader(**{"vocab_path": vocab, "cut": "whitespace", **wrong})
