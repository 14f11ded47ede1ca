"""Pointwise matching: do two texts go together? Each is read by the same network; what they make is classified."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transferhub import layers
from transferhub.dataset import BaseDataset, load
from transferhub.engine.config import RunConfig
from transferhub.errors import ConfigError
from transferhub.graph import Variable
from transferhub.metrics.choices import Metric
from transferhub.module import Module
from transferhub.reader import TextMatchingReader
from transferhub.reader.matching_reader import Tokenizer
from transferhub.task import matching
from transferhub.task.classifier import TextClassifierTask

NAMES = ("query_feature", "title_feature")


class PointwiseTextMatchingTask(TextClassifierTask):
    """Pairs of texts with a label, each text read by itself.

    The same network reads both; their vectors, how far these are apart and their product (`hub.layers.compare`) go
    into a linear layer. PaddleHub 1.8 put the vectors side by side only, of which a linear layer cannot tell whether
    two texts are alike.

    Args:
        query_feature: Of the first text: vectors of its tokens, or one vector; None: the module's.
        title_feature: Of the second, the same output of its slot.
        tokenizer: `hub.BertTokenizer`, `hub.ErnieTinyTokenizer` or `hub.CustomTokenizer`; makes the reader.
        dataset: Pairs with labels, or what `hub.dataset.load` takes; None: the reader's.
        network: A preset of `hub.network` over vectors of tokens, ``bow cnn gru lstm …``, with the same weights for
            both texts. None: their mean; one vector stays as it is.
        config: None: with a module, AdamW at 5e-5 for a transformer and 1e-3 else, 3 epochs, batches of 32; without,
            1.x's ``RunConfig()``.
        metrics_choices: As for `TextClassifierTask`; with ``mrr`` and ``map`` titles are ranked by query.
        data_reader: A `TextMatchingReader`. None: of the tokenizer, or of the module that the features are of.
        module: A module or its name, in place of the features.
        max_seq_len: Words or tokens each text may have. None: 128, or as the features' ``context`` was told.
        feature: A vector ``[B, width]`` of one's own network over the slots, in place of the two features.
        num_classes: None: the data set's.
        hidden_units: Sizes of hidden layers before the output.
        label_list: As for `TextClassifierTask`.
        class_weight: As for `TextClassifierTask`.
        loss: As for `TextClassifierTask`.
        focal_gamma: As for `TextClassifierTask`.
        label_smoothing: As for `TextClassifierTask`.

    Raises:
        ConfigError: Features of two programs or shapes, or that are no sequences where a network is asked for; a
            reader of other ids or another number of texts; what `TextClassifierTask` refuses.
        DataError: Rows that are no pairs, by file and line.
    """

    def __init__(
        self,
        query_feature: Variable | None = None,
        title_feature: Variable | None = None,
        tokenizer: Tokenizer | None = None,
        dataset: Any = None,
        network: str | None = None,
        config: RunConfig | None = None,
        metrics_choices: str | Metric | Sequence[str | Metric] | None = "default",
        *,
        data_reader: TextMatchingReader | None = None,
        module: Module | str | Path | None = None,
        max_seq_len: int | None = None,
        feature: Variable | None = None,
        num_classes: int | None = None,
        hidden_units: Sequence[int] | None = None,
        label_list: Sequence[str] | None = None,
        class_weight: str | Mapping[Any, float] | None = None,
        loss: str = "cross_entropy",
        focal_gamma: float | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        given = [query_feature, title_feature]
        if feature is not None and (given != [None, None] or network or module is not None):
            raise ConfigError("feature= with query_feature, title_feature, network or module", expected="one of them")
        if dataset is not None and not isinstance(dataset, BaseDataset):
            dataset = load(dataset, kind=self.kind)
        if feature is None:
            if module is not None and given == [None, None]:
                given = matching.features_of(module, 2, network, max_seq_len)
            query, title = matching.vectors(given, NAMES, network)
            feature = layers.compare(query, title)
        if module is not None:
            config = config or matching.usual_config([feature])
        if metrics_choices is None or metrics_choices == "default":
            metrics_choices = ["acc", "f1", "precision", "recall"]
        super().__init__(
            num_classes,
            feature,
            hidden_units,
            dataset,
            None,
            matching.matching_reader([feature], 2, dataset, data_reader, tokenizer, max_seq_len),
            None,
            config,
            metrics_choices,
            label_list=label_list,
            class_weight=class_weight,
            loss=loss,
            focal_gamma=focal_gamma,
            label_smoothing=label_smoothing,
        )

    @property
    def reads_pairs(self) -> bool | None:
        """Pairs, always."""
        return True

    def check_rows(self, rows: Sequence[Any]) -> None:
        """Nothing: the reader refuses each row that is no pair, by its place."""

    def check_feed_list(self) -> None:
        """Refuse a reader that does not give what the network reads."""
        matching.check_feeds(self)
