"""Vocab and GloVe behave as torchtext's did until 0.8."""

import collections

import numpy as np
import pytest
import torch

from transferhub import paths
from transferhub.errors import ConfigError, ModuleError
from transferhub.text.vocab import GloVe, Vocab

COUNTER = collections.Counter(["b", "b", "b", "a", "a", "a", "c", "c", "d", "<pad>", "<pad>", "<pad>", "<pad>"])


def test_special_words_come_first_then_the_frequent_ones_then_the_alphabet():
    vocab = Vocab(COUNTER)
    assert vocab.itos == ["<unk>", "<pad>", "a", "b", "c", "d"]
    assert vocab.freqs["b"] == 3
    assert vocab.lookup_indices(["d", "a"]) == [5, 2]


def test_rare_words_are_left_out_and_max_size_does_not_count_the_special_ones():
    assert Vocab(COUNTER, min_freq=2).itos[2:] == ["a", "b", "c"]
    assert Vocab(COUNTER, max_size=2).itos == ["<unk>", "<pad>", "a", "b"]
    assert Vocab(COUNTER, specials_first=False).itos[-2:] == ["<unk>", "<pad>"]


def test_an_unknown_word_is_unk_wherever_that_stands_and_the_vocabulary_does_not_grow():
    vocab = Vocab(COUNTER)
    assert vocab.stoi["nothing"] == 0 == vocab["nothing"]
    assert "nothing" not in vocab.stoi
    assert len(vocab.stoi) == len(vocab) == 6
    assert Vocab(COUNTER, specials_first=False).stoi["nothing"] == 4
    with pytest.raises(KeyError):
        _ = Vocab(COUNTER, specials=["<pad>"]).stoi["nothing"]


def test_extending_appends_what_is_new():
    vocab = Vocab(COUNTER)
    vocab.extend(Vocab(collections.Counter(["z", "a"])))
    assert vocab.itos[-1] == "z"
    assert vocab.stoi["z"] == 6


@pytest.mark.parametrize(("counter", "options"), [({}, {}), (COUNTER, {"min_freq": 9}), (COUNTER, {"max_size": 0})])
def test_a_vocabulary_without_words_is_refused(counter, options):
    with pytest.raises(ConfigError, match="empty vocabulary"):
        Vocab(collections.Counter(counter), **options)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "glove.6B.3d.txt").write_text("the 0.1 0.2 0.3\nof 1 -2 3e-1\né 4 5 6\n", encoding="utf-8")
    return tmp_path


def test_vectors_have_their_words_and_are_read_once(folder):
    glove = GloVe("6B", 3, cache=folder)
    assert glove.itos == ["the", "of", "é"]
    assert torch.equal(glove.vectors, torch.tensor([[0.1, 0.2, 0.3], [1, -2, 0.3], [4, 5, 6]]))
    assert glove.vectors.dtype == torch.float32
    assert sorted(each.name for each in folder.iterdir()) == ["glove.6B.3d.txt"], "nothing is written there"
    kept = next((paths.cache() / "vectors").glob("*/vectors.npy"))
    before = kept.stat().st_mtime_ns
    again = GloVe("6B", 3, cache=folder)
    assert torch.equal(again.vectors, glove.vectors)
    assert kept.stat().st_mtime_ns == before
    again.vectors[0] = 9  # in this process's memory only
    assert np.load(kept)[0, 0] == np.float32(0.1)


def test_a_changed_file_is_read_again(folder):
    GloVe("6B", 3, cache=folder)
    (folder / "glove.6B.3d.txt").write_text("other 0.1 0.2 0.3\n", encoding="utf-8")
    assert GloVe("6B", 3, cache=folder).itos == ["other"]


def test_an_unknown_word_is_a_key_error_and_a_vector_of_zeros(folder):
    glove = GloVe("6B", 3, cache=folder)
    with pytest.raises(KeyError):
        _ = glove.stoi["nothing"]
    assert glove["nothing"].tolist() == [0, 0, 0]
    assert glove.get_vecs_by_tokens(["The"], lower_case_backup=True).tolist() == glove.vectors[:1].tolist()


def test_a_vocabulary_takes_its_words_vectors(folder):
    vocab = Vocab(collections.Counter(["of", "x"]), vectors=GloVe("6B", 3, cache=folder))
    assert vocab.vectors is not None
    assert vocab.vectors.tolist()[:2] == [[0, 0, 0], [0, 0, 0]]
    assert torch.equal(vocab.vectors[vocab.stoi["of"]], torch.tensor([1, -2, 0.3]))


def test_a_file_that_is_not_there_names_those_that_are(folder):
    with pytest.raises(ModuleError, match=r"no file .*glove\.6B\.100d\.txt(?s:.)*glove\.6B\.3d\.txt"):
        GloVe("6B", 100, cache=folder)


def test_a_file_of_another_dimension_is_refused_and_nothing_is_kept(folder):
    (folder / "glove.6B.3d.txt").rename(folder / "glove.6B.4d.txt")
    for _ in range(2):
        with pytest.raises(ModuleError, match=r"glove\.6B\.4d\.txt:1: the vectors have 3 numbers\n  expected: 4"):
            GloVe("6B", 4, cache=folder)
