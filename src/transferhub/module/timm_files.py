"""timm's networks as files: where their weights are, and the configuration that names a network."""

import contextlib
import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transferhub import atomic, cache
from transferhub.errors import ModuleError, did_you_mean
from transferhub.module import catalogue, files

if TYPE_CHECKING:
    from transferhub.module.sources import Opened

KEPT = (  # of timm's own card of a network: what its use depends on
    "tag",
    "input_size",
    "fixed_input_size",
    "interpolation",
    "crop_pct",
    "crop_mode",
    "mean",
    "std",
    "num_classes",
    "pool_size",
    "first_conv",
    "classifier",
    "license",
    "label_names",
)


def described(name: str) -> Mapping[str, Any]:
    """Timm's card of ``ARCHITECTURE`` or ``ARCHITECTURE.TAG``, as a dictionary.

    Raises:
        ModuleError: timm is not installed, or has no such network.
    """
    try:
        import timm
    except ImportError:
        raise ModuleError(f"timm:{name} needs the Python package timm", fix="pip install timm") from None
    architecture, _, tag = name.partition(".")
    config = None
    if timm.is_model(architecture):
        with contextlib.suppress(RuntimeError):  # no such tag
            config = timm.models.get_pretrained_cfg(name)
    if config is None:
        known = timm.list_pretrained() if tag else timm.list_models()
        raise ModuleError(
            f"timm {timm.__version__} has no network {name!r}",
            expected="a name of timm.list_models(), or of timm.list_pretrained() with its tag",
            fix=did_you_mean(name, known) or None,
        )
    return dict(config.to_dict())


def address(name: str) -> str:
    """Where the weights of a network of timm's are: ``hf:timm/ARCHITECTURE.TAG``.

    Raises:
        ModuleError: No such network, or one without public weights.
    """
    config = described(name)
    repository = config.get("hf_hub_id")
    if not repository:
        raise ModuleError(
            f"timm has no weights of {name!r} on the hub",
            fix=f"pretrained=False gives the architecture with random weights; `hub install timm:{name} --from FOLDER` "
            "takes weights that you have",
        )
    return f"hf:{repository}"


def configuration(name: str) -> dict[str, Any]:
    """What ``config.json`` says of a network: ``timm:NAME``, or one of the catalogue's image networks.

    Raises:
        ModuleError: timm has no such network.
    """
    card = catalogue.find(name)
    if card is None or not card.image:
        network, said = name.removeprefix("timm:"), {}
    else:
        address = card.source.removeprefix("timm:")
        network = address if card.source.startswith("timm:") else card.image["network"]
        said = {
            "input_size": [3, card.image["size"], card.image["size"]],
            "crop_pct": card.image["crop"],
            "interpolation": card.image["interpolation"],
            "mean": card.image["mean"],
            "std": card.image["std"],
        }
    timms = described(network)
    kept = {key: timms[key] for key in KEPT if key in timms}
    return {
        "architecture": network.partition(".")[0],
        "num_classes": timms["num_classes"],
        "pretrained_cfg": json.loads(json.dumps({**kept, **said})),
    }


def is_image(name: str) -> bool:
    """Whether a name is that of an image network: ``timm:NAME``, or the catalogue's."""
    card = catalogue.find(name)
    return name.startswith("timm:") or bool(card and card.image)


def skeleton(name: str) -> Path | None:
    """A folder with the configuration of an image network and no weights; None: the name is of something else."""
    if not is_image(name):
        return None
    said = configuration(name)
    key = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]
    return cache.entry("archives", key, lambda folder: atomic.write_json(folder / files.CONFIG, said))


def only_weights(path: Path, name: str) -> bool:
    """Whether a folder, or a file, holds weights of an image network and no configuration."""
    if not is_image(name) or path.suffix in (".zip", ".gz", ".tar"):
        return False
    return path.is_file() or (path.is_dir() and not (path / files.CONFIG).is_file())


@contextlib.contextmanager
def completed(path: Path, name: str, allow: Collection[str]) -> Iterator["Opened"]:
    """Weights that lie alone, with the configuration that their name stands for, for as long as the block lasts.

    Raises:
        ModuleError: No weights there, several, or a pickle that nobody allowed.
    """
    import shutil
    import tempfile

    from transferhub import paths
    from transferhub.module import fetch
    from transferhub.module.sources import Opened

    inside = [path] if path.is_file() else sorted(each for each in path.iterdir() if each.is_file())
    weights = [each for each in inside if each.suffix == ".safetensors"]
    weights = weights or [each for each in inside if each.name in set(allow)]
    if len(weights) != 1:
        names = [each.name for each in inside]
        files.choose([files.CONFIG, *names], str(path), allow)  # says what is wrong with them
        raise ModuleError(f"{path} holds {len(weights)} files of weights: {', '.join(names[:8])}", fix="name the one")
    paths.downloads().mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="weights-", dir=paths.downloads()) as place,
        fetch.in_use(Path(place)),
    ):
        folder = Path(place)
        target = files.WEIGHTS if weights[0].suffix == ".safetensors" else weights[0].name
        shutil.copyfile(weights[0], folder / target)
        atomic.write_json(folder / files.CONFIG, configuration(name))
        yield Opened(folder, files.choose([files.CONFIG, target], str(path), allow), ours=True)
    fetch.lock_of(Path(place)).unlink(missing_ok=True)  # the place's name was for this once
