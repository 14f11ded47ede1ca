"""Regression: a number of a text or a pair."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from transferhub.dataset.examples import where
from transferhub.engine.config import RunConfig
from transferhub.engine.objective import first_or_loss
from transferhub.graph import Network, Variable
from transferhub.metrics.choices import chosen
from transferhub.metrics.regression import NAMES, RegressionScores
from transferhub.module import Module
from transferhub.reader import Columns, TextReader
from transferhub.reader.label_readers import RegressionReader
from transferhub.report.html import Mistake
from transferhub.task.predictions import NumberPredictions
from transferhub.task.score_meter import ScoreMeter
from transferhub.task.scored import WORST, ScoredSplit, Shown, shortly
from transferhub.task.text_task import TextTask

ERRORS = ("mse", "rmse", "mae")  # of these, the lower is the better
FAR = 10.0  # beyond such values a new layer at a fine-tuning rate does not come in time: they are brought near 0


class RegressionTask(TextTask):
    """A number of a text or a pair, by the squared error.

    The head's last bias, where it has one, begins as the mean of what it learns: no step goes into finding it. Where
    the training values are more than 10 from 0, the network learns them less their mean and divided by their standard
    deviation, and answers are brought back; `shift` and `scale` say so, and so does the model's card.

    Args:
        feature: The Variable that the head stands on, ``[B, width]``; None: the module's ``pooled_output``.
        hidden_units: Sizes of hidden layers. None: where the feature is the module's own, the architecture's own head.
        dataset: With labels that are numbers; or what `hub.dataset.load` takes; None: the reader's.
        feed_list: Names of the inputs; None: the reader's own.
        data_reader: None: a `RegressionReader` over the module's tokenizer.
        startup_program: Accepted for scripts of 1.x.
        config: None: with a reader, 1.x's ``RunConfig()``; with a module, AdamW at 5e-5, 3 epochs, batches of 32.
        metrics_choices: Of ``spearman pearson corr mse rmse mae r2``. The first chooses the best model: the lowest
            where it is an error.
        module: A module or its name.
        max_seq_len: Tokens a text may have, where the task makes its own reader. None: 128.
        long_text: As for `TextClassifierTask`.

    Raises:
        ConfigError: Neither reader nor module, wrong feeds, a metric that does not exist.
        DataError: A label that is no finite number.
    """

    kind = "value"
    reader_class = RegressionReader
    problem_type = "regression"
    predictions_class = NumberPredictions
    pipeline_tag = "text-classification"
    described: ClassVar[Mapping[str, tuple[type, ...]]] = {
        **TextTask.described,
        "shift": (float, int),
        "scale": (float, int),
    }

    def __init__(
        self,
        feature: Variable | None = None,
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
        shift: float | None = None,
        scale: float | None = None,
        label_list: Sequence[str] | None = None,
    ) -> None:
        names = list(chosen(metrics_choices, ("spearman", "pearson", "mse"), NAMES, functions=False))
        super().__init__(
            feature,
            hidden_units,
            dataset,
            feed_list,
            data_reader,
            config,
            names,
            module=module,
            max_seq_len=max_seq_len,
            label_list=[],
            reader_options={"long_text": long_text},
        )
        self._given = None if shift is None or scale is None else (float(shift), float(scale))

    @property
    def shift(self) -> float:
        """What is added to the network's numbers times `scale`."""
        return self._line[0]

    @property
    def scale(self) -> float:
        """What the network's numbers are multiplied by."""
        return self._line[1]

    @property
    def _line(self) -> tuple[float, float]:
        if self._given is None:
            mean, deviation = self._mean_and_deviation()
            far = abs(mean) + deviation > FAR
            self._given = (mean, deviation) if far and deviation > 0 else (0.0, 1.0)
        return self._given

    def _mean_and_deviation(self) -> tuple[float, float]:
        """Of the values that are trained on."""
        values = self.reader.targets(self.rows(), "train")
        assert values is not None
        return float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))

    def _build_net(self) -> list[Variable]:
        """The number, ``[B, 1]``."""
        return [self.logits(self.head(1, ["value"]), 1)]

    def build_network(self, seed: int | None = None) -> Network:
        """The network to train; where there are training rows, its head begins with their mean."""
        network = super().build_network(seed)
        if self.dataset is not None and len(self.dataset.train_examples):
            _begin_with((self._mean_and_deviation()[0] - self.shift) / self.scale, network)
        return network

    def losses(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        """The squared error of each row, in units of `scale`."""
        aim = (batch["labels"].float() - self.shift) / self.scale
        return (outputs["logits"][:, 0].float() - aim) ** 2

    def prepare(self, train: Columns) -> list[str]:
        """Say where values are brought near 0."""
        if (self.shift, self.scale) == (0.0, 1.0):
            return []
        return [f"the network learns (value - {self.shift:g}) / {self.scale:g}; the loss is in these units, squared"]

    def rank(self, scores: Mapping[str, float], loss: float) -> float:
        """The first score; an error counts the less the better."""
        name, score = first_or_loss(scores, loss)
        return -score if name in (*ERRORS, "loss") else score

    def meter(self, columns: Columns | None = None) -> ScoreMeter:
        """Keeps true and predicted values."""
        return ScoreMeter(RegressionScores(), self.metrics_choices, self.values_of, whole=columns is not None)

    def values_of(self, outputs: Mapping[str, Tensor]) -> npt.NDArray[np.float32]:
        """The predicted values, float32 ``[B]``."""
        made = outputs["logits"][:, 0].float() * self.scale + self.shift
        values: npt.NDArray[np.float32] = made.cpu().numpy()
        return values

    def answers(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> npt.NDArray[np.float32]:
        """The values, float32 ``[B, 1]``."""
        return self.values_of(outputs)[:, None]

    def shown(self, split: ScoredSplit) -> Shown:
        """The rows with the largest errors."""
        true, values = split.columns.labels, np.array(split.predictions.labels)
        assert true is not None
        mistakes = [
            Mistake(
                f"{true[row]:g}",
                f"{values[row]:.4g}",
                None,
                shortly(split.examples[row], row, self.reader),
                where(split.examples, row, split.name),
            )
            for row in np.argsort(-np.abs(values - true), kind="stable")[:WORST].tolist()
        ]
        return Shown(mistakes=mistakes)

    def description(self) -> dict[str, Any]:
        """The base's, and how values are brought back."""
        return {**super().description(), "shift": self.shift, "scale": self.scale}

    @classmethod
    def saved_options(cls, description: Mapping[str, Any]) -> dict[str, Any]:
        """How values are brought back."""
        return {"shift": description["shift"], "scale": description["scale"]}


def _begin_with(number: float, network: Network) -> None:
    """Let the head's last layer begin with a number, where it has a bias."""
    head = [part for part in network.parts if any(True for _ in part.parameters())][-1]
    layers = [part for part in head.modules() if isinstance(part, nn.Linear) and part.out_features == 1]
    if layers and layers[-1].bias is not None:
        nn.init.constant_(layers[-1].bias, number)
