"""A pretrained network as a folder that is installed as a module: timm's form, and a card."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from transferhub import atomic
from transferhub.module.files import CONFIG, WEIGHTS
from transferhub.module.timm_image import TimmModule
from transferhub.task.base_task import BaseTask
from transferhub.task.result import RunResult
from transferhub.version import __version__

MODULE = "module"  # of the output folder


@dataclass(frozen=True)
class Pretrained:
    """What pretraining came to.

    Args:
        module: The folder to install.
        state_dict: torchvision's form of the weights with their classifier; None: it has no such network.
        accuracy: On pictures of the same fractals that were not trained on.
        pictures: Drawn and trained on.
        parameters: Of the network without its classifier.
        run: The run.
    """

    module: str
    state_dict: str | None
    accuracy: float
    pictures: int
    parameters: int
    run: RunResult


def write_module(made: Pretrained, output: Path, module: TimmModule, task: BaseTask) -> Pretrained:
    """Write the best model's network without its classifier, and a card; and torchvision's form where it has one.

    Args:
        made: What the card says.
        output: Where the folder goes.
        module: The network that was pretrained.
        task: Whose run it was.
    """
    from safetensors.torch import load_file, save_file

    state: dict[str, Tensor] = load_file(Path(made.run.best_model) / WEIGHTS)
    heads = tuple(f"{name}." for name in module.classifier_names)
    body = {name: value for name, value in state.items() if not name.startswith(heads)}
    with atomic.whole_folder(Path(made.module)) as folder:
        with atomic.writing(folder):
            save_file(body, folder / WEIGHTS, metadata={"format": "pt"})
        atomic.write_json(folder / CONFIG, module.config)
        atomic.write_text(folder / "README.md", card(made, module, task))
    name = module.config["architecture"]
    if not module.config.get("model_args") and is_torchvisions(name, state, len(task.label_list)):
        import torch

        path = output / f"{name}.pth"
        with atomic.writing(path):
            part = path.with_suffix(".part")
            torch.save(state, part)
            part.replace(path)
        return dataclasses.replace(made, state_dict=str(path))
    return made


def is_torchvisions(name: str, state: dict[str, Tensor], classes: int) -> bool:
    """Whether torchvision has this network, with tensors of these names and shapes."""
    import torch
    from torchvision import models

    if name not in models.list_models(module=models):
        return False
    with torch.device("meta"):
        wanted = models.get_model(name, weights=None, num_classes=classes).state_dict()
    return {key: value.shape for key, value in wanted.items()} == {key: value.shape for key, value in state.items()}


def card(made: Pretrained, module: TimmModule, task: BaseTask) -> str:
    """The README of a pretrained module, as model hubs show it."""
    config, size = module.config, module.preprocess.width
    arguments: Any = config.get("model_args")
    network = config["architecture"] + (f" with {arguments}" if arguments else "")
    return f"""---
library_name: timm
license: apache-2.0
tags: [image-feature-extraction, fractals, formula-driven-supervised-learning]
---
# {config["architecture"]}, pretrained on fractals

Pretrained with TransferHub {__version__} (`hub pretrain fractal`) to tell fractals apart that are drawn on the fly: no
photograph, no label of a person. A start for fine-tuning on few pictures; it names nothing by itself.

| | |
|-|-|
| network | timm's {network}; {made.parameters:,} parameters without classifier, fp32 |
| pictures | {size} × {size}, mean {list(module.preprocess.mean)}, deviation {list(module.preprocess.std)} |
| task | {len(task.label_list)} iterated function systems, an instance drawn anew each time |
| seen | {made.pictures:,} pictures: {task.config.num_epoch} epochs in batches of {task.config.batch_size} |
| strategy | `{task.config.strategy}`, precision {made.run.precision}, seed {task.config.seed} |
| accuracy on fractals that were not trained on | {made.accuracy:.4f} (by chance {1 / len(task.label_list):.4f}) |

```python
import transferhub as hub

hub.ImageClassifierTask(module=hub.Module(directory="this/folder"), dataset="pictures/").finetune_and_eval()
```

Method: Kataoka et al. 2020 (FractalDB, arXiv:2101.08515), with systems by singular values and colours as in Anderson
and Farrell 2022 (arXiv:2110.03091). Weights are fp32 in safetensors; nothing here is code or pickle. The weights are
TransferHub's own, under Apache-2.0.
"""
