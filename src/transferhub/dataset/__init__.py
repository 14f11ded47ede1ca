"""Rows: built-in data sets and your own files. A new built-in set is one entry of `sets.toml`."""

from typing import Any

from transferhub.dataset.base_cv_dataset import BaseCVDataset, ImageClassificationDataset
from transferhub.dataset.base_dataset import BaseDataset
from transferhub.dataset.base_nlp_dataset import BaseNLPDataset
from transferhub.dataset.builtin_sets import CLASSES
from transferhub.dataset.demo_reviews import DemoReviews
from transferhub.dataset.examples import Examples, InputExample, TripleExample
from transferhub.dataset.files import load
from transferhub.dataset.picture_folders import load_images
from transferhub.dataset.picture_sets import (
    PICTURE_SETS,
    DogCat,
    DogCatDataset,
    Flowers,
    Food101,
    Indoor67,
    StanfordDogs,
)
from transferhub.dataset.reading import ReadingExample
from transferhub.errors import did_you_mean

HubDataset = BaseDataset  # PaddleHub's old alias

__all__ = [
    "BaseCVDataset",
    "BaseDataset",
    "BaseNLPDataset",
    "DemoReviews",
    "DogCat",
    "DogCatDataset",
    "Examples",
    "Flowers",
    "Food101",
    "HubDataset",
    "ImageClassificationDataset",
    "Indoor67",
    "InputExample",
    "ReadingExample",
    "StanfordDogs",
    "TripleExample",
    "load",
    "load_images",
]


def __getattr__(name: str) -> Any:
    """The built-in sets, by name."""
    if name in CLASSES:
        return CLASSES[name]
    near = "" if name.startswith("_") else did_you_mean(name, [*CLASSES, *__all__])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}{'; ' + near.strip() if near else ''}")


def built_in_names() -> list[str]:
    """The names of the built-in sets, of texts and of pictures; each is built by ``getattr(hub.dataset, name)()``."""
    return [*CLASSES, *PICTURE_SETS, "DemoReviews"]


def __dir__() -> list[str]:
    return sorted([*__all__, *CLASSES])
