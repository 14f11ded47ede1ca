"""Multi-label classification: any number of labels a text."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from transferhub.engine.config import RunConfig
from transferhub.graph import Variable
from transferhub.module import Module
from transferhub.reader import TextReader
from transferhub.reader.label_readers import MultiLabelClassifyReader
from transferhub.task.label_sets import LabelSetTask
from transferhub.task.text_task import TextTask


class MultiLabelClassifierTask(LabelSetTask, TextTask):
    """Any number of labels a text: a yes-or-no decision for each, by the binary cross-entropy.

    From which probability on a row has a label is chosen on dev, label by label, for the best F1, when the best model
    is saved; it lies in ``task.json`` by the label's name. F1 on dev is therefore of thresholds that have seen dev.

    Args:
        feature: The Variable that the head stands on, ``[B, width]``; None: the module's ``pooled_output``.
        num_classes: How many labels; None: the data set's.
        hidden_units: Sizes of hidden layers. None: where the feature is the module's own, the architecture's own head.
        dataset: With label sets; or what `hub.dataset.load` takes; None: the reader's.
        feed_list: Names of the inputs; None: the reader's own.
        data_reader: None: a `MultiLabelClassifyReader` over the module's tokenizer.
        startup_program: Accepted for scripts of 1.x.
        config: None: with a reader, 1.x's ``RunConfig()``; with a module, AdamW at 5e-5, 3 epochs, batches of 32.
        metrics_choices: Of ``auc auc_LABEL subset_acc f1_micro f1_macro`` (and so for precision and recall). The first
            chooses the best model. Default: ``auc``, the mean over labels, ``f1_micro``, ``f1_macro``.
        module: A module or its name.
        max_seq_len: Tokens a text may have, where the task makes its own reader. None: 128.
        long_text: As for `TextClassifierTask`.
        label_list: Label names in the order of their ids; None: the data set's.

    Raises:
        ConfigError: Neither reader nor module, another number of labels than the data set has, wrong feeds, a metric
            that does not exist.
        DataError: A name that is no label.
    """

    reader_class = MultiLabelClassifyReader
    problem_type = "multi_label_classification"
    pipeline_tag = "text-classification"
    described: ClassVar[Mapping[str, tuple[type, ...]]] = {**TextTask.described, "thresholds": (dict,)}

    def __init__(
        self,
        feature: Variable | None = None,
        num_classes: int | None = None,
        hidden_units: Sequence[int] | None = None,
        dataset: Any = None,
        feed_list: Sequence[str] | None = None,
        data_reader: TextReader | None = None,
        startup_program: Any = None,
        config: RunConfig | None = None,
        metrics_choices: str | Sequence[str] | None = "default",
        *,
        module: Module | str | Path | None = None,
        max_seq_len: int | None = None,
        long_text: str = "truncate",
        label_list: Sequence[str] | None = None,
    ) -> None:
        super().__init__(
            feature,
            hidden_units,
            dataset,
            feed_list,
            data_reader,
            config,
            metrics_choices,
            module=module,
            max_seq_len=max_seq_len,
            label_list=label_list,
            reader_options={"long_text": long_text},
        )
        self.learn_label_sets(num_classes, metrics_choices)

    def _build_net(self) -> list[Variable]:
        """The logits, ``[B, labels]``."""
        return [self.logits(self.head(len(self.label_list)), len(self.label_list))]
