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
    "BertTokenizer": "tokenizer",
    "CustomTokenizer": "tokenizer",
    "ErnieTinyTokenizer": "tokenizer",
    "HubError": "errors",
    "ImageClassifierTask": "task.image_classifier",
    "Module": "module",
    "ModuleTask": "task.module_task",
    "MultiLabelClassifierTask": "task.multi_label",
    "MultiLabelImageClassifierTask": "task.image_classifier",
    "PairwiseTextMatchingTask": "task.pairwise_matching",
    "PointwiseTextMatchingTask": "task.pointwise_matching",
    "RegressionTask": "task.regression",
    "ReadingComprehensionTask": "task.reading_comprehension",
    "RunConfig": "engine.config",
    "SequenceLabelTask": "task.sequence_label",
    "TextClassifierTask": "task.classifier",
    "apply": "graph.applied",
    "load": "task.saved_model",
    "logger": "log",
    "report_final_result": "tune.scripts",
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
    "tune",
    "tokenizer",
)

__all__ = [
    "AdamWeightDecayStrategy",
    "BaseTask",
    "BertTokenizer",
    "CombinedStrategy",
    "CustomTokenizer",
    "DefaultFinetuneStrategy",
    "DefaultStrategy",
    "ErnieTinyTokenizer",
    "HubError",
    "ImageClassifierTask",
    "L2SPFinetuneStrategy",
    "LoRAStrategy",
    "Module",
    "ModuleTask",
    "MultiLabelClassifierTask",
    "MultiLabelImageClassifierTask",
    "PairwiseTextMatchingTask",
    "PointwiseTextMatchingTask",
    "ReadingComprehensionTask",
    "RegressionTask",
    "RunConfig",
    "SequenceLabelTask",
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
    "report_final_result",
    "tokenizer",
    "tune",
]

if TYPE_CHECKING:
    from transferhub import dataset as dataset
    from transferhub import fluid as fluid
    from transferhub import layers as layers
    from transferhub import network as network
    from transferhub import reader as reader
    from transferhub import tokenizer as tokenizer
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
    from transferhub.task.image_classifier import ImageClassifierTask as ImageClassifierTask
    from transferhub.task.image_classifier import MultiLabelImageClassifierTask as MultiLabelImageClassifierTask
    from transferhub.task.module_task import ModuleTask as ModuleTask
    from transferhub.task.multi_label import MultiLabelClassifierTask as MultiLabelClassifierTask
    from transferhub.task.pairwise_matching import PairwiseTextMatchingTask as PairwiseTextMatchingTask
    from transferhub.task.pointwise_matching import PointwiseTextMatchingTask as PointwiseTextMatchingTask
    from transferhub.task.reading_comprehension import ReadingComprehensionTask as ReadingComprehensionTask
    from transferhub.task.regression import RegressionTask as RegressionTask
    from transferhub.task.saved_model import load as load
    from transferhub.task.sequence_label import SequenceLabelTask as SequenceLabelTask
    from transferhub.tokenizer import BertTokenizer as BertTokenizer
    from transferhub.tokenizer import CustomTokenizer as CustomTokenizer
    from transferhub.tokenizer import ErnieTinyTokenizer as ErnieTinyTokenizer
    from transferhub.tune.scripts import report_final_result as report_final_result
    from transferhub.tune.search import tune as tune


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        value = getattr(importlib.import_module(f"transferhub.{_WHERE[name]}"), name)
    elif name in _ROOMS:
        value = importlib.import_module(f"transferhub.{name}")
    else:
        from transferhub.errors import did_you_mean

        near = "" if name.startswith("_") else did_you_mean(name, __all__)
        raise AttributeError(f"module 'transferhub' has no attribute {name!r}{'; ' + near.strip() if near else ''}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
