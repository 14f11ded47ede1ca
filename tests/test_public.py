import subprocess
import sys

import pytest

import transferhub

NAMES = [
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
    "RegressionTask",
    "ReadingComprehensionTask",
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
    "tune",
    "tokenizer",
]


def test_the_public_names_are_these_and_each_is_there():
    assert sorted(transferhub.__all__) == sorted(NAMES)
    for name in NAMES:
        assert getattr(transferhub, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nothing"):
        _ = transferhub.nothing


def test_importing_and_listing_load_no_torch():
    code = (
        "import sys, transferhub; from transferhub.commands.app import app; from transferhub.module import store;"
        "store.installed(); print(sorted(m for m in ('torch', 'transformers', 'pyarrow') if m in sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
