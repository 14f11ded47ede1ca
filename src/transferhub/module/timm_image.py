"""Image networks of timm's."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from transferhub import atomic
from transferhub.errors import ConfigError, ModuleError
from transferhub.graph import seeded
from transferhub.graph.depth import depths_by_order
from transferhub.image import Preprocess
from transferhub.log import logger
from transferhub.module.files import CONFIG, WEIGHTS, json_object
from transferhub.module.image import ImageModule, ImageNetwork, as_saved, told_apart
from transferhub.module.timm_files import described


class TimmModule(ImageModule):
    """A pretrained network of timm's."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        # Of a network without weights the folder is the cache's, which may be deleted at any time.
        self._said: dict[str, Any] = json_object(self.directory / CONFIG)
        self._card = (self.directory / CONFIG).read_bytes()

    @functools.cached_property
    def config(self) -> dict[str, Any]:
        """What ``config.json`` says: ``architecture``, ``num_classes``, ``pretrained_cfg``."""
        import timm

        said = dict(self._said)
        name = said.get("architecture")
        if not isinstance(name, str) or not timm.is_model(name):
            raise ModuleError(
                f"{self.directory / CONFIG}: timm {timm.__version__} has no network {name!r}",
                expected="an architecture of timm; code that comes with a model is never run",
            )
        if not isinstance(said.get("pretrained_cfg"), dict):
            said["pretrained_cfg"] = dict(described(name))
        return said

    @functools.cached_property
    def preprocess(self) -> Preprocess:
        """How the network wants its pictures: what it was pretrained with."""
        try:
            return Preprocess.of_timm(self.config["pretrained_cfg"])
        except (KeyError, TypeError, ValueError, ConfigError) as error:
            raise ModuleError(
                f"{self.directory / CONFIG}: pretrained_cfg does not say how pictures are prepared: {error}",
                expected="input_size, mean, std, crop_pct, interpolation",
            ) from error

    @functools.cached_property
    def source_labels(self) -> list[str]:
        """The names of the classes that the network was pretrained to tell apart, in the order of its outputs.

        Raises:
            ModuleError: It was pretrained without classes.
        """
        given, count = self.config["pretrained_cfg"].get("label_names"), self.config.get("num_classes") or 0
        if given and len(given) == count:
            return told_apart(given)
        if not count:
            raise ModuleError(f"{self.name} was pretrained without classes", fix="fine-tune it: ImageClassifierTask")
        from timm.data import ImageNetInfo, infer_imagenet_subset

        subset = infer_imagenet_subset({**self.config["pretrained_cfg"], "num_classes": count})
        if not subset:
            return [str(number) for number in range(count)]
        known = ImageNetInfo(subset)
        return told_apart(known.index_to_description(number) for number in range(count))

    def fingerprint(self) -> str:
        """The sha256 over configuration and weights."""
        return self.digest_of((CONFIG, *([WEIGHTS] if self.pretrained else [])), {CONFIG: self._card})

    def save_skeleton(self, folder: Path) -> None:
        """The configuration."""
        if not (folder / CONFIG).exists():
            (folder / CONFIG).write_bytes(self._card)

    def backbone(self, *, pretrained: bool) -> ImageNetwork:
        """Timm's network without a classifier.

        Raises:
            ModuleError: timm cannot build it; weights that are damaged, or not those of this network.
        """
        network = self.network(0).float()
        if pretrained:
            self.load(network, classifier=False)
        return TimmNetwork(network)

    @property
    def arguments(self) -> dict[str, Any]:
        """What timm builds the network with beside its classes."""
        said = self.config.get("model_args") or {}
        return {name: value for name, value in said.items() if name not in ("num_classes", "pretrained")}

    def network(self, num_classes: int) -> nn.Module:
        """Timm's network with random weights and a classifier of so many classes; 0: none.

        Raises:
            ModuleError: timm cannot build it.
        """
        import timm

        try:
            built: nn.Module = timm.create_model(
                self.config["architecture"], pretrained=False, num_classes=num_classes, **self.arguments
            )
        except Exception as error:  # whatever the architecture's own code raises
            raise ModuleError(
                f"{self.name}: timm cannot build {self.config['architecture']}: {error}",
                expected=f"what {self.directory / CONFIG} says to be arguments of timm.create_model",
            ) from error
        return built

    def load(self, network: nn.Module, *, classifier: bool) -> None:
        """Read the weights into a network of timm's.

        Raises:
            ModuleError: They are damaged, or not those of this network.
        """
        from safetensors.torch import load_file

        path = self.directory / WEIGHTS
        try:
            state = {
                name: value.float() if value.is_floating_point() else value for name, value in load_file(path).items()
            }
            found = network.load_state_dict(state, strict=False)
        except Exception as error:  # safetensors' and torch's own kinds
            raise ModuleError(
                f"the weights in {path} cannot be read: {error}", fix="copy or install them again"
            ) from error
        if found.missing_keys:
            raise ModuleError(
                f"the weights in {path} lack {len(found.missing_keys)} of the network's {len(network.state_dict())} "
                f"tensors: {', '.join(found.missing_keys[:3])}",
                expected=f"all weights of a {self.config['architecture']}, by timm's names",
                fix="copy or install them again; pretrained=False gives the same architecture with random weights",
            )
        heads = tuple(f"{name}." for name in self.classifier_names)
        others = [name for name in found.unexpected_keys if classifier or not name.startswith(heads)]
        if others:
            logger.info("%s: %d tensors have no place in the network: %s", path, len(others), ", ".join(others[:3]))

    @property
    def classifier_names(self) -> tuple[str, ...]:
        """What timm calls the layers that the classes stand on."""
        named = self.config["pretrained_cfg"].get("classifier") or described(self.config["architecture"])["classifier"]
        return (named,) if isinstance(named, str) else tuple(named)

    @functools.cached_property
    def with_classes(self) -> nn.Module:
        """Timm's network with the classifier that it was pretrained with."""
        with seeded(0, "backbone"):
            network = self.network(len(self.source_labels)).eval()
        if self.pretrained:
            self.load(network, classifier=True)
        return network

    def save_fine_tuned(
        self,
        folder: Path,
        backbone: ImageNetwork,
        head: nn.Linear,
        labels: Sequence[str],
        problem_type: str | None = None,
    ) -> None:
        """Write a fine-tuned network as timm opens it: ``timm.create_model("local-dir:FOLDER", pretrained=True)``."""
        assert isinstance(backbone, TimmNetwork)
        assert head.bias is not None
        from safetensors.torch import save_file

        full = self.network(len(labels))
        names = self.classifier_names
        if len(names) != 1:
            raise ModuleError(f"{self.config['architecture']} has {len(names)} classifiers", expected="one")
        state = dict(backbone.network.state_dict())
        wanted = full.state_dict()
        for kind, values in (("weight", head.weight), ("bias", head.bias)):
            name = f"{names[0]}.{kind}"
            if name not in wanted or wanted[name].numel() != values.numel():
                raise ModuleError(f"{self.config['architecture']} has no linear classifier {names[0]}")
            state[name] = values.detach().reshape(wanted[name].shape)
        if set(state) != set(wanted):
            odd = sorted(set(state) ^ set(wanted))
            raise ModuleError(f"{self.config['architecture']} is another network with classes: {', '.join(odd[:3])}")
        with atomic.writing(folder):
            save_file(as_saved(state), folder / WEIGHTS, metadata={"format": "pt"})
        said = {**self.config, "num_classes": len(labels), "label_names": list(labels), "model_args": self.arguments}
        said["pretrained_cfg"] = {**said["pretrained_cfg"], "num_classes": len(labels), "label_names": list(labels)}
        atomic.write_json(folder / CONFIG, said)

    def load_fine_tuned(self, folder: Path, backbone: ImageNetwork, head: nn.Linear) -> None:
        """Read what `save_fine_tuned` wrote."""
        assert isinstance(backbone, TimmNetwork)
        from safetensors.torch import load_file

        path = folder / WEIGHTS
        name = self.classifier_names[0]
        try:
            state = load_file(path)
            own = {"weight": state.pop(f"{name}.weight"), "bias": state.pop(f"{name}.bias")}
            with torch.no_grad():
                head.weight.copy_(own["weight"].reshape(head.weight.shape))
                assert head.bias is not None
                head.bias.copy_(own["bias"])
            backbone.network.load_state_dict(state)
        except Exception as error:  # safetensors' and torch's own kinds
            raise ModuleError(f"the weights in {path} cannot be read: {error}", fix="copy the folder again") from error


class TimmNetwork(ImageNetwork):
    """A network of timm's.

    Args:
        network: Without a classifier (``num_classes=0``).
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def compute(self, image: Tensor) -> dict[str, Tensor]:
        """As timm pools it; the map before that in its own shape, as ``[B, C, h, w]``."""
        network: Any = self.network
        features = network.forward_features(image)
        return {"feature_map": network.forward_head(features, pre_logits=True), "body_feats": features}

    def depths(self) -> dict[str, int]:
        """Timm's own groups of layers, the last one 0; for architectures without any, by the order of their parts."""
        matcher = getattr(self.network, "group_matcher", None)
        if matcher is None:
            return {f"network.{name}": depth for name, depth in depths_by_order(self.network).items()}
        from timm.models import group_parameters

        groups: Mapping[str, Any] = group_parameters(self.network, matcher(coarse=False), reverse=True)
        order = {group: place for place, group in enumerate(sorted(set(groups.values()), reverse=True))}
        return {f"network.{name}": order[group] for name, group in groups.items()}
