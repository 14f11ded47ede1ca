"""Classification: a feature, a linear layer or the architecture's own head, cross-entropy."""

from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from transferhub.dataset import BaseDataset, Examples, load
from transferhub.dataset.files import header_of
from transferhub.engine.config import RunConfig
from transferhub.errors import ConfigError
from transferhub.graph import Node, Variable
from transferhub.graph.heads import FullyConnectedSource, MeanOfPiecesSource
from transferhub.graph.variable import walk_back
from transferhub.log import logger
from transferhub.metrics.choices import Metric, chosen, meanings
from transferhub.metrics.classification import NAMES
from transferhub.module import Module
from transferhub.module.architecture_head import ArchitectureHeadSource
from transferhub.module.transformer import EncoderSource, TransformerModule
from transferhub.network import preset
from transferhub.reader import ClassifyReader, Columns, TextReader
from transferhub.strategy import AdamWeightDecayStrategy
from transferhub.task.base_task import BaseTask
from transferhub.task.class_meter import ClassMeter
from transferhub.task.losses import Criterion, cross_entropy

AUTO_CLASS = "AutoModelForSequenceClassification"


class TextClassifierTask(BaseTask):
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
        labels: Label names in the order of their ids; None: the data set's.

    Raises:
        ConfigError: Neither reader nor module, a ``num_classes`` that disagrees with the data set, wrong feeds, a
            metric or a loss that does not exist, class weights for other labels.
        DataError: The data set's files or labels are not right.
    """

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
        labels: Sequence[str] | None = None,
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
        if isinstance(module, str | Path):
            module = Module(name=str(module))
        if module is not None and not isinstance(module, Module):
            raise ConfigError(f"module={module!r:.60}", expected="a module of transferhub, or its name or path")
        if dataset is not None and not isinstance(dataset, BaseDataset):
            dataset = load(dataset)
        length_given: object = max_seq_len
        if length_given is not None and not isinstance(length_given, Integral):
            raise ConfigError(f"max_seq_len={max_seq_len!r}", expected="a whole number of tokens")
        if (token_feature is None) != (network is None) or (token_feature is not None and feature is not None):
            raise ConfigError(
                f"feature={_said(feature)}, token_feature={_said(token_feature)}, network={network!r}",
                expected="feature; or token_feature and network",
            )
        if token_feature is not None and network is not None:
            feature = preset(network)(token_feature)
        if feature is None:
            feature = _own_feature(module, max_seq_len)
        if not isinstance(feature, Variable) or len(feature.shape) != 2:
            said = f"{feature.name} {feature.shape}" if isinstance(feature, Variable) else f"{feature!r:.60}"
            raise ConfigError(f"feature={said}", expected='one vector a text: outputs["pooled_output"], [B, width]')
        if data_reader is None:
            encoder = _encoder_of(feature)
            length = encoder.usual_length if max_seq_len is None else max_seq_len
            data_reader = ClassifyReader(
                vocab_path=encoder.get_vocab_path(),
                dataset=dataset,
                max_seq_len=length,
                sp_model_path=encoder.get_spm_path(),
                word_dict_path=encoder.get_word_dict_path(),
                long_text=long_text,
            )
            config = config or RunConfig(num_epoch=3, strategy=AdamWeightDecayStrategy(learning_rate=5e-5))
        _refuse_too_long(feature, data_reader)
        dataset = dataset if dataset is not None else data_reader.dataset
        labels = labels if labels is not None else (dataset.label_list if dataset is not None else [])
        said_classes: object = num_classes
        if said_classes is not None and not isinstance(said_classes, Integral):
            raise ConfigError(f"num_classes={num_classes!r}", expected="a whole number, or None: the data set's")
        if num_classes is not None and labels and num_classes != len(labels):
            raise ConfigError(
                f"num_classes={num_classes}, but the data set has {len(labels)} labels: "
                + ", ".join(map(repr, labels[:10])),
                fix="num_classes=dataset.num_labels, or leave it out",
            )
        if not labels:
            labels = [str(index) for index in range(int(num_classes or 0))]
        if len(labels) < 2:
            raise ConfigError(f"{len(labels)} labels: {list(labels)}", expected="at least two to tell apart")
        units: Any = hidden_units
        if units is not None and not (
            isinstance(units, list | tuple) and all(isinstance(size, Integral) and int(size) > 0 for size in units)
        ):
            raise ConfigError(f"hidden_units={units!r:.60}", expected="sizes of layers, such as [128, 32]; or None")
        self.hidden_units = None if hidden_units is None else [int(size) for size in hidden_units]
        self._choice = chosen(metrics_choices, ["acc"])
        super().__init__(feature, data_reader, dataset, feed_list, config, labels, list(self._choice))
        self.criterion = Criterion(self.labels, class_weight, loss, focal_gamma, label_smoothing)
        self._weights: Tensor | None = None
        self._prepared = class_weight is None
        self._columns: dict[str, str] = {}
        self._pairs: bool | None = None
        if dataset is not None and isinstance(dataset.train_examples, Examples):
            self._columns = dict(dataset.train_examples.names)

    @property
    def num_classes(self) -> int:
        """How many labels there are."""
        return len(self.labels)

    def output_variables(self) -> list[Variable]:
        """The logits, ``[B, classes]``."""
        feature = self.feature
        if self.has_architecture_head:
            assert feature.node is not None
            everything = Variable("everything", (), "object", feature.node, "everything")
            source = ArchitectureHeadSource(_encoder_of(feature), AUTO_CLASS, self.labels)
            node = Node(source, {"everything": everything})
        else:
            width = feature.shape[-1]
            node = Node(FullyConnectedSource(width, self.num_classes, self.hidden_units or ()), {"feature": feature})
        logits = Variable("logits", (-1, self.num_classes), "float32", node, "logits")
        if self.reader.long_text != "window":
            return [logits]
        pieces = Variable("logits_of_pieces", logits.shape, logits.dtype, node, "logits")
        inputs = {"logits": pieces, "row_of": Variable("row_of", (-1,), "int64")}
        return [Variable("logits", logits.shape, logits.dtype, Node(MeanOfPiecesSource(), inputs), "logits")]

    @property
    def has_architecture_head(self) -> bool:
        """Whether the best model opens with ``AutoModelForSequenceClassification``."""
        own = self.feature.node is not None and isinstance(self.feature.node.source, EncoderSource)
        return own and self.feature.name == "pooled_output" and self.hidden_units is None

    def losses(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        """What training minimises, of each row; class weights are those of the rows of this task's run."""
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
        return [*meanings(self._choice, self.labels), *([said] if said else [])]

    def settings(self) -> dict[str, Any]:
        """The base's, and the loss where it is not plain cross-entropy."""
        return {**super().settings(), **self.criterion.settings()}

    def meter(self) -> ClassMeter:
        """Counts for the chosen metrics."""
        return ClassMeter(self.num_classes, self._choice)

    def probabilities(self, logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Softmax of the logits, float32 ``[rows, classes]``."""
        values: npt.NDArray[np.float32] = torch.softmax(torch.from_numpy(logits), dim=-1).numpy()
        return values

    def description(self) -> dict[str, Any]:
        """Kind, labels, metrics, head, reader, columns."""
        return {
            "task": type(self).__name__,
            "labels": self.labels,
            "metrics": self.metrics,
            "hidden_units": self.hidden_units,
            "columns": self._columns,
            "pairs": self.reads_pairs,
            **self.reader.settings(),
        }

    @classmethod
    def from_description(
        cls, description: Mapping[str, Any], feature: Variable, reader: TextReader
    ) -> "TextClassifierTask":
        """Build a task as it was saved, on its feature; functions as metrics are not saved."""
        names = [name for name in description["metrics"] if name in NAMES]
        functions = [name for name in description["metrics"] if name not in NAMES]
        if functions:
            logger.warning(
                "The metrics %s are functions of a script, which are not saved: it is evaluated by %s",
                ", ".join(functions),
                ", ".join(names) or "acc",
            )
        task = cls(
            feature=feature,
            data_reader=reader,
            labels=description["labels"],
            hidden_units=description["hidden_units"],
            metrics_choices=names or "default",
        )
        task._columns, task._pairs = dict(description["columns"]), description["pairs"]
        return task

    @property
    def reads_pairs(self) -> bool | None:
        """Whether the training rows are pairs."""
        if self._pairs is None and self.dataset is not None and len(self.dataset.train_examples):
            return self.dataset.train_examples[0].text_b is not None
        return self._pairs

    def column_names(self, path: Path, **form: Any) -> dict[str, str]:
        """The training file's columns, as far as this file has them too."""
        header = header_of(path, **form)
        return {what: name for what, name in self._columns.items() if name in header}


def _said(variable: object) -> str:
    return variable.name if isinstance(variable, Variable) else repr(variable)[:60]


def _refuse_too_long(feature: Variable, reader: TextReader) -> None:
    for node in walk_back([feature]):
        if isinstance(node.source, EncoderSource) and reader.max_seq_len > node.source.module.max_position:
            module = node.source.module
            raise ConfigError(
                f"the reader's max_seq_len={reader.max_seq_len} is more than {module.name} can read",
                expected=f"at most {module.max_position}",
            )


def _own_feature(module: Module | None, max_seq_len: int | None) -> Variable:
    if module is None:
        raise ConfigError(
            "a task without a network",
            expected='TextClassifierTask(module="minilm", dataset=…), or feature= and data_reader=',
        )
    _, outputs, _ = module.context(trainable=True, max_seq_len=max_seq_len)
    return outputs["pooled_output"]


def _encoder_of(feature: Variable) -> TransformerModule:
    source = feature.node.source if feature.node else None
    if not isinstance(source, EncoderSource):
        raise ConfigError(f"no reader is known for the feature {feature.name!r}", fix="give data_reader=")
    return source.module
