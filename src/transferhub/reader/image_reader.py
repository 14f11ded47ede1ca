"""ImageClassificationReader: picture files → what an image network takes."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from PIL import Image

from transferhub.dataset import BaseDataset
from transferhub.dataset import targets as rows_targets
from transferhub.dataset.pictures import Pictures, fingerprint, path_of, paths_of
from transferhub.errors import ConfigError
from transferhub.identity import PLACE, identity
from transferhub.image import Preprocess, checked, contact_sheet
from transferhub.image.preprocess import three
from transferhub.reader.augment import Augment, Own, known
from transferhub.reader.columns import Padding
from transferhub.reader.image_columns import ImageColumns
from transferhub.reader.image_source import Files
from transferhub.reader.image_source import keep as keep_of
from transferhub.reader.reader import Reader


class ImageClassificationReader(Reader):
    """Reads a data set's pictures for an image network.

    Pictures are brought to the network's size as it was pretrained with (its resize, crop, mean and deviation); what is
    not given here comes from `module`, else it is PaddleHub's: resized to width and height, whatever their shape.
    Decoded pictures are kept in the disk cache where they fit, and memory-mapped.

    Args:
        image_width: ``module.get_expected_image_width()``. None: the module's.
        image_height: ``module.get_expected_image_height()``. None: the module's.
        dataset: Where the rows are. None: for prediction only.
        channel_order: ``RGB`` or ``BGR``, as the network takes colours.
        images_mean: Three numbers, as parts of 255. None: the data set's ``images_mean``, else the module's, else 0.
        images_std: Likewise; else 1.
        data_augmentation: 1.x's switch: ``augment="standard"``.
        random_seed: Of the augmentation. None: the run's seed.
        augment: ``none``, ``light`` (crops, mirrored), ``standard`` (smaller crops, colours), ``strong`` (RandAugment
            and random erasing too), or a function: an RGB picture of Pillow's → a picture or a tensor, not normalised,
            such as a ``torchvision.transforms.v2.Compose``. Only training rows are augmented. Picture i of epoch e is
            always drawn alike.
        crop_pct: As in `Preprocess`; None: the module's.
        crop_mode: As in `Preprocess`; None: the module's.
        interpolation: As in `Preprocess`; None: the module's.
        module: Whose preprocessing is taken where nothing is given.
        keep_decoded: Whether decoded pictures are kept in the cache. None: where a split takes at most half of it.

    Raises:
        ConfigError: An argument out of range; neither size nor module.
    """

    feed_names: ClassVar[tuple[str, ...]] = ("image",)
    max_seq_len = 1

    def __init__(
        self,
        image_width: int | None = None,
        image_height: int | None = None,
        dataset: Any = None,
        channel_order: str | None = None,
        images_mean: Any = None,
        images_std: Any = None,
        data_augmentation: bool = False,
        random_seed: int | None = None,
        *,
        augment: str | Augment | Own | None = None,
        crop_pct: float | None = None,
        crop_mode: str | None = None,
        interpolation: str | None = None,
        module: Any = None,
        keep_decoded: bool | None = None,
    ) -> None:
        self.dataset, self.random_seed, self.keep_decoded = dataset, random_seed, keep_decoded
        mean = getattr(dataset, "images_mean", None) if images_mean is None else images_mean
        std = getattr(dataset, "images_std", None) if images_std is None else images_std
        given: dict[str, Any] = {
            "width": image_width,
            "height": image_height,
            "mean": None if mean is None else three("images_mean", mean),
            "std": None if std is None else three("images_std", std),
            "crop_pct": crop_pct,
            "crop_mode": crop_mode,
            "interpolation": interpolation,
            "channel_order": None if channel_order is None else str(channel_order).upper(),
        }
        self._given = {name: value for name, value in given.items() if value is not None}
        self._columns: dict[str, tuple[Any, ImageColumns]] = {}
        self.pad = Padding({})
        name = augment if augment is not None else "standard" if data_augmentation else "none"
        self.augment, self.augment_name = known(name), name if isinstance(name, str) else _called(name)
        if module is None and not {"width", "height"} <= set(self._given):
            raise ConfigError(
                "a reader of pictures without a size",
                expected="image_width=module.get_expected_image_width(), image_height=…, or module=…",
            )
        self.process = Preprocess(**self._given) if module is None else self._following(module.preprocess)

    def following(self, preprocess: Preprocess) -> Self:
        """This reader with what was not given taken from a module's own preprocessing.

        A task reads with it, so that one reader may serve tasks on several modules.
        """
        made = copy.copy(self)
        made.process, made._columns = self._following(preprocess), {}
        return made

    def _following(self, preprocess: Preprocess) -> Preprocess:
        own = {name: getattr(preprocess, name) for name in Preprocess.__dataclass_fields__}
        return Preprocess(**{**own, **self._given})

    @property
    def label_map(self) -> dict[str, int]:
        """Label name → id."""
        index: dict[str, int] = self.dataset.label_index if self.dataset is not None else {}
        return index

    @property
    def fingerprint(self) -> str:  # type: ignore[override]  # follows the module's preprocessing
        """What a run's outcome depends on beside the rows."""
        augment = f"{self.augment_name} {identity(self.augment)[:16]}" if self.augment is not None else "none"
        return f"{type(self).__name__}({self.process}, augment={augment}, random_seed={self.random_seed})"

    def targets(self, dataset: BaseDataset, phase: str) -> npt.NDArray[Any]:
        """Label ids, int64 ``[rows]``; where the data set has label sets, flags, uint8 ``[rows, labels]``."""
        return rows_targets.label_sets(dataset, phase) if dataset.kind == "labels" else dataset.label_ids(phase)

    def columns(self, phase: str, dataset: BaseDataset | None = None, *, keep: bool = True) -> ImageColumns:
        """The columns of a split; made when they are first asked for, and when the split was assigned anew.

        Raises:
            ConfigError: No data set.
            DataError: A label that is not known, a picture that is not there, or cannot be decoded while it is kept.
        """
        dataset = dataset if dataset is not None else self.dataset
        if dataset is None:
            raise ConfigError("a reader without a data set", fix="ImageClassificationReader(…, dataset=…)")
        examples: Sequence[Any] = dataset.get_examples(phase)
        known_rows, columns = self._columns.get(phase, (None, None))
        if keep and columns is not None and known_rows is examples:
            return columns
        predict = phase in ("predict", "inference")
        labels = None if predict else self.targets(dataset, phase)
        augment = self.augment if phase == "train" else None
        files = Files(paths_of(examples), self.process, cropped=augment is None)
        source = keep_of(files, phase, self.keep_decoded) if keep and not predict else files
        made = ImageColumns(files, source, labels, augment, self.random_seed, examples)
        if keep:
            self._columns[phase] = (examples, made)
        return made

    def encode(self, rows: Sequence[Any]) -> ImageColumns:
        """Columns of pictures that are in no split. Nothing is kept.

        Args:
            rows: Paths, pictures of Pillow's or arrays uint8 ``[h, w, 3]``; ``[path]`` or ``(path, label)``.

        Raises:
            DataError: Something else.
        """
        files = Files(_pictures(rows), self.process, cropped=True)
        return ImageColumns(files, files, None, examples=rows)

    def save(self, folder: Path) -> None:
        """Nothing: `settings` say how pictures are prepared."""

    def shown(self, row: Any, place: int = 0) -> dict[str, Any]:
        """``path``; of a picture that was given itself the file that Pillow had it from, or its place."""
        given = _itself(row)
        if isinstance(given, Image.Image | np.ndarray):
            return {"path": str(getattr(given, "filename", "")) or f"picture {place}"}
        return {"path": path_of(row, place)}

    def digest_of(self, rows: Sequence[Any]) -> str:
        """Of the pictures' names, sizes and labels."""
        return fingerprint(rows)

    def data_generator(
        self,
        batch_size: int = 1,
        phase: str = "train",
        shuffle: bool = False,
        data: Sequence[Any] | None = None,
        return_list: bool = True,
    ) -> Callable[[], Iterator[Any]]:
        """A callable that yields 1.x's batches: float32 ``[B, 3, H, W]``; then labels ``[B, 1]``, not in ``predict``.

        Each call is another epoch of the augmentation.
        """
        columns = self.columns(phase) if data is None else self.encode(data)
        order = np.random.permutation(len(columns)) if shuffle and phase == "train" else np.arange(len(columns))
        epoch = 0

        def batches() -> Iterator[Any]:
            nonlocal epoch
            drawn, epoch = columns.at_epoch(epoch), epoch + 1
            for start in range(0, len(order), batch_size):
                made = drawn.batch(order[start : start + batch_size])
                arrays = [made["image"]] + ([made["labels"][:, None]] if "labels" in made else [])
                yield [arrays] if return_list else arrays

        return batches

    def contact_sheet(
        self,
        phase: str = "train",
        pictures: int = 16,
        epoch: int = 0,
        seed: int = 0,
        dataset: BaseDataset | None = None,
    ) -> bytes:
        """What the network really sees of a split, as the bytes of a PNG: augmented, cropped, its labels beneath.

        Args:
            phase: Of the rows.
            pictures: How many, spread over the split.
            epoch: Whose draws; from 0.
            seed: Of the run.
            dataset: None: the reader's own.
        """
        dataset = dataset if dataset is not None else self.dataset
        columns = self.columns(phase, dataset).at_epoch(epoch, seed)
        rows = np.unique(np.linspace(0, max(0, len(columns) - 1), pictures).astype(np.int64))[: len(columns)]
        made = columns.batch(rows)
        names = [] if dataset is None else dataset.label_list
        captions = [_caption(names, label) for label in made["labels"]] if "labels" in made else []
        return contact_sheet([self.process.shown(image) for image in made["image"]], captions)

    def settings(self) -> dict[str, Any]:
        """What a saved model must know to read new pictures as the training rows were read."""
        fields = {name: getattr(self.process, name) for name in Preprocess.__dataclass_fields__}
        return {"reader": type(self).__name__, "max_seq_len": self.max_seq_len, "preprocess": fields}

    @classmethod
    def reopened(cls, folder: Path, settings: Mapping[str, Any]) -> "ImageClassificationReader":
        """The reader of a saved model, for prediction."""
        said = dict(settings["preprocess"])
        return cls(
            said.pop("width"), said.pop("height"), images_mean=said.pop("mean"), images_std=said.pop("std"), **said
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.process}, augment={self.augment_name})"


def _itself(row: Any) -> Any:
    """What stands for the picture in a row."""
    return row[0] if isinstance(row, list | tuple) and len(row) in (1, 2) else row


def _pictures(rows: Sequence[Any]) -> Sequence[Any]:
    """Paths of rows, or the pictures themselves."""
    if isinstance(rows, Pictures):
        return paths_of(rows)
    return [_picture(row, place) for place, row in enumerate(rows)]


def _picture(row: Any, place: int) -> Any:
    given = _itself(row)
    if isinstance(given, Image.Image):
        return given
    return checked(given, f"row {place}") if isinstance(given, np.ndarray) else path_of(row, place)


def _caption(names: Sequence[str], label: Any) -> str:
    """The name of a label id, or those of a label set's flags."""
    if np.ndim(label) == 0:
        return names[int(label)]
    return ", ".join(name for name, flag in zip(names, label, strict=True) if flag) or "none"


def _called(augment: Any) -> str:
    """An augmentation of the user's, for people."""
    name = getattr(augment, "__qualname__", None)
    return f"{augment.__module__}.{name}" if name else PLACE.sub("", repr(augment))
