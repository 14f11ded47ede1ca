"""``hub compare``: what the pretrained weights are worth on your rows."""

import dataclasses
import datetime
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from transferhub.commands.task_flags import TaskFlags, with_task_flags

if TYPE_CHECKING:
    from transferhub.task.base_task import BaseTask

HEAD_RATE = 20  # times the rate for a network of which only the head moves, where no rate was given


@with_task_flags
def compare(
    flags: TaskFlags,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the results as one JSON object, as the last line.")
    ] = False,
) -> None:
    """Fine-tuned, frozen and from scratch: the same rows, epochs and seed, one table, the curves in one picture.

    Where no --learning-rate is given, the frozen network's head moves at 20 times the others' rate.

    Example: hub compare --module minilm --train reviews.csv --num-epoch 3
    """
    _ = flags.task_class
    folder = flags.checkpoint_dir or Path(f"compare_{datetime.datetime.now():%Y%m%d%H%M%S}")
    rows = flags.rows()
    from transferhub.task.compare import WAYS
    from transferhub.task.compare import compare as run

    def make(way: str, place: Path) -> "BaseTask":
        frozen = way == "frozen"
        rate = flags.usual_rate * HEAD_RATE if frozen and flags.learning_rate is None else flags.learning_rate
        given = dataclasses.replace(flags, from_scratch=way == "from scratch", freeze=frozen, learning_rate=rate)
        return given.build(rows, given.config(checkpoint_dir=place))

    # A cosine of frozen vectors has nothing to learn.
    ways = [way for way in WAYS if way != "frozen" or flags.task != "pairwise-text-matching" or flags.network]
    compared = run(make, folder, ways)
    if as_json:
        results = {way: dataclasses.asdict(result) for way, result in compared.results.items()}
        print(json.dumps({**results, "checkpoint_dir": str(folder)}, ensure_ascii=False))
        return
    print("\n".join(compared.lines()))
    print(f"curves      {folder / 'compare.svg'}")
    print(f"next        hub predict {compared.results[compared.best].best_model} FILE")
