"""What tasks on texts share: the long door and the short one, the head, the columns of the training file."""

from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, ClassVar, Self

from transferhub.dataset import BaseDataset, Examples, load
from transferhub.dataset.files import header_of
from transferhub.engine.config import RunConfig
from transferhub.errors import ConfigError
from transferhub.graph import Node, Variable
from transferhub.graph.heads import FullyConnectedSource, MeanOfPiecesSource
from transferhub.graph.variable import walk_back
from transferhub.module import Module
from transferhub.module.architecture_head import ArchitectureHeadSource
from transferhub.module.transformer import EncoderSource, TransformerModule
from transferhub.reader import ClassifyReader, Reader, TextReader
from transferhub.strategy import AdamWeightDecayStrategy
from transferhub.task import applying
from transferhub.task.arguments import layer_sizes, opened
from transferhub.task.base_task import BaseTask


class TextTask(BaseTask):
    """A head on a feature of texts.

    The long door gives reader, feature and feeds; the short door a module and a data set, the rest has defaults.

    Args:
        feature: The Variable that the head stands on; None: the module's own, called `feature_name`.
        hidden_units: Sizes of hidden layers between feature and output. None: where the feature is the module's own,
            the architecture's own head.
        dataset: A data set, or what `hub.dataset.load` takes; None: the reader's.
        feed_list: Names of the inputs; None: the reader's own.
        data_reader: None: a reader of `reader_class` over the module's tokenizer.
        config: None: with a reader, 1.x's ``RunConfig()``; with a module, AdamW at 5e-5, 3 epochs, batches of 32.
        metrics_choices: Names of the metrics; the first chooses the best model.
        module: A module or its name.
        max_seq_len: Tokens a text may have, where the task makes its own reader. None: 128.
        label_list: Label names in the order of their ids; None: the data set's.
        reader_options: Further arguments of `reader_class`.

    Raises:
        ConfigError: Neither reader nor module, wrong feeds, a feature of another rank.
    """

    kind: ClassVar[str] = "classes"
    feature_name: ClassVar[str] = "pooled_output"
    feature_rank: ClassVar[int] = 2
    usual_rate: ClassVar[float] = 5e-5
    """AdamW's, where the task makes its own configuration."""
    usual_length: ClassVar[int] = 128
    """Tokens a text may have where no length is given; fewer where the module cannot read so many."""
    auto_class: ClassVar[str] = "AutoModelForSequenceClassification"
    problem_type: ClassVar[str | None] = None
    """What transformers calls it in a saved model's configuration."""
    reader_class: ClassVar[type[ClassifyReader]] = ClassifyReader
    described: ClassVar[Mapping[str, tuple[type, ...]]] = {
        "hidden_units": (list, type(None)),
        "columns": (dict,),
        "pairs": (bool, type(None)),
    }

    def __init__(
        self,
        feature: Variable | None = None,
        hidden_units: Sequence[int] | None = None,
        dataset: Any = None,
        feed_list: Sequence[str] | None = None,
        data_reader: Reader | None = None,
        config: RunConfig | None = None,
        metrics_choices: str | Sequence[str] | None = "default",
        *,
        module: Module | str | Path | None = None,
        max_seq_len: int | None = None,
        label_list: Sequence[str] | None = None,
        reader_options: Mapping[str, Any] | None = None,
    ) -> None:
        module = opened(module)
        if dataset is not None and not isinstance(dataset, BaseDataset):
            dataset = load(dataset, kind=self.kind)
        length_given: object = max_seq_len
        if length_given is not None and not isinstance(length_given, Integral):
            raise ConfigError(f"max_seq_len={max_seq_len!r}", expected="a whole number of tokens")
        if feature is None:
            feature = self._own_feature(module, max_seq_len)
        if not isinstance(feature, Variable) or len(feature.shape) != self.feature_rank:
            said = f"{feature.name} {feature.shape}" if isinstance(feature, Variable) else f"{feature!r:.60}"
            expected = "one vector a text: " if self.feature_rank == 2 else "one vector a token: "
            raise ConfigError(f"feature={said}", expected=f'{expected}outputs["{self.feature_name}"]')
        if data_reader is None:
            encoder = encoder_of(feature)
            length = min(self.usual_length, encoder.max_position) if max_seq_len is None else max_seq_len
            data_reader = self.reader_class(
                vocab_path=encoder.get_vocab_path(),
                dataset=dataset,
                max_seq_len=length,
                sp_model_path=encoder.get_spm_path(),
                word_dict_path=encoder.get_word_dict_path(),
                **(reader_options or {}),
            )
            config = config or RunConfig(num_epoch=3, strategy=AdamWeightDecayStrategy(learning_rate=self.usual_rate))
        if not isinstance(data_reader, TextReader):
            raise ConfigError(f"data_reader={data_reader!r:.60}", expected=f"a {self.reader_class.__name__}")
        _refuse_too_long(feature, data_reader)
        self.hidden_units = layer_sizes(hidden_units)
        self.feature = feature
        super().__init__(dataset, feed_list, data_reader, None, None, config, metrics_choices, label_list=label_list)
        self.reader: TextReader = data_reader
        self._columns: dict[str, Any] = {}
        self._pairs: bool | None = None
        rows = None if self.dataset is None else self.dataset.train_examples
        if isinstance(rows, Examples):
            self._columns = dict(rows.names)
        self.check_feed_list()

    @property
    def has_architecture_head(self) -> bool:
        """Whether the best model opens with transformers' class for the task."""
        own = self.feature.node is not None and isinstance(self.feature.node.source, EncoderSource)
        return own and self.feature.name == self.feature_name and self.hidden_units is None

    def head(self, outputs: int, names: Sequence[str] | None = None, dropout: float = 0.1) -> Node:
        """A new head of `outputs` numbers on the feature: the architecture's own where there is one.

        Args:
            outputs: How many, of a text or of each token.
            names: What they are called in the saved model; None: as the labels.
            dropout: Of a head of ours.
        """
        feature = self.feature
        if self.has_architecture_head:
            assert feature.node is not None
            everything = Variable("everything", (), "object", feature.node, "everything")
            names = list(self.label_list if names is None else names)
            source = ArchitectureHeadSource(encoder_of(feature), self.auto_class, names, self.problem_type)
            return Node(source, {"everything": everything})
        head = FullyConnectedSource(feature.shape[-1], outputs, self.hidden_units or (), dropout)
        return Node(head, {"feature": feature})

    def logits(self, node: Node, outputs: int) -> Variable:
        """The head's ``logits``, ``[B, outputs]``; the mean over its pieces where a row has several."""
        shape, program = (-1, outputs), self.feature.block
        if self.reader.long_text == "window":
            pieces = Variable("logits_of_pieces", shape, "float32", node, "logits")
            inputs = {"logits": pieces, "row_of": Variable("row_of", (-1,), "int64")}
            node = Node(MeanOfPiecesSource(), inputs)
        return Variable("logits", shape, "float32", node, "logits", program)

    def saved_variables(self) -> list[Variable]:
        """The feature: the head is made again from the description."""
        return [self.feature]

    def description(self) -> dict[str, Any]:
        """The base's, and the head, whether rows are pairs, the training file's columns."""
        own = {"hidden_units": self.hidden_units, "columns": self._columns, "pairs": self.reads_pairs}
        return {**super().description(), **own}

    @classmethod
    def from_description(cls, description: Mapping[str, Any], network: Sequence[Variable], reader: Reader) -> Self:
        """Build a task as it was saved, on its feature."""
        saved: dict[str, Any] = {
            "label_list": description["labels"],
            "hidden_units": description["hidden_units"],
            "metrics_choices": description["metrics"],
            **cls.saved_options(description),
        }
        task = cls(feature=network[0], data_reader=reader, **saved)
        task._columns, task._pairs = dict(description["columns"]), description["pairs"]
        return task

    @classmethod
    def saved_options(cls, description: Mapping[str, Any]) -> dict[str, Any]:
        """Further arguments of the class, or other values for those it has, from a description."""
        return {}

    @property
    def reads_pairs(self) -> bool | None:
        """Whether the training rows are pairs."""
        if self._pairs is None and self.dataset is not None and len(self.dataset.train_examples):
            return self.dataset.train_examples[0].text_b is not None
        return self._pairs

    def column_names(self, path: Path, **form: Any) -> dict[str, Any]:
        """The training file's columns, as far as this file has them too."""
        header = header_of(path, **form)
        found = {what: name for what, name in self._columns.items() if what != "flags" and name in header}
        flags: Any = self._columns.get("flags")
        return {**found, "label": flags} if flags and set(flags) <= set(header) else found

    def check_rows(self, rows: Sequence[Any]) -> None:
        """Refuse texts where the model was trained on pairs, and pairs where it was on texts."""
        applying.refuse_other_form(self, rows)

    def _own_feature(self, module: Module | None, max_seq_len: int | None) -> Variable:
        if module is None:
            raise ConfigError(
                "a task without a network",
                expected=f'{type(self).__name__}(module="minilm", dataset=…), or feature= and data_reader=',
            )
        if max_seq_len is None and isinstance(module, TransformerModule):
            max_seq_len = min(self.usual_length, module.max_position)
        _, outputs, _ = module.context(trainable=True, max_seq_len=max_seq_len)
        if self.feature_name not in outputs:
            given = ", ".join(map(str, outputs))
            raise ConfigError(f"{module.name} gives {given}; {type(self).__name__} needs {self.feature_name}")
        return outputs[self.feature_name]


def _refuse_too_long(feature: Variable, reader: TextReader) -> None:
    for node in walk_back([feature]):
        if isinstance(node.source, EncoderSource) and reader.max_seq_len > node.source.module.max_position:
            module = node.source.module
            raise ConfigError(
                f"the reader's max_seq_len={reader.max_seq_len} is more than {module.name} can read",
                expected=f"at most {module.max_position}",
            )


def encoder_of(feature: Variable) -> TransformerModule:
    """The transformer that a feature is the output of.

    Raises:
        ConfigError: It is of something else, for which no reader is known.
    """
    source = feature.node.source if feature.node else None
    if not isinstance(source, EncoderSource):
        raise ConfigError(f"no reader is known for the feature {feature.name!r}", fix="give data_reader=")
    return source.module
