"""Fractals as a data set: a function of seed, epoch and row; classes differ; what is refused."""

import io

import numpy as np
import pytest
from PIL import Image

from transferhub.errors import ConfigError
from transferhub.image import Preprocess
from transferhub.pretrain.fractals import FractalReader, Fractals, Rows

PROCESS = Preprocess(32, 32, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


def reader(classes=4, each=6, seed=3, process=PROCESS, **more):
    return FractalReader(Fractals(classes, each, seed=seed, **more), process)


def test_a_picture_is_a_function_of_seed_epoch_and_row_whatever_the_batch():
    columns = reader().columns("train").at_epoch(2)
    whole = columns.batch(np.arange(len(columns)))
    some = reader().columns("train").at_epoch(2).batch([17, 3])
    assert np.array_equal(some["image"], whole["image"][[17, 3]])
    assert some["labels"].tolist() == [1, 3]
    assert whole["image"].shape == (24, 3, 32, 32)
    assert whole["image"].dtype == np.float32
    assert whole["input_mask"].shape == (24, 1)
    for other in (reader().columns("train").at_epoch(3), reader(seed=4).columns("train").at_epoch(2)):
        changed = other.batch(np.arange(24))["image"] != whole["image"]
        assert changed.any(axis=(1, 2, 3)).all()


def test_rows_to_evaluate_are_the_same_in_every_epoch_and_not_those_to_train_on():
    made = reader(dev=3)
    dev = made.columns("dev")
    assert len(dev) == 12
    assert not dev.varies
    assert dev.at_epoch(5, 1) is dev
    train = made.columns("train").at_epoch(0).batch(np.arange(12))["image"]
    assert (dev.batch(np.arange(12))["image"] != train).any(axis=(1, 2, 3)).all()


def test_pictures_hold_a_fractal_before_a_background():
    images = reader(classes=8).columns("train").batch(np.arange(48))["image"]
    shown = np.stack([PROCESS.shown(image) for image in images]).astype(float)
    assert (shown.std(axis=(1, 2)).mean(axis=1) > 5).all()
    assert shown.mean(axis=(1, 2)).std() > 20, "colours differ from picture to picture"


def test_classes_can_be_told_apart_by_their_shapes():
    """Nearest mean of the attractors' silhouettes, turned at most a little: far above chance."""
    from transferhub.pretrain.systems import class_system, points

    def silhouette(number, seed):
        draw = np.random.default_rng(seed)
        made = points([class_system(0, number).changed(draw)], [draw])[0]
        cells = [(values - values.min()) / np.ptp(values) * 11.99 for values in made.all()]
        grid = np.bincount(cells[0].astype(int) * 12 + cells[1].astype(int), minlength=144) > 0
        return grid.astype(float)

    means = np.stack([np.mean([silhouette(c, 10 * c + seed) for seed in range(5)], axis=0) for c in range(10)])
    found = [int(((means - silhouette(c, 1000 + c)) ** 2).sum(axis=1).argmin()) for c in range(10)]
    assert np.mean(np.array(found) == np.arange(10)) >= 0.8


def test_rows_know_their_names_and_classes():
    rows = Rows(3, 2)
    assert list(rows) == [(f"fractal {c}, picture {n}", c) for n in range(2) for c in range(3)]
    assert rows[-1] == rows[5]
    assert rows[1:3] == [rows[1], rows[2]]
    with pytest.raises(IndexError):
        rows[6]
    assert Fractals(3, 2).label_list == ["0", "1", "2"]
    assert Fractals(3, 2).label_ids("train").tolist() == [0, 1, 2, 0, 1, 2]


def test_digests_tell_what_is_drawn():
    one, other = reader(), reader(each=7)
    rows = one.dataset.train_examples
    assert one.digest_of(rows) == reader().digest_of(Rows(4, 6))
    assert one.digest_of(rows) != other.digest_of(other.dataset.train_examples)
    assert one.digest_of(rows) != reader(seed=4).digest_of(rows)
    assert one.columns("train").digest != one.columns("dev").digest


def test_the_contact_sheet_is_a_picture():
    sheet = Image.open(io.BytesIO(reader().contact_sheet(pictures=6)))
    assert sheet.width > 32 * 2


@pytest.mark.parametrize("wrong", [{"classes": 1}, {"each": 0}, {"seed": -1}, {"dev": 0}])
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        reader(**wrong)


def test_pictures_are_square_and_drawn_only():
    with pytest.raises(ConfigError, match="32 × 24"):
        reader(process=Preprocess(32, 24))
    with pytest.raises(ConfigError, match="drawn, not read"):
        reader().encode(["a.png"])
