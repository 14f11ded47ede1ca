"""Classification: a feature, a linear layer or the architecture's own head, cross-entropy."""

from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from transferhub import layers
from transferhub.engine.config import RunConfig
from transferhub.engine.evaluation import Answers
from transferhub.engine.objective import Meter
from transferhub.errors import ConfigError
from transferhub.graph import Variable
from transferhub.log import logger
from transferhub.metrics.choices import NAMES, Metric, chosen, meanings
from transferhub.module import Module
from transferhub.network import preset
from transferhub.reader import Columns, TextReader
from transferhub.task.class_meter import ClassMeter
from transferhub.task.losses import Criterion, cross_entropy
from transferhub.task.predictions import ClassPredictions
from transferhub.task.scored import ScoredSplit, Shown, show_classes
from transferhub.task.text_task import TextTask


class TextClassifierTask(TextTask):
    """Text and text-pair classification.

    The long door gives reader, feature and feeds; the short door a module and a data set, the rest has defaults.

    Args:
        num_classes: How many labels; None: the data set's.
        feature: The Variable that the head stands on, ``[B, width]``: a module's output, or that of a network of one's
            own over it (`hub.layers`, `hub.apply`, `transferhub.fluid`); None: the module's ``pooled_output``.
        hidden_units: Sizes of hidden layers between feature and output. None: where the feature is the module's own,
            the architecture's own head, so that the best model opens with ``AutoModelForSequenceClassification``.
        dataset: A data set, or what `hub.dataset.load` takes: a file, a folder, a DataFrame …; None: the reader's.
        feed_list: Names of the inputs; None: the reader's own.
        data_reader: None: a `ClassifyReader` over the module's tokenizer.
        startup_program: Accepted for scripts of 1.x.
        config: None: with a reader, 1.x's ``RunConfig()``; with a module, AdamW at 5e-5, 3 epochs, batches of 32.
        metrics_choices: Of ``acc f1 precision recall matthews balanced_acc``, ``f1_macro f1_micro f1_weighted`` (and
            so for precision and recall), and functions ``(labels, predictions) -> float`` over a whole split, int64
            ids in the rows' order. The first chooses the best model; higher is better. With two classes, f1, precision
            and recall are of the second in `labels`; with more, the mean over classes.
        class_weight: Of training rows: None, 1 each; ``"balanced"``, rows / (classes × rows of the class); or
            ``{label name: weight}``, used as it is.
        loss: ``cross_entropy``, or ``focal`` for rare classes (Lin et al. 2017). Class weights go with both.
        focal_gamma: Of the focal loss: the larger, the less do rows count that are right already. None: 2.
        label_smoothing: The part of a label that is spread over all classes, from 0 to below 1; not with ``focal``.
        module: A module or its name.
        max_seq_len: Tokens a text may have, where the task makes its own reader. None: 128.
        token_feature: Vectors of tokens ``[B, L, width]``, with `network` in place of `feature`.
        network: A preset of `hub.network` over `token_feature`: ``bow cnn dpcnn gru lstm bilstm``.
        long_text: Likewise, what becomes of longer ones: ``truncate``, ``head_tail`` or ``window``, as for
            `ClassifyReader`.
        label_list: Label names in the order of their ids; None: the data set's.

    Raises:
        ConfigError: Neither reader nor module, a ``num_classes`` that disagrees with the data set, wrong feeds, a
            metric or a loss that does not exist, class weights for other labels.
        DataError: The data set's files or labels are not right.
    """

    pipeline_tag = "text-classification"

    def __init__(
        self,
        num_classes: int | Variable | None = None,
        feature: Variable | int | None = None,
        hidden_units: Sequence[int] | None = None,
        dataset: Any = None,
        feed_list: Sequence[str] | None = None,
        data_reader: TextReader | None = None,
        startup_program: Any = None,
        config: RunConfig | None = None,
        metrics_choices: str | Metric | Sequence[str | Metric] | None = "default",
        *,
        module: Module | str | Path | None = None,
        max_seq_len: int | None = None,
        long_text: str = "truncate",
        token_feature: Variable | None = None,
        network: str | None = None,
        label_list: Sequence[str] | None = None,
        class_weight: str | Mapping[Any, float] | None = None,
        loss: str = "cross_entropy",
        focal_gamma: float | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        if isinstance(num_classes, Variable):  # 1.6 and before: (feature, num_classes, feed_list, data_reader)
            third: Any = hidden_units
            fourth: Any = dataset
            num_classes, feature = cast("int | None", feature), num_classes
            if isinstance(fourth, TextReader):
                feed_list, data_reader, hidden_units, dataset = third, fourth, None, None
        if (token_feature is None) != (network is None) or (token_feature is not None and feature is not None):
            raise ConfigError(
                f"feature={_said(feature)}, token_feature={_said(token_feature)}, network={network!r}",
                expected="feature; or token_feature and network",
            )
        if token_feature is not None and network is not None:
            feature = preset(network)(token_feature)
        self._choice = chosen(metrics_choices, ["acc"])
        super().__init__(
            cast("Variable | None", feature),
            hidden_units,
            dataset,
            feed_list,
            data_reader,
            config,
            list(self._choice),
            module=module,
            max_seq_len=max_seq_len,
            label_list=label_list,
            reader_options={"long_text": long_text},
        )
        self.label_list = known_labels(num_classes, self.label_list)
        self.criterion = Criterion(self.label_list, class_weight, loss, focal_gamma, label_smoothing)
        self._weights: Tensor | None = None
        self._prepared = class_weight is None

    @property
    def num_classes(self) -> int:
        """How many labels there are."""
        return len(self.label_list)

    def _build_net(self) -> list[Variable]:
        """The logits, ``[B, classes]``."""
        return [self.logits(self.head(self.num_classes), self.num_classes)]

    def _add_label(self) -> list[Variable]:
        """The labels' ids, ``[B, 1]``."""
        return [layers.data("label", (-1, 1), "int64")]

    def losses(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        """What training minimises, of each row; class weights are those of the rows of this task's run."""
        if self._overrides("_add_loss"):
            return super().losses(outputs, batch)
        if not self._prepared:
            self.prepare(self.reader.columns("train", self.rows()))
        logits = outputs["logits"]
        weights = None if self._weights is None else self._weights.to(logits.device)
        return self.criterion(logits, batch["labels"], weights)

    def evaluation_losses(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        """Cross-entropy of each row, whatever training minimises: so losses on dev compare between settings."""
        return cross_entropy(outputs["logits"], batch["labels"])

    def prepare(self, train: Columns) -> list[str]:
        """Weigh the classes by the training rows; say what the scores are of, and a loss that is not the plain one."""
        assert train.labels is not None
        weights = self.criterion.weights(train.labels)
        self._weights, self._prepared = None if weights is None else torch.from_numpy(weights), True
        said = self.criterion.sentence(weights)
        return [*meanings(self._choice, self.label_list), *([said] if said else [])]

    def settings(self) -> dict[str, Any]:
        """The base's, and the loss where it is not plain cross-entropy."""
        return {**super().settings(), **self.criterion.settings()}

    def meter(self, columns: Columns | None = None) -> Meter:
        """Counts for the chosen metrics; what a subclass has of its own, where its loss and metrics are Variables."""
        if self._overrides("_add_loss") and self._overrides("_add_metrics", "_calculate_metrics"):
            return super().meter(columns)
        return ClassMeter(self.num_classes, self._choice, examples=columns.examples if columns is not None else ())

    def answers(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> npt.NDArray[np.float32]:
        """The probability of each label, float32 ``[B, classes]``."""
        values: npt.NDArray[np.float32] = torch.softmax(outputs["logits"].float(), dim=-1).cpu().numpy()
        return values

    def run_results(self, answers: Answers) -> list[Any]:
        """The probabilities."""
        return [answers]

    def predictions(
        self,
        answers: Answers,
        rows: Sequence[Any],
        columns: Columns | None = None,
        label_list: Sequence[str] | None = None,
    ) -> ClassPredictions:
        """With label names and probabilities."""
        return ClassPredictions(self.run_states(answers), rows, self.reader, label_list or self.label_list)

    def shown(self, split: ScoredSplit) -> Shown:
        """Confusions and the worst mistakes."""
        return show_classes(split, self.reader)

    @classmethod
    def saved_options(cls, description: Mapping[str, Any]) -> dict[str, Any]:
        """The metrics by name; functions are not saved."""
        names = [name for name in description["metrics"] if name in NAMES]
        functions = [name for name in description["metrics"] if name not in NAMES]
        if functions:
            logger.warning(
                "The metrics %s are functions of a script, which are not saved: it is evaluated by %s",
                ", ".join(functions),
                ", ".join(names) or "acc",
            )
        return {"metrics_choices": names or "default"}


def known_labels(num_classes: object, label_list: Sequence[str], least: int = 2) -> list[str]:
    """The names of the labels: the data set's, or the numbers from 0 where it has none.

    Raises:
        ConfigError: Another number of classes than the data set has labels, or fewer than `least`.
    """
    if num_classes is not None and not isinstance(num_classes, Integral):
        raise ConfigError(f"num_classes={num_classes!r}", expected="a whole number, or None: the data set's")
    if num_classes is not None and label_list and num_classes != len(label_list):
        raise ConfigError(
            f"num_classes={num_classes}, but the data set has {len(label_list)} labels: "
            + ", ".join(map(repr, label_list[:10])),
            fix="num_classes=dataset.num_labels, or leave it out",
        )
    if not label_list and isinstance(num_classes, Integral):
        label_list = [str(index) for index in range(int(num_classes))]
    if len(label_list) < least:
        expected = "at least two to tell apart" if least == 2 else "at least one"
        raise ConfigError(f"{len(label_list)} labels: {list(label_list)}", expected=expected)
    return list(label_list)


def _said(variable: object) -> str:
    return variable.name if isinstance(variable, Variable) else repr(variable)[:60]
