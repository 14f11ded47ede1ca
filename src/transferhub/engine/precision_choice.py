"""fp32 or bf16, by measuring training steps of both in turn; the answer is kept per machine, network and torch."""

import copy
import dataclasses
import json
import platform
import statistics
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from transferhub import atomic, paths
from transferhub.engine.memory import is_out_of_memory, release
from transferhub.engine.precision import Working
from transferhub.log import logger

GAIN = 1.15  # bf16 must be this much faster to be chosen
PAIRS = (2, 60)  # steps of each that are timed, at least and at most
COLD = 0.5  # seconds of a first step that is taken for what it says
CLEAR = 5  # pairs that may end it early, where they agree
SHARE, SECONDS = 0.02, (2.0, 10.0)  # of the run's time that measuring may take, within these bounds

WAYS = ((0, "fp32"), (1, "bf16"))

Loss = Callable[[nn.Module], Tensor]


@dataclasses.dataclass(frozen=True)
class Sample:
    """Training steps to time.

    Args:
        losses: Each runs a batch through a network and returns the loss: one of the run's own size, and one of a few of
            its rows, which say how long a step takes, and are timed where the batch takes too long.
        rows: Of both.
        steps: Of the whole run.
        moving: Names of the parameters that move.
    """

    losses: tuple[Loss, Loss]
    rows: tuple[int, int]
    steps: int
    moving: Collection[str]

    def affords(self, few: float) -> bool:
        """Whether the whole batch can be timed, where a step in both precisions of the few rows takes `few` seconds."""
        return (1 + PAIRS[0]) * self._whole(few) <= self.budget(few)

    def budget(self, few: float) -> float:
        """Seconds for measuring."""
        return min(SECONDS[1], max(SECONDS[0], SHARE * self._whole(few) / 2 * self.steps))

    def _whole(self, few: float) -> float:
        return few * self.rows[0] / self.rows[1]


def choose(network: nn.Module, sample: Sample, architecture: Mapping[str, Any]) -> str:
    """The faster of fp32 and bf16 for training steps here, measured once and kept in ``tuning.json``.

    Args:
        network: fp32; only copies of it are run.
        sample: What is timed.
        architecture: What the answer depends on beside the machine.
    """
    device = next(network.parameters()).device
    if device.type != "cpu" and not torch.cuda.is_bf16_supported():
        return "fp32"
    where = (
        torch.cuda.get_device_name() if device.type == "cuda" else f"{_processor()}, {torch.get_num_threads()} threads"
    )

    def key(rows: int) -> str:
        return f"{where}, torch {torch.__version__}, {json.dumps({**architecture, 'rows': rows}, sort_keys=True)}"

    known, (whole, few) = _read(), sample.rows
    found = known.get(key(whole)) or known.get(key(few))
    if found is None or (key(whole) not in known and sample.affords(sum(found["seconds_a_step"].values()))):
        pairs, rows, known_for = _measure(network, sample)
        chosen = "bf16" if pairs and gain(pairs) > GAIN else "fp32"
        seconds = {name: statistics.median(pair[place] for pair in pairs) for place, name in WAYS if pairs}
        found = {"precision": chosen, "seconds_a_step": seconds, "pairs": len(pairs)}
        atomic.write_json(paths.tuning(), {**_read(), key(known_for): found})
        if pairs:
            logger.info(
                "Precision %s: a step of %d rows takes %.4g ms in fp32, %.4g ms in bf16, medians of %d (kept in %s)",
                chosen,
                rows,
                1000 * seconds["fp32"],
                1000 * seconds["bf16"],
                len(pairs),
                paths.tuning(),
            )
    return str(found["precision"])


def gain(pairs: Collection[tuple[float, float]]) -> float:
    """How much faster bf16 is: the median over pairs of steps done one after the other, so that load hits both."""
    return statistics.median(fp32 / bf16 for fp32, bf16 in pairs)


def _measure(network: nn.Module, sample: Sample) -> tuple[list[tuple[float, float]], int, int]:
    """Seconds of steps in fp32 and in bf16, in turn, of how many rows, and for how many they hold; none: no bf16."""
    (whole, few), (many, fewer) = sample.losses, sample.rows
    master = copy.deepcopy(network)
    ways = [Working(master, "fp32")]
    _train(ways[0], sample.moving)
    try:
        guess = _guess(ways[0], few)
        ways.append(Working(master, "bf16"))
        _train(ways[1], sample.moving)
        guess += _guess(ways[1], few)
    except (RuntimeError, MemoryError) as error:
        if len(ways) == 1 and not is_out_of_memory(error):
            raise
        why = "too little memory to measure" if is_out_of_memory(error) else "this network does not run in bf16"
        logger.info("Precision fp32: %s: %s", why, str(error).partition("\n")[0])
        return [], many, many
    budget = sample.budget(guess)
    if many > fewer and sample.affords(guess):
        try:
            for way in ways:
                _step(way, whole)  # which warms up: the first step of a size is slower
            return _pairs(ways, whole, budget), many, many
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        for way in ways:
            way.drop_gradients()
        release()
        return _pairs(ways, few, budget), fewer, many
    return _pairs(ways, few, budget), fewer, fewer


def _pairs(ways: list[Working], loss: Loss, budget: float) -> list[tuple[float, float]]:
    """Time both ways in turn until it is clear, or the budget is spent."""
    began, found = time.perf_counter(), list[tuple[float, float]]()
    for number in range(PAIRS[1]):
        seconds = {way: _step(ways[way], loss) for way in ((1, 0) if number % 2 else (0, 1))}
        found.append((seconds[0], seconds[1]))
        spent = time.perf_counter() - began
        clear = len(found) >= CLEAR and spent > budget / 8 and _is_clear(found)
        if len(found) >= PAIRS[0] and (clear or spent > budget):
            break
    return found


def _is_clear(pairs: list[tuple[float, float]]) -> bool:
    """Whether nine of ten pairs say the same."""
    faster = sum(fp32 > GAIN * bf16 for fp32, bf16 in pairs)
    return max(faster, len(pairs) - faster) >= 0.9 * len(pairs)


def _train(way: Working, names: Collection[str]) -> None:
    way.train([parameter for name, parameter in way.master.named_parameters() if name in names])


def _guess(way: Working, loss: Loss) -> float:
    """Seconds of a step; of a quick one the second, as the first one also prepares."""
    seconds = _step(way, loss)
    return seconds if seconds > COLD else _step(way, loss)


def _step(way: Working, loss: Loss) -> float:
    """Seconds of all that the precision decides of a step: gradients, and the way to the masters and back."""
    started = time.perf_counter()
    loss(way.network).backward()  # type: ignore[no-untyped-call]
    way.collect_gradients()
    way.publish()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    seconds = time.perf_counter() - started
    way.drop_gradients()
    return seconds


def _read() -> dict[str, Any]:
    try:
        known: dict[str, Any] = json.loads(paths.tuning().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
