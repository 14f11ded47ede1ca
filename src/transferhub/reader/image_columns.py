"""Pictures of a split as the engine asks for them: rows in, a batch of numbers out."""

import copy
import functools
import hashlib
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
import numpy.typing as npt

from transferhub.graph import derive
from transferhub.image import Preprocess
from transferhub.image.decode import Pixels
from transferhub.image.preprocess import Floats
from transferhub.image.threads import pool, workers
from transferhub.reader.augment import Augment, Own, own
from transferhub.reader.columns import Columns
from transferhub.reader.image_source import Files, Source

Rows = npt.NDArray[np.int64]


class ImageColumns(Columns):
    """One picture a row, and its label.

    A batch is a function of the rows, the epoch and the seed alone, whoever prepares it, in whatever order. Without an
    epoch nothing is left to chance.

    Args:
        files: The pictures.
        source: Where they are read from: `files`, or what was kept of them.
        labels: int64 ``[rows]``, uint8 ``[rows, labels]``, or None.
        augment: What is left to chance in an epoch of training; None: nothing.
        seed: Of the augmentation; None: `at_epoch` brings it.
    """

    def __init__(
        self,
        files: Files,
        source: Source,
        labels: npt.NDArray[Any] | None,
        augment: Augment | Own | None = None,
        seed: int | None = None,
        examples: Sequence[Any] = (),
    ) -> None:
        super().__init__({}, np.arange(len(files.paths) + 1, dtype=np.int64), labels, examples=examples)
        self.files, self.source, self.augment, self.seed = files, source, augment, seed
        self.epoch: int | None = None
        self._ahead: tuple[bytes, Floats, list[Pixels], list[Future[None]]] | None = None

    @property
    def process(self) -> Preprocess:
        """How pictures become numbers."""
        return self.files.process

    @property
    def varies(self) -> bool:
        """Whether pictures are augmented."""
        return self.augment is not None

    @functools.cached_property
    def digest(self) -> str:
        """The sha256 of what batches depend on when nothing is left to chance; labels are not in it."""
        return hashlib.sha256(f"seen {self.files.digest()}".encode()).hexdigest()

    def at_epoch(self, epoch: int, seed: int = 0) -> "ImageColumns":
        """The same rows as this epoch of training sees them; without augmentation, these columns themselves.

        Args:
            epoch: From 0.
            seed: Of the run; the reader's own goes before it.
        """
        if self.augment is None:
            return self
        drawn = copy.copy(self)
        drawn.epoch, drawn._ahead = epoch, None
        drawn.seed = seed if self.seed is None else self.seed
        return drawn

    def padded(self, rows: npt.ArrayLike, pad: Any = None) -> int:
        """How many pictures a batch of these rows holds."""
        return len(np.asarray(rows))

    def ahead(self, rows: npt.ArrayLike) -> None:
        """Begin to prepare the batch that will be asked for next; other threads do, while the network computes."""
        chosen = np.asarray(rows, np.int64)
        self._ahead = (chosen.tobytes(), *self._begin(chosen))

    def batch(self, rows: npt.ArrayLike, pad: Any = None, length: int | None = None) -> dict[str, npt.NDArray[Any]]:
        """Read rows, in their order.

        Args:
            rows: Row numbers.
            pad: For texts; pictures have one size.
            length: Likewise.

        Returns:
            ``image`` float32 ``[B, 3, height, width]``; ``labels`` int64 ``[B]`` or uint8 ``[B, labels]``, if there
            are; ``input_mask``, ones ``[B, 1]``: a picture counts as one value.

        Raises:
            DataError: A picture that cannot be decoded; the message names it.
        """
        chosen = np.asarray(rows, np.int64)
        begun, self._ahead = self._ahead, None
        if begun is not None and begun[0] == chosen.tobytes():
            _, images, wholes, futures = begun
        else:
            images, wholes, futures = self._begin(chosen)
        for future in futures:
            future.result()
        if self._is_own:  # may draw from generators that all threads share, so it runs in one
            assert self.augment is not None
            for place, row in enumerate(chosen.tolist()):
                seen = own(self.augment, wholes[place], self.process, self._drawn_for(row))  # type: ignore[arg-type]
                self.process.normal(seen, images[place])
        batch: dict[str, npt.NDArray[Any]] = {"image": images, "input_mask": np.ones((len(chosen), 1), np.int64)}
        if self.labels is not None:
            batch["labels"] = self.labels[chosen]
        return batch

    @property
    def _is_own(self) -> bool:
        return self.epoch is not None and self.augment is not None and not isinstance(self.augment, Augment)

    def _drawn_for(self, row: int) -> int:
        assert self.epoch is not None
        return derive(self.seed or 0, "augment", self.epoch, row)

    def _begin(self, rows: Rows) -> tuple[Floats, list[Pixels], list[Future[None]]]:
        images = np.empty((len(rows), 3, self.process.height, self.process.width), np.float32)
        wholes: list[Pixels] = [np.empty(0, np.uint8)] * len(rows)
        parts = [part for part in np.array_split(np.arange(len(rows)), 2 * workers()) if len(part)]
        futures = [pool().submit(self._prepare, rows, part.tolist(), images, wholes) for part in parts]
        return images, wholes, futures

    def _prepare(self, rows: Rows, places: Sequence[int], images: Floats, wholes: list[Pixels]) -> None:
        for place in places:
            row = int(rows[place])
            whole = self.source.read(row)
            if self._is_own:
                wholes[place] = whole
            elif self.epoch is not None and isinstance(self.augment, Augment):
                draw = np.random.default_rng(self._drawn_for(row))
                self.process.normal(self.augment(whole, self.process, draw), images[place])
            else:
                self.process.normal(self.process.seen(whole), images[place])
