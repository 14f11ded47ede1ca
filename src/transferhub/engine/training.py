"""The loop: batches → loss → gradients → step → events, evaluations and checkpoints. It knows no task.

Everything that a step computes is a function of the settings and the step's number: which rows (`batches`), which
dropout masks (`kernels.masks`), which rate (the Plan). So a run that goes on from a checkpoint ends with the same
bits as one that was never stopped.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from transferhub.engine import checkpoint, kernels
from transferhub.engine.batches import epoch_batches, steps_in_epoch
from transferhub.engine.best_model import BestModel
from transferhub.engine.config import RunConfig
from transferhub.engine.evaluation import evaluate, tensors
from transferhub.engine.events import Events
from transferhub.engine.frozen import FrozenFeatures
from transferhub.engine.heap import Heap
from transferhub.engine.memory import is_out_of_memory, most_within, parts_within, release
from transferhub.engine.objective import Objective, first_or_loss
from transferhub.engine.precision import Working
from transferhub.engine.progress import Progress
from transferhub.engine.run_state import RunState
from transferhub.engine.signals import StopRequest
from transferhub.errors import ConfigError, TrainingError
from transferhub.graph import Network, derive
from transferhub.log import EVAL, logger
from transferhub.reader import Columns, Padding
from transferhub.strategy import Plan
from transferhub.strategy.optimizers import Pulls, make

ROLLING_SECONDS = 60.0
ROLLING_SHARE = 0.05  # of the time, at most, goes into rolling checkpoints


@dataclasses.dataclass(frozen=True)
class Splits:
    """What is trained on and what chooses the best model.

    Args:
        train: With labels.
        dev: With labels; None: no evaluation during training.
        pad: How rows of different lengths become one array.
        where: Names a training row for messages.
    """

    train: Columns
    dev: Columns | None
    pad: Padding
    where: Callable[[int], str]


class Training:
    """One run of the loop over an open folder.

    Args:
        network: fp32 masters, on their device.
        objective: Loss and scores.
        splits: Rows.
        plan: Made for ``steps_in_epoch * num_epoch`` steps, or ``max_steps`` if these are fewer.
        config: Sizes and intervals.
        precision: ``fp32`` or ``bf16``.
        events: Fired as the loop goes.
        folder: Where checkpoints and the best model go.
        save_best: Fills a folder with the best model; the loop puts it in its place.
    """

    def __init__(
        self,
        network: Network,
        objective: Objective,
        splits: Splits,
        plan: Plan,
        config: RunConfig,
        precision: str,
        events: Events,
        folder: Path,
        save_best: Callable[[Path, Mapping[str, float]], None],
    ) -> None:
        self.network, self.objective, self.splits, self.plan, self.config = network, objective, splits, plan, config
        self.events, self.folder, self._best_model = events, folder, BestModel(folder, objective, save_best)
        self.progress = Progress()
        self.steps_in_epoch = steps_in_epoch(len(splits.train), config.batch_size)
        self.device = config.device
        if config.early_stopping is not None and splits.dev is None:
            raise ConfigError(
                f"early_stopping={config.early_stopping} without dev rows", fix="give dev rows, or leave it out"
            )
        parameters = dict(network.named_parameters())
        plan.check(list(parameters))
        self._moving = [[parameters[name] for name in group.parameters] for group in plan.groups]
        _say_frozen_by_mistake(plan, parameters)
        self._optimizer, self._pulls = make(plan, self._moving), Pulls(plan, self._moving)
        self._stage: tuple[bool, ...] = ()  # which groups move; () before the first step
        self._precision = precision
        self._unseen = False
        self._dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self.features = FrozenFeatures(
            network, plan, self.steps_in_epoch, splits.pad, self.device, config.cache_features, self._dtype
        )
        self._train: Columns = splits.train  # with features while they last
        self._drawn: tuple[int, Columns] = (-1, splits.train)  # as the epoch sees them, where that is left to chance
        self._meter = objective.meter()
        self._batches: tuple[int, list[npt.NDArray[np.int64]]] = (-1, [])
        self._saved_at = time.monotonic()
        self._save_cost = self._save_total = 0.0

    @property
    def total_steps(self) -> int:
        """Optimiser steps of the whole run."""
        return self.plan.total_steps

    @property
    def best(self) -> dict[str, Any] | None:
        """``{"step", "scores", "loss"}`` of the best model so far: what its folder says, so that both are one."""
        return self._best_model.said

    def restore(self) -> bool:
        """Go on from the newest whole checkpoint of the folder, if there is one."""
        self._best_model.recover()
        found = checkpoint.latest_whole(self.folder)
        if found is None:
            logger.info("Model checkpoint not found, start from scratch...")
            return False
        state = checkpoint.load(found, self.network, self._optimizer)
        self.progress = Progress.of(state)
        if self.progress.window_meter is not None:
            self._meter.restore(self.progress.window_meter)
        logger.info(
            "Model checkpoint loaded from %s. current_epoch=%d, global_step=%d, best_score=%.5f",
            found,
            self.epoch + 1,
            self.progress.step,
            first_or_loss(self.best["scores"], self.best["loss"])[1] if self.best else float("nan"),
        )
        return True

    @property
    def epoch(self) -> int:
        """The epoch that the next step belongs to, from 0."""
        return min(self.progress.step // self.steps_in_epoch, self.config.num_epoch - 1)

    @property
    def stopped_early(self) -> bool:
        """Whether the last ``early_stopping`` evaluations on dev brought no better score than the best model has."""
        patience = self.config.early_stopping
        if patience is None or self.progress.step >= self.total_steps:
            return False
        best = self.best
        return best is not None and self.progress.evaluations_since(best["step"]) >= patience

    @property
    def why_stopped(self) -> str:
        """Where and why a run stopped early, in words."""
        best = self.best
        assert best is not None
        name, score = first_or_loss(best["scores"], best["loss"])
        since = self.progress.evaluations_since(best["step"])
        return (
            f"step {self.progress.step} of {self.total_steps}, {since} evaluations on "
            f"dev without a better {name} than {score:.5f} at step {best['step']}"
        )

    def fit(self, follow: Callable[[], None] = lambda: None) -> None:
        """Train to the last step, evaluating and saving on the way. `follow` is called after each step.

        Raises:
            TrainingError: The loss is not finite.
            KeyboardInterrupt: After Ctrl-C; a checkpoint is written first.
            SystemExit: With code 0 after SIGTERM; a checkpoint is written first.
        """
        heap = Heap() if self.device == "cpu" else None
        self._working = Working(self.network, self._precision)
        self._started = time.monotonic()
        with StopRequest() as stop:
            while self.progress.step < self.total_steps and not self.stopped_early:
                self._step()
                if heap is not None:
                    heap.after_step()
                follow()
                self._after_step(stop)
        self._working.drop_gradients()
        del self._working  # what is evaluated next needs its memory
        if self.stopped_early:
            logger.info("Stopped early: %s", self.why_stopped)
        if self.splits.dev is not None and (self.best is None or not self.progress.is_evaluated):
            self.evaluate_dev()
        elif self.splits.dev is None:
            self._best_model.replace(self.progress.step, {}, 0.0)

    def evaluate_dev(self) -> RunState:
        """Evaluate the current weights on dev, in fp32, and keep them if they are the best so far."""
        assert self.splits.dev is not None
        dev = self.features.of(self.splits.dev, max(0, self.progress.step - 1))
        self.events.fire("eval_start")
        logger.info("Evaluation on dev dataset start")
        state = evaluate(self.network, self.objective, dev, self.splits.pad, self.config.batch_size, self.device)
        say_evaluation("dev", state)
        self.progress.add("dev", state)
        if self._best_model.is_beaten_by(state.run_scores, state.run_loss):
            self._best_model.replace(self.progress.step, state.run_scores, state.run_loss)
            name, score = first_or_loss(state.run_scores, state.run_loss)
            logger.log(EVAL, "best model saved to %s [best %s=%.5f]", self._best_model.folder, name, score)
        self.events.fire("eval_end", [state])
        return state

    def save_checkpoint(self, *, rolling: bool = False) -> Path:
        """Write the state after the last step."""
        started = time.monotonic()
        self.progress.window_meter = self._meter.state()
        state = dataclasses.asdict(self.progress)
        path = checkpoint.save(self.folder, self.progress.step, self.network, self._optimizer, state, rolling=rolling)
        self._saved_at = time.monotonic()
        self._save_cost = self._saved_at - started
        self._save_total += self._save_cost
        return path

    def _step(self) -> None:
        progress = self.progress
        step, started = progress.step, time.perf_counter()
        rows = self._rows_of(step)
        self._enter_stage(step)
        loss = self._gradients(step, rows)
        moving = [parameter for group in self._moving for parameter in group if parameter.grad is not None]
        if self._unseen:
            self._say_without_gradient()
        norm = torch.nn.utils.get_total_norm([parameter.grad for parameter in moving if parameter.grad is not None])
        if not math.isfinite(norm):
            self._refuse("gradients are", step, rows)
        if self.plan.clip_norm:
            torch.nn.utils.clip_grads_with_norm_(moving, self.plan.clip_norm, norm)
        if self.plan.clip_each_norm:
            for parameter in moving:
                torch.nn.utils.clip_grad_norm_(parameter, self.plan.clip_each_norm)
        for group, options in zip(self.plan.groups, self._optimizer.param_groups, strict=True):
            options["lr"] = group.rate(step)
        self._pulls.apply(step)
        try:
            self._optimizer.step()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise TrainingError(
                f"out of memory in the optimiser's step {step + 1} / {self.total_steps}: {error}",
                fix="an optimiser with less state (optimizer_name='sgd'), LoRAStrategy, or a smaller module",
            ) from error
        self._working.forget_gradients()
        self._working.publish()
        seconds = time.perf_counter() - started
        progress.count(len(rows), loss, seconds)
        self.events.fire("run_step", [RunState(1, len(rows), loss / len(rows), run_time_used=seconds)])

    def _enter_stage(self, step: int) -> None:
        """Let the groups move that the plan lets move at this step; a function of the step alone."""
        stage = self.plan.moving(step)
        if stage == self._stage:
            return
        moving = [group for group, moves in zip(self._moving, stage, strict=True) if moves]
        self._working.train([parameter for group in moving for parameter in group])
        if self._stage:
            names = [group.name for group, moves in zip(self.plan.groups, stage, strict=True) if not moves]
            logger.info("From step %d on more of the network moves; still frozen: %s", step + 1, names or "nothing")
        self._stage = stage
        self._train = self.features.of(self.splits.train, step, self._dtype)
        self._unseen = True

    def _say_without_gradient(self) -> None:
        """Warn once a stage of parameters that the plan moves and the loss does not depend on."""
        self._unseen = False
        for group, parameters, moves in zip(self.plan.groups, self._moving, self._stage, strict=True):
            names = [name for name, p in zip(group.parameters, parameters, strict=True) if moves and p.grad is None]
            if names:
                logger.warning(
                    "%d of %d tensors of the group %r get no gradient: the loss does not depend on them: %s",
                    len(names),
                    len(parameters),
                    group.name,
                    ", ".join(names[:3]) + (" …" if len(names) > 3 else ""),
                )

    def _gradients(self, step: int, rows: npt.NDArray[np.int64]) -> float:
        """Leave the gradients of the mean loss over `rows` with the masters, and return the sum of losses.

        Where memory runs out the rows are cut in halves, and these again, until they fit; the gradients are those of
        the whole batch (but for dropout masks, which are drawn part by part, and statistics over a batch). What did
        not fit is remembered, so that later steps are cut before they fail.
        """
        train, progress = self.splits.train, self.progress
        while True:
            parts = self._parts(rows)
            try:
                return self._accumulated(step, rows, parts)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                reason = str(error).partition("\n")[0]
            # Out of the except block, so that what the failed attempt held is free.
            self._working.drop_gradients()
            release()
            if all(len(part) == 1 for part in parts):
                raise TrainingError(
                    f"out of memory at step {step + 1} / {self.total_steps} with a single row: {reason}",
                    fix="a smaller max_seq_len or a smaller module; what was saved before stands",
                )
            progress.most_values = max(train.padded(part) for part in parts if len(part) > 1) // 2
            logger.warning(
                "Out of memory at step %d (%s): it is done again in %d parts; a step still sees %d rows",
                step + 1,
                reason,
                len(self._parts(rows)),
                len(rows),
            )

    def _parts(self, rows: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
        """A batch as it is computed: whole, or in the parts for which memory suffices."""
        train = self.splits.train
        return parts_within(rows, train, most_within(rows, train, self.progress.most_values))

    def _accumulated(self, step: int, rows: npt.NDArray[np.int64], parts: list[npt.NDArray[np.int64]]) -> float:
        seed, total = self.config.seed, 0.0
        torch.manual_seed(derive(seed, "step", step))
        kernels.masks.reseed(seed, "dropout", step)
        seen, train = [], self._train_at(step)
        for number, part in enumerate(parts):
            batch = tensors(train, part, self.splits.pad, self.device)
            if number < len(parts) - 1:
                train.ahead(parts[number + 1])
            elif (step + 1) % self.steps_in_epoch:
                train.ahead(self._parts(self._rows_of(step + 1))[0])
            outputs = self._working.network(batch)
            losses = self.objective.losses(outputs, batch)
            loss = float(losses.detach().sum())
            if not math.isfinite(loss):
                self._refuse("loss is", step, part, losses.detach())
            (losses.sum() / len(rows)).backward()  # type: ignore[no-untyped-call]
            self._working.collect_gradients(add=number > 0)
            seen.append(({name: value.detach() for name, value in outputs.items()}, batch))
            total += loss
        for outputs, batch in seen:
            self._meter.update(outputs, batch)
        return total

    def _after_step(self, stop: StopRequest) -> None:
        progress, config = self.progress, self.config
        if progress.step % config.log_interval == 0:
            self._close_window()
        evaluated = self.splits.dev is not None and progress.step % config.eval_interval == 0
        if evaluated and not progress.is_evaluated:
            self.events.fire("eval_interval")
        # Saving comes last, so that a checkpoint never lies between a step and its evaluation.
        if config.save_ckpt_interval:
            if progress.step % config.save_ckpt_interval == 0 and progress.step < self.total_steps:
                self.events.fire("save_ckpt_interval")
        elif self._rolling_is_due(evaluated) and progress.step < self.total_steps:
            self.save_checkpoint(rolling=True)
        if stop.asked is not None:
            self._stop(stop)

    def _close_window(self) -> None:
        rate = max((group.rate(self.progress.step - 1) for group in self.plan.groups), default=0.0)
        state = self.progress.close_window(self._meter.scores(), rate)
        self._meter = self.objective.meter()
        self.events.fire("log_interval", [state])

    def _train_at(self, step: int) -> Columns:
        if not self._train.varies:
            return self._train
        epoch = step // self.steps_in_epoch
        if self._drawn[0] != epoch:
            self._drawn = epoch, self._train.at_epoch(epoch, self.config.seed)
        return self._drawn[1]

    def _rows_of(self, step: int) -> npt.NDArray[np.int64]:
        epoch, place = divmod(step, self.steps_in_epoch)
        if self._batches[0] != epoch:
            lengths = self.splits.train.lengths
            self._batches = epoch, epoch_batches(lengths, self.config.batch_size, self.config.seed, epoch)
        return self._batches[1][place]

    def _rolling_is_due(self, evaluated: bool) -> bool:
        now = time.monotonic()
        affordable = self._save_total + self._save_cost <= ROLLING_SHARE * (now - self._started)
        return affordable and (evaluated or now - self._saved_at >= ROLLING_SECONDS)

    def _stop(self, stop: StopRequest) -> None:
        path = checkpoint.folder_of(self.folder, self.progress.step)
        if not path.exists():  # else this step was just kept
            self.save_checkpoint(rolling=True)
        assert stop.asked is not None
        logger.info("%s: Saving model checkpoint to %s; the same command goes on from there", stop.asked.name, path)
        raise SystemExit(0) if stop.asked.name == "SIGTERM" else KeyboardInterrupt

    def _refuse(self, what: str, step: int, rows: npt.NDArray[np.int64], losses: Tensor | None = None) -> NoReturn:
        finite = [True] * len(rows) if losses is None else [math.isfinite(loss) for loss in losses.tolist()]
        bad = [self.splits.where(int(row)) for row, good in zip(rows, finite, strict=True) if not good or all(finite)]
        saved = checkpoint.newest_first(self.folder)
        raise TrainingError(
            f"the {what} not finite at step {step + 1} / {self.total_steps}, on {', '.join(bad[:3])}"
            + (f" and {len(bad) - 3} more rows" if len(bad) > 3 else ""),
            fix="start again with a lower learning rate, in another checkpoint_dir or with --overwrite; "
            + (f"the last good checkpoint is {saved[0]}" if saved else "no checkpoint was written yet"),
        )


def say_evaluation(split: str, state: RunState) -> None:
    """The documents' EVAL line."""
    logger.log(EVAL, "[%s dataset evaluation result] %s", split, state.line)


def _say_frozen_by_mistake(plan: Plan, parameters: Mapping[str, torch.nn.Parameter]) -> None:
    names = [name for group in plan.groups for name in group.parameters if not parameters[name].requires_grad]
    if names:
        logger.warning(
            "%d tensors came with requires_grad=False, and the plan moves them: %s; to keep them as they are, freeze "
            "them by the strategy or context(trainable=False)",
            len(names),
            ", ".join(names[:3]) + (" …" if len(names) > 3 else ""),
        )
