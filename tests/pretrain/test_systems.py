"""Iterated function systems: they contract, and what is drawn of them lies on their attractor."""

import numpy as np
import pytest

from transferhub.pretrain.systems import (
    LETTERS,
    LOWEST_FILL,
    MAPS,
    ORBIT,
    WORDS,
    System,
    class_system,
    fill,
    points,
    random_system,
)


def generator(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("seed", range(40))
def test_every_system_contracts_and_so_does_what_is_made_of_it(seed):
    system = random_system(generator(seed))
    assert 2 <= len(system.turn) <= MAPS
    for each in (system, system.changed(generator(seed + 1))):
        largest = np.linalg.svd(each.matrices, compute_uv=False)
        assert largest.max() < 1
        np.testing.assert_allclose(np.sort(largest), np.sort(each.stretch)[:, ::-1][:, ::-1], atol=1e-9)
        assert each.weights.sum() == pytest.approx(1)


@pytest.mark.parametrize("seed", range(40))
def test_singular_values_sum_to_the_band_of_anderson_and_farrell(seed):
    system = random_system(generator(seed))
    count = len(system.turn)
    sigma = np.sort(system.stretch, axis=1)
    total = (sigma[:, 1] + 2 * sigma[:, 0]).sum()
    assert 0.5 * (5 + count) - 0.05 * count <= total <= 0.5 * (6 + count) + 0.01  # values are cut at 0.001 and 0.98


def sierpinski():
    corners = np.array([[0.0, 0.0], [0.5, 0.0], [0.0, 0.5]])
    return System(np.zeros(3), np.zeros(3), np.full((3, 2), 0.5), np.ones((3, 2)), corners)


def test_points_lie_on_sierpinskis_triangle_and_cover_it():
    """A point of it has no binary digit where both coordinates are 1 (as far as the orbit has settled)."""
    made = points([sierpinski()], [generator()])[0]
    x, y = made.all()
    assert len(x) == WORDS * ORBIT
    digits = 10
    cells = [np.clip((values * 2**digits + 1e-3).astype(np.int64), 0, 2**digits - 1) for values in (x, y)]
    on_it = (cells[0] & cells[1]) == 0
    assert on_it.mean() > 0.99
    coarse = {(int(a) >> (digits - 3), int(b) >> (digits - 3)) for a, b in zip(*cells, strict=True)}
    assert {cell for cell in coarse if cell[0] & cell[1] == 0} == {
        (a, b) for a in range(8) for b in range(8) if a & b == 0
    }


def test_points_are_distributed_as_the_chaos_game_says():
    made = points([sierpinski()] * 20, [generator(seed) for seed in range(20)])
    x = np.concatenate([each.all()[0] for each in made])
    y = np.concatenate([each.all()[1] for each in made])
    shares = [(x >= 0.5).mean(), (y >= 0.5).mean(), ((x < 0.5) & (y < 0.5)).mean()]
    np.testing.assert_allclose(shares, 1 / 3, atol=0.05)


def test_a_shade_tells_the_outermost_maps():
    made = points([sierpinski()], [generator()])[0]
    x, y = (values.reshape(WORDS, ORBIT) for values in made.all())
    outermost = np.where(x.mean(axis=1) >= 0.5, 1, np.where(y.mean(axis=1) >= 0.5, 2, 0))
    assert np.array_equal((made.shade * 3).astype(int), outermost)
    assert LETTERS >= 2


def test_points_of_a_system_do_not_depend_on_its_neighbours():
    systems = [class_system(0, number) for number in range(3)]
    together = points(systems, [generator(seed) for seed in range(3)])[2]
    alone = points(systems[2:], [generator(2)])[0]
    assert np.array_equal(together.all()[0], alone.all()[0])
    assert np.array_equal(together.shade, alone.shade)


def test_classes_are_functions_of_the_seed_and_fill_enough():
    systems = [class_system(5, number) for number in range(12)]
    for number, system in enumerate(systems):
        again = class_system(5, number)
        assert np.array_equal(system.matrices, again.matrices)
        assert fill(points([system], [generator(number)])[0]) > 0.6 * LOWEST_FILL
    traces = {round(float(system.shift.sum()), 9) for system in systems}
    assert len(traces) == len(systems)
    assert not np.array_equal(class_system(6, 0).shift, systems[0].shift)
