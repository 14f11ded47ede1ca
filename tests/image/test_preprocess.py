"""Preprocessing: what timm does to evaluate, PaddleHub's plain resize, sizes at the edge."""

import numpy as np
import pytest
import timm.data
from PIL import Image

from transferhub.errors import ConfigError
from transferhub.image import Preprocess, contact_sheet
from transferhub.image.preprocess import stacked, three

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def noise(path, size):
    random = np.random.default_rng(0)
    small = Image.fromarray(random.integers(0, 255, (12, 16, 3), np.uint8))
    small.resize(size, Image.Resampling.BICUBIC).save(path)
    return path


@pytest.mark.parametrize("size", [(100, 60), (60, 100), (60, 200), (64, 64), (33, 47)])
@pytest.mark.parametrize(("crop_pct", "mode"), [(0.875, "center"), (0.95, "center"), (1.0, "squash"), (0.9, "border")])
def test_a_picture_is_prepared_as_timm_prepares_it(tmp_path, size, crop_pct, mode):
    config = {
        "input_size": (3, 48, 48),
        "interpolation": "bicubic",
        "crop_pct": crop_pct,
        "crop_mode": mode,
        "mean": MEAN,
        "std": STD,
    }
    path = noise(tmp_path / "a.png", size)
    process = Preprocess.of_timm(config)
    ours = stacked(process, [process.seen(process.whole(path))])[0]
    theirs = timm.data.create_transform(**config, is_training=False)(Image.open(path)).numpy()
    assert ours.shape == theirs.shape == (3, 48, 48)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_the_default_is_paddlehubs_plain_resize(tmp_path):
    path = noise(tmp_path / "a.png", (90, 50))
    process = Preprocess(32, 24, MEAN, STD)
    expected = np.asarray(Image.open(path).resize((32, 24), Image.Resampling.LANCZOS)).astype(np.float32) / 255
    ours = stacked(process, [process.seen(process.whole(path))])[0]
    np.testing.assert_allclose(ours, ((expected - MEAN) / STD).transpose(2, 0, 1), atol=1e-5)
    turned = Preprocess(32, 24, MEAN, STD, channel_order="BGR")
    np.testing.assert_array_equal(stacked(turned, [process.seen(process.whole(path))])[0], ours[::-1])


def test_shown_is_the_reverse_of_normal():
    seen = np.random.default_rng(0).integers(0, 256, (8, 6, 3), np.uint8)
    for order in ("RGB", "BGR"):
        process = Preprocess(6, 8, MEAN, STD, channel_order=order)
        np.testing.assert_array_equal(process.shown(stacked(process, [seen])[0]), seen)


@pytest.mark.parametrize("mode", ["center", "squash", "border"])
@pytest.mark.parametrize("size", [(1, 1), (20000, 50), (50, 20000), (3, 700)])
def test_pictures_of_odd_sizes_are_prepared(tmp_path, size, mode):
    path = tmp_path / "a.png"
    Image.new("RGB", size, (10, 200, 30)).save(path)
    process = Preprocess(32, 32, crop_pct=0.875, crop_mode=mode, interpolation="bicubic")
    whole = process.whole(path)
    assert max(whole.shape) <= 4 * 36
    assert whole.shape[1::-1] == process.size_of_whole(size)
    seen = process.seen(whole)
    assert seen.shape == (32, 32, 3)
    assert (seen == (10, 200, 30)).all(axis=-1).any()


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 0},
        {"height": 2.5},
        {"crop_pct": 0},
        {"crop_mode": "x"},
        {"interpolation": "x"},
        {"channel_order": "RGA"},
        {"std": (1, 0, 1)},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError):
        Preprocess(**{"width": 8, "height": 8, **wrong})


@pytest.mark.parametrize(
    ("wrong", "fix"),
    [
        ({"mean": (123.675, 116.28, 103.53)}, "(0.485, 0.456, 0.406)"),  # Caffe's
        ({"std": (58.395, 57.12, 57.375)}, "(0.229, 0.224, 0.225)"),
    ],
)
def test_numbers_up_to_255_are_refused(wrong, fix):
    with pytest.raises(ConfigError, match="parts of 255") as caught:
        Preprocess(8, 8, **wrong)
    assert caught.value.fix == f"divide by 255: {fix}"


def test_three_numbers_in_any_form():
    assert three("mean", np.array([[1, 2, 3]])) == (1.0, 2.0, 3.0)
    for wrong in ([1, 2], "abc", [1, 2, float("nan")], None):
        with pytest.raises(ConfigError, match="three numbers"):
            three("mean", wrong)


def test_a_contact_sheet_is_a_png_with_every_picture():
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
    sheet = contact_sheet([np.full((30, 30, 3), c, np.uint8) for c in colours], ["a", "b", "long name " * 20], 2, 40)
    import io

    found = np.asarray(Image.open(io.BytesIO(sheet)).convert("RGB"))
    assert found.shape == (2 * 54, 80, 3)
    for place, colour in enumerate(colours):
        assert found[place // 2 * 54 + 20, place % 2 * 40 + 20].tolist() == list(colour)
    assert contact_sheet([]).startswith(b"\x89PNG")
