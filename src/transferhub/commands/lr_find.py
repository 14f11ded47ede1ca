"""``hub lr-find``: a learning rate for a module and a file, and the picture that it is read from."""

import json
from pathlib import Path
from typing import Annotated

import typer

from transferhub.commands import options
from transferhub.errors import ConfigError


def lr_find(
    module: options.ModuleName,
    train: options.Train,
    text_column: options.TextColumn = None,
    text_pair_column: options.TextPairColumn = None,
    label_column: options.LabelColumn = None,
    max_seq_len: options.MaxSeqLen = None,
    batch_size: options.BatchSize = 32,
    strategy: options.StrategyName = "adamw",
    strategy_arg: options.StrategyArg = None,
    low: Annotated[float, typer.Option(help="The first rate.")] = 1e-7,
    high: Annotated[float, typer.Option(help="The last rate.")] = 1.0,
    steps: Annotated[int, typer.Option(help="Batches to look at, at most.")] = 100,
    seed: options.Seed = 42,
    picture: Annotated[Path, typer.Option(help="The losses over the rates, as SVG.")] = Path("lr_find.svg"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """Search a learning rate: a short run on a copy of the network, whose rate grows with every step.

    Example: hub lr-find --module minilm --train reviews.csv
    """
    if picture.is_dir():
        raise ConfigError(f"--picture {picture} is a folder", expected="the name of a file to write")
    import transferhub as hub
    from transferhub import atomic
    from transferhub.task.lr_find import find_rate

    columns = {"text_column": text_column, "text_pair_column": text_pair_column, "label_column": label_column}
    rows = options.built_in_set(train, columns)
    if rows is None:
        rows = hub.dataset.load(train, text=text_column, text_pair=text_pair_column, label=label_column)
    config = hub.RunConfig(batch_size=batch_size, seed=seed, strategy=options.strategy_of(strategy, strategy_arg))
    task = hub.TextClassifierTask(module=hub.Module(name=module), dataset=rows, config=config, max_seq_len=max_seq_len)
    found = find_rate(task, low, high, steps)
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
    same = "".join(f" --strategy-arg {argument}" for argument in strategy_arg or ())
    same = ("" if strategy == "adamw" else f" --strategy {strategy}") + same
    print(f"next        hub finetune --module {module} --train {train} --learning-rate {found.suggestion:.2g}{same}")
