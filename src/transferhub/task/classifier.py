"""Classification of texts: a feature, a linear layer or the architecture's own head, cross-entropy."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from transferhub.engine.config import RunConfig
from transferhub.errors import ConfigError
from transferhub.graph import Variable
from transferhub.metrics.choices import Metric, chosen
from transferhub.module import Module
from transferhub.network import preset
from transferhub.reader import TextReader
from transferhub.task.class_task import ClassTask
from transferhub.task.text_task import TextTask


class TextClassifierTask(ClassTask, TextTask):
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
            so for precision and recall), ``top_3 top_5`` (the right class is among so many), and functions ``(labels,
            predictions) -> float`` over a whole split, int64 ids in the rows' order. The first chooses the best model;
            higher is better. With two classes, f1, precision and recall are of the second in `labels`; with more, the
            mean over classes.
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
        choice = chosen(metrics_choices, ["acc"])
        TextTask.__init__(
            self,
            cast("Variable | None", feature),
            hidden_units,
            dataset,
            feed_list,
            data_reader,
            config,
            list(choice),
            module=module,
            max_seq_len=max_seq_len,
            label_list=label_list,
            reader_options={"long_text": long_text},
        )
        self.learn_classes(
            num_classes,
            choice,
            class_weight=class_weight,
            loss=loss,
            focal_gamma=focal_gamma,
            label_smoothing=label_smoothing,
        )

    def _build_net(self) -> list[Variable]:
        """The logits, ``[B, classes]``."""
        return [self.logits(self.head(self.num_classes), self.num_classes)]


def _said(variable: object) -> str:
    return variable.name if isinstance(variable, Variable) else repr(variable)[:60]
