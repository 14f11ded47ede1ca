"""Rows → columns of numbers. A new reader is one file here and one line below."""

from transferhub.reader.classify_reader import ClassifyReader
from transferhub.reader.columns import Columns, Padding
from transferhub.reader.image_columns import ImageColumns
from transferhub.reader.image_reader import ImageClassificationReader
from transferhub.reader.label_readers import MultiLabelClassifyReader, RegressionReader
from transferhub.reader.matching_reader import TextMatchingReader
from transferhub.reader.reader import Reader
from transferhub.reader.reading_reader import ReadingComprehensionReader
from transferhub.reader.sequence_label_reader import SequenceLabelReader
from transferhub.reader.tensor_reader import TensorReader
from transferhub.reader.text_reader import TextReader
from transferhub.reader.word_reader import LACClassifyReader

__all__ = [
    "ClassifyReader",
    "Columns",
    "ImageClassificationReader",
    "ImageColumns",
    "LACClassifyReader",
    "MultiLabelClassifyReader",
    "Padding",
    "Reader",
    "ReadingComprehensionReader",
    "RegressionReader",
    "SequenceLabelReader",
    "TensorReader",
    "TextMatchingReader",
    "TextReader",
]
