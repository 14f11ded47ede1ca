"""What a folder of transformers' holds: its configuration, and a network with its weights."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from transferhub.errors import ModuleError

if TYPE_CHECKING:
    from transformers import PretrainedConfig


def configuration_in(folder: Path) -> "PretrainedConfig":
    """The configuration in a folder, as transformers reads it.

    Raises:
        ModuleError: It does not know it.
    """
    from transformers import AutoConfig

    try:
        config: PretrainedConfig = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # a damaged file raises whatever the architecture's own code raises
        reason = str(error).strip() or type(error).__name__
        raise ModuleError(
            f"{folder / 'config.json'} is not one that transformers knows: {reason.splitlines()[0]}",
            expected="an architecture of transformers; code that comes with a model is never run",
        ) from error
    return config


def read_weights(
    auto_class: str, folder: Path, config: "PretrainedConfig", may_lack: str | None = None
) -> tuple[Any, list[str]]:
    """The network of a folder with its weights as fp32, and the names of those that the folder does not have.

    Args:
        auto_class: ``AutoModel``, ``AutoModelForImageClassification`` …
        folder: The module's.
        config: What the network is built from.
        may_lack: What the names begin with that may be missing.

    Raises:
        ModuleError: Weights that cannot be read, or that lack others.
    """
    import transformers

    try:
        network, found = getattr(transformers, auto_class).from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except Exception as error:  # a damaged file raises whatever the architecture's own code raises
        raise ModuleError(
            f"the weights in {folder} cannot be read: {error}", fix="copy or install them again"
        ) from error
    lacking = sorted(found["missing_keys"])
    missing = [name for name in lacking if may_lack is None or not name.startswith(may_lack)]
    if missing:
        raise ModuleError(
            f"the weights in {folder} lack {len(missing)} of the network's {len(network.state_dict())} tensors: "
            + ", ".join(missing[:3]),
            expected=f"all weights of the {config.model_type} that config.json describes",
            fix="copy or install them again; pretrained=False gives the same architecture with random weights",
        )
    return network, lacking
