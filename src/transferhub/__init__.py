"""TransferHub: your labelled rows and a pretrained network in, a fine-tuned model that works out.

    import transferhub as hub

    task = hub.TextClassifierTask(module="minilm", dataset="reviews.csv")
    task.finetune_and_eval()
    task.predict(["great room", "never again"]).labels

Names are imported when they are first used: ``import transferhub`` loads no torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

from transferhub.version import __version__

_WHERE = {
    **{name: "common.dir" for name in ("CACHE_HOME", "DATA_HOME", "HUB_HOME", "MODULE_HOME")},
    "AdamWeightDecayStrategy": "strategy",
    "CombinedStrategy": "strategy",
    "DefaultFinetuneStrategy": "strategy",
    "DefaultStrategy": "strategy",
    "L2SPFinetuneStrategy": "strategy",
    "LoRAStrategy": "strategy",
    "ULMFiTStrategy": "strategy",
    "BaseTask": "task.base_task",
    "HubError": "errors",
    "Module": "module",
    "ModuleTask": "task.module_task",
    "MultiLabelClassifierTask": "task.multi_label",
    "RegressionTask": "task.regression",
    "RunConfig": "engine.config",
    "TextClassifierTask": "task.classifier",
    "apply": "graph.applied",
    "load": "task.saved_model",
    "logger": "log",
}
_ROOMS = (
    "dataset",
    "reader",
    "strategy",
    "task",
    "module",
    "errors",
    "finetune",
    "common",
    "layers",
    "network",
    "fluid",
)

__all__ = [
    "AdamWeightDecayStrategy",
    "BaseTask",
    "CombinedStrategy",
    "DefaultFinetuneStrategy",
    "DefaultStrategy",
    "HubError",
    "L2SPFinetuneStrategy",
    "LoRAStrategy",
    "Module",
    "ModuleTask",
    "MultiLabelClassifierTask",
    "RegressionTask",
    "RunConfig",
    "TextClassifierTask",
    "ULMFiTStrategy",
    "__version__",
    "apply",
    "dataset",
    "fluid",
    "layers",
    "load",
    "logger",
    "network",
    "reader",
]

if TYPE_CHECKING:
    from transferhub import dataset as dataset
    from transferhub import fluid as fluid
    from transferhub import layers as layers
    from transferhub import network as network
    from transferhub import reader as reader
    from transferhub.engine.config import RunConfig as RunConfig
    from transferhub.errors import HubError as HubError
    from transferhub.graph.applied import apply as apply
    from transferhub.log import logger as logger
    from transferhub.module import Module as Module
    from transferhub.strategy import AdamWeightDecayStrategy as AdamWeightDecayStrategy
    from transferhub.strategy import CombinedStrategy as CombinedStrategy
    from transferhub.strategy import DefaultFinetuneStrategy as DefaultFinetuneStrategy
    from transferhub.strategy import DefaultStrategy as DefaultStrategy
    from transferhub.strategy import L2SPFinetuneStrategy as L2SPFinetuneStrategy
    from transferhub.strategy import LoRAStrategy as LoRAStrategy
    from transferhub.strategy import ULMFiTStrategy as ULMFiTStrategy
    from transferhub.task.base_task import BaseTask as BaseTask
    from transferhub.task.classifier import TextClassifierTask as TextClassifierTask
    from transferhub.task.module_task import ModuleTask as ModuleTask
    from transferhub.task.multi_label import MultiLabelClassifierTask as MultiLabelClassifierTask
    from transferhub.task.regression import RegressionTask as RegressionTask
    from transferhub.task.saved_model import load as load


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        value = getattr(importlib.import_module(f"transferhub.{_WHERE[name]}"), name)
    elif name in _ROOMS:
        value = importlib.import_module(f"transferhub.{name}")
    else:
        raise AttributeError(f"module 'transferhub' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
