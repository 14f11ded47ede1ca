"""Streaming through a split without gradients."""

import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from transferhub.engine.batches import ordered_batches
from transferhub.engine.objective import Objective
from transferhub.engine.run_state import RunState
from transferhub.reader import Columns


def tensors(columns: Columns, rows: npt.NDArray[np.int64], pad: Mapping[str, int], device: str) -> dict[str, Tensor]:
    """A batch on its device: int64 ``[B, L]`` columns, the mask, the labels."""
    batch = columns.batch(rows, pad)
    return {name: torch.from_numpy(values).to(device) for name, values in batch.items()}


def stream(
    network: nn.Module, columns: Columns, pad: Mapping[str, int], batch_size: int, device: str
) -> Iterator[tuple[npt.NDArray[np.int64], dict[str, Tensor], dict[str, Tensor]]]:
    """Yield (row numbers, batch, outputs) for all rows, those of similar length together, in eval mode."""
    network.eval()
    for rows in ordered_batches(columns.lengths, batch_size):
        batch = tensors(columns, rows, pad, device)
        with torch.inference_mode():
            outputs = network(batch)
        yield rows, batch, outputs


def evaluate(
    network: nn.Module, objective: Objective, columns: Columns, pad: Mapping[str, int], batch_size: int, device: str
) -> RunState:
    """Mean loss and exact scores over a split; holds no more than a batch of outputs."""
    meter, total, steps, started = objective.meter(), 0.0, 0, time.perf_counter()
    for _, batch, outputs in stream(network, columns, pad, batch_size, device):
        total += float(objective.losses(outputs, batch).sum())
        meter.update(outputs, batch)
        steps += 1
    return RunState(
        steps, len(columns), total / max(1, len(columns)), meter.scores(), run_time_used=time.perf_counter() - started
    )


def outputs_of(
    network: nn.Module, name: str, columns: Columns, pad: Mapping[str, int], batch_size: int, device: str
) -> npt.NDArray[np.float32]:
    """One output of all rows, float32 ``[rows, …]``, in the rows' own order."""
    collected: npt.NDArray[np.float32] | None = None
    for rows, _, outputs in stream(network, columns, pad, batch_size, device):
        values = outputs[name].float().cpu().numpy()
        if collected is None:
            collected = np.empty((len(columns), *values.shape[1:]), np.float32)
        collected[rows] = values
    if collected is None:
        return np.empty((0,), np.float32)
    return collected


def batch_slices(rows: int, batch_size: int) -> Sequence[slice]:
    """The rows in order, cut into batches."""
    return [slice(start, min(start + batch_size, rows)) for start in range(0, rows, batch_size)]
