"""``best_model/``: one folder that opens anywhere: with `hub.load`, and with transformers where the head is its own."""

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import save_file
from torch import nn

from transferhub import atomic
from transferhub import reader as readers
from transferhub.engine import checkpoint
from transferhub.errors import ModuleError, RunError
from transferhub.graph import Network
from transferhub.log import logger
from transferhub.module import Module
from transferhub.module.architecture_head import ArchitectureHead
from transferhub.module.encoder import Encoder, quietly
from transferhub.module.image import ImageModule, ImageNetwork, ImageSource
from transferhub.task import saved_network
from transferhub.task.saved_network import Classes, write_network
from transferhub.version import __version__

if TYPE_CHECKING:
    from transferhub.task.base_task import BaseTask

# Kind of task → its class; a new one is one line here.
TASKS = {
    "SequenceLabelTask": "transferhub.task.sequence_label:SequenceLabelTask",
    "TextClassifierTask": "transferhub.task.classifier:TextClassifierTask",
    "RegressionTask": "transferhub.task.regression:RegressionTask",
    "MultiLabelClassifierTask": "transferhub.task.multi_label:MultiLabelClassifierTask",
    "ImageClassifierTask": "transferhub.task.image_classifier:ImageClassifierTask",
    "MultiLabelImageClassifierTask": "transferhub.task.image_classifier:MultiLabelImageClassifierTask",
    "ReadingComprehensionTask": "transferhub.task.reading_comprehension:ReadingComprehensionTask",
    "PointwiseTextMatchingTask": "transferhub.task.pointwise_matching:PointwiseTextMatchingTask",
    "PairwiseTextMatchingTask": "transferhub.task.pairwise_matching:PairwiseTextMatchingTask",
    "ModuleTask": "transferhub.task.module_task:ModuleTask",
}
DESCRIPTION = "task.json"
# What decides how a model answers: read as it was written, or not at all. README.md may be edited.
CHECKED = (".safetensors", ".json", ".txt", ".model")
NETWORK = "network.safetensors"  # where the head is not the architecture's own
BESIDE = "beside.safetensors"  # where it is, and more is learnt beside it: a CRF's transitions


def write_model(task: "BaseTask", network: Network, folder: Path, scores: Mapping[str, float]) -> None:
    """Fill a folder with the network's weights in fp32, its tokenizer, labels and card."""
    parts = _architecture(network)
    with quietly():
        if parts is not None:
            encoder, head = parts
            with head.joined(encoder) as model:
                whole = {name: value for name, value in model.state_dict().items() if name in head.names}
                model.save_pretrained(folder, state_dict=whole)  # type: ignore[operator]
            beside, values = _beside(network, parts), network.state_dict()
            if beside:
                save_file({name: values[name].contiguous() for name in beside}, folder / BESIDE)
        elif not _saved_for_the_library(task, network, folder):
            write_network(task.saved_variables(), folder)
            save_file({name: value.contiguous() for name, value in network.state_dict().items()}, folder / NETWORK)
    task.reader.save(folder)
    atomic.write_json(folder / DESCRIPTION, task.description())
    atomic.write_text(folder / "README.md", _card(task, scores))


def read_network(task: "BaseTask", folder: Path) -> Network:
    """The task's network with the weights of a saved folder.

    Raises:
        RunError: Damaged files, or another network's.
    """
    fault = atomic.damage(folder, only=CHECKED)
    if fault:
        raise RunError(f"the model in {folder} is damaged: {fault}", fix="copy the folder again, or train again")
    said = _description(folder)
    if said["labels"] != task.label_list:
        raise RunError(f"{folder} was trained for the labels {said['labels']}, this task has {task.label_list}")
    task.recall(said)
    network = Network(task.outputs)
    if (folder / NETWORK).is_file():
        checkpoint.load_values(folder / NETWORK, network)
        return network
    pictures = _of_pictures(network)
    if pictures is not None:
        module, backbone, linear = pictures
        module.load_fine_tuned(folder, backbone, linear)
        return network
    parts = _architecture(network)
    if parts is None:
        raise RunError(f"{folder} holds a model with the architecture's own head, this task has another")
    encoder, head = parts
    with head.joined(encoder) as model:
        checkpoint.load_values(folder / "model.safetensors", model, names=head.names)
    if beside := _beside(network, parts):
        checkpoint.load_values(folder / BESIDE, network, names=beside)
    return network


def load(best_model: str | Path, classes: Classes | None = None) -> "BaseTask":
    """Open a ``best_model`` folder in a new process: nothing is retyped, no code of the folder is run.

    Args:
        best_model: The folder, or the run's folder that holds it.
        classes: Where the network has classes of your own: ``{"Net": Net}``. A message says which are needed.

    Returns:
        The task: ``.predict([...])``, ``.evaluate(file)``.

    Raises:
        RunError: No such folder, or not one of TransferHub's.
    """
    given: object = best_model
    if not isinstance(given, str | Path) or not str(given).strip():
        raise RunError(f"hub.load({best_model!r})", expected="the best_model folder of a run")
    folder = Path(best_model)
    if (folder / "best_model" / DESCRIPTION).is_file():
        folder = folder / "best_model"
    if not (folder / DESCRIPTION).is_file():
        raise RunError(
            f"{folder} " + ("does not exist" if not folder.exists() else f"holds no trained model (no {DESCRIPTION})"),
            expected="the best_model folder of a run",
            fix="the last lines of a run say where it is: ckpt_<time>/best_model",
        )
    if fault := atomic.damage(folder, only=CHECKED):
        raise RunError(f"the model in {folder} is damaged: {fault}", fix="copy the folder again, or train again")
    description = _description(folder)
    kind = _kind(str(description.get("task")), classes or {})
    _check(description, kind, folder)
    reader = getattr(readers, str(description.get("reader")), None)
    if not isinstance(reader, type) or not issubclass(reader, readers.Reader):
        raise RunError(f"{folder / DESCRIPTION}: no reader {description.get('reader')!r}")
    if (folder / saved_network.NAME).is_file():
        network = saved_network.read_network(folder, classes)
    else:
        module = Module(directory=folder, pretrained=False)
        _, outputs, _ = module.context(max_seq_len=description["max_seq_len"])
        network = [outputs[kind.feature_name]]
    task: BaseTask = kind.from_description(description, network, reader.reopened(folder, description))
    task.use_saved(folder)
    return task


def _kind(name: str, classes: Mapping[str, Any]) -> Any:
    """The class of a saved task: the house's, one that was given, or `BaseTask`, which predicts what it was."""
    if name in TASKS:
        place, _, attribute = TASKS[name].partition(":")
        return getattr(importlib.import_module(place), attribute)
    from transferhub.task.base_task import BaseTask

    given = classes.get(name)
    if isinstance(given, type) and issubclass(given, BaseTask):
        return given
    logger.info("%s is a class of your own: it predicts; to evaluate it too: classes={%r: %s}", name, name, name)
    return BaseTask


def _description(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / DESCRIPTION).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"{folder / DESCRIPTION} cannot be read: {error}", fix="copy the folder again") from error


# What every description has: name → the types it may have. A kind of task has more in ``described``.
DESCRIBED: dict[str, tuple[type, ...]] = {"labels": (list,), "metrics": (list,), "max_seq_len": (int,)}


def _check(description: Mapping[str, Any], kind: Any, folder: Path) -> None:
    for name, kinds in {**DESCRIBED, **kind.described}.items():
        if not isinstance(description.get(name, ...), kinds):
            raise RunError(
                f"{folder / DESCRIPTION}: {name} is {description.get(name, 'missing')!r:.60}",
                expected="what TransferHub wrote there",
                fix="copy the folder again, or train again",
            )


def _architecture(network: Network) -> tuple[Encoder, ArchitectureHead] | None:
    """Encoder and head, where both are one architecture of transformers; None: a network of one's own."""
    heads = [part for part in network.parts if isinstance(part, ArchitectureHead)]
    encoders = [part for part in network.parts if isinstance(part, Encoder)]
    return (encoders[0], heads[0]) if heads else None


def _beside(network: Network, parts: tuple[Encoder, ArchitectureHead]) -> list[str]:
    """The names of what is saved of a network that is neither encoder nor head."""
    inside = tuple(f"parts.{place}." for place, part in enumerate(network.parts) if part in parts)
    return [name for name in network.state_dict() if not name.startswith(inside)]


def _of_pictures(network: Network) -> tuple[ImageModule, ImageNetwork, nn.Linear] | None:
    """Module, network and classifier, where these are a module's image network and one linear layer on it."""
    if len(network.parts) != 2:
        return None
    (backbone, head), source = network.parts, network.sources[0]
    linear = [layer for layer in head.modules() if isinstance(layer, nn.Linear)]
    if not isinstance(source, ImageSource) or not isinstance(backbone, ImageNetwork) or len(linear) != 1:
        return None
    return source.module, backbone, linear[0]


def _saved_for_the_library(task: "BaseTask", network: Network, folder: Path) -> bool:
    pictures = _of_pictures(network)
    if pictures is None:
        return False
    module, backbone, head = pictures
    try:
        module.save_fine_tuned(folder, backbone, head, task.label_list, getattr(task, "problem_type", None))
    except ModuleError:  # its classifier is more than a linear layer: saved as a network of one's own
        return False
    return True


def _card(task: "BaseTask", scores: Mapping[str, Any]) -> str:
    description = task.description()
    figures = ", ".join(f"{name} {value:.4f}" for name, value in scores.items()) or "not evaluated"
    length = description["max_seq_len"]
    labels, tag = ", ".join(description["labels"]), task.pipeline_tag
    return f"""---
library_name: transferhub
{f"pipeline_tag: {tag}" if tag else "tags: [transfer-learning]"}
---
# {description["task"]}{": " if labels else ""}{", ".join(description["labels"][:12])}

Fine-tuned with TransferHub {__version__}.

| | |
|-|-|
| pretrained network | {task.module_name} |
| labels | {labels or "none"} |
| longest text | {f"{length} tokens" if length > 1 else "no texts"} |
| strategy | `{task.config.strategy}` |
| epochs, batch size, seed | {task.config.num_epoch}, {task.config.batch_size}, {task.config.seed} |
| scores on dev (fp32) | {figures} |

```python
import transferhub as hub

hub.load("path/to/this/folder").{task.usage}
```

Weights are fp32 in safetensors; nothing here is code or pickle.
"""
