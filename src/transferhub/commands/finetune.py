"""``hub finetune``: a file and a module in, a best model out."""

import dataclasses
import json
import time
from typing import Annotated

import typer

from transferhub.commands.task_flags import TaskFlags, with_task_flags

_started = time.monotonic()


@with_task_flags
def finetune(
    flags: TaskFlags,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object, as the last line.")
    ] = False,
) -> None:
    """Fine-tune a pretrained module on your rows. A stopped run goes on when the same command is given again.

    Example: hub finetune --module minilm --train reviews.csv --num-epoch 3
    """
    _ = flags.task_class  # a task that does not exist is said before anything is loaded
    config = flags.config()
    from transferhub.task.confidence import in_line, legend

    result = flags.build(flags.rows(), config).finetune_and_eval()
    if as_json:
        wall = round(time.monotonic() - _started, 1)
        print(json.dumps({**dataclasses.asdict(result), "wall_seconds": wall}, ensure_ascii=False))
        return
    for split, scores in (("dev", result.dev), ("test", result.test)):
        if scores:
            print(f"{split:5}" + in_line(scores, result.intervals.get(split, {})))
    for line in legend([result.intervals]):
        print(line)
    print(f"best model  {result.best_model}\nreport      {result.report}")
    print(f"curves      hub board {result.checkpoint_dir}")
    print(f"next        hub predict {result.best_model} FILE")
