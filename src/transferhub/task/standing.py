"""Hooks, and where a run stands, by 1.x's names."""

from collections.abc import Sequence

from transferhub.dataset import BaseDataset, InputExample
from transferhub.engine.batches import steps_in_epoch
from transferhub.engine.events import Events, Hook
from transferhub.engine.training import Training
from transferhub.errors import ConfigError
from transferhub.task.definition import Definition


class Standing(Definition):
    """What a script asks a task about its run, and what it hangs on its events."""

    dataset: BaseDataset | None
    events: Events
    training: Training | None
    phase: str
    _reached: tuple[int, int, float]  # step, epoch and best score of the last run
    _rows: tuple[list[Sequence[InputExample]], BaseDataset] | None = None  # what `rows` was made of, and is

    # --- hooks

    def add_hook(self, hook_type: str, name: str | None = None, func: Hook | None = None) -> None:
        """Call ``func(task)`` or ``func(task, run_states)`` at an event, say ``log_interval_event``."""
        if func is None:
            raise ConfigError(f"add_hook({hook_type!r}) without a function", expected="add_hook(event, name, func)")
        self.events.add(hook_type, name, func)

    def modify_hook(self, hook_type: str, name: str, func: Hook) -> None:
        """Put another function in a hook's place; the built-in ones are called ``default``."""
        self.events.modify(hook_type, name, func)

    def delete_hook(self, hook_type: str, name: str) -> None:
        """Take a hook away."""
        self.events.delete(hook_type, name)

    def hooks_info(self, show_default: bool = False) -> dict[str, dict[str, Hook]]:
        """Event → name → function."""
        return self.events.info(show_default)

    @property
    def hooks(self) -> Events:
        """The hooks by event."""
        return self.events

    # --- where a run stands, by 1.x's names

    @property
    def current_step(self) -> int:
        """Steps done."""
        return self.training.progress.step if self.training else self._reached[0]

    @property
    def current_epoch(self) -> int:
        """From 1."""
        return self.training.epoch + 1 if self.training else self._reached[1]

    @property
    def max_train_steps(self) -> int:
        """Optimiser steps of a whole run."""
        steps = steps_in_epoch(len(self.rows().train_examples), self.config.batch_size) * self.config.num_epoch
        return steps if self.config.max_steps is None else min(steps, self.config.max_steps)

    @property
    def best_score(self) -> float:
        """The first metric of the best model so far; -999 before there is one, as in 1.x."""
        if self.training is None:
            return self._reached[2]
        best = self.training.best
        chosen = best is not None and self.training.splits.dev is not None
        return self.rank(best["scores"], best["loss"]) if best is not None and chosen else -999.0

    def remember(self) -> None:
        """Keep where the run stands, and let go of what it needed to train."""
        if self.training is not None:
            self._reached = self.current_step, self.current_epoch, self.best_score
            self.training = None

    @property
    def is_train_phase(self) -> bool:
        """Whether the task trains."""
        return self.phase == "train"

    @property
    def is_test_phase(self) -> bool:
        """Whether the task evaluates."""
        return self.phase in ("dev", "val", "test")

    @property
    def is_predict_phase(self) -> bool:
        """Whether the task predicts."""
        return self.phase in ("predict", "inference")

    def rows(self) -> BaseDataset:
        """The data set as it is trained on: with a tenth of the training rows as dev rows where it has none."""
        if self.dataset is None:
            raise ConfigError("a task without a data set cannot be trained", fix="dataset=…, or a reader with one")
        looked_at = [self.dataset.get_examples(split) for split in ("train", "dev", "test")]
        if self._rows is None or any(now is not then for now, then in zip(looked_at, self._rows[0], strict=True)):
            self._rows = looked_at, self.dataset.with_dev(self.config.seed, kind=self.kind)
        return self._rows[1]
