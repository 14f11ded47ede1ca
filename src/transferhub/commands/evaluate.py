"""``hub evaluate``: the scores of a best model on a file."""

import json
from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    best_model: Annotated[Path, typer.Argument(help="The best_model folder of a run.")],
    file: Annotated[Path, typer.Argument(help="csv or tsv with a header line and labels.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as one JSON object.")] = False,
) -> None:
    """Score a best model on a file with labels, in fp32.

    Example: hub evaluate ckpt_20261121101500/best_model test.csv
    """
    import transferhub as hub

    scores = hub.load(best_model).evaluate(file)
    print(json.dumps(scores) if as_json else "\n".join(f"{name:10} {value:.5f}" for name, value in scores.items()))
