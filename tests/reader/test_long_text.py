"""Texts that are longer than what may be read at once."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import transferhub as hub
from conftest import WORDS, crash_at
from transferhub import atomic
from transferhub.dataset import BaseDataset, InputExample
from transferhub.errors import ConfigError
from transferhub.reader import ClassifyReader
from transferhub.reader.long_text import pieces

words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=30).map(" ".join)


def row(first: int, second: int = 0):
    """[CLS] a … [SEP] b … [SEP] as the text that each token is of."""
    pair = [*[1] * second, None] if second else []
    return [None, *[0] * first, None, *pair]


@given(st.lists(st.tuples(words, words), min_size=1, max_size=4), st.integers(5, 40), st.booleans())
def test_truncation_is_that_of_transformers(tiny, rows, limit, paired):
    from transformers import AutoTokenizer

    reader = ClassifyReader(vocab_path=tiny / "vocab.txt", max_seq_len=limit)
    columns = reader.encode(rows if paired else [first for first, _ in rows])
    theirs = AutoTokenizer.from_pretrained(tiny)(
        [first for first, _ in rows],
        [second for _, second in rows] if paired else None,
        truncation="longest_first",
        max_length=limit,
        return_token_type_ids=True,
    )
    for place in range(len(rows)):
        start, end = columns.offsets[place], columns.offsets[place + 1]
        assert columns.ragged["input_ids"][start:end].tolist() == theirs["input_ids"][place]
        assert columns.ragged["segment_ids"][start:end].tolist() == theirs["token_type_ids"][place]


def test_both_ends_are_kept_a_quarter_of_it_the_head():
    (kept,) = pieces(row(100), 42, "head_tail")
    assert kept == [0, *range(1, 11), *range(71, 101), 101]  # 40 tokens: 10 and 30
    (kept,) = pieces(row(30, 9), 23, "head_tail")
    assert kept == [0, 1, 2, *range(22, 31), 31, *range(32, 41), 41], "of a pair the longer gives way"
    assert pieces(row(30), 23, "truncate", from_left=True)[0][:3] == [0, 10, 11]


@given(st.integers(0, 120), st.integers(0, 60), st.integers(8, 50))
def test_windows_read_every_token_of_the_longer_text_and_never_too_many(first, second, limit):
    texts = row(first, second)
    made = pieces(texts, limit, "window")
    special = [place for place, text in enumerate(texts) if text is None]
    assert all(len(piece) <= limit and set(special) <= set(piece) and piece == sorted(piece) for piece in made)
    longer = 1 if second > first else 0
    read = set().union(*made)
    assert {place for place, text in enumerate(texts) if text == longer} <= read
    if len(made) == 1:
        assert made[0] == list(range(len(texts)))
    assert len({len(piece) for piece in made}) == 1, "all windows are full"


def test_how_much_is_cut_is_said_by_every_split_also_from_the_cache(tiny, lines):
    dataset = BaseDataset()
    texts = ["good room " * 20, "bad", "the food " * 10, "dull film"]
    dataset.train_examples = [InputExample(None, text, None, label) for text, label in zip(texts, "1010", strict=True)]
    reader = ClassifyReader(vocab_path=tiny / "vocab.txt", dataset=dataset, max_seq_len=16)
    for _ in range(2):  # the second time from the cache
        lines.clear()
        reader.columns("train")
        (said,) = [line for line in lines if "are not read" in line]
        assert "train: 2 of 4 rows are longer than 16 tokens: 32 of 71 tokens (45.1 %)" in said
        assert "long_text='truncate'" in said
    lines.clear()
    reader.encode(["good"])
    assert not lines


def test_a_way_that_does_not_exist_is_refused(tiny):
    with pytest.raises(ConfigError, match=r"long_text='windows'(?s:.)*did you mean 'window'"):
        ClassifyReader(vocab_path=tiny / "vocab.txt", long_text="windows")


def long_rows(count, seed):
    """The word that tells the label stands at the end of a text far longer than what is read at once."""
    draw = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        filler = draw.choice(WORDS[:9], int(draw.integers(20, 60))).tolist()
        rows.append(
            InputExample(
                None, " ".join([*filler, *(["great"] * 3 if number % 2 else ["awful"] * 3)]), None, str(number % 2)
            )
        )
    return rows


def task(tiny, way, run="run", **config):
    dataset = BaseDataset(label_list=["0", "1"])
    dataset.train_examples, dataset.dev_examples = long_rows(48, 1), long_rows(16, 2)
    settings = {"num_epoch": 6, "batch_size": 8, "precision": "fp32", "checkpoint_dir": run, "eval_interval": 12}
    return hub.TextClassifierTask(
        module=hub.Module(directory=tiny),
        dataset=dataset,
        max_seq_len=18,
        long_text=way,
        config=hub.RunConfig(
            strategy=hub.AdamWeightDecayStrategy(learning_rate=5e-3), save_ckpt_interval=5, **{**settings, **config}
        ),
    )


@pytest.mark.parametrize("hidden_units", [None, [8]])
def test_windows_are_averaged_and_a_saved_model_reads_in_windows_too(tiny, in_tmp, hidden_units):
    trained = task(tiny, "window", num_epoch=2)
    trained.hidden_units = hidden_units
    result = trained.finetune_and_eval()
    opened = hub.load(result.best_model)
    texts = [example.text_a for example in long_rows(5, 3)]
    ours = opened.predict(texts).probabilities
    assert len(ours) == 5
    network = opened.best_network()
    for place, text in enumerate(texts):
        batch = opened.reader.encode([text]).batch([0], opened.reader.pad)
        pieces = len(batch["input_ids"])
        assert pieces > 1
        feeds = {name: torch.from_numpy(values) for name, values in batch.items()}
        logits = torch.stack(
            [
                network({**{name: values[[piece]] for name, values in feeds.items() if name != "row_of"}})["logits"][0]
                for piece in range(pieces)
            ]
        )
        expected = torch.softmax(logits.mean(dim=0), dim=-1).detach().numpy()
        np.testing.assert_allclose(ours[place], expected, atol=1e-5)


def test_what_is_cut_off_cannot_be_learnt_but_both_ends_can(tiny, in_tmp):
    assert task(tiny, "truncate", "a").finetune_and_eval().dev["acc"] < 0.9
    assert task(tiny, "head_tail", "b").finetune_and_eval().dev["acc"] == 1.0


def test_a_run_in_windows_that_is_stopped_ends_with_the_same_bits(tiny, in_tmp):
    task(tiny, "window", "quiet", num_epoch=2).finetune_and_eval()
    crash_at(task(tiny, "window", "stopped", num_epoch=2), 8)
    task(tiny, "window", "stopped", num_epoch=2).finetune_and_eval()
    names = ("step_12/model.safetensors", "step_12/optimizer.safetensors")
    assert all(atomic.sha256(in_tmp / "quiet" / n) == atomic.sha256(in_tmp / "stopped" / n) for n in names)


def test_batches_of_windows_are_cut_so_that_they_hold_no_more_than_rows_of_one_window():
    from transferhub.engine.memory import most_within, parts_within
    from transferhub.reader import Columns
    from transferhub.reader.columns import Chunk

    counts = [3, 1, 2, 2]
    columns = Columns.from_chunks([Chunk({"input_ids": [[1] * 10] * sum(counts)}, counts)], {"input_ids": int}, None)
    rows = np.arange(4)
    assert most_within(rows, columns, None) == 40
    assert most_within(rows, columns, 25) == 25
    parts = parts_within(rows, columns, most_within(rows, columns, None))
    assert [part.tolist() for part in parts] == [[0, 1], [2, 3]]
    assert all(columns.padded(part) <= 40 for part in parts)
    plain = Columns.from_rows({"input_ids": [[1]] * 3}, None)
    assert most_within(np.arange(3), plain, None) is None
