"""Image networks of timm's: pictures → one vector each, and the map that it is the mean of."""

import functools
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from transferhub import atomic
from transferhub.errors import ConfigError, DataError, ModuleError
from transferhub.graph import Node, Program, Source, Variable, seeded
from transferhub.graph.depth import depths_by_order
from transferhub.image import Preprocess
from transferhub.image.preprocess import stacked
from transferhub.log import logger
from transferhub.module import store
from transferhub.module.files import CONFIG, WEIGHTS, json_object
from transferhub.module.module import Context, Module
from transferhub.module.timm_files import described


class ImageModule(Module):
    """A pretrained image network. ``context()`` gives ``image`` ``[B, 3, H, W]`` → ``feature_map`` ``[B, width]``."""

    @functools.cached_property
    def config(self) -> dict[str, Any]:
        """What ``config.json`` says: ``architecture``, ``num_classes``, ``pretrained_cfg``."""
        import timm

        said: dict[str, Any] = json_object(self.directory / CONFIG)
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

    def get_expected_image_width(self) -> int:
        """The width of the pictures that the network takes, in pixels."""
        return self.preprocess.width

    def get_expected_image_height(self) -> int:
        """The height of the pictures that the network takes, in pixels."""
        return self.preprocess.height

    def get_pretrained_images_mean(self) -> list[float]:
        """The mean of red, green and blue that is taken off, as parts of 255."""
        return list(self.preprocess.mean)

    def get_pretrained_images_std(self) -> list[float]:
        """The deviation of red, green and blue that is divided by, as parts of 255."""
        return list(self.preprocess.std)

    @functools.cached_property
    def source_labels(self) -> list[str]:
        """The names of the classes that the network was pretrained to tell apart, in the order of its outputs.

        Raises:
            ModuleError: It was pretrained without classes.
        """
        given, count = self.config["pretrained_cfg"].get("label_names"), self.config.get("num_classes") or 0
        if given and len(given) == count:
            return [str(name) for name in given]
        if not count:
            raise ModuleError(f"{self.name} was pretrained without classes", fix="fine-tune it: ImageClassifierTask")
        from timm.data import ImageNetInfo, infer_imagenet_subset

        subset = infer_imagenet_subset({**self.config["pretrained_cfg"], "num_classes": count})
        if not subset:
            return [str(number) for number in range(count)]
        known = ImageNetInfo(subset)
        return [known.index_to_description(number) for number in range(count)]

    def fingerprint(self) -> str:
        """The sha256 over configuration and weights."""
        if fault := store.damage(self._opened):
            raise store.damaged(self.name, fault)
        known = atomic.digests(self.directory) if store.is_installed(self._opened) else {}
        digest = hashlib.sha256(b"pretrained" if self.pretrained else b"random")
        for name in (CONFIG, *([WEIGHTS] if self.pretrained else [])):
            digest.update(f"{name}\0{known.get(name) or atomic.sha256(self.directory / name)}\0".encode())
        return digest.hexdigest()

    def context(self, trainable: bool = True, max_seq_len: int | None = None, num_slots: int = 1) -> Context:
        """Describe the network as a graph; weights are read when a task is built.

        Args:
            trainable: False freezes every parameter: no gradient, statistics of normalisation still.
            max_seq_len: For texts; pictures have none.
            num_slots: 1.

        Returns:
            ``(inputs, outputs, program)``. ``inputs``: ``image`` float32 ``[B, 3, H, W]``, normalised. ``outputs``:
            ``feature_map`` float32 ``[B, width]``, pooled, what the pretrained classifier stood on; ``body_feats``,
            the network's last map before pooling, in its own shape (``[B, C, h, w]``; ``[B, h, w, C]`` or
            ``[B, tokens, C]`` for transformers).

        Raises:
            ConfigError: `num_slots` is not 1.
        """
        if num_slots != 1:
            raise ConfigError(f"num_slots={num_slots}", expected="1")
        program = Program()
        image = program.add(Variable("image", (-1, 3, self.preprocess.height, self.preprocess.width), "float32"))
        node = Node(ImageSource(self, trainable), {"image": image})
        outputs = {
            name: program.add(Variable(name, shape, "float32", node, name)) for name, shape in self.shapes.items()
        }
        return {"image": image}, outputs, program

    @functools.cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Output → shape, -1 for the batch; found without a weight."""
        with torch.device("meta"):
            network = ImageNetwork(self.network(0)).eval()
            made = network(torch.zeros(1, 3, self.preprocess.height, self.preprocess.width))
        return {name: (-1, *values.shape[1:]) for name, values in made.items()}

    def network(self, num_classes: int) -> nn.Module:
        """Timm's network with random weights and a classifier of so many classes; 0: none.

        Raises:
            ModuleError: timm cannot build it.
        """
        import timm

        said = self.config.get("model_args") or {}
        arguments = {name: value for name, value in said.items() if name not in ("num_classes", "pretrained")}
        try:
            built: nn.Module = timm.create_model(
                self.config["architecture"], pretrained=False, num_classes=num_classes, **arguments
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
    def _with_classes(self) -> nn.Module:
        with seeded(0, "backbone"):
            network = self.network(len(self.source_labels)).eval()
        if self.pretrained:
            self.load(network, classifier=True)
        return network

    def classification(
        self,
        paths: Sequence[str | Path] | str | Path | None = None,
        images: Sequence[Any] | None = None,
        use_gpu: bool = False,
        batch_size: int = 1,
        top_k: int = 1,
    ) -> list[dict[str, float]]:
        """Name what is in pictures, with the classes that the network was pretrained to tell apart.

        Args:
            paths: Of pictures, or of one.
            images: Pictures of Pillow's; or arrays uint8 ``[h, w, 3]`` in the order blue, green, red, as PaddleHub
                (and OpenCV) have them. They come after those of `paths`.
            use_gpu: Compute on a GPU, if there is one.
            batch_size: Pictures computed together.
            top_k: How many classes for each.

        Returns:
            For each picture, class name → probability, the likeliest first.

        Raises:
            ConfigError: Neither paths nor images; `batch_size` or `top_k` below 1.
            DataError: A picture that cannot be decoded; an array that is none.
            ModuleError: The network was pretrained without classes.
        """
        if isinstance(paths, str | Path):
            paths = [paths]
        given = [*(paths or ()), *(_of_array(image, place) for place, image in enumerate(images or ()))]
        if not given or batch_size < 1 or top_k < 1:
            raise ConfigError(
                f"classification of {len(given)} pictures, batch_size={batch_size}, top_k={top_k}",
                expected="paths=[…] or images=[…]; both numbers at least 1",
            )
        device = "cuda" if use_gpu and torch.cuda.is_available() else "cpu"
        network, names = self._with_classes.to(device), self.source_labels
        found: list[dict[str, float]] = []
        for start in range(0, len(given), batch_size):
            part = [self.preprocess.seen(self.preprocess.whole(each)) for each in given[start : start + batch_size]]
            with torch.inference_mode():
                shares = network(torch.from_numpy(stacked(self.preprocess, part)).to(device)).softmax(dim=-1).cpu()
            best = shares.topk(min(top_k, len(names)))
            for values, places in zip(best.values.tolist(), best.indices.tolist(), strict=True):
                found.append({names[place]: value for place, value in zip(places, values, strict=True)})
        return found


def _fp32(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.float() if value.is_floating_point() else value for name, value in state.items()}


def _of_array(image: Any, place: int) -> Image.Image:
    if isinstance(image, Image.Image):
        return image.convert("RGB")
    values = np.asarray(image)
    if values.dtype != np.uint8 or values.ndim != 3 or values.shape[2] != 3:
        raise DataError(f"images[{place}]: {values.dtype} {list(values.shape)}", expected="uint8 [h, w, 3], blue first")
    return Image.fromarray(np.ascontiguousarray(values[..., ::-1]))


class ImageSource(Source):
    """The network of a module without its classifier, read from its files as fp32."""

    role: ClassVar[str] = "backbone"

    def __init__(self, module: ImageModule, trainable: bool) -> None:
        self.module, self.trainable = module, trainable

    def build(self, seed: int) -> nn.Module:
        """Read the weights, or draw them from (seed, "backbone") for ``pretrained=False``."""
        with seeded(seed, "backbone"):
            network = self.module.network(0).float()
        if self.module.pretrained:
            self.module.load(network, classifier=False)
        return ImageNetwork(network)

    def depths(self, module: nn.Module) -> dict[str, int]:
        """Timm's own groups of layers, the last one 0; for architectures without any, by the order of their parts."""
        assert isinstance(module, ImageNetwork)
        matcher = getattr(module.network, "group_matcher", None)
        if matcher is None:
            return {f"network.{name}": depth for name, depth in depths_by_order(module.network).items()}
        from timm.models import group_parameters

        groups: Mapping[str, Any] = group_parameters(module.network, matcher(coarse=False), reverse=True)
        order = {group: place for place, group in enumerate(sorted(set(groups.values()), reverse=True))}
        return {f"network.{name}": order[group] for name, group in groups.items()}


class ImageNetwork(nn.Module):
    """A network of timm's that gives its pooled feature and the map before it.

    Args:
        network: Without a classifier (``num_classes=0``).
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Pictures float32 ``[B, 3, H, W]`` → ``feature_map`` ``[B, width]``, ``body_feats``, in the weights' type."""
        network: Any = self.network
        weight = next(network.parameters())
        image = image.to(weight.dtype)
        if weight.dim() == 4 and not weight.is_contiguous():
            image = image.contiguous(memory_format=torch.channels_last)
        features = network.forward_features(image)
        return {"feature_map": network.forward_head(features, pre_logits=True), "body_feats": features}


def save_for_timm(
    folder: Path, module: ImageModule, backbone: ImageNetwork, weight: Tensor, bias: Tensor, labels: Sequence[str]
) -> None:
    """Write a fine-tuned network as timm opens it: ``timm.create_model("local-dir:FOLDER", pretrained=True)``.

    Args:
        folder: Where ``config.json`` and ``model.safetensors`` go.
        module: What was fine-tuned.
        backbone: Its network, with the weights to write.
        weight: Of the linear layer on ``feature_map``, ``[classes, width]``.
        bias: ``[classes]``.
        labels: Names of the classes.

    Raises:
        ModuleError: The architecture's classifier is more than one linear layer: timm has no place for this one.
    """
    from safetensors.torch import save_file

    full = module.network(len(labels))
    names = module.classifier_names
    if len(names) != 1:
        raise ModuleError(f"{module.config['architecture']} has {len(names)} classifiers", expected="one")
    state = dict(backbone.network.state_dict())
    wanted = full.state_dict()
    for kind, values in (("weight", weight), ("bias", bias)):
        name = f"{names[0]}.{kind}"
        if name not in wanted or wanted[name].numel() != values.numel():
            raise ModuleError(f"{module.config['architecture']} has no linear classifier {names[0]}")
        state[name] = values.detach().reshape(wanted[name].shape)
    if set(state) != set(wanted):
        odd = sorted(set(state) ^ set(wanted))
        raise ModuleError(f"{module.config['architecture']} is another network with classes: {', '.join(odd[:3])}")
    ready = {name: value.contiguous() for name, value in _fp32({k: v.detach().cpu() for k, v in state.items()}).items()}
    with atomic.writing(folder):
        save_file(ready, folder / WEIGHTS, metadata={"format": "pt"})
    said = {**module.config, "num_classes": len(labels), "label_names": list(labels)}
    said["pretrained_cfg"] = {**said["pretrained_cfg"], "num_classes": len(labels), "label_names": list(labels)}
    atomic.write_json(folder / CONFIG, said)


def load_saved(folder: Path, module: ImageModule, backbone: ImageNetwork, head: nn.Linear) -> None:
    """Read what `save_for_timm` wrote into a network without a classifier, and the layer on it.

    Raises:
        ModuleError: Weights that cannot be read, or of another network.
    """
    from safetensors.torch import load_file

    path = folder / WEIGHTS
    name = module.classifier_names[0]
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
