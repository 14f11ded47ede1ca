"""Pictures: files of any kind → RGB, the size that a network wants, the numbers that it takes."""

from transferhub.image.decode import SUFFIXES, checked, decode, pixels, upright
from transferhub.image.preprocess import Preprocess
from transferhub.image.sheet import contact_sheet

__all__ = ["SUFFIXES", "Preprocess", "checked", "contact_sheet", "decode", "pixels", "upright"]
