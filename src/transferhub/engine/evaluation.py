"""Streaming through a split without gradients."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from transferhub.engine.batches import ordered_batches
from transferhub.engine.memory import halves, is_out_of_memory, most_within, parts_within
from transferhub.engine.objective import Meter, Objective
from transferhub.engine.run_state import RunState
from transferhub.errors import TrainingError
from transferhub.reader import Columns, Padding

Answers = npt.NDArray[Any] | list[Any]


class SettledColumns(Columns):
    """Columns beside which values of Variables are kept, so that a network need not compute them."""

    def settled(self, rows: npt.NDArray[np.int64], batch: dict[str, Tensor]) -> dict[str, Any]:
        """Name → value for these rows, to go with their `batch`; empty where nothing is kept after all."""
        raise NotImplementedError


def tensors(columns: Columns, rows: npt.NDArray[np.int64], pad: Padding, device: str) -> dict[str, Tensor]:
    """A batch on its device: int64 ``[B, L]`` columns, the mask, the labels; and what is settled of it."""
    batch = {name: torch.from_numpy(values).to(device) for name, values in columns.batch(rows, pad).items()}
    return batch | columns.settled(rows, batch) if isinstance(columns, SettledColumns) else batch


def stream(
    network: nn.Module, columns: Columns, pad: Padding, batch_size: int, device: str
) -> Iterator[tuple[npt.NDArray[np.int64], dict[str, Tensor], dict[str, Tensor]]]:
    """Yield (row numbers, batch, outputs) for all rows, those of similar length together, in eval mode.

    A batch for which memory does not suffice is done in halves, as is one of many windows. The network's mode is
    afterwards as it was.
    """
    mode = network.training
    network.eval()
    try:
        batches = ordered_batches(columns.lengths, batch_size)
        waiting = [part for rows in batches for part in parts_within(rows, columns, most_within(rows, columns, None))]
        waiting.reverse()
        while waiting:
            rows = waiting.pop()
            try:
                batch = tensors(columns, rows, pad, device)
                if waiting:
                    columns.ahead(waiting[-1])
                with torch.inference_mode():
                    outputs = network(batch)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if len(rows) == 1:
                    raise TrainingError(
                        f"out of memory with a single row of {columns.padded(rows)} values: {error}",
                        fix="a smaller max_seq_len or a smaller module",
                    ) from error
                waiting += reversed(halves(rows))
                continue
            yield rows, batch, outputs
    finally:
        network.train(mode)


def evaluate(
    network: nn.Module,
    objective: Objective,
    columns: Columns,
    pad: Padding,
    batch_size: int,
    device: str,
    see: Callable[[npt.NDArray[np.int64], dict[str, Tensor], dict[str, Tensor]], None] | None = None,
    meter: Meter | None = None,
) -> RunState:
    """Mean loss and exact scores over a split; holds no more than a batch of outputs.

    `see` is shown each batch: row numbers, batch, outputs; for those who want to keep some of it. `meter` is a fresh
    one of this split; None: the objective's.
    """
    meter = objective.meter(columns) if meter is None else meter
    total, steps, started = 0.0, 0, time.perf_counter()
    for rows, batch, outputs in stream(network, columns, pad, batch_size, device):
        total += float(objective.evaluation_losses(outputs, batch).sum())
        meter.update(outputs, batch, rows)
        steps += 1
        if see is not None:
            see(rows, batch, outputs)
    return RunState(
        steps, len(columns), total / max(1, len(columns)), meter.scores(), run_time_used=time.perf_counter() - started
    )


class Collected:
    """What a task finds for each row, in the rows' own order, whatever order they are seen in.

    Args:
        rows: How many there are.
        answers: Outputs, batch and numbers of its rows → what is found for each of them: an array ``[B, …]`` whose
            shape behind the rows is always the same, or a list.
    """

    def __init__(
        self,
        rows: int,
        answers: Callable[[Mapping[str, Tensor], Mapping[str, Tensor], npt.NDArray[np.int64]], Answers],
    ) -> None:
        self._rows, self._answers = rows, answers
        self.values: Answers = []

    def __call__(self, rows: npt.NDArray[np.int64], batch: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> None:
        """Keep a batch's part."""
        found = self._answers(outputs, batch, rows)
        if not len(self.values):
            if isinstance(found, np.ndarray):
                self.values = np.empty((self._rows, *found.shape[1:]), found.dtype)
            else:
                self.values = [None] * self._rows
        if isinstance(self.values, np.ndarray):
            self.values[rows] = found
        else:
            for row, answer in zip(rows.tolist(), found, strict=True):
                self.values[row] = answer


def slices(rows: int, batch_size: int) -> Sequence[slice]:
    """The rows in order, cut into batches."""
    return [slice(start, min(start + batch_size, rows)) for start in range(0, rows, batch_size)]
