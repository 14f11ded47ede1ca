"""A run from the first row to the report: one way for all tasks."""

import datetime
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from transferhub.dataset import BaseDataset
from transferhub.dataset.examples import fingerprint, where
from transferhub.engine.config import RunConfig
from transferhub.engine.evaluation import evaluate, tensors
from transferhub.engine.events import Events
from transferhub.engine.kernels import speed_up
from transferhub.engine.precision import choose
from transferhub.engine.run_folder import RunFolder, environment, open_run, script
from transferhub.engine.run_state import RunState
from transferhub.engine.training import Splits, Training, say_evaluation
from transferhub.errors import ConfigError
from transferhub.graph import Network, derive
from transferhub.log import TRAIN, logger
from transferhub.report.console import ProgressBar
from transferhub.report.html import Report, write_report
from transferhub.report.tensorboard import Scalars
from transferhub.task import saved_model
from transferhub.task.result import RunResult, confusion, peak_rss_mb, worst_mistakes, write_predictions

if TYPE_CHECKING:
    from transferhub.task.base_task import BaseTask

NEVER = 1 << 62


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
    if task.dataset is None:
        raise ConfigError("a task without a data set cannot be trained", fix="dataset=…, or a reader with one")
    started = time.monotonic()
    config, dataset = task.config, task.dataset
    if not len(dataset.dev_examples):
        dataset.split_off_dev(config.seed)
    splits = Splits(
        task.reader.columns("train"),
        task.reader.columns("dev"),
        task.reader.pad,
        lambda row: where(dataset.train_examples, row, "train_examples"),
    )
    test = task.reader.columns("test") if len(dataset.test_examples) else None
    settings = {**task.settings(), "do_eval": do_eval, "data": _fingerprints(dataset), "script": script()}
    folder = open_run(config.checkpoint_dir, settings, environment(config.device), overwrite=config.overwrite)
    try:
        task.run_path = folder.path
        logger.info("Checkpoint dir: %s", folder.path)
        if folder.finished:
            result = RunResult.from_record(folder.record, folder.path)
            logger.info(
                "The run in %s is finished: nothing to train. dev %s test %s", folder.path, result.dev, result.test
            )
            return result
        training = _prepare(task, folder, splits, do_eval)
        _train(task, training, folder)
        result = _close(task, training, folder, test, started)
    finally:
        task.training = None
        folder.close()
    logger.info("TransferHub finetune finished.")
    return result


def _prepare(task: "BaseTask", folder: RunFolder, splits: Splits, do_eval: bool) -> Training:
    config = task.config
    task.events.fire("build_env_start")
    plan = task.plan()
    network = speed_up(task.take_network()).to(config.device)
    assert isinstance(network, Network)
    if "precision" not in folder.record:
        folder.save(precision=_precision(task, network, splits))
    if not do_eval:
        config = RunConfig(**{**vars(config), "eval_interval": NEVER})

    def save_best(target: Path, scores: Mapping[str, float]) -> None:
        saved_model.write_model(task, network, target, scores)

    task.training = Training(
        network, task, splits, plan, config, folder.record["precision"], task.events, folder.path, save_best
    )
    task.events.fire("build_env_end")
    return task.training


def _precision(task: "BaseTask", network: Network, splits: Splits) -> str:
    config = task.config
    if config.precision != "auto":
        return config.precision
    order = np.argsort(splits.train.lengths, kind="stable")
    middle = order[len(order) // 2 :][: min(config.batch_size, 16)]
    batch = tensors(splits.train, middle, splits.pad, config.device)

    def loss(trial: torch.nn.Module) -> torch.Tensor:
        torch.manual_seed(derive(config.seed, "precision"))
        return task.losses(trial(batch), batch).mean()

    shape = {
        "module": task.module_name,
        "parameters": sum(p.numel() for p in network.parameters()),
        "rows": len(middle),
    }
    return choose(network, loss, shape)


def _train(task: "BaseTask", training: Training, folder: RunFolder) -> None:
    training.restore()
    task.phase = "train"
    scalars = Scalars(folder.path, training.progress.step)
    bar = ProgressBar(training.total_steps, training.progress.step)
    written = len(training.progress.curves)

    def follow(task: Any, states: Sequence[RunState]) -> None:
        nonlocal written
        bar.advance()
        for entry in training.progress.curves[written:]:
            scalars.write(entry)
        written = len(training.progress.curves)

    task.events.add("run_step", "curves", follow)
    logger.info("TransferHub finetune start")
    task.events.fire("finetune_start")
    try:
        training.fit()
        for entry in training.progress.curves[written:]:
            scalars.write(entry)
    finally:
        task.events.delete("run_step", "curves")
        bar.close()
        scalars.close()


def _close(task: "BaseTask", training: Training, folder: RunFolder, test: Any, started: float) -> RunResult:
    """Evaluate the best model as it lies on disk, write predictions, report and the last checkpoint."""
    config, dataset, progress = task.config, task.dataset, training.progress
    assert dataset is not None
    best = training.best or {"step": progress.step, "scores": {}, "loss": 0.0}
    network = task.best_network()
    state = None
    if test is not None:
        logger.info("Evaluation on test dataset start")
        state = evaluate(network, task, test, task.reader.pad, config.batch_size, config.device)
        say_evaluation("test", state)
    confusions, mistakes, mistakes_split = [], [], "dev"
    for split, columns in (("dev", training.splits.dev), ("test", test)):
        if columns is None or columns.labels is None:
            continue
        examples, values = dataset.get_examples(split), task.probabilities(network, columns)
        write_predictions(folder.path / "predictions" / f"{split}.csv", examples, task.labels, columns.labels, values)
        confusions.append(confusion(split, task.labels, columns.labels, values))
        if split == "dev":
            mistakes = worst_mistakes(examples, task.labels, columns.labels, values)
    _say_saved(training.save_checkpoint())
    record = {
        "dev": {**best["scores"], "loss": best["loss"]},
        "test": None if state is None else {**state.run_scores, "loss": state.run_loss},
        "best_step": best["step"],
        "steps": progress.step,
        "examples_per_second": round(progress.examples / progress.seconds, 1) if progress.seconds else 0.0,
        "precision": folder.record["precision"],
        "peak_rss_mb": peak_rss_mb(),
    }
    result = RunResult.from_record({"result": record}, folder.path)
    counts = ", ".join(f"{len(dataset.get_examples(split))} {split}" for split in ("train", "dev", "test"))
    write_report(
        folder.path / "report.html",
        Report(
            title=f"{task.module_name} on {dataset.base_path or type(dataset).__name__}",
            subtitle=f"{type(task).__name__}, {datetime.datetime.now():%Y-%m-%d %H:%M}, {folder.path}",
            headline=_headline(result, task.metrics[0]),
            summary=[
                ("rows", counts),
                ("labels", ", ".join(task.labels)),
                ("best step", f"{result.best_step} of {result.steps}"),
                ("speed", f"{result.examples_per_second} examples a second in training steps, {result.precision}"),
                ("time", f"{time.monotonic() - started:.0f} s in this start"),
                ("memory", f"{result.peak_rss_mb} MB at most"),
                ("best model", result.best_model),
            ],
            curves=progress.curves,
            rates={
                group.name: [(step, group.rate(step)) for step in _sampled(training.total_steps)]
                for group in training.plan.groups
            },
            plan=str(training.plan),
            confusions=confusions,
            mistakes=mistakes,
            mistakes_split=mistakes_split,
            settings={name: value for name, value in folder.record["settings"].items() if name != "modules"},
        ),
    )
    folder.save(status="finished", result=record)
    task.events.fire("finetune_end", [RunState(progress.step, progress.examples)])
    return result


def _headline(result: RunResult, metric: str) -> list[tuple[str, str]]:
    headline = []
    for split, scores in (("dev", result.dev), ("test", result.test)):
        if scores and metric in scores:
            headline.append((f"{metric} on {split}", f"{100 * scores[metric]:.1f} %"))
    return headline


def _sampled(total: int) -> list[int]:
    return sorted({*range(0, total, max(1, total // 200)), total - 1})


def _fingerprints(dataset: BaseDataset) -> dict[str, str]:
    return {split: fingerprint(dataset.get_examples(split)) for split in ("train", "dev", "test")}


def _say_steps(task: "BaseTask", states: Sequence[RunState]) -> None:
    assert task.training is not None
    state = states[0]
    scores = "".join(f" {name}={value:.5f}" for name, value in state.run_scores.items())
    logger.log(
        TRAIN,
        "step %d / %d: loss=%.5f%s [step/sec: %.2f]",
        task.current_step,
        task.training.total_steps,
        state.run_loss,
        scores,
        state.run_speed,
    )


def _say_saved(path: Path) -> None:
    logger.info("Saving model checkpoint to %s", path)
