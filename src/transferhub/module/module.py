"""``hub.Module``: a pretrained network by name, and the families that open it."""

import hashlib
import importlib
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from transferhub import atomic
from transferhub.errors import ModuleError
from transferhub.graph import Program, Variable
from transferhub.log import logger
from transferhub.module import catalogue, files, store

# A family is a class with `context`; a new one is one file and one line here.
FAMILIES = {
    "image": "transferhub.module.timm_image:TimmModule",
    "transformers_image": "transferhub.module.transformers_image:TransformersImageModule",
    "transformer": "transferhub.module.transformer:TransformerModule",
    "word_vectors": "transferhub.module.word_vectors:WordVectorsModule",
    "matching": "transferhub.module.matching:MatchingModule",
    "elmo": "transferhub.module.elmo:ElmoModule",
}

Context = tuple[dict[str, Variable], dict[str, Variable], Program]


class Module:
    """A pretrained network: ``hub.Module(name="ernie")`` gives an instance of its family's class.

    Args:
        name: A catalogue name (``hub list --all``), a folder, ``hf:OWNER/NAME`` or ``timm:NAME``.
        directory: A folder with the network's files, or a zip or tar of one; goes before `name`.
        module_dir: 1.x's old spelling of `directory`: a path, or (path, version).
        version: 1.x's version number. Sources here have one version each: kept for display.
        source: Where to take the files from instead of the catalogue's source: a folder, an archive or
            ``hf:OWNER/NAME``.
        pretrained: False: the same architecture with random weights.

    Raises:
        ModuleError: It is not here and cannot be fetched; never a silent substitute.
    """

    def __new__(cls, name: str | None = None, *args: Any, **kwargs: Any) -> "Module":
        """Find the files and choose the family's class."""
        opened = _open(name, *args, **kwargs)
        if cls is Module:
            where, _, kind = FAMILIES[opened.family].partition(":")
            cls = getattr(importlib.import_module(where), kind)
        self = super().__new__(cls)
        self._opened = opened
        return self

    _opened: store.Installed

    def __init__(
        self,
        name: str | None = None,
        directory: str | Path | None = None,
        module_dir: str | tuple[str, str] | None = None,
        version: str | None = None,
        source: str | None = None,
        pretrained: bool = True,
    ) -> None:
        self.name = self._opened.name
        self.directory = self._opened.folder
        self.version = self._opened.version or version or ""
        if version and self._opened.version and version != self._opened.version:
            logger.warning(
                "Module %s: version %s was asked for, %s is here; a source has one version",
                self.name,
                version,
                self._opened.version,
            )
        self.pretrained = pretrained
        card = catalogue.find(self._opened.stands_for or self._opened.name)
        self.summary = card.summary if card else ""
        self.type = f"{'cv' if 'image' in self._opened.family else 'nlp'}/{self._opened.family}"
        if self._opened.stands_for:
            logger.info("Module %s stands for %s here (installed with --from)", self.name, self._opened.stands_for)

    @property
    def family(self) -> str:
        """Its key in `FAMILIES`."""
        return self._opened.family

    @property
    def stands_for(self) -> str:
        """What a name installed with ``--from`` really is; empty for all others."""
        return self._opened.stands_for

    def context(self, trainable: bool = True, max_seq_len: int | None = None, num_slots: int = 1) -> Context:
        """Return ``(inputs, outputs, program)``: dictionaries of Variables. Copies no weight."""
        raise NotImplementedError

    def save_skeleton(self, folder: Path) -> None:
        """Write what opens this module again with ``pretrained=False``: configuration and vocabulary, no weights."""
        for name in (files.CONFIG, "vocab.txt"):
            if (self.directory / name).is_file() and not (folder / name).exists():
                shutil.copyfile(self.directory / name, folder / name)

    def fingerprint(self) -> str:
        """The sha256 of what determines the network's outputs: its configuration, weights and vocabulary."""
        raise NotImplementedError

    def digest_of(self, names: Iterable[str], held: Mapping[str, bytes] | None = None) -> str:
        """The sha256 over files of the folder, and over whether weights are read.

        Args:
            names: Of the files.
            held: What is in some of them, read when the module was opened.

        Raises:
            ModuleError: An installed module whose files are not what was installed.
        """
        if fault := store.damage(self._opened):
            raise store.damaged(self.name, fault)
        # Of an installed module every byte was just compared with what was written: none is read a second time.
        known = atomic.digests(self.directory) if store.is_installed(self._opened) else {}
        known.update((name, hashlib.sha256(content).hexdigest()) for name, content in (held or {}).items())
        digest = hashlib.sha256(b"pretrained" if self.pretrained else b"random")
        for name in names:
            digest.update(f"{name}\0{known.get(name) or atomic.sha256(self.directory / name)}\0".encode())
        return digest.hexdigest()


def _open(
    name: str | None = None,
    directory: str | Path | None = None,
    module_dir: str | tuple[str, str] | None = None,
    version: str | None = None,
    source: str | None = None,
    pretrained: bool = True,
) -> store.Installed:
    folder = directory or (module_dir[0] if isinstance(module_dir, tuple) else module_dir)
    if folder is None and name is None and source is None:
        raise ModuleError("a module without a name", expected='hub.Module(name="minilm") or hub.Module(directory="…")')
    if folder is not None:
        return store.locate(str(Path(folder).resolve()), weights=pretrained)
    return store.locate(source or str(name), weights=pretrained)
