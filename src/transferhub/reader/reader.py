"""What a task asks of a reader, whatever its rows are."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy.typing as npt

from transferhub.dataset import BaseDataset
from transferhub.dataset.examples import fingerprint
from transferhub.reader.columns import Columns, Padding


class Reader(ABC):
    """Makes columns of a data set's rows, and shows a row to a person.

    A reader has ``dataset`` (where the rows are; None: for prediction only), ``pad`` (how rows of different lengths
    become one array), ``fingerprint`` (says all that its numbers depend on beside the rows) and ``max_seq_len`` (tokens
    a row may have; 1 where rows have no length).
    """

    feed_names: ClassVar[tuple[str, ...]]
    dataset: BaseDataset | None
    pad: Padding
    fingerprint: str
    max_seq_len: int

    @abstractmethod
    def columns(self, phase: str, dataset: BaseDataset | None = None, *, keep: bool = True) -> Columns:
        """The columns of a split, with what is to be learnt except for ``predict``.

        Args:
            phase: ``train``, ``dev``, ``test`` or ``predict``.
            dataset: None: the reader's own.
            keep: Whether the disk cache may keep them.

        Raises:
            DataError: The split has no rows, or a row's label cannot be read.
        """

    @abstractmethod
    def encode(self, rows: Sequence[Any]) -> Columns:
        """The columns of rows to predict. Nothing is kept."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write what rows are read with, so that a reader on that folder reads alike."""

    @classmethod
    @abstractmethod
    def reopened(cls, folder: Path, settings: Mapping[str, Any]) -> "Reader":
        """The reader of a saved model, for prediction: `settings` of what `save` wrote into `folder`."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """What a saved model must know to read new rows as the training rows were read."""

    @abstractmethod
    def shown(self, row: Any, place: int = 0) -> dict[str, Any]:
        """A row as a person is shown it: ``text`` and ``text_pair``, or ``path`` …; `place` is for messages."""

    def digest_of(self, rows: Sequence[Any]) -> str:
        """The sha256 of rows and what is to be learnt of them: the same for equal rows wherever they come from."""
        return fingerprint(rows)

    def targets(self, dataset: BaseDataset, phase: str) -> npt.NDArray[Any] | None:
        """What is to be learnt of each row, ``[rows, …]``; None: it stands in the columns, token by token."""
        return dataset.label_ids(phase)
