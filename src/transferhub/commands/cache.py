"""``hub cache``: what is kept because it can be computed again, and removing it."""

import json
from typing import Annotated, Any

import typer

from transferhub import cache as kept
from transferhub import paths


def cache(
    kind: Annotated[str | None, typer.Argument(help=f"Only of this kind: {', '.join(kept.KINDS)}.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove the entries; they are computed again.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Show what the cache holds: rows, tokens, opened archives, word vectors, features of frozen networks.

    Example: hub cache    and to free the features' space: hub cache features --clear
    """
    found = kept.entries(kind)
    freed = kept.clear(kind) if clear else 0
    chosen = [kind] if kind else list(kept.KINDS)
    sizes: dict[str, Any] = {
        name: {
            "entries": sum(1 for each in found if each.kind == name),
            "bytes": sum(each.bytes for each in found if each.kind == name),
        }
        for name in chosen
    }
    if as_json:
        said = {"folder": str(paths.cache()), "cap": kept.cap(), "kinds": sizes}
        print(json.dumps({**said, "freed": freed} if clear else said, ensure_ascii=False))
        return
    if clear:
        print(f"{freed / 1e6:.1f} MB freed")
        return
    print(f"{paths.cache()}, at most {kept.cap() / 1e9:.4g} GB (TRANSFERHUB_CACHE_GB)")
    for name, size in sizes.items():
        print(f"{name:10} {size['entries']:5} entries  {size['bytes'] / 1e6:12.1f} MB")
    for each in found:
        print(f"  {each.kind}/{each.folder.name[:12]}  {each.bytes / 1e6:12.1f} MB  used {each.used_at}")
