"""What gensim writes: its pickles, opened without gensim, and fastText's .bin, opened with it."""

import pickle
import warnings

import numpy as np
import pytest

from transferhub.errors import ModuleError
from transferhub.text import vector_files
from transferhub.text.vector_store import read_vectors, read_words

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    gensim = pytest.importorskip("gensim")
    from gensim.models import FastText, KeyedVectors, fasttext

WORDS = ["room", "房间", "good"]
VECTORS = np.arange(12, dtype=np.float32).reshape(3, 4)


def keyed():
    made = KeyedVectors(4)
    made.add_vectors(WORDS, VECTORS)
    return made


@pytest.mark.parametrize("apart", [10**9, 1])
def test_saved_keyed_vectors_are_read_where_they_are_allowed(apart, tmp_path):
    path = tmp_path / "words.kv"
    keyed().save(str(path), sep_limit=apart)
    with pytest.raises(ModuleError, match=r"pickle(?s:.)*--allow-pickle words\.kv"):
        vector_files.convert(path, tmp_path)
    vector_files.convert(path, tmp_path, allow=["words.kv"])
    assert read_words(tmp_path) == WORDS
    assert np.array_equal(read_vectors(tmp_path), VECTORS)


@pytest.mark.parametrize("binary", [True, False])
def test_what_gensim_writes_in_word2vecs_form_is_read(binary, tmp_path):
    keyed().save_word2vec_format(str(tmp_path / "words"), binary=binary)
    vector_files.convert(tmp_path / "words", tmp_path)
    assert read_words(tmp_path) == WORDS
    assert np.array_equal(read_vectors(tmp_path), VECTORS)


class Runs:
    def __reduce__(self):
        return print, ("code of the pickle has run",)


@pytest.mark.parametrize("content", [Runs(), {"vectors": 1}, [1]])
def test_a_pickle_of_something_else_is_refused_and_runs_nothing(content, tmp_path, capfd):
    path = tmp_path / "words.kv"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(ModuleError, match=r"refused|no word vectors"):
        vector_files.convert(path, tmp_path, allow=["words.kv"])
    assert "has run" not in capfd.readouterr().out


def test_fasttexts_own_binary_form_is_read_through_gensim(tmp_path):
    model = FastText([["room", "good", "bad"]] * 5, vector_size=4, min_count=1, bucket=50, epochs=1, workers=1)
    fasttext.save_facebook_model(model, str(tmp_path / "words.bin"))
    vector_files.convert(tmp_path / "words.bin", tmp_path)
    assert sorted(read_words(tmp_path)) == ["bad", "good", "room"]
    place = read_words(tmp_path).index("room")
    assert np.allclose(read_vectors(tmp_path)[place], model.wv["room"], atol=1e-6)
