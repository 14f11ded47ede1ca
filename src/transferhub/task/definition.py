"""What a kind of task gives: its network, what is learnt, what is found of a row, what is saved."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from transferhub.dataset import BaseDataset
from transferhub.engine.config import RunConfig
from transferhub.engine.evaluation import Answers, Collected, slices
from transferhub.engine.objective import Meter
from transferhub.engine.run_state import RunState
from transferhub.errors import ConfigError
from transferhub.graph import Program, Variable
from transferhub.graph.programs import program_guard
from transferhub.reader import Columns, Reader
from transferhub.task.graph_objective import GraphMeter, GraphObjective, check_names, mean_metrics
from transferhub.task.predictions import Predictions
from transferhub.task.scored import ScoredSplit, Shown


class Definition:
    """The methods that tell one kind of task from another, with what they are where a task says nothing.

    Losses and metrics may be Variables, as 1.x has them, or computed from tensors.
    """

    reader: Reader
    config: RunConfig
    label_list: list[str]
    metrics_choices: list[str]
    predictions_class: ClassVar[type[Predictions]] = Predictions
    kind: ClassVar[str | None] = None
    """What rows' labels are read as, one of `dataset.kinds.KINDS`; None: as the data set says."""
    pipeline_tag: ClassVar[str | None] = None
    """What model hubs call the kind of task."""
    usage: ClassVar[str] = 'predict(["a text", "another"]).labels'
    """What the saved model's card shows of it."""
    percent_scores: ClassVar[bool] = False
    """Whether its scores are in percent already, as the official definitions of some data sets have them."""
    described: ClassVar[Mapping[str, tuple[type, ...]]] = {}
    """What `from_description` looks at in a saved description: name → the types it may have."""

    def __init__(self) -> None:
        self._graph: GraphObjective | None = None
        self._outputs: list[Variable] | None = None
        self._labels: list[Variable] | None = None

    # --- what a kind of task gives, by 1.x's names: Variables

    def _build_net(self) -> list[Variable]:
        """The outputs of the network. They, and what they stand on, are trained and saved."""
        raise ConfigError(f"{type(self).__name__} has no network", fix="_build_net(self) that returns its outputs")

    def _add_label(self) -> list[Variable]:
        """Inputs for what is to be learnt, ``[B, 1]`` each: the columns of the reader's labels."""
        return []

    def _add_loss(self) -> Variable:
        """The loss of `outputs` and `labels`; where it has a number for each row, the mean is taken over them."""
        raise ConfigError(
            f"{type(self).__name__} has no loss",
            fix="_add_loss(self) that returns a Variable, or losses(self, outputs, batch) that returns a tensor [B]",
        )

    def _add_metrics(self) -> list[Variable]:
        """Figures of `outputs` and `labels` with a number for each row; a metric is their mean over the split."""
        return []

    def _calculate_metrics(self, run_states: Sequence[RunState]) -> tuple[Mapping[str, float], float, float]:
        """Scores, mean loss and steps a second of batches whose ``run_results`` are the metrics, the losses last."""
        return mean_metrics(self.metrics_choices, run_states)

    def _postprocessing(self, run_states: Sequence[RunState]) -> Any:
        """What ``predict(return_result=True)`` returns, of a prediction's batches."""
        return run_states.labels if isinstance(run_states, Predictions) else list(run_states)

    @property
    def outputs(self) -> list[Variable]:
        """What `_build_net` gives, built once."""
        if self._outputs is None:
            built: Any = self._build_net()
            listed = list(built) if isinstance(built, list | tuple) else [built]
            if not listed or not all(isinstance(output, Variable) for output in listed):
                raise ConfigError(f"_build_net gave {built!r:.60}", expected="Variables")
            self._outputs = listed
        return self._outputs

    @property
    def labels(self) -> list[Variable]:
        """What `_add_label` gives, built once."""
        if self._labels is None:
            with program_guard(self._program):
                self._labels = list(self._add_label())
        return self._labels

    # --- and as tensors

    def losses(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        """The loss of each row, float32 ``[B]``; without one of its own, that of `_add_loss`."""
        return self._objective.losses(outputs, batch)

    def evaluation_losses(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        """The loss of each row that evaluation shows, float32 ``[B]``; `losses`, where a task has no other."""
        return self.losses(outputs, batch)

    def rank(self, scores: Mapping[str, float], loss: float) -> float:
        """What chooses the best model, the higher the better: the first score; without scores, minus the loss."""
        return next(iter(scores.values()), -loss)

    def meter(self, columns: Columns | None = None) -> Meter:
        """A fresh meter of the task's metrics, for a whole split or (None) for batches between two log lines."""
        return GraphMeter(self._metrics_of, self._calculate_metrics)

    def answers(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Answers:
        """What is found for each row of a batch, as small as can be: an array ``[B, …]``, or a list."""
        arrays = [outputs[output.name].float().cpu().numpy() for output in self.outputs]
        return list(zip(*arrays, strict=True))

    def collected(self, columns: Columns) -> Collected:
        """Gathers `answers` to all rows of a split, batch by batch."""
        return Collected(len(columns), lambda outputs, batch, rows: self.answers(outputs, batch))

    def gathering(self, columns: Columns) -> tuple[Meter, Collected]:
        """What final scoring shows each batch of a split to, one after the other: a meter, and what gathers answers."""
        return self.meter(columns), self.collected(columns)

    def run_results(self, answers: Answers) -> list[Any]:
        """A batch's answers as 1.x gave them: the array; of a list an array for each output."""
        return [answers] if isinstance(answers, np.ndarray) else [np.stack(each) for each in zip(*answers, strict=True)]

    def predictions(
        self,
        answers: Answers,
        rows: Sequence[Any],
        columns: Columns | None = None,
        label_list: Sequence[str] | None = None,
    ) -> Predictions:
        """What `predict` returns, of the `answers` to all rows."""
        return self.predictions_class(self.run_states(answers), rows, self.reader)

    def run_states(self, answers: Answers) -> list[RunState]:
        """Answers batch by batch."""
        parts = slices(len(answers), self.config.batch_size)
        return [RunState(1, part.stop - part.start, run_results=self.run_results(answers[part])) for part in parts]

    def shown(self, split: ScoredSplit) -> Shown:
        """What the page shows of a split beside its scores."""
        return Shown()

    def pictures(self) -> list[tuple[str, bytes]]:
        """Pictures for the page, a title and a PNG each: of what the network sees of the training rows."""
        return []

    def check_objective(self) -> None:
        """Refuse a loss or metrics that cannot be computed, before a run has a folder."""
        if not self._overrides("losses"):
            _ = self._objective

    def prepare(self, train: Columns) -> list[str]:
        """Called before a run with its training rows; returns what the log and the report should say of the run."""
        return []

    def description(self) -> dict[str, Any]:
        """What a saved model must know to build this task again, as JSON."""
        return {
            "task": type(self).__name__,
            "labels": self.label_list,
            "metrics": self.metrics_choices,
            **self.reader.settings(),
        }

    def saved_variables(self) -> list[Variable]:
        """The Variables whose network is written down where a model is saved."""
        return self.outputs

    def recall(self, description: Mapping[str, Any]) -> None:
        """Called with the description of the best model when its weights are read: what was learnt beside them."""

    def dataset_of(self, rows: Sequence[Any]) -> BaseDataset:
        """A data set whose test rows these are, with the task's labels."""
        made = BaseDataset(label_list=self.label_list)
        made.test_examples = rows
        return made

    def check_rows(self, rows: Sequence[Any]) -> None:
        """Refuse rows to predict or evaluate of another kind than the training rows."""

    @property
    def _program(self) -> Program:
        return self.outputs[0].block or Program()

    def _overrides(self, *names: str) -> bool:
        """Whether a class below the house's own gives one of these methods."""
        own = [getattr(Definition, name) for name in names]
        return any(getattr(type(self), name) is not method for name, method in zip(names, own, strict=True))

    @property
    def _objective(self) -> GraphObjective:
        if self._graph is None:
            with program_guard(self._program):
                metrics = list(self._add_metrics())
                self._graph = GraphObjective(self.outputs, self.labels, self._add_loss(), metrics)
            if self.metrics_choices and not self._overrides("_calculate_metrics", "meter"):
                check_names(self.metrics_choices, len(metrics))
        return self._graph

    def _metrics_of(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> list[Tensor]:
        """What `_add_metrics` gives for a batch, and the losses last."""
        if self._overrides("_add_loss"):
            return self._objective.metrics(outputs, batch)
        return [self.evaluation_losses(outputs, batch)]
