"""PaddleHub 1.8's base classes, and its plain one with label columns of each kind."""

import numpy as np
import pytest

from transferhub.dataset import BaseNLPDataset, InputExample, TripleExample, targets
from transferhub.dataset.base_nlp_dataset import (
    MRCDataset,
    MultiLabelDataset,
    RegressionDataset,
    SeqLabelingDataset,
    TextClassificationDataset,
    TextMatchingDataset,
)
from transferhub.errors import DataError

TAGS = ["B-LOC", "I-LOC", "O"]


def write(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_the_plain_class_takes_label_columns_of_each_kind(tmp_path):
    write(tmp_path, "tags.tsv", "text_a\tlabel\n我\x02在\x02北\x02京\tO\x02O\x02B-LOC\x02I-LOC\n")
    tags = BaseNLPDataset(tmp_path, train_file="tags.tsv", train_file_with_header=True)
    assert (tags.kind, tags.label_list) == ("tags", TAGS)
    assert targets.tags(tags.train_examples[0], tags.label_index, "")[1] == [2, 2, 0, 1]
    write(tmp_path, "value.tsv", "早餐很丰富\t早餐丰富\t4.5\n房间很脏\t交通方便\t0.5\n")
    values = BaseNLPDataset(tmp_path, train_file="value.tsv")
    assert targets.values(values, "train").tolist() == [4.5, 0.5]
    write(tmp_path, "multi.tsv", "so rude\t1,0\nso kind\t0,1\n")
    sets = BaseNLPDataset(tmp_path, train_file="multi.tsv", label_list=["rude", "kind"])
    assert targets.label_sets(sets, "train").tolist() == [[1, 0], [0, 1]]
    split = values.with_dev(seed=1, kind="value")
    assert (len(split.train_examples), len(split.dev_examples)) == (1, 1)


def test_rows_assigned_as_in_1x_are_read_as_a_kind(tmp_path):
    write(tmp_path, "x.tsv", "a\t1\n")
    dataset = BaseNLPDataset(tmp_path, train_file="x.tsv", label_list=["p", "q", "r"])
    dataset.train_examples = [InputExample(0, "a", None, [0, 1, 1]), InputExample(1, "b", None, [0, 0, 0])]
    assert targets.label_sets(dataset, "train").tolist() == [[0, 1, 1], [0, 0, 0]]
    dataset.train_examples = [InputExample(0, "a", None, 4.5)]
    np.testing.assert_array_equal(targets.values(dataset, "train"), np.array([4.5], np.float32))
    dataset.train_examples = [InputExample(0, "a", None, 4.5), InputExample(1, "b", None, None)]
    with pytest.raises(DataError, match=r"train_examples\[1\]: there is no value"):
        targets.values(dataset, "train")


def test_regression_refuses_what_is_no_number_by_line(tmp_path):
    write(tmp_path, "r.tsv", "a\t1.5\nb\tbad\n")
    with pytest.raises(DataError, match=r"r\.tsv:2: the value is 'bad'"):
        RegressionDataset(tmp_path, train_file="r.tsv")
    write(tmp_path, "r.tsv", "a\tb\t1.5\nb\tc\t-2e3\n")
    dataset = RegressionDataset(tmp_path, train_file="r.tsv", tokenizer=None, max_seq_len=128)
    assert targets.values(dataset, "train").tolist() == [1.5, -2000]
    assert dataset.num_labels == 0


def test_tokens_may_be_joined_by_another_character(tmp_path):
    write(tmp_path, "s.tsv", "New York|is|big\tB-LOC|NONE|NONE\n")
    dataset = SeqLabelingDataset(tmp_path, train_file="s.tsv", split_char="|", no_entity_label="NONE")
    assert dataset.train_examples[0].text_a == "New York\x02is\x02big"
    assert dataset.label_list == ["B-LOC", "I-LOC", "NONE"]
    write(tmp_path, "s.tsv", "a|b\tO|O\nc|d\tO\n")
    with pytest.raises(DataError, match=r"s\.tsv:2: 2 tokens, 1 tags"):
        SeqLabelingDataset(tmp_path, train_file="s.tsv", split_char="|")


@pytest.mark.parametrize("text", ["a\t1\t0\nb\t0\t1\n", "7\ta\t1\t0\n8\tb\t0\t1\n", "a\t1,0\nb\t0,1\n", "a\tx\nb\ty\n"])
def test_multi_label_rows_are_flags_in_columns_or_sets_in_one(tmp_path, text):
    write(tmp_path, "m.tsv", text)
    dataset = MultiLabelDataset(tmp_path, train_file="m.tsv", label_list=["x", "y"])
    assert [row.text_a for row in dataset.train_examples] == ["a", "b"]
    assert targets.label_sets(dataset, "train").tolist() == [[1, 0], [0, 1]]


def test_matching_is_pointwise_or_pairwise(tmp_path):
    write(tmp_path, "pairs.tsv", "a\tb\t1\n")
    write(tmp_path, "triples.tsv", "q\tl\tr\t1\nq\tm\tn\t0\n")
    write(tmp_path, "predict.tsv", "q\tl\tr\n")
    assert TextMatchingDataset(tmp_path, train_file="pairs.tsv").train_examples[0] == InputExample(0, "a", "b", "1")
    dataset = TextMatchingDataset(
        tmp_path, is_pair_wise=True, train_file="triples.tsv", predict_file="predict.tsv", label_list=["0", "1"]
    )
    assert list(dataset.train_examples) == [TripleExample(0, "q", "l", "r", "1"), TripleExample(1, "q", "m", "n", "0")]
    assert dataset.predict_examples[0] == TripleExample(0, "q", "l", "r", None)
    assert dataset.label_ids("train").tolist() == [1, 0]
    assert dataset.train_examples.take([1])[0].text_c == "n"
    with pytest.raises(DataError, match=r"has 3 columns(?s:.*)text_c, label"):
        TextMatchingDataset(tmp_path, is_pair_wise=True, train_file="pairs.tsv")


def test_reading_comprehension_takes_squad_files(tmp_path):
    qas = '[{"id": "1", "question": "Who?", "answers": [{"text": "b", "answer_start": 2}]}]'
    write(tmp_path, "q.json", f'{{"data": [{{"paragraphs": [{{"context": "a b", "qas": {qas}}}]}}]}}')
    dataset = MRCDataset(tmp_path, train_file="q.json")
    assert dataset.train_examples[0].span == ("b", 2)
    assert dataset.num_labels == 0


def test_the_old_name_is_the_plain_class():
    assert TextClassificationDataset is BaseNLPDataset
