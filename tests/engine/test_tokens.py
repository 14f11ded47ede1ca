import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from transferhub.engine.batches import epoch_batches
from transferhub.engine.run_folder import read_record
from transferhub.engine.tokens import TokenCount, count
from transferhub.reader import Columns, Padding


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=80),
    st.integers(1, 9),
    st.integers(0, 3),
    st.sampled_from([Padding({}), Padding({}, rounded_to=30), Padding({}, length=30)]),
)
def test_the_places_are_those_of_the_real_batches(lengths, size, seed, pad):
    columns = Columns.from_rows({"input_ids": [[7] * length for length in lengths]}, None)
    batches = epoch_batches(columns.lengths, size, seed, 0)
    counted = count(columns, batches, pad, 30)
    real = [columns.batch(rows, pad) for rows in batches]
    assert counted.in_batches == sum(batch["input_ids"].size for batch in real)
    assert counted.tokens == sum(int(batch["input_mask"].sum()) for batch in real) == sum(lengths)
    assert 0 <= counted.padding <= counted.padding_if_fixed < 1


def test_the_line_says_rows_tokens_and_padding():
    columns = Columns.from_rows({"input_ids": [[7] * length for length in (10, 20, 30, 40)]}, None)
    counted = count(columns, [np.array([0, 1]), np.array([2, 3])], Padding({}), 128)
    assert counted == TokenCount(4, 100, 2 * 20 + 2 * 40, 128, 4)
    said = "4 rows, 100 tokens, 25 a row; 17 % padding in length-grouped batches (80 % if all were padded to 128)"
    assert counted.line == said
    assert "305,118 tokens, 53 a row" in TokenCount(5749, 305118, 346725, 128, 5749).line


def test_a_run_says_and_keeps_the_counts_of_each_split(make_task, in_tmp, lines):
    task = make_task(checkpoint_dir="run", num_epoch=1)
    result = task.finetune_and_eval()
    said = [line for line in lines if "% padding in length-grouped batches" in line]
    assert [line.split(" - ")[1].split(" rows")[0] for line in said] == ["train: 64", "dev: 24", "test: 24"]
    assert result.tokens["train"]["tokens"] == int(task.reader.columns("train").lengths.sum())
    assert result.tokens == read_record(in_tmp / "run")["result"]["tokens"]
    page = (in_tmp / "run" / "report.html").read_text()
    assert all(line.split(": ", 1)[1] in page for line in said)
