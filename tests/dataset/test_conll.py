"""CoNLL columns: sentences are rows, lines are tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transferhub.dataset import load
from transferhub.dataset.conll import conll, is_conll
from transferhub.errors import ConfigError, DataError

NEWS = "-DOCSTART- -X- O O\n\nEU NNP I-NP B-ORG\nrejects VBZ I-VP O\n\n\nPeter NNP I-NP B-PER\n"


def write(path, text):
    path.write_bytes(text.encode("utf-8"))
    return path


def sentences(path, **options):
    return [(line, *cells) for line, cells in conll(path, **options).read([0, 1])]


def test_the_first_column_is_the_token_and_the_last_the_tag(tmp_path, lines):
    path = write(tmp_path / "eng.train.conll", NEWS)
    assert sentences(path) == [(3, ["EU", "rejects"], ["B-ORG", "O"]), (7, ["Peter"], ["B-PER"])]
    dataset = load(path, kind="tags")
    assert dataset.label_list == ["B-ORG", "I-ORG", "B-PER", "I-PER", "O"]
    assert dataset.train_examples.where(1).endswith("eng.train.conll:7")
    assert any("1 -DOCSTART- lines" in line for line in lines)
    parts = load(path, kind="tags", label=1)
    assert parts.label_list == ["NNP", "VBZ"]


@pytest.mark.parametrize(
    "text",
    [
        "a\tO\nb\tB-X\n\nc\tO\n",
        "a O\nb B-X\n\nc O",
        "a\tO\r\nb\tB-X\r\n\r\nc\tO\r\n",
        "# id 1\na\tO\nb\tB-X\n\t\nc\tO\n",
    ],
)
def test_tabs_spaces_line_ends_and_comments(tmp_path, text):
    rows = sentences(write(tmp_path / "t.txt", text))
    assert [row[1:] for row in rows] == [(["a", "b"], ["O", "B-X"]), (["c"], ["O"])]


def test_tokens_may_be_odd_spaces(tmp_path):
    assert sentences(write(tmp_path / "t.bio", "\u3000\tO\n\xa0x\tB-X\n"))[0][1] == ["\u3000", "\xa0x"]


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("a O\nb O\n\n", True),
        ("a\tO\nb\tO\n", True),
        ("a\x02b\tO\x02O\n", False),
        ("the film\tO O\nthe end\tO O\n", False),
    ],
)
def test_a_token_a_line_is_told_from_a_sentence_a_line(tmp_path, text, is_one):
    assert is_conll(write(tmp_path / "t.txt", text)) is is_one


def test_lines_of_another_width_are_named(tmp_path):
    with pytest.raises(DataError, match=r"t\.conll:2: 1 columns, the first line has 2: 'b'"):
        load(write(tmp_path / "t.conll", "a O\nb\n"), kind="tags")
    with pytest.raises(DataError, match="its lines have 1 columns"):
        load(write(tmp_path / "u.conll", "a\nb\n"), kind="tags")
    with pytest.raises(DataError, match=r"v\.conll is empty"):
        load(write(tmp_path / "v.conll", "\n\n"), kind="tags")
    with pytest.raises(ConfigError, match="CoNLL columns have no names"):
        conll(tmp_path / "t.conll", token="word")


TOKEN = st.text(
    st.characters(exclude_characters="\t\r\n\x02 ", exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1
)


@given(st.lists(st.lists(st.tuples(TOKEN, st.sampled_from(["O", "B-X"])), min_size=1), min_size=1))
def test_what_is_written_is_read(tmp_path_factory, written):
    path = tmp_path_factory.mktemp("conll") / "t.conll"
    lines = ["\n".join(f"{token}\t{tag}" for token, tag in sentence) for sentence in written]
    write(path, "\n\n".join(lines) + "\n")
    found = [list(zip(tokens, tags, strict=True)) for _, tokens, tags in sentences(path, delimiter="\t")]
    kept = [[pair for pair in sentence if not pair[0].startswith("-DOCSTART-")] for sentence in written]
    assert found == [sentence for sentence in kept if sentence]


def test_the_real_wnut17_has_its_counts(real_data):
    folder = real_data("WNUT17")
    dataset = load(
        folder / "wnut17train.conll", folder / "emerging.dev.conll", folder / "emerging.test.annotated", kind="tags"
    )
    assert [len(dataset.get_examples(phase)) for phase in ("train", "dev", "test")] == [3394, 1009, 1287]
    assert dataset.num_labels == 13
