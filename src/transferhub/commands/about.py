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
        name = {"server": "HF_ENDPOINT"}.get(setting.partition("==")[0], "one of " + ", ".join(VARIABLES))
        raise ConfigError(
            f"hub config {setting}", expected="no setting: there is no file of them", fix=f"set the variable: {name}"
        )
    places = {"home": paths.home(), "cache": paths.cache(), "datasets": paths.dataset_roots()}
    shown = {
        name: [str(each) for each in place] if isinstance(place, list | tuple) else str(place)
        for name, place in places.items()
    }
    print(json.dumps({**shown, "variables": {name: os.environ.get(name) for name in VARIABLES}}, indent=2))


def board(
    run: Annotated[Path, typer.Argument(help="A run's folder.")],
    port: Annotated[int, typer.Option(help="Where the page is served on this machine.")] = 6006,
) -> None:
    """Look at a run's curves with TensorBoard (VisualDL's counterpart).

    Example: hub board ckpt_20261121101500
    """
    logs = run / "visualization"
    if not logs.is_dir():
        raise RunError(f"{run} holds no curves ({logs.name}/ is not there)", expected="the folder of a run")
    program = shutil.which("tensorboard", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if program is None:
        raise RunError("tensorboard is not installed", fix="pip install tensorboard")
    raise SystemExit(subprocess.call([program, "--logdir", str(logs), "--port", str(port)]))
