"""Questions on passages, read in windows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import transferhub as hub
from architectures import write_architecture
from conftest import WORDS
from transferhub.dataset import BaseDataset, InputExample, ReadingExample
from transferhub.errors import ConfigError, DataError
from transferhub.reader import ReadingComprehensionReader
from transferhub.reader.reading_reader import FIRST, NO_ANSWER, UNKNOWN

words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=60).map(" ".join)


def reader_on(folder, dataset=None, **options):
    return ReadingComprehensionReader(dataset=dataset, vocab_path=folder / "vocab.txt", **options)


def set_of(*rows):
    dataset = BaseDataset()
    dataset.train_examples = list(rows)
    return dataset


def windows_of(columns, row=0):
    """The windows of a row, each as {column: values}."""
    pieces = range(int(columns.pieces[row]), int(columns.pieces[row + 1]))
    spans = [slice(int(columns.offsets[piece]), int(columns.offsets[piece + 1])) for piece in pieces]
    return [{name: values[span] for name, values in columns.ragged.items()} for span in spans]


@pytest.mark.parametrize("kind", ["bert", "roberta", "xlnet"])
def test_windows_are_those_of_transformers(kind, tmp_path_factory):
    from transformers import AutoTokenizer

    folder = write_architecture(kind, tmp_path_factory.mktemp("module"))
    reader = reader_on(folder, max_seq_len=24, doc_stride=5)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    question, context = "was the room good ?", " ".join(WORDS)
    room = 24 - len(tokenizer.tokenize(question)) - tokenizer.num_special_tokens_to_add(pair=True)
    theirs = tokenizer(
        question,
        context,
        truncation="only_second",
        max_length=24,
        stride=room - 5,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_token_type_ids=True,
    )
    ours = windows_of(reader.encode([(question, context)]))
    assert len(ours) == len(theirs["input_ids"]) > 3
    for place, window in enumerate(ours):
        assert window["input_ids"].tolist() == theirs["input_ids"][place]
        if kind != "roberta":  # whose network knows one kind of segment only
            assert window["segment_ids"].tolist() == theirs["token_type_ids"][place]
        shown = window["places"] >= FIRST
        assert shown.tolist() == [text == 1 for text in theirs.sequence_ids(place)]
        offsets = np.array(theirs["offset_mapping"][place])[shown]
        np.testing.assert_array_equal(np.stack([window["starts"][shown], window["stops"][shown]], 1), offsets)
        (nowhere,) = np.flatnonzero(window["places"] == NO_ANSWER)
        assert window["input_ids"][nowhere] == tokenizer.cls_token_id


@given(words, st.data())
def test_every_token_is_shown_and_an_answer_is_where_its_text_stands(tiny, context, data):
    begin = data.draw(st.integers(0, len(context) - 1))
    text = context[begin : data.draw(st.integers(begin + 1, min(len(context), begin + 30)))]
    dataset = set_of(ReadingExample(0, "which room ?", context, [(text, begin)]))
    columns = reader_on(tiny, dataset, max_seq_len=20, doc_stride=6).columns("train", keep=False)
    seen, answered = set(), False
    for place, window in enumerate(windows_of(columns)):
        shown = window["places"] >= FIRST
        seen |= set((window["places"][shown] - FIRST).tolist())
        first, last = (columns.by_piece[name][place] for name in ("start_places", "end_places"))
        if first >= FIRST:
            answered = True
            start = int(window["starts"][window["places"] == first][0])
            stop = int(window["stops"][window["places"] == last][0])
            assert start <= begin + len(text) - len(text.lstrip())
            assert stop >= begin + len(text.rstrip())
            assert text.strip() in context[start:stop]
        elif text.strip():
            assert first == last == NO_ANSWER
        else:
            assert first == last == UNKNOWN
    assert seen == set(range(len(context.split())))
    if len(text.split()) <= 2 and text.strip():
        assert answered, "neighbouring windows share more than two tokens"


def test_what_is_to_be_learnt_of_each_kind_of_row(tiny, lines):
    context = "the food was good"
    dataset = set_of(
        ReadingExample(0, "what ?", context, [("film", -1), ("food", 4), ("good", 13)]),
        ReadingExample(1, "what ?", context, [], is_impossible=True),
        ReadingExample(2, "what ?", context, [("film", -1)]),
    )
    columns = reader_on(tiny, dataset, max_seq_len=32).columns("train")
    assert columns.by_piece["start_places"].tolist() == [FIRST + 1, NO_ANSWER, UNKNOWN]
    assert columns.by_piece["end_places"].tolist() == [FIRST + 1, NO_ANSWER, UNKNOWN]
    again = reader_on(tiny, dataset, max_seq_len=32).columns("train")
    assert again.by_piece["start_places"].tolist() == [FIRST + 1, NO_ANSWER, UNKNOWN], "from the cache"
    dataset.train_examples[0].label[1] = ("good", 13)
    changed = reader_on(tiny, dataset, max_seq_len=32).columns("train")
    assert changed.by_piece["start_places"][0] == FIRST + 3, "another answer is another entry of the cache"


def test_a_long_question_is_cut_and_said_a_long_passage_is_not_cut(tiny, lines):
    reader = reader_on(tiny, max_seq_len=32, doc_stride=8, max_query_length=4)
    columns = reader.encode([("room " * 9, "food " * 2000), ("room", "food")])
    first = windows_of(columns)
    assert len(first) > 200
    assert max(int(window["places"].max()) for window in first) == FIRST + 1999
    assert all(len(window["input_ids"]) <= 32 for window in first)
    assert any("1 of 2 rows are longer than 32 tokens and read in windows" in line for line in lines)
    assert any("1 of 2 questions are longer than 4 tokens: 5 tokens of them are not read" in line for line in lines)


def test_offsets_count_characters_whatever_they_are_made_of(tiny):
    context = "😀😀 the ｒｏｏｍ שלום \u0301 good"
    (window,) = windows_of(reader_on(tiny, max_seq_len=40).encode([("good ?", context)]))
    shown = window["places"] >= FIRST
    spans = zip(window["starts"][shown].tolist(), window["stops"][shown].tolist(), strict=True)
    assert {"😀😀", "the", "good", "שלום"} <= {context[start:stop] for start, stop in spans}


def test_a_passage_without_characters_is_one_window(tiny):
    (window,) = windows_of(reader_on(tiny, max_seq_len=16).encode([("room ?", "")]))
    assert not (window["places"] >= FIRST).any()


def test_batches_as_1x_gave_them(tiny):
    context = " ".join(WORDS[:20])
    dataset = set_of(*(ReadingExample(n, "what ?", context, [(WORDS[3], context.index(WORDS[3]))]) for n in range(3)))
    reader = reader_on(tiny, dataset, max_seq_length=16, doc_stride=4)
    (batch,) = next(reader.data_generator(batch_size=2, phase="train", shuffle=False)())
    ids, positions, segments, mask, unique, start, end = batch
    assert ids.shape == positions.shape == segments.shape == mask.shape
    assert ids.shape[1:] == (16, 1)
    assert mask.dtype == np.float32
    assert unique[0, 0] == 1_000_000_000
    assert unique.max() == 1_000_000_001
    word = reader.tokenizer.get_vocab()[WORDS[3]]
    found = [int(ids[line, place, 0]) for line, place in enumerate(start[:, 0]) if place]
    assert found
    assert set(found) == {word}
    np.testing.assert_array_equal(start, end)


def test_what_it_cannot_read_is_refused(tiny):
    with pytest.raises(ConfigError, match="max_seq_len=7 leaves no room"):
        reader_on(tiny, max_seq_len=7).encode([("the room was good", "food")])
    with pytest.raises(ConfigError, match="doc_stride=0"):
        reader_on(tiny, doc_stride=0)
    with pytest.raises(ConfigError, match="leaves no room"):
        reader_on(tiny, max_seq_len=3)
    with pytest.raises(DataError, match="row 0 has no passage"):
        reader_on(tiny).encode(["a question"])
    with pytest.raises(DataError, match="half a character"):
        reader_on(tiny).encode([("room ?", "half \ud83d")])
    for row in (InputExample(0, "room ?", "food", "good"), ReadingExample(0, "room ?", "food")):
        with pytest.raises(DataError, match=r"train_examples\[0\]: no answers"):
            reader_on(tiny, set_of(row)).columns("train")


def test_a_tokenizer_that_gives_no_places_is_aligned_or_refused(tiny, monkeypatch):
    fast = reader_on(tiny, max_seq_len=24)
    slow = reader_on(tiny, max_seq_len=24)

    class Slow:
        """The same tokens, without a backend that knows where they stand."""

        unk_token = "[UNK]"

        def __getattr__(self, name):
            if name == "backend_tokenizer":
                raise AttributeError(name)
            return getattr(fast.tokenizer, name)

        def __call__(self, *texts, **options):
            return fast.tokenizer(*texts, **options)

    monkeypatch.setattr(slow, "tokenizer", Slow())
    row = ("was it good ?", "the FOOD was 😀 good, very good")
    theirs, ours = windows_of(fast.encode([row])), windows_of(slow.encode([row]))
    for name in theirs[0]:
        np.testing.assert_array_equal(ours[0][name], theirs[0][name])
    monkeypatch.setattr(Slow, "tokenize", lambda self, text: ["other"] * 7, raising=False)
    with pytest.raises(ConfigError, match="expected: a fast tokenizer"):
        slow.encode([row])


def test_it_is_among_the_readers(tiny):
    assert hub.reader.ReadingComprehensionReader is ReadingComprehensionReader
    reader = reader_on(tiny, max_seq_len=40, doc_stride=7, max_query_length=9)
    wanted = {"max_seq_len": 40, "doc_stride": 7, "max_query_length": 9}
    assert reader.settings() == {"reader": "ReadingComprehensionReader", **wanted}
