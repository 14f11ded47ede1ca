"""1.8's tokenizers: a text → a record of ids."""

import pytest

import transferhub as hub
from transferhub.errors import ConfigError, DataError

VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "great", "room", "un", "##aff", "##able", "店", "好", "[MASK]"]


@pytest.fixture
def bert(tmp_path):
    (tmp_path / "own.txt").write_text("".join(token + "\n" for token in VOCAB), encoding="utf-8")
    return hub.BertTokenizer(tmp_path / "own.txt")


@pytest.fixture
def custom(tmp_path):
    (tmp_path / "words.txt").write_text("great\nroom\n酒店\n<pad>\n", encoding="utf-8")
    return hub.CustomTokenizer(tmp_path / "words.txt", cut_function="whitespace")


def test_a_text_is_encoded_and_padded(bert):
    assert bert.tokenize("Unaffable 店!") == ["un", "##aff", "##able", "店", "[UNK]"]
    assert bert.encode("great room", max_seq_len=6) == {
        "input_ids": [2, 4, 5, 3, 0, 0],
        "segment_ids": [0] * 6,
        "input_mask": [1, 1, 1, 1, 0, 0],
        "position_ids": [0, 1, 2, 3, 0, 0],
        "seq_len": 4,
    }
    assert len(bert.encode("great")["input_ids"]) == 512
    assert bert.encode("great", pad_to_max_seq_len=False)["input_ids"] == [2, 4, 3]


def test_of_a_pair_the_longer_text_gives_way(bert):
    record = bert.encode("great great great room", "room", 6, return_overflowing_tokens=True)
    assert record["input_ids"] == [2, 4, 4, 3, 5, 3]
    assert record["segment_ids"] == [0, 0, 0, 0, 1, 1]
    assert (record["overflowing_tokens"], record["num_truncated_tokens"]) == ([4, 5], 2)
    only = bert.encode("great great great", "room room", 6, truncation_strategy="only_first")
    assert only["input_ids"] == [2, 4, 3, 5, 5, 3]


def test_records_are_what_readers_give(bert, tmp_path):
    reader = hub.reader.ClassifyReader(tmp_path / "own.txt", max_seq_len=7)
    for texts in (["great room"], ["great room great room", "unaffable"], ["great", "room 店 好 great room"]):
        columns = reader.encode([texts])
        batch = columns.batch([0], reader.pad, 7)
        record = bert.encode(*texts, max_seq_len=7)
        assert record["input_ids"] == batch["input_ids"][0].tolist()
        assert record["segment_ids"] == batch["segment_ids"][0].tolist()
        assert record["input_mask"] == batch["input_mask"][0].tolist()


def test_ids_become_tokens_and_text_again(bert):
    record = bert.encode("unaffable room", max_seq_len=8)
    assert bert.decode(record)[:2] == ["[CLS]", "un"]
    assert bert.decode(record, only_convert_to_tokens=False, skip_special_tokens=True) == "unaffable room"
    assert bert.convert_tokens_to_ids("nowhere") == bert.unk_token_id == 1
    assert bert.encode(["great", "room"], max_seq_len=4) == bert.encode([4, 5], max_seq_len=4)
    assert (bert.vocab_size, bert.vocab["店"], bert.get_vocab() == bert.vocab) == (12, 9, True)


def test_a_module_s_own_tokenizer_is_used(tiny):
    tokenizer = hub.tokenizer.BertTokenizer(hub.Module(directory=tiny).get_vocab_path())
    assert tokenizer.decode(tokenizer.encode("the room", max_seq_len=4)) == ["[CLS]", "the", "room", "[SEP]"]


def test_words_are_encoded_by_the_vocabulary(custom):
    assert custom.encode("Great 酒店 nowhere", max_seq_len=4) == {"text": [0, 2, 3, 3], "seq_len": 2}
    assert custom.encode("room great room", max_seq_len=2, return_overflowing_tokens=True) == {
        "text": [1, 0],
        "seq_len": 2,
        "overflowing_tokens": [1],
        "num_truncated_tokens": 1,
    }
    assert custom.encode("room") == {"text": [1], "seq_len": 1}
    assert custom.decode([1, 3], skip_pad_token=True) == ["room"]
    assert (custom.convert_tokens_to_ids("GREAT"), custom.convert_tokens_to_ids("x")) == (0, None)


def test_a_text_without_a_known_word_is_an_empty_record_and_said(custom, lines):
    assert custom.encode("xyzzy") == {}
    assert any("No word of 'xyzzy'" in line for line in lines)


def test_words_between_punctuation_are_read_where_chinese_is_not_cut(tmp_path):
    (tmp_path / "words.txt").write_text("great\nroom\n,\n<pad>\n")
    tokenizer = hub.CustomTokenizer(tmp_path / "words.txt", tokenize_chinese_chars=False)
    assert tokenizer.tokenize("Great,room!") == ["Great", ",", "room", "!"]
    assert tokenizer.encode("Great,room!")["text"] == [0, 2, 1]


def test_what_cannot_be_is_refused(bert, custom, tmp_path):
    for wrong in ({"truncation_strategy": "shortest"}, {"max_seq_len": 2}):
        with pytest.raises(ConfigError):
            bert.encode("great", **wrong)
    for text, more in (
        (3, {}),
        (["great", 3], {}),
        ("great great great", {"max_seq_len": 4, "truncation_strategy": "do_not_truncate"}),
        ("great", {"text_pair": "room room room", "max_seq_len": 5, "truncation_strategy": "only_first"}),
    ):
        with pytest.raises(DataError):
            bert.encode(text, **more)
    with pytest.raises(ConfigError, match="no vocabulary"):
        hub.BertTokenizer(tmp_path / "nothing.txt")
    with pytest.raises(ConfigError, match="True"):
        hub.BertTokenizer(tmp_path / "own.txt", tokenize_chinese_chars=False)
    with pytest.raises(ConfigError):
        hub.CustomTokenizer(tmp_path / "words.txt", cut_function="no such")
