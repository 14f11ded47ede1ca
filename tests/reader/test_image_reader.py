"""ImageClassificationReader: 1.x's batches, draws that depend on (seed, epoch, row) alone, the cache, bad pictures."""

import io
import os
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

import transferhub as hub
from transferhub import cache
from transferhub.errors import ConfigError, DataError
from transferhub.image import Preprocess
from transferhub.reader import ImageClassificationReader
from transferhub.reader.augment import LEVELS, Augment, crop_box

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture
def pictures(tmp_path):
    """Twelve photographs of noise, landscape and portrait, of two labels; four more for dev."""
    draw = np.random.default_rng(0)
    for split, count in (("train", 6), ("val", 2)):
        for label in ("ants", "bees"):
            (tmp_path / split / label).mkdir(parents=True)
            for place in range(count):
                rough = Image.fromarray(draw.integers(0, 255, (6, 8, 3), np.uint8))
                size = (64, 48) if place % 2 else (40, 56)
                rough.resize(size, Image.Resampling.BICUBIC).save(tmp_path / split / label / f"{place}.png")
    return hub.dataset.load_images(tmp_path)


def reader_for(dataset, **settings):
    return ImageClassificationReader(
        32, 32, dataset, images_mean=MEAN, images_std=STD, crop_pct=0.875, crop_mode="center", **settings
    )


def images(columns, rows, epoch=None, seed=0):
    drawn = columns if epoch is None else columns.at_epoch(epoch, seed)
    return drawn.batch(rows)["image"]


def test_batches_are_paddlehubs(pictures):
    reader = ImageClassificationReader(image_width=24, image_height=20, dataset=pictures)
    batches = [batch for (batch,) in reader.data_generator(batch_size=5, phase="train")()]
    assert [batch[0].shape for batch in batches] == [(5, 3, 20, 24), (5, 3, 20, 24), (2, 3, 20, 24)]
    assert batches[0][0].dtype == np.float32
    assert [label for batch in batches for label in batch[1][:, 0]] == [0] * 6 + [1] * 6
    path = pictures.train_examples[0][0]
    plain = np.asarray(Image.open(path).resize((24, 20), Image.Resampling.LANCZOS), np.float32) / 255
    np.testing.assert_allclose(batches[0][0][0], plain.transpose(2, 0, 1), atol=1e-6)
    (only,) = reader.data_generator(batch_size=9, phase="predict", data=[path, [path]], return_list=False)()
    assert len(only) == 1
    np.testing.assert_array_equal(only[0][1], batches[0][0][0])
    shuffled = [b for (_, b) in reader.data_generator(4, "train", shuffle=True, return_list=False)()]
    assert sorted(np.concatenate(shuffled)[:, 0]) == [0] * 6 + [1] * 6


def test_mean_deviation_and_channels_as_1_x_takes_them(pictures):
    reader = ImageClassificationReader(
        8, 8, pictures, channel_order="bgr", images_mean=np.array([MEAN]), images_std=list(STD)
    )
    plain = ImageClassificationReader(8, 8, pictures)
    expected = (images(plain.columns("dev"), [0])[0].transpose(1, 2, 0) - MEAN) / STD
    np.testing.assert_allclose(images(reader.columns("dev"), [0])[0][::-1].transpose(1, 2, 0), expected, atol=1e-5)
    pictures.images_mean, pictures.images_std = [0.5] * 3, [0.25] * 3
    assert ImageClassificationReader(8, 8, pictures).process.mean == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"image_width": 0}, "image_width=0"),
        ({"images_mean": [1, 2]}, "images_mean="),
        ({"images_std": [1, 0, 1]}, "images_std="),
        ({"augment": "strnog"}, "augment='strnog'"),
        ({"augment": 7}, "augment=7"),
        ({"image_width": None}, "without a size"),
        ({"channel_order": "RGG"}, "channel_order="),
    ],
)
def test_wrong_arguments_are_refused(wrong, said):
    with pytest.raises(ConfigError, match=said):
        ImageClassificationReader(**{"image_width": 8, "image_height": 8, **wrong})
    with pytest.raises(ConfigError, match="without a data set"):
        ImageClassificationReader(8, 8).columns("train")


def test_what_is_not_given_comes_from_the_module():
    own = Preprocess(48, 40, MEAN, STD, 0.9, "center", "bicubic")

    class Module:
        preprocess = own

    assert ImageClassificationReader(module=Module).process == own
    given = ImageClassificationReader(24, 24, images_mean=[0.5] * 3, crop_mode="squash")
    assert given.process == Preprocess(24, 24, (0.5,) * 3, crop_mode="squash")
    given = given.following(own)
    assert given.process == Preprocess(24, 24, (0.5,) * 3, STD, 0.9, "squash", "bicubic")
    again = ImageClassificationReader.reopened(Path(), given.settings())
    assert again.process == given.process
    assert again.fingerprint == ImageClassificationReader.reopened(Path(), again.settings()).fingerprint


@pytest.mark.parametrize("level", ["light", "standard", "strong"])
def test_a_picture_of_an_epoch_is_always_drawn_alike(pictures, level):
    columns = reader_for(pictures, augment=level).columns("train")
    together = images(columns, np.arange(12), epoch=3, seed=5)
    assert together.shape == (12, 3, 32, 32)
    np.random.seed(1), torch.manual_seed(1)
    backwards = images(columns, np.arange(12)[::-1], epoch=3, seed=5)
    np.testing.assert_array_equal(backwards[::-1], together)
    one = reader_for(pictures, augment=level, keep_decoded=False).columns("train")
    np.testing.assert_array_equal(images(one, [7], epoch=3, seed=5)[0], together[7])
    for other in (images(columns, [7], 4, 5), images(columns, [7], 3, 6), images(columns, [7])):
        assert np.abs(other[0] - together[7]).max() > 0.05
    own_seed = reader_for(pictures, augment=level, random_seed=5).columns("train")
    np.testing.assert_array_equal(images(own_seed, [7], 3, 99)[0], together[7])


def test_drawing_leaves_everybodys_generators_alone(pictures):
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    for augment in ("strong", v2.RandomHorizontalFlip()):
        images(reader_for(pictures, augment=augment).columns("train"), [0, 1, 2], 0)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()
    assert random.getstate() == before[2]


def test_only_training_rows_are_augmented(pictures):
    reader = reader_for(pictures, augment="strong")
    plain = reader_for(pictures)
    dev = reader.columns("dev")
    assert dev.at_epoch(3) is dev
    np.testing.assert_array_equal(images(dev, [0, 3]), images(plain.columns("dev"), [0, 3]))
    np.testing.assert_array_equal(images(reader.columns("train"), [4]), images(plain.columns("train"), [4]))
    assert plain.columns("train").at_epoch(1) is plain.columns("train")
    assert reader_for(pictures, data_augmentation=True).augment == LEVELS["standard"]


def test_levels_change_what_they_say(pictures):
    """Light: crops and mirrors, so no new colours; standard: brightness as well; strong: painted rectangles."""
    grey = Path(pictures.train_examples[0][0]).parent / "grey.png"
    Image.new("RGB", (50, 50), (128, 64, 32)).save(grey)
    pictures.train_examples = [(str(grey), 0)] * 200
    seen = {}
    for level in ("light", "standard", "strong"):
        reader = reader_for(pictures, augment=level)
        made = images(reader.columns("train"), np.arange(200), 0)
        seen[level] = np.stack([reader.process.shown(image) for image in made]).astype(int)
    assert (seen["light"] == (128, 64, 32)).all()
    brightness = seen["standard"].mean(axis=(1, 2, 3)) / np.mean((128, 64, 32))
    assert brightness.min() < 0.7
    assert brightness.max() > 1.3
    assert (np.ptp(seen["standard"], axis=(1, 2)) == 0).all()
    mean = np.rint(np.array(MEAN) * 255)
    painted = (seen["strong"] == mean).all(axis=-1).mean(axis=(1, 2))
    assert 0.15 < (painted > 0.01).mean() < 0.35


def test_crops_are_of_the_area_and_ratio_that_are_asked():
    draw = np.random.default_rng(0)
    boxes = np.array([crop_box(400, 300, (0.2, 0.6), (3 / 4, 4 / 3), draw) for _ in range(2000)])
    wide, high = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    assert boxes.min() >= 0
    assert boxes[:, 2].max() <= 400
    assert boxes[:, 3].max() <= 300
    area = wide * high / (400 * 300)
    assert 0.195 < area.min() < 0.21
    assert 0.59 < area.max() < 0.605
    assert area.mean() == pytest.approx(0.4, abs=0.01)
    assert 0.74 < (wide / high).min() < 0.77
    assert 1.30 < (wide / high).max() < 1.35
    assert (wide > high).mean() == pytest.approx(0.5, abs=0.04)
    assert crop_box(1000, 10, (0.9, 1), (3 / 4, 4 / 3), draw) == (493, 0, 506, 10)  # none fits: the middle


@pytest.mark.parametrize(
    "own",
    [
        v2.Compose([v2.RandomResizedCrop(32), v2.ColorJitter(brightness=0.5), v2.ToImage()]),
        v2.Compose([v2.RandomRotation(30), v2.PILToTensor()]),
        lambda picture: np.asarray(picture).astype(np.float32) / 255 * np.random.rand(),
        lambda picture: torch.rand(3, 40, 40),
        lambda picture: picture.rotate(random.randint(1, 90)),
    ],
)
def test_an_augmentation_of_ones_own_is_drawn_alike_too(pictures, own):
    columns = reader_for(pictures, augment=own).columns("train")
    first = images(columns, [0, 5, 9], 2, 1)
    assert first.shape == (3, 3, 32, 32)
    np.testing.assert_array_equal(images(columns, [9, 5], 2, 1), first[[2, 1]])
    assert np.abs(images(columns, [9], 3, 1) - first[2]).max() > 0.01


def test_what_ones_own_augmentation_may_return(pictures):
    normalised = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)])
    for own, said in (
        (normalised, "leave Normalize out"),
        (lambda picture: np.zeros((4, 4)), r"returned ndarray \[4, 4\]"),
        (lambda picture: np.zeros((4, 4, 3), np.int64), "returned int64"),
    ):
        with pytest.raises(ConfigError, match=said):
            images(reader_for(pictures, augment=own).columns("train"), [0], 0)
    whole = reader_for(pictures, augment=lambda picture: picture)
    assert images(whole.columns("train"), [0], 0).shape == (1, 3, 32, 32)


def test_what_a_run_depends_on_is_in_the_fingerprint(pictures):
    ways = [
        "none",
        "light",
        "standard",
        Augment(area=(0.5, 1.0)),
        lambda p: p,
        lambda p: p.rotate(90),
        v2.RandomRotation(30),
    ]
    told = [reader_for(pictures, augment=way).fingerprint for way in ways]
    told += [reader_for(pictures, random_seed=7).fingerprint, ImageClassificationReader(32, 32, pictures).fingerprint]
    assert len(set(told)) == len(told)
    assert "augment=light" in told[1]
    assert told[-3] == reader_for(pictures, augment=v2.RandomRotation(30)).fingerprint
    assert not any("0x" in each for each in told)


def test_decoded_pictures_are_kept_once_and_give_the_same_bits(pictures, lines, monkeypatch):
    fresh = {
        phase: images(reader_for(pictures, keep_decoded=False).columns(phase), [0, 1, 3]) for phase in ("train", "dev")
    }
    assert not cache.entries("pictures")
    for level in ("none", "standard"):
        reader = reader_for(pictures, augment=level)
        for phase in ("train", "dev"):
            np.testing.assert_array_equal(images(reader.columns(phase), [0, 1, 3]), fresh[phase])
    assert len(cache.entries("pictures")) == 3  # the two readers share the dev rows
    monkeypatch.setattr(Preprocess, "whole", None)  # nothing is decoded any more
    np.testing.assert_array_equal(images(reader_for(pictures).columns("dev"), [0, 1, 3]), fresh["dev"])
    assert sum("are decoded once" in line for line in lines) == 3


def test_a_changed_picture_is_decoded_anew(pictures):
    path = Path(pictures.train_examples[0][0])
    for shade in (40, 200):  # the same name and as many bytes
        Image.new("RGB", (50, 50), (shade,) * 3).save(path, "BMP")
        os.utime(path, (shade, shade))
        expected = (shade / 255 - np.array(MEAN)) / STD
        seen = images(reader_for(pictures).columns("train"), [0])[0]
        np.testing.assert_allclose(seen.mean(axis=(1, 2)), expected, atol=1e-3)


def test_what_does_not_fit_is_decoded_as_it_is_needed(pictures, monkeypatch, lines):
    monkeypatch.setenv("TRANSFERHUB_CACHE_GB", "0.00005")
    columns = reader_for(pictures).columns("train")
    assert not cache.entries("pictures")
    assert images(columns, [0]).shape == (1, 3, 32, 32)
    assert any("train: 12 pictures are decoded anew in each epoch" in line for line in lines)
    assert len(reader_for(pictures, keep_decoded=True).columns("train")) == 12
    assert len(cache.entries("pictures")) == 1


def test_what_is_kept_is_used_also_where_there_is_no_room_for_more(pictures, monkeypatch, lines):
    kept = images(reader_for(pictures).columns("train"), [0, 3])
    monkeypatch.setattr(cache, "SPARE", 1 << 62)  # the disk is full
    monkeypatch.setattr(Preprocess, "whole", None)  # nothing is decoded any more
    np.testing.assert_array_equal(images(reader_for(pictures).columns("train"), [0, 3]), kept)
    reader_for(pictures).columns("dev")
    assert [line.split(": ")[0][-3:] for line in lines if "are decoded anew in each epoch" in line] == ["dev"]


@pytest.mark.parametrize("level", ["none", "strong", v2.RandomHorizontalFlip()])
def test_preparing_ahead_changes_nothing(pictures, level):
    plain = reader_for(pictures, augment=level).columns("train").at_epoch(0)
    ahead = reader_for(pictures, augment=level, keep_decoded=False).columns("train").at_epoch(0)
    batches = [np.array([3, 1]), np.array([5, 4, 2]), np.array([0])]
    for place, rows in enumerate(batches):
        made = ahead.batch(rows)
        if place + 1 < len(batches):
            ahead.ahead(batches[place + 1])
        np.testing.assert_array_equal(made["image"], plain.batch(rows)["image"])
    ahead.ahead([1, 2])
    np.testing.assert_array_equal(ahead.batch([7])["image"], plain.batch([7])["image"])  # another batch after all


@pytest.mark.parametrize("kept", [True, False])
def test_a_picture_that_cannot_be_read_is_named(pictures, kept):
    path = Path(pictures.train_examples[4][0])
    path.write_bytes(path.read_bytes()[:90])
    reader = reader_for(pictures, keep_decoded=kept)
    with pytest.raises(DataError, match=r"4\.png is damaged"):
        images(reader.columns("train"), np.arange(12))
    assert not cache.entries("pictures")
    assert images(reader_for(pictures, keep_decoded=False).columns("train"), [0, 5]).shape[0] == 2
    with pytest.raises(DataError, match=r"there is no picture gone\.png"):
        reader.encode(["gone.png"]).batch([0])
    with pytest.raises(DataError, match="row 1"):
        reader.encode(["a.png", 5])


def test_columns_have_what_the_engine_asks_for(pictures):
    reader = reader_for(pictures, augment="light")
    columns = reader.columns("train")
    assert reader.columns("train") is columns
    assert len(columns) == 12
    assert columns.lengths.tolist() == [1] * 12
    assert columns.pieces is None
    assert columns.padded([3, 4]) == 2
    batch = columns.batch(np.array([11, 0]), reader.pad)
    assert batch["labels"].tolist() == [1, 0]
    assert batch["image"].flags.writeable
    assert torch.from_numpy(batch["image"]).dtype == torch.float32
    assert "labels" not in reader.encode([pictures.train_examples[0]]).batch([0])
    assert len(columns.digest) == 64
    assert columns.digest != reader.columns("dev").digest
    pictures.train_examples = list(pictures.train_examples)[:3]
    assert len(reader.columns("train")) == 3  # rows are looked at when they are asked for


def test_the_contact_sheet_shows_what_the_network_sees(pictures):
    reader = reader_for(pictures, augment=lambda picture: Image.new("RGB", picture.size, (250, 10, 10)))
    sheet = np.asarray(Image.open(io.BytesIO(reader.contact_sheet(pictures=4))).convert("RGB"))
    assert sheet.shape == (126, 448, 3)
    assert np.abs(sheet[50, 50].astype(int) - (250, 10, 10)).max() <= 1
    assert reader.contact_sheet("dev", 99).startswith(b"\x89PNG")


def test_an_augment_of_ones_own_numbers(pictures):
    mirrored = Augment(area=(1, 1), ratio=(1, 1), mirrored=1.0)
    square = Path(pictures.train_examples[0][0])
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)).save(square)
    reader = ImageClassificationReader(32, 32, pictures, augment=mirrored)
    columns = reader.columns("train")
    np.testing.assert_array_equal(images(columns, [0], 0)[0], images(columns, [0])[0][..., ::-1])
