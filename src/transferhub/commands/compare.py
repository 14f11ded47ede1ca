"""``hub compare``: what the pretrained weights are worth on your rows."""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from transferhub.commands.task_flags import TaskFlags, with_task_flags
from transferhub.errors import ConfigError

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

    Where no rate is given, the frozen network's head moves at 20 times the others'. A stopped comparison goes on when
    the same command is given again.

    Example: hub compare --module minilm --train reviews.csv --num-epoch 3
    """
    _ = flags.task_class
    for flag, given in (("--freeze", flags.freeze), ("--from-scratch", flags.from_scratch)):
        if given:
            raise ConfigError(
                f"{flag} with hub compare",
                expected="it trains fine-tuned, frozen and from scratch",
                fix=f"leave it out, or hub finetune {flag}",
            )
    rows = flags.rows()
    from transferhub.task.compare import WAYS, new_folder, unfinished
    from transferhub.task.compare import compare as run

    def make(way: str, place: Path) -> "BaseTask":
        frozen, overwrite = way == "frozen", flags.overwrite and flags.checkpoint_dir is not None
        chosen = dataclasses.replace(flags, from_scratch=way == "from scratch", freeze=frozen, overwrite=overwrite)
        config = chosen.config(checkpoint_dir=place)
        if frozen and not flags.rate_is_given:
            strategy: Any = config.strategy
            rate = strategy.learning_rate * HEAD_RATE
            config = dataclasses.replace(chosen, learning_rate=rate).config(checkpoint_dir=place)
        return chosen.build(rows, config)

    # A cosine of frozen vectors has nothing to learn.
    ways = [way for way in WAYS if way != "frozen" or flags.task != "pairwise-text-matching" or flags.network]
    folder = flags.checkpoint_dir or unfinished(make, ways) or new_folder()
    compared = run(make, folder, ways)
    if as_json:
        results = {way: dataclasses.asdict(result) for way, result in compared.results.items()}
        print(json.dumps({**results, "checkpoint_dir": str(folder)}, ensure_ascii=False))
        return
    print("\n".join(compared.lines()))
    print(f"curves      {folder / 'compare.svg'}")
    print(f"next        hub predict {compared.results[compared.best].best_model} FILE")
