"""Rows: built-in data sets and your own files. A new built-in set is one file here and one line below."""

from transferhub.dataset.base_dataset import BaseDataset
from transferhub.dataset.base_nlp_dataset import BaseNLPDataset
from transferhub.dataset.chnsenticorp import ChnSentiCorp
from transferhub.dataset.demo_reviews import DemoReviews
from transferhub.dataset.examples import Examples, InputExample
from transferhub.dataset.files import load

HubDataset = BaseDataset  # PaddleHub's old alias

__all__ = [
    "BaseDataset",
    "BaseNLPDataset",
    "ChnSentiCorp",
    "DemoReviews",
    "Examples",
    "HubDataset",
    "InputExample",
    "load",
]
