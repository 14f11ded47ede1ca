"""``hub install``, ``uninstall``, ``download``, ``list``, ``search``, ``show``, ``clear``, ``version``: the store."""

import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from transferhub.errors import ModuleError, did_you_mean
from transferhub.module import catalogue, store
from transferhub.version import __version__

Name = Annotated[str, typer.Argument(help="NAME, NAME==VERSION, or hf:OWNER/NAME.")]
Origin = Annotated[
    str | None,
    typer.Option(
        "--from", help="Take the files of this folder, archive, module or hf:OWNER/NAME: the name then stands for it."
    ),
]
Pickles = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-pickle",
        metavar="FILE",
        help="Convert this pickle (pytorch_model.bin, dict.wordseg.pickle): read without running its code, not kept.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


def install(name: Name, origin: Origin = None, allow_pickle: Pickles = None, as_json: AsJson = False) -> None:
    """Bring a module's files onto this machine. A download that was interrupted goes on where it stopped.

    Example: hub install ernie    or, without a network: hub install ernie --from minilm
    """
    wanted, _, version = name.partition("==")
    module = store.install(wanted, version or None, origin, allow_pickle or ())
    said = f"{module.name} → {module.folder}" + (f" (stands for {module.stands_for})" if module.stands_for else "")
    where = {"name": module.name, "where": str(module.folder), "stands_for": module.stands_for}
    _say(said, where, as_json)


def download(
    name: Name,
    output_path: Annotated[Path, typer.Option(help="Where the module's folder is to be made.")] = Path("."),
    origin: Origin = None,
    allow_pickle: Pickles = None,
    kind: Annotated[str, typer.Option("--type", help="1.x's Module, Model or All: there are modules only.")] = "All",
    uncompress: Annotated[
        bool, typer.Option("--uncompress/--no-uncompress", help="1.x's: what comes is a folder in any case.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Put a module's files into a folder of one's own, to look at or to carry to another machine.

    Example: hub download ernie --output-path models    and there: hub install ernie --from models/ernie
    """
    wanted, _, version = name.partition("==")
    if kind.lower() not in ("module", "all"):
        raise ModuleError(f"--type {kind}", expected="Module or All: 1.x's models without a module are not here")
    target = output_path / wanted.removeprefix("hf:").rpartition("/")[2]
    folder = store.download(wanted, target, version or None, origin, allow_pickle or ()).folder
    _say(f"{wanted} → {folder}", {"name": wanted, "where": str(folder)}, as_json)


def uninstall(name: Annotated[str, typer.Argument(help="An installed module.")], as_json: AsJson = False) -> None:
    """Remove an installed module's files.

    Example: hub uninstall ernie
    """
    folder = store.uninstall(name)
    _say(f"removed {folder}", {"removed": str(folder)}, as_json)


def clear(as_json: AsJson = False) -> None:
    """Remove TransferHub's caches and half-finished downloads; modules and runs stay.

    Example: hub clear
    """
    from transferhub.module import clearing

    freed = clearing.clear()
    _say(f"{freed / 1e6:.1f} MB freed", {"freed": freed}, as_json)


def list_modules(
    everything: Annotated[bool, typer.Option("--all", help="Modules of the catalogue that are not here, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the modules that work now.

    Example: hub list --all
    """
    _print(_rows(everything), as_json)


def search(
    words: Annotated[
        list[str] | None, typer.Argument(help="Words of a name, alias, summary or language; also patterns: ernie.*")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look for modules, here or in the catalogue, by name, alias, summary or language; all words must be there.

    Example: hub search chinese electra
    """
    wanted = [_pattern(word) for word in words or []]
    rows = [row for row in _rows(everything=True) if all(pattern.search(_text(row)) for pattern in wanted)]
    if not rows and not as_json:
        asked = " ".join(words or [])
        print(f"nothing found for {asked!r}: `hub list --all` shows all; hf:OWNER/NAME installs any encoder")
        return
    _print(rows, as_json)


def show(
    name: Annotated[str, typer.Argument(help="A module's name, or a folder.")],
    verify: Annotated[bool, typer.Option("--verify", help="Compare every byte with what was installed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is known of a module, and whether its files are whole.

    Example: hub show minilm    or: hub show ernie --verify
    """
    card = catalogue.find(name)
    here = store.find(name)
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
            "source": card.source + (f" ({card.weights} is converted)" if card.weights else ""),
            "revision": card.revision,
            "size": card.size,
            "aliases": ", ".join(card.aliases) or "–",
        }
    rows["location"] = str(here.folder) if here else _way(card)
    wrong = None
    if here is not None:
        wrong = store.damage(here, bytes_too=verify)
        rows["version"] = here.version or "–"
        if store.is_installed(here):
            rows["files"] = f"damaged: {wrong}" if wrong else "whole: every byte as installed" if verify else "whole"
    _say("\n".join(f"{label:12}{value}" for label, value in rows.items()), rows, as_json)
    if wrong is not None:
        raise store.damaged(name, wrong)


def version(as_json: AsJson = False) -> None:
    """Print the version.

    Example: hub version
    """
    _say(f"hub {__version__}", {"version": __version__}, as_json)


def _pattern(word: str) -> re.Pattern[str]:
    try:
        return re.compile(word.lower())
    except re.error:  # a word with a bracket in it
        return re.compile(re.escape(word.lower()))


def _say(text: str, record: dict[str, Any], as_json: bool) -> None:
    print(json.dumps(record, ensure_ascii=False) if as_json else text)


def _rows(everything: bool) -> list[dict[str, Any]]:
    here = {catalogue.canonical(module.name): module for module in store.installed()}
    rows = [
        {
            "name": module.name,
            "where": (
                "damaged: hub show " + module.name if store.damage(module, bytes_too=False) else str(module.folder)
            ),
            "stands_for": module.stands_for,
            **_facts(catalogue.find(module.stands_for or module.name)),
        }
        for module in here.values()
    ]
    if everything:
        rows += [
            {"name": card.name, "where": _way(card), "stands_for": "", **_facts(card)}
            for card in catalogue.cards().values()
            if catalogue.canonical(card.name) not in here
        ]
    return rows


def _way(card: catalogue.Card | None) -> str:
    if card is None:
        return "not here"
    return f"not here: hub install {card.name}" + (" --from DIR" if card.source == "own" else "")


def _facts(card: catalogue.Card | None) -> dict[str, Any]:
    if card is None:
        return {"summary": "", "language": "", "licence": "", "bytes": None, "aliases": []}
    return {
        "summary": card.summary,
        "language": card.language,
        "licence": card.licence,
        "bytes": card.bytes or None,
        "aliases": list(card.aliases),
    }


def _text(row: dict[str, Any]) -> str:
    aliases = " ".join(row["aliases"])
    return f"{row['name']} {aliases} {row['stands_for']} {row['summary']} {row['language']}".lower()


def _print(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows, ensure_ascii=False))
        return
    for row in rows:
        print(row["name"] + (f"  (stands for {row['stands_for']})" if row["stands_for"] else ""))
        print(f"    {row['summary']}\n    {row['where']}")
