"""What tasks on pictures share: the long door and the short one, the head, what is predicted and evaluated."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from PIL import Image

from transferhub.dataset import BaseDataset, binary, load_images
from transferhub.dataset.base_cv_dataset import PictureDataset
from transferhub.dataset.kind_checks import label_columns
from transferhub.dataset.picture_checks import whole_rows
from transferhub.dataset.picture_folders import labelled_rows
from transferhub.dataset.picture_tables import (
    PATH_NAMES,
    TABLES,
    column_of,
    paths_in,
    refuse_columns,
    refuse_text_flags,
)
from transferhub.dataset.picture_tree import below, say_others
from transferhub.dataset.raw import reading, suffix_of
from transferhub.engine.config import RunConfig
from transferhub.errors import ConfigError, DataError
from transferhub.graph import Node, Variable
from transferhub.graph.heads import FullyConnectedSource
from transferhub.image import SUFFIXES
from transferhub.log import logger
from transferhub.module import Module
from transferhub.module.image import ImageModule, ImageSource
from transferhub.reader import ImageClassificationReader, Reader
from transferhub.strategy import AdamWeightDecayStrategy
from transferhub.task.arguments import layer_sizes, opened
from transferhub.task.base_task import BaseTask
from transferhub.task.saved_network import modules_of

OTHER = {"classes": "MultiLabelImageClassifierTask", "labels": "ImageClassifierTask"}  # where rows are of another kind
ROWS = {"classes": "one label a picture", "labels": "label sets"}


class ImageTask(BaseTask):
    """A head on a feature of pictures; see `ImageClassifierTask` for the arguments."""

    pipeline_tag = "image-classification"
    usage = 'predict(["picture.jpg"]).labels'
    described: ClassVar[Mapping[str, tuple[type, ...]]] = {
        "hidden_units": (list, type(None)),
        "dropout": (float, int),
        "preprocess": (dict,),
    }
    kind: ClassVar[str] = "classes"
    problem_type: ClassVar[str] = "single_label_classification"
    """What transformers calls it in a saved model's configuration."""
    feature_name: ClassVar[str] = "feature_map"
    usual_rate: ClassVar[float] = 3e-4

    def __init__(
        self,
        feature: Variable | None,
        dataset: Any,
        feed_list: Sequence[str] | None,
        data_reader: Reader | None,
        config: RunConfig | None,
        hidden_units: Sequence[int] | None,
        metrics_choices: str | Sequence[str] | None,
        *,
        module: Module | str | Path | None,
        augment: Any,
        freeze: bool,
        head_rate: float,
        dropout: float,
        label_list: Sequence[str] | None,
    ) -> None:
        module = opened(module)
        if dataset is not None and not isinstance(dataset, BaseDataset):
            dataset = load_images(dataset, kind=self.kind)
        if feature is None:
            feature = _own_feature(type(self).__name__, module, trainable=not freeze)
        elif freeze:
            raise ConfigError("freeze=True with feature=", fix="module.context(trainable=False) freezes it")
        if not isinstance(feature, Variable) or len(feature.shape) != 2:
            said = f"{feature.name} {feature.shape}" if isinstance(feature, Variable) else f"{feature!r:.60}"
            raise ConfigError(f"feature={said}", expected='one vector a picture: outputs["feature_map"], [B, width]')
        if data_reader is None:
            given = augment if augment is not None else "none"
            data_reader = ImageClassificationReader(dataset=dataset, module=_module_of(feature), augment=given)
            strategy = AdamWeightDecayStrategy(learning_rate=self.usual_rate)
            config = config or RunConfig(num_epoch=5, strategy=strategy)
        source = feature.node.source if feature.node else None
        if isinstance(data_reader, ImageClassificationReader) and isinstance(source, ImageSource):
            data_reader = data_reader.following(source.module.preprocess)
            if not source.trainable and data_reader.augment is not None:
                logger.info(
                    "The frozen network is computed for all training pictures in every epoch, for augment=%s draws "
                    'them anew: augment="none" (--augment none) computes it once',
                    data_reader.augment_name,
                )
        if isinstance(data_reader, ImageClassificationReader) and not (dataset is None and data_reader.dataset is None):
            for used in modules_of([feature]):  # not where a saved task is opened, which has no rows
                if isinstance(used, ImageModule):
                    used.check_size(data_reader.process.width, data_reader.process.height)
        if not 0 <= dropout < 1 or not head_rate > 0:
            raise ConfigError(f"dropout={dropout}, head_rate={head_rate}", expected="from 0 to below 1; above 0")
        self.feature, self.hidden_units = feature, layer_sizes(hidden_units)
        self.head_rate, self.dropout = float(head_rate), float(dropout)
        rows = dataset if dataset is not None else getattr(data_reader, "dataset", None)
        if rows is not None and rows.kind != self.kind:
            raise ConfigError(
                f"{type(self).__name__}: the rows of {rows.name} have {ROWS.get(rows.kind, rows.kind)}",
                expected=ROWS[self.kind],
                fix=f"hub.{OTHER[self.kind]} learns those" if rows.kind in OTHER else None,
            )
        super().__init__(dataset, feed_list, data_reader, None, None, config, metrics_choices, label_list=label_list)
        self.check_feed_list()

    def _build_net(self) -> list[Variable]:
        """The logits, ``[B, labels]``."""
        labels = len(self.label_list)
        head = FullyConnectedSource(self.feature.shape[-1], labels, self.hidden_units or (), self.dropout)
        head.lr_scale = self.head_rate
        node = Node(head, {"feature": self.feature})
        return [Variable("logits", (-1, labels), "float32", node, "logits", self.feature.block)]

    def saved_variables(self) -> list[Variable]:
        """The feature: the head is made again from the description."""
        return [self.feature]

    def settings(self) -> dict[str, Any]:
        """The base's, and how the head moves."""
        return {**super().settings(), "head_rate": self.head_rate}

    def description(self) -> dict[str, Any]:
        """The base's, and the head."""
        return {**super().description(), "hidden_units": self.hidden_units, "dropout": self.dropout}

    @classmethod
    def from_description(cls, description: Mapping[str, Any], network: Sequence[Variable], reader: Reader) -> Self:
        """Build a task as it was saved, on its feature."""
        saved: dict[str, Any] = {
            "label_list": description["labels"],
            "hidden_units": description["hidden_units"],
            "dropout": description["dropout"],
            "metrics_choices": description["metrics"],
            **cls.saved_options(description),
        }
        return cls(feature=network[0], data_reader=reader, **saved)

    @classmethod
    def saved_options(cls, description: Mapping[str, Any]) -> dict[str, Any]:
        """Further arguments of the class, or other values for those it has, from a description."""
        return {}

    def pictures(self) -> list[tuple[str, bytes]]:
        """Training pictures of the first epoch as the network sees them."""
        if not isinstance(self.reader, ImageClassificationReader):
            return []
        sheet = self.reader.contact_sheet("train", seed=self.config.seed, dataset=self.rows())
        return [("What the network sees in the first epoch", sheet)]

    def dataset_of(self, rows: Sequence[Any]) -> BaseDataset:
        """A data set whose test rows these are."""
        made = PictureDataset(None)
        made.kind = self.kind
        made.set_labels(self.label_list)
        made.test_examples = rows
        return made

    def rows_to_predict(self, data: Any) -> Sequence[Any]:
        """The pictures that `predict` was given, in their order, whatever their sizes.

        Args:
            data: Paths of pictures; pictures of Pillow's; arrays uint8 ``[h, w, 3]``, red first; any of them mixed, or
                one alone; ``[[path], …]`` as 1.x has it; an array ``[n, h, w, 3]``; a folder; a table or list of paths,
                in a file or a pandas DataFrame. None: the data set's predict list.

        Raises:
            DataError: Something else, or no predict list.
        """
        if data is None:
            if self.dataset is None or not len(self.dataset.predict_examples):
                raise DataError("nothing to predict", expected="data=[path, …], or a data set with a predict list")
            return self.dataset.predict_examples
        if isinstance(data, str | Path):
            return self.rows_of_file(Path(data), labelled=False)
        if isinstance(data, Image.Image | np.ndarray):
            return list(data) if isinstance(data, np.ndarray) and data.ndim == 4 else [data]
        if binary.is_frame(data):
            table = binary.frame(data)
            try:
                column = column_of(table, "path", None, PATH_NAMES, 0)
            except DataError as error:
                raise DataError(
                    error.what, expected=f"one of {', '.join(PATH_NAMES)}", fix='predict(list(frame["COLUMN"]))'
                ) from None
            return [path for _, (path,) in table.read([column])]
        if isinstance(data, Mapping) or not isinstance(data, Iterable):
            raise DataError(
                f"{data!r:.60} cannot be predicted",
                expected="paths of pictures, pictures of Pillow's, arrays uint8 [h, w, 3], or a folder",
            )
        return [row[0] if isinstance(row, list | tuple) and row else row for row in data]

    def without_broken(self, rows: Any) -> Sequence[Any]:
        """What `predict` or `evaluate` takes, without the pictures that cannot be decoded; they are named in the log.

        Raises:
            DataError: None can be decoded.
        """
        is_table = isinstance(rows, str | Path) or binary.is_frame(rows)
        return whole_rows(self.rows_to_predict(rows) if is_table else rows, "those given")

    def rows_of_file(self, path: Path, *, labelled: bool, **how: Any) -> Sequence[Any]:
        """The pictures of a file: a picture; the pictures of a folder; those that a table or a list names.

        Args:
            path: With labels, what `hub.dataset.load_images` reads; of several splits the test pictures.
            labelled: Whether there must be labels.
            how: ``columns``: ``text``, the column of paths, and ``label``, where rows have label sets also several
                with commas between. What says how texts are read is refused.
        """
        columns: Mapping[str, str | None] = how.get("columns") or {}
        refuse_text_flags({**(how.get("form") or {}), "text_pair": columns.get("text_pair")})
        if labelled:
            label = label_columns(columns.get("label"), self.kind)
            return labelled_rows(path, self.label_list, columns.get("text"), label, self.kind)
        if suffix_of(path) in (*TABLES, ".txt") and path.is_file():
            return paths_in(path, columns.get("text"))
        refuse_columns(path, columns.get("text"))
        return pictures_in(path)


def pictures_in(path: Path) -> list[str]:
    """A picture's path, or those of all pictures below a folder, as training sees them, in the order of their names.

    Raises:
        DataError: There is none.
    """
    if path.is_file():
        return [str(path)]
    found: list[bytes] = []
    if path.is_dir():
        with reading(path):
            found, others = below(os.fsencode(path))
        say_others(path, others)
    if not found:
        raise DataError(
            f"{path} " + ("holds no pictures" if path.is_dir() else "does not exist"),
            expected=f"a picture, or a folder of them: {' '.join(sorted(SUFFIXES))}",
        )
    return sorted(str(path / os.fsdecode(name)) for name in found)


def _own_feature(task: str, module: Module | None, *, trainable: bool) -> Variable:
    if not isinstance(module, ImageModule):
        said = "a task without a network" if module is None else f"{module.name} is no image network"
        raise ConfigError(
            said,
            expected=f'{task}(module="timm:resnet18", dataset=…), or feature= and data_reader=',
            fix="fractal-mini is here; timm:NAME, hf:OWNER/NAME, a folder of either; `hub list --all` shows more",
        )
    _, outputs, _ = module.context(trainable=trainable)
    return outputs["feature_map"]


def _module_of(feature: Variable) -> ImageModule:
    source = feature.node.source if feature.node else None
    if not isinstance(source, ImageSource):
        raise ConfigError(f"no reader is known for the feature {feature.name!r}", fix="give data_reader=")
    return source.module
