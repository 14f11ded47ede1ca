"""Classification of pictures: an image network's feature, a new linear layer; one label each, or any number."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from transferhub.engine.config import RunConfig
from transferhub.graph import Variable
from transferhub.metrics.choices import Metric, chosen
from transferhub.module import Module
from transferhub.reader import Reader
from transferhub.task.class_task import ClassTask
from transferhub.task.image_task import ImageTask
from transferhub.task.label_sets import LabelSetTask


class ImageClassifierTask(ClassTask, ImageTask):
    """Classification of pictures, one label each; `MultiLabelImageClassifierTask` gives any number.

    The long door gives reader, feature and feeds; the short door a module and pictures, the rest has defaults.

    Args:
        feature: The Variable that the head stands on, ``[B, width]``; None: the module's ``feature_map``.
        num_classes: How many labels; None: the data set's.
        dataset: A picture data set, or what `hub.dataset.load_images` takes: a folder of a folder a class, a list
            file, a table with paths …; None: the reader's.
        feed_list: Names of the inputs; None: the reader's own.
        data_reader: None: an `ImageClassificationReader` with the module's preprocessing.
        startup_program: Accepted for scripts of 1.x.
        config: None: with a reader, 1.x's ``RunConfig()``; with a module, AdamW at 3e-4, 5 epochs, batches of 32.
        hidden_units: Sizes of hidden layers between feature and output.
        metrics_choices: As for `TextClassifierTask`: ``acc f1_macro top_5`` …
        module: A module or its name.
        augment: Of the training pictures, where the task makes its own reader: ``none light standard strong``, or a
            function; see `ImageClassificationReader`.
        freeze: Whether the pretrained part stays as it is: only the head learns, and without augmentation every
            picture goes through the network once.
        head_rate: How many times the strategy's rate the head moves at: d2l's fine-tuning has 10.
        dropout: Before the head's layers.
        label_list: Label names in the order of their ids; None: the data set's.
        class_weight: As for `TextClassifierTask`; likewise `loss`, `focal_gamma`, `label_smoothing`.
        loss: See above.
        focal_gamma: See above.
        label_smoothing: See above.

    Raises:
        ConfigError: Neither reader nor module, a text module, wrong feeds, a ``num_classes`` that disagrees with the
            data set, a metric or a loss that does not exist.
        DataError: The pictures or labels are not right.
    """

    def __init__(
        self,
        feature: Variable | None = None,
        num_classes: int | None = None,
        dataset: Any = None,
        feed_list: Sequence[str] | None = None,
        data_reader: Reader | None = None,
        startup_program: Any = None,
        config: RunConfig | None = None,
        hidden_units: Sequence[int] | None = None,
        metrics_choices: str | Metric | Sequence[str | Metric] | None = "default",
        *,
        module: Module | str | Path | None = None,
        augment: Any = "light",
        freeze: bool = False,
        head_rate: float = 1.0,
        dropout: float = 0.0,
        label_list: Sequence[str] | None = None,
        class_weight: str | Mapping[Any, float] | None = None,
        loss: str = "cross_entropy",
        focal_gamma: float | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        choice = chosen(metrics_choices, ["acc"])
        super().__init__(
            feature,
            dataset,
            feed_list,
            data_reader,
            config,
            hidden_units,
            list(choice),
            module=module,
            augment=augment,
            freeze=freeze,
            head_rate=head_rate,
            dropout=dropout,
            label_list=label_list,
        )
        self.learn_classes(
            num_classes,
            choice,
            class_weight=class_weight,
            loss=loss,
            focal_gamma=focal_gamma,
            label_smoothing=label_smoothing,
        )


class MultiLabelImageClassifierTask(LabelSetTask, ImageTask):
    """Any number of labels a picture: a yes-or-no decision for each, by the binary cross-entropy.

    Thresholds are chosen on dev, label by label, as by `MultiLabelClassifierTask`, which does the same for texts.

    Args:
        feature: As for `ImageClassifierTask`, and so what is not said here.
        num_classes: How many labels; None: the data set's.
        dataset: A picture data set with label sets, or what ``hub.dataset.load_images(…, kind="labels")`` takes: a
            table or a list of paths and labels …; None: the reader's.
        feed_list: See above.
        data_reader: See above.
        startup_program: Accepted for scripts of 1.x.
        config: See above.
        hidden_units: See above.
        metrics_choices: Of ``auc auc_LABEL subset_acc f1_micro f1_macro`` (and so for precision and recall). The first
            chooses the best model. Default: ``auc``, the mean over labels, ``f1_micro``, ``f1_macro``.
        module: See above.
        augment: See above.
        freeze: See above.
        head_rate: See above.
        dropout: See above.
        label_list: See above.

    Raises:
        ConfigError: As `ImageClassifierTask`; rows that have one label each.
        DataError: The pictures or labels are not right.
    """

    problem_type = "multi_label_classification"
    described: ClassVar[Mapping[str, tuple[type, ...]]] = {**ImageTask.described, "thresholds": (dict,)}

    def __init__(
        self,
        feature: Variable | None = None,
        num_classes: int | None = None,
        dataset: Any = None,
        feed_list: Sequence[str] | None = None,
        data_reader: Reader | None = None,
        startup_program: Any = None,
        config: RunConfig | None = None,
        hidden_units: Sequence[int] | None = None,
        metrics_choices: str | Sequence[str] | None = "default",
        *,
        module: Module | str | Path | None = None,
        augment: Any = "light",
        freeze: bool = False,
        head_rate: float = 1.0,
        dropout: float = 0.0,
        label_list: Sequence[str] | None = None,
    ) -> None:
        super().__init__(
            feature,
            dataset,
            feed_list,
            data_reader,
            config,
            hidden_units,
            metrics_choices,
            module=module,
            augment=augment,
            freeze=freeze,
            head_rate=head_rate,
            dropout=dropout,
            label_list=label_list,
        )
        self.learn_label_sets(num_classes, metrics_choices)
