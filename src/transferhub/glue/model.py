"""The model that a run starts from: by the names people use, with its own head where it was fine-tuned already."""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from transferhub.engine.config import RunConfig
from transferhub.errors import ConfigError
from transferhub.glue.arguments import Arguments
from transferhub.glue.rows import GlueRows
from transferhub.glue.tasks import GlueTask
from transferhub.graph import Network
from transferhub.log import logger
from transferhub.module import Module, catalogue
from transferhub.module.architecture_head import ArchitectureHead
from transferhub.module.transformer import TransformerModule
from transferhub.task.classifier import TextClassifierTask
from transferhub.task.regression import RegressionTask
from transferhub.task.text_task import TextTask

HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)
UNNAMED = re.compile(r"LABEL_\d+")


def open_module(name: str) -> TransformerModule:
    """A name of the catalogue, a folder, or ``OWNER/NAME``.

    Raises:
        ModuleError: It is not here and cannot be fetched.
        ConfigError: It is no text encoder.
    """
    on_hub = HUB_NAME.fullmatch(name) and not Path(name).exists() and not catalogue.find(name)
    module = Module(name=f"hf:{name}" if on_hub else name)
    if not isinstance(module, TransformerModule):
        raise ConfigError(f"--model_name_or_path {name}: {module.family}", expected="a text encoder of transformers")
    return module


def with_its_labels(rows: GlueRows, module: TransformerModule, *, ignore: bool) -> tuple[GlueRows, list[str]]:
    """The rows' labels in the order that the model's head has them, where it knows the same ones.

    Where the rows have none (prediction alone), they are the model's.

    Args:
        rows: Of the run.
        module: The model.
        ignore: Whether a head with another number of labels is replaced.

    Raises:
        ConfigError: The model has a head for another number of labels.
    """
    names = [str(name) for _, name in sorted(module.config.id2label.items())]
    has_head = fine_tuned(module)
    if not rows.task.is_regression and not rows.labels and not rows.task.name:
        if not has_head:
            raise ConfigError(
                f"{module.name} was not fine-tuned: it has no labels to predict", fix="--do_train with --train_file"
            )
        if len(names) == 1:
            return dataclasses.replace(rows, task=GlueTask("", metrics=("mse",))), []
        return rows, names
    wanted = ["value"] if rows.task.is_regression else list(rows.labels)
    if not has_head:
        return rows, [] if rows.task.is_regression else wanted
    if len(names) != len(wanted) and not ignore:
        raise ConfigError(
            f"{module.name} was fine-tuned for {len(names)} labels ({', '.join(names[:6])}), "
            f"the rows have {len(wanted)}",
            fix="--ignore_mismatched_sizes takes a new head",
        )
    if rows.task.is_regression:
        return rows, []
    if {*wanted} == {*names}:
        return rows, names
    if {*wanted} < {*names} and not rows.train:  # rows to score need not have every label
        return rows, names
    if len(names) == len(wanted) and not all(map(UNNAMED.fullmatch, names)):
        logger.warning("%s knows the labels %s; they are taken for %s, in this order", module.name, names, wanted)
    return rows, wanted


def fine_tuned(module: TransformerModule) -> bool:
    """Whether the model was saved with the head of a classifier, or of one number."""
    architectures: Sequence[str] = module.config.architectures or ()
    return any(name.endswith("ForSequenceClassification") for name in architectures)


def build(
    arguments: Arguments, rows: GlueRows, module: TransformerModule, labels: Sequence[str], config: RunConfig
) -> TextTask:
    """The task: a classifier, or one number by squared error; both with the architecture's own head."""
    length = min(arguments.max_seq_length, module.max_position)
    if length < arguments.max_seq_length:
        logger.warning(
            "--max_seq_length %d is more than %s can read: %d", arguments.max_seq_length, module.name, length
        )
    dataset = None
    if rows.train is not None:
        dataset = rows.dataset(labels, with_dev=arguments.eval_strategy != "no")
    metrics = list(rows.task.metrics)
    best = rows.task.best_by.get((arguments.metric_for_best_model or "").removeprefix("eval_"))
    metrics.sort(key=lambda name: name != best and best is not None)  # the first chooses the best
    common: dict[str, Any] = {"module": module, "max_seq_len": length, "config": config, "metrics_choices": metrics}
    if rows.task.is_regression:
        # The values as they are: what the model says where transformers opens it.
        return RegressionTask(dataset=dataset, shift=0.0, scale=1.0, **common)
    return TextClassifierTask(dataset=dataset, label_list=list(labels), **common)


@torch.no_grad()
def keep_head(network: Network, module: TransformerModule) -> bool:
    """Give the network the head that the model was fine-tuned with; False: it has none that fits, the new one stays."""
    if not fine_tuned(module):
        return False
    (head,) = [part for part in network.parts if isinstance(part, ArchitectureHead)]
    own = head.model.state_dict()
    saved: dict[str, torch.Tensor] = {}
    for path in sorted(module.directory.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            saved |= {name: file.get_tensor(name) for name in file.keys() if name in own}  # noqa: SIM118
    fits = own.keys() == saved.keys() and all(own[name].shape == saved[name].shape for name in own)
    if fits:
        for name, value in own.items():
            value.copy_(saved[name])
    return fits
