"""Iterated function systems: a few contracting affine maps whose attractor is a fractal; one system is one class.

Kataoka et al. 2020 (FractalDB, arXiv:2101.08515) pretrain networks on such pictures; the maps' parameters by singular
values are Anderson and Farrell's (2022, arXiv:2110.03091, section 3.1), so that every system contracts.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transferhub.graph import derive

MAPS = 4  # at most; systems have 2 to 4
ORBIT, WORDS = 128, 128  # points of an orbit, and compositions of maps; a picture has a point for each pair
SETTLES, LETTERS = 16, 4  # steps until an orbit lies on its attractor; maps that a composition is made of
LOWEST_FILL = 0.1  # a class's attractor meets at least this part of its bounding box's 32 × 32 squares
Floats = npt.NDArray[np.float64]
Draw = np.random.Generator


@dataclass(frozen=True)
class System:
    """Maps ``x → R(turn) diag(stretch) R(twist) diag(mirror) x + shift``.

    Args:
        turn: Angles, ``[n]``.
        twist: Angles, ``[n]``.
        stretch: Singular values, ``[n, 2]``, below 1.
        mirror: Signs, ``[n, 2]``.
        shift: ``[n, 2]``.
    """

    turn: Floats
    twist: Floats
    stretch: Floats
    mirror: Floats
    shift: Floats

    @property
    def matrices(self) -> Floats:
        """``[n, 2, 2]``."""
        made: Floats = _rotation(self.turn) * self.stretch[:, None, :] @ _rotation(self.twist) * self.mirror[:, None, :]
        return made

    @property
    def weights(self) -> Floats:
        """How often each map is taken, ``[n]``: by the area that it leaves (FractalDB, eq. 3)."""
        areas = np.maximum(self.stretch.prod(axis=1), 0.02)
        return np.asarray(areas / areas.sum())

    def changed(self, draw: Draw) -> "System":
        """One like it: every parameter a little different."""
        count = len(self.turn)
        stretch = self.stretch * draw.uniform(0.92, 1.08, (count, 2))
        return dataclasses.replace(
            self,
            turn=self.turn + draw.normal(0, 0.06, count),
            twist=self.twist + draw.normal(0, 0.06, count),
            stretch=np.minimum(stretch, np.maximum(self.stretch, 0.97)),
            shift=self.shift * draw.uniform(0.9, 1.1, (count, 2)),
        )


def random_system(draw: Draw) -> System:
    """A system whose attractor is neither dust nor a blot: singular values with ``Σ(σ₁ + 2 σ₂)`` in a narrow band.

    Source: Anderson and Farrell 2022, section 3.1 and algorithm 1.
    """
    count = int(draw.integers(2, MAPS + 1))
    stretch = _singular_values(count, draw.uniform(0.5 * (5 + count), 0.5 * (6 + count)), draw)
    return System(
        turn=draw.uniform(-np.pi, np.pi, count),
        twist=draw.uniform(-np.pi, np.pi, count),
        stretch=np.clip(stretch, 1e-3, 0.98),
        mirror=draw.choice([-1.0, 1.0], (count, 2)),
        shift=draw.uniform(-1, 1, (count, 2)),
    )


def _singular_values(count: int, total: float, draw: Draw) -> Floats:
    """``[n, 2]``, the larger first, with ``Σ(σ₁ + 2 σ₂) = total`` and each in 0 … 1."""
    values = np.empty((count, 2))
    high, low = total, total - 3 * count + 3
    for place in range(count - 1):
        larger = draw.uniform(max(0.0, low / 3), min(1.0, high))
        high, low = high - larger, low - larger
        smaller = draw.uniform(max(0.0, low / 2), min(larger, high / 2))
        high, low = high - 2 * smaller, low - 2 * smaller + 3
        values[place] = larger, smaller
    smaller = draw.uniform(max(0.0, (high - 1) / 2), high / 3)
    values[-1] = high - 2 * smaller, smaller
    order: Floats = draw.permutation(values)
    return order


def class_system(seed: int, number: int) -> System:
    """The system of a class, a function of the seed and the class's number: the first draw that fills enough."""
    attempt = 0
    while True:
        draw = np.random.default_rng(derive(seed, "fractal class", number, attempt))
        system = random_system(draw)
        if fill(points([system], [draw])[0]) >= LOWEST_FILL:
            return system
        attempt += 1


@dataclass(frozen=True)
class Points:
    """Points of one attractor, as compositions of its maps on an orbit: point (i, j) is ``words[i] · orbit[:, j]``.

    Args:
        matrices: ``[words, 2, 2]``.
        shifts: ``[words, 2]``.
        orbit: ``[2, points]``.
        shade: Where in the attractor a word's points lie, 0 … 1, ``[words]``: by its outermost maps.
    """

    matrices: Floats
    shifts: Floats
    orbit: Floats
    shade: Floats

    def moved(self, matrix: Floats, shift: Floats) -> "Points":
        """After a further affine map."""
        matrices = matrix[None] @ self.matrices
        return dataclasses.replace(self, matrices=matrices, shifts=self.shifts @ matrix.T + shift)

    def all(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """All points: x and y, float32 ``[words · points]``."""
        matrices, shifts = self.matrices.astype(np.float32), self.shifts.astype(np.float32)
        across, down = self.orbit.astype(np.float32)
        x, y = (
            matrices[:, axis, 0, None] * across + matrices[:, axis, 1, None] * down + shifts[:, axis, None]
            for axis in (0, 1)
        )
        return x.ravel(), y.ravel()


def points(systems: list[System], draws: list[Draw]) -> list[Points]:
    """Points of some attractors by the chaos game (Barnsley 1988), each with its own generator.

    An attractor is the union of what compositions of its maps make of it. So an orbit of a hundred points and a hundred
    random compositions give ten thousand points, each distributed as in the chaos game, at the price of two hundred.
    """
    matrices = np.zeros((len(systems), MAPS, 2, 2))
    shifts = np.zeros((len(systems), MAPS, 2))
    steps = np.empty((SETTLES, len(systems), ORBIT), np.int64)
    letters = np.empty((LETTERS, len(systems), WORDS), np.int64)
    for place, (system, draw) in enumerate(zip(systems, draws, strict=True)):
        count = len(system.turn)
        matrices[place, :count], shifts[place, :count] = system.matrices, system.shift
        edges = np.cumsum(system.weights)[:-1]
        steps[:, place] = edges.searchsorted(draw.random((SETTLES, ORBIT), np.float32), "right") + MAPS * place
        letters[:, place] = edges.searchsorted(draw.random((LETTERS, WORDS), np.float32), "right") + MAPS * place
    table = np.concatenate([matrices.reshape(-1, 4), shifts.reshape(-1, 2)], axis=1)
    x, y = np.zeros(steps.shape[1:]), np.zeros(steps.shape[1:])
    for chosen in steps:
        a, b, c, d, e, f = np.moveaxis(table[chosen], -1, 0)
        x, y = a * x + b * y + e, c * x + d * y + f
    word = np.moveaxis(table[letters[-1]], -1, 0)
    for chosen in letters[-2::-1]:  # the map that is applied last stands first
        word = np.stack(_composed(np.moveaxis(table[chosen], -1, 0), word))
    first, second = letters[0] % MAPS, letters[1] % MAPS
    made = []
    for place, system in enumerate(systems):
        count = len(system.turn)
        shade = (first[place] + (second[place] + 0.5) / count) / count
        own = word[:, place]
        made.append(Points(own[:4].T.reshape(-1, 2, 2), own[4:].T, np.stack([x[place], y[place]]), shade))
    return made


def _composed(outer: Floats, inner: Floats) -> list[Floats]:
    """Coefficients ``a b c d e f`` of ``outer(inner(·))``, of ``(ax + by + e, cx + dy + f)``."""
    a, b, c, d, e, f = outer
    p, q, r, s, t, u = inner
    return [a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s, a * t + b * u + e, c * t + d * u + f]


def fill(made: Points, squares: int = 32) -> float:
    """The part of the squares of the bounding box that points lie in."""
    cells = [
        np.minimum((values - values.min()) / max(float(np.ptp(values)), 1e-6) * squares, squares - 1).astype(np.int64)
        for values in made.all()
    ]
    met = np.unique(cells[0] * squares + cells[1])
    return len(met) / squares**2


def _rotation(angles: Floats) -> Floats:
    cosines, sines = np.cos(angles), np.sin(angles)
    return np.stack([np.stack([cosines, -sines], -1), np.stack([sines, cosines], -1)], -2)
