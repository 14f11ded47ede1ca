"""Image networks of transformers: ViT, Swin, ConvNeXt, DINOv2, ResNet … and all that have a class for images there.

The feature is what the architecture's own classifier stands on: its ``AutoModelForImageClassification`` with no labels,
which leaves the classifier out.
"""

import copy
import functools
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from transferhub import atomic
from transferhub.errors import ModuleError
from transferhub.graph import seeded
from transferhub.graph.depth import depths_by_blocks
from transferhub.image import Preprocess
from transferhub.module.encoder import quietly
from transferhub.module.files import CONFIG, PROCESSOR
from transferhub.module.image import ImageModule, ImageNetwork, as_saved, told_apart
from transferhub.module.image_processor import preprocess_in
from transferhub.module.pretrained import configuration_in, read_weights
from transferhub.module.socket import Socket, given

if TYPE_CHECKING:
    from transformers import PretrainedConfig

CLASSIFIER = "AutoModelForImageClassification"


class TransformersImageModule(ImageModule):
    """A pretrained image network of transformers."""

    @functools.cached_property
    def config(self) -> "PretrainedConfig":
        """The architecture's configuration, as transformers reads it."""
        return configuration_in(self.directory)

    @functools.cached_property
    def preprocess(self) -> Preprocess:
        """How the network wants its pictures: as its ``preprocessor_config.json`` says."""
        return preprocess_in(self.directory)

    @functools.cached_property
    def source_labels(self) -> list[str]:
        """The names of the classes that the network was pretrained to tell apart, in the order of its outputs.

        Raises:
            ModuleError: It was pretrained without classes.
        """
        if not any("ForImageClassification" in name for name in self.config.architectures or ()):
            raise ModuleError(f"{self.name} was pretrained without classes", fix="fine-tune it: ImageClassifierTask")
        return told_apart(self.config.id2label[number] for number in range(self.config.num_labels))

    def tried_shapes(self) -> dict[str, tuple[int, ...]]:
        """`shapes`, from a network that has no weights.

        Raises:
            ModuleError: As `ImageModule.tried_shapes`; the architecture gives no vector a picture.
        """
        shapes = super().tried_shapes()
        if len(shapes["feature_map"]) != 2 or not shapes["feature_map"][1]:
            raise ModuleError(
                f"{self.name}: a {self.config.model_type!r} gives no vector a picture, but {shapes['feature_map']}",
                expected="a network whose classifier transformers leaves out where there are no labels",
            )
        return shapes

    def save_skeleton(self, folder: Path) -> None:
        """The configuration, and how pictures are prepared."""
        for name in (CONFIG, PROCESSOR):
            if (self.directory / name).is_file() and not (folder / name).exists():
                shutil.copyfile(self.directory / name, folder / name)

    def fingerprint(self) -> str:
        """The sha256 over configuration, preparation and weights."""
        kept = (CONFIG, PROCESSOR)
        names = (path.name for path in sorted(self.directory.glob("*")))
        return self.digest_of(
            name for name in names if name in kept or (name.endswith(".safetensors") and self.pretrained)
        )

    def backbone(self, *, pretrained: bool) -> ImageNetwork:
        """Transformers' network for image classification, without the classifier.

        Raises:
            ModuleError: Weights that are damaged, or not those of this network.
        """
        config = self._without_heads()
        config.num_labels = 0
        with quietly():
            if pretrained:
                model, _ = read_weights(CLASSIFIER, self.directory, config)
            else:
                model = _at_random(config).float()
        return TransformersImageNetwork(model)

    def _without_heads(self) -> "PretrainedConfig":
        """The configuration, of which transformers builds its first class for images: some have one for distilling."""
        config = copy.deepcopy(self.config)
        config.architectures = []
        return config

    @functools.cached_property
    def with_classes(self) -> nn.Module:
        """Transformers' network with the classifier that it was pretrained with."""
        with quietly(), seeded(0, "backbone"):
            config = self.config
            network = read_weights(CLASSIFIER, self.directory, config)[0] if self.pretrained else _at_random(config)
        model: nn.Module = network.eval()
        return model

    def save_fine_tuned(
        self,
        folder: Path,
        backbone: ImageNetwork,
        head: nn.Linear,
        labels: Sequence[str],
        problem_type: str | None = None,
    ) -> None:
        """Write a fine-tuned network as ``AutoModelForImageClassification`` opens it, and its image processor."""
        assert isinstance(backbone, TransformersImageNetwork)
        config = self._without_heads()
        config.id2label = dict(enumerate(labels))
        config.label2id = {name: number for number, name in enumerate(labels)}
        config.problem_type = problem_type
        with quietly(), torch.device("meta"):
            whole = _at_random(config)
        wanted, state = whole.state_dict(), backbone.whole_state()
        left = {name.rpartition(".")[2]: name for name in sorted(set(wanted) - set(state))}
        own = {"weight": head.weight, "bias": head.bias}
        fits = left.keys() == own.keys() and len(set(wanted) - set(state)) == 2 and not set(state) - set(wanted)
        if not fits or any(wanted[left[kind]].shape != values.shape for kind, values in own.items()):
            raise ModuleError(
                f"the classifier of a {config.model_type!r} is no linear layer, but {', '.join(left.values())}",
                expected="one linear layer on feature_map",
            )
        state.update({left[kind]: values for kind, values in own.items()})
        whole.load_state_dict(as_saved(state), assign=True)
        with quietly(), atomic.writing(folder):
            whole.save_pretrained(folder)
            shutil.copyfile(self.directory / PROCESSOR, folder / PROCESSOR)

    def load_fine_tuned(self, folder: Path, backbone: ImageNetwork, head: nn.Linear) -> None:
        """Read what `save_fine_tuned` wrote."""
        assert isinstance(backbone, TransformersImageNetwork)
        with quietly():
            whole, _ = read_weights(CLASSIFIER, folder, configuration_in(folder))
        state = whole.state_dict()
        for name in set(state) - set(backbone.whole_state()):
            own = getattr(head, name.rpartition(".")[2])
            with torch.no_grad():
                own.copy_(state.pop(name))
        backbone.load_whole_state(state)


def _at_random(config: "PretrainedConfig") -> Any:
    from transformers import AutoModelForImageClassification

    return AutoModelForImageClassification.from_config(config, trust_remote_code=False)


class TransformersImageNetwork(ImageNetwork):
    """A network for image classification of transformers', its body and what comes after it apart.

    Args:
        model: Without a classifier (``num_labels=0``).

    Raises:
        ModuleError: It has no body of its own (CLIP's classifier stands on a part of a network of pictures and texts).
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.prefix: str = model.base_model_prefix  # type: ignore[assignment]
        body = getattr(model, self.prefix, None) if self.prefix else None
        if not isinstance(body, nn.Module):
            raise ModuleError(
                f"{type(model).__name__} has no image network of its own",
                expected="a network of pictures alone: ViT, Swin, ConvNeXt, DINOv2, ResNet …",
            )
        setattr(model, self.prefix, Socket())
        self.body, self.tail = body, model

    def compute(self, image: Tensor) -> dict[str, Tensor]:
        """What the classifier would stand on; the body's last hidden state, ``[B, tokens, C]`` or ``[B, C, h, w]``."""
        outputs: Any = self.body(pixel_values=image)
        with given(outputs):
            feature: Tensor = self.tail(pixel_values=image).logits
        return {"feature_map": feature, "body_feats": outputs.last_hidden_state}

    def depths(self) -> dict[str, int]:
        """By blocks, the last one 0."""
        return depths_by_blocks(self)

    def whole_state(self) -> dict[str, Tensor]:
        """The weights by the names that transformers gives them in the whole."""
        body = {f"{self.prefix}.{name}": value for name, value in self.body.state_dict().items()}
        return {**body, **self.tail.state_dict()}

    def load_whole_state(self, state: dict[str, Tensor]) -> None:
        """Take weights by those names.

        Raises:
            ModuleError: Others than the network has.
        """
        start = f"{self.prefix}."
        try:
            self.body.load_state_dict({k.removeprefix(start): v for k, v in state.items() if k.startswith(start)})
            self.tail.load_state_dict({k: v for k, v in state.items() if not k.startswith(start)})
        except RuntimeError as error:
            raise ModuleError(f"weights of another network: {error}", fix="copy the folder again") from error
