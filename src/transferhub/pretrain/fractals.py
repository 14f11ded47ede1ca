"""Fractals as a data set: rows that are drawn when they are asked for, others in each epoch."""

import copy
import functools
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, overload

import numpy as np
import numpy.typing as npt

from transferhub.dataset import BaseDataset
from transferhub.errors import ConfigError
from transferhub.graph import derive
from transferhub.image import Preprocess, contact_sheet
from transferhub.pretrain.drawing import picture
from transferhub.pretrain.systems import System, class_system, points
from transferhub.reader import Columns, Padding, Reader

VERSION = 1  # of what is drawn for a seed
SMALLEST = 8  # pixels of a side


class Rows(Sequence[tuple[str, int]]):
    """Rows ``(name, class)``: so many pictures of each class, the classes in turn.

    Args:
        classes: How many.
        each: Pictures of a class.
    """

    def __init__(self, classes: int, each: int) -> None:
        self.classes, self.each = classes, each

    def __len__(self) -> int:
        return self.classes * self.each

    @overload
    def __getitem__(self, row: int) -> tuple[str, int]: ...
    @overload
    def __getitem__(self, row: slice) -> list[tuple[str, int]]: ...
    def __getitem__(self, row: int | slice) -> Any:
        if isinstance(row, slice):
            return [self[each] for each in range(*row.indices(len(self)))]
        if not -len(self) <= row < len(self):
            raise IndexError(row)
        number, label = divmod(row % len(self), self.classes)
        return self.where(number * self.classes + label), label

    def where(self, row: int) -> str:
        """A row's name."""
        return f"fractal {row % self.classes}, picture {row // self.classes}"


class Fractals(BaseDataset):
    """A data set of fractals: class c is the iterated function system c of the seed.

    Args:
        classes: How many, from 2.
        each: Pictures of each class in an epoch; another epoch draws others.
        dev: Pictures of each class to evaluate on, the same ones always.
        seed: Of systems and pictures.

    Raises:
        ConfigError: A number below its least.
    """

    def __init__(self, classes: int = 500, each: int = 20, dev: int = 2, seed: int = 42) -> None:
        for name, value, least in (("classes", classes, 2), ("each", each, 1), ("dev", dev, 1), ("seed", seed, 0)):
            if value < least:
                raise ConfigError(f"{name}={value!r}", expected=f"a whole number of at least {least}")
        super().__init__(label_list=range(classes))
        self.name, self.seed = f"{classes} fractals", seed
        splits: dict[str, Any] = {"train": Rows(classes, each), "dev": Rows(classes, dev)}
        self.train_examples, self.dev_examples = splits["train"], splits["dev"]

    def label_ids(self, phase: str) -> npt.NDArray[np.int64]:
        """The classes of a split's rows, int64 ``[rows]``."""
        return np.arange(len(self.get_examples(phase)), dtype=np.int64) % self.num_labels

    @functools.cached_property
    def systems(self) -> list[System]:
        """A system a class."""
        return [class_system(self.seed, number) for number in range(self.num_labels)]


class FractalColumns(Columns):
    """A picture a row: a function of the seed, the epoch and the row alone.

    Args:
        dataset: Whose systems they are of.
        phase: Of the rows; only ``train`` differs from epoch to epoch.
        process: What the network takes.
    """

    def __init__(self, dataset: Fractals, phase: str, process: Preprocess) -> None:
        rows = dataset.get_examples(phase)
        offsets = np.arange(len(rows) + 1, dtype=np.int64)
        super().__init__({}, offsets, dataset.label_ids(phase), examples=rows)
        self.dataset, self.phase, self.process, self.epoch = dataset, phase, process, 0

    @property
    def varies(self) -> bool:
        """Whether another epoch draws others."""
        return self.phase == "train"

    def at_epoch(self, epoch: int, seed: int = 0) -> "FractalColumns":
        """The pictures of an epoch; their seed is the data set's."""
        if not self.varies:
            return self
        drawn = copy.copy(self)
        drawn.epoch = epoch
        return drawn

    @functools.cached_property
    def digest(self) -> str:
        """The sha256 of what the pictures depend on."""
        said = f"fractals {VERSION} {self.dataset.seed} {self.phase} {len(self)} {self.process!r}"
        return hashlib.sha256(said.encode()).hexdigest()

    def padded(self, rows: npt.ArrayLike, pad: Any = None) -> int:
        """How many pictures a batch of these rows holds."""
        return len(np.asarray(rows))

    def batch(self, rows: npt.ArrayLike, pad: Any = None, length: int | None = None) -> dict[str, npt.NDArray[Any]]:
        """Draw rows, in their order.

        Args:
            rows: Row numbers.
            pad: For texts; pictures have one size.
            length: Likewise.

        Returns:
            ``image`` float32 ``[B, 3, height, width]``, normalised; ``labels`` int64 ``[B]``; ``input_mask``, ones
            ``[B, 1]``.
        """
        chosen = np.asarray(rows, np.int64)
        seed, labels = self.dataset.seed, np.asarray(self.labels)[chosen]
        draws = [np.random.default_rng(derive(seed, "fractal", self.phase, self.epoch, int(row))) for row in chosen]
        systems = [self.dataset.systems[label].changed(draw) for label, draw in zip(labels, draws, strict=True)]
        images = np.empty((len(chosen), 3, self.process.height, self.process.width), np.float32)
        for made, draw, image in zip(points(systems, draws), draws, images, strict=True):
            self.process.normal(picture(made, self.process.height, draw), image)
        return {"image": images, "input_mask": np.ones((len(chosen), 1), np.int64), "labels": labels}


class FractalReader(Reader):
    """Draws a data set's rows for an image network. A model that was trained with it reads picture files.

    Args:
        dataset: The fractals.
        process: What the network takes; pictures are square.

    Raises:
        ConfigError: Pictures that are not square, or too small.
    """

    feed_names: ClassVar[tuple[str, ...]] = ("image",)
    max_seq_len = 1

    def __init__(self, dataset: Fractals, process: Preprocess) -> None:
        if process.width != process.height or process.width < SMALLEST:
            raise ConfigError(
                f"fractals of {process.width} × {process.height} pixels", expected=f"square, from {SMALLEST} pixels"
            )
        self.dataset, self.process, self.pad = dataset, process, Padding({})
        self.fingerprint = f"{type(self).__name__} {VERSION} {dataset.seed} {process!r}"

    def columns(self, phase: str, dataset: BaseDataset | None = None, *, keep: bool = True) -> FractalColumns:
        """The columns of a split; nothing is drawn yet."""
        given = dataset if dataset is not None else self.dataset
        assert isinstance(given, Fractals)
        return FractalColumns(given, phase, self.process)

    def encode(self, rows: Sequence[Any]) -> Columns:
        """Refused: there are no rows but those of the data set."""
        raise ConfigError("fractals are drawn, not read", fix="hub.load(best_model).predict([path, …])")

    def save(self, folder: Path) -> None:
        """Nothing: `settings` say how pictures are prepared."""

    def shown(self, row: Any, place: int = 0) -> dict[str, Any]:
        """``picture``: its name."""
        return {"picture": row[0]}

    def digest_of(self, rows: Sequence[Any]) -> str:
        """Of how many there are: the fingerprint says how they are drawn."""
        assert not len(rows) or isinstance(rows, Rows)
        said = f"{rows.classes} {rows.each}" if isinstance(rows, Rows) else "none"
        return hashlib.sha256(f"{self.fingerprint} {said}".encode()).hexdigest()

    def contact_sheet(self, phase: str = "train", pictures: int = 24, epoch: int = 0) -> bytes:
        """Some pictures of an epoch as the bytes of a PNG, their classes beneath."""
        columns = self.columns(phase).at_epoch(epoch)
        made = columns.batch(np.arange(min(pictures, len(columns))))
        return contact_sheet([self.process.shown(image) for image in made["image"]], list(map(str, made["labels"])))

    def settings(self) -> dict[str, Any]:
        """Those of the reader of picture files that a saved model is opened with."""
        fields = {name: getattr(self.process, name) for name in Preprocess.__dataclass_fields__}
        return {"reader": "ImageClassificationReader", "max_seq_len": self.max_seq_len, "preprocess": fields}

    @classmethod
    def reopened(cls, folder: Path, settings: Mapping[str, Any]) -> Reader:
        """Refused: a saved model reads picture files."""
        raise ConfigError("a saved model does not draw fractals", expected="ImageClassificationReader")
