"""One trial of `hub.tune`: a task trained in the trial's folder, watched at its evaluations on dev."""

import copy
import dataclasses
import json
import math
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transferhub import log
from transferhub.engine.batches import steps_in_epoch
from transferhub.engine.run_folder import RECORD, differences
from transferhub.engine.run_state import RunState
from transferhub.errors import ConfigError, ModuleError, RunError, TrainingError
from transferhub.tune.space import Value
from transferhub.tune.study import Claim, Study

if TYPE_CHECKING:
    from transferhub.dataset import BaseDataset
    from transferhub.task.base_task import BaseTask

MakeTask = Callable[[dict[str, Any]], "BaseTask"]
EVALUATIONS = 2  # on dev, an epoch: what pruning looks at


class TimeIsUp(Exception):
    """The search's time is over; the trial has a checkpoint and goes on at the next start."""


def run_trial(study: Study, claim: Claim, make_task: MakeTask, deadline: float) -> None:
    """Train a trial to its end, or until it is pruned, and tell the study.

    What is the settings' fault (a loss that is not finite, no memory) fails the trial and the search goes on. All
    else is raised, and the trial goes on when that is mended.

    Raises:
        TimeIsUp: At an evaluation after `deadline`, of ``time.monotonic()``.
        HubError: The rows, module or arguments are at fault, or the disk.
        KeyboardInterrupt: After Ctrl-C; a checkpoint is written first.
        SystemExit: With code 0 after SIGTERM; likewise.
    """
    import optuna
    from optuna.trial import TrialState

    started, trial = time.monotonic(), claim.trial
    state, score, error = TrialState.FAIL, None, ""
    before = float(trial.user_attrs.get("seconds", 0.0))
    try:
        with log.into(claim.folder / "log.txt"):
            task = prepared(make_task, claim.values, claim.folder)
            task.add_hook("finetune_start", "tune", lambda task: _check_rows(study, task))
            task.add_hook("eval_end", "tune", _watch(claim, deadline))
            result = task.finetune_and_eval()
        scores = dict(result.dev or {})
        loss = scores.pop("loss", math.nan)
        score = task.rank(scores, loss)
        trial.set_user_attr("dev", {**scores, "loss": loss})
        trial.set_user_attr("metric", next(iter(scores), "-loss"))
        if math.isfinite(score):
            state = TrialState.COMPLETE
        else:
            error, score = f"its score on dev is {score}", None
    except optuna.TrialPruned:
        state = TrialState.PRUNED
    except (TrainingError, MemoryError) as failed:
        error = str(failed) or type(failed).__name__
    except (ConfigError, ModuleError) as failed:
        if not any(each.state.is_finished() for each in study.trials):
            raise  # the very first: it is the command's fault, and not that of the values
        error = str(failed)
    finally:
        trial.set_user_attr("seconds", round(before + time.monotonic() - started, 1))
    if error:
        trial.set_user_attr("error", error)
    study.optuna.tell(trial, score, state=state)


def prepared(make_task: MakeTask, values: Mapping[str, Value], folder: Path) -> "BaseTask":
    """A trial's task: in its folder, without test rows, evaluated `EVALUATIONS` times an epoch.

    Raises:
        ConfigError: `make_task` gives no task, or one without rows.
    """
    from transferhub.task.base_task import BaseTask

    made: object = make_task(dict(values))
    if not isinstance(made, BaseTask):
        raise ConfigError(f"the task factory returned {made!r:.60}", expected="a task with a data set")
    if made.dataset is None:
        raise ConfigError("the task factory's task has no data set", expected="dataset=…")
    made.dataset = without_test(made.dataset)
    in_epoch = steps_in_epoch(len(made.rows().train_examples), made.config.batch_size)
    made.config = dataclasses.replace(
        made.config, checkpoint_dir=folder, eval_interval=max(1, -(-in_epoch // EVALUATIONS)), overwrite=False
    )
    return made


def without_test(dataset: "BaseDataset") -> "BaseDataset":
    """The same rows without those of test."""
    kept = copy.copy(dataset)
    kept.test_examples = []
    return kept


def keep_best(study: Study, count: int) -> None:
    """Remove checkpoints of finished trials, and the models of all but the best `count`."""
    from optuna.trial import TrialState

    trials = [each for each in study.trials if each.state.is_finished()]
    scored = [each for each in trials if each.state == TrialState.COMPLETE]
    best = sorted(scored, key=lambda each: (-(each.value or 0.0), each.number))[:count]
    kept = {each.number for each in best}
    for each in trials:
        folder = study.folder(each.number)
        for path in [*folder.glob("step_*"), *([] if each.number in kept else folder.glob("best_model"))]:
            shutil.rmtree(path, ignore_errors=True)


def _watch(claim: Claim, deadline: float) -> Callable[["BaseTask", Sequence[RunState]], None]:
    """A function for ``eval_end``: reports the score, and stops the trial if it is to be pruned, or the time is up."""
    import optuna

    trial = claim.trial
    reported = set(trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values)

    def watch(task: "BaseTask", states: Sequence[RunState]) -> None:
        if task.training is None:
            return
        number = -(-task.training.progress.step // task.config.eval_interval)
        if number not in reported:
            reported.add(number)
            trial.report(task.rank(states[0].run_scores, states[0].run_loss), number)
            if task.training.progress.step < task.training.total_steps and trial.should_prune():
                raise optuna.TrialPruned
        if time.monotonic() > deadline:
            task.training.save_checkpoint(rolling=True)
            raise TimeIsUp

    return watch


def _check_rows(study: Study, task: "BaseTask") -> None:
    """Refuse rows that are not those of the trials before: their scores could not be compared."""
    assert task.run_path is not None
    now = json.loads((task.run_path / RECORD).read_text(encoding="utf-8"))["settings"]["data"]
    with study.locked():
        then = study.record.get("data")
        if then is None:
            study.save(data=now)
    rows = differences(then or now, now)
    if rows:
        raise RunError(
            f"the rows are not those of the trials in {study.path}:\n" + "\n".join(rows),
            fix="give the same rows and the same seed, or choose another checkpoint_dir",
        )
