"""Pretraining on fractals: a task on our engine whose rows are drawn, and its result as a module to install."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from transferhub import atomic, cache
from transferhub.engine.config import RunConfig
from transferhub.errors import ConfigError
from transferhub.graph import Network
from transferhub.module import Module
from transferhub.module.files import CONFIG
from transferhub.module.image import ImageNetwork
from transferhub.module.timm_files import configuration
from transferhub.module.timm_image import TimmModule
from transferhub.pretrain.fractals import SMALLEST, FractalReader, Fractals
from transferhub.pretrain.installable import MODULE, Pretrained, write_module
from transferhub.strategy import AdamWeightDecayStrategy
from transferhub.task.image_classifier import ImageClassifierTask
from transferhub.task.scored import ScoredSplit, Shown

RUN = "run"  # of the output folder
RATE = 2e-3
CROP = 0.875  # of a picture that a network sees when it is fine-tuned
OF_OTHER_WEIGHTS = ("pool_size", "label_names", "license", "fixed_input_size")


class FractalTask(ImageClassifierTask):
    """Telling fractals apart; what it saves is an ordinary `ImageClassifierTask`."""

    def description(self) -> dict[str, Any]:
        """Of the task that opens what is saved."""
        return {**super().description(), "task": ImageClassifierTask.__name__}

    def take_network(self) -> Network:
        """With pictures in the layout in which convolutions of a CPU are faster; it costs others nothing."""
        network = super().take_network()
        for part in network.parts:
            if isinstance(part, ImageNetwork):
                part.register_forward_pre_hook(_colours_last, with_kwargs=True)
        return network

    def shown(self, split: ScoredSplit) -> Shown:
        """Nothing: which of hundreds of numbered classes is taken for which tells nobody anything."""
        return Shown()

    def pictures(self) -> list[tuple[str, bytes]]:
        """Fractals of the first epoch."""
        assert isinstance(self.reader, FractalReader)
        return [("Fractals of the first epoch", self.reader.contact_sheet())]


def pretrain(
    network: str,
    output: str | Path,
    *,
    classes: int = 500,
    each: int = 20,
    size: int = 64,
    arguments: Mapping[str, Any] | None = None,
    config: RunConfig | None = None,
) -> Pretrained:
    """Pretrain a network of timm's to tell fractals apart that are drawn on the fly; a stopped run goes on.

    Args:
        network: Timm's name.
        output: Gets ``run/`` (checkpoints, the page), ``module/`` (what ``hub install NAME --from`` takes) and, where
            torchvision has the network too, ``NETWORK.pth`` with its classifier.
        classes: Iterated function systems to tell apart.
        each: Pictures of each in an epoch.
        size: Pixels of a side.
        arguments: For ``timm.create_model``, such as ``{"channels": [24, 48, 96, 192]}``: narrower than timm's.
        config: None: 60 epochs of batches of 64, AdamW at 2e-3, cosine. Its ``checkpoint_dir`` is not looked at.

    Returns:
        Where everything lies, and how well fractals are told apart.

    Raises:
        ConfigError: A number out of range.
        ModuleError: timm has no such network, or cannot build it with these arguments.
        RunError: `output` holds a run with other settings.
    """
    target, dataset = Path(output), Fractals(classes, each, seed=(config or RunConfig()).seed)
    module = network_at_random(network, size, arguments)
    _, outputs, _ = module.context()
    task = FractalTask(
        feature=outputs["feature_map"],
        dataset=dataset,
        data_reader=FractalReader(dataset, module.preprocess),
        config=dataclasses.replace(config or usual_config(), checkpoint_dir=target / RUN),
    )
    result = task.finetune_and_eval()
    assert result.dev is not None
    pictures = min(result.steps * task.config.batch_size, task.config.num_epoch * classes * each)
    made = Pretrained(str(target / MODULE), None, result.dev["acc"], pictures, parameters(module), result)
    return write_module(made, target, module, task)


def usual_config(learning_rate: float | None = None, **changes: Any) -> RunConfig:
    """How networks are pretrained where nothing is said; `changes` are those of `RunConfig`."""
    strategy = AdamWeightDecayStrategy(
        learning_rate=RATE if learning_rate is None else learning_rate,
        lr_scheduler="cosine",
        warmup_proportion=0.05,
        weight_decay=0.05,
    )
    usual = {"num_epoch": 60, "batch_size": 64, "log_interval": 50, "eval_interval": 500, "strategy": strategy}
    return RunConfig(**{**usual, **changes})


def network_at_random(network: str, size: int, arguments: Mapping[str, Any] | None = None) -> TimmModule:
    """A network of timm's without weights, for square pictures of a size.

    Args:
        network: Timm's name.
        size: Pixels of a side.
        arguments: For ``timm.create_model``.

    Raises:
        ConfigError: A size below `SMALLEST`, or one that the network does not take.
        ModuleError: timm has no such network, or cannot build it with these arguments.
    """
    if size < SMALLEST:
        raise ConfigError(f"size={size}", expected=f"pixels of a side, from {SMALLEST}")
    timms = configuration(f"timm:{network}")
    card = {name: value for name, value in timms["pretrained_cfg"].items() if name not in OF_OTHER_WEIGHTS}
    said = {
        **timms,
        "num_classes": 0,
        "pretrained_cfg": {**card, "tag": "fractal", "input_size": [3, size, size], "crop_pct": CROP, "num_classes": 0},
        **({"model_args": dict(arguments)} if arguments else {}),
    }
    key = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]
    folder = cache.entry("archives", key, lambda part: atomic.write_json(part / CONFIG, said))
    module = Module(directory=str(folder), pretrained=False)
    assert isinstance(module, TimmModule)
    try:
        module.shapes_of(size, size)
    except ConfigError as error:
        own = (arguments or {}).get("img_size") or timms["pretrained_cfg"]["input_size"][-1]
        given = json.dumps({**(arguments or {}), "img_size": size})
        raise ConfigError(
            error.what.replace(module.name, network, 1),  # a folder's name says nothing
            expected=f"{own} × {own} pixels",
            fix=f"--size {own}; or, where timm's network has it, --network-args '{given}'",
        ) from error
    return module


def parameters(module: TimmModule) -> int:
    """How many numbers a network without a classifier learns; found without a weight."""
    with torch.device("meta"):
        return sum(each.numel() for each in module.network(0).parameters())


def _colours_last(
    network: nn.Module, given: tuple[Tensor, ...], named: dict[str, Tensor]
) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
    form = torch.channels_last
    return (
        tuple(each.contiguous(memory_format=form) for each in given),
        {name: each.contiguous(memory_format=form) for name, each in named.items()},
    )
