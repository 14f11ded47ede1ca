"""Rows → columns of numbers. A new reader is one file here and one line below."""

from transferhub.reader.classify_reader import ClassifyReader
from transferhub.reader.columns import Columns, Padding
from transferhub.reader.label_readers import MultiLabelClassifyReader, RegressionReader
from transferhub.reader.reader import Reader
from transferhub.reader.tensor_reader import TensorReader
from transferhub.reader.text_reader import TextReader
from transferhub.reader.word_reader import LACClassifyReader

__all__ = [
    "ClassifyReader",
    "Columns",
    "LACClassifyReader",
    "MultiLabelClassifyReader",
    "Padding",
    "Reader",
    "RegressionReader",
    "TensorReader",
    "TextReader",
]
