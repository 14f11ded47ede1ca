"""``hub pretrain fractal``: a backbone of one's own, without anybody's pictures."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from transferhub.commands import options
from transferhub.errors import ConfigError

app = typer.Typer(no_args_is_help=True)


@app.callback()
def pretrain() -> None:
    """Pretrain a network here, without anybody's pictures.

    Example: hub pretrain fractal --network resnet18
    """


@app.command("fractal")
def fractal(
    network: Annotated[str, typer.Option(help="timm's name of the network, such as resnet18.")],
    output: Annotated[Path, typer.Option(help="Gets run/ and module/, the folder to install.")] = Path("fractal"),
    classes: Annotated[int, typer.Option(help="Fractals to tell apart.")] = 500,
    each: Annotated[int, typer.Option(help="Pictures of each in an epoch.")] = 20,
    size: Annotated[int, typer.Option(help="Pixels of a side.")] = 64,
    network_args: Annotated[
        str | None, typer.Option(help="For timm.create_model, as JSON: '{\"channels\": [24, 48, 96, 192]}'.")
    ] = None,
    num_epoch: Annotated[int, typer.Option(help="Each draws its own pictures.")] = 60,
    batch_size: options.BatchSize = 64,
    learning_rate: Annotated[float | None, typer.Option(help="The peak rate. Default: 2e-3.")] = None,
    seed: options.Seed = 42,
    precision: options.Precision = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """Pretrain an image network on fractals that are drawn on the fly. A stopped run goes on by the same command.

    Example: hub pretrain fractal --network resnet18 --classes 1000 --output resnet18-fractal
    """
    arguments = _arguments(network_args)
    options.given_path(str(output), "--output")
    from transferhub.pretrain.fractal import pretrain, usual_config

    config = usual_config(learning_rate, num_epoch=num_epoch, batch_size=batch_size, seed=seed, precision=precision)
    made = pretrain(network, output, classes=classes, each=each, size=size, arguments=arguments, config=config)
    if as_json:
        print(json.dumps(dataclasses.asdict(made), ensure_ascii=False))
        return
    print(f"fractals    {made.accuracy:.4f} told apart of {classes}, after {made.pictures:,} pictures")
    print(f"module      {made.module}  ({made.parameters:,} parameters)")
    if made.state_dict:
        print(f"state_dict  {made.state_dict}  (torchvision's names, with the classifier)")
    print(f"report      {made.run.report}")
    print(f"next        hub install {network}-fractal --from {made.module}")


def _arguments(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        made = json.loads(text)
    except ValueError:
        made = None
    if not isinstance(made, dict):
        raise ConfigError(f"--network-args {text!r:.60}", expected='a JSON object: {"channels": [24, 48, 96, 192]}')
    return made
