"""Pairwise matching: which of two texts is nearer to a query? All three are read by the same network."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from transferhub import layers
from transferhub.dataset import BaseDataset, TripleExample
from transferhub.dataset.examples import where
from transferhub.dataset.triples import load_triples, read_triples
from transferhub.engine.config import RunConfig
from transferhub.engine.evaluation import Answers
from transferhub.errors import ConfigError, did_you_mean
from transferhub.graph import Network, Variable
from transferhub.metrics import ConfusionMatrix, ranking
from transferhub.metrics.choices import chosen
from transferhub.module import Module
from transferhub.reader import Columns, Reader, TextMatchingReader
from transferhub.reader.matching_reader import Tokenizer
from transferhub.reader.slots import slot_texts
from transferhub.report.html import Confusion, Mistake
from transferhub.task import matching
from transferhub.task.base_task import BaseTask
from transferhub.task.predictions import NumberPredictions, Predictions
from transferhub.task.scored import WORST, ScoredSplit, Shown, shortly
from transferhub.task.triple_meter import COUNTED, TripleMeter

NAMES = ("query_feature", "left_feature", "right_feature")
LOSSES = ("hinge", "rank")
LABELS = ["0", "1"]  # right is nearer, left is nearer


class PairAsTriple(TripleExample):
    """A pair to predict, read as a triple whose right text is the left one again."""

    __slots__ = ()


class TriplePredictions(Predictions):
    """``state.run_results`` is, as in 1.8, float32 ``[batch, 1]`` twice: how near the left and the right text are."""

    main = "label"
    label_names: Sequence[str] = LABELS

    def fields(self) -> Iterator[dict[str, Any]]:
        """``label``, ``left_similarity``, ``right_similarity``; a tie is the right text's."""
        for state in self:
            left, right = (values[:, 0].tolist() for values in state.run_results)
            for one, other in zip(left, right, strict=True):
                yield {
                    self.main: self.label_names[int(one > other)],
                    "left_similarity": one,
                    "right_similarity": other,
                }

    @property
    def field_names(self) -> list[str]:
        """The names that `fields` has for every row."""
        return [self.main, "left_similarity", "right_similarity"]


class PairSimilarities(NumberPredictions):
    """Of pairs: ``state.run_results[0]`` is float32 ``[batch, 1]``, their similarity, from -1 to 1."""

    main = "similarity"


class PairwiseTextMatchingTask(BaseTask):
    """A query and two texts: the label is 1 where the left one is nearer, 0 where the right one is.

    The same network reads all three; near is what has the larger cosine. (PaddleHub 1.8 scored either text with a layer
    of its own, so that a text's score depended on its side.)

    Args:
        query_feature: Of the query: vectors of its tokens, or one vector; None: the module's.
        left_feature: Of the left text, the same output of its slot.
        right_feature: Of the right text.
        tokenizer: `hub.BertTokenizer`, `hub.ErnieTinyTokenizer` or `hub.CustomTokenizer`; makes the reader.
        dataset: Triples with labels (`TripleExample`): ``LCQMC(is_pair_wise=True)``, ``DuEL()``,
            ``TextMatchingDataset(…, is_pair_wise=True)``; or a csv or tsv file of query, left, right and label, or a
            mapping of splits to such files. None: the reader's.
        network: As for `PointwiseTextMatchingTask`.
        config: As for `PointwiseTextMatchingTask`.
        metrics_choices: Of ``acc f1 precision recall``, and ``mrr map recall_at_1``, for which all different texts of
            a query are ranked together. The first chooses the best model.
        loss: ``hinge``: ``max(0, margin - (near - far))``; ``rank``: ``log(1 + exp(far - near))`` (RankNet, Burges et
            al. 2005, ICML, equation 3, of cosines).
        margin: Of the hinge loss.
        data_reader: A `TextMatchingReader` of triples. None: of the tokenizer, or of the features' module.
        module: A module or its name, in place of the features.
        max_seq_len: Words or tokens each text may have. None: 128, or as the features' ``context`` was told.
        label_list: The names of "right is nearer" and "left is nearer". None: the data set's, ``0`` and ``1``.

    Raises:
        ConfigError: Features of two programs or shapes, or that are no sequences where a network is asked for; a
            reader of other ids or another number of texts; a loss or metric that does not exist; other labels than two.
        DataError: Rows that are no triples, by file and line.
    """

    pipeline_tag = "sentence-similarity"
    kind = "classes"
    described: ClassVar[Mapping[str, tuple[type, ...]]] = {"loss": (str,), "margin": (float, int)}

    def __init__(
        self,
        query_feature: Variable | None = None,
        left_feature: Variable | None = None,
        right_feature: Variable | None = None,
        tokenizer: Tokenizer | None = None,
        dataset: Any = None,
        network: str | None = None,
        config: RunConfig | None = None,
        metrics_choices: str | Sequence[str] | None = "default",
        *,
        loss: str = "hinge",
        margin: float = 0.1,
        data_reader: TextMatchingReader | None = None,
        module: Module | str | Path | None = None,
        max_seq_len: int | None = None,
        label_list: Sequence[str] | None = None,
    ) -> None:
        given = [query_feature, left_feature, right_feature]
        if module is not None and given == [None, None, None]:
            given = matching.features_of(module, 3, network, max_seq_len)
        query, left, right = matching.vectors(given, NAMES, network)
        near = [layers.cosine(query, left), layers.cosine(query, right)]
        if module is not None:
            config = config or matching.usual_config(near)
        dataset = _triples(dataset)
        reader = matching.matching_reader(near, 3, dataset, data_reader, tokenizer, max_seq_len)
        rows = dataset if dataset is not None else reader.dataset
        super().__init__(
            dataset,
            None,
            reader,
            None,
            None,
            config,
            list(chosen(metrics_choices, ("acc",), (*COUNTED, *ranking.NAMES), functions=False)),
            label_list=label_list if label_list is not None else _two_labels(rows),
        )
        self._settle(near, loss, margin)
        matching.check_feeds(self)

    def _settle(self, near: Sequence[Variable], loss: str, margin: float) -> None:
        if loss not in LOSSES:
            raise ConfigError(
                f"loss={loss!r}", expected=" or ".join(LOSSES), fix=did_you_mean(str(loss), LOSSES) or None
            )
        number: Any = margin
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 < number <= 2:
            raise ConfigError(f"margin={margin!r}", expected="a number above 0, up to 2: cosines are from -1 to 1")
        if len(self.label_list) != 2:
            raise ConfigError(
                f"{len(self.label_list)} labels: {self.label_list[:10]}",
                expected="two: right is nearer (0), left is nearer (1)",
            )
        self.loss_name, self.margin, self._near = loss, float(margin), list(near)

    def _build_net(self) -> list[Variable]:
        """The similarities of query and left text, and of query and right text, ``[B, 1]`` each."""
        return self._near

    def build_network(self, seed: int | None = None) -> Network:
        """The network to train.

        Raises:
            ConfigError: Nothing in it can be trained.
        """
        network = super().build_network(seed)
        if not any(parameter.requires_grad for parameter in network.parameters()):
            raise ConfigError(
                "there is nothing to train: the features are frozen, and a cosine has no weights",
                fix='context(trainable=True), or network="bow"',
            )
        return network

    def losses(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        """The loss of each row, float32 ``[B]``."""
        left, right = self._similarities(outputs)
        ahead = (left - right) * (2 * batch["labels"].float() - 1)
        return torch.relu(self.margin - ahead) if self.loss_name == "hinge" else torch.nn.functional.softplus(-ahead)

    def meter(self, columns: Columns | None = None) -> TripleMeter:
        """Counts, and rankings by query."""
        examples = columns.examples if columns is not None else ()
        return TripleMeter(self.metrics_choices, [each.name for each in self._near], examples)

    def answers(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> npt.NDArray[np.float32]:
        """Both similarities, float32 ``[B, 2]``: left, right."""
        values: npt.NDArray[np.float32] = torch.stack(self._similarities(outputs), dim=1).cpu().numpy()
        return values

    def run_results(self, answers: Answers) -> list[Any]:
        """Both similarities, ``[B, 1]`` each."""
        both = np.asarray(answers, np.float32)
        return [both[:, :1], both[:, 1:]]

    def predictions(
        self,
        answers: Answers,
        rows: Sequence[Any],
        columns: Columns | None = None,
        label_list: Sequence[str] | None = None,
    ) -> Predictions:
        """Of triples labels and similarities; of pairs the similarity."""
        if len(rows) and isinstance(rows[0], PairAsTriple):
            pairs = [(row.text_a, row.text_b) for row in rows]
            return PairSimilarities(self.run_states(answers), pairs, self.reader)
        found = TriplePredictions(self.run_states(answers), rows, self.reader)
        found.label_names = list(label_list or self.label_list)
        return found

    def rows_to_predict(self, data: Any) -> Sequence[Any]:
        """Triples; or pairs, as triples with one text twice.

        Raises:
            DataError: Pairs and triples mixed, or neither.
        """
        rows = super().rows_to_predict(data)
        if not len(rows) or isinstance(rows[0], TripleExample) or len(slot_texts(rows[0], "row 0")) == 3:
            return rows
        return [PairAsTriple(None, *_doubled(slot_texts(row, f"row {place}", 2))) for place, row in enumerate(rows)]

    def rows_of_file(self, path: Path, *, labelled: bool, **how: Any) -> Sequence[Any]:
        """The triples of a csv or tsv file."""
        form = {name: value for name, value in (how.get("form") or {}).items() if value is not None}
        return read_triples(path, labelled=labelled, **form)

    def shown(self, split: ScoredSplit) -> Shown:
        """Confusions, and the rows in which the wrong text is nearest by far."""
        labels, names = split.columns.labels, self.label_list
        assert labels is not None
        both = np.concatenate([np.concatenate(state.run_results, axis=1) for state in split.predictions])
        ahead = both[:, 0] - both[:, 1]
        predicted = (ahead > 0).astype(np.int64)
        matrix = ConfusionMatrix(2)
        matrix.update(labels, predicted)
        wrong = np.flatnonzero(predicted != labels)
        mistakes = [
            Mistake(
                names[labels[row]],
                f"{names[predicted[row]]}: {both[row, 0]:.3f} left, {both[row, 1]:.3f} right",
                None,
                shortly(split.examples[row], row, self.reader),
                where(split.examples, row, split.name),
            )
            for row in wrong[np.argsort(-np.abs(ahead[wrong]), kind="stable")][:WORST].tolist()
        ]
        return Shown([Confusion(split.name, names, matrix.counts.tolist())], mistakes)

    def description(self) -> dict[str, Any]:
        """The base's, and the loss."""
        return {**super().description(), "loss": self.loss_name, "margin": self.margin}

    @classmethod
    def from_description(cls, description: Mapping[str, Any], network: Sequence[Variable], reader: Reader) -> Self:
        """Build a task as it was saved, on its similarities."""
        task = super().from_description(description, network, reader)
        task._settle(network, description["loss"], description["margin"])
        return task

    def _similarities(self, outputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        left, right = (outputs[each.name][:, 0].float() for each in self._near)
        return left, right


def _doubled(texts: tuple[str, ...]) -> tuple[str, str, str]:
    return texts[0], texts[1], texts[1]


def _triples(dataset: Any) -> BaseDataset | None:
    """The data set, or one of a file of triples, or of files by split."""
    if dataset is None or isinstance(dataset, BaseDataset):
        return dataset
    return load_triples(dataset if isinstance(dataset, Mapping) else {"train": dataset})


def _two_labels(dataset: BaseDataset | None) -> list[str]:
    """The labels' names: ``0`` and ``1`` even where all training rows have one of them."""
    if dataset is None:
        return LABELS
    if dataset.given_labels is None and set(dataset.label_list) < set(LABELS):
        dataset.set_labels(LABELS)
    return dataset.label_list
