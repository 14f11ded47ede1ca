import numpy as np
import pytest

import transferhub as hub
from transferhub.dataset import BaseDataset, InputExample
from transferhub.errors import ConfigError, DataError
from transferhub.reader import SequenceLabelReader
from transferhub.reader.sequence_label_reader import NO_TAG, NO_WORD

TAGS = ["B-LOC", "I-LOC", "O"]


def dataset(*rows, labels=TAGS):
    made = BaseDataset(label_list=labels)
    made.kind = "tags"
    made.train_examples = [InputExample(None, words, None, tags) for words, tags in rows]
    return made


@pytest.fixture
def make(tiny):
    def make(*rows, max_seq_len=16, **options):
        vocab = hub.Module(directory=tiny).get_vocab_path()
        return SequenceLabelReader(vocab, dataset=dataset(*rows) if rows else None, max_seq_len=max_seq_len, **options)

    return make


def pieces(reader, columns, row):
    """(tokens, words' numbers, labels) of each of a row's windows."""
    first, last = columns.pieces[row], columns.pieces[row + 1]
    for piece in range(first, last):
        part = slice(columns.offsets[piece], columns.offsets[piece + 1])
        tokens = reader.tokenizer.convert_ids_to_tokens(columns.ragged["input_ids"][part].tolist())
        yield tokens, columns.ragged["words"][part].tolist(), columns.ragged["labels"][part].tolist()


def test_the_first_sub_token_has_the_words_tag(make):
    reader = make(("the\x02xyz\x02room", "O\x02B-LOC\x02I-LOC"))
    (tokens, words, labels), *more = pieces(reader, reader.columns("train"), 0)
    assert not more
    assert tokens == ["[CLS]", "the", "x", "##y", "##z", "room", "[SEP]"]
    assert words == [NO_WORD, 0, 1, NO_WORD, NO_WORD, 2, NO_WORD]
    assert labels == [NO_TAG, 2, 0, NO_TAG, NO_TAG, 1, NO_TAG]


@pytest.mark.parametrize(
    "row",
    [
        (["the", "room"], ["O", "B-LOC"]),
        ("the room", "O B-LOC"),
        ("the\x02room", "O\x02B-LOC"),
    ],
)
def test_lists_and_joined_strings_are_the_same_rows(make, row):
    reader = make(row)
    assert list(pieces(reader, reader.columns("train"), 0)) == [
        (["[CLS]", "the", "room", "[SEP]"], [-1, 0, 1, -1], [-100, 2, 0, -100])
    ]


def test_sub_tokens_are_those_of_is_split_into_words(make):
    words = ["the", "roomy", "\u200b", "Étoile", "room.", "x" * 200, "😀", "ｗ", "שלום", "[SEP]", "a b"]
    reader = make(max_seq_len=64)
    theirs = reader.tokenizer(words, is_split_into_words=True)
    unknown = reader.tokenizer.unk_token_id
    expected = []
    for word in range(len(words)):
        own = [token for token, of in zip(theirs["input_ids"], theirs.word_ids(), strict=True) if of == word]
        expected += own or [unknown]
    columns = reader.encode([words])
    assert columns.ragged["input_ids"].tolist() == [theirs["input_ids"][0], *expected, theirs["input_ids"][-1]]
    assert [word for word in columns.ragged["words"].tolist() if word >= 0] == list(range(len(words)))


def test_a_byte_level_tokenizer_gives_words_their_spaces(tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {
        "<s>": 0,
        "</s>": 1,
        "<unk>": 2,
        "<pad>": 3,
        "Ġ": 4,
        "a": 5,
        "b": 6,
        "Ġa": 7,
        "Ġb": 8,
        "ab": 9,
        "Ġab": 10,
    }
    merges = [("Ġ", "a"), ("Ġ", "b"), ("a", "b"), ("Ġa", "b")]
    backend = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    PreTrainedTokenizerFast(tokenizer_object=backend, **names).save_pretrained(tmp_path)
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary))
    reader = SequenceLabelReader(tmp_path / "vocab.txt", max_seq_len=8)
    assert reader.encode([["ab", "b"]]).ragged["input_ids"].tolist() == [0, 10, 8, 1]


def test_long_sentences_are_windowed_and_each_word_is_read_once(make):
    words = ["the", "xyz", "room", "qq"] * 20
    tags = ["O", "B-LOC", "I-LOC", "O"] * 20
    reader = make((words, tags), (["the"], ["O"]))
    columns = reader.columns("train")
    windows = list(pieces(reader, columns, 0))
    assert len(windows) > 10
    assert all(len(tokens) <= 16 for tokens, _, _ in windows)
    owned = [(word, label) for _, numbers, labels in windows for word, label in zip(numbers, labels, strict=True)]
    found = [(word, TAGS[label]) for word, label in owned if word != NO_WORD]
    assert found == list(enumerate(tags))
    assert columns.cut.windowed == 1
    assert columns.cut.tokens == 0


@pytest.mark.parametrize(
    "text",
    ["的" * 10_000, "😀👨‍👩‍👧" * 20, "ＡＢＣ １２３", "שלום עולם", "\u200b", "", "   ", "繁體简体 mixed"],
)
def test_any_text_gets_a_place_for_each_of_its_words(make, text):
    reader = make(words="characters")
    sentence = reader.sentence(text)
    assert "".join(sentence.words) == "".join(text.split())
    assert [sentence.text[start:stop] for start, stop in sentence.places] == list(sentence.words)
    columns = reader.encode([text, "the"])
    owned = columns.ragged["words"][: columns.offsets[columns.pieces[1]]]
    assert sorted(owned[owned >= 0].tolist()) == list(range(len(sentence.words)))


def test_a_word_longer_than_a_window_keeps_its_first_sub_tokens_and_it_is_said(make, lines):
    reader = make(((["the", "abcdefghijklmnopqrstuvwxyz", "room"]), ["O", "B-LOC", "O"]))
    columns = reader.columns("train")
    windows = list(pieces(reader, columns, 0))
    assert next(tokens for tokens, _, _ in windows if "a" in tokens)[1] == "a"
    assert sorted(word for _, words, _ in windows for word in words if word >= 0) == [0, 1, 2]
    assert columns.cut.tokens == 26 - 14
    assert any("12 of 28 tokens" in line for line in lines)


@pytest.mark.parametrize(
    ("row", "words", "kind"),
    [
        (("我\x02在\x02北\x02京", "O\x02O\x02B-LOC\x02I-LOC"), ["我", "在", "N", "B", "A"], "characters"),
        ((["我", "在", "NBA"], ["O", "O", "O"]), ["我", "在", "NBA"], "mixed"),
        ((["the", "room", "a"], ["O", "O", "O"]), ["我在", "NBA"], "whitespace"),
        ((["我们", "在", "北京"], ["O", "O", "O"]), ["我在", "NBA"], "whitespace"),
    ],
)
def test_plain_texts_are_cut_as_the_training_rows_are(make, row, words, kind, tmp_path):
    reader = make(row)
    assert reader.words == kind
    assert list(reader.sentence("我在 NBA").words) == words
    reader.save(tmp_path)
    again = SequenceLabelReader.reopened(tmp_path, reader.settings())
    assert list(again.sentence(["我在 NBA"]).words) == words


def test_a_row_to_predict_may_be_words_a_joined_string_or_a_text(make):
    reader = make((["the", "room"], ["O", "O"]))
    for row in (
        ["the", "room"],
        "the\x02room",
        "the room",
        ["the room"],
        ("the room",),
        InputExample(None, "the room"),
    ):
        sentence = reader.sentence(row)
        assert (sentence.text, list(sentence.words), list(sentence.places)) == (
            "the room",
            ["the", "room"],
            [(0, 3), (4, 8)],
        )
    assert make((["我", "在"], ["O", "O"])).sentence(["我", "在"]).text == "我在"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("the", "room")], "is a pair"),
        ([InputExample(None, "the", "room")], "is a pair"),
        ([["the", 3]], r"row 0: \['the', 3\]"),
        (["fine", 3], "row 1: 3"),
        ([["the", "\ud800"]], "half a character"),
    ],
)
def test_rows_that_are_no_sentences_are_refused(make, rows, said):
    with pytest.raises(DataError, match=said):
        make().encode(rows)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("the\x02room", "O"), r"train\.tsv:3: 2 tokens, 1 tags"),
        (("the\x02room", "O\x02B-PER"), r"train\.tsv:3: .*'B-PER'"),
    ],
)
def test_bad_rows_of_a_file_are_named(tmp_path, row, said):
    path = tmp_path / "train.tsv"
    path.write_text("text_a\tlabel\nthe\x02room\tO\x02B-LOC\n{}\t{}\n".format(*row))
    with pytest.raises(DataError, match=said):
        hub.dataset.load(path, kind="tags", label_list=TAGS)


def test_missing_tags_and_pairs_among_training_rows_are_refused(make):
    with pytest.raises(DataError, match=r"examples\[1\]: no tags"):
        make((["the"], ["O"]), (["the"], None)).columns("train")
    reader = make((["the"], ["O"]))
    reader.dataset.train_examples[0].text_b = "room"
    with pytest.raises(DataError, match="is a pair"):
        reader.columns("train")


def test_other_tags_or_another_order_are_other_columns(make):
    def labels(tags, names):
        reader = make((["the", "room"], tags))
        reader.dataset.set_labels(names)
        return reader.columns("train").ragged["labels"].tolist()[1:3]

    assert labels(["O", "B-LOC"], TAGS) == [2, 0]
    assert labels(["B-LOC", "O"], TAGS) == [0, 2]
    assert labels(["B-LOC", "O"], ["O", "B-LOC"]) == [1, 0]


def test_the_generator_gives_1xs_batches(make):
    reader = make((["the", "xyz"], ["O", "B-LOC"]), (["the"], ["O"]))
    ((ids, positions, segments, mask, labels, lengths),) = next(reader.data_generator(2, "train", shuffle=False)())
    assert {array.shape for array in (ids, positions, segments, mask, labels)} == {(2, 16, 1)}
    assert labels[0, :, 0].tolist() == [2, 2, 0, 1, 1, *[2] * 11], "I-LOC on further sub-tokens, the last tag elsewhere"
    assert lengths.tolist() == [[6], [3]]
    (inputs,) = next(reader.data_generator(2, data=["the room"])())
    assert len(inputs) == 5
    assert inputs[-1].tolist() == [[4]]


def test_arguments_that_do_not_apply_are_refused(make):
    with pytest.raises(ConfigError, match="long_text='window'"):
        make(long_text="window")
    with pytest.raises(ConfigError, match="words='letters'"):
        make(words="letters")


def test_padding_on_the_left_keeps_words_in_place(make):
    reader = make((["the", "xyz"], ["O", "B-LOC"]), (["the"], ["O"]))
    left = type(reader.pad)(reader.pad.values, left=True)
    batch = reader.columns("train").batch([0, 1], left)
    assert batch["words"][1].tolist() == [-1, -1, -1, -1, 0, -1]
    labels = reader._of_all_tokens(batch["labels"], batch["input_mask"])
    assert labels.tolist() == [[2, 2, 0, 1, 1, 2], [2, 2, 2, 2, 2, 2]]
    assert np.array_equal(batch["row_of"], [0, 1])
