"""Fractals as pictures: coloured points before a coloured background, turned, mirrored, nearer or farther."""

import functools

import numpy as np
import numpy.typing as npt

from transferhub.image.decode import Pixels
from transferhub.pretrain.systems import Draw, Points

GRIDS = (1, 2, 3, 5, 9)  # colours across and down of a background
TURNED = 0.5  # radians to either side; and mirrored
SMALLEST, LARGEST = 0.6, 1.2  # of the picture's side, that the attractor takes
Plane = npt.NDArray[np.float32]


def picture(made: Points, size: int, draw: Draw) -> Pixels:
    """A picture of an attractor, uint8 ``[size, size, 3]``; all but the points comes from `draw`."""
    placed = _placed(made, size, draw)
    x, y = placed.all()
    side = size + 2  # a border for what lies outside
    across = np.clip(x, -1, size).astype(np.int32) + 1
    down = np.clip(y, -1, size).astype(np.int32) + 1
    cells = down * side + across
    count = np.bincount(cells, minlength=side * side).astype(np.float32)
    shade = np.bincount(cells, np.repeat(placed.shade, made.orbit.shape[1]), side * side).astype(np.float32)
    shade /= np.maximum(count, 1)
    count, shade = (values.reshape(side, side)[1:-1, 1:-1] for values in (count, shade))
    cover = np.minimum(count * np.float32(1 / draw.choice([1, 1, 2, 4])), 1)
    if draw.random() < 0.5:
        cover, shade = _thicker(cover, shade, draw)
    light = draw.uniform(0, 1)  # the background is darker or lighter than the fractal
    front = _palette(draw, light)[(shade * 255).astype(np.uint8)]
    if draw.random() < 0.5:  # deeper where points lie denser
        front = front * (1 - np.float32(draw.uniform(0, 0.6)) * np.minimum(count / 8, 1)[..., None])
    behind = _background(size, draw, (light + draw.uniform(0.35, 0.65)) % 1)
    mixed = behind + cover[..., None] * (front - behind)
    if draw.random() < 0.5:
        mixed = mixed + draw.normal(0, draw.uniform(0.01, 0.08), (size, size, 1)).astype(np.float32)
    seen: Pixels = (np.clip(mixed, 0, 1) * 255).astype(np.uint8)
    return seen


def _placed(made: Points, size: int, draw: Draw) -> Points:
    angle = draw.uniform(-TURNED, TURNED)
    cosine, sine = np.cos(angle), np.sin(angle)
    turned = np.array([[cosine, -sine], [sine, cosine]]) * [draw.choice([-1.0, 1.0]), 1.0]
    lies = turned @ made.orbit
    low, high = lies.min(axis=1), lies.max(axis=1)
    scale = size * draw.uniform(SMALLEST, LARGEST) / np.maximum(high - low, 1e-3).max() * draw.uniform(0.85, 1.15, 2)
    centre = size * (0.5 + draw.uniform(-0.15, 0.15, 2))
    return made.moved(turned * scale[:, None], centre - scale * (low + high) / 2)


def _thicker(cover: Plane, shade: Plane, draw: Draw) -> tuple[Plane, Plane]:
    """Each point as a patch of up to 3 × 3 (FractalDB renders random patches)."""
    shifts = [(down, across) for down in (-1, 0, 1) for across in (-1, 0, 1) if down or across]
    grown, colours = cover.copy(), shade.copy()
    for place in draw.choice(len(shifts), int(draw.integers(1, 4)), replace=False):
        moved = np.roll(cover, shifts[place], (0, 1))
        above = moved > grown
        np.copyto(grown, moved, where=above)
        np.copyto(colours, np.roll(shade, shifts[place], (0, 1)), where=above)
    return grown, colours


def _palette(draw: Draw, light: float) -> Plane:
    """256 colours, from one over a second to a third: float32 ``[256, 3]``."""
    ends = np.clip(light + draw.uniform(-0.45, 0.45, (3, 3)), 0, 1).astype(np.float32)
    made: Plane = _weights(3, 256) @ ends
    return made


def _background(size: int, draw: Draw, light: float) -> Plane:
    """Colours of a coarse grid, blended: float32 ``[size, size, 3]``."""
    grid = int(draw.choice(GRIDS))
    spread = draw.uniform(0.05, 0.45)
    colours = np.clip(light + draw.uniform(-spread, spread, (grid, grid, 3)), 0, 1).astype(np.float32)
    blend = _weights(grid, size)
    rows = (blend @ colours.reshape(grid, -1)).reshape(size, grid, 3)
    made: Plane = np.matmul(blend, rows)
    return made


@functools.cache
def _weights(coarse: int, fine: int) -> Plane:
    """How `fine` places are blended of `coarse` ones: float32 ``[fine, coarse]``, rows sum to 1."""
    places = np.linspace(0, coarse - 1, fine)
    near = 1 - np.abs(places[:, None] - np.arange(coarse)[None])
    made: Plane = np.maximum(near, 0).astype(np.float32)
    return made
