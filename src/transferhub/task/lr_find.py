"""The learning-rate finder: a short run whose rate grows with every step, on a copy of the network.

Smith 2017, "Cyclical Learning Rates for Training Neural Networks", section 3.3: the rate rises geometrically from far
too small to far too large; where the loss falls fastest is a rate that works.
"""

import dataclasses
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from transferhub.engine.batches import steps_in_epoch
from transferhub.engine.events import Events
from transferhub.engine.kernels import speed_up
from transferhub.engine.run_state import RunState
from transferhub.engine.training import Splits, Training
from transferhub.errors import ConfigError, TrainingError
from transferhub.graph import Network, Parameter
from transferhub.report.charts import Line, line_chart, svg_file
from transferhub.strategy import Plan, Steps, Strategy
from transferhub.strategy.compose import NEVER

if TYPE_CHECKING:
    from transferhub.task.base_task import BaseTask

MEMORY = 0.9  # of the running mean of losses
CLEAR = 0.01  # the part of the first loss by which it must fall for a suggestion
TOO_HIGH = 4.0  # a loss so many times the lowest ends the search


@dataclasses.dataclass(frozen=True)
class FoundRate:
    """What the search came to.

    Args:
        suggestion: A tenth of the rate at which the loss was lowest: there it still falls fast, and does not jump.
            None: the loss did not fall clearly, or was lowest at an end of the range.
        steepest: Where the loss fell fastest over the logarithm of the rate.
        rates: Of each step.
        losses: Running means of the loss, one for each rate.
    """

    suggestion: float | None
    steepest: float
    rates: list[float]
    losses: list[float]

    def picture(self) -> str:
        """The losses over the rates, as an SVG file's text."""
        points = [(math.log10(rate), loss) for rate, loss in zip(self.rates, self.losses, strict=True)]
        lines = [Line("loss", points)]
        if self.suggestion is not None:
            mark = math.log10(self.suggestion)
            lines.append(Line("suggestion", [(mark, min(self.losses)), (mark, max(self.losses))]))
        return svg_file(line_chart(lines, powers_of_ten=True))


class GrowingRate(Strategy):
    """Another strategy's groups at rates that grow from `low` to `high`; what it moves later moves from the start."""

    def __init__(self, strategy: Strategy, low: float, high: float) -> None:
        self.strategy, self.low, self.high = strategy, low, high

    def rate(self, step: int, total: int) -> float:
        """``low`` at step 0, ``high`` at the last."""
        return float(self.low * (self.high / self.low) ** (step / max(1, total - 1)))

    def plan(self, parameters: Sequence[Parameter], steps: Steps) -> Plan:
        """The groups of the strategy, in the same proportion to each other."""
        planned = self.strategy.plan(parameters, steps)
        peak = max(group.peak for group in planned.groups)

        def growing(share: float) -> "Growth":
            return Growth(self, share, steps.total)

        groups = [
            dataclasses.replace(group, rate=growing(group.peak / peak), peak=self.high * group.peak / peak, starts=0)
            for group in planned.groups
        ]
        return dataclasses.replace(planned, strategy=str(self), groups=tuple(groups))


@dataclasses.dataclass(frozen=True)
class Growth:
    """A group's part of the growing rate."""

    of: GrowingRate
    share: float
    total: int

    def __call__(self, step: int) -> float:
        """The rate at a step."""
        return self.share * self.of.rate(step, self.total)


class _Enough(Exception):
    """The loss has grown so much that higher rates say nothing."""


def find_rate(task: "BaseTask", low: float = 1e-7, high: float = 1.0, steps: int = 100) -> FoundRate:
    """Search a learning rate for a task; its network, folder and data stay as they are.

    Args:
        task: With a data set.
        low: The first rate.
        high: The last one.
        steps: How many batches are looked at, at most.

    Raises:
        ConfigError: `low` is not below `high`, or fewer than 10 steps.
    """
    if not 0 < low < high < math.inf or steps < 10:
        raise ConfigError(f"low={low}, high={high}, steps={steps}", expected="0 < low < high, and at least 10 steps")
    dataset, config = task.rows(), task.config
    assert config.strategy is not None
    strategy = GrowingRate(config.strategy, low, high)
    train = task.reader.columns("train", dataset)
    network = speed_up(task.build_network()).to(config.device)
    assert isinstance(network, Network)
    # Epochs of one step, so that what the strategy unfreezes later is there too.
    plan = strategy.plan(network.described_parameters(), Steps(steps, 1))
    epochs = -(-steps // steps_in_epoch(len(train), config.batch_size))
    config = dataclasses.replace(
        config,
        num_epoch=epochs,
        eval_interval=NEVER,
        save_ckpt_interval=NEVER,
        log_interval=NEVER,
        cache_features=False,
        early_stopping=None,
    )
    rates: list[float] = []
    losses: list[float] = []
    events, mean = Events(task), 0.0

    def see(_: "BaseTask", states: Sequence[RunState]) -> None:
        nonlocal mean
        mean = MEMORY * mean + (1 - MEMORY) * states[0].run_loss
        rates.append(strategy.rate(len(rates), steps))
        losses.append(mean / (1 - MEMORY ** len(rates)))
        if len(losses) > 10 and losses[-1] > TOO_HIGH * min(losses):
            raise _Enough

    events.add("run_step", "see", see)
    precision = config.precision if config.precision != "auto" else "fp32"
    with tempfile.TemporaryDirectory() as folder:
        splits = Splits(train, None, task.padding, lambda row: f"train_examples[{row}]")
        training = Training(
            network, task, splits, plan, config, precision, events, Path(folder), lambda folder, scores: None
        )
        try:
            training.fit()
        except (_Enough, TrainingError):  # a loss that is not finite any more is far above too high
            if len(losses) < 10:
                raise
    return _judge(rates, losses)


def _judge(rates: list[float], losses: list[float]) -> FoundRate:
    lowest = min(range(len(losses)), key=losses.__getitem__)
    falls = [losses[place] - losses[place + 1] for place in range(max(1, lowest))] if lowest else [0.0]
    steepest = max(range(len(falls)), key=falls.__getitem__)
    fell = losses[0] - losses[lowest] > CLEAR * losses[0] and rates[0] <= rates[lowest] / 10
    return FoundRate(rates[lowest] / 10 if fell else None, rates[steepest], rates, losses)
