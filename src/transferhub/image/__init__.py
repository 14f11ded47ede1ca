"""Pictures: files of any kind → RGB, the size that a network wants, the numbers that it takes."""

from transferhub.image.decode import SUFFIXES, decode, pixels
from transferhub.image.preprocess import Preprocess
from transferhub.image.sheet import contact_sheet

__all__ = ["SUFFIXES", "Preprocess", "contact_sheet", "decode", "pixels"]
