"""Augmentation: the same picture a little different each epoch, as a function of the numbers drawn for it alone.

Nothing here looks at a generator that others share, so pictures may be prepared by several threads in any order.
torchvision does the work on pixels.
"""

import math
import random as python_random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from transferhub.errors import ConfigError, did_you_mean
from transferhub.graph import derive, seeded
from transferhub.image import Preprocess
from transferhub.image.decode import Pixels, to_rgb
from transferhub.image.preprocess import WAYS

Draw = np.random.Generator
Own = Callable[[Image.Image], Any]  # an augmentation of the user's: an RGB picture → a picture or a tensor


@dataclass(frozen=True)
class Augment:
    """What is left to chance.

    Args:
        area: The part of the picture that a crop has, from … to … (Szegedy et al. 2014, arXiv:1409.4842: 0.08 to 1).
        ratio: Width of a crop to its height, from … to …
        mirrored: How often left and right are changed.
        brightness: Brightness is multiplied by 1 - this … 1 + this; likewise the next two.
        contrast: See above.
        saturation: See above.
        operations: How many operations of RandAugment (Cubuk et al. 2019, arXiv:1909.13719) are done.
        magnitude: Their strength, from 0 to 1.
        erased: How often a rectangle is painted over (Zhong et al. 2017, arXiv:1708.04896).
    """

    area: tuple[float, float]
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    mirrored: float = 0.5
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    operations: int = 0
    magnitude: float = 0.3
    erased: float = 0.0

    def __call__(self, whole: Pixels, process: Preprocess, draw: Draw) -> Pixels:
        """A crop of a picture, uint8 ``[h, w, 3]``, at the network's size and changed: uint8 ``[height, width, 3]``."""
        box = crop_box(whole.shape[1], whole.shape[0], self.area, self.ratio, draw)
        picture = Image.fromarray(whole).resize((process.width, process.height), WAYS[process.interpolation], box)
        if draw.random() < self.mirrored:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        picture = self._coloured(picture, draw)
        for _ in range(self.operations):
            picture = _operation(picture, self.magnitude, draw)
        if self.erased and draw.random() < self.erased:
            return _erase(np.array(picture), process, draw)
        return np.asarray(picture)

    def _coloured(self, picture: Image.Image, draw: Draw) -> Image.Image:
        if not (self.brightness or self.contrast or self.saturation):
            return picture
        from torchvision.transforms.v2 import functional

        ways = (
            (functional.adjust_brightness, self.brightness),
            (functional.adjust_contrast, self.contrast),
            (functional.adjust_saturation, self.saturation),
        )
        for place in draw.permutation(len(ways)):
            change, strength = ways[place]
            if strength:
                picture = change(picture, float(draw.uniform(max(0, 1 - strength), 1 + strength)))
        return picture


LEVELS: dict[str, Augment | None] = {
    "none": None,
    "light": Augment(area=(0.7, 1.0)),
    "standard": Augment(area=(0.35, 1.0), brightness=0.5, contrast=0.2, saturation=0.2),
    "strong": Augment(
        area=(0.25, 1.0), brightness=0.5, contrast=0.2, saturation=0.2, operations=2, magnitude=0.3, erased=0.25
    ),
}


def known(augment: "str | Augment | Own | None") -> "Augment | Own | None":
    """The augmentation that a name stands for, or the one that is given.

    Raises:
        ConfigError: Neither a level nor something to be called.
    """
    if augment is None or isinstance(augment, Augment):
        return augment
    if isinstance(augment, str):
        if augment not in LEVELS:
            raise ConfigError(
                f"augment={augment!r}",
                expected=f"one of {', '.join(LEVELS)}, or a function of a PIL picture",
                fix=did_you_mean(augment, LEVELS) or None,
            )
        return LEVELS[augment]
    if not callable(augment):
        raise ConfigError(f"augment={augment!r:.60}", expected=f"one of {', '.join(LEVELS)}, or a function")
    return augment


def crop_box(
    width: int, height: int, area: tuple[float, float], ratio: tuple[float, float], draw: Draw
) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of a crop, as torchvision's RandomResizedCrop draws it: ten tries, else the middle."""
    for _ in range(10):
        part = width * height * draw.uniform(*area)
        shape = math.exp(draw.uniform(math.log(ratio[0]), math.log(ratio[1])))
        wide, high = round(math.sqrt(part * shape)), round(math.sqrt(part / shape))
        if 0 < wide <= width and 0 < high <= height:
            left, top = int(draw.integers(0, width - wide + 1)), int(draw.integers(0, height - high + 1))
            return left, top, left + wide, top + high
    wide, high = min(width, max(1, round(height * ratio[1]))), min(height, max(1, round(width / ratio[0])))
    left, top = (width - wide) // 2, (height - high) // 2
    return left, top, left + wide, top + high


def own(augment: Own, whole: Pixels, process: Preprocess, seed: int) -> Pixels:
    """The user's augmentation of a picture; what it draws from torch, numpy and random follows from `seed`.

    It is given an RGB picture of Pillow's and may return one, or an array or tensor: uint8, or float from 0 to 1, as
    torchvision's ``ToTensor`` makes. Another size than the network's is resized. The reader normalises afterwards.

    Raises:
        ConfigError: It returns something else, or values that are normalised already.
    """
    with _seeded(seed):
        made = augment(Image.fromarray(whole))
    picture = _as_picture(made)
    if picture.size != (process.width, process.height):
        picture = picture.resize((process.width, process.height), WAYS[process.interpolation])
    return np.asarray(picture)


def _as_picture(made: Any) -> Image.Image:
    if isinstance(made, Image.Image):
        return to_rgb(made)
    values = made.detach().cpu().numpy() if hasattr(made, "detach") else np.asarray(made)
    if values.ndim == 3 and values.shape[0] == 3 and values.shape[2] != 3:
        values = values.transpose(1, 2, 0)
    if values.ndim != 3 or values.shape[2] != 3:
        raise ConfigError(
            f"augment=… returned {type(made).__name__} {list(values.shape)}", expected="a picture, or [3, h, w]"
        )
    if values.dtype == np.uint8:
        return Image.fromarray(np.ascontiguousarray(values))
    if values.dtype.kind != "f" or values.min() < -1e-3 or values.max() > 1 + 1e-3:
        raise ConfigError(
            f"augment=… returned {values.dtype} from {values.min():.3g} to {values.max():.3g}",
            expected="uint8, or float from 0 to 1",
            fix="leave Normalize out: the reader does it",
        )
    return Image.fromarray(np.rint(values * 255).clip(0, 255).astype(np.uint8))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """torch, numpy and random start from `seed` inside, and are as before afterwards."""
    numpys, pythons = np.random.get_state(), python_random.getstate()
    with seeded(seed, "own"):
        np.random.seed(derive(seed, "numpy") % 2**32)
        python_random.seed(derive(seed, "random"))
        try:
            yield
        finally:
            np.random.set_state(numpys)
            python_random.setstate(pythons)


def _operation(picture: Image.Image, magnitude: float, draw: Draw) -> Image.Image:
    """One operation of RandAugment's, with torchvision's ranges."""
    from torchvision.transforms.v2 import InterpolationMode, functional

    signed = magnitude if draw.random() < 0.5 else -magnitude
    way = InterpolationMode.BILINEAR

    def moved(across: float = 0, down: float = 0, shear: tuple[float, float] = (0, 0)) -> Image.Image:
        shift, lean = [round(across), round(down)], [math.degrees(math.atan(each)) for each in shear]
        turned: Image.Image = functional.affine(
            picture, angle=0, translate=shift, scale=1, shear=lean, interpolation=way, center=[0, 0]
        )
        return turned

    operations: tuple[Callable[[], Image.Image], ...] = (
        lambda: picture,
        lambda: moved(shear=(0.3 * signed, 0)),
        lambda: moved(shear=(0, 0.3 * signed)),
        lambda: moved(across=150 / 331 * signed * picture.width),
        lambda: moved(down=150 / 331 * signed * picture.height),
        lambda: functional.rotate(picture, 30 * signed, interpolation=way),
        lambda: functional.adjust_brightness(picture, 1 + 0.9 * signed),
        lambda: functional.adjust_saturation(picture, 1 + 0.9 * signed),
        lambda: functional.adjust_contrast(picture, 1 + 0.9 * signed),
        lambda: functional.adjust_sharpness(picture, 1 + 0.9 * signed),
        lambda: functional.posterize(picture, 8 - round(4 * magnitude)),
        lambda: functional.solarize(picture, 255 * (1 - magnitude)),
        lambda: functional.autocontrast(picture),
        lambda: functional.equalize(picture),
    )
    return operations[int(draw.integers(len(operations)))]()


def _erase(pixels: Pixels, process: Preprocess, draw: Draw) -> Pixels:
    """Paint a rectangle of 2 % to 33 % of the picture in the mean colour."""
    left, top, right, bottom = crop_box(pixels.shape[1], pixels.shape[0], (0.02, 0.33), (0.3, 3.3), draw)
    pixels[int(top) : int(bottom), int(left) : int(right)] = [round(255 * value) for value in process.mean]
    return pixels
