"""Files of word vectors: the known forms, and what is said of a wrong one."""

import struct

import numpy as np
import pytest

from transferhub.errors import ModuleError
from transferhub.text import vector_files
from transferhub.text.vector_store import read_vectors, read_words, write

WORDS = ["the", "room", "好", "a"]
VECTORS = np.arange(16, dtype=np.float32).reshape(4, 4) / 7
LINES = [word + " " + " ".join(f"{n:.9g}" for n in row) for word, row in zip(WORDS, VECTORS, strict=True)]


def save(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def binary(words=WORDS, vectors=VECTORS, between=b"\n"):
    head = f"{len(words)} {vectors.shape[1]}\n".encode()
    return head + b"".join(
        w.encode() + b" " + row.astype("<f4").tobytes() + between for w, row in zip(words, vectors, strict=True)
    )


FORMS = {
    "glove": "\n".join(LINES) + "\n",
    "glove without last line break": "\n".join(LINES),
    "windows line ends": "\r\n".join(LINES) + "\r\n",
    "tabs": "\n".join(LINES).replace(" ", "\t"),
    "word2vec text": "4 4\n" + " \n".join(LINES) + " \n",
    "word2vec binary": binary(),
    "word2vec binary of gensim": binary(between=b""),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_gives_the_same_words_and_numbers(form, tmp_path):
    written = vector_files.convert(save(tmp_path / "file", FORMS[form]), tmp_path)
    assert (written.words, written.dim) == (4, 4)
    assert read_words(tmp_path) == WORDS
    assert np.array_equal(read_vectors(tmp_path), VECTORS)


def test_more_lines_than_are_read_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(vector_files, "AT_ONCE", 3)
    for form in ("glove", "word2vec text", "word2vec binary"):
        vector_files.convert(save(tmp_path / "file", FORMS[form]), tmp_path)
        assert np.array_equal(read_vectors(tmp_path), VECTORS)
    with pytest.raises(ModuleError, match="file:4: 3 numbers"):
        vector_files.convert(save(tmp_path / "file", "\n".join([*LINES[:3], "x 1 2 3"])), tmp_path)


def test_padding_is_the_last_word_with_zeros(tmp_path):
    content = "\n".join(["<pad> 9 9 9 9", *LINES])
    written = vector_files.convert(save(tmp_path / "file", content), tmp_path, padding=True)
    assert read_words(tmp_path) == [*WORDS, "<pad>"]
    assert read_vectors(tmp_path)[-1].tolist() == [0, 0, 0, 0]
    assert (written.words, written.repeated) == (5, 1)


def test_words_that_come_again_are_counted_and_the_first_is_kept(tmp_path, lines):
    written = vector_files.convert(save(tmp_path / "file", "\n".join([*LINES, "the 9 9 9 9"])), tmp_path)
    assert np.array_equal(read_vectors(tmp_path), VECTORS)
    assert written.repeated == 1
    assert any("1 words come again" in line for line in lines)


def test_words_with_spaces_and_words_that_no_text_can_hold(tmp_path):
    content = "\n".join([*LINES, ". . 1 2 3 4"]).encode() + b"\n\xff\xfe 1 2 3 4\n"
    written = vector_files.convert(save(tmp_path / "file", content), tmp_path)
    assert read_words(tmp_path) == [*WORDS, ". ."]
    assert written.unusable == 1


WRONG = {
    "empty": ("", "file is empty"),
    "white space": ("\n \n", "is empty"),
    "prose": ("This is a text.\nWithout numbers.\n", r"file:1: .*begins no file of word vectors"),
    "ragged line, too short": ("\n".join([*LINES, "x 1 2 3"]), r"file:5: 3 numbers for the word 'x'(?s:.)*expected: 4"),
    "ragged line, too long": ("\n".join([*LINES[:2], "x 1 2 3 4 5"]), "file:3: 5 numbers"),
    "a short and a long line": ("\n".join([LINES[0], "x 1 2 3", "y 1 2 3 4 5"]), "file:2: 3 numbers"),
    "no number": ("\n".join([*LINES, "x 1 2 three 4"]), "file:5: 'three' is no number"),
    "nan": ("\n".join([*LINES, "x 1 nan 3 4"]), "file:5: .*not finite"),
    "too large": ("\n".join([*LINES, "x 1 1e99 3 4"]), "file:5: .*not finite"),
    "header: more words": ("5 4\n" + "\n".join(LINES), "file:1: wrong header: it says 5 words, the file has 4"),
    "header: fewer words": ("3 4\n" + "\n".join(LINES), "file:1: wrong header"),
    "header: another size": ("4 5\n" + "\n".join(LINES), r"file:2: 4 numbers(?s:.)*5, as the header in line 1 says"),
    "header: no size": ("4 0\n" + "\n".join(LINES), "file:1: wrong header"),
    "header only": ("4 4\n", "file:1: wrong header|holds no word"),
    "binary: cut": (binary()[:-9], "file ends at word 4"),
    "binary: more words said": (b"9" + binary()[1:], "file ends at word 5"),
    "binary: fewer words said": (b"3" + binary()[1:], "file:1: wrong header"),
    "binary: nan": (binary(vectors=np.where(VECTORS[2, 2] == VECTORS, np.nan, VECTORS)), "file: word 3.*not finite"),
    "compressed": (b"\x1f\x8b\x08\0\0", "compressed"),
    "fastText, damaged": (struct.pack("<i", 793712314) + b"\0" * 20, "damaged|gensim is not installed"),
    "pickle": (b"\x80\x04N.", "pickle"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_refused_with_the_line(case, tmp_path):
    content, said = WRONG[case]
    with pytest.raises(ModuleError, match=said):
        vector_files.convert(save(tmp_path / "file", content), tmp_path)


@pytest.mark.parametrize("form", ["glove", "word2vec text", "word2vec binary"])
def test_another_dimension_than_asked_for_is_refused(form, tmp_path):
    with pytest.raises(ModuleError, match=r"file:1: the vectors have 4 numbers(?s:.)*expected: 3"):
        vector_files.convert(save(tmp_path / "file", FORMS[form]), tmp_path, dim=3)


@pytest.mark.parametrize(("words", "vectors"), [(["a"], np.zeros((2, 3))), ([], np.zeros((0, 3))), (["a"], [[np.inf]])])
def test_vectors_in_memory_must_fit_their_words_and_be_finite(words, vectors, tmp_path):
    with pytest.raises(ModuleError):
        write(tmp_path, words, vectors)


def test_a_damaged_folder_is_said(tmp_path):
    write(tmp_path, ["a"], [[1.0]])
    np.save(tmp_path / "vectors.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(ModuleError, match=r"vectors\.npy is damaged"):
        read_vectors(tmp_path)
    np.save(tmp_path / "vectors.npy", np.zeros((2, 2), np.float64))
    with pytest.raises(ModuleError, match="float64 of shape"):
        read_vectors(tmp_path)
