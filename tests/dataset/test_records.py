"""1.8's record mode: rows as a tokenizer's ``encode`` gives them."""

import numpy as np
import pytest

import transferhub as hub
from transferhub.dataset import InputExample
from transferhub.dataset.base_nlp_dataset import MultiLabelDataset, RegressionDataset, SeqLabelingDataset
from transferhub.errors import ConfigError

VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "great", "room", "rude", "staff"]


@pytest.fixture
def tokenizer(tmp_path):
    (tmp_path / "own.txt").write_text("".join(token + "\n" for token in VOCAB))
    return hub.BertTokenizer(tmp_path / "own.txt")


@pytest.fixture
def dataset(tmp_path, tokenizer):
    (tmp_path / "train.tsv").write_text("great room\t1\nrude staff rude\t0\nroom\t1\n")
    (tmp_path / "predict.tsv").write_text("staff\n")
    return hub.dataset.BaseNLPDataset(
        tmp_path, train_file="train.tsv", predict_file="predict.tsv", tokenizer=tokenizer, max_seq_len=6
    )


def test_records_are_what_the_tokenizer_gives_with_the_labels_id(dataset, tokenizer):
    records = dataset.get_train_records()
    assert [record["label"] for record in records] == [1, 0, 1], "the label 0 is a label"
    assert records[0] == {**tokenizer.encode("great room", max_seq_len=6), "label": 1}
    assert dataset.get_predict_records() == [tokenizer.encode("staff", max_seq_len=6)]
    assert dataset.get_feed_list("train") == [
        "input_ids",
        "segment_ids",
        "input_mask",
        "position_ids",
        "seq_len",
        "label",
    ]
    assert dataset.get_feed_list("dev") == dataset.get_val_records() == []
    np.random.seed(3)
    shuffled = [dataset.get_records("train", shuffle=True) for _ in range(8)]
    assert any(order != records for order in shuffled)
    assert all(sorted(order, key=str) == sorted(records, key=str) for order in shuffled)
    assert dataset.get_train_records() == records, "what is kept stays in order"
    dataset.train_examples = [InputExample(0, "room", None, "0")]
    assert [record["label"] for record in dataset.get_train_records()] == [0], "rows may be assigned"


def test_batches_hold_a_list_for_each_name_and_lose_no_row(dataset):
    whole, rest = dataset.batch_records_generator("train", 2, shuffle=False)
    assert (whole["label"], rest["label"]) == ([1, 0], [1])
    assert [len(ids) for ids in whole["input_ids"]] == [6, 6]
    whole, rest = dataset.batch_records_generator("train", 2, shuffle=False, pad_to_batch_max_seq_len=True)
    assert [len(ids) for ids in (*whole["input_ids"], *rest["input_mask"])] == [5, 5, 3]
    assert whole["seq_len"] == [4, 5]
    with pytest.raises(ConfigError, match="batch_size=0"):
        next(dataset.batch_records_generator("train", 0))


def test_labels_of_other_kinds_are_numbers_and_flags(tmp_path, tokenizer, lines):
    (tmp_path / "train.tsv").write_text("great room\t0.5\nroom\t0\n")
    numbers = RegressionDataset(tmp_path, train_file="train.tsv", tokenizer=tokenizer)
    assert [record["label"] for record in numbers.get_train_records()] == [0.5, 0.0]
    assert len(numbers.get_train_records()[0]["input_ids"]) == 128
    (tmp_path / "train.tsv").write_text("great room\tkind,clean\nunheard of\tclean\n")
    (tmp_path / "words.txt").write_text("great\nroom\n<pad>\n")
    words = hub.CustomTokenizer(tmp_path / "words.txt", cut_function="whitespace")
    sets = MultiLabelDataset(tmp_path, train_file="train.tsv", label_list=["clean", "kind"], tokenizer=words)
    assert [record["label"] for record in sets.get_train_records()] == [[1, 1]]
    assert any("1 of 2 rows hold no known word" in line for line in lines)


def test_without_a_tokenizer_or_for_tags_it_says_what_to_do(tmp_path, dataset, tokenizer):
    dataset.tokenizer = None
    with pytest.raises(ConfigError, match=r"has no tokenizer(.|\n)*BertTokenizer"):
        dataset.get_train_records()
    (tmp_path / "train.tsv").write_text("great\x02room\tO\x02B-X\n")
    tagged = SeqLabelingDataset(tmp_path, train_file="train.tsv", tokenizer=tokenizer)
    with pytest.raises(ConfigError, match="holds tags or answers"):
        tagged.get_train_records()
    with pytest.raises(ConfigError, match="no split 'training'"):
        tagged.get_records("training")
