import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from transferhub.engine.batches import epoch_batches, ordered_batches, steps_in_epoch

LENGTHS = st.lists(st.integers(1, 128), min_size=1, max_size=300).map(lambda values: np.array(values, np.int64))


@given(LENGTHS, st.integers(1, 40), st.integers(0, 5), st.integers(0, 3))
def test_every_row_is_in_one_batch_of_an_epoch(lengths, size, seed, epoch):
    batches = epoch_batches(lengths, size, seed, epoch)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert len(batches) == steps_in_epoch(len(lengths), size)
    assert sorted(map(len, batches), reverse=True)[:-1] == [size] * (len(batches) - 1)


def test_batches_are_a_function_of_seed_and_epoch():
    lengths = np.arange(1, 200)

    def rows(seed, epoch):
        return [batch.tolist() for batch in epoch_batches(lengths, 16, seed, epoch)]

    assert rows(1, 0) == rows(1, 0)
    assert rows(1, 0) != rows(1, 1)
    assert rows(1, 0) != rows(2, 0)


def test_grouping_by_length_spares_most_of_the_padding():
    lengths = np.random.default_rng(0).integers(4, 129, 2000)

    def padded(batches):
        return sum(lengths[batch].max() * len(batch) for batch in batches) / lengths.sum()

    at_random = np.array_split(np.random.default_rng(1).permutation(2000), 63)
    assert padded(at_random) > 1.8
    assert padded(epoch_batches(lengths, 32, 1, 0)) < 1.2


def test_neighbours_change_between_epochs():
    lengths = np.full(64, 20)
    lengths[::2] = 21
    first = {frozenset(batch.tolist()) for batch in epoch_batches(lengths, 8, 0, 0)}
    second = {frozenset(batch.tolist()) for batch in epoch_batches(lengths, 8, 0, 1)}
    assert not first & second


@given(LENGTHS, st.integers(1, 40))
def test_evaluation_reads_every_row_longest_first(lengths, size):
    batches = ordered_batches(lengths, size)
    order = np.concatenate(batches)
    assert sorted(order.tolist()) == list(range(len(lengths)))
    assert (np.diff(lengths[order]) <= 0).all()
