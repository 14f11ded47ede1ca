"""Checkpoints: everything that the next step depends on, in safetensors and JSON.

``step_N/`` holds ``model.safetensors`` (fp32 masters), ``optimizer.safetensors`` (``<parameter>/<name>``) and
``state.json`` (counts, the sums since the last log line, history). Nothing random is stored: randomness is a function
of seed and step.
"""

import json
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from transferhub import atomic
from transferhub.errors import RunError
from transferhub.log import logger


def folder_of(run: Path, step: int) -> Path:
    """Where the checkpoint of a step lies."""
    return run / f"step_{step}"


def save(
    run: Path,
    step: int,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    state: Mapping[str, Any],
    *,
    rolling: bool,
) -> Path:
    """Write a checkpoint; it is there whole or not at all. Of rolling ones, the last two stay."""
    final = folder_of(run, step)
    names: dict[Tensor, str] = {parameter: name for name, parameter in network.named_parameters()}
    moments: dict[str, Tensor] = {}
    numbers: dict[str, Any] = {}
    for parameter, values in optimizer.state.items():
        for key, value in values.items():
            if isinstance(value, Tensor):
                moments[f"{names[parameter]}/{key}"] = value.detach().cpu().contiguous()
            else:
                numbers[f"{names[parameter]}/{key}"] = value
    with atomic.whole_folder(final) as folder:
        whole = {name: value.contiguous() for name, value in _values(network).items()}
        save_file(whole, folder / "model.safetensors")
        save_file(moments, folder / "optimizer.safetensors")
        atomic.write_json(folder / "state.json", {**state, "optimizer": numbers, "rolling": rolling})
    if rolling:
        keep_last(run, 2)
    return final


def keep_last(run: Path, count: int) -> None:
    """Remove rolling checkpoints but the last `count`."""
    rolling = [folder for folder in newest_first(run) if _is_rolling(folder)]
    for folder in rolling[count:]:
        shutil.rmtree(folder, ignore_errors=True)


def newest_first(run: Path) -> list[Path]:
    """The checkpoint folders of a run, the highest step first, damaged ones included."""
    found = [folder for folder in run.glob("step_*") if folder.name[5:].isdigit()]
    return sorted(found, key=lambda folder: -int(folder.name[5:]))


def latest_whole(run: Path) -> Path | None:
    """The newest checkpoint of which every byte is as it was written; damaged ones are said."""
    atomic.clear_parts(run)
    for folder in newest_first(run):
        fault = atomic.damage(folder)
        if fault is None:
            return folder
        logger.warning("Checkpoint %s is damaged (%s): the one before is used", folder, fault)
    return None


def load(folder: Path, network: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Put a checkpoint's values into a network and its optimiser, and return the rest of its state."""
    load_values(folder / "model.safetensors", network)
    state: dict[str, Any] = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    parameters = dict(network.named_parameters())
    fused = any(group.get("fused") for group in optimizer.param_groups)
    values: dict[str, Any] = {**load_file(folder / "optimizer.safetensors"), **state.pop("optimizer")}
    optimizer.state.clear()
    for key, value in values.items():
        name, _, slot = key.rpartition("/")
        parameter = parameters[name]
        if isinstance(value, Tensor) and value.shape == parameter.shape:  # as it lay: fused optimisers pair by address
            value = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
        elif isinstance(value, Tensor):
            # Counts of steps stay on the CPU, except for fused optimisers.
            value = value.to(parameter.device if fused or value.dim() else "cpu", copy=True)
        optimizer.state[parameter][slot] = value
    return state


@torch.no_grad()
def load_values(path: Path, network: nn.Module, names: Collection[str] | None = None) -> None:
    """Copy saved values into a network's own storage.

    Args:
        path: A safetensors file.
        network: All that it holds is set.
        names: Only these.

    Raises:
        RunError: Another network's names or shapes, or a file that cannot be read.
    """
    try:
        saved = load_file(path)
    except (OSError, SafetensorError) as error:
        raise RunError(f"{path} cannot be read: {error}") from error
    own = {name: value for name, value in _values(network).items() if names is None or name in names}
    if own.keys() != saved.keys() or any(own[name].shape != saved[name].shape for name in own):
        other = sorted(own.keys() ^ saved.keys()) or [name for name in own if own[name].shape != saved[name].shape]
        raise RunError(
            f"{path} holds another network: {', '.join(other[:3])}{' …' if len(other) > 3 else ''} differ",
            fix="build the task as it was built for this run, or choose another checkpoint_dir",
        )
    for name, value in own.items():
        value.copy_(saved[name])


def _values(network: nn.Module) -> dict[str, Tensor]:
    """Parameters and saved buffers by name, each storage once."""
    named = dict(network.named_parameters())
    saved_names = network.state_dict().keys()
    named.update({name: buffer for name, buffer in network.named_buffers() if name in saved_names})  # type: ignore[misc]
    return {name: value.detach() for name, value in named.items()}


def _is_rolling(folder: Path) -> bool:
    try:
        return bool(json.loads((folder / "state.json").read_text(encoding="utf-8"))["rolling"])
    except (OSError, ValueError, KeyError):
        return False
