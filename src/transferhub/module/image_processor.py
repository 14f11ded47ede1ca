"""How transformers prepares pictures for a network → our own steps: ``preprocessor_config.json`` → `Preprocess`."""

import math
from pathlib import Path
from typing import Any

from transferhub.errors import ConfigError, ModuleError
from transferhub.image import Preprocess
from transferhub.module.files import PROCESSOR

WAYS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}  # Pillow's numbers of filters
CONVNEXT_WHOLE = 384  # from this size on, its processor squeezes pictures instead of cropping them
LEVIT_PART = 224 / 256


def preprocess_in(folder: Path) -> Preprocess:
    """What the image processor of a folder does, as our steps.

    Its class brings what the file leaves out, so transformers reads it. Where an odd number of pixels is cut off, the
    middle is rounded as torchvision and timm do, transformers' own is up to one pixel before it.

    Raises:
        ModuleError: There is none, or it does what our steps do not.
    """
    from transformers import AutoImageProcessor

    path = folder / PROCESSOR
    if not path.is_file():
        raise ModuleError(
            f"{folder} has no {PROCESSOR}: how pictures are prepared is not known",
            expected="size, mean, deviation, as the network was pretrained with",
            fix="bring the file here too; AutoImageProcessor….save_pretrained(FOLDER) writes one",
        )
    try:
        processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # a damaged file raises whatever the processor's own code raises
        reason = str(error).strip() or type(error).__name__
        raise ModuleError(
            f"{path} is not one that transformers knows: {reason.splitlines()[0]}",
            expected="an image processor of transformers; code that comes with a model is never run",
        ) from error
    try:
        return _steps(processor)
    except (AttributeError, TypeError, ValueError, ConfigError) as error:
        raise ModuleError(
            f"{path}: {type(processor).__name__} does not say how pictures get one size: {error}",
            expected="size {height, width} or {shortest_edge}, image_mean, image_std, resample",
        ) from error


def _steps(processor: Any) -> Preprocess:
    name = type(processor).__name__
    seen, resized, mode = _sizes(processor, name)
    mean, std = _normal(processor, name)
    way = int(processor.resample)
    flipped = bool(getattr(processor, "do_flip_channel_order", False))
    return Preprocess(
        width=seen[1],
        height=seen[0],
        mean=mean,
        std=std,
        crop_pct=_part(seen, resized),
        crop_mode=mode,
        interpolation=WAYS.get(way, str(way)),
        channel_order="BGR" if flipped else "RGB",
    )


def _sizes(processor: Any, name: str) -> tuple[tuple[int, int], tuple[int, int], str]:
    """Height and width that the network sees, those of the resized picture that it is cut from, and `crop_mode`."""
    size = _sides(processor.size)
    side = size.get("shortest_edge")
    if side is None:
        resized, mode = (size["height"], size["width"]), "squash"
    elif name.startswith("ConvNext") and side >= CONVNEXT_WHOLE:
        return (side, side), (side, side), "squash"
    else:
        part = LEVIT_PART if name.startswith("Levit") else getattr(processor, "crop_pct", None) or 1
        resized, mode = (int(side / part), int(side / part)), "center"
        if name.startswith("ConvNext"):
            return (side, side), resized, mode
    if not getattr(processor, "do_center_crop", False):
        return resized, resized, mode
    crop = _sides(processor.crop_size)
    return (crop["height"], crop["width"]), resized, mode


def _sides(size: Any) -> dict[str, int]:
    """``{"height", "width"}`` or ``{"shortest_edge"}``, of a number, a dictionary or transformers' own class."""
    if isinstance(size, int):
        return {"height": size, "width": size}
    given = dict(size) if isinstance(size, dict) else vars(size)
    sides = {name: int(given[name]) for name in ("height", "width", "shortest_edge") if given.get(name)}
    if not sides:
        raise ValueError(f"size {given}")
    return sides


def _normal(processor: Any, name: str) -> tuple[Any, Any]:
    """Mean and deviation as parts of 255, of a processor that scales, shifts and normalises in its own numbers."""
    factor = float(processor.rescale_factor) if processor.do_rescale else 1.0
    shift = 1.0 if getattr(processor, "rescale_offset", False) and processor.do_rescale else 0.0
    mean = list(processor.image_mean) if processor.do_normalize else [0.0] * 3
    std = list(processor.image_std) if processor.do_normalize else [1.0] * 3
    twice = name.startswith("EfficientNet") and getattr(processor, "include_top", False)
    again = std if twice else [1.0] * 3
    scale = 255 * factor
    return (
        tuple((value + shift) / scale for value in mean),
        tuple(value * more / scale for value, more in zip(std, again, strict=True)),
    )


def _part(seen: tuple[int, int], resized: tuple[int, int]) -> float:
    """The part of the resized picture that is seen, such that `Preprocess` comes to that size again."""
    parts = {seen[place] / resized[place] for place in (0, 1)}
    if len(parts) != 1 or max(parts) > 1:
        raise ValueError(f"a crop of {seen} from {resized}")
    part = parts.pop()
    while any(math.floor(seen[place] / part) < resized[place] for place in (0, 1)):
        part = math.nextafter(part, 0)
    return part
