"""What run_glue leaves in its output folder, with the names and keys that people read it by."""

import dataclasses
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from transferhub import atomic
from transferhub.engine.checkpoint import latest_whole
from transferhub.errors import ConfigError
from transferhub.glue.arguments import Arguments
from transferhub.graph import Network
from transferhub.log import logger
from transferhub.reader import ClassifyReader
from transferhub.task.saved_model import DESCRIPTION, write_model
from transferhub.task.text_task import TextTask

RUN = "run"  # where the engine's own folder lies
CHECKPOINTS = "checkpoint-*"
RESULTS = ("all_results.json", "train_results.json", "eval_results.*", "trainer_state.json", "predict_results_*.txt")


def check_room(arguments: Arguments) -> None:
    """Refuse a folder that holds something, as run_glue does; a run of ours in it goes on.

    Raises:
        ConfigError: It is not empty, or a file, or the model's own.
    """
    folder = Path(arguments.output_dir)
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"--output_dir {folder} is a file", expected="a folder")
    if not arguments.do_train or not folder.exists():
        return
    model = Path(arguments.model_name_or_path)
    if model.exists() and model.resolve() == folder.resolve():
        raise ConfigError(f"--output_dir {folder} is the model's own folder", fix="name another one")
    if arguments.overwrite_output_dir or (folder / RUN).is_dir() or not any(folder.iterdir()):
        return
    raise ConfigError(
        f"Output directory ({folder}) already exists and is not empty.", fix="Use --overwrite_output_dir to overcome."
    )


def clear(folder: Path) -> None:
    """Remove what an earlier run of ours left, when another one begins; other files stay."""
    for left in folder.glob(CHECKPOINTS):
        if (left / DESCRIPTION).is_file():
            shutil.rmtree(left)
    for pattern in RESULTS:
        for file in folder.glob(pattern):
            file.unlink()


def write_checkpoint(task: TextTask, arguments: Arguments, progress: Mapping[str, Any]) -> None:
    """Write ``checkpoint-N/`` of the weights as they are now; the oldest go where only so many are kept."""
    assert task.training is not None
    output = Path(arguments.output_dir)
    with atomic.whole_folder(output / f"checkpoint-{progress['step']}") as folder:
        _fill(folder, task, task.training.network, arguments, bins=False)
        atomic.write_json(folder / "trainer_state.json", trainer_state(task, arguments, progress))
    logger.info("Saving model checkpoint to %s", output / f"checkpoint-{progress['step']}")
    if arguments.save_total_limit is not None:
        _keep_last(output, arguments.save_total_limit)


def _keep_last(output: Path, count: int) -> None:
    ours = [path for path in output.glob(CHECKPOINTS) if path.name[11:].isdigit() and (path / DESCRIPTION).is_file()]
    for old in sorted(ours, key=lambda path: int(path.name[11:]))[:-count]:
        shutil.rmtree(old)


def write_final(task: TextTask, network: Network, arguments: Arguments) -> None:
    """Write the model into the output folder itself: whole beside it first, then moved in."""
    output = Path(arguments.output_dir)
    made = output / RUN / "model"
    with atomic.whole_folder(made) as folder:
        _fill(folder, task, network, arguments, bins=True)
    with atomic.writing(output):
        (output / atomic.MANIFEST).unlink(missing_ok=True)  # until all is moved the folder is not whole
        for file in sorted(made.iterdir(), key=lambda path: path.name == atomic.MANIFEST):
            os.replace(file, output / file.name)
        made.rmdir()


def _fill(folder: Path, task: TextTask, network: Network, arguments: Arguments, *, bins: bool) -> None:
    assert task.config.strategy is not None
    write_model(task, task.config.strategy.export(network), folder, {})
    if isinstance(task.reader, ClassifyReader):
        _complete_tokenizer(folder, task.reader.tokenizer)
    torch.save(dataclasses.asdict(arguments), folder / "training_args.bin")
    if bins:
        from safetensors.torch import load_file

        torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")


def _complete_tokenizer(folder: Path, tokenizer: Any) -> None:
    """The tokenizer's files that transformers 5 no longer writes: what others read is in ``tokenizer.json``."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    own = set() if backend is None else backend.get_vocab(with_added_tokens=False)
    added = (
        {}
        if backend is None
        else {token: index for token, index in tokenizer.get_added_vocab().items() if token not in own}
    )
    special = {name: str(token) for name, token in getattr(tokenizer, "special_tokens_map", {}).items()}
    for name, content in (("added_tokens.json", added), ("special_tokens_map.json", special)):
        if not (folder / name).exists():
            atomic.write_json(folder / name, content)


def last_state(run: Path) -> dict[str, Any]:
    """Where a finished run's last checkpoint stands: the fields of `engine.progress.Progress`."""
    folder = latest_whole(run)
    assert folder is not None, f"a finished run has a checkpoint in {run}"
    state: dict[str, Any] = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    return state


def trainer_state(task: TextTask, arguments: Arguments, progress: Mapping[str, Any]) -> dict[str, Any]:
    """Where a run stands, in the keys of the library's ``trainer_state.json``; what is not measured is left out."""
    total = task.max_train_steps
    in_epoch = steps_in_epoch(task)
    history: list[dict[str, Any]] = []
    for entry in progress["curves"]:
        place = {"epoch": entry["step"] / in_epoch, "step": entry["step"]}
        if entry["split"] == "train":
            history.append({**place, "learning_rate": entry["rate"], "loss": entry["loss"]})
        else:
            scores = {f"eval_{name}": value for name, value in entry["scores"].items()}
            history.append({**place, "eval_loss": entry["loss"], **scores})
    if progress["step"] >= total:
        history.append({"epoch": total / in_epoch, "step": total, **train_figures(progress)})
    return {
        "epoch": progress["step"] / in_epoch,
        "eval_steps": arguments.eval_steps or arguments.logging_steps,
        "global_step": progress["step"],
        "is_hyper_param_search": False,
        "is_local_process_zero": True,
        "is_world_process_zero": True,
        "log_history": history,
        "logging_steps": arguments.logging_steps,
        "max_steps": total,
        "num_train_epochs": task.config.num_epoch,
        "save_steps": arguments.save_steps,
        "train_batch_size": arguments.per_device_train_batch_size,
    }


def steps_in_epoch(task: TextTask) -> int:
    """Optimiser steps of an epoch."""
    assert task.dataset is not None
    return -(-len(task.dataset.train_examples) // task.config.batch_size)


def train_figures(progress: Mapping[str, Any]) -> dict[str, float]:
    """Mean loss of all steps, and the time of the steps alone, over all starts of the run."""
    before, total = 0, 0.0
    for entry in progress["curves"]:
        if entry["split"] == "train":
            total += entry["loss"] * (entry["step"] - before)
            before = entry["step"]
    if progress["window_examples"]:
        total += progress["window_loss"] / progress["window_examples"] * progress["window_steps"]
    seconds = max(progress["seconds"], 1e-9)
    return {
        "train_loss": total / max(1, progress["step"]),
        "train_runtime": round(seconds, 4),
        "train_samples_per_second": round(progress["examples"] / seconds, 3),
        "train_steps_per_second": round(progress["step"] / seconds, 3),
    }


def write_results(folder: Path, split: str, figures: Mapping[str, float]) -> None:
    """``<split>_results.json``, and the same in ``all_results.json`` beside what is there, keys sorted."""
    every = folder / "all_results.json"
    known: dict[str, Any] = {}
    if every.is_file():
        try:
            known = json.loads(every.read_text(encoding="utf-8"))
        except ValueError:
            logger.warning("%s cannot be read: it is written anew", every)
    for path, values in ((folder / f"{split}_results.json", dict(figures)), (every, {**known, **figures})):
        atomic.write_json(path, dict(sorted(values.items())))


def write_predictions(path: Path, predicted: Sequence[Any]) -> None:
    """``index<TAB>prediction``, a row a line; numbers with three digits."""
    shown = (f"{value:3.3f}" if isinstance(value, float) else value for value in predicted)
    lines = [f"{index}\t{value}" for index, value in enumerate(shown)]
    atomic.write_text(path, "\n".join(["index\tprediction", *lines]) + "\n")
