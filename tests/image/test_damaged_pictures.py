"""Damaged pictures of every kind: a picture or a `DataError`, and nothing else."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from transferhub.errors import DataError
from transferhub.image import decode, pixels, upright

EACH = 30


def bytes_of(picture, kind, **settings):
    written = io.BytesIO()
    picture.save(written, kind, **settings)
    return written.getvalue()


def turned():
    """EXIF of a camera that was held on its side; writing a TIFF changes it."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x011A] = 6, "a maker", 72.0
    exif.get_ifd(0x8769)[0x9003] = "2026:01:01 00:00:00"
    return exif


def whole_files():
    draw = np.random.default_rng(0)
    colours = Image.fromarray(draw.integers(0, 255, (24, 32, 3), np.uint8))
    deep = Image.fromarray(draw.integers(0, 65535, (24, 32)).astype(np.uint16))
    files = {
        f"{kind} with EXIF": bytes_of(colours, kind, exif=turned()) for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")
    }
    files |= {kind: bytes_of(colours, kind) for kind in ("GIF", "BMP", "PPM", "WEBP")}
    files |= {f"16 bits {kind}": bytes_of(deep, kind) for kind in ("PNG", "TIFF", "PPM")}
    files["palette GIF"] = bytes_of(colours.quantize(16), "GIF", save_all=True, append_images=[colours])
    files["palette PNG"] = bytes_of(colours.quantize(16), "PNG", transparency=3)
    files["CMYK JPEG"] = bytes_of(colours.convert("CMYK"), "JPEG")
    files["packed TIFF"] = bytes_of(colours, "TIFF", compression="tiff_lzw", exif=turned())
    files["clear WebP"] = bytes_of(colours.convert("RGBA"), "WEBP", lossless=True)
    return files


FILES = whole_files()


def damaged(whole, draw):
    found = bytearray(whole)
    way = draw.integers(4)
    if way == 0:
        return bytes(found[: draw.integers(len(found))])
    if way == 1:
        start = draw.integers(len(found))
        del found[start : start + draw.integers(1, 20)]
        return bytes(found)
    reach = len(found) if way == 2 else min(len(found), 300)  # headers and EXIF
    for place in draw.integers(0, reach, draw.integers(1, 5)):
        found[place] = draw.integers(256)
    return bytes(found)


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.filterwarnings("ignore::UserWarning")  # what Pillow says of odd tags is no error outside of tests
def test_a_damaged_picture_is_read_or_refused(kind, tmp_path):
    assert decode(FILES[kind]).size in ((32, 24), (24, 32))
    draw, refused = np.random.default_rng(7), []
    for number in range(EACH):
        path = tmp_path / f"{number}.bin"
        path.write_bytes(damaged(FILES[kind], draw))
        for read in (decode, lambda path: decode(path, (8, 8)), pixels):
            try:
                read(path)
            except DataError as error:
                refused.append((path.name, error.what))
    assert refused, "some cannot be read"
    assert all(name in what for name, what in refused)


@pytest.mark.parametrize(
    "raised", [RuntimeError("Failed to decode frame 0"), struct.error("'h' format requires"), TypeError("'str'")]
)
def test_whatever_pillow_raises_of_a_file_names_the_file(raised, tmp_path, monkeypatch):
    (tmp_path / "a.avif").write_bytes(FILES["AVIF with EXIF"])

    def load(self):
        raise raised

    with monkeypatch.context() as patched:
        patched.setattr(Image.Image, "load", load)
        patched.setattr("PIL.AvifImagePlugin.AvifImageFile.load", load)
        with pytest.raises(DataError, match=r"a\.avif is damaged: "):
            decode(tmp_path / "a.avif")


def test_a_turn_is_made_whatever_else_the_exif_holds():
    """EXIF that Pillow can read and could not write again, as turning with its own function has it do."""
    maker, width = b"\x01\x0f\x00\x02", b"\x01\x00\x00\x02"  # of a text; a width that is a text
    written = FILES["JPEG with EXIF"].replace(maker, width, 1)
    assert written != FILES["JPEG with EXIF"]
    assert decode(written).size == (24, 32)
    assert upright(Image.open(io.BytesIO(written))).size == (24, 32)


@pytest.mark.parametrize("kind", ["JPEG with EXIF", "TIFF with EXIF", "packed TIFF"])
def test_the_size_that_the_header_says_is_the_size_of_the_picture(kind, tmp_path):
    (tmp_path / "a").write_bytes(FILES[kind])
    assert pixels(tmp_path / "a") == decode(tmp_path / "a").size == (24, 32)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "16 bits TIFF", "JPEG with EXIF"])
def test_a_picture_of_pillows_that_was_closed_is_not_called_damaged(kind, tmp_path):
    (tmp_path / "a.png").write_bytes(FILES.get(kind, FILES["palette PNG"]))
    with Image.open(tmp_path / "a.png") as left:
        pass
    closed, read = Image.open(tmp_path / "a.png"), Image.open(tmp_path / "a.png")
    closed.close()
    read.load()
    read.close()
    for picture in (left, closed, read):
        with pytest.raises(DataError, match=r"a\.png: it was closed before its pixels were read\n.*load\(\)"):
            upright(picture)
    with Image.open(tmp_path / "a.png") as loaded:
        loaded.load()
    assert upright(loaded).mode == "RGB"
