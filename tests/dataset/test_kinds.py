"""``hub.dataset.load`` for label sets, values and tags: what is read, what is said, what is refused."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transferhub.dataset import BaseDataset, InputExample, load, store, targets
from transferhub.errors import ConfigError, DataError


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


# --- label sets


@pytest.mark.parametrize("mark", [",", ";", "|", ", "])
def test_names_are_joined_by_any_usual_mark(tmp_path, mark, lines):
    path = write(tmp_path / "r.tsv", f"text\tlabels\nso\tjoy{mark}anger\nno\t\nyes\tanger\n")
    dataset = load(path, kind="labels")
    assert dataset.label_list == ["anger", "joy"]
    assert targets.label_sets(dataset, "train").tolist() == [[1, 1], [0, 0], [1, 0]]
    assert any("label sets are written as names" in line for line in lines)


def test_a_name_may_hold_a_mark_that_does_not_part_names(tmp_path):
    path = write(tmp_path / "r.tsv", "text\tlabels\na\tarts, crafts;science\nb\tscience\n")
    assert load(path, kind="labels").label_list == ["arts, crafts", "science"]
    single = write(tmp_path / "s.tsv", "text\tlabels\na\tarts, crafts\nb\tscience\n")
    named = load(single, kind="labels", label_list=["science", "arts, crafts"])
    assert targets.label_sets(named, "train").tolist() == [[0, 1], [1, 0]]


def test_lists_in_json_are_label_sets_whatever_their_names_hold(tmp_path):
    rows = [{"text": "a", "labels": ["x, y", "z"]}, {"text": "b", "labels": []}, {"text": "c", "labels": ["z"]}]
    path = write(tmp_path / "r.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    dataset = load(path, kind="labels")
    assert dataset.label_list == ["x, y", "z"]
    assert targets.label_sets(dataset, "train").tolist() == [[1, 1], [0, 0], [0, 1]]


def test_columns_of_flags_are_labels_in_the_order_given(tmp_path):
    path = write(tmp_path / "r.csv", "id,comment,toxic,obscene\n1,a,1,0\n2,b,0,0\n3,c,1.0,true\n")
    dataset = load(path, kind="labels", text="comment", label=["obscene", "toxic"])
    assert dataset.label_list == ["obscene", "toxic"]
    sets = targets.label_sets(dataset, "train")
    assert sets.dtype == np.uint8
    assert sets.tolist() == [[0, 1], [0, 0], [1, 1]]
    headless = write(tmp_path / "h.csv", "a,1,0\nb,0,1\n")
    by_number = load(headless, kind="labels", text=0, label=[1, 2])
    assert targets.label_sets(by_number, "train").tolist() == [[1, 0], [0, 1]]


def test_columns_of_flags_that_nobody_names_are_asked_for_by_the_flag_that_takes_them(tmp_path):
    path = write(tmp_path / "r.csv", "id,comment_text,toxic,threat\n1,so,1,0\n2,no,0,1\n")
    with pytest.raises(DataError, match="cannot tell which column is the label") as caught:
        load(path, kind="labels")
    assert "--label-column one,two,three" in str(caught.value)
    assert load(path, kind="labels", label=["toxic", "threat"]).train_examples[0].text_a == "so"


def test_a_flag_that_is_none_is_named_by_line_column_and_value(tmp_path):
    path = write(tmp_path / "r.csv", "text,toxic,obscene\na,1,0\nb,0,2\n")
    with pytest.raises(DataError, match=r"r\.csv:3: the label column 'obscene' holds '2'(?s:.)*0 or 1"):
        load(path, kind="labels", label=["toxic", "obscene"])
    with pytest.raises(DataError, match=r"no column 'toxik'(?s:.)*did you mean 'toxic'"):
        load(path, kind="labels", label=["toxik", "obscene"])


@pytest.mark.parametrize(
    ("labels", "form", "sets"),
    [
        (["1,0", "0,1"], "flags", [[1, 0], [0, 1]]),
        (["1 0", "0 0"], "flags", [[1, 0], [0, 0]]),
        (["0,1", "1"], "ids", [[1, 1], [0, 1]]),
        (["a,b", "b"], "names", [[1, 1], [0, 1]]),
        (['["a"]', ""], "names", [[1, 0], [0, 0]]),
    ],
)
def test_flags_are_flags_only_if_every_row_is(labels, form, sets):
    rows = [InputExample(row, "text", None, label) for row, label in enumerate(labels)]
    dataset = load(rows, kind="labels", label_list=["a", "b"])
    assert targets.label_form(dataset).kind == form
    assert targets.label_sets(dataset, "train").tolist() == sets


def test_lists_of_examples_hold_what_1x_held():
    rows = [InputExample(0, "a", None, [0, 1]), InputExample(1, "b", None, [1, 1])]
    assert targets.label_sets(load(rows, kind="labels", label_list=["x", "y"]), "train").tolist() == [[0, 1], [1, 1]]
    arrays = [InputExample(0, "a", None, np.array([0, 1])), InputExample(1, "b", None, np.array([1.0, 0.0]))]
    assert targets.label_sets(load(arrays, kind="labels"), "train").tolist() == [[0, 1], [1, 0]]
    ids = [InputExample(0, "a", None, [2]), InputExample(1, "b", None, [0, 1])]
    assert targets.label_sets(load(ids, kind="labels", label_list="xyz"), "train").tolist() == [[0, 0, 1], [1, 1, 0]]


def test_unknown_names_are_named_by_file_and_line_with_a_near_one(tmp_path):
    train = write(tmp_path / "train.tsv", "text\tlabels\na\tjoy,anger\nb\tanger\n")
    dev = write(tmp_path / "dev.tsv", "text\tlabels\na\tjoy\nb\tangr,joy\n")
    with pytest.raises(DataError, match=r"dev\.tsv:3: label 'angr' is not known(?s:.)*did you mean 'anger'"):
        load(train, dev, kind="labels")


def test_label_sets_that_are_all_alike_are_refused(tmp_path):
    with pytest.raises(DataError, match="every row has the labels 'a,b'"):
        load(write(tmp_path / "r.tsv", "text\tlabels\nx\ta,b\ny\ta,b\n"), kind="labels")


@given(st.lists(st.sets(st.sampled_from("abcdef")), min_size=2, max_size=30), st.sampled_from(",;|"))
def test_sets_survive_being_written(sets, mark):
    rows = [InputExample(row, "t", None, mark.join(sorted(names))) for row, names in enumerate(sets)]
    dataset = load(rows, kind="labels", label_list="abcdef")
    found = [{"abcdef"[column] for column in np.flatnonzero(row)} for row in targets.label_sets(dataset, "train")]
    assert found == sets


# --- values


def test_values_are_floats_and_ids_are_not_suspected(tmp_path):
    text = "sentence1\tsentence2\tscore\n" + "".join(f"a {row}\tb\t{row / 7}\n" for row in range(50))
    dataset = load(write(tmp_path / "r.tsv", text), kind="value")
    found = targets.values(dataset, "train")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.arange(50) / 7, rtol=1e-6)
    assert dataset.num_labels == 0
    assert dataset.train_examples[3].text_b == "b"
    split = dataset.with_dev(seed=1)
    assert (len(split.train_examples), len(split.dev_examples)) == (45, 5)
    both = np.concatenate([targets.values(split, "train"), targets.values(split, "dev")])
    np.testing.assert_array_equal(np.sort(both), found)

    assert split.drawn == "at random"


def test_label_sets_are_split_with_nearly_the_same_share_of_each_label():
    draw = np.random.default_rng(0)
    rates = np.array([0.5, 0.3, 0.1, 0.03, 0.01, 0.005])
    flags = draw.random((2000, 6)) < rates
    dataset = BaseDataset(label_list=[*"abcdef"])
    dataset.kind = "labels"
    dataset.train_examples = [
        InputExample(str(row), "x", None, [name for name, has in zip("abcdef", line, strict=True) if has])
        for row, line in enumerate(flags)
    ]
    split = dataset.with_dev(seed=1)
    held = np.array([int(row.guid) for row in split.dev_examples])
    assert sorted({*held, *(int(row.guid) for row in split.train_examples)}) == list(range(2000))
    assert abs(len(held) - 200) <= 6
    assert np.abs(flags[held].sum(axis=0) - flags.sum(axis=0) * 0.1).max() <= 2
    assert split.drawn == "nearly the same share of each label"
    assert [row.guid for row in dataset.with_dev(1).dev_examples] == [row.guid for row in split.dev_examples]
    assert [row.guid for row in dataset.with_dev(2).dev_examples] != [row.guid for row in split.dev_examples]
    by_chance = [flags[draw.permutation(2000)[:200]].sum(axis=0) for _ in range(50)]
    worst = np.abs(np.array(by_chance) - flags.sum(axis=0) * 0.1).max(axis=1)
    assert np.median(worst) > 3, "what any rows would give"


def test_label_sets_of_which_each_occurs_once_leave_a_row_on_either_side():
    rows = [InputExample(str(row), "x", None, [name]) for row, name in enumerate("abcde")]
    dataset = BaseDataset(label_list=[*"abcde"])
    dataset.kind, dataset.train_examples = "labels", rows
    split = dataset.with_dev(seed=1)
    assert (len(split.train_examples), len(split.dev_examples)) == (4, 1)


@pytest.mark.parametrize("value", ["", "abc", "nan", "inf", "1_000", "4,5"])
def test_what_is_no_finite_number_is_named_by_line_and_value(tmp_path, value):
    with pytest.raises(DataError, match=r"r\.tsv:3: (the value is|there is no value)"):
        load(write(tmp_path / "r.tsv", f"text\tscore\na\t1.5\nb\t{value}\n"), kind="value")


def test_numbers_in_examples_and_frames_are_values():
    pandas = pytest.importorskip("pandas")
    rows = [InputExample(0, "a", None, 4.5), InputExample(1, "b", None, "3")]
    assert targets.values(load(rows, kind="value"), "train").tolist() == [4.5, 3.0]
    frame = pandas.DataFrame({"text": ["a", "b"], "score": [1, 2.5]})
    assert targets.values(load(frame, kind="value"), "train").tolist() == [1.0, 2.5]
    with pytest.raises(DataError, match=r"train\[1\].*the value is 'x'|train_examples\[1\]: the value is 'x'"):
        load([InputExample(0, "a", None, 4.5), InputExample(1, "b", None, "x")], kind="value")
    with pytest.raises(DataError, match="every row has the value 2"):
        load(pandas.DataFrame({"text": ["a", "b"], "score": [2, 2]}), kind="value")


# --- tags

TSV = "text_a\tlabel\n我\x02在\x02京\tO\x02O\x02B-LOC\n他\tO\n"


def test_rows_joined_by_the_control_character_are_tokens_and_tags(tmp_path):
    dataset = load(write(tmp_path / "r.tsv", TSV), kind="tags")
    assert dataset.label_list == ["B-LOC", "I-LOC", "O"]
    tokens, ids = targets.tags(dataset.train_examples[0], dataset.label_index, "here")
    assert (tokens, ids) == (["我", "在", "京"], [2, 2, 0])
    headless = write(tmp_path / "h.tsv", TSV.partition("\n")[2])
    assert list(load(headless, kind="tags").train_examples) == list(dataset.train_examples)


def test_spaces_and_lists_are_read_alike(tmp_path):
    spaced = write(tmp_path / "s.tsv", "text\ttags\nEU rejects\tB-ORG O\n")
    listed = write(tmp_path / "l.jsonl", json.dumps({"tokens": ["EU", "rejects"], "ner_tags": ["B-ORG", "O"]}) + "\n")
    for path in (spaced, listed):
        assert load(path, kind="tags").train_examples[0] == InputExample(0, "EU\x02rejects", None, "B-ORG\x02O")


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("r.tsv", "text_a\tlabel\n我\x02在\tO\x02O\n他\x02们\tO\n", 3),
        ("r.jsonl", '{"tokens": ["a"], "tags": ["O"]}\n{"tokens": ["a", "b"], "tags": ["O"]}\n', 2),
    ],
)
def test_another_number_of_tags_than_tokens_is_named_with_both(tmp_path, name, text, line):
    with pytest.raises(DataError, match=rf"{name}:{line}: 2 tokens, 1 tags"):
        load(write(tmp_path / name, text), kind="tags")


def test_an_unknown_tag_is_named_by_file_line_and_token(tmp_path):
    train = write(tmp_path / "train.tsv", TSV)
    dev = write(tmp_path / "dev.tsv", "text_a\tlabel\n我\x02他\tO\x02B-LOX\n")
    with pytest.raises(DataError, match=r"dev\.tsv:2: tag 'B-LOX' of token 1 \('他'\)(?s:.)*did you mean 'B-LOC'"):
        load(train, dev, kind="tags")


def test_tags_in_examples_are_joined_or_lists():
    rows = [InputExample(0, "a\x02b", None, "B-X\x02O"), InputExample(1, ["c"], None, ["I-X"])]
    dataset = load(rows, kind="tags")
    index = {"B-X": 0, "I-X": 1, "O": 2}
    assert dataset.label_index == index
    assert [targets.tags(row, index, "here") for row in dataset.train_examples] == [(["a", "b"], [0, 2]), (["c"], [1])]
    with pytest.raises(DataError, match=r"train_examples\[0\]: 2 tokens, 3 tags"):
        load([InputExample(0, "a b", None, "O O O")], kind="tags")


@pytest.mark.parametrize(
    ("names", "ordered"),
    [
        (["O", "I-PER", "B-LOC"], ["B-LOC", "I-LOC", "B-PER", "I-PER", "O"]),
        (["NN", "VB", "."], [".", "NN", "VB"]),
        (["O", "S-A", "B-A", "E-A"], ["B-A", "E-A", "S-A", "O"]),
        (["B-X", "I-X"], ["B-X", "I-X", "O"]),
    ],
)
def test_tags_are_ordered_in_pairs_with_no_entity_last(names, ordered):
    assert targets.sorted_tags(names) == ordered
    assert targets.sorted_tags(reversed(ordered)) == ordered


def test_one_tag_only_is_refused(tmp_path):
    with pytest.raises(DataError, match="every token has the tag 'O'"):
        load(write(tmp_path / "r.tsv", "text_a\tlabel\n我\x02在\tO\x02O\n"), kind="tags")


# --- all kinds


def test_arguments_that_do_not_fit_the_kind_are_refused(tmp_path):
    path = write(tmp_path / "r.tsv", TSV)
    with pytest.raises(ConfigError, match=r"kind='tag'(?s:.)*did you mean 'tags'"):
        load(path, kind="tag")
    with pytest.raises(ConfigError, match=r"label=(?s:.)*several are flags"):
        load(path, kind="tags", label=["a", "b"])
    with pytest.raises(ConfigError, match="no second text"):
        load(path, kind="tags", text_pair="b")
    with pytest.raises(ConfigError, match="holds a tag for each token, not one label a row"):
        load(path, kind="tags").label_ids("train")


@pytest.mark.parametrize(("kind", "labels"), [("value", ["1.5", "2", "3"]), ("tags", ["O", "B-X", "I-X"])])
def test_rows_on_disk_are_those_in_memory(tmp_path, monkeypatch, kind, labels):
    text = "text\tlabel\n" + "".join(f"word{row}\t{labels[row % 3]}\n" for row in range(20))
    path = write(tmp_path / "r.tsv", text)
    held = load(path, kind=kind, text="text", label="label")
    monkeypatch.setattr(store, "BIG", 0)
    for _ in range(2):  # written, then found
        mapped = load(path, kind=kind, text="text", label="label")
        assert list(mapped.train_examples) == list(held.train_examples)
        assert mapped.label_list == held.label_list
        assert mapped.train_examples.take([5, 3])[1].label == held.train_examples[3].label


# --- what one wrong row would change for all


@pytest.mark.parametrize(("odd", "near"), [("XX", ""), ("o", "did you mean 'O'"), ("0", "did you mean 'O'")])
def test_a_tag_that_marks_no_chunk_among_those_that_do_is_named(tmp_path, odd, near):
    path = write(tmp_path / "r.tsv", f"tokens\ttags\nso it is\tO B-X I-X\nit is\tB-X {odd}\n")
    with pytest.raises(
        DataError, match=f"the tag '{odd}' .1 times, the first in row or line 3. marks no chunk"
    ) as caught:
        load(path, kind="tags")
    assert near in str(caught.value)
    assert load(path, kind="tags", label_list=["B-X", "I-X", "O", odd]).num_labels == 4


def test_parts_of_speech_are_tags(tmp_path):
    path = write(tmp_path / "r.tsv", "tokens\ttags\nso it is\tRB PRP VBZ\nit is\tPRP VBZ\n")
    assert load(path, kind="tags").label_list == ["PRP", "RB", "VBZ"]


def test_the_mark_that_parts_most_sets_parts_them_all_and_the_others_are_said(tmp_path, lines):
    sets = ["joy,anger", "fear,anger", "joy|fear", "joy"]
    dataset = load(write(tmp_path / "r.tsv", "text\tlabels\n" + "".join(f"a\t{one}\n" for one in sets)), kind="labels")
    assert dataset.label_list == ["anger", "fear", "joy", "joy|fear"]
    targets.label_sets(dataset, "train")
    assert any("joined by ','" in line and "'joy|fear'" in line for line in lines)


def test_truth_values_are_values(tmp_path):
    rows = [{"text": "a", "label": True}, {"text": "b", "label": False}, {"text": "c", "label": 0.5}]
    path = write(tmp_path / "r.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert targets.values(load(path, kind="value"), "train").tolist() == [1.0, 0.0, 0.5]


def test_pairs_with_an_empty_half_are_kept_counted_and_said(tmp_path, lines):
    text = "text_a\ttext_b\tlabel\nso\tyes\t1\nso\t \t0\n\tno\t1\n"
    rows = load(write(tmp_path / "r.tsv", text)).train_examples
    assert [(row.text_a, row.text_b) for row in rows] == [("so", "yes"), ("so", " "), ("", "no")]
    assert any("the second text is empty in 1 of 3 pairs (the first in row or line 3)" in line for line in lines)
    assert any("1 of 3 texts are empty (the first in row or line 4)" in line for line in lines)


@pytest.mark.parametrize("given", [None, ["a", "b"]])
def test_labels_are_put_in_another_order_in_a_copy(tmp_path, given):
    dataset = load(write(tmp_path / "r.tsv", "text\tlabel\nso\ta\nno\tb\n"), label_list=given)
    ordered = targets.with_labels(dataset, ["b", "a", "c"], "classes")
    assert (ordered.label_ids("train").tolist(), dataset.label_ids("train").tolist()) == ([1, 0], [0, 1])
    assert targets.with_labels(dataset, ["x", "y"], "classes") is dataset, "new names for the same ids"
    with pytest.raises(ConfigError, match="the data set has the label 'a' too"):
        targets.with_labels(dataset, ["b", "c"], "classes")


def test_flags_have_the_order_of_their_columns(tmp_path):
    path = write(tmp_path / "r.tsv", "text\tjoy\tfear\nso\t1\t0\nno\t0\t1\n")
    flagged = load(path, kind="labels", label=["joy", "fear"])
    with pytest.raises(ConfigError, match="the rows hold numbers of"):
        targets.with_labels(flagged, ["fear", "joy"], "labels")
    named = load(write(tmp_path / "n.tsv", "text\tlabels\nso\tjoy\nno\tfear\n"), kind="labels")
    assert targets.label_sets(targets.with_labels(named, ["joy", "fear"], "labels"), "train").tolist() == [
        [1, 0],
        [0, 1],
    ]


def test_flags_of_another_number_are_refused_by_their_line(tmp_path):
    path = write(tmp_path / "r.tsv", "text\tlabels\nso\t1,0,1\nno\t0,1,1\nyes\t1,0\n")
    with pytest.raises(DataError, match=r"r\.tsv:4: 2 flags \('1,0'\), other rows have 3"):
        load(path, kind="labels")
    with pytest.raises(DataError, match=r"r\.tsv:4: 2 flags"):
        load(path, kind="labels", label_list=["a", "b", "c"])


def test_given_names_are_those_of_ids_in_every_split(tmp_path, lines):
    files = [write(tmp_path / f"{n}.tsv", f"text\tlabel\nso\t{n}\nno\t2\n") for n in (0, 1)]
    dataset = load(*files, label_list=["a", "b", "c"])
    assert [dataset.label_ids(split).tolist() for split in ("train", "dev")] == [[0, 2], [1, 2]]
    assert any("labels are written as ids of 'a', 'b', 'c'" in line for line in lines)
    told = targets.with_labels(load(files[0]), ["a", "b", "c"], "classes")
    assert (told.label_list, told.label_ids("train").tolist()) == (["a", "b", "c"], [0, 2])
    with pytest.raises(ConfigError, match=r"label_list has 3 names"):
        targets.with_labels(load(write(tmp_path / "n.tsv", "text\tlabel\nso\tx\nno\ty\n")), ["a", "b", "c"], "classes")
