"""Image networks, whichever library builds them: pictures → one vector each, and the map that it is made of."""

import collections
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from transferhub.dataset import binary
from transferhub.errors import ConfigError, HubError, ModuleError
from transferhub.graph import Node, Program, Source, Variable, seeded
from transferhub.image import Preprocess, checked
from transferhub.image.preprocess import Floats, stacked
from transferhub.module.module import Context, Module


class ImageModule(Module):
    """A pretrained image network. ``context()`` gives ``image`` ``[B, 3, H, W]`` → ``feature_map`` ``[B, width]``.

    A library's networks are a class that says what follows up to `load_fine_tuned`: `timm_image`, `transformers_image`.
    """

    @property
    def preprocess(self) -> Preprocess:
        """How the network wants its pictures: what it was pretrained with."""
        raise NotImplementedError

    @property
    def source_labels(self) -> list[str]:
        """The names of the classes that the network was pretrained to tell apart, in the order of its outputs.

        Where several classes have a name (ImageNet has two of ``crane``), it is followed by the class's number.

        Raises:
            ModuleError: It was pretrained without classes.
        """
        raise NotImplementedError

    def backbone(self, *, pretrained: bool) -> "ImageNetwork":
        """The network without its classifier, fp32, with its weights or with such as the library draws.

        Raises:
            ModuleError: The library cannot build it; weights that are damaged, or not those of this network.
        """
        raise NotImplementedError

    @property
    def with_classes(self) -> nn.Module:
        """The whole network, for `classification`: pictures → logits, or what has them as ``logits``."""
        raise NotImplementedError

    def save_fine_tuned(
        self,
        folder: Path,
        backbone: "ImageNetwork",
        head: nn.Linear,
        labels: Sequence[str],
        problem_type: str | None = None,
    ) -> None:
        """Write a fine-tuned network as the library opens it.

        Args:
            folder: Where ``config.json`` and ``model.safetensors`` go.
            backbone: The network, with the weights to write.
            head: The layer on ``feature_map``.
            labels: Names of its outputs.
            problem_type: What transformers would train it by.

        Raises:
            ModuleError: The architecture's classifier is more than one linear layer: there is no place for this one.
        """
        raise NotImplementedError

    def load_fine_tuned(self, folder: Path, backbone: "ImageNetwork", head: nn.Linear) -> None:
        """Read what `save_fine_tuned` wrote.

        Raises:
            ModuleError: Weights that cannot be read, or of another network.
        """
        raise NotImplementedError

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
        return self.tried_shapes()

    def tried_shapes(self) -> dict[str, tuple[int, ...]]:
        """`shapes`, from a network that has no weights.

        Raises:
            ModuleError: It does not take pictures of the size that its own files say, or not pictures alone.
        """
        try:
            return self.shapes_of(self.preprocess.width, self.preprocess.height)
        except ConfigError as error:
            expected = "a network of pictures alone: ViT, Swin, ConvNeXt, DINOv2, ResNet …"
            raise ModuleError(error.what, expected=expected) from error

    def shapes_of(self, width: int, height: int) -> dict[str, tuple[int, ...]]:
        """Output → shape for pictures of a size; tried, for what says of a network that its size is fixed errs.

        Raises:
            ConfigError: The network does not take such pictures.
        """
        try:
            with torch.device("meta"):
                network = self.backbone(pretrained=False).eval()
                made = network(torch.zeros(1, 3, height, width))
        except HubError:
            raise
        except Exception as error:  # whatever the architecture's own code raises
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ConfigError(f"{self.name} does not take pictures of {width} × {height} pixels: {reason}") from error
        return {name: (-1, *values.shape[1:]) for name, values in made.items()}

    def check_size(self, width: int, height: int) -> None:
        """Refuse pictures of a size that the network does not take.

        Raises:
            ConfigError: With the size that it has.
        """
        own = self.preprocess
        if (width, height) == (own.width, own.height):
            return
        try:
            self.shapes_of(width, height)
        except ConfigError as error:
            raise ConfigError(
                error.what,
                expected=f"{own.width} × {own.height}, as it was pretrained",
                fix=f"the reader's image_width={own.width}, image_height={own.height}; left out, they are the module's",
            ) from error

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
        given = [*(paths or ()), *(_picture(image, place) for place, image in enumerate(images or ()))]
        if not given or batch_size < 1 or top_k < 1:
            raise ConfigError(
                f"classification of {len(given)} pictures, batch_size={batch_size}, top_k={top_k}",
                expected="paths=[…] or images=[…]; both numbers at least 1",
            )
        device = "cuda" if use_gpu and torch.cuda.is_available() else "cpu"
        names, network = self.source_labels, self.with_classes.to(device)
        found: list[dict[str, float]] = []
        for _, image in self._batches(given, batch_size):
            with torch.inference_mode():
                made = network(image.to(device))
                shares = getattr(made, "logits", made).softmax(dim=-1).cpu()
            best = shares.topk(min(top_k, len(names)))
            for values, places in zip(best.values.tolist(), best.indices.tolist(), strict=True):
                found.append({names[place]: value for place, value in zip(places, values, strict=True)})
        return found

    def features(self, pictures: Iterable[Any], batch_size: int = 32) -> Floats:
        """What the frozen network computes of pictures, for a network of one's own to stand on: its ``feature_map``.

        Args:
            pictures: Paths; pictures of Pillow's; arrays uint8 ``[h, w, 3]``, red first; any of them mixed.
            batch_size: Pictures computed together.

        Returns:
            float32 ``[N, width]``, in the pictures' order.

        Raises:
            ConfigError: A path alone instead of a list; `batch_size` below 1.
            DataError: A picture that cannot be decoded; something that is none.
        """
        if isinstance(pictures, str | Path | Image.Image) or binary.is_frame(pictures) or batch_size < 1:
            said = f"features of {pictures!r:.80}, batch_size={batch_size}"
            raise ConfigError(said, expected='a list of pictures, of a frame list(frame["path"]); at least 1')
        kinds = (str, Path, Image.Image)
        given = [one if isinstance(one, kinds) else checked(one, f"pictures[{i}]") for i, one in enumerate(pictures)]
        found = np.empty((len(given), self.shapes["feature_map"][1]), np.float32)
        for start, image in self._batches(given, batch_size):
            with torch.inference_mode():
                found[start : start + len(image)] = self._frozen(image)["feature_map"].numpy()
        return found

    @functools.cached_property
    def _frozen(self) -> nn.Module:
        return ImageSource(self, trainable=False).build(0).eval()

    def _batches(self, given: Sequence[Any], batch_size: int) -> Iterator[tuple[int, Tensor]]:
        """Pictures as the network wants them, with the place of the first."""
        for start in range(0, len(given), batch_size):
            part = [self.preprocess.seen(self.preprocess.whole(each)) for each in given[start : start + batch_size]]
            yield start, torch.from_numpy(stacked(self.preprocess, part))


def told_apart(names: Iterable[Any]) -> list[str]:
    """Names of classes, those that occur more than once with the class's number: ``crane (134)``."""
    said = [str(name) for name in names]
    times = collections.Counter(said)
    return [f"{name} ({place})" if times[name] > 1 else name for place, name in enumerate(said)]


def _picture(image: Any, place: int) -> Any:
    """A picture of Pillow's as it is; an array with red first."""
    if isinstance(image, Image.Image):
        return image
    return checked(image, f"images[{place}]", "blue, green, red")[..., ::-1]


def as_saved(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights as a file holds them: fp32 where they are fractions, on the CPU, in one piece."""
    there = {name: value.detach().cpu() for name, value in state.items()}
    return {name: (value.float() if value.is_floating_point() else value).contiguous() for name, value in there.items()}


class ImageSource(Source):
    """The network of a module without its classifier, read from its files as fp32."""

    role: ClassVar[str] = "backbone"

    def __init__(self, module: ImageModule, trainable: bool) -> None:
        self.module, self.trainable = module, trainable

    def build(self, seed: int) -> nn.Module:
        """Read the weights, or draw them from (seed, "backbone") for ``pretrained=False``."""
        with seeded(seed, "backbone"):
            return self.module.backbone(pretrained=self.module.pretrained)

    def depths(self, module: nn.Module) -> dict[str, int]:
        """As the library groups the network's layers."""
        assert isinstance(module, ImageNetwork)
        return module.depths()


class ImageNetwork(nn.Module):
    """A network without a classifier that gives its pooled feature and the map before it."""

    def compute(self, image: Tensor) -> dict[str, Tensor]:
        """Pictures ``[B, 3, H, W]``, as the weights lie, → ``feature_map`` ``[B, width]`` and ``body_feats``."""
        raise NotImplementedError

    def depths(self) -> dict[str, int]:
        """Parameter name → depth: 0 for those nearest to the output."""
        raise NotImplementedError

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Pictures float32 ``[B, 3, H, W]`` → ``feature_map`` ``[B, width]``, ``body_feats``, in the weights' type."""
        weight = next(self.parameters())
        image = image.to(weight.dtype)
        if weight.dim() == 4 and not weight.is_contiguous():
            image = image.contiguous(memory_format=torch.channels_last)
        return self.compute(image)
