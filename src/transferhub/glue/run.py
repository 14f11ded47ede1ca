"""A run of run_glue: train, evaluate, predict, through the engine; each part said and written as run_glue does."""

import dataclasses
import math
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transferhub import atomic
from transferhub.engine import checkpoint
from transferhub.engine.best_model import BEST
from transferhub.engine.config import RunConfig
from transferhub.errors import ConfigError, RunError
from transferhub.glue import outputs
from transferhub.glue.arguments import Arguments, parse, usage
from transferhub.glue.model import build, keep_head, open_module, with_its_labels
from transferhub.glue.rows import GlueRows, Rows, read_rows
from transferhub.graph import Network
from transferhub.log import logger
from transferhub.module.transformer import TransformerModule
from transferhub.strategy import AdamWeightDecayStrategy
from transferhub.task import saved_model
from transferhub.task.text_task import TextTask

SCHEDULES = {
    "linear": "linear_decay",
    "cosine": "cosine",
    "constant": "constant",
    "constant_with_warmup": "constant",
}


def main(given: Sequence[str]) -> None:
    """Do what a command line of run_glue says.

    Raises:
        HubError: Flags, files, models or rows that are not right, each in its own words.
    """
    if not given or {*given} & {"-h", "--help"}:
        print(usage())
        return
    arguments = parse(given)
    outputs.check_room(arguments)
    rows = read_rows(arguments)
    module = open_module(arguments.model_name_or_path)
    rows, labels = with_its_labels(rows, module, ignore=arguments.ignore_mismatched_sizes)
    task = build(arguments, rows, module, labels, _config(arguments, rows))
    output = Path(arguments.output_dir)
    if arguments.do_train:
        _train(task, arguments, module)
        task.use_saved(output)
        reached = task.max_train_steps / outputs.steps_in_epoch(task)
        _evaluate_and_predict(task, arguments, rows, {"epoch": reached})
        return
    with tempfile.TemporaryDirectory() as folder:
        network, target = task.build_network(), Path(folder) / "model"
        if not keep_head(network, module):
            logger.warning("%s has no head for these rows: a new one, untrained, is scored", module.name)
        with atomic.whole_folder(target) as made:
            saved_model.write_model(task, network, made, {})
        task.use_saved(target)
        _evaluate_and_predict(task, arguments, rows, {})


def _config(arguments: Arguments, rows: GlueRows) -> RunConfig:
    """The engine's settings that mean what the flags mean."""
    batch = arguments.per_device_train_batch_size * arguments.gradient_accumulation_steps
    in_epoch = max(1, math.ceil(len(rows.train or ()) / batch))
    exact = arguments.num_train_epochs * in_epoch
    steps = arguments.max_steps if arguments.max_steps > 0 else math.ceil(exact)
    epochs = max(1, math.ceil(steps / in_epoch))
    scheduler = arguments.lr_scheduler_type
    if scheduler not in SCHEDULES:
        raise ConfigError(f"--lr_scheduler_type {scheduler}", expected=f"one of {', '.join(SCHEDULES)}")
    for name, known in (("eval_strategy", ("no", "steps", "epoch")), ("save_strategy", ("no", "steps", "epoch"))):
        if getattr(arguments, name) not in known:
            raise ConfigError(f"--{name} {getattr(arguments, name)}", expected=f"one of {', '.join(known)}")
    if arguments.load_best_model_at_end and arguments.eval_strategy == "no":
        raise ConfigError("--load_best_model_at_end without --eval_strategy", expected="--eval_strategy steps or epoch")
    _check_best(arguments, rows)
    between = in_epoch if arguments.eval_strategy == "epoch" else arguments.eval_steps or arguments.logging_steps
    if arguments.fp16:
        logger.info("--fp16: gradients are computed in bf16 where that is faster here, else in fp32")
    return RunConfig(
        log_interval=arguments.logging_steps,
        eval_interval=between,
        use_cuda=False if arguments.use_cpu else None,
        checkpoint_dir=Path(arguments.output_dir) / outputs.RUN,
        num_epoch=epochs,
        max_steps=steps if steps < epochs * in_epoch else None,
        batch_size=batch,
        strategy=AdamWeightDecayStrategy(
            learning_rate=arguments.learning_rate,
            lr_scheduler=SCHEDULES[scheduler],
            warmup_proportion=0.0 if scheduler == "constant" else _warmup(arguments, steps),
            weight_decay=arguments.weight_decay,
        ),
        seed=arguments.seed,
        precision="bf16" if arguments.bf16 else "auto" if arguments.fp16 else "fp32",
        overwrite=arguments.overwrite_output_dir,
    )


def _check_best(arguments: Arguments, rows: GlueRows) -> None:
    asked = arguments.metric_for_best_model
    if arguments.load_best_model_at_end and asked is None:
        logger.info("The best model is chosen by %s (transformers' own choice would be the loss)", rows.task.metrics[0])
    if asked is not None and asked.removeprefix("eval_") not in rows.task.best_by:
        raise ConfigError(f"--metric_for_best_model {asked}", expected=f"one of {', '.join(rows.task.best_by)}")


def _warmup(arguments: Arguments, total: int) -> float:
    """The part of all steps in which the rate rises; the engine rounds it up to steps."""
    given = arguments.warmup_steps or arguments.warmup_ratio
    if given < 1:
        return given
    if given >= total:
        raise ConfigError(f"--warmup_steps {given:g}", expected=f"fewer than the run's {total} steps")
    return (math.ceil(given) - 0.5) / total


def _train(task: TextTask, arguments: Arguments, module: TransformerModule) -> None:
    """Train in ``output_dir/run``, write each checkpoint-N as it comes, and the model at the end."""
    output, total = Path(arguments.output_dir), task.max_train_steps
    in_epoch = outputs.steps_in_epoch(task)
    between = {"steps": arguments.save_steps, "epoch": in_epoch, "no": 0}[arguments.save_strategy]

    def begin(task: Any) -> None:
        if task.current_step == 0:
            outputs.clear(output)

    def start_head(task: Any) -> None:
        if keep_head(task.training.network, module):
            logger.info("The head that %s was fine-tuned with is trained on", module.name)

    def save(task: Any, _: Any) -> None:
        progress = task.training.progress
        if between and (progress.step % between == 0 or progress.step == total):
            outputs.write_checkpoint(task, arguments, dataclasses.asdict(progress))

    task.add_hook("build_env_end_event", "run_glue_head", start_head)
    task.add_hook("finetune_start_event", "run_glue_begin", begin)
    task.add_hook("run_step_event", "run_glue_save", save)
    assert task.dataset is not None
    _say(
        "***** Running training *****",
        f"  Num examples = {len(task.dataset.train_examples)}",
        f"  Num Epochs = {task.config.num_epoch}",
        f"  Instantaneous batch size per device = {arguments.per_device_train_batch_size}",
        f"  Gradient Accumulation steps = {arguments.gradient_accumulation_steps}",
        f"  Total optimization steps = {total}",
    )
    try:
        task.finetune(do_eval=arguments.eval_strategy != "no")
    except RunError as error:
        fix = (error.fix or "").replace("--overwrite (overwrite=True)", "--overwrite_output_dir")
        raise type(error)(
            error.what, expected=error.expected, fix=fix.replace("checkpoint_dir", "--output_dir") or None
        ) from None
    outputs.write_final(task, _final_network(task, output / outputs.RUN, arguments), arguments)
    progress = outputs.last_state(output / outputs.RUN)
    atomic.write_json(output / "trainer_state.json", outputs.trainer_state(task, arguments, progress))
    figures = {
        "epoch": progress["step"] / in_epoch,
        "train_samples": len(task.dataset.train_examples),
        **outputs.train_figures(progress),
    }
    outputs.write_results(output, "train", figures)
    logger.info("Saving model checkpoint to %s", output)


def _final_network(task: TextTask, run: Path, arguments: Arguments) -> Network:
    """The last weights, or the best where ``--load_best_model_at_end`` asks for them."""
    if arguments.load_best_model_at_end:
        return saved_model.read_network(task, run / BEST)
    last = checkpoint.latest_whole(run)
    assert last is not None
    network = task.build_network()
    checkpoint.load_values(last / "model.safetensors", network)
    return network


def _evaluate_and_predict(task: TextTask, arguments: Arguments, rows: GlueRows, reached: Mapping[str, float]) -> None:
    task.config = dataclasses.replace(task.config, batch_size=arguments.per_device_eval_batch_size)
    output = Path(arguments.output_dir)
    if arguments.do_eval:
        _evaluate(task, rows, output, reached)
    for name, found in rows.predicted.items():
        _say("***** Running Prediction *****", f"  Num examples = {len(found)}")
        path = output / f"predict_results_{name}.txt"
        outputs.write_predictions(path, task.predict(found).labels)
        logger.info("***** Predict results %s *****  %s", name, path)


def _evaluate(task: TextTask, rows: GlueRows, output: Path, reached: Mapping[str, float]) -> None:
    documented: dict[str, float] = {}
    library = dict(reached)
    for part, found in rows.evaluated.items():
        scores, figures = _score(task, rows, found, part)
        documented |= rows.task.documented(scores, part)
        library |= figures
    _say("***** Eval results *****", *(f"  {name} = {value}" for name, value in sorted(documented.items())))
    atomic.write_text(
        output / "eval_results.txt", "".join(f"{name} = {value}\n" for name, value in sorted(documented.items()))
    )
    outputs.write_results(output, "eval", library)


def _score(task: TextTask, rows: GlueRows, found: Rows, part: str) -> tuple[dict[str, float], dict[str, float]]:
    batch = task.config.batch_size
    _say("***** Running evaluation *****", f"  Num examples = {len(found)}", f"  Batch size = {batch}")
    started = time.perf_counter()
    scores = task.evaluate(found)
    seconds, end = time.perf_counter() - started, part.replace("-", "_")
    return scores, {
        **rows.task.in_library(scores, part),
        f"eval_loss{end}": scores["loss"],
        f"eval_runtime{end}": round(seconds, 4),
        f"eval_samples{end}": len(found),
        f"eval_samples_per_second{end}": round(len(found) / seconds, 3),
        f"eval_steps_per_second{end}": round(math.ceil(len(found) / batch) / seconds, 3),
    }


def _say(*lines: str) -> None:
    for line in lines:
        logger.info("%s", line)
