"""RunConfig: how long, how large, where, and how often things are said and saved."""

import dataclasses
from numbers import Integral
from pathlib import Path
from typing import Any

from transferhub.errors import ConfigError
from transferhub.log import logger
from transferhub.metrics.interval import checked_level
from transferhub.strategy import DefaultStrategy, Strategy

PRECISIONS = ("auto", "fp32", "bf16")
COUNTS = (
    "log_interval",
    "eval_interval",
    "num_epoch",
    "batch_size",
    "save_ckpt_interval",
    "early_stopping",
    "max_steps",
)


@dataclasses.dataclass
class RunConfig:
    """How a task is run, with PaddleHub's names and defaults.

    Args:
        log_interval: Steps between two TRAIN lines.
        eval_interval: Steps between two evaluations on dev.
        use_pyreader: Accepted for scripts of 1.x; has no effect.
        use_data_parallel: Accepted for scripts of 1.x; one device is used.
        save_ckpt_interval: Steps between two kept checkpoints. None: a rolling checkpoint every minute and at each
            evaluation, at most 5 % of the time, the last two kept.
        use_cuda: None: a GPU if there is one. True without a GPU: a warning, and the CPU.
        checkpoint_dir: The run's folder. None: ``ckpt_<time>``, or an unfinished one of the same run.
        num_epoch: How often each training row is seen.
        batch_size: Examples for each optimiser step.
        enable_memory_optim: Accepted for scripts of 1.x; has no effect.
        strategy: None: `DefaultStrategy`.
        seed: Everything random is a function of it.
        precision: ``fp32``, ``bf16``, or ``auto``: what is faster here by more than 15 %, measured once.
        overwrite: Remove the run in `checkpoint_dir` first.
        early_stopping: End the run after so many evaluations in a row without a better first metric on dev. The
            learning rate follows the plan for all epochs until then. None: train to the end.
        cache_features: Whether what a frozen part computes is kept on disk and not computed again. None: where it is
            frozen for an epoch at least (an encoder's lower blocks: for longer) and there is room; True: however
            short; False: never.
        max_steps: The run has no more optimiser steps than these, though `num_epoch` epochs would; the strategy plans
            for them. None: `num_epoch` epochs.
        confidence_interval: A level such as 0.95: the best model's scores on dev and test are given with their
            percentile bootstrap intervals, of 1,000 draws of rows (sentences, questions). None: without.

    Raises:
        ConfigError: A value out of range; all faults in one message.
    """

    log_interval: int = 10
    eval_interval: int = 100
    use_pyreader: bool = True
    use_data_parallel: bool = True
    save_ckpt_interval: int | None = None
    use_cuda: bool | None = None
    checkpoint_dir: str | Path | None = None
    num_epoch: int = 1
    batch_size: int = 32
    enable_memory_optim: bool = False
    strategy: Strategy | None = None
    seed: int = 42
    precision: str = "auto"
    overwrite: bool = False
    early_stopping: int | None = None
    cache_features: bool | None = None
    max_steps: int | None = None
    confidence_interval: float | None = None

    def __post_init__(self) -> None:
        faults = [
            f"{name}={value!r}: expected a whole number of at least 1"
            for name in COUNTS
            if (value := getattr(self, name)) is not None and not (_whole(value) and value >= 1)
        ]
        if not _whole(self.seed) or self.seed < 0:
            faults.append(f"seed={self.seed!r}: expected a whole number of at least 0")
        if self.precision not in PRECISIONS:
            faults.append(f"precision={self.precision!r}: expected one of {', '.join(PRECISIONS)}")
        if not self.use_pyreader:
            logger.warning("use_pyreader=False is accepted and has no effect")
        if self.enable_memory_optim:
            logger.warning("enable_memory_optim=True is accepted and has no effect")
        folder: object = self.checkpoint_dir
        if folder is not None and (not isinstance(folder, str | Path) or not str(folder).strip()):
            faults.append(f"checkpoint_dir={folder!r}: expected a path")
        given: object = self.strategy
        if given is not None and not isinstance(given, Strategy):
            faults.append(f"strategy={given!r}: expected a strategy such as hub.AdamWeightDecayStrategy()")
        chosen: object = self.cache_features
        if chosen is not None and not isinstance(chosen, bool):
            faults.append(f"cache_features={chosen!r}: expected None, True or False")
        try:
            checked_level(self.confidence_interval)
        except ConfigError as error:
            faults.append(f"{error.what}: expected {error.expected}" + (f" ({error.fix})" if error.fix else ""))
        if faults:
            raise ConfigError("RunConfig: " + "; ".join(faults))
        if self.strategy is None:
            self.strategy = DefaultStrategy()
        if self.use_cuda:
            import torch

            if not torch.cuda.is_available():
                logger.warning("use_cuda=True, but no GPU is available: the CPU is used")
                self.use_cuda = False

    @property
    def device(self) -> str:
        """``cuda`` or ``cpu``."""
        import torch

        wanted = torch.cuda.is_available() if self.use_cuda is None else self.use_cuda
        return "cuda" if wanted else "cpu"

    def settings(self) -> dict[str, Any]:
        """What determines the outcome: intervals and places do not, unless evaluations decide where the run ends."""
        ends: dict[str, Any] = {} if self.cache_features is None else {"cache_features": self.cache_features}
        if self.max_steps is not None:
            ends |= {"max_steps": int(self.max_steps)}
        if self.early_stopping is not None:
            ends |= {"early_stopping": int(self.early_stopping), "eval_interval": int(self.eval_interval)}
        return {
            "num_epoch": int(self.num_epoch),
            "batch_size": int(self.batch_size),
            "seed": int(self.seed),
            "precision": self.precision,
            "strategy": str(self.strategy),
            **ends,
        }


def _whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
