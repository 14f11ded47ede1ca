"""``hub help``, ``config``, ``board``: how to find one's way."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from transferhub import paths
from transferhub.errors import ConfigError, RunError, did_you_mean
from transferhub.report.scalars import FOLDER

VARIABLES = (
    *("TRANSFERHUB_HOME", "TRANSFERHUB_DATASETS", "TRANSFERHUB_CACHE_GB"),
    *("HF_ENDPOINT", "HF_HOME", "HF_HUB_OFFLINE"),
)


def help_of(
    context: typer.Context, command: Annotated[str | None, typer.Argument(help="A command; none: all of them.")] = None
) -> None:
    """Show what there is, or how a command is used.

    Example: hub help finetune
    """
    group = context.parent
    assert group is not None
    commands = getattr(group.command, "commands", {})
    if command is None:
        print(group.get_help())
    elif command not in commands:
        near = did_you_mean(command, commands) or None
        raise ConfigError(f"there is no command {command!r}", expected=f"one of {', '.join(commands)}", fix=near)
    else:
        with typer.Context(commands[command], info_name=command, parent=group) as asked:
            print(commands[command].get_help(asked))


def config(
    setting: Annotated[str | None, typer.Argument(help="1.x's NAME==VALUE; settings are variables here.")] = None,
) -> None:
    """Print, as JSON, where everything lies and the variables of the environment that say so.

    Example: hub config
    """
    if setting is not None:
        asked = setting.partition("==")[0]
        known = {"server": "HF_ENDPOINT", **{variable.lower(): variable for variable in VARIABLES}}
        name = known.get(asked.lower(), "one of " + ", ".join(VARIABLES))
        raise ConfigError(
            f"hub config {setting}",
            expected="no setting: there is no file of them",
            fix=f"{did_you_mean(asked, known) if asked.lower() not in known else ''}set the variable: {name}",
        )
    places = {"home": paths.home(), "cache": paths.cache(), "datasets": paths.dataset_roots()}
    shown = {
        name: [str(each) for each in place] if isinstance(place, list | tuple) else str(place)
        for name, place in places.items()
    }
    print(json.dumps({**shown, "variables": {name: os.environ.get(name) for name in VARIABLES}}, indent=2))


def board(
    run: Annotated[Path, typer.Argument(help="The folder of a run, of a search, or of several runs.")],
    host: Annotated[
        str | None, typer.Option("--host", "-t", help="This machine's address. Default: only seen from here.")
    ] = None,
    port: Annotated[int, typer.Option("--port", "-p", help="Where the page is served.")] = 6006,
) -> None:
    """Look at a run's curves with TensorBoard: `visualdl --logdir RUN/visualization --host … --port …` in 1.x.

    Example: hub board ckpt_20261121101500 --port 8040
    """
    logs = run / FOLDER
    if not logs.is_dir():
        logs = run
        if next(run.glob(f"**/{FOLDER}"), None) is None and next(run.glob("*tfevents*"), None) is None:
            raise RunError(f"{run} holds no curves ({FOLDER}/ is not there)", expected="the folder of a run")
    program = _program("tensorboard") or _program("visualdl")
    if program is None:
        raise RunError("tensorboard is not installed", fix="pip install tensorboard")
    command = [program, "--logdir", str(logs), "--port", str(port), *(["--host", host] if host else [])]
    raise SystemExit(subprocess.call(command))


def _program(name: str) -> str | None:
    """A program of this Python's environment, or else of the path."""
    return shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
