"""From a picture to what a network takes: its size, its crop, its mean and deviation."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from transferhub.errors import ConfigError
from transferhub.image.decode import Picture, Pixels, decode, upright

WAYS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
CROPS = ("center", "squash", "border")
FARTHEST = 2  # of a mean or deviation: colours are from 0 to 1, and transformers' EfficientNet takes 1.5 off
LONGEST = 4  # a picture is kept at most so many times as long as the network's side; the middle of longer ones
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Preprocess:
    """How a network wants its pictures; the same steps as ``timm.data.create_transform`` takes to evaluate.

    Args:
        width: Of what the network takes.
        height: Of what the network takes.
        mean: Of each colour, R, G, B, as a part of 255, at most 2.
        std: Of each colour, likewise.
        crop_pct: The part of the resized picture's side that the network sees.
        crop_mode: ``center`` (the shorter side is resized, the middle is cut out), ``squash`` (both sides are resized,
            as PaddleHub 1.x did) or ``border`` (the whole picture, its surroundings in the mean colour).
        interpolation: One of `WAYS`.
        channel_order: ``RGB`` or ``BGR``: the order in which the network takes colours.
    """

    width: int
    height: int
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    crop_pct: float = 1.0
    crop_mode: str = "squash"
    interpolation: str = "lanczos"
    channel_order: str = "RGB"

    def __post_init__(self) -> None:
        for name in ("width", "height"):
            side = getattr(self, name)
            if not isinstance(side, int) or isinstance(side, bool) or side < 1:
                raise ConfigError(f"image_{name}={side!r}", expected="a whole number of pixels, from 1")
        if not 0 < self.crop_pct <= 1:
            raise ConfigError(f"crop_pct={self.crop_pct!r}", expected="a part of the side, above 0 and at most 1")
        if self.crop_mode not in CROPS:
            raise ConfigError(f"crop_mode={self.crop_mode!r}", expected=f"one of {', '.join(CROPS)}")
        if self.interpolation not in WAYS:
            raise ConfigError(f"interpolation={self.interpolation!r}", expected=f"one of {', '.join(WAYS)}")
        if sorted(self.channel_order) != sorted("RGB"):
            raise ConfigError(f"channel_order={self.channel_order!r}", expected="RGB or BGR")
        if min(self.std) <= 0:
            raise ConfigError(f"images_std={self.std!r}", expected="three numbers above 0")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if max(map(abs, values)) > FARTHEST:
                raise ConfigError(
                    f"images_{name}={values!r}",
                    expected="parts of 255, as 0.485",
                    fix=f"divide by 255: {tuple(round(value / 255, 4) for value in values)}",
                )

    @classmethod
    def of_timm(cls, config: Mapping[str, Any]) -> "Preprocess":
        """Of a ``pretrained_cfg`` of timm's."""
        _, height, width = config["input_size"]
        interpolation = str(config.get("interpolation") or "bicubic")
        return cls(
            int(width),
            int(height),
            three("mean", config["mean"]),
            three("std", config["std"]),
            float(config.get("crop_pct") or 0.875),
            str(config.get("crop_mode") or "center"),
            interpolation if interpolation in WAYS else "bicubic",
        )

    def whole(self, source: Picture | Image.Image | Pixels) -> Pixels:
        """The whole picture, of a file, of Pillow's or uint8 ``[h, w, 3]``, at the size from which crops are cut.

        Returns:
            uint8 ``[h, w, 3]``.

        Raises:
            DataError: As `decode`.
        """
        return np.asarray(self._resized(source))

    def seen(self, whole: Pixels) -> Pixels:
        """What the network sees of a whole picture when nothing is left to chance: uint8 ``[height, width, 3]``."""
        height, width = whole.shape[:2]
        if height < self.height or width < self.width:
            padded = np.empty((max(height, self.height), max(width, self.width), 3), np.uint8)
            padded[:] = [round(255 * value) for value in self.mean]
            top, left = (padded.shape[0] - height) // 2, (padded.shape[1] - width) // 2
            padded[top : top + height, left : left + width] = whole
            whole, (height, width) = padded, padded.shape[:2]
        top, left = _middle(height, self.height), _middle(width, self.width)
        return whole[top : top + self.height, left : left + self.width]

    def normal(self, seen: Pixels, out: Floats) -> None:
        """Fill ``out``, float32 ``[3, height, width]``, with ``(seen / 255 - mean) / std``, colours in their order."""
        for place, colour in enumerate(self.channel_order):
            channel = "RGB".index(colour)
            scale = np.float32(1 / (255 * self.std[channel]))
            np.multiply(seen[..., channel], scale, out=out[place], casting="unsafe")
            out[place] -= np.float32(self.mean[channel] / self.std[channel])

    def shown(self, normal: Floats) -> Pixels:
        """The reverse of `normal`, for people: float32 ``[3, height, width]`` → uint8 ``[height, width, 3]``."""
        back = np.empty((*normal.shape[1:], 3), np.float32)
        for place, colour in enumerate(self.channel_order):
            channel = "RGB".index(colour)
            back[..., channel] = (normal[place] * self.std[channel] + self.mean[channel]) * 255
        return np.rint(back).clip(0, 255).astype(np.uint8)

    def size_of_whole(self, size: tuple[int, int]) -> tuple[int, int]:
        """Width and height of `whole` for a picture of this width and height."""
        width, height = self._resized_to(size)
        return min(width, LONGEST * self._target[0]), min(height, LONGEST * self._target[1])

    @property
    def _target(self) -> tuple[int, int]:
        return math.floor(self.width / self.crop_pct), math.floor(self.height / self.crop_pct)

    def _resized_to(self, size: tuple[int, int]) -> tuple[int, int]:
        target = self._target
        if self.crop_mode == "squash":
            return target
        ratios = target[0] / size[0], target[1] / size[1]
        if self.crop_mode == "border":
            return max(1, round(size[0] * min(ratios))), max(1, round(size[1] * min(ratios)))
        # The side that decides is the target exactly; the other one is cut down to whole pixels, as torchvision does.
        return (
            target[0] if ratios[0] == max(ratios) else max(1, int(size[0] * ratios[1])),
            target[1] if ratios[1] == max(ratios) else max(1, int(size[1] * ratios[0])),
        )

    def _resized(self, source: Picture | Image.Image | Pixels) -> Image.Image:
        if isinstance(source, np.ndarray):
            picture = Image.fromarray(np.ascontiguousarray(source))
        else:
            picture = upright(source) if isinstance(source, Image.Image) else decode(source, self._least)
        size = self._resized_to(picture.size)
        kept = self.size_of_whole(picture.size)
        box = None
        if kept != size:  # the middle of a picture that is much longer than wide
            parts = [picture.size[axis] * kept[axis] / size[axis] for axis in (0, 1)]
            left, top = ((picture.size[axis] - parts[axis]) / 2 for axis in (0, 1))
            box = (left, top, left + parts[0], top + parts[1])
        return picture if picture.size == kept and box is None else picture.resize(kept, WAYS[self.interpolation], box)

    @property
    def _least(self) -> tuple[int, int]:
        """What a JPEG may be decoded down to: both sides at least the target's, whichever of them decides."""
        return self._target


def three(name: str, values: Any) -> tuple[float, float, float]:
    """Three numbers, from a list, a tuple or an array of any shape.

    Raises:
        ConfigError: Not three numbers.
    """
    try:
        found = [float(value) for value in np.asarray(values, np.float64).ravel()]
    except (TypeError, ValueError):
        found = []
    if len(found) != 3 or not all(map(math.isfinite, found)):
        raise ConfigError(f"{name}={values!r:.80}", expected="three numbers: red, green, blue")
    return found[0], found[1], found[2]


def _middle(size: int, part: int) -> int:
    return round((size - part) / 2.0)


def stacked(process: Preprocess, pictures: Sequence[Pixels]) -> Floats:
    """Pictures as the network sees them → float32 ``[B, 3, height, width]``."""
    batch = np.empty((len(pictures), 3, process.height, process.width), np.float32)
    for place, seen in enumerate(pictures):
        process.normal(seen, batch[place])
    return batch
