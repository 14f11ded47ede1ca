"""Rows: built-in data sets and your own files. A new built-in set is one file here and one line below."""

from transferhub.dataset.base_cv_dataset import BaseCVDataset, ImageClassificationDataset
from transferhub.dataset.base_dataset import BaseDataset
from transferhub.dataset.base_nlp_dataset import BaseNLPDataset
from transferhub.dataset.chnsenticorp import ChnSentiCorp
from transferhub.dataset.demo_reviews import DemoReviews
from transferhub.dataset.examples import Examples, InputExample
from transferhub.dataset.files import load
from transferhub.dataset.picture_folders import load_images
from transferhub.dataset.picture_sets import DogCat, DogCatDataset, Flowers, Food101, Indoor67, StanfordDogs

HubDataset = BaseDataset  # PaddleHub's old alias

__all__ = [
    "BaseCVDataset",
    "BaseDataset",
    "BaseNLPDataset",
    "ChnSentiCorp",
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
    "StanfordDogs",
    "load",
    "load_images",
]
