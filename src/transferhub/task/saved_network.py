"""``network.json``: a network of one's own as data, and the modules that it stands on, without weights.

{"feature":  as `graph.describe` writes it,
"modules": [{"family": "elmo", "folder": ".", "max_seq_len": null, "num_slots": 1}]}
"""

import hashlib
import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from transferhub import atomic
from transferhub.errors import RunError
from transferhub.graph import Program, Variable
from transferhub.graph.applied import AppliedSource
from transferhub.graph.describe import describe, rebuild
from transferhub.graph.variable import walk_back
from transferhub.module import Module
from transferhub.module.module import FAMILIES

NAME = "network.json"
Classes = Mapping[str, Callable[[], nn.Module] | nn.Module]


def modules_of(variables: Sequence[Variable]) -> list[Module]:
    """The pretrained modules that a network stands on, each once."""
    found: list[Module] = []
    for node in walk_back(variables):
        module = getattr(node.source, "module", None)
        if isinstance(module, Module) and module not in found:
            found.append(module)
    return found


def own_weights(variables: Sequence[Variable]) -> dict[str, str]:
    """The sha256 of the weights that the user's modules start from, by the modules' names."""
    digests = {}
    for node in walk_back(variables):
        if isinstance(node.source, AppliedSource):
            digest = hashlib.sha256()
            for name, values in node.source.module.state_dict().items():
                digest.update(name.encode())
                digest.update(values.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
            digests[node.source.weights] = digest.hexdigest()
    return digests


def write_network(variables: Sequence[Variable], folder: Path) -> None:
    """Write ``network.json`` and the modules' skeletons: the first beside it, others in folders of their own."""
    records = []
    for number, module in enumerate(modules_of(variables)):
        place = "." if number == 0 else f"modules/{number}"
        (folder / place).mkdir(parents=True, exist_ok=True)
        module.save_skeleton(folder / place)
        records.append({"family": module.family, "folder": place, **_context_of(variables, module)})
    atomic.write_json(folder / NAME, {"feature": describe(variables), "modules": records})


def read_network(folder: Path, classes: Classes | None = None) -> list[Variable]:
    """The Variables that `write_network` wrote, on modules without weights.

    Args:
        folder: A saved model.
        classes: The user's own classes that the network has, by name.

    Raises:
        RunError: A damaged file; a class that is missing.
    """
    path = folder / NAME
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        known: dict[str, Variable] = {}
        for record in said["modules"]:
            where, _, kind = FAMILIES[record["family"]].partition(":")
            cls: type[Module] = getattr(importlib.import_module(where), kind)
            module = cls(directory=folder / record["folder"], pretrained=False)
            _, _, program = module.context(max_seq_len=record["max_seq_len"], num_slots=record["num_slots"])
            known.update(program.variables)
        described = said["feature"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} cannot be read: {error}", fix="copy the folder again") from error
    return rebuild(described, known, classes)


def _context_of(variables: Sequence[Variable], module: Module) -> dict[str, Any]:
    """The arguments of the ``context()`` that the network stands on."""
    nodes = [node for node in walk_back(variables) if getattr(node.source, "module", None) is module]
    program = next(given.block for node in nodes for given in node.inputs.values() if given.block is not None)
    assert isinstance(program, Program)
    lengths = [variable.shape[1] for variable in program.variables.values() if len(variable.shape) > 1]
    names = list(program.variables)
    slots = 3 if any(name.endswith("_3") for name in names) else 2 if any(name.endswith("_2") for name in names) else 1
    return {"max_seq_len": lengths[0] if lengths and lengths[0] > 0 else None, "num_slots": slots}
