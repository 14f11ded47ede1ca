"""``hub install``, ``uninstall``, ``list``, ``show``, ``version``: the catalogue and the store."""

import json
from typing import Annotated

import typer

from transferhub.errors import ModuleError, did_you_mean
from transferhub.module import catalogue, store
from transferhub.version import __version__


def install(
    name: Annotated[str, typer.Argument(help="NAME, or NAME==VERSION.")],
    origin: Annotated[
        str | None, typer.Option("--from", help="Take the files of this folder or module: the name then stands for it.")
    ] = None,
) -> None:
    """Bring a module's files onto this machine.

    Example: hub install ernie    or, without a network: hub install ernie --from minilm
    """
    wanted, _, version = name.partition("==")
    module = store.install(wanted, version or None, origin)
    print(f"{module.name} → {module.folder}" + (f" (stands for {module.stands_for})" if module.stands_for else ""))


def uninstall(name: Annotated[str, typer.Argument(help="An installed module.")]) -> None:
    """Remove an installed module's files.

    Example: hub uninstall ernie
    """
    print(f"removed {store.uninstall(name)}")


def list_modules(
    everything: Annotated[bool, typer.Option("--all", help="Modules of the catalogue that are not here, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List the modules that work now.

    Example: hub list --all
    """
    here = {catalogue.canonical(module.name): module for module in store.installed()}
    rows = [
        {
            "name": m.name,
            "where": str(m.folder),
            "stands_for": m.stands_for,
            "summary": _summary(m.stands_for or m.name),
        }
        for m in here.values()
    ]
    if everything:
        rows += [
            {
                "name": card.name,
                "where": f"not here: hub install {card.name}",
                "stands_for": "",
                "summary": card.summary,
            }
            for card in catalogue.cards().values()
            if catalogue.canonical(card.name) not in here
        ]
    if as_json:
        print(json.dumps(rows, ensure_ascii=False))
        return
    for row in rows:
        print(row["name"] + (f"  (stands for {row['stands_for']})" if row["stands_for"] else ""))
        print(f"    {row['summary']}\n    {row['where']}")


def show(name: Annotated[str, typer.Argument(help="A module's name.")]) -> None:
    """Show what is known of a module.

    Example: hub show minilm
    """
    card = catalogue.find(name)
    wanted = catalogue.canonical(card.name if card else name)
    here = next((module for module in store.installed() if catalogue.canonical(module.name) == wanted), None)
    if card is None and here is None:
        known = [*catalogue.cards(), *(module.name for module in store.installed())]
        raise ModuleError(
            f"there is no module called {name!r}", fix=f"{did_you_mean(name, known)}`hub list --all` shows all"
        )
    rows = {"name": card.name if card else name}
    if here is not None and here.stands_for:
        rows["stands for"] = f"{here.stands_for}: what follows is true of that"
        card = catalogue.find(here.stands_for)
    if card is not None:
        rows |= {
            "summary": card.summary,
            "family": card.family,
            "language": card.language,
            "licence": card.licence,
            "source": card.source,
            "size": f"{card.bytes / 1e6:.0f} MB",
            "aliases": ", ".join(card.aliases) or "–",
        }
    rows["location"] = str(here.folder) if here else f"not here: hub install {rows['name']}"
    for label, value in rows.items():
        print(f"{label:12}{value}")


def version() -> None:
    """Print the version."""
    print(f"hub {__version__}")


def _summary(name: str) -> str:
    card = catalogue.find(name)
    return card.summary if card else ""
