import re
from itertools import combinations

import numpy as np
import pytest

import transferhub as hub
from transferhub.dataset import BaseDataset, BaseNLPDataset, Examples, InputExample
from transferhub.dataset.base_dataset import _stratified_sets
from transferhub.dataset.examples import fingerprint
from transferhub.errors import ConfigError, DataError


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


class Demo(BaseNLPDataset):
    def __init__(self, folder):
        self.dataset_dir = folder
        super().__init__(
            base_path=self.dataset_dir,
            train_file="train.tsv",
            dev_file="dev.tsv",
            test_file="test.tsv",
            predict_file="predict.tsv",
            train_file_with_header=True,
            dev_file_with_header=True,
            test_file_with_header=True,
            predict_file_with_header=True,
            label_list=["0", "1"],
        )


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "train.tsv", 'text_a\tlabel\n他说"好"\t1\n差\t0\n')
    write(tmp_path / "dev.tsv", "text_a\tlabel\n还行\t1\n")
    write(tmp_path / "test.tsv", "text_a\tlabel\n不行\t0\n")
    write(tmp_path / "predict.tsv", "text_a\n如何\n")
    return tmp_path


def test_the_documents_own_class_reads_its_files(folder):
    dataset = Demo(str(folder))
    assert dataset.num_labels == 2
    assert list(dataset.train_examples) == [InputExample(0, '他说"好"', None, "1"), InputExample(0, "差", None, "0")]
    assert dataset.get_predict_examples()[0].text_a == "如何"
    assert dataset.get_predict_examples()[0].label is None
    assert dataset.label_dict() == {0: "0", 1: "1"}
    assert dataset.get_examples("val")[0].text_a == "还行"


def test_three_columns_are_a_pair(folder):
    write(folder / "pairs.tsv", "a\tb\t1\nc\td\t0\n")
    dataset = BaseNLPDataset(folder, train_file="pairs.tsv")
    assert dataset.train_examples[1] == InputExample(None, "c", "d", "0")
    assert dataset.get_labels() == ["0", "1"]


def test_numeric_labels_are_ordered_as_numbers(folder):
    write(folder / "many.tsv", "".join(f"text\t{label}\n" for label in (10, 2, "②", 1, 0, "a", -1)))
    assert BaseNLPDataset(folder, train_file="many.tsv").get_labels() == ["-1", "0", "1", "2", "10", "a", "②"]


def test_commas_in_a_tsv_without_a_header_are_text(folder):
    write(folder / "p.tsv", "good, clean room\nbad food, rude staff\n")
    rows = BaseNLPDataset(
        folder, train_file="dev.tsv", train_file_with_header=True, predict_file="p.tsv"
    ).predict_examples
    assert [(row.text_a, row.text_b) for row in rows] == [("good, clean room", None), ("bad food, rude staff", None)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("only one column\n", "only has one column but it is not a predict file"),
        ("a\tb\tc\t1\n", "has 4 columns"),
        ("", "is empty"),
        ("a\t1\nb\n", r"x\.tsv:2: 1 columns"),
    ],
)
def test_files_that_are_not_right_are_refused(folder, text, said):
    write(folder / "x.tsv", text)
    with pytest.raises(DataError, match=said):
        BaseNLPDataset(folder, train_file="x.tsv")


def test_a_header_without_rows_is_refused(folder):
    write(folder / "x.tsv", "text_a\tlabel\n")
    with pytest.raises(DataError, match="has a header and no rows"):
        BaseNLPDataset(folder, train_file="x.tsv", train_file_with_header=True)


def test_a_data_set_needs_a_file():
    with pytest.raises(ConfigError, match="without files"):
        BaseNLPDataset("somewhere")


def test_label_file_and_label_list(folder, lines):
    write(folder / "labels.txt", "1\n0\n")
    assert BaseNLPDataset(
        folder, train_file="dev.tsv", train_file_with_header=True, label_file="labels.txt"
    ).get_labels() == ["1", "0"]
    both = BaseNLPDataset(
        folder, train_file="dev.tsv", train_file_with_header=True, label_file="labels.txt", label_list=["0", "1"]
    )
    assert both.get_labels() == ["0", "1"]
    assert any("label_file labels.txt is not looked at" in line for line in lines)


def test_a_subclass_may_read_its_own_format(folder):
    class Own(BaseNLPDataset):
        def _read_file(self, input_file, phase=None):
            with open(input_file, encoding="utf-8") as file:
                return [InputExample(number, line.strip()[1:], None, line[0]) for number, line in enumerate(file)]

    write(folder / "own.txt", "1good\n0bad\n")
    assert Own(folder, train_file="own.txt").train_examples[1].text_a == "bad"


def test_an_unknown_label_is_named_by_file_line_and_value(folder):
    write(folder / "dev.tsv", "text_a\tlabel\n好\t1\n坏\t2\n")
    with pytest.raises(DataError, match=r"dev\.tsv:3: label '2' is not known(?s:.)*one of '0', '1'"):
        Demo(str(folder)).label_ids("dev")


def test_assigned_lists_are_used_and_never_changed(folder):
    dataset = Demo(str(folder))
    mine = [InputExample(1, "a", None, "0"), InputExample(2, "b", None, "1"), InputExample(3, "c", None, "x")]
    copy = list(mine)
    dataset.train_examples = mine
    with pytest.raises(DataError, match=r"train_examples\[2\]: label 'x'"):
        dataset.label_ids("train")
    dataset.train_examples, dataset.dev_examples = mine[:2] * 20, []
    split = dataset.with_dev(seed=1)
    assert mine == copy
    assert len(dataset.train_examples) == 40, "the data set itself stays as it is"
    assert (len(split.train_examples), len(split.dev_examples)) == (36, 4)


def test_a_tenth_is_split_off_stratified_and_from_the_seed():
    dataset = BaseDataset(label_list=["a", "b"])
    dataset.train_examples = [InputExample(i, str(i), None, "a" if i % 4 else "b") for i in range(200)]

    def held(seed):
        split = dataset.with_dev(seed)
        dev = [example.text_a for example in split.dev_examples]
        assert [example.label for example in split.dev_examples].count("b") == 5
        assert len(dev) == 20
        assert not {example.text_a for example in split.train_examples} & set(dev)
        return dev

    assert held(1) == held(1) != held(2)
    assert dataset.with_dev(1).with_dev(2).dev_examples == dataset.with_dev(1).dev_examples


def test_many_labels_of_few_rows_still_give_a_tenth():
    dataset = BaseDataset()
    dataset.train_examples = [InputExample(i, str(i), None, f"label {i % 77}") for i in range(77 * 4)]
    split = dataset.with_dev(0)
    assert len(split.dev_examples) == 31
    assert len({example.label for example in split.dev_examples}) == 31
    assert split.label_list == dataset.label_list


@pytest.mark.parametrize("labels", [5, 60, 800])
def test_of_label_sets_as_many_rows_are_split_off_however_rare_labels_are(labels):
    random = np.random.default_rng(0)
    flags = (random.random((2000, labels)) < 3 / labels).astype(np.uint8)
    held = _stratified_sets(flags, np.random.default_rng(1), 0.1)
    assert len(held) == len(set(held.tolist())) == pytest.approx(200, abs=20)
    usual = flags.sum(axis=0) >= 100
    assert np.abs(flags[held].mean(axis=0) - flags.mean(axis=0))[usual].max(initial=0) < 0.06
    alone = np.vstack([np.eye(690, dtype=np.uint8), np.zeros((10, 690), np.uint8)])
    assert len(_stratified_sets(alone, np.random.default_rng(1), 0.1)) == 70


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_rows_to_split_are_refused(count):
    dataset = BaseDataset(label_list=["a", "b"])
    dataset.train_examples = [InputExample(0, "x", None, "a")] * count
    with pytest.raises(DataError, match="too few to split"):
        dataset.with_dev(0)


def test_rows_are_made_when_looked_at_and_sliced_like_a_list():
    rows = Examples.from_columns(["a", "b", "c"], None, ["0", "1", "0"], [2, 3, 4], "f.tsv")
    assert [row.text_a for row in rows[1:]] == ["b", "c"]
    assert rows[-1] == InputExample(None, "c", None, "0")
    assert rows.where(1) == "f.tsv:3"
    with pytest.raises(IndexError):
        rows[3]
    assert fingerprint(rows) == fingerprint(list(rows)) != fingerprint(rows[:2])


def test_load_guesses_columns_from_the_header_and_says_so(tmp_path, lines):
    path = write(tmp_path / "r.csv", 'id,Review,Sentiment\n1,"good, cheap",pos\n2,bad,neg\n')
    dataset = hub.dataset.load(path)
    assert [(row.text_a, row.label) for row in dataset.train_examples] == [("good, cheap", "pos"), ("bad", "neg")]
    assert any("r.csv: 2 rows, utf-8, comma, header, columns text=Review, label=Sentiment" in line for line in lines)


def test_a_named_text_column_is_not_joined_by_a_guessed_second_one(tmp_path):
    path = write(tmp_path / "r.csv", "question,answer,label\na,b,1\nc,d,0\n")
    assert hub.dataset.load(path).train_examples[0].text_b == "b"
    assert hub.dataset.load(path, text="question").train_examples[0].text_b is None


def test_blank_lines_are_said_and_in_one_column_are_rows(tmp_path, lines):
    write(tmp_path / "two.tsv", "a\t1\n\nb\t0\n\n")
    assert len(BaseNLPDataset(tmp_path, train_file="two.tsv").train_examples) == 2
    assert any("two.tsv: 1 blank lines (the first is line 2) are no rows" in line for line in lines)
    write(tmp_path / "one.tsv", "first\n\nthird\n\n")
    rows = BaseNLPDataset(tmp_path, train_file="two.tsv", predict_file="one.tsv").predict_examples
    assert [row.text_a for row in rows] == ["first", "", "third"]


def test_load_takes_columns_by_name_and_pairs(tmp_path):
    path = write(tmp_path / "r.tsv", "q1\tq2\tsame\na\tb\t1\nc\td\t0\n")
    rows = hub.dataset.load(path, text="q1", text_pair="q2", label="same").train_examples
    assert rows[0] == InputExample(None, "a", "b", "1")


@pytest.mark.parametrize(
    ("text", "arguments", "said"),
    [
        ("", {}, "is empty"),
        (",\ntext,label\na,1\n", {}, "cannot tell which column is the text"),
        ("text,label\n", {}, "header and no rows"),
        ("text,label\na,1\nb\n", {}, r"r\.csv:3: 1 columns"),
        ("foo,bar\na,1\nb,0\n", {}, "cannot tell which column is the text"),
        ("text,bar\na,1\nb,0\n", {}, "cannot tell which column is the label"),
        ("text,label\na,1\nb,0\n", {"text": "txt"}, "no column 'txt'(?s:.)*did you mean 'text'"),
        ("text,label\na,1\nb,1\n", {}, "every row has the label '1'"),
        ("text,label\na,1\nb,\n", {}, r"r\.csv:3: the label is empty"),
    ],
)
def test_load_refuses_what_it_cannot_use(tmp_path, text, arguments, said):
    with pytest.raises(DataError, match=said):
        hub.dataset.load(write(tmp_path / "r.csv", text), **arguments)


def test_chnsenticorp_is_read_from_the_folder_of_data_sets(tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSFERHUB_DATASETS", str(tmp_path))
    (tmp_path / "chnsenticorp").mkdir()
    for name in ("train", "dev", "test"):
        write(tmp_path / "chnsenticorp" / f"{name}.tsv", "label\ttext_a\n1\t房间很好\n0\t差\n")
    dataset = hub.dataset.ChnSentiCorp()
    assert dataset.train_examples[0] == InputExample(None, "房间很好", None, "1")


def test_a_data_set_that_is_nowhere_lists_the_ways(tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSFERHUB_DATASETS", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(DataError, match=r"ChnSentiCorp is not downloaded(?s:.)*TRANSFERHUB_DATASETS"):
        hub.dataset.ChnSentiCorp()


def test_the_real_chnsenticorp_has_its_counts(real_data):
    real_data("chnsenticorp")
    dataset = hub.dataset.ChnSentiCorp()
    assert [len(dataset.get_examples(phase)) for phase in ("train", "dev", "test")] == [9600, 1200, 1200]
    assert set(dataset.label_ids("train")) == {0, 1}


def test_demo_reviews_are_balanced_and_no_two_are_alike():
    dataset = hub.dataset.DemoReviews("en")
    rows = [example for phase in ("train", "dev", "test") for example in dataset.get_examples(phase)]
    assert len(rows) >= 250
    for phase in ("train", "dev", "test"):
        labels = [example.label for example in dataset.get_examples(phase)]
        assert labels.count("positive") == labels.count("negative")
    words = [set(re.findall(r"[a-z']+", row.text_a.lower())) for row in rows]
    assert max(len(a & b) / len(a | b) for a, b in combinations(words, 2)) < 0.5
    with pytest.raises(ConfigError, match="'xx'"):
        hub.dataset.DemoReviews("xx")
