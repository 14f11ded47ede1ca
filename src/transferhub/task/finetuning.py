"""A run from the first row to the report: one way for all tasks."""

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from transferhub.dataset import BaseDataset
from transferhub.dataset.examples import where
from transferhub.engine import checkpoint
from transferhub.engine.batches import epoch_batches, ordered_batches
from transferhub.engine.evaluation import tensors
from transferhub.engine.events import Events
from transferhub.engine.kernels import speed_up
from transferhub.engine.memory import most_within, parts_within
from transferhub.engine.precision_choice import Sample, choose
from transferhub.engine.run_folder import RunFolder, environment, open_run
from transferhub.engine.run_state import RunState
from transferhub.engine.tokens import TokenCount, count
from transferhub.engine.training import Splits, Training, say_evaluation
from transferhub.errors import ConfigError
from transferhub.graph import Network, derive
from transferhub.log import TRAIN, logger
from transferhub.reader import Columns
from transferhub.report.console import ProgressBar
from transferhub.report.scalars import Scalars
from transferhub.strategy import Plan
from transferhub.strategy.compose import NEVER
from transferhub.task import saved_model
from transferhub.task.confidence import as_json, of_rows, scored
from transferhub.task.result import RunResult, peak_rss_mb, write_page
from transferhub.task.scored import ScoredSplit, write_predictions

if TYPE_CHECKING:
    from transferhub.task.base_task import BaseTask

FEW = 16  # rows that say how long a step takes


def hook_defaults(events: Events) -> None:
    """The built-in functions of a task's events; each can be modified or deleted under the name ``default``."""
    events.add("log_interval", "default", _say_steps)
    events.add("eval_interval", "default", lambda task: task.training.evaluate_dev())
    events.add("save_ckpt_interval", "default", lambda task: _say_saved(task.training.save_checkpoint()))


def finetune(task: "BaseTask", *, do_eval: bool) -> RunResult:
    """Train a task in its run's folder, to the end or from where it was stopped.

    Raises:
        HubError: As `BaseTask.finetune_and_eval` says.
    """
    if task.is_loaded:
        raise ConfigError(
            "a task that hub.load opened is for predicting and evaluating",
            fix='to train on from its weights: TextClassifierTask(module="…/best_model", dataset=…)',
        )
    if task.config.early_stopping is not None and not do_eval:
        raise ConfigError(
            f"early_stopping={task.config.early_stopping}, but finetune() evaluates at the end only",
            fix="finetune_and_eval(), or finetune(do_eval=True)",
        )
    started = time.monotonic()
    config, dataset = task.config, task.rows()
    if task.dataset is not None and not len(task.dataset.dev_examples):
        logger.info(
            "No dev rows given: %d of %d training rows split off, %s, seed %d",
            len(dataset.dev_examples),
            len(dataset.dev_examples) + len(dataset.train_examples),
            dataset.drawn,
            config.seed,
        )
    splits = Splits(
        task.reader.columns("train", dataset),
        task.reader.columns("dev", dataset) if len(dataset.dev_examples) else None,
        task.padding,
        lambda row: where(dataset.train_examples, row, "train_examples"),
    )
    test = task.reader.columns("test", dataset) if len(dataset.test_examples) else None
    to_score = splits.dev if splits.dev is not None else test
    if config.confidence_interval is not None and to_score is not None:
        of_rows(task, task.meter(to_score))  # or refused now, not after an hour
    settings = run_settings(task, do_eval=do_eval)
    task.check_objective()
    plan = task.plan()  # reads the weights: what cannot be built leaves no folder behind and overwrites none
    folder = open_run(config.checkpoint_dir, settings, environment(config.device), overwrite=config.overwrite)
    try:
        task.run_path = folder.path
        logger.info("Checkpoint dir: %s", folder.path)
        if folder.finished:
            result = RunResult.from_record(folder.record, folder.path)
            logger.info(
                "The run in %s is finished: nothing to train. dev %s test %s", folder.path, result.dev, result.test
            )
            if config.confidence_interval is not None and not result.intervals:
                logger.warning(
                    "It was finished without confidence intervals: hub evaluate %s FILE --confidence-interval %g",
                    result.best_model,
                    config.confidence_interval,
                )
            return result
        notes, tokens = task.prepare(splits.train), _count_tokens(task, splits, test)
        for line in (*(f"{split}: {counted.line}" for split, counted in tokens.items()), *notes):
            logger.info("%s", line)
        training = _prepare(task, folder, plan, splits, do_eval)
        _train(task, training, folder)
        result = _close(task, dataset, training, folder, test, started, notes, tokens)
    finally:
        task.remember()
        folder.close()
    logger.info("TransferHub finetune finished.")
    return result


def _prepare(task: "BaseTask", folder: RunFolder, plan: Plan, splits: Splits, do_eval: bool) -> Training:
    config = task.config
    task.events.fire("build_env_start")
    network = speed_up(task.take_network()).to(config.device)
    assert isinstance(network, Network)
    if "precision" not in folder.record:
        folder.save(precision=_precision(task, network, plan, splits))
    if not do_eval:
        config = dataclasses.replace(config, eval_interval=NEVER)

    def save_best(target: Path, scores: Mapping[str, float]) -> None:
        assert config.strategy is not None
        saved_model.write_model(task, config.strategy.export(network), target, scores)

    task.training = Training(
        network, task, splits, plan, config, folder.record["precision"], task.events, folder.path, save_best
    )
    features, rows = task.training.features, [splits.train, splits.dev]
    started = checkpoint.latest_whole(folder.path) is not None  # by a version that kept none
    if "cached_features" not in folder.record:
        folder.save(cached_features=not started and features.decide(rows))
    if "cached_blocks" not in folder.record:
        folder.save(cached_blocks=not started and features.decide_blocks(rows))
    features.use(folder.record["cached_features"], folder.record["cached_blocks"])
    task.events.fire("build_env_end")
    return task.training


def _count_tokens(task: "BaseTask", splits: Splits, test: Columns | None) -> dict[str, TokenCount]:
    """Of each split of texts, with the batches that it is cut into: for training those of the first epoch."""
    if not splits.train.ragged:
        return {}
    size, longest = task.config.batch_size, task.reader.max_seq_len
    train = splits.train
    batches = epoch_batches(train.lengths, size, task.config.seed, 0)
    counts = {"train": count(train, batches, splits.pad, longest)}
    for name, columns in (("dev", splits.dev), ("test", test)):
        if columns is not None:
            counts[name] = count(columns, ordered_batches(columns.lengths, size), splits.pad, longest)
    return counts


def _precision(task: "BaseTask", network: Network, plan: Plan, splits: Splits) -> str:
    config, train = task.config, splits.train
    if config.precision != "auto":
        return config.precision
    rows = _usual_batch(train, config.batch_size, config.seed)
    few = rows[: min(len(rows), FEW)]

    def loss(rows: npt.NDArray[np.int64]) -> Callable[[torch.nn.Module], torch.Tensor]:
        batch = tensors(train, rows, splits.pad, config.device)

        def of(trial: torch.nn.Module) -> torch.Tensor:
            torch.manual_seed(derive(config.seed, "precision"))
            return task.losses(trial(batch), batch).mean()

        return of

    moves = [group for group, moving in zip(plan.groups, plan.moving(plan.total_steps - 1), strict=True) if moving]
    shape: dict[str, object] = {
        "module": task.module_name,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "moving": sum(group.size for group in moves),
    }
    if train.ragged:
        shape["length"] = 2 ** math.ceil(math.log2(max(1, train.padded(rows) // len(rows))))
    else:  # rows of one size: pictures, say, of which another size is another answer
        one = tensors(train, rows[:1], splits.pad, config.device)
        shape["sizes"] = {name: list(values.shape[1:]) for name, values in sorted(one.items())}
    names = {name for group in moves for name in group.parameters}
    sample = Sample((loss(rows), loss(few)), (len(rows), len(few)), plan.total_steps, names)
    return choose(network, sample, shape)


def _usual_batch(columns: Columns, batch_size: int, seed: int) -> npt.NDArray[np.int64]:
    """Of the first epoch's batches the one in the middle of the epoch's work, as much of it as is computed at once."""
    batches = epoch_batches(columns.lengths, batch_size, seed, 0)
    sizes = np.array([columns.padded(batch) for batch in batches])
    order = np.argsort(sizes, kind="stable")
    work = np.cumsum(sizes[order])
    middle = batches[order[np.searchsorted(work, work[-1] / 2)]]
    return parts_within(middle, columns, most_within(middle, columns, None))[0]


def _train(task: "BaseTask", training: Training, folder: RunFolder) -> None:
    training.restore()
    task.phase = "train"
    progress, of_1_0 = training.progress, any(module.family == "elmo" for module in task.modules)
    scalars = Scalars(folder.path, progress.curves, progress.step, as_1_0=of_1_0)
    bar = ProgressBar(training.total_steps, progress.step)
    written = len(progress.curves)

    def write() -> None:
        nonlocal written
        for entry in progress.curves[written:]:
            scalars.write(entry)
        written = len(progress.curves)

    def follow() -> None:
        bar.advance()
        write()

    logger.info("TransferHub finetune start")
    try:
        task.events.fire("finetune_start")
        training.fit(follow)
        write()
    finally:
        bar.close()
        scalars.close()


def _close(
    task: "BaseTask",
    dataset: BaseDataset,
    training: Training,
    folder: RunFolder,
    test: Columns | None,
    started: float,
    notes: Sequence[str],
    tokens: Mapping[str, TokenCount],
) -> RunResult:
    """Score the best model as it lies on disk; write predictions, the last checkpoint, the record and the page."""
    progress, network = training.progress, task.best_network()
    dev = _score(task, dataset, network, "dev", training.splits.dev)
    if test is not None:
        logger.info("Evaluation on test dataset start")
    scored_splits = [split for split in (dev, _score(task, dataset, network, "test", test)) if split is not None]
    for split in scored_splits:
        if split.name == "test":
            say_evaluation("test", split.state)
        write_predictions(folder.path / "predictions" / f"{split.name}.csv", split, task.reader)
    _say_saved(training.save_checkpoint())
    best = training.best
    record = {
        **{name: None for name in ("dev", "test")},
        **{split.name: {**split.state.run_scores, "loss": split.state.run_loss} for split in scored_splits},
        "best_step": best["step"] if best else progress.step,
        "steps": progress.step,
        "stopped_early": training.stopped_early,
        "examples_per_second": round(progress.examples / progress.seconds, 1) if progress.seconds else 0.0,
        "precision": folder.record["precision"],
        "peak_rss_mb": peak_rss_mb(),
        "intervals": {split.name: as_json(split.state.intervals) for split in scored_splits if split.state.intervals},
        "notes": [*notes, *([f"stopped early: {training.why_stopped}"] if training.stopped_early else [])],
        "tokens": {split: dataclasses.asdict(counted) for split, counted in tokens.items()},
    }
    result = RunResult.from_record({"result": record}, folder.path)
    seconds = time.monotonic() - started
    write_page(task, dataset, training, result, scored_splits, folder.record["settings"], seconds)
    folder.save(status="finished", result=record)
    task.events.fire("finetune_end", [RunState(progress.step, progress.examples)])
    return result


def _score(
    task: "BaseTask", dataset: BaseDataset, network: Network, name: str, columns: Columns | None
) -> ScoredSplit | None:
    if columns is None or not columns.has_labels:
        return None
    meter, found = task.gathering(columns)
    state = scored(task, network, columns, task.config.confidence_interval, found, meter)
    examples = dataset.get_examples(name)
    return ScoredSplit(name, examples, columns, task.predictions(found.values, examples, columns), state)


def run_settings(task: "BaseTask", *, do_eval: bool) -> dict[str, Any]:
    """What makes two runs one run: the task's settings and its rows."""
    splits = {split: task.rows().get_examples(split) for split in ("train", "dev", "test")}
    data = {split: f"{len(rows)} rows, sha256 {task.reader.digest_of(rows)[:16]}" for split, rows in splits.items()}
    return {**task.settings(), "do_eval": do_eval, "data": data}


def _say_steps(task: "BaseTask", states: Sequence[RunState]) -> None:
    assert task.training is not None
    logger.log(TRAIN, "step %d / %d: %s", task.current_step, task.training.total_steps, states[0].line)


def _say_saved(path: Path) -> None:
    logger.info("Saving model checkpoint to %s", path)
