"""One picture of any kind → RGB, uint8, the way up that it was meant; every fault names the file."""

import contextlib
import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from transferhub.errors import DataError

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".avif")
KINDS = "JPEG, PNG, GIF, WebP, TIFF, BMP"
LEAVE_OUT = "leave such files out: load_images(…, broken='skip'), --skip-broken"
WHITE = (255, 255, 255)  # what shows through transparent places
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = (5, 6, 7, 8)
LOADING = threading.Lock()  # Pillow reads a file when its pixels are asked for first, which one thread may do at a time

Pixels = npt.NDArray[np.uint8]
Picture = str | bytes | os.PathLike[str]


def decode(source: Picture, least: tuple[int, int] | None = None) -> Image.Image:
    """Read a picture as RGB.

    16-bit and float grey are brought to 8 bits, CMYK, palettes and grey to RGB, transparent places are white, turned
    photographs (EXIF) stand upright; of several frames or pages the first is taken.

    Args:
        source: A path; or the bytes of a file.
        least: ``(width, height)`` that will do: a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, not below this.

    Raises:
        DataError: No such file, an empty one, no picture, a truncated one, or one with more pixels than
            ``2 * PIL.Image.MAX_IMAGE_PIXELS`` (a decompression bomb).
    """
    name = f"a picture of {len(source)} bytes" if isinstance(source, bytes) else os.fsdecode(source)
    with _said(name), Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as opened:
        if least is not None:
            _reduce(opened, least)
        opened.load()
        return _turned(to_rgb(opened), _orientation(opened))


def upright(picture: Image.Image) -> Image.Image:
    """A picture of Pillow's as `decode` gives one: RGB, the way up that it was meant.

    Raises:
        DataError: It was opened from a file that cannot be decoded.
    """
    name = str(getattr(picture, "filename", "")) or "a picture of Pillow's"
    with _said(name):
        file, unread = getattr(picture, "fp", None), getattr(picture, "tile", None)
        if (unread and (file is None or file.closed)) or _is_closed(picture):
            raise DataError(
                "it was closed before its pixels were read", fix="picture.load() before it is closed, or give its path"
            )
        with LOADING:
            picture.load()
        return _turned(to_rgb(picture), _orientation(picture))


def _is_closed(picture: Image.Image) -> bool:
    """Whether `close` was called; Pillow says it to who asks for the pixels."""
    try:
        _ = picture.im
    except (ValueError, AssertionError) as error:
        return "closed" in str(error)
    return False


def _orientation(picture: Image.Image) -> int:
    """The EXIF tag of that name, as far as Pillow has not turned the picture itself, which it does with TIFF."""
    turned = picture.getexif().get(0x0112, 1)
    return turned if turned in TURNS else 1


def _turned(picture: Image.Image, orientation: int) -> Image.Image:
    return picture if orientation == 1 else picture.transpose(TURNS[orientation])


def checked(values: Any, name: str, order: str = "red, green, blue") -> Pixels:
    """An array of a picture, if it is one.

    Args:
        values: uint8 ``[h, w, 3]``.
        name: What messages call it.
        order: Of its colours, for messages.

    Raises:
        DataError: Another type or shape, or no pixels.
    """
    array = np.asarray(values)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or not array.size:
        raise DataError(f"{name}: {array.dtype} {list(array.shape)}", expected=f"uint8 [h, w, 3]: {order}")
    return array


def pixels(source: Picture) -> tuple[int, int]:
    """Width and height of a picture, upright, from its header alone.

    Raises:
        DataError: As `decode`, but for truncated pictures, which are not noticed.
    """
    with _said(os.fsdecode(source)), Image.open(os.fspath(source)) as opened:
        width, height = opened.size
        turned = opened.format != "TIFF" and _orientation(opened) in SIDEWAYS  # of TIFF the size is the turned one's
        return (height, width) if turned else (width, height)


def to_rgb(picture: Image.Image) -> Image.Image:
    """Any mode of Pillow's → RGB.

    Raises:
        DataError: A float picture with values above 65535.
    """
    if picture.mode == "RGB":
        return picture if "transparency" not in picture.info else _on_white(picture)
    if picture.mode.startswith("I") or picture.mode == "F":
        values = np.asarray(picture)
        if picture.format == "PPM" and picture.mode == "I":
            values = values.astype(np.uint16)  # Pillow brings levels of more than 8 bits to 16
        return Image.fromarray(_grey(values)).convert("RGB")
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        return _on_white(picture)
    return picture.convert("RGB")


def _on_white(picture: Image.Image) -> Image.Image:
    clear = picture.convert("RGBA")
    below = Image.new("RGB", clear.size, WHITE)
    below.paste(clear, mask=clear.getchannel("A"))
    return below


def _grey(values: npt.NDArray[Any]) -> Pixels:
    """Grey levels of more than 8 bits, or fractions from 0 to 1 → 8 bits."""
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:  # of either byte order
        return (values >> 8).astype(np.uint8)
    known = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0).clip(0)
    highest = float(known.max(initial=0))
    if highest > 65535:
        raise DataError(f"grey levels up to {highest:g}", expected="at most 65535 (16 bits)")
    fractions = values.dtype.kind == "f" and highest <= 1
    scale = 255.0 if fractions else 1.0 if highest <= 255 else 1 / 256
    return (known * scale).clip(0, 255).astype(np.uint8)


@contextlib.contextmanager
def _said(name: str) -> Iterator[None]:
    """Turn what Pillow says of a file into a `DataError` that names it."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{name}: {error.what}", expected=error.expected, fix=error.fix) from None
    except FileNotFoundError:
        raise DataError(f"there is no picture {name}", fix="check the path, and the folder that it is in") from None
    except (IsADirectoryError, PermissionError) as error:
        what = "is a folder" if isinstance(error, IsADirectoryError) else "cannot be read: permission denied"
        raise DataError(f"{name} {what}", expected="a picture that this user may read") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(
            f"{name} is too large to be opened (a decompression bomb?): {str(error).split(',')[0]}",
            expected="at most 2 * PIL.Image.MAX_IMAGE_PIXELS pixels",
            fix=f"make it smaller, raise PIL.Image.MAX_IMAGE_PIXELS if you know where it comes from, or {LEAVE_OUT}",
        ) from None
    except UnidentifiedImageError:
        raise _no_picture(name) from None
    except Exception as error:  # Pillow's readers raise nearly anything of damaged files
        raise DataError(
            f"{name} is damaged: {str(error) or type(error).__name__}",
            expected="a whole picture",
            fix=f"copy it again from where it is whole, or {LEAVE_OUT}",
        ) from None


def _no_picture(name: str) -> DataError:
    path = Path(name)
    if path.is_file() and path.stat().st_size == 0:
        what = f"{name} is empty: it has no bytes"
    else:
        head = b""
        with contextlib.suppress(OSError, ValueError), path.open("rb") as file:
            head = file.read(16)
        what = f"{name} is no picture: it begins with {head!r}"
    return DataError(what, expected=KINDS, fix=f"remove it, or {LEAVE_OUT}")


def _reduce(opened: Image.Image, least: tuple[int, int]) -> None:
    """Have a JPEG decoded smaller, but not below `least`, whichever way up it is stored."""
    if opened.format in ("JPEG", "MPO"):
        opened.draft(None, least[::-1] if _orientation(opened) in SIDEWAYS else least)
