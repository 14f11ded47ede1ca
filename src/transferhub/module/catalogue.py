"""The catalogue: what is known of each module by name, before any file of it is here."""

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

HUBS = ("hf:", "timm:")  # what names of others' hubs begin with


@dataclass(frozen=True)
class Card:
    """What a reader would otherwise have to guess about a module.

    Args:
        name: As users write it.
        family: Which code opens it.
        source: ``hf:OWNER/NAME``, ``timm:NAME``, ``package:DISTRIBUTION:FOLDER``, or ``own``: known, but
            nowhere to be fetched.
        revision: Commit or version of the source.
        licence: Of the weights.
        bytes: Size of the weights file; 0 is unknown.
        language: ``en``, ``zh`` …
        summary: One line.
        aliases: Other names, PaddleHub's among them.
        weights: The pickle to convert, by name, where the source has no safetensors.
        image: Of image networks: ``network`` (timm's name of the architecture), ``size`` (pixels of a side), ``crop``,
            ``interpolation``, ``mean`` and ``std``, with which it was pretrained.
    """

    name: str
    family: str
    source: str
    revision: str
    licence: str
    bytes: int
    language: str
    summary: str
    aliases: tuple[str, ...] = ()
    weights: str = ""
    image: Mapping[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> str:
        """The size of the weights in words."""
        return f"{self.bytes / 1e6:.0f} MB" if self.bytes else "size unknown"


def canonical(name: str) -> str:
    """Names of ours are told apart without case, and dashes are underscores, as in PaddleHub; a hub's are exact."""
    return name if name.startswith(HUBS) else name.lower().replace("-", "_")


@functools.cache
def cards() -> dict[str, Card]:
    """All cards, by the name as it is written in the catalogue."""
    text = (resources.files("transferhub.module") / "catalogue.toml").read_text(encoding="utf-8")
    return {
        name: Card(name=name, **{**fields, "aliases": tuple(fields.get("aliases", ()))})
        for name, fields in tomllib.loads(text).items()
    }


def find(name: str) -> Card | None:
    """The card of a name, an alias or a source (``hf:OWNER/NAME``, ``OWNER/NAME``), or None."""
    wanted = canonical(name)
    for card in cards().values():
        address = card.source.removeprefix("hf:")
        if wanted in map(canonical, (card.name, *card.aliases)) or name in (card.source, address):
            return card
    return None
