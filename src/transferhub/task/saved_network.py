"""``network.json``: a network of one's own as data, and the modules that it stands on, without weights.

{"feature":  as `graph.describe` writes it,
"modules": [{"family": "elmo", "folder": ".", "max_seq_len": null, "num_slots": 1}]}
"""

import importlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from transferhub import atomic
from transferhub.errors import RunError
from transferhub.graph import Program, Variable
from transferhub.graph.describe import describe, rebuild
from transferhub.graph.variable import walk_back
from transferhub.module import Module
from transferhub.module.module import FAMILIES

NAME = "network.json"
Classes = Mapping[str, Callable[[], nn.Module] | nn.Module]


def modules_of(feature: Variable) -> list[Module]:
    """The pretrained modules that a feature stands on, each once."""
    found: list[Module] = []
    for node in walk_back([feature]):
        module = getattr(node.source, "module", None)
        if isinstance(module, Module) and module not in found:
            found.append(module)
    return found


def write_network(feature: Variable, folder: Path) -> None:
    """Write ``network.json`` and the modules' skeletons: the first beside it, others in folders of their own."""
    records = []
    for number, module in enumerate(modules_of(feature)):
        place = "." if number == 0 else f"modules/{number}"
        (folder / place).mkdir(parents=True, exist_ok=True)
        module.save_skeleton(folder / place)
        records.append({"family": module.family, "folder": place, **_context_of(feature, module)})
    atomic.write_json(folder / NAME, {"feature": describe([feature]), "modules": records})


def read_feature(folder: Path, classes: Classes | None = None) -> Variable:
    """The feature that `write_network` wrote, on modules without weights.

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
    return rebuild(described, known, classes)[0]


def _context_of(feature: Variable, module: Module) -> dict[str, Any]:
    """The arguments of the ``context()`` that the feature stands on."""
    nodes = [node for node in walk_back([feature]) if getattr(node.source, "module", None) is module]
    program = next(given.block for node in nodes for given in node.inputs.values() if given.block is not None)
    assert isinstance(program, Program)
    lengths = [variable.shape[1] for variable in program.variables.values() if len(variable.shape) > 1]
    names = list(program.variables)
    slots = 3 if any(name.endswith("_3") for name in names) else 2 if any(name.endswith("_2") for name in names) else 1
    return {"max_seq_len": lengths[0] if lengths and lengths[0] > 0 else None, "num_slots": slots}
