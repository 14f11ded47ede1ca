"""Loss and metrics that are Variables, as 1.x's tasks build them: computed from a network's outputs and the labels."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from transferhub.engine.run_state import RunState
from transferhub.errors import ConfigError
from transferhub.graph import Network, Variable
from transferhub.metrics.interval import Sample


class GraphObjective:
    """Computes a loss and metrics, each a Variable on top of a network's outputs and label inputs.

    Args:
        outputs: Of the network.
        labels: Inputs for the columns of a batch's ``labels``, in their order.
        loss: One number for each row (or several, whose mean is taken).
        metrics: Likewise.

    Raises:
        ConfigError: Weights between the outputs and the loss: they would be neither trained nor saved.
    """

    def __init__(
        self, outputs: Sequence[Variable], labels: Sequence[Variable], loss: Variable, metrics: Sequence[Variable]
    ) -> None:
        for variable in (loss, *metrics):
            if not isinstance(variable, Variable):
                raise ConfigError(f"_add_loss or _add_metrics gave {variable!r:.60}", expected="Variables")
        self._outputs, self._labels, self._loss, self._metrics = list(outputs), list(labels), loss, list(metrics)
        self._network = Network([loss, *metrics], given=[*outputs, *labels])
        if any(True for _ in self._network.parameters()):
            raise ConfigError(
                "the loss or a metric stands on layers with weights that are not below an output",
                expected="a function of self.outputs and self.labels",
                fix="build these layers in _build_net and return what the loss reads among its outputs",
            )

    def losses(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        """The loss of each row, float32 ``[B]``."""
        return self._computed([self._loss], outputs, batch)[0]

    def metrics(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> list[Tensor]:
        """The metrics of each row, ``[B]`` each, and the losses last."""
        return self._computed([*self._metrics, self._loss], outputs, batch)

    def _computed(
        self, wanted: Sequence[Variable], outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]
    ) -> list[Tensor]:
        feeds = {**batch, **outputs, **self._fed(batch)}
        rows = len(next(iter(outputs.values())))
        made = self._network.compute(feeds, [variable.name for variable in wanted])
        return [_by_row(made[variable.name], rows, variable) for variable in wanted]

    def _fed(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        if not self._labels:
            return {}
        columns = [batch["labels"]] if len(self._labels) == 1 else list(batch["labels"].unbind(1))
        if len(columns) != len(self._labels):
            raise ConfigError(f"_add_label has {len(self._labels)} inputs, the reader gives {len(columns)} labels")
        fed = {}
        for variable, values in zip(self._labels, columns, strict=True):
            values = values.to(getattr(torch, variable.dtype))
            fed[variable.name] = values[:, None] if values.dim() == 1 and variable.shape[-1] == 1 else values
        return fed


def _by_row(values: Tensor, rows: int, variable: Variable) -> Tensor:
    if values.dim() == 0 or len(values) != rows:
        raise ConfigError(
            f"{variable.name!r} is {list(values.shape)} for a batch of {rows}",
            expected="a number for each row: fluid.layers.mean keeps them apart",
        )
    return values.float().reshape(rows, -1).mean(dim=1)


class GraphMeter:
    """Gathers what a task's metrics are of each batch; the task makes scores of them.

    Args:
        of_batch: Outputs and batch → metrics ``[B]``, and the losses last.
        scores_of: As `BaseTask._calculate_metrics`.
    """

    def __init__(
        self,
        of_batch: Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], list[Tensor]],
        scores_of: Callable[[Sequence[RunState]], tuple[Mapping[str, float], float, float]],
    ) -> None:
        self._of_batch, self._scores_of = of_batch, scores_of
        self._begun = time.time()
        self._states: list[RunState] = []

    def update(
        self,
        outputs: Mapping[str, Tensor],
        batch: Mapping[str, Tensor],
        rows: npt.NDArray[np.int64] | None = None,
    ) -> None:
        """Count a batch."""
        with torch.no_grad():
            figures = [values.cpu().numpy() for values in self._of_batch(outputs, batch)]
        seconds = time.time() - self._begun
        losses = figures[-1]
        self._states.append(RunState(1, len(losses), float(losses.mean()), run_results=figures, run_time_used=seconds))
        self._states[-1].run_time_begin = self._begun

    def keep_rows(self) -> None:
        """Nothing: figures of each row are kept anyway."""

    def sample(self) -> Sample:
        """The rows' figures, to draw from."""
        figures = [
            np.concatenate(values) for values in zip(*(state.run_results for state in self._states), strict=True)
        ]
        count = len(figures[-1]) if figures else 0

        def scores(drawn: npt.NDArray[np.int64]) -> dict[str, float]:
            results = [values[drawn] for values in figures]
            state = RunState(1, count, float(results[-1].mean()), run_results=results, run_time_begin=self._begun)
            return {name: float(value) for name, value in self._scores_of([state])[0].items()}

        return Sample("rows", count, scores)

    def scores(self) -> dict[str, float]:
        """The scores of all that was counted."""
        return {name: float(value) for name, value in self._scores_of(self._states)[0].items()}

    def state(self) -> Any:
        """What was counted."""
        return [[values.tolist() for values in state.run_results] for state in self._states]

    def restore(self, state: Any) -> None:
        """Go on from what was counted."""
        for figures in state:
            arrays = [np.asarray(values, np.float32) for values in figures]
            self._states.append(RunState(1, len(arrays[-1]), float(arrays[-1].mean()), run_results=arrays))
            self._states[-1].run_time_begin = self._begun


def mean_metrics(names: Sequence[str], states: Sequence[RunState]) -> tuple[Mapping[str, float], float, float]:
    """The means over all rows of what ``run_results`` holds: of the metrics by name, and of the losses."""
    if not states:
        return OrderedDict(), 0.0, 0.0
    means = [float(np.concatenate(values).mean()) for values in zip(*(s.run_results for s in states), strict=True)]
    *metrics, loss = means
    named = list(names) or ["metric" if len(metrics) == 1 else f"metric_{place}" for place in range(len(metrics))]
    seconds = max(time.time() - states[0].run_time_begin, 1e-9)
    return OrderedDict(zip(named, metrics, strict=True)), loss, len(states) / seconds


def check_names(names: Sequence[str], metrics: int) -> None:
    """Refuse another number of names than of metrics."""
    if len(names) != metrics:
        raise ConfigError(
            f"metrics_choices={list(names)}, and _add_metrics gives {metrics}", expected="a name for each metric"
        )
