"""``hub lr-find``: a learning rate for a module and a file, and the picture that it is read from."""

import json
from pathlib import Path
from typing import Annotated

import typer

from transferhub.commands.task_flags import TaskFlags, command_of, given_flags, with_task_flags
from transferhub.errors import ConfigError


@with_task_flags
def lr_find(
    flags: TaskFlags,
    context: typer.Context,
    low: Annotated[float, typer.Option(help="The first rate.")] = 1e-7,
    high: Annotated[float, typer.Option(help="The last rate.")] = 1.0,
    steps: Annotated[int, typer.Option(help="Batches to look at, at most.")] = 100,
    picture: Annotated[Path, typer.Option(help="The losses over the rates, as SVG.")] = Path("lr_find.svg"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """Search a learning rate: a short run on a copy of the network, whose rate grows with every step.

    Flags are those of `hub finetune`; what only a whole run needs is handed on to the command that is printed.

    Example: hub lr-find --module minilm --train reviews.csv
    """
    if picture.is_dir():
        raise ConfigError(f"--picture {picture} is a folder", expected="the name of a file to write")
    if flags.learning_rate is not None:
        raise ConfigError("--learning-rate is what is searched", fix="--low and --high are the ends of the search")
    _ = flags.task_class  # a task that does not exist is said before anything is loaded
    from transferhub import atomic
    from transferhub.task.lr_find import find_rate

    found = find_rate(flags.build(flags.rows(), flags.config()), low, high, steps)
    atomic.write_text(picture, found.picture())
    if as_json:
        print(json.dumps({"suggestion": found.suggestion, "steepest": found.steepest, "picture": str(picture)}))
        return
    if found.suggestion is None:
        print(f"no suggestion: the loss did not fall clearly between {low:g} and {found.rates[-1]:g}")
        print(f"picture     {picture}\nnext        more --steps, another --low or --high, or more rows")
        return
    print(f"suggestion  {found.suggestion:.2g}  (a tenth of where the loss was lowest)")
    print(f"steepest    {found.steepest:.2g}  (where it fell fastest)")
    print(f"picture     {picture}")
    rate = {"learning_rate": float(f"{found.suggestion:.2g}")}
    print(f"next        {command_of(flags, rate, given_flags(context), without=())}")
