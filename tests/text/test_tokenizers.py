"""Texts cut into words."""

import pytest

from transferhub.errors import ConfigError
from transferhub.text import tokenizers
from transferhub.text.tokenizers import Jieba, basic_english, characters, get_tokenizer, whitespace

# What torchtext 0.8's get_tokenizer("basic_english") gives: its documentation's example, and its rules one by one.
BASIC = {
    "You can now install TorchText using pip!": ["you", "can", "now", "install", "torchtext", "using", "pip", "!"],
    "Don't": ["don", "'", "t"],
    'say "yes"ok': ["say", "yesok"],
    "a<br />b": ["a", "b"],
    "(x), y. z? w;v:u": ["(", "x", ")", ",", "y", ".", "z", "?", "w", "v", "u"],
    "3.14 e-mail": ["3", ".", "14", "e-mail"],
    "": [],
}


@pytest.mark.parametrize("text", BASIC)
def test_basic_english_follows_torchtexts_rules(text):
    assert basic_english(text) == BASIC[text]


def test_characters_stand_alone_where_no_spaces_are_written():
    assert characters("房间 very good，干净") == ["房", "间", "very", "good，", "干", "净"]
    assert whitespace(" a  b\n") == ["a", "b"]


def test_cutters_by_name_and_functions_of_ones_own():
    assert get_tokenizer("basic_english") is basic_english
    assert get_tokenizer(None) is whitespace
    assert get_tokenizer(str.split) is str.split
    with pytest.raises(ConfigError, match="did you mean 'basic_english'"):
        get_tokenizer("basic-english")


def test_what_a_cut_depends_on_tells_functions_apart():
    def one(text):
        return [word for word in text.split("1")]

    first = tokenizers.describe(one)

    def one(text):
        return [word for word in text.split("2")]

    assert tokenizers.describe(one) != first
    assert "0x" not in first
    assert tokenizers.describe(whitespace) == "whitespace"


def test_jieba_cuts_chinese_and_a_user_dictionary_reaches_only_its_own_cutter(tmp_path):
    pytest.importorskip("jieba")
    text = "迁移枢纽工具真不错"
    (tmp_path / "own.txt").write_text("迁移枢纽工具 9999 n\n", encoding="utf-8")
    plain, own = Jieba(), Jieba([tmp_path / "own.txt"])
    assert "".join(plain(text)) == text
    assert "迁移枢纽工具" not in plain(text)
    assert "迁移枢纽工具" in own(text)
    assert "迁移枢纽工具" not in Jieba()(text)
    assert own.describe() != plain.describe()
    assert " " not in plain("a b 房间")


def test_a_user_dictionary_that_cannot_be_read_is_said(tmp_path):
    pytest.importorskip("jieba")
    with pytest.raises(ConfigError, match="cannot be read"):
        Jieba([tmp_path / "none.txt"])
    (tmp_path / "latin.txt").write_bytes(b"\xff\xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        Jieba([tmp_path / "latin.txt"])


def test_without_jieba_the_way_to_it_is_said(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "jieba", None)
    with pytest.raises(ConfigError, match=r"transferhub\[words\]"):
        get_tokenizer("jieba")
    assert not tokenizers.jieba_is_here()
