"""Pictures of every kind decode alike; every fault names the file."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from transferhub.errors import DataError
from transferhub.image import Preprocess, decode, pixels, upright

RED, GREEN = (200, 40, 40), (40, 180, 40)


def two_halves(size=(40, 20)):
    """Left red, right green."""
    picture = Image.new("RGB", size, RED)
    picture.paste(GREEN, (size[0] // 2, 0, *size))
    return picture


def close_to(path, left, right, size=(40, 20), tolerance=6):
    found = np.asarray(decode(path)).astype(int)
    assert found.shape == (size[1], size[0], 3)
    assert found.dtype == int
    assert np.abs(found[size[1] // 2, 4] - left).max() <= tolerance, found[size[1] // 2, 4]
    assert np.abs(found[size[1] // 2, -5] - right).max() <= tolerance, found[size[1] // 2, -5]


@pytest.mark.parametrize("kind", ["png", "bmp", "tiff", "webp", "jpg", "gif", "ppm"])
def test_every_kind_of_file_gives_the_same_colours(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    two_halves().save(path, **({"quality": 95, "subsampling": 0} if kind == "jpg" else {}))
    close_to(path, RED, GREEN, tolerance=10)
    assert pixels(path) == (40, 20)


def test_palettes_and_cmyk(tmp_path):
    two_halves().convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "palette.png")
    close_to(tmp_path / "palette.png", RED, GREEN)
    two_halves().convert("CMYK").save(tmp_path / "cmyk.jpg", quality=98, subsampling=0)
    close_to(tmp_path / "cmyk.jpg", RED, GREEN, tolerance=12)
    two_halves().convert("CMYK").save(tmp_path / "cmyk.tif")
    close_to(tmp_path / "cmyk.tif", RED, GREEN)


def test_what_is_transparent_is_white_in_every_form_of_transparency(tmp_path):
    clear = two_halves().convert("RGBA")
    clear.paste((9, 9, 9, 0), (20, 0, 40, 20))
    clear.save(tmp_path / "rgba.png")
    clear.save(tmp_path / "clear.webp", lossless=True)
    close_to(tmp_path / "rgba.png", RED, (255, 255, 255))
    close_to(tmp_path / "clear.webp", RED, (255, 255, 255))
    palette = two_halves().quantize(4)
    green = palette.getpixel((39, 0))
    palette.save(tmp_path / "palette.png", transparency=green)
    close_to(tmp_path / "palette.png", RED, (255, 255, 255))
    two_halves().save(tmp_path / "keyed.png", transparency=GREEN)
    close_to(tmp_path / "keyed.png", RED, (255, 255, 255))
    grey = Image.new("LA", (40, 20), (100, 255))
    grey.paste((0, 0), (20, 0, 40, 20))
    grey.save(tmp_path / "la.png")
    close_to(tmp_path / "la.png", (100,) * 3, (255,) * 3)


def test_grey_of_8_and_16_bits_and_floats_are_alike(tmp_path):
    levels = np.full((20, 40), 51, np.uint8)
    levels[:, 20:] = 204
    Image.fromarray(levels).save(tmp_path / "8.png")
    Image.fromarray(levels.astype(np.uint16) * 257).save(tmp_path / "16.png")
    Image.fromarray(levels.astype(np.uint16) * 257).save(tmp_path / "16.tif")
    Image.fromarray(levels.astype(np.int32) * 257).save(tmp_path / "32.tif")
    Image.fromarray(levels.astype(np.float32) / 255).save(tmp_path / "fractions.tif")
    Image.fromarray(levels.astype(np.float32)).save(tmp_path / "levels.tif")
    for path in sorted(tmp_path.iterdir()):
        close_to(path, (51,) * 3, (204,) * 3, tolerance=1)


@pytest.mark.parametrize("levels", [(200, 65000), (40, 250)])  # the second is a dark picture
def test_grey_of_16_bits_is_alike_in_every_form(tmp_path, levels):
    deep = np.full((20, 40), levels[0], np.uint16)
    deep[:, 20:] = levels[1]
    for kind in ("png", "tif", "pgm"):
        Image.fromarray(deep).save(tmp_path / f"little.{kind}")
    Image.frombytes("I;16B", (40, 20), deep.astype(">u2").tobytes()).save(tmp_path / "big.tif")
    for path in sorted(tmp_path.iterdir()):
        close_to(path, (levels[0] >> 8,) * 3, (levels[1] >> 8,) * 3, tolerance=0)
        with Image.open(path) as opened:
            assert np.array_equal(np.asarray(upright(opened)), np.asarray(decode(path))), path


def test_colour_of_16_bits(tmp_path):
    """Pillow writes none, so the file is put together here."""
    row = b"\0" + struct.pack(">6H", *(257 * value for value in (*RED, *GREEN)))
    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(row)), (b"IEND", b"")]
    path = tmp_path / "rgb16.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in parts)
    )
    assert np.asarray(decode(path)).tolist() == [[list(RED), list(GREEN)]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photograph_stands_upright_also_when_it_is_decoded_smaller(tmp_path, orientation):
    upright = two_halves((320, 160))
    back = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(back[orientation]) if orientation in back else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "turned.jpg"
    stored.save(path, exif=exif, quality=95)
    assert pixels(path) == (320, 160)
    close_to(path, RED, GREEN, (320, 160), tolerance=10)
    small = decode(path, (80, 40))
    assert small.size == (80, 40)
    assert np.abs(np.asarray(small)[20, 4].astype(int) - RED).max() <= 10


def test_a_jpeg_is_never_decoded_below_what_will_do(tmp_path):
    path = tmp_path / "a.jpg"
    Image.effect_noise((400, 300), 60).convert("RGB").save(path)
    for least in [(50, 38), (51, 38), (99, 10), (200, 150), (201, 150), (400, 300), (900, 900)]:
        width, height = decode(path, least).size
        assert (width >= least[0] and height >= least[1]) or (width, height) == (400, 300)
    assert decode(path, (50, 37)).size == (50, 38)
    assert decode(path, (200, 150)).size == (200, 150)


def test_of_several_frames_the_first_is_taken(tmp_path):
    path = tmp_path / "moving.gif"
    Image.new("RGB", (40, 20), RED).save(path, save_all=True, append_images=[Image.new("RGB", (40, 20), GREEN)])
    close_to(path, RED, RED)


def test_bytes_are_a_picture_too():
    written = io.BytesIO()
    two_halves().save(written, "PNG")
    assert decode(written.getvalue()).size == (40, 20)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"this is a text, and not a picture", "is no picture: it begins with b'this is a text"),
        (b"\xff\xd8\xff\xe0", "no picture|damaged"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "no picture|damaged"),
    ],
)
def test_what_is_no_picture_is_named(tmp_path, content, said):
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(DataError, match=said) as caught:
        decode(path)
    assert "a.jpg" in caught.value.what
    assert caught.value.fix


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tiff", "gif", "bmp"])
def test_a_truncated_picture_is_named(tmp_path, kind):
    path = tmp_path / f"cut.{kind}"
    Image.effect_noise((200, 200), 80).convert("RGB").save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=rf"cut\.{kind} is (damaged|no picture)"):
        decode(path)


def test_a_missing_picture_and_a_folder(tmp_path):
    with pytest.raises(DataError, match=r"there is no picture .*gone\.jpg"):
        decode(tmp_path / "gone.jpg")
    with pytest.raises(DataError, match="is a folder"):
        decode(tmp_path)


def test_a_picture_that_may_not_be_read_is_not_called_damaged(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(DataError, match=r"locked\.jpg cannot be read: permission denied"):
        decode(tmp_path / "locked.jpg")


def test_a_decompression_bomb_is_refused_by_its_header(tmp_path):
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", 0))
    with pytest.raises(DataError, match=r"bomb\.png is too large"):
        decode(path)
    with pytest.raises(DataError, match=r"bomb\.png is too large"):
        pixels(path)


def test_grey_levels_beyond_16_bits_are_refused(tmp_path):
    Image.fromarray(np.full((2, 2), 1e9, np.float32)).save(tmp_path / "far.tif")
    with pytest.raises(DataError, match=r"far\.tif: grey levels up to 1e\+09"):
        decode(tmp_path / "far.tif")


def turned_noise(mode, size=(37, 22)):
    """Colours of all kinds, in a mode of Pillow's."""
    draw = np.random.default_rng(3)
    small = Image.fromarray(draw.integers(0, 255, (5, 7, 3), np.uint8))
    return small.resize(size, Image.Resampling.BICUBIC).convert(mode)


@pytest.mark.parametrize(
    ("mode", "kinds"),
    [
        ("1", ["png", "tiff", "bmp", "gif"]),
        ("L", ["png", "tiff", "bmp", "gif", "webp", "jpg", "pgm"]),
        ("P", ["png", "tiff", "bmp", "gif"]),
        ("RGB", ["png", "tiff", "bmp", "webp", "jpg", "ppm"]),
        ("CMYK", ["tiff", "jpg"]),
        ("YCbCr", ["tiff", "jpg"]),
    ],
)
def test_what_is_neither_deep_nor_transparent_is_what_pillow_converts(tmp_path, mode, kinds):
    for kind in kinds:
        path = tmp_path / f"a.{kind}"
        turned_noise(mode).save(path)
        with Image.open(path) as opened:
            wanted = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
        assert np.array_equal(np.asarray(decode(path)), wanted), kind
        with Image.open(path) as opened:
            assert np.array_equal(np.asarray(upright(opened)), wanted), kind


@pytest.mark.parametrize("size", [(1600, 1200), (700, 2000), (450, 460)])
def test_what_a_network_sees_of_a_jpeg_hardly_depends_on_the_size_it_is_decoded_at(tmp_path, size):
    draw = np.random.default_rng(1)
    scene = Image.fromarray(draw.integers(0, 255, (24, 32, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)
    grain = draw.normal(0, 6, (size[1], size[0], 1))
    scene = Image.fromarray((np.asarray(scene) + grain).clip(0, 255).astype(np.uint8))
    path = tmp_path / "a.jpg"
    scene.save(path, quality=90)
    process = Preprocess(224, 224, crop_pct=0.875, crop_mode="center", interpolation="bicubic")
    assert decode(path, (256, 256)).width < size[0] or min(size) < 512
    quick, full = (process.seen(process.whole(given)).astype(int) for given in (path, decode(path)))
    assert np.abs(quick - full).mean() < 1.5
    assert np.abs(quick - full).max() < 24
