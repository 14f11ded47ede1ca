"""The store: modules whose files are on this machine, and how they get here.

An installed module is a folder ``$TRANSFERHUB_HOME/modules/<name>/`` with the files of its source, ``module.json``,
which says where they came from, and ``manifest.json``, which says what they were.
"""

import contextlib
import os
import re
import shutil
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from transferhub import atomic, paths
from transferhub.errors import HubError, ModuleError, did_you_mean
from transferhub.log import logger
from transferhub.module import archives, catalogue, fetch, files, pickles, sources, timm_files
from transferhub.module.catalogue import HUBS, Card, canonical
from transferhub.module.files import RECORD

NAME = re.compile(r"(hf:\w[\w.-]*/|timm:)?\w[\w.-]*", re.ASCII)


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
        if folder := sources.packaged(card):
            found[canonical(card.name)] = Installed(card.name, folder, card.source, card.revision, card.family)
    if paths.modules().is_dir():
        for folder in sorted(paths.modules().iterdir()):
            if (folder / RECORD).is_file():
                with contextlib.suppress(ModuleError):  # a damaged one does not work now
                    found[folder.name] = _read(folder)
    return sorted(found.values(), key=lambda module: module.name)


def _working() -> str:
    """The names of the modules that can be opened now, for messages."""
    return ", ".join(module.name for module in installed() if damage(module, bytes_too=False) is None)


def locate(name: str, *, weights: bool = True) -> Installed:
    """Find a module by catalogue name, folder, archive, ``hf:OWNER/NAME`` or ``timm:NAME``; install it where need be.

    Args:
        name: What to look for.
        weights: False: the weights will not be read, so they may be missing.

    Raises:
        ModuleError: It is not here and cannot be fetched; the message lists the ways in and what would work now. Or
            its files are damaged, or weights are pickles.
    """
    here = _here(name, weights=weights)
    if here is None and not weights and (skeleton := timm_files.skeleton(name)):
        return Installed(name, skeleton, name, "", "image")
    return here if here else install(name)


def install(name: str, version: str | None = None, origin: str | None = None, allow: Collection[str] = ()) -> Installed:
    """Bring a module's files into the store under `name`. What is there, whole, stays; what is damaged is replaced.

    Args:
        name: The name it is to have. A folder or an archive is installed under its own name.
        version: As in ``ernie==1.2.0``: kept in the record; sources here have one version each.
        origin: A folder, archive, file of word vectors, ``hf:OWNER/NAME`` or another module to take the files from;
            the name then stands for that.
        allow: Pickles that may be opened, by file name; they are converted and not kept.

    Raises:
        ModuleError: Unknown, not reachable, or `origin` is no module.
    """
    if origin is None and (path := _path(name)):
        name, origin = _stem(path.resolve()), name
    place = _place(name)
    with fetch.in_use(paths.downloads() / place.name):  # another process may be at it: then it is here afterwards
        atomic.recover(place)
        if origin is None:
            with contextlib.suppress(_Damaged):  # it is replaced
                if (here := _here(name)) and not damage(here):
                    logger.info("Module %s already installed in %s", here.name, here.folder)
                    if version and here.version and version != here.version:
                        logger.warning(
                            "version %s was asked for, %s is here: `hub uninstall` first", version, here.version
                        )
                    return here
        return _bring(name, place, version, origin, allow)


def download(
    name: str, target: Path, version: str | None = None, origin: str | None = None, allow: Collection[str] = ()
) -> Installed:
    """Bring a module's files into a folder of the user's choice, which ``hub.Module(directory=…)`` opens.

    Args:
        name: The module.
        target: The folder to make; it must not exist, or be empty.
        version: Kept in the record.
        origin: As for `install`.
        allow: As for `install`.

    Raises:
        ModuleError: As for `install`, or `target` has something in it.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ModuleError(f"{target} is there already", fix="remove it, or name another folder with --output-path")
    if origin is None and _here(name):
        origin = name
    return _bring(name, target, version, origin, allow)


def uninstall(name: str) -> Path:
    """Remove an installed module's folder and return where it was.

    Raises:
        ModuleError: It is not installed, or came with a package.
    """
    folder = _place(name)
    if not (folder / RECORD).is_file():
        near = did_you_mean(name, [module.name for module in installed()])
        raise ModuleError(f"{name} is not installed in {paths.modules()}", fix=f"{near}`hub list` shows what is")
    shutil.rmtree(folder)
    return folder


def find(name: str) -> Installed | None:
    """A module that is installed or came with a package, whole or damaged, or a folder; None: it is not here."""
    if _path(name):
        return _here(name)
    folder = _place(name)
    if (folder / RECORD).is_file():
        return _read(folder)
    card = catalogue.find(name)
    if card and (packaged := sources.packaged(card)):
        return Installed(card.name, packaged, card.source, card.revision, card.family)
    return None


def damage(module: Installed, *, bytes_too: bool = True) -> str | None:
    """Compare the files of an installed module with what was installed; say what differs, or return None.

    Args:
        module: The module; what came with a package is not looked at.
        bytes_too: False: compare sizes only.
    """
    return atomic.damage(module.folder, bytes_too=bytes_too) if is_installed(module) else None


def is_installed(module: Installed) -> bool:
    """Whether TransferHub brought its files here: others came with a package, or are the user's."""
    return (module.folder / RECORD).is_file()


def damaged(name: str, wrong: str) -> ModuleError:
    """The error for an installed module whose files are not what was installed, with the way to mend it."""
    origin = ""
    with contextlib.suppress(ModuleError):
        module = find(name)
        origin = f" --from {module.source}" if module and module.stands_for else ""
    return _Damaged(
        f"the module {name} is damaged: {wrong}", fix=f"reinstall it: `hub install {name}{origin}` replaces it"
    )


class _Damaged(ModuleError):
    """An installed module whose files are not what was installed."""


def _path(name: str) -> Path | None:
    """The path that a name means: one with a folder in it, or one that is there; names that modules have go before."""
    path, inside = Path(name).expanduser(), os.sep in name and not name.startswith("hf:")
    if name.startswith((".", "/", "~")) or (inside and path.exists()):
        return path
    if not name or catalogue.find(name):
        return None
    has_record = not inside and NAME.fullmatch(name) and (_place(name) / RECORD).is_file()
    return path if inside or (path.exists() and not has_record) else None


def _stem(path: Path) -> str:
    """What a module from a folder, an archive or a file of word vectors is called."""
    if not path.is_file():
        return path.name
    return path.name.removesuffix(archives.ending(path) or path.suffix)


def _here(name: str, *, weights: bool = True) -> Installed | None:
    if path := _path(name):
        if path.is_file() and archives.ending(path):
            folder = sources.unpacked(path)
            return Installed(_stem(path), folder, str(path), "", _family(folder))
        if path.is_dir():
            files.check_folder(path, weights=weights)
            return Installed(path.name, path, str(path), "", _family(path))
        raise ModuleError(
            f"{path} is no module" if path.exists() else f"there is no folder {path}",
            expected=f"a folder with {files.CONFIG} and {files.WEIGHTS}, or an archive of it "
            f"({' '.join(archives.ENDINGS)})",
            fix=f"a file of word vectors is installed first: `hub install NAME --from {path}`"
            if path.exists()
            else None,
        )
    place = _place(name)
    if not (place / RECORD).is_file() and paths.modules().is_dir():
        with fetch.in_use(paths.downloads() / place.name, wait=0) as free:
            if free:  # else somebody installs it, and is between two renames perhaps
                atomic.recover(place)
    here = find(name)
    if here and (wrong := damage(here, bytes_too=False)):
        raise damaged(name, wrong)
    return here


def _bring(name: str, target: Path, version: str | None, origin: str | None, allow: Collection[str]) -> Installed:
    """Fill `target` with the files of a module, whole or not at all."""
    card = catalogue.find(name)
    if origin is not None:
        address, stands_for, known = _origin(name, origin)
    elif card is not None or name.startswith(HUBS):
        address, stands_for, known = card.source if card else name, "", card
    elif (there := find(name)) is not None and (wrong := damage(there)):
        raise damaged(name, wrong)
    else:
        raise _unknown(name)
    if address == "own":
        raise ModuleError(
            f"the module {name} is not on this machine, and no public copy of it in PyTorch's form is known",
            fix=f"from a folder, another module or an archive: `hub install {name} --from DIR|MODULE|ARCHIVE`; "
            f"modules that work now: {_working()}",
        )
    again = f"hub install {name}" + (f" --from {origin}" if origin else "")
    logger.info("Installing %s module from %s", name, address)
    try:
        with sources.opened(name, address, known, allow, again) as source, atomic.whole_folder(target) as folder:
            _fill(folder, source)
            kept = card.name if card and origin is None else name
            family = _family(folder, known, card)
            _write(Installed(kept, folder, address, version or source.version, family, stands_for), folder)
    except HubError:
        raise
    except OSError as error:
        if error.filename is not None and Path(str(error.filename)).is_relative_to(target.parent):
            raise ModuleError(f"{target} cannot be made: {error.strerror}", fix="name another folder") from error
        raise _unreachable(name, address, card, error) from error
    except Exception as error:  # the library raises requests', httpx' and its own kinds
        raise _unreachable(name, address, card, error) from error
    if known is not card and card is not None and sources.packaged(card):
        logger.warning("%s came with TransferHub; from now on the name stands for %s", name, stands_for or address)
    logger.info("Successfully installed %s%s", name, f": it stands for {stands_for}" if stands_for else "")
    return _read(target)


def _origin(name: str, origin: str) -> tuple[str, str, Card | None]:
    """What ``--from`` names: its address, what a module from there is called, and the card of that."""
    own, card, path = catalogue.find(name), catalogue.find(origin), _path(origin)
    if origin.startswith(HUBS) and (here := find(origin)) and not damage(here):
        return str(here.folder), "" if origin == name else origin, None
    if origin.startswith(HUBS):
        return (origin, "", own) if own and own.source == origin else (origin, origin, None)
    if path and path.exists():
        called = _stem((sources.vector_file(path, name) or path).resolve())
        return str(path.resolve()), "" if canonical(called) == canonical(name) and not own else called, None
    if not path and (here := _here(origin)):
        called = here.stands_for or here.name
        return str(here.folder), "" if canonical(called) == canonical(name) else called, card
    if card is not None:
        return card.source, card.name, card
    raise ModuleError(
        f"cannot install {name} from {origin!r}: no such folder, archive or module",
        expected=f"a folder, an archive ({' '.join(archives.ENDINGS)}), hf:OWNER/NAME or a module",
        fix=f"modules that can be named here: {_working()}",
    )


def _fill(folder: Path, source: sources.Opened) -> None:
    """Bring a source's files to their place, convert the pickles among them, add what is missing."""
    files.check(source.folder, source.chosen)
    taken = [name for name in source.chosen if not name.endswith(files.PICKLES)]
    for name in taken:
        sources.take(source, name, folder / name)
    allowed = set(source.chosen) - set(taken)
    if files.WORD_PICKLE in allowed:
        pickles.words_to_text(source.folder / files.WORD_PICKLE, folder / files.WORDS)
    if weights := sorted(allowed - {files.WORD_PICKLE}):
        pickles.weights_to_safetensors([source.folder / name for name in weights], folder / files.WEIGHTS)
    if not (folder / "vocab.txt").is_file() and (folder / "tokenizer.json").is_file():
        from tokenizers import Tokenizer

        try:
            vocabulary = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab()
        except Exception as error:  # the library raises no kind of its own
            raise ModuleError(
                f"{source.folder / 'tokenizer.json'} is damaged: {error}", fix="bring the file here again, whole"
            ) from error
        write_vocabulary(folder / "vocab.txt", vocabulary)


def write_vocabulary(path: Path, vocabulary: Mapping[str, int]) -> None:
    """Write a token a line, in the order of their ids."""
    ordered = sorted(vocabulary, key=vocabulary.__getitem__)
    atomic.write_text(path, "".join(token.replace("\n", "\\n") + "\n" for token in ordered))


def _unknown(name: str) -> ModuleError:
    names = [*catalogue.cards(), *(module.name for module in installed())]
    return ModuleError(
        f"there is no module called {name!r}",
        expected="a name of `hub list --all`, a folder with config.json and weights, hf:OWNER/NAME or timm:NAME",
        fix=f"{did_you_mean(name, names)}modules that work now: {_working()}",
    )


def _unreachable(name: str, address: str, card: Card | None, error: Exception) -> ModuleError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = " ".join(lines[:2]) or type(error).__name__
    size = f" ({card.size})" if card and card.source == address else ""
    return ModuleError(
        f"the module {name} is not on this machine, and {address}{size} cannot be fetched: {reason}",
        fix=f"with a network: `hub install {name}` (HF_ENDPOINT names a mirror, HF_HUB_OFFLINE=1 forbids it); "
        f"from a folder, another module or an archive: `hub install {name} --from DIR|MODULE|ARCHIVE`; "
        f"modules that work now: {_working()}",
    )


def _family(folder: Path, known: Card | None = None, own: Card | None = None) -> str:
    """The family of some files: `known` is the card of where they come from, `own` that of the name they get."""
    kind = files.model_type(folder)
    if kind == files.WORD_VECTORS:  # which network is made of the vectors, the name says
        return own.family if own and own.family == "matching" else "word_vectors"
    if kind == files.ELMO:
        return "elmo"
    if files.architecture(folder):
        return "image"
    if known:
        return known.family
    return "transformers_image" if files.is_of_pictures(kind) else "transformer"


def _place(name: str) -> Path:
    card = catalogue.find(name)
    name = card.name if card else name
    if not NAME.fullmatch(name):
        raise ModuleError(
            f"{name!r} cannot be a module's name", expected="letters, digits, . _ -, hf:OWNER/NAME or timm:NAME"
        )
    return paths.modules() / canonical(name).replace("/", "--").replace(":", "--")


def _write(record: Installed, folder: Path) -> None:
    atomic.write_json(folder / RECORD, {key: value for key, value in asdict(record).items() if key != "folder"})


def _read(folder: Path) -> Installed:
    try:
        return Installed(folder=folder, **files.json_object(folder / RECORD))  # type: ignore[arg-type]
    except (ModuleError, TypeError) as error:
        raise _Damaged(
            f"the module in {folder} is damaged: {RECORD} cannot be read", fix="install it again: that replaces it"
        ) from error
